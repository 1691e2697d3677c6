"""The routes of this half: the back channel and what anybody may read."""

from __future__ import annotations

from starlette.routing import Route

from authz.http.discovery import jwks, metadata
from authz.http.introspect import introspect
from authz.http.revoke import revoke
from authz.http.token import token
from authz.http.userinfo import userinfo
from authz.protocol.metadata import ENDPOINTS


def token_routes() -> list[Route]:
    """At the paths the metadata announces."""
    return [
        Route(ENDPOINTS["token_endpoint"], token, methods=["POST"]),
        Route(ENDPOINTS["userinfo_endpoint"], userinfo, methods=["GET", "POST"]),
        Route(ENDPOINTS["introspection_endpoint"], introspect, methods=["POST"]),
        Route(ENDPOINTS["revocation_endpoint"], revoke, methods=["POST"]),
        Route(ENDPOINTS["jwks_uri"], jwks, methods=["GET"]),
    ]


def well_known_routes() -> list[Route]:
    """Metadata at both of its addresses (OIDC Discovery §4, RFC 8414 §3)."""
    return [
        Route("/.well-known/openid-configuration", metadata, methods=["GET"]),
        Route("/.well-known/oauth-authorization-server", metadata, methods=["GET"]),
    ]
