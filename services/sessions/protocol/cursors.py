"""Opaque paging cursors: where the next page begins, authenticated for one tenant and one question.

base64url of version (1 byte), session id (16), truncated HMAC-SHA256 (16). A cursor of another tenant, of another
filter, or changed in any bit is no cursor.
"""

import hashlib
import hmac
from uuid import UUID

from identity_core import base64url
from identity_core.secrets import same

_VERSION = b"\x01"
_MAC_BYTES = 16


def cursor_key(tag_key: bytes) -> bytes:
    """The key of the cursors' MAC, from the installation's tag key."""
    return hmac.digest(tag_key, b"sessions paging cursor", "sha256")


def encode_cursor(key: bytes, tenant: UUID, question: str, last: UUID) -> str:
    """The cursor after the session `last` of the pages of `question`."""
    body = _VERSION + last.bytes
    return base64url.encode(body + _mac(key, tenant, question, body))


def decode_cursor(key: bytes, tenant: UUID, question: str, text: str) -> UUID | None:
    """The session after which the page begins, or None for everything `encode_cursor` did not make for this."""
    raw = base64url.decode(text) if len(text) < 100 else None
    if raw is None or len(raw) != 17 + _MAC_BYTES or raw[:1] != _VERSION:
        return None
    body, mac = raw[:17], raw[17:]
    return UUID(bytes=body[1:]) if same(mac, _mac(key, tenant, question, body)) else None


def _mac(key: bytes, tenant: UUID, question: str, body: bytes) -> bytes:
    # Fixed widths before the one field that may vary, so no two inputs are spelt the same.
    return hmac.new(key, tenant.bytes + body + question.encode(), hashlib.sha256).digest()[:_MAC_BYTES]
