"""Client authentication: what the request presents, and whether it is the client's (RFC 6749 §2.3).

Unknown client, wrong secret and wrong method end in one and the same refusal, after the same work.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import unquote_to_bytes

from authz.protocol.client_metadata import Client
from authz.protocol.errors import OAuthError, invalid_client, invalid_request
from identity_core.secrets import same, sha256

Method = Literal["client_secret_basic", "client_secret_post", "none"]

MAX_SECRET: Final = 1024
_NOBODY: Final = sha256("the secret of no client")


@dataclass(frozen=True, slots=True)
class Presented:
    """What the request says about its client; nothing of it is verified."""

    method: Method
    client_id: str
    secret: str | None = field(default=None, repr=False)


def presented_client(authorization: str | None, form: Mapping[str, str]) -> Presented | OAuthError:
    """The one authentication method of a request; two of them are `invalid_request` (RFC 6749 §2.3)."""
    client_id, secret = form.get("client_id"), form.get("client_secret")
    if authorization is not None:
        if secret is not None:
            return invalid_request("more than one method of client authentication")
        presented = _basic(authorization)
        if isinstance(presented, Presented) and client_id not in (None, presented.client_id):
            return invalid_request("client_id differs from the client in the Authorization header")
        return presented
    if client_id is None:
        return invalid_client("missing")
    if secret is None:
        return Presented("none", client_id)
    return Presented("client_secret_post", client_id, secret)


def authenticated(presented: Presented, client: Client | None) -> Client | OAuthError:
    """The client, if `presented` is its registered method with its secret; `client` None means unknown."""
    secret = presented.secret or ""
    stored = _NOBODY if client is None or client.secret_hash is None else client.secret_hash
    right = same(sha256(secret), stored) and len(secret) <= MAX_SECRET
    if client is None:
        return invalid_client("unknown_client")
    if client.auth_method != presented.method:
        return invalid_client("wrong_method")
    if client.public:
        return client
    return client if right and client.secret_hash is not None else invalid_client("wrong_secret")


def _basic(authorization: str) -> Presented | OAuthError:
    """Both halves are form-encoded before they are joined and encoded (RFC 6749 §2.3.1, RFC 7617 §2)."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return invalid_client("wrong_scheme")
    try:
        raw = base64.b64decode(encoded.strip(" "), validate=True)
    except (binascii.Error, ValueError):
        return invalid_client("malformed_basic")
    head, colon, tail = raw.partition(b":")
    client_id, secret = _form_decoded(head), _form_decoded(tail)
    if not colon or not client_id or secret is None:
        return invalid_client("malformed_basic")
    return Presented("client_secret_basic", client_id, secret)


def _form_decoded(raw: bytes) -> str | None:
    try:
        text = unquote_to_bytes(raw.replace(b"+", b" ")).decode("utf-8")
    except UnicodeDecodeError:
        return None
    return None if "\x00" in text else text
