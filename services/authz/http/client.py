"""Reading a form and authenticating its client: the beginning of every request to the back channel."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request

from authz.http.abuse import address_of, client_limits
from authz.http.rendering import form_fault
from authz.ports import Tenant
from authz.protocol.client_auth import authenticated, presented_client
from authz.protocol.client_metadata import Client
from authz.protocol.errors import OAuthError, invalid_request, too_many_failures
from authz.resources import Resources
from identity_core.ratelimit import Limited
from identity_core.web.forms import Form, FormFault, form_without_duplicates

_REPEATABLE: Final = frozenset({"resource"})


async def read_form(request: Request) -> Form | OAuthError:
    """The body; parameters twice are refused (RFC 6749 §3.2), but for `resource` (RFC 8707 §2)."""
    if request.scope["query_string"]:
        # RFC 6749 §2.3.1: credentials must not stand in the URI; a mixed request would have two readings.
        return invalid_request("parameters belong in the body")
    form = await form_without_duplicates(request, repeatable=_REPEATABLE)
    return form_fault(form) if isinstance(form, FormFault) else form


async def authenticate(request: Request, form: Form, tenant: Tenant, resources: Resources) -> Client | OAuthError:
    """The client behind the request, verified. At most one statement a second for each client.

    A failure costs one round trip more: failures are counted by client and by network, and beyond the limits the answer
    is 429. A client that authenticates is neither counted nor refused, whatever others do in its name.
    """
    headers = request.headers.getlist("authorization")
    if len(headers) > 1:
        return invalid_request("more than one Authorization header")
    presented = presented_client(headers[0] if headers else None, form)
    if isinstance(presented, OAuthError):
        return presented if presented.status != 401 else await _failed(request, tenant, resources, presented, None)
    client = authenticated(presented, await resources.clients.get(tenant.id, presented.client_id))
    if isinstance(client, OAuthError):
        return await _failed(request, tenant, resources, client, presented.client_id)
    return client


async def _failed(
    request: Request, tenant: Tenant, resources: Resources, refusal: OAuthError, client_id: str | None
) -> OAuthError:
    """`refusal`, counted; or that there were too many."""
    limited = await resources.limiter.take(tenant.id, *client_limits(client_id, address_of(request)))
    return too_many_failures(limited.retry_after_s) if isinstance(limited, Limited) else refusal
