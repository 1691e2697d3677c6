"""For whom an access token is: the resources asked for, or what the scopes imply (RFC 8707, RFC 9068 §3)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from authz.protocol.errors import OAuthError, invalid_target
from authz.protocol.scope import ADMIN_SCOPES, DIRECTORY_SCOPES, OPENID, SESSION_SCOPES

ADMIN_API: Final = "urn:gatehouse:admin"
MAX_RESOURCES: Final = 8

# RFC 8707 §2: an absolute URI without a fragment.
_RESOURCE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^#\s\"\\]{1,1000}")


@dataclass(frozen=True, slots=True)
class OwnApis:
    """The audiences of our own APIs: the base URLs of the directory and of the sessions service."""

    scim: str
    sessions: str

    @property
    def all(self) -> tuple[str, ...]:
        """Every audience a client may ask a token of its own for."""
        return (self.scim, self.sessions, ADMIN_API)


def resource_fault(resources: Sequence[str]) -> OAuthError | None:
    """`invalid_target` unless every one is an absolute URI without a fragment (RFC 8707 §2)."""
    if len(resources) > MAX_RESOURCES or not all(_RESOURCE.fullmatch(resource) for resource in resources):
        return invalid_target("a resource is not an absolute URI without a fragment")
    return None


def user_resource_fault(resources: Sequence[str], apis: OwnApis) -> OAuthError | None:
    """`invalid_target` also for our own APIs, which no person's grant is good for: only a client's own token is."""
    if not set(resources).isdisjoint(apis.all):
        return invalid_target("a resource is not one that a person can grant access to")
    return resource_fault(resources)


def audience_of_client(
    scopes: Sequence[str], resources: Sequence[str], apis: OwnApis, issuer: str
) -> tuple[str, ...] | OAuthError:
    """The audience of a client's own token: what it asks for among our APIs, else where its scopes belong."""
    if resources:
        if not set(resources) <= set(apis.all):
            return invalid_target()
        return tuple(dict.fromkeys(resources))
    implied = [
        api
        for api, belonging in (
            (apis.scim, DIRECTORY_SCOPES), (apis.sessions, SESSION_SCOPES), (ADMIN_API, ADMIN_SCOPES),
        )
        if not set(belonging).isdisjoint(scopes)
    ]  # fmt: skip
    return tuple(implied) or (issuer,)


def audience_of_grant(
    scopes: Sequence[str], granted: Sequence[str], asked: Sequence[str], issuer: str
) -> tuple[str, ...] | OAuthError:
    """The audience of a token under a person's grant: the granted resources or some of them (RFC 8707 §2.2).

    The issuer is an audience too where the token may be used at our userinfo, and where no resource was named.
    """
    if not set(asked) <= set(granted):
        return invalid_target("a resource was not part of the authorization request")
    resources = tuple(dict.fromkeys(asked or granted))
    return (*resources, issuer) if OPENID in scopes or not resources else resources
