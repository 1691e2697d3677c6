"""Traces: opentelemetry-sdk when asked for, nothing at all when not.

    telemetry = configure(settings, "authz")            # once per process, before the application is built
    app = FastAPI(telemetry=telemetry.for_fastapi(), …)  # request spans for every route of the app, raw ASGI
    included

* `store_span("redis.read_standing")` and `span(name)` open a child only when the current span records: free
  otherwise.
* `root_span(name, traceparent)` begins a trace of background work, continuing the one an event row carries.
* `inject()` gives the traceparent to write into an event row; `extract(traceparent)` the context for its
  consumer.
* `propagate_to(client)` makes an httpx client carry the current trace.

Sampling is decided at the head, in FastAPI's `exclude`, before a span exists: a caller's traceparent is
followed, otherwise `GATEHOUSE_OTEL_SAMPLE` decides. Query strings never reach a span: only the names of their
parameters do, for they carry codes, states, hints and tokens.
"""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol
from urllib.parse import parse_qsl

import httpx
from fastapi.telemetry import TelemetryConfig
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util import types

_TRACEPARENT: Final = re.compile(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-([0-9a-f]{2})(-.*)?")
_W3C: Final = TraceContextTextMapPropagator()
_NOTHING: Final[AbstractContextManager[None]] = nullcontext()
_OFF: Final[TelemetryConfig] = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
}


class TraceSettings(Protocol):
    """The part of the settings that is read here (`ServiceSettings` has it)."""

    @property
    def otel(self) -> Literal["off", "console", "otlp"]: ...

    @property
    def otel_endpoint(self) -> str | None: ...

    @property
    def otel_sample(self) -> float: ...


@dataclass(frozen=True)
class Telemetry:
    """What `configure` made. `provider` is None when tracing is off."""

    provider: TracerProvider | None
    sample: float

    def for_fastapi(self) -> TelemetryConfig:
        """The `telemetry` argument of `FastAPI`."""
        if self.provider is None:
            return _OFF
        return _OFF | {"tracing": True, "tracer_provider": self.provider, "exclude": self.exclude}

    def exclude(self, scope: MutableMapping[str, Any]) -> bool:
        """The head sampling decision: True leaves the request untraced."""
        for name, value in scope["headers"]:
            if name == b"traceparent" and (match := _TRACEPARENT.fullmatch(value)):
                return not int(match[1], 16) & 1
        return random.random() >= self.sample  # noqa: S311

    def shutdown(self) -> None:
        """Send what is still queued, then stop; called after the last request."""
        if self.provider is not None:
            self.provider.shutdown()


_current = Telemetry(None, 0.0)


def _otlp(settings: TraceSettings) -> SpanExporter:
    # Imported when wanted: it costs a process 10 MB and 0.3 s that most never need.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

    return OTLPSpanExporter(endpoint=settings.otel_endpoint, timeout=5)


def configure(settings: TraceSettings, service: str, *, exporter: SpanExporter | None = None) -> Telemetry:
    """Build the provider that `settings.otel` names and make it this process's. `exporter` is for tests."""
    global _current  # noqa: PLW0603 - one provider per process, as OpenTelemetry has it
    if settings.otel == "off" and exporter is None:
        _current = Telemetry(None, 0.0)
        return _current
    if exporter is None:
        exporter = ConsoleSpanExporter(out=sys.stderr) if settings.otel == "console" else _otlp(settings)
    provider = TracerProvider(resource=Resource.create({"service.name": f"gatehouse-{service}"}))
    provider.add_span_processor(_HideQuery())
    provider.add_span_processor(BatchSpanProcessor(exporter))
    _current = Telemetry(provider, settings.otel_sample)
    return _current


def span(name: str, **attributes: str | int | float | bool) -> AbstractContextManager[None]:
    """A child of the current span while that one records; otherwise nothing, at the cost of one look."""
    return _child(name, SpanKind.INTERNAL, attributes)


def store_span(name: str, **attributes: str | int | float | bool) -> AbstractContextManager[None]:
    """`span` round one call of a store.

    `name` is ours, such as `postgres.take_code`; never a statement or a key.
    """
    return _child(name, SpanKind.CLIENT, attributes)


@contextmanager
def root_span(name: str, traceparent: str | None = None) -> Iterator[None]:
    """A span for background work: part of the trace in `traceparent` if that one is sampled, else sampled
    afresh.
    """
    context = extract(traceparent)
    carried = trace.get_current_span(context).get_span_context()
    sampled = carried.trace_flags.sampled if carried.is_valid else random.random() < _current.sample  # noqa: S311
    if _current.provider is None or not sampled:
        yield
        return
    with _recorded(name, SpanKind.CONSUMER, None, context):
        yield


@contextmanager
def continued_span(name: str, traceparent: str | None) -> Iterator[None]:
    """A span of an earlier request's trace, for what a person or an application goes on with in a later one.

    Nothing without a `traceparent`, or where that trace is not sampled. What is written inside carries the trace.
    """
    carried = trace.get_current_span(extract(traceparent)).get_span_context()
    if _current.provider is None or not carried.is_valid or not carried.trace_flags.sampled:
        yield
        return
    with _recorded(name, SpanKind.INTERNAL, None, extract(traceparent)):
        yield


def inject() -> str | None:
    """The current span as a W3C traceparent, or None when nothing is being traced."""
    if not trace.get_current_span().get_span_context().is_valid:
        return None
    carrier: dict[str, str] = {}
    _W3C.inject(carrier)
    return carrier.get("traceparent")


def extract(traceparent: str | None) -> Context:
    """The context of a stored traceparent; an empty one when there is none or it is malformed."""
    return _W3C.extract({"traceparent": traceparent} if traceparent else {}, context=Context())


def propagate_to(client: httpx.AsyncClient) -> httpx.AsyncClient:
    """Let every request of `client` carry the current trace; answers the same client."""

    async def add_traceparent(request: httpx.Request) -> None:
        if traceparent := inject():
            request.headers["traceparent"] = traceparent

    client.event_hooks["request"] = [*client.event_hooks["request"], add_traceparent]
    return client


def _child(name: str, kind: SpanKind, attributes: types.Attributes) -> AbstractContextManager[None]:
    if _current.provider is None or not trace.get_current_span().is_recording():
        return _NOTHING
    return _recorded(name, kind, attributes, None)


@contextmanager
def _recorded(name: str, kind: SpanKind, attributes: types.Attributes, context: Context | None) -> Iterator[None]:
    """A span that tells the kind of an exception and never its text, which may hold a secret."""
    tracer = (_current.provider or trace.get_tracer_provider()).get_tracer("identity_core")
    with tracer.start_as_current_span(
        name,
        context,
        kind,
        attributes,
        record_exception=False,
        set_status_on_exception=False,
    ) as opened:
        try:
            yield
        except Exception as error:
            opened.set_attribute("error.type", type(error).__name__)
            opened.set_status(StatusCode.ERROR)
            raise


class _HideQuery(SpanProcessor):
    """FastAPI's request span records the query string: keep the parameters' names alone."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        attributes: Mapping[str, Any] = span.attributes or {}
        query = attributes.get("url.query")
        if query:
            names = {name for name, _ in parse_qsl(str(query), keep_blank_values=True)}
            span.set_attribute("url.query", "&".join(sorted(names))[:200])
