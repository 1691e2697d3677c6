"""One place that turns verdicts into a metric and, for refusals, a log line. The rules themselves do not log."""

from __future__ import annotations

from typing import Final

import structlog

from authz.protocol.errors import OAuthError
from identity_core.metrics import counter

log = structlog.get_logger("authz.token")

_REQUESTS: Final = counter(
    "gatehouse_token_requests_total", "Token requests by grant type and outcome.", ("grant_type", "outcome")
)
_INTROSPECTIONS: Final = counter("gatehouse_introspections_total", "Introspections by outcome.", ("outcome",))


def observe_tokens(grant_type: str) -> None:
    """Tokens were issued."""
    _REQUESTS.labels(grant_type, "issued").inc()


def observe_refusal(grant_type: str, error: OAuthError) -> None:
    """A token request was refused; `error` and `cause` are from closed sets of ours."""
    _REQUESTS.labels(grant_type, error.error).inc()
    log.info("token.refused", grant_type=grant_type, error=error.error, cause=error.cause)


def observe_introspection(*, active: bool) -> None:
    """A token was introspected."""
    _INTROSPECTIONS.labels("active" if active else "inactive").inc()
