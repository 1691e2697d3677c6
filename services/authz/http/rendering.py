"""Answers in OAuth's own format: JSON that no cache keeps, errors of RFC 6749 §5.2 and challenges of RFC 6750 §3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from authz.http.failure_page import failure_page, wants_page
from authz.protocol.errors import OAuthError, invalid_request
from identity_core.web.forms import FormFault
from identity_core.web.problems import Failure, as_problem

JSON: Final = "application/json"
# RFC 6749 §5.1: both, whatever the answer.
NO_STORE: Final = {"cache-control": "no-store", "pragma": "no-cache"}
_BASIC: Final = 'Basic realm="gatehouse", charset="UTF-8"'
# Endpoints of machines: their errors are OAuth's JSON, whoever refuses.
_OAUTH_PATHS: Final = ("/token", "/userinfo", "/introspect", "/revoke")


def answer(body: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer that is not to be kept."""
    return Response(orjson.dumps(body), status, {**NO_STORE, **(headers or {})}, JSON)


def refusal(error: OAuthError, request: Request) -> Response:
    """An error of the token endpoint and its neighbours; 401 names the scheme that was tried (RFC 6749 §5.2)."""
    headers: dict[str, str] = {}
    if error.status == 401 and "authorization" in request.headers:
        headers["www-authenticate"] = _BASIC
    if error.retry_after_s is not None:
        headers["retry-after"] = str(error.retry_after_s)
    return answer(error.parameters(), error.status, headers)


def bearer_refusal(error: OAuthError | None, scope: str | None = None) -> Response:
    """401 or 403 at a protected resource (RFC 6750 §3); None: no token came, so nothing is said of it (§3.1)."""
    if error is None:
        return Response(status_code=401, headers={**NO_STORE, "www-authenticate": 'Bearer realm="gatehouse"'})
    said = [f'error="{error.error}"']
    if error.description:
        said.append(f'error_description="{error.description}"')
    if scope is not None:
        said.append(f'scope="{scope}"')
    challenge = f'Bearer realm="gatehouse", {", ".join(said)}'
    return answer(error.parameters(), error.status, {"www-authenticate": challenge})


def form_fault(fault: FormFault) -> OAuthError:
    """Whatever is wrong with a form is `invalid_request` at these endpoints (RFC 6749 §5.2)."""
    return invalid_request(fault.description, fault.kind)


def render_failure(scope: Scope, failure: Failure) -> Response:
    """The `Render` of the whole service: OAuth JSON at OAuth endpoints, a page for people, else problem details."""
    if not _is_oauth(scope["path"]):
        page = failure_page(scope, failure) if wants_page(scope) else None
        return page or as_problem(scope, failure)
    error = {401: "invalid_client", 429: "temporarily_unavailable", 503: "temporarily_unavailable"}.get(
        failure.status, "server_error" if failure.status >= 500 else "invalid_request"
    )
    body = OAuthError(error, _ascii(failure.detail), failure.status)
    return answer(body.parameters(), failure.status, failure.headers)


def _is_oauth(path: str) -> bool:
    return path.endswith(_OAUTH_PATHS) and path.rpartition("/")[0].count("/") in (0, 2)


def _ascii(detail: str | None) -> str:
    return "".join(c for c in detail or "" if " " <= c <= "~" and c not in '"\\')[:300]
