"""The Idempotency-Key of a POST (draft-ietf-httpapi-idempotency-key-header-07)."""

import hashlib
import hmac
import re
from collections.abc import Sequence

from scim.protocol.errors import ScimError

HOURS_KEPT = 24
_MAX_CHARS = 255
# RFC 8941 §3.3.3: a String is quoted printable ASCII; only the quote and the backslash are escaped.
_QUOTED = re.compile(r'"((?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')
# Many clients leave the quotes out.
_BARE = re.compile(r"[A-Za-z0-9._~+/:=@-]+")


def read_key(headers: Sequence[str]) -> str | ScimError | None:
    """The key, None without a header, 400 when it is malformed. A key is the same with quotes and without."""
    if not headers:
        return None
    if len(headers) > 1:
        return ScimError(400, "Idempotency-Key is given more than once")
    text = headers[0].strip(" \t")
    quoted = _QUOTED.fullmatch(text)
    if quoted:
        text = re.sub(r"\\(.)", r"\1", quoted[1])
    elif not _BARE.fullmatch(text):
        return ScimError(400, "Idempotency-Key must be a quoted string, such as a UUID in quotes")
    if not 0 < len(text) <= _MAX_CHARS:
        return ScimError(400, f"Idempotency-Key must have 1 to {_MAX_CHARS} characters")
    return text


def fingerprint(key: bytes, method: str, target: str, body: bytes) -> bytes:
    """32 bytes that tell requests apart and nothing about them: the body may hold a password, so it is keyed."""
    mac = hmac.new(key, b"idempotency\0", hashlib.sha256)
    for part in (method.encode(), target.encode(), body):
        mac.update(len(part).to_bytes(8, "big"))
        mac.update(part)
    return mac.digest()


def in_progress() -> ScimError:
    """A retry while the first is running; without a scimType, so no client takes it for a uniqueness conflict."""
    return ScimError(409, "a request with this Idempotency-Key is still in progress", headers={"Retry-After": "1"})


def other_payload() -> ScimError:
    return ScimError(422, "this Idempotency-Key was used for another request")
