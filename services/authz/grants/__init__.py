"""One file per grant type; the registry from which discovery, the token endpoint and its tests are made.

A grant type parses its parameters, takes what they name (all takes, checks that need no store come first) and decides
on values. It issues nothing and commits nothing but what a take itself records.
"""

from typing import Final

from authz.grants.asking import Grant, Stores, TokenRequest
from authz.grants.authorization_code import AuthorizationCodeGrant
from authz.grants.client_credentials import ClientCredentialsGrant
from authz.grants.refresh_token import RefreshTokenGrant
from authz.protocol.client_metadata import Client
from authz.protocol.errors import OAuthError, invalid_request, unauthorized_client, unsupported_grant_type

GRANTS: Final[tuple[Grant, ...]] = (AuthorizationCodeGrant(), RefreshTokenGrant(), ClientCredentialsGrant())
_BY_NAME: Final = {grant.name: grant for grant in GRANTS}

__all__ = ["GRANTS", "Grant", "Stores", "TokenRequest", "choose"]


def choose(grant_type: str | None, client: Client) -> Grant | OAuthError:
    """The grant type of the request, if there is such a one and the client may use it (RFC 6749 §5.2)."""
    if grant_type is None:
        return invalid_request("the grant_type is missing")
    grant = _BY_NAME.get(grant_type)
    if grant is None:
        return unsupported_grant_type()
    return grant if grant.name in client.grant_types else unauthorized_client()
