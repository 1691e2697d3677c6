"""Client metadata: what may be registered (RFC 7591 §2, OIDC Registration §2) and the client it makes.

`register_metadata` judges a whole document, at creation and at every change, so a stored client always satisfies
every rule. Besides the standard members there are two of our own: `require_pkce` and `access_token_format`.
Members that are not known here are left out (RFC 7591 §2).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from authz.protocol.errors import OAuthError
from authz.protocol.redirect_uri import redirect_uri_fault, web_uri_fault
from authz.protocol.scope import CLAIMS_BY_SCOPE, IDENTITY_SCOPES, MACHINE_SCOPES, OFFLINE_ACCESS, OPENID, parse_scope
from identity_core.contracts.stamps import Stamps
from identity_core.jose import SIGNING_ALGORITHMS

AUTH_METHODS: Final = ("client_secret_basic", "client_secret_post", "none")
GRANT_TYPES: Final = ("authorization_code", "refresh_token", "client_credentials")
RESPONSE_TYPES: Final = ("code",)
ACCESS_TOKEN_FORMATS: Final = ("jwt", "opaque")
APPLICATION_TYPES: Final = ("web", "native")

_MAX_ENTRIES = 50
_MAX_TEXT = 200
# Features a client might rely on and that are not here: silence would mislead, so they are refused.
_UNSUPPORTED = (
    "id_token_encrypted_response_alg", "userinfo_signed_response_alg", "userinfo_encrypted_response_alg",
    "request_object_signing_alg", "request_object_encryption_alg", "request_uris", "sector_identifier_uri",
    "tls_client_auth_subject_dn", "authorization_signed_response_alg", "introspection_signed_response_alg",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Client:
    """A registered, active client. `epoch` and `tenant_epoch` were in force when the row was read (its stamps)."""

    tenant: UUID
    id: str
    secret_hash: bytes | None = field(repr=False)
    first_party: bool
    epoch: int
    tenant_epoch: int
    auth_method: str
    grant_types: frozenset[str]
    response_types: frozenset[str]
    redirect_uris: tuple[str, ...]
    post_logout_redirect_uris: tuple[str, ...]
    scopes: tuple[str, ...]
    require_pkce: bool
    access_token_format: str
    id_token_alg: str
    application_type: str
    name: str
    default_max_age: int | None
    require_auth_time: bool
    metadata: Mapping[str, Any] = field(repr=False, hash=False)

    @property
    def public(self) -> bool:
        """Whether the client has no secret (RFC 6749 §2.1)."""
        return self.auth_method == "none"

    @property
    def user_scopes(self) -> tuple[str, ...]:
        """What it may ask of a person: no person can lend it the scopes of our own APIs."""
        return tuple(scope for scope in self.scopes if scope not in MACHINE_SCOPES)

    @property
    def own_scopes(self) -> tuple[str, ...]:
        """What it may ask for itself (RFC 6749 §4.4): nothing about a person."""
        return tuple(scope for scope in self.scopes if scope not in IDENTITY_SCOPES)

    def stamps(self, user: int = 0) -> Stamps:
        """The stamps of what is issued on this client's evidence (and, with `user`, on a person's)."""
        return Stamps(self.tenant_epoch, self.epoch, user)


def client_from(
    tenant: UUID,
    client_id: str,
    metadata: Mapping[str, Any],
    *,
    secret_hash: bytes | None = None,
    first_party: bool = False,
    epoch: int = 0,
    tenant_epoch: int = 0,
) -> Client:
    """The client of a stored document, as `register_metadata` made it."""
    return Client(
        tenant=tenant,
        id=client_id,
        secret_hash=secret_hash,
        first_party=first_party,
        epoch=epoch,
        tenant_epoch=tenant_epoch,
        auth_method=metadata["token_endpoint_auth_method"],
        grant_types=frozenset(metadata["grant_types"]),
        response_types=frozenset(metadata["response_types"]),
        redirect_uris=tuple(metadata.get("redirect_uris", ())),
        post_logout_redirect_uris=tuple(metadata.get("post_logout_redirect_uris", ())),
        scopes=tuple(metadata["scope"].split()),
        require_pkce=metadata["require_pkce"],
        access_token_format=metadata["access_token_format"],
        id_token_alg=metadata["id_token_signed_response_alg"],
        application_type=metadata["application_type"],
        name=metadata.get("client_name", client_id),
        default_max_age=metadata.get("default_max_age"),
        require_auth_time=metadata.get("require_auth_time", False),
        metadata=metadata,
    )


def register_metadata(document: object) -> dict[str, Any] | OAuthError:
    """The document to store, with every default filled in, or why it is refused (RFC 7591 §3.2.2).

    `invalid_redirect_uri` for a redirect URI, `invalid_client_metadata` for everything else.
    """
    if not isinstance(document, Mapping):
        return _refused("the metadata must be a JSON object")
    for name in _UNSUPPORTED:
        if document.get(name) is not None:
            return _refused(f"{name} is not supported")
    given: dict[str, Any] = {}
    for name, fault_of in _MEMBERS.items():
        value = document.get(name)
        if value is None:
            continue
        fault = fault_of(value)
        if fault is not None:
            return _refused(f"{name} {fault}")
        given[name] = value
    completed = _with_defaults(given)
    return _redirects_fault(completed) or _rules_fault(completed) or completed


def _with_defaults(given: dict[str, Any]) -> dict[str, Any]:
    public = given.get("token_endpoint_auth_method") == "none"
    grant_types = given.get("grant_types", ["authorization_code"])
    code = "authorization_code" in grant_types
    return {
        "token_endpoint_auth_method": "client_secret_basic",
        "response_types": ["code"] if code else [],
        "application_type": "web",
        "subject_type": "public",
        "id_token_signed_response_alg": "RS256",
        "require_pkce": public,
        "access_token_format": "jwt",
        **given,
        "grant_types": grant_types,
        "scope": given.get("scope", _default_scope(grant_types) if code else ""),
    }


def _default_scope(grant_types: list[str]) -> str:
    offline = (OFFLINE_ACCESS,) if "refresh_token" in grant_types else ()
    return " ".join((OPENID, *CLAIMS_BY_SCOPE, *offline))


def _redirects_fault(document: Mapping[str, Any]) -> OAuthError | None:
    kind = document["application_type"]
    for name in ("redirect_uris", "post_logout_redirect_uris"):
        for uri in document.get(name, ()):
            fault = redirect_uri_fault(uri, kind)
            if fault is not None:
                error = "invalid_redirect_uri" if name == "redirect_uris" else "invalid_client_metadata"
                return OAuthError(error, f"a URI of {name} {fault}")
    if "authorization_code" in document["grant_types"] and not document.get("redirect_uris"):
        return OAuthError("invalid_redirect_uri", "a client with the code flow needs a redirect URI")
    return None


def _rules_fault(document: Mapping[str, Any]) -> OAuthError | None:
    grants, public = document["grant_types"], document["token_endpoint_auth_method"] == "none"
    code = "authorization_code" in grants
    if code != ("code" in document["response_types"]):
        return _refused("response_types and grant_types do not fit each other (RFC 7591 section 2.1)")
    if "refresh_token" in grants and not code:
        return _refused("grant_types has refresh_token without authorization_code")
    if public and "client_credentials" in grants:
        return _refused("a client without a secret cannot use client_credentials")
    if public and not document["require_pkce"]:
        return _refused("require_pkce cannot be switched off for a client without a secret")
    if "jwks" in document and "jwks_uri" in document:
        return _refused("jwks and jwks_uri cannot both be given")
    return None


def _refused(description: str) -> OAuthError:
    return OAuthError("invalid_client_metadata", description)


Rule = Callable[[Any], str | None]


def _one_of(*options: str) -> Rule:
    wanted = f"must be one of {', '.join(options)}"
    return lambda value: None if isinstance(value, str) and value in options else wanted


def _subset_of(*options: str) -> Rule:
    def rule(value: Any) -> str | None:
        entries = value if isinstance(value, list) else None
        if entries is None or not all(isinstance(entry, str) for entry in entries):
            return "must be a list of strings"
        if len(set(entries)) != len(entries) or not set(entries) <= set(options):
            return f"must be a list of some of {', '.join(options)}"
        return None

    return rule


def _uris(value: Any) -> str | None:
    if not isinstance(value, list) or len(value) > _MAX_ENTRIES or not all(isinstance(uri, str) for uri in value):
        return f"must be a list of at most {_MAX_ENTRIES} strings"
    return None if len(set(value)) == len(value) else "must not repeat an entry"


def _text(value: Any) -> str | None:
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_TEXT or value != value.strip():
        return f"must be a text of 1 to {_MAX_TEXT} characters"
    # Control and direction characters could make one client look like another on the consent page.
    harmless = all(unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co", "Cn") for character in value)
    return None if harmless else "must not have control characters"


def _texts(value: Any) -> str | None:
    if not isinstance(value, list) or len(value) > _MAX_ENTRIES or any(_text(entry) for entry in value):
        return f"must be a list of at most {_MAX_ENTRIES} texts"
    return None


def _scope(value: Any) -> str | None:
    # RFC 7591 §2: a client without any scope says so with the empty string.
    if value == "":
        return None
    return None if isinstance(value, str) and not isinstance(parse_scope(value), OAuthError) else "is malformed"


def _boolean(value: Any) -> str | None:
    return None if isinstance(value, bool) else "must be true or false"


def _age(value: Any) -> str | None:
    right = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31
    return None if right else "must be a whole number of seconds"


def _jwks(value: Any) -> str | None:
    return None if isinstance(value, dict) and isinstance(value.get("keys"), list) else "must be a JWK Set"


_MEMBERS: Final[Mapping[str, Rule]] = {
    "redirect_uris": _uris,
    "post_logout_redirect_uris": _uris,
    "token_endpoint_auth_method": _one_of(*AUTH_METHODS),
    "grant_types": _subset_of(*GRANT_TYPES),
    "response_types": _subset_of(*RESPONSE_TYPES),
    "application_type": _one_of(*APPLICATION_TYPES),
    "subject_type": _one_of("public"),
    "id_token_signed_response_alg": _one_of(*SIGNING_ALGORITHMS),
    "access_token_format": _one_of(*ACCESS_TOKEN_FORMATS),
    "require_pkce": _boolean,
    "scope": _scope,
    "client_name": _text,
    "client_uri": web_uri_fault,
    "logo_uri": web_uri_fault,
    "policy_uri": web_uri_fault,
    "tos_uri": web_uri_fault,
    "jwks_uri": web_uri_fault,
    "initiate_login_uri": web_uri_fault,
    "jwks": _jwks,
    "contacts": _texts,
    "default_max_age": _age,
    "require_auth_time": _boolean,
    "software_id": _text,
    "software_version": _text,
}
