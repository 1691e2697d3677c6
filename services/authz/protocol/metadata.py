"""What the provider says of itself (OIDC Discovery §3, RFC 8414 §2), computed from the registries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from authz.protocol.client_metadata import AUTH_METHODS, RESPONSE_TYPES
from authz.protocol.pkce import METHODS
from authz.protocol.scope import CLAIMS, SCOPES
from identity_core.jose import ALGORITHMS, SIGNING_ALGORITHMS

TOKEN_CLAIMS: Final = ("iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "at_hash", "sid")

# Where each endpoint lies below its issuer; the routes are made from the same names.
ENDPOINTS: Final = {
    "authorization_endpoint": "/authorize",
    "token_endpoint": "/token",
    "userinfo_endpoint": "/userinfo",
    "jwks_uri": "/jwks",
    "introspection_endpoint": "/introspect",
    "revocation_endpoint": "/revoke",
    "end_session_endpoint": "/logout",
}


def provider_metadata(
    issuer: str, *, grant_types: Sequence[str], prompts: Sequence[str], acr_values: Sequence[str]
) -> dict[str, Any]:
    """The document of one issuer. Nothing in it comes from a request."""
    secrets = [method for method in AUTH_METHODS if method != "none"]
    return {
        "issuer": issuer,
        **{name: issuer + path for name, path in ENDPOINTS.items()},
        "scopes_supported": list(SCOPES),
        "response_types_supported": list(RESPONSE_TYPES),
        "response_modes_supported": ["query"],
        "grant_types_supported": list(grant_types),
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": list(SIGNING_ALGORITHMS),
        # Published so that nobody has to guess: request objects are refused, and `none` never was an algorithm here.
        "request_object_signing_alg_values_supported": sorted(ALGORITHMS),
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "require_request_uri_registration": False,
        "claims_parameter_supported": False,
        "claim_types_supported": ["normal"],
        "claims_supported": [*CLAIMS, *TOKEN_CLAIMS],
        "acr_values_supported": list(acr_values),
        "prompt_values_supported": list(prompts),
        "display_values_supported": ["page"],
        "ui_locales_supported": ["en"],
        "code_challenge_methods_supported": list(METHODS),
        "token_endpoint_auth_methods_supported": list(AUTH_METHODS),
        "introspection_endpoint_auth_methods_supported": secrets,
        "revocation_endpoint_auth_methods_supported": list(AUTH_METHODS),
        "authorization_response_iss_parameter_supported": True,
        "backchannel_logout_supported": False,
        "frontchannel_logout_supported": False,
    }
