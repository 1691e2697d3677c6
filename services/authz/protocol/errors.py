"""Refusals as OAuth spells them (RFC 6749 §4.1.2.1 and §5.2, RFC 6750 §3.1, RFC 8707 §2, OIDC Core §3.1.2.6)."""

import re
from dataclasses import dataclass, field

# RFC 6749 §5.2: %x20-21 / %x23-5B / %x5D-7E, that is printable ASCII without the quote and the backslash.
_ALLOWED = re.compile(r"[\x20-\x21\x23-\x5b\x5d-\x7e]{1,300}")


@dataclass(frozen=True, slots=True)
class OAuthError:
    """A refusal in public words. `cause` is for metrics and the log only and never reaches a client.

    `status` is that of the token endpoint and its neighbours; at the authorization endpoint the error travels by
    redirect. `retry_after_s`: whole seconds until asking again makes sense.

    Raises ValueError for a description that RFC 6749 §5.2 does not allow.
    """

    error: str
    description: str = ""
    status: int = 400
    cause: str = field(default="", compare=False)
    retry_after_s: int | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if self.description and not _ALLOWED.fullmatch(self.description):
            raise ValueError("An error description is printable ASCII without quotes and backslashes.")

    def parameters(self) -> dict[str, str]:
        """`error` and, if there is one, `error_description`."""
        described = {"error_description": self.description} if self.description else {}
        return {"error": self.error, **described}


def invalid_request(description: str, cause: str = "") -> OAuthError:
    """The request lacks a parameter, repeats one, or is otherwise malformed (RFC 6749 §5.2)."""
    return OAuthError("invalid_request", description, 400, cause)


def invalid_client(cause: str = "") -> OAuthError:
    """Client authentication failed; one text for every reason, so that nothing is told apart (RFC 6749 §5.2)."""
    return OAuthError("invalid_client", "client authentication failed", 401, cause)


def too_many_failures(retry_after_s: int) -> OAuthError:
    """Client authentication failed once more than may be tried; the error as at RFC 6749 §4.1.2.1, the status 429."""
    return OAuthError("temporarily_unavailable", "too many failed attempts", 429, "throttled", retry_after_s)


def invalid_grant(description: str = "the grant is invalid, expired or revoked", cause: str = "") -> OAuthError:
    """The code or refresh token is not (or no longer) good for this client (RFC 6749 §5.2)."""
    return OAuthError("invalid_grant", description, 400, cause)


def unauthorized_client(description: str = "this client may not use this grant type") -> OAuthError:
    """The client is known but may not do this (RFC 6749 §5.2)."""
    return OAuthError("unauthorized_client", description, 400)


def unsupported_grant_type() -> OAuthError:
    """No such grant type here (RFC 6749 §5.2)."""
    return OAuthError("unsupported_grant_type", "the grant type is not supported", 400)


def invalid_scope(description: str = "a requested scope is unknown, malformed or not allowed") -> OAuthError:
    """The scope is malformed or exceeds what may be granted (RFC 6749 §5.2)."""
    return OAuthError("invalid_scope", description, 400)


def invalid_target(description: str = "the resource is unknown or not allowed") -> OAuthError:
    """The `resource` parameter names nothing this client may ask a token for (RFC 8707 §2)."""
    return OAuthError("invalid_target", description, 400)


def invalid_token(description: str = "the access token is invalid, expired or revoked", cause: str = "") -> OAuthError:
    """The access token at a protected resource is no good (RFC 6750 §3.1)."""
    return OAuthError("invalid_token", description, 401, cause)


def insufficient_scope(description: str) -> OAuthError:
    """The access token is good but not for this (RFC 6750 §3.1)."""
    return OAuthError("insufficient_scope", description, 403)
