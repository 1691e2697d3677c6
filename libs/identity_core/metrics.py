"""Metrics: prometheus_client behind a pure ASGI middleware, and a factory that other rooms use for their own.

    logins = counter("gatehouse_logins_total", "Logins by outcome.", ("outcome",))
    logins.labels("ok").inc()

Labels are closed sets: a route template, a method, a status class; never an id, an address or anything a
client sends. With several workers prometheus_client's multiprocess mode aggregates
(`PROMETHEUS_MULTIPROC_DIR`, set by `identity_core.web.workers` before a worker imports this module).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from time import perf_counter
from typing import Any, Final, Literal, TypeVar

from fastapi.routing import iter_route_contexts
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from starlette.routing import BaseRoute, Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4
UNMATCHED: Final = "unmatched"
SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

M = TypeVar("M", bound=Collector)
OverWorkers = Literal["livesum", "livemax", "livemin", "livemostrecent"]
_made: dict[str, Collector] = {}


def _once(name: str, kind: type[M], make: Callable[[], M]) -> M:
    made = _made.get(name)
    if made is None:
        made = _made[name] = make()
    if not isinstance(made, kind):
        raise TypeError(f"{name} is already a metric of another kind")
    return made


def counter(name: str, documentation: str, labels: Iterable[str] = ()) -> Counter:
    """The counter of that name, made at the first call."""
    return _once(name, Counter, lambda: Counter(name, documentation, tuple(labels)))


def gauge(name: str, documentation: str, labels: Iterable[str] = (), *, over_workers: OverWorkers = "livesum") -> Gauge:
    """The gauge of that name. `over_workers`: how the values of several workers combine."""
    return _once(name, Gauge, lambda: Gauge(name, documentation, tuple(labels), multiprocess_mode=over_workers))


def histogram(
    name: str, documentation: str, labels: Iterable[str] = (), *, buckets: Sequence[float] = SECONDS
) -> Histogram:
    """The histogram of that name; the buckets are seconds unless given."""
    return _once(name, Histogram, lambda: Histogram(name, documentation, tuple(labels), buckets=buckets))


def render() -> bytes:
    """All metrics of this service, over all its workers, in the Prometheus text format."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


REQUESTS: Final = counter(
    "gatehouse_http_requests_total", "Requests answered, by route template.", ("method", "route", "status")
)
DURATION: Final = histogram("gatehouse_http_request_seconds", "Seconds until the answer was sent.", ("method", "route"))
IN_FLIGHT: Final = gauge("gatehouse_http_requests_in_flight", "Requests being answered.")


class HttpMetrics:
    """Pure ASGI middleware: count, time and status class of every request by route template."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._templates: dict[tuple[int, frozenset[str]], str] | None = None
        self._children: dict[tuple[str, str, int], tuple[Any, Any]] = {}
        self._in_flight = IN_FLIGHT

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = 0

        async def watched_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        started = perf_counter()
        self._in_flight.inc()
        try:
            await self.app(scope, receive, watched_send)
        finally:
            self._in_flight.dec()
            requests, duration = self._child(scope, status)
            requests.inc()
            duration.observe(perf_counter() - started)

    def _child(self, scope: Scope, status: int) -> tuple[Any, Any]:
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        key = (method, self.route(scope), status // 100)
        child = self._children.get(key)
        if child is None:
            # Status 0: the connection ended without an answer.
            label = f"{key[2]}xx" if key[2] else "none"
            child = (REQUESTS.labels(method, key[1], label), DURATION.labels(method, key[1]))
            self._children[key] = child
        return child

    def route(self, scope: Scope) -> str:
        """The template of the route that served `scope`, or `unmatched`."""
        endpoint = scope.get("endpoint")
        if endpoint is None:
            return UNMATCHED
        if self._templates is None:
            self._templates = dict(_templates(scope["app"].routes, "", frozenset()))
        return self._templates.get((id(endpoint), frozenset(scope.get("path_params", ()))), UNMATCHED)


def _templates(
    routes: Sequence[BaseRoute], prefix: str, outer: frozenset[str]
) -> Iterable[tuple[tuple[int, frozenset[str]], str]]:
    """(endpoint, its path parameters) → template: one endpoint may serve several paths."""
    for context in iter_route_contexts(routes):
        route = context.original_route
        if isinstance(route, Mount):
            path = context.path_format or ""
            inner = outer | (frozenset(route.param_convertors) - {"path"})
            yield (id(route.app), inner), prefix + path
            yield from _templates(route.routes, prefix + path.removesuffix("/{path}"), inner)
        elif context.path_format is not None:
            names = outer | frozenset(getattr(context, "param_convertors", ()))
            yield (id(context.endpoint), names), prefix + context.path_format
