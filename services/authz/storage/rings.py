"""From a tenant's key rows to the ring its requests use: what signs, what is published, what still verifies hints."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson

from authz.ports import KeyRing
from identity_core.db import Record
from identity_core.jose import PublicKey, SigningKey, public_jwks


@dataclass(frozen=True, slots=True)
class SigningRow:
    """A key in use: its private part is unsealed."""

    key: SigningKey


@dataclass(frozen=True, slots=True)
class RetiredKey:
    """A key that is no longer published; it still verifies an `id_token_hint` (OIDC RP-Initiated Logout §2)."""

    public: PublicKey


def build_ring(
    rows: Sequence[Record], keys: Sequence[SigningRow | RetiredKey], macs: Mapping[int, bytes], minting: int
) -> KeyRing:
    """The ring of `rows`, which come newest first within an algorithm; `keys` are theirs, in the same order."""
    signing: dict[str, SigningKey] = {}
    public: dict[str, PublicKey] = {}
    hints: dict[str, PublicKey] = {}
    for row, entry in zip(rows, keys, strict=True):
        half = entry.key.public if isinstance(entry, SigningRow) else entry.public
        hints[half.kid] = half
        if row["published"]:
            public[half.kid] = half
        if row["signs"] and isinstance(entry, SigningRow):
            signing.setdefault(row["alg"], entry.key)
    jwks = orjson.dumps(public_jwks(public.values()))
    etag = f'"{hashlib.sha256(jwks).hexdigest()[:32]}"'
    return KeyRing(signing, public, hints, dict(macs), minting, jwks, etag)
