"""A collector of traces as small as can be: OTLP over HTTP, kept in memory."""

from __future__ import annotations

import asyncio
import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Span:
    """One finished span. Ids are hexadecimal; `parent` is empty for the first of its process without a caller."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    attributes: dict[str, str]

    @property
    def what(self) -> str:
        """Its name, and the path of a request."""
        return f"{self.name} {self.attributes.get('url.path', '')}"


@dataclass
class Collector:
    """What has arrived so far."""

    endpoint: str
    spans: list[Span] = field(default_factory=list)

    def of_trace(self, trace: str) -> list[Span]:
        return [span for span in list(self.spans) if span.trace == trace]

    async def wait_for(self, trace: str, *wanted: tuple[str, str]) -> list[Span]:
        """The trace's spans once each (service, part of `what`) is among them; fails with what there is."""
        for _ in range(300):
            found = self.of_trace(trace)
            if all(any(span.service == service and part in span.what for span in found) for service, part in wanted):
                return found
            await asyncio.sleep(0.1)
        there = sorted({(span.service, span.what) for span in self.of_trace(trace)})
        missing = [pair for pair in wanted if not any(pair[0] == s and pair[1] in n for s, n in there)]
        raise AssertionError(f"missing {missing} among {there}")

    def take(self, body: bytes) -> None:
        request = ExportTraceServiceRequest()
        request.ParseFromString(body)
        for resource in request.resource_spans:
            named = {item.key: item.value.string_value for item in resource.resource.attributes}
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.spans.append(
                        Span(
                            named["service.name"].removeprefix("gatehouse-"),
                            span.name,
                            span.trace_id.hex(),
                            span.span_id.hex(),
                            span.parent_span_id.hex(),
                            {item.key: item.value.string_value for item in span.attributes},
                        )
                    )


@contextmanager
def collector() -> Iterator[Collector]:
    """One that listens on a free port while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kept.take(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Nothing to the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    kept = Collector(f"http://127.0.0.1:{server.server_port}/v1/traces")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield kept
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
