"""The end-session endpoint, GET and POST, and the page it ends at (OIDC RP-Initiated Logout 1.0).

A valid hint for this very session signs out at once; everything else asks the person first. Ending a session writes
the ledger (revocation rule 1), so nothing that hangs on it is accepted once the answer is out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from authz.http.error_page import error_page, foreign_form_page, malformed_page, page, with_pages_for_faults
from authz.http.visit import Visit
from authz.login_ports import OpenCookie
from authz.protocol.authorization_request import with_parameters
from authz.protocol.client_metadata import Client
from authz.protocol.form_action import leads_to
from authz.protocol.logout import Hint, SignedIn, client_asked, may_end_at_once, redirect_allowed
from identity_core import jose, secrets
from identity_core.base64url import encode as base64url
from identity_core.secrets import derive_sid
from identity_core.web.forms import Form, FormFault, form_without_duplicates, query_without_duplicates

LOGOUT: Final = "/logout"
SIGNED_OUT: Final = "/signed-out"
_MAX_FORM: Final = 32 * 1024
_KEPT: Final = ("id_token_hint", "client_id", "post_logout_redirect_uri", "state")


@dataclass(frozen=True)
class _Asked:
    """A request whose parts fit together. `back_to` is where the browser goes afterwards, None for our own page."""

    form: Form
    client: Client | None
    hint: Hint | None
    back_to: str | None


@with_pages_for_faults
async def logout(request: Request) -> Response:
    """GET /logout."""
    visit = Visit.of(request)
    query = query_without_duplicates(request.scope["query_string"])
    return malformed_page(visit) if isinstance(query, FormFault) else await _answer(visit, query)


@with_pages_for_faults
async def logout_post(request: Request) -> Response:
    """POST /logout: our own confirmation, or a client's request, which is answered with 303 to the same by GET (a
    form of another site brings no SameSite cookie, the GET does)."""
    visit = Visit.of(request)
    form = await form_without_duplicates(request, limit=_MAX_FORM)
    if isinstance(form, FormFault):
        return malformed_page(visit, form.status)
    if "confirm" not in form:
        kept = [(name, form.get(name)) for name in _KEPT]
        return visit.see_other(with_parameters(visit.path(LOGOUT), kept))
    if visit.from_another_site:
        return foreign_form_page(visit)
    return await _answer(visit, form)


@with_pages_for_faults
async def signed_out(request: Request) -> Response:
    """GET /signed-out."""
    return page(Visit.of(request), "signed_out", {})


async def _answer(visit: Visit, form: Form) -> Response:
    asked = await _understood(visit, form)
    if isinstance(asked, Response):
        return asked
    session = await visit.session(asked.client.id if asked.client else None)
    if session is None:
        return _goodbye(visit, asked)
    confirmed = secrets.same(form.get("confirm", ""), _confirmation(session))
    if not confirmed and not may_end_at_once(_signed_in(visit, session, asked.client), asked.hint):
        return _confirm_page(visit, asked, session)
    client_id, subject = asked.client.id if asked.client else None, str(session.facts.user_id)
    await visit.login.logins.end(
        visit.tenant.id, session, "logout", visit.audit("logout", subject, client_id=client_id)
    )
    return _goodbye(visit, asked)


async def _understood(visit: Visit, form: Form) -> _Asked | Response:
    """The parts of the request that may be believed, or the page that says why it goes nowhere."""
    hint = await _hint(visit, form.get("id_token_hint"))
    name = client_asked(form.get("client_id"), hint)
    if isinstance(name, bool):
        return _refused(visit, "The application is not the one the sign-in was for.")
    client = await visit.resources.clients.get(visit.tenant.id, name) if name else None
    if name and client is None:
        return _refused(visit, "The application that sent you is not known here.")
    uri = form.get("post_logout_redirect_uri")
    believed = "id_token_hint" not in form or hint is not None
    if uri is None or client is None or not believed:
        # Nobody vouches for the address: the person may sign out, and stays here (§3).
        return _Asked(form, client, hint, None)
    if not redirect_allowed(uri, client.post_logout_redirect_uris):
        return _refused(visit, "The application sent an address that is not registered for it.")
    return _Asked(form, client, hint, with_parameters(uri, [("state", form.get("state"))]))


async def _hint(visit: Visit, token: str | None) -> Hint | None:
    if token is None:
        return None
    ring = await visit.resources.keys.ring(visit.tenant.id)
    verified = jose.verify(
        token,
        ring.hints,
        typ=frozenset({"", "jwt"}),
        issuer=visit.tenant.issuer,
        audience=None,
        now=visit.resources.clock.now_ms() / 1000,
        allow_expired=True,
    )
    return Hint.of(verified.claims, verified.audience) if isinstance(verified, jose.VerifiedClaims) else None


def _signed_in(visit: Visit, session: OpenCookie, client: Client | None) -> SignedIn:
    key, facts = visit.resources.settings.tag_key, session.facts
    sid = derive_sid(key, visit.tenant.id, facts.id, client.id) if client else None
    return SignedIn(facts.user_id, sid)


def _confirmation(session: OpenCookie) -> str:
    """What our own confirmation carries: only a page shown to this session can know it."""
    return base64url(secrets.sha256(f"logout:{session.cookie.encode()}"))


def _confirm_page(visit: Visit, asked: _Asked, session: OpenCookie) -> Response:
    fields = [(name, asked.form[name]) for name in _KEPT if name in asked.form]
    values = {
        "action": visit.path(LOGOUT),
        "client": asked.client.name if asked.client else None,
        "fields": [*fields, ("confirm", _confirmation(session))],
    }
    return page(visit, "logout", values, leads_to=leads_to(asked.back_to) if asked.back_to else ())


def _goodbye(visit: Visit, asked: _Asked) -> Response:
    visit.forget_cookies()
    return visit.see_other(asked.back_to or visit.path(SIGNED_OUT))


def _refused(visit: Visit, why: str) -> Response:
    return error_page(visit, 400, "This request cannot be answered.", why)
