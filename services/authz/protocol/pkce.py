"""Proof Key for Code Exchange with S256, the only method (RFC 7636, RFC 9700 §2.1.1 and §4.8.2)."""

import re
from base64 import urlsafe_b64encode

from authz.protocol.errors import OAuthError, invalid_grant
from identity_core.secrets import same, sha256

METHODS = ("S256",)

# RFC 7636 §4.1: 43 to 128 unreserved characters.
_VERIFIER = re.compile(r"[A-Za-z0-9\-._~]{43,128}")


def s256(verifier: str) -> str:
    """BASE64URL(SHA256(ASCII(verifier))) (RFC 7636 §4.2)."""
    return urlsafe_b64encode(sha256(verifier)).rstrip(b"=").decode("ascii")


def proof_fault(challenge: str | None, verifier: str | None, *, required: bool) -> OAuthError | None:
    """Whether the token request proves that it comes from who asked for the code.

    Both directions are checked: a challenge needs its verifier (CVE-2023-48228), and a verifier without a challenge
    means that somebody stripped the challenge on its way (RFC 9700 §4.8.2). `required` covers a code made while the
    client did not yet need PKCE.
    """
    if challenge is None:
        if verifier is not None:
            return invalid_grant("a code_verifier came without a code_challenge", "pkce_downgrade")
        return invalid_grant("this client must use PKCE", "pkce_missing") if required else None
    if verifier is None:
        return invalid_grant("the code_verifier is missing", "pkce_missing")
    if not _VERIFIER.fullmatch(verifier) or not same(s256(verifier), challenge):
        return invalid_grant("the code_verifier is wrong", "pkce_wrong")
    return None
