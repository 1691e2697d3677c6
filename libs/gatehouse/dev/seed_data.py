"""Who and what the demo tenant holds: one person, three clients, one SCIM source. Values only."""

from __future__ import annotations

from typing import Any
from uuid import UUID

DEFAULT_TENANT = UUID("00000000-0000-7000-8000-000000000001")
USERNAME = "ada"
EMAIL = "ada@example.com"
ADMIN_CLIENT_ID = "admin"
SOURCE_NAME = "demo"
# Where the directory keeps the claims that SCIM has no attribute for.
OIDC_SCHEMA = "urn:gatehouse:params:scim:schemas:extension:oidc:2.0:User"

USER_SCOPE = "openid profile email address phone offline_access"
ADMIN_SCOPE = (
    "scim sessions:read sessions:revoke clients:read clients:write tenants:read tenants:write "
    "keys:rotate audit:read users:read users:write"
)


def web_metadata(demo_url: str) -> dict[str, Any]:
    """The demo application as RFC 7591 client metadata; the other redirect URIs are for a developer's own tries."""
    other = [f"http://{host}:{port}/callback" for host in ("127.0.0.1", "localhost") for port in (8011, 8012)]
    return {
        "client_name": "Demo application",
        "client_uri": demo_url,
        "redirect_uris": [f"{demo_url}/callback", *other],
        "post_logout_redirect_uris": [f"{demo_url}/signed-out", "http://127.0.0.1:8011/signed-out"],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "client_secret_basic",
        "scope": USER_SCOPE,
    }


def spa_metadata() -> dict[str, Any]:
    """A public client in a browser: no secret, PKCE."""
    return {
        "client_name": "Single-page application",
        "redirect_uris": ["http://127.0.0.1:8020/callback", "http://localhost:8020/callback"],
        "post_logout_redirect_uris": ["http://127.0.0.1:8020/signed-out"],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "scope": USER_SCOPE,
    }


def admin_metadata() -> dict[str, Any]:
    """The operator's client: its own tokens, for the admin APIs, SCIM and sessions."""
    return {
        "client_name": "Administration",
        "grant_types": ["client_credentials"],
        "response_types": [],
        "redirect_uris": [],
        "token_endpoint_auth_method": "client_secret_basic",
        "scope": ADMIN_SCOPE,
    }


def clients_of(demo_url: str) -> dict[str, dict[str, Any]]:
    """Every client by its id."""
    return {"web": web_metadata(demo_url), "spa": spa_metadata(), ADMIN_CLIENT_ID: admin_metadata()}


def demo_user(demo_url: str) -> dict[str, Any]:
    """Ada as a SCIM user (RFC 7643 §4.1) from whom every standard claim of OIDC Core §5.1 can be made."""
    return {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", OIDC_SCHEMA],
        "userName": USERNAME,
        "externalId": "demo-ada",
        "name": {
            "formatted": "Ada King Lovelace",
            "givenName": "Ada",
            "middleName": "King",
            "familyName": "Lovelace",
        },
        "displayName": "Ada Lovelace",
        "nickName": "Ada",
        "profileUrl": "https://example.com/people/ada",
        "title": "Analyst",
        "preferredLanguage": "en-GB",
        "locale": "en-GB",
        "timezone": "Europe/London",
        "active": True,
        "emails": [{"value": EMAIL, "type": "work", "primary": True}],
        "phoneNumbers": [{"value": "tel:+442079460815", "type": "work", "primary": True}],
        "photos": [{"value": f"{demo_url}/static/ada.svg", "type": "photo", "primary": True}],
        "addresses": [
            {
                "type": "home",
                "primary": True,
                "formatted": "12 St James's Square\nLondon SW1Y 4JH\nUnited Kingdom",
                "streetAddress": "12 St James's Square",
                "locality": "London",
                "region": "Greater London",
                "postalCode": "SW1Y 4JH",
                "country": "GB",
            }
        ],
        OIDC_SCHEMA: {
            "emailVerified": True,
            "phoneNumberVerified": True,
            "gender": "female",
            "birthdate": "1815-12-10",
            "website": "https://example.com/ada",
        },
    }
