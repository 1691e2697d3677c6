"""What anybody may read: provider metadata (OIDC Discovery §4, RFC 8414 §3) and the key set (RFC 7517 §5).

Ready bytes; no store is asked beyond the key ring's look once a second. Open to every origin, as both are public.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import orjson
from starlette.requests import Request
from starlette.responses import Response

from authz.grants import GRANTS
from authz.http.rendering import JSON
from authz.interaction import ACR_MFA, ACR_PASSWORD
from authz.protocol.metadata import provider_metadata
from authz.protocol.prompt import PROMPTS
from authz.resources import resources_of, tenant_of

_OPEN: Final = {"access-control-allow-origin": "*"}
_ACR_VALUES: Final = (ACR_PASSWORD, ACR_MFA)


async def metadata(request: Request) -> Response:
    """The document of the tenant the path names."""
    seconds = resources_of(request).settings.jwks_seconds
    headers = {"cache-control": f"public, max-age={seconds}", **_OPEN}
    return Response(_document(tenant_of(request).issuer), headers=headers, media_type=JSON)


async def jwks(request: Request) -> Response:
    """The published keys; 304 when the caller has them already (RFC 9110 §13.1.2)."""
    resources = resources_of(request)
    ring = await resources.keys.ring(tenant_of(request).id)
    seconds = resources.settings.jwks_seconds
    headers = {"cache-control": f"public, max-age={seconds}", "etag": ring.etag, **_OPEN}
    known = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    if ring.etag in known or "*" in known:
        return Response(status_code=304, headers=headers)
    return Response(ring.jwks, headers=headers, media_type=JSON)


@lru_cache(maxsize=1024)
def _document(issuer: str) -> bytes:
    grant_types = [grant.name for grant in GRANTS]
    return orjson.dumps(provider_metadata(issuer, grant_types=grant_types, prompts=PROMPTS, acr_values=_ACR_VALUES))
