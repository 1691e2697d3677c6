"""Unpadded base64url with exactly one spelling for each value (RFC 4648 §5, RFC 7515 §2).

Python's decoder takes `+/`, stray padding and non-zero trailing bits. Tokens that may be spelt in two
ways defeat lookups by hash and checks for truncation, so decoding here accepts only what encoding gives.
"""

import base64
import binascii


def encode(raw: bytes) -> str:
    """The bytes as base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def decode(text: str) -> bytes | None:
    """The bytes of a canonical base64url text, or None when it is anything else."""
    if not text.isascii():
        return None
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if encode(raw) == text else None
