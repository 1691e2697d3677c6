"""The routes of this half: the back channel and what anybody may read."""

from __future__ import annotations

from authz.http.discovery import jwks, metadata
from authz.http.introspect import introspect
from authz.http.revoke import revoke
from authz.http.tenancy import TenantRoute
from authz.http.token import token
from authz.http.userinfo import userinfo
from authz.protocol.metadata import ENDPOINTS


def token_routes() -> list[TenantRoute]:
    """At the paths the metadata announces."""
    return [
        TenantRoute(ENDPOINTS["token_endpoint"], token, methods=["POST"]),
        TenantRoute(ENDPOINTS["userinfo_endpoint"], userinfo, methods=["GET", "POST"]),
        TenantRoute(ENDPOINTS["introspection_endpoint"], introspect, methods=["POST"]),
        TenantRoute(ENDPOINTS["revocation_endpoint"], revoke, methods=["POST"]),
        TenantRoute(ENDPOINTS["jwks_uri"], jwks, methods=["GET"]),
    ]


def well_known_routes() -> list[TenantRoute]:
    """Metadata at both of its addresses (OIDC Discovery §4, RFC 8414 §3)."""
    return [
        TenantRoute("/.well-known/openid-configuration", metadata, methods=["GET"]),
        TenantRoute("/.well-known/oauth-authorization-server", metadata, methods=["GET"]),
    ]
