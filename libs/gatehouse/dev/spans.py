"""`--otel console`: the spans that the processes write into their logs, shown as they come, one line each."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Sequence

import orjson

from gatehouse.dev.children import Child

_POLL_SECONDS = 0.25


class SpanRelay:
    """Follows the logs of processes and prints each span as `<process> | <JSON>`."""

    def __init__(self, children: Sequence[Child]) -> None:
        self._followed = {child.order.name: (child.order.log, SpanReader()) for child in children}
        self._positions = dict.fromkeys(self._followed, 0)

    async def run(self) -> None:
        """For ever."""
        while True:
            self.catch_up()
            await asyncio.sleep(_POLL_SECONDS)

    def catch_up(self) -> None:
        """Print what has come since the last time; once more when the processes have ended and said their last."""
        for name, (log, reader) in self._followed.items():
            with log.open("rb") as file:
                file.seek(self._positions[name])
                fresh = file.read()
            self._positions[name] += len(fresh)
            for span in reader.feed(fresh):
                print(f"{name} | {span}", file=sys.stdout, flush=True)


class SpanReader:
    """Finds in a stream of log lines the JSON blocks of OpenTelemetry's console exporter.

    A block begins with a line `{` and ends with a line `}`; everything else is a log line and is left alone.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._block: list[bytes] | None = None

    def feed(self, content: bytes) -> Iterator[str]:
        """The spans that are complete now, each as JSON on one line."""
        *lines, self._rest = (self._rest + content).split(b"\n")
        for line in lines:
            if line == b"{":
                self._block = [line]
            elif self._block is not None:
                self._block.append(line)
                if line == b"}":
                    yield from _compact(b"\n".join(self._block))
                    self._block = None


def _compact(block: bytes) -> Iterator[str]:
    try:
        yield orjson.dumps(orjson.loads(block)).decode()
    except orjson.JSONDecodeError:
        return  # lines of two processes in each other: not a span
