"""Reading a form and authenticating its client: the beginning of every request to the back channel."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request

from authz.http.rendering import form_fault
from authz.ports import Clients, Tenant
from authz.protocol.client_auth import authenticated, presented_client
from authz.protocol.client_metadata import Client
from authz.protocol.errors import OAuthError, invalid_request
from identity_core.web.forms import Form, FormFault, form_without_duplicates

_REPEATABLE: Final = frozenset({"resource"})


async def read_form(request: Request) -> Form | OAuthError:
    """The body; parameters twice are refused (RFC 6749 §3.2), but for `resource` (RFC 8707 §2)."""
    if request.scope["query_string"]:
        # RFC 6749 §2.3.1: credentials must not stand in the URI; a mixed request would have two readings.
        return invalid_request("parameters belong in the body")
    form = await form_without_duplicates(request, repeatable=_REPEATABLE)
    return form_fault(form) if isinstance(form, FormFault) else form


async def authenticate(request: Request, form: Form, tenant: Tenant, clients: Clients) -> Client | OAuthError:
    """The client behind the request, verified. At most one statement a second for each client."""
    headers = request.headers.getlist("authorization")
    if len(headers) > 1:
        return invalid_request("more than one Authorization header")
    presented = presented_client(headers[0] if headers else None, form)
    if isinstance(presented, OAuthError):
        return presented
    return authenticated(presented, await clients.get(tenant.id, presented.client_id))
