"""The authorization endpoint (RFC 6749 §3.1, OIDC Core §3.1.2), GET and POST.

A request whose client or redirect URI is not right is answered with a page; every other refusal travels to the
redirect URI with `error`, `state` and `iss`. Cost of a request with a session and nothing to ask: two round trips to
Redis and one statement; without a session: one round trip.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from authz.http.error_page import BACK_TO_APPLICATION, error_page, malformed_page, with_pages_for_faults
from authz.http.journey import AUTHORIZE, Journey, proceed, to_client
from authz.http.visit import Visit
from authz.interaction import NOTHING
from authz.protocol.audience import OwnApis
from authz.protocol.authorization_request import (
    AnswerAddress,
    AuthorizationRequest,
    RequestRules,
    parse_answer_address,
    parse_request,
)
from authz.protocol.client_metadata import Client
from authz.protocol.errors import OAuthError, invalid_request
from identity_core import jose
from identity_core.web.bodies import BodyFault, read_body
from identity_core.web.forms import Form, FormFault, query_without_duplicates

_RESOURCE: Final = frozenset({"resource"})
# Longer posts would not fit the request line that repeats them.
_MAX_POST: Final = 16 * 1024
_FORM_BODY: Final = re.compile(rb"[A-Za-z0-9\-._~!$'()*+,;:@/?%&=\[\]]*")


@dataclass(frozen=True, slots=True)
class _Given:
    """The parameters as they came. `duplicate` is the refusal when one came twice; it is then left out of `params`."""

    params: Form
    duplicate: OAuthError | None = None


@with_pages_for_faults
async def authorize(request: Request) -> Response:
    """GET /authorize."""
    visit = Visit.of(request)
    given = _given(request)
    if given is None:
        return malformed_page(visit)
    # An extension of ours, ignored elsewhere: a browser that is redirected cannot send the header.
    visit.continue_trace(given.params.get("traceparent"))
    client = await visit.resources.clients.get(visit.tenant.id, given.params.get("client_id", ""))
    if client is None:
        return _refused_page(visit, "The application that sent you is not known here.", "invalid_client")
    address = parse_answer_address(given.params, client.redirect_uris, client.application_type)
    if isinstance(address, OAuthError):
        return _refused_page(visit, "The application sent an address that is not registered for it.", address.error)
    asked = given.duplicate or await _judged(visit, client, given.params, address)
    if isinstance(asked, OAuthError):
        return to_client(visit, address.redirect_uri, given.params.get("state"), asked.parameters())
    return await proceed(Journey(visit, client, asked), NOTHING)


@with_pages_for_faults
async def authorize_post(request: Request) -> Response:
    """POST /authorize (OIDC Core §3.1.2.1): 303 to the same request by GET.

    A form posted by another site brings no SameSite=Lax cookie; the GET that follows does, so that whoever is signed
    in stays signed in.
    """
    visit = Visit.of(request)
    body = await read_body(request, _MAX_POST)
    if isinstance(body, BodyFault):
        return malformed_page(visit, 413 if body.kind == "too_large" else 400)
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/x-www-form-urlencoded" or not _FORM_BODY.fullmatch(body):
        return malformed_page(visit, 415 if media_type != "application/x-www-form-urlencoded" else 400)
    return visit.see_other(f"{visit.path(AUTHORIZE)}?{body.decode('ascii')}")


def _given(request: Request) -> _Given | None:
    """The parameters, or None when even client and redirect URI cannot be told."""
    query: bytes = request.scope["query_string"]
    strict = query_without_duplicates(query, repeatable=_RESOURCE)
    if isinstance(strict, Form):
        return _Given(strict)
    if strict.kind != "duplicate":
        return None
    # Find out where the refusal may go: with everything repeatable but client and redirect URI, which have no second
    # chance (RFC 6749 §3.1).
    names = {name for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True)}
    lenient = query_without_duplicates(query, repeatable=frozenset(names) - {"client_id", "redirect_uri"})
    if isinstance(lenient, FormFault):
        return None
    once = {name: value for name, value in lenient.items() if len(lenient.all(name)) == 1}
    return _Given(Form(once), invalid_request(strict.description))


async def _judged(
    visit: Visit, client: Client, params: Form, address: AnswerAddress
) -> AuthorizationRequest | OAuthError:
    if "authorization_code" not in client.grant_types:
        return OAuthError("unauthorized_client", "this client may not use the authorization code flow")
    settings = visit.resources.settings
    allowed = RequestRules(
        scopes=frozenset(client.user_scopes),
        require_pkce=client.require_pkce or client.public,
        apis=OwnApis(settings.scim_base_url, settings.sessions_base_url),
        default_max_age=client.default_max_age,
    )
    asked = parse_request(params, params.all("resource"), address, allowed)
    hint = params.get("id_token_hint")
    if isinstance(asked, OAuthError) or hint is None:
        return asked
    subject = await _hint_subject(visit, client, hint)
    if subject is None:
        return invalid_request("the id_token_hint is not an ID token issued here to this client")
    return replace(asked, hint_subject=subject)


async def _hint_subject(visit: Visit, client: Client, hint: str) -> str | None:
    """Whom an ID token of ours names; one that has expired still says whom the client means."""
    ring = await visit.resources.keys.ring(visit.tenant.id)
    verified = jose.verify(
        hint,
        ring.hints,
        typ=frozenset({"", "jwt"}),
        issuer=visit.tenant.issuer,
        audience=client.id,
        now=visit.resources.clock.now_ms() / 1000,
        allow_expired=True,
    )
    return verified.subject if isinstance(verified, jose.VerifiedClaims) else None


def _refused_page(visit: Visit, why: str, code: str) -> Response:
    return error_page(visit, 400, "This request cannot be answered.", why, advice=BACK_TO_APPLICATION, code=code)
