"""Secrets at rest: AES-256-GCM under a named key, bound to the row they belong to.

The blob is: version (1 byte), length of the key id (1 byte), key id, nonce (12 bytes), ciphertext and tag.
The head is authenticated together with the caller's data, which names the place of the secret (such as
user and credential id), so that a blob copied to another row does not open there.
"""

import base64
import binascii
import os
import re
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_VERSION = 1
_NONCE_BYTES = 12
_TAG_BYTES = 16
_KEY_BYTES = 32
_KEY_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class SealError(Exception):
    """The blob does not open: damaged, moved, or sealed under a key that is not here."""


class Sealer:
    """Seals with the current key and opens with any of `keys` (key id → 32 bytes)."""

    def __init__(self, keys: Mapping[str, bytes], current: str) -> None:
        for key_id, key in keys.items():
            if not _KEY_ID.fullmatch(key_id):
                raise ValueError("A sealing key's id has 1 to 64 letters, digits, dots, dashes or underscores.")
            if len(key) != _KEY_BYTES:
                raise ValueError(f"The sealing key {key_id!r} must have exactly 32 bytes.")
        if current not in keys:
            raise ValueError("The current sealing key is not among the keys.")
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self._current = current

    @classmethod
    def from_setting(cls, text: str) -> "Sealer":
        """A sealer from `id:base64key[,id2:base64key2]`; see `parse_keys`."""
        keys, current = parse_keys(text)
        return cls(keys, current)

    @property
    def current(self) -> str:
        """The id of the key that seals."""
        return self._current

    def seal(self, plaintext: bytes, aad: bytes) -> bytes:
        """The blob of `plaintext`, which opens only with the same `aad`."""
        key_id = self._current.encode("ascii")
        head = bytes((_VERSION, len(key_id))) + key_id
        nonce = os.urandom(_NONCE_BYTES)
        return head + nonce + self._ciphers[self._current].encrypt(nonce, plaintext, head + aad)

    def unseal(self, blob: bytes, aad: bytes) -> bytes:
        """The plaintext. Raises SealError for every reason there may be."""
        head, key_id = _head(blob)
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise SealError("The secret is sealed under a key that is not configured.")
        nonce, sealed = blob[len(head) : len(head) + _NONCE_BYTES], blob[len(head) + _NONCE_BYTES :]
        try:
            return cipher.decrypt(nonce, sealed, head + aad)
        except InvalidTag as error:
            raise SealError("The sealed secret is damaged or belongs elsewhere.") from error


def sealed_with(blob: bytes) -> str:
    """The id of the key that sealed `blob` (to find what a rewrap must do). Raises SealError."""
    return _head(blob)[1]


def parse_keys(text: str) -> tuple[dict[str, bytes], str]:
    """The keys of a setting `id:base64key[,id2:base64key2]` and the id of the first, which is current.

    Raises ValueError with a sentence that names the fault and never shows a key.
    """
    keys: dict[str, bytes] = {}
    for number, item in enumerate(text.split(","), start=1):
        key_id, colon, encoded = item.strip().partition(":")
        if not colon or not _KEY_ID.fullmatch(key_id):
            raise ValueError(f"Sealing key number {number} is not of the form id:base64key.")
        if key_id in keys:
            raise ValueError(f"The sealing key id {key_id!r} is given twice.")
        keys[key_id] = _decode_key(key_id, encoded)
    return keys, next(iter(keys))


def _decode_key(key_id: str, encoded: str) -> bytes:
    try:
        # Both alphabets and missing padding are taken: operators paste what their tool prints.
        text = encoded.replace("-", "+").replace("_", "/").rstrip("=")
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"The sealing key {key_id!r} is not valid base64.") from None
    if len(key) != _KEY_BYTES:
        raise ValueError(f"The sealing key {key_id!r} must have exactly 32 bytes.")
    return key


def _head(blob: bytes) -> tuple[bytes, str]:
    if len(blob) < 2 or blob[0] != _VERSION:
        raise SealError("The sealed secret has an unknown format.")
    head = blob[: 2 + blob[1]]
    if len(blob) < len(head) + _NONCE_BYTES + _TAG_BYTES or len(head) != 2 + blob[1]:
        raise SealError("The sealed secret is cut short.")
    try:
        return head, head[2:].decode("ascii")
    except UnicodeDecodeError:
        raise SealError("The sealed secret has an unknown format.") from None
