"""Logs: JSON lines (structlog + orjson) with service, request id and trace id, and no secret in any of them.

`configure(service, level)` once per process; the standard library's loggers (uvicorn, asyncpg) go the same
way. Two nets hold secrets back. Fields are allow-listed: a field nobody named in `FIELDS` is dropped and its
name noted in `dropped`, so a careless `log.info("…", form=form)` prints nothing; a room adds its own names
with `allow_fields(…)`. And whatever text remains (message, exception, stack) is searched for our token
prefixes, JWTs, Authorization values, passwords in forms and URLs. Rules do not log; edges do, one line for a
refusal or a change of state.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from contextvars import ContextVar
from typing import Any, Final, TextIO

import orjson
import structlog
from opentelemetry import trace
from structlog.typing import EventDict, Processor, WrappedLogger

REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)

REDACTED: Final = "[redacted]"
_MAX_TEXT: Final = 8_000

_SECRETS: Final = (
    # Our own tokens: cookie, code, access, refresh, client secret, SCIM source (identity_core.secrets).
    (re.compile(r"\bg[scarkm]_[A-Za-z0-9_\-.~+/=]{20,}"), REDACTED),
    # A JWT or JWE, or a piece of one that still has its header.
    (re.compile(r"\beyJ[A-Za-z0-9_\-]{5,}(?:\.[A-Za-z0-9_\-]*)*"), REDACTED),
    (re.compile(r"(?i)\b(authorization['\"]?\s*[:=]\s*['\"]?)[^\r\n'\"]+"), rf"\1{REDACTED}"),
    (re.compile(r"(?i)\b(bearer|basic|dpop)\s+[A-Za-z0-9\-._~+/]{8,}=*"), rf"\1 {REDACTED}"),
    (
        re.compile(
            r"(?i)\b((?:new_|old_|current_)?password|passwd|pwd|client_secret|client_assertion|code_verifier|"
            r"refresh_token|access_token|id_token_hint|assertion)(['\"]?\s*[=:]\s*)(?:'[^']*'|\"[^\"]*\"|[^\s&,;'\")}]+)"
        ),
        rf"\1\2{REDACTED}",
    ),
    # The password of a URL.
    (re.compile(r"(?i)(?<![a-z0-9+.\-])([a-z][a-z0-9+.\-]{0,20}://[^\s/:@]{0,200}):[^\s/@]+@"), rf"\1:{REDACTED}@"),
)

# What every line may carry; rooms add their own names.
FIELDS: set[str] = {
    *(
        "action",
        "address",
        "attempt",
        "backlog",
        "client_id",
        "component",
        "consumer",
        "count",
        "duration_ms",
        "endpoint",
    ),
    *(
        "error",
        "event_id",
        "event_type",
        "exception",
        "exit_code",
        "grant",
        "host",
        "kind",
        "lag_s",
        "method",
        "name",
    ),
    *(
        "outcome",
        "path",
        "pid",
        "port",
        "reason",
        "route",
        "rule",
        "schema",
        "signal",
        "state",
        "status",
        "target",
    ),
    *("tenant", "trace", "version", "workers"),
}
_OWN: Final = {"event", "level", "logger", "request_id", "service", "span_id", "time", "trace_id"}


def allow_fields(*names: str) -> None:
    """Let log lines carry these fields too; called at import by the module that logs them."""
    FIELDS.update(names)


def redact(text: str) -> str:
    """`text` without anything that looks like a secret, and not longer than a log line should be."""
    if len(text) > _MAX_TEXT:
        text = f"{text[:_MAX_TEXT]}…"
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def configure(service: str, level: str = "info", *, stream: TextIO | None = None) -> None:
    """Route all logging of this process through the pipeline, as JSON lines on `stream` (standard error)."""
    shared = _processors(service)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = _Handler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _render],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "asyncpg", "fastapi"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    # httpx logs every URL at info, with its query.
    for name in ("httpx", "httpcore", "uvicorn.access"):
        logging.getLogger(name).setLevel(logging.WARNING)


class _Handler(logging.StreamHandler[TextIO]):
    """The standard handler prints message and arguments, unredacted, when a line cannot be made: this one
    does not."""

    def handleError(self, record: logging.LogRecord) -> None:
        self.stream.write(f'{{"event": "logging.failed", "level": "error", "logger": "{record.module}"}}\n')


def _processors(service: str) -> list[Processor]:
    return [
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        _context(service),
        keep_allowed,
        redact_values,
    ]


def _context(service: str) -> Processor:
    def add(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        event["service"] = service
        if (request_id := REQUEST_ID.get()) is not None:
            event["request_id"] = request_id
        span = trace.get_current_span().get_span_context()
        if span.is_valid:
            event["trace_id"] = trace.format_trace_id(span.trace_id)
            event["span_id"] = trace.format_span_id(span.span_id)
        return event

    return add


def keep_allowed(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Drop fields nobody allowed; note their names."""
    dropped = [name for name in event if name not in FIELDS and name not in _OWN and not name.startswith("_")]
    for name in dropped:
        del event[name]
    if dropped:
        event["dropped"] = sorted(dropped)
    return event


def redact_values(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Search every text of the line, nested ones too, for secrets."""
    for name, value in event.items():
        if not name.startswith("_"):
            event[name] = _clean(value)
    return event


def _clean(value: Any) -> Any:
    match value:
        case str():
            return redact(value)
        case bool() | int() | float() | None:
            return value
        case Mapping():
            return {redact(str(key)): _clean(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_clean(item) for item in value]
        case _:
            return redact(str(value))


def _render(logger: WrappedLogger, method: str, event: MutableMapping[str, Any]) -> str:
    return orjson.dumps(event, option=orjson.OPT_NON_STR_KEYS).decode()
