"""Random secrets, the one way to compare them, and the text forms of every token that is not a JWT.

Each form has a typed prefix and a fixed length, and is parsed strictly: a text that is shorter, longer or
spelt otherwise is None, never "nearly right". Only a SHA-256 (or, for refresh tokens, nothing) is stored.
Fields that are secret do not show in `repr`.
"""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from identity_core import base64url, ids

TAGS = 1 << 14
MAX_GENERATION = 36**6 - 1
_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"
_HEX = frozenset("0123456789abcdef")
_MIN_KEY_BYTES = 32


def random_token(bits: int = 128) -> str:
    """`bits` (64 or more, whole bytes) from the system's generator as base64url: 128 → 22 characters."""
    if bits < 64 or bits % 8:
        raise ValueError("A random token has at least 64 bits, in whole bytes.")
    return base64url.encode(secrets.token_bytes(bits // 8))


def sha256(text: str) -> bytes:
    """The 32 bytes under which a random secret is stored. Not for passwords."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def same(a: str | bytes, b: str | bytes) -> bool:
    """Whether two secrets are equal, in time that tells nothing about where they differ."""
    return hmac.compare_digest(_as_bytes(a), _as_bytes(b))


def hash_tag(key: bytes, tenant: UUID, name: str) -> int:
    """The 14-bit number (0 to 16383) that places a user's keys in one Redis slot.

    Keyed, so that it does not reveal the user; the key is fixed for the life of the installation.
    """
    return int.from_bytes(_mac(key, b"tag", tenant.bytes, name.encode())[:2], "big") >> 2


def tag_text(tag: int) -> str:
    """The tag as it stands in tokens and Redis keys: `0000` to `3fff`."""
    if not 0 <= tag < TAGS:
        raise ValueError("A hash tag is a number from 0 to 16383.")
    return f"{tag:04x}"


def parse_tag(text: str) -> int | None:
    """The tag of four lower-case hexadecimal digits up to `3fff`, else None."""
    if len(text) != 4 or not _HEX.issuperset(text):
        return None
    tag = int(text, 16)
    return tag if tag < TAGS else None


def derive_sid(key: bytes, tenant: UUID, session_id: UUID, client_id: str) -> str:
    """The `sid` of one client's session (22 characters): stable, and not linkable between clients."""
    return base64url.encode(_mac(key, b"sid", tenant.bytes, session_id.bytes, client_id.encode())[:16])


def pseudonym(key: bytes, tenant: UUID, subject: str) -> str:
    """The name of a subject in audit rows (22 characters): forgotten when the key is destroyed."""
    return base64url.encode(_mac(key, b"pseudonym", tenant.bytes, subject.encode())[:16])


@dataclass(frozen=True, slots=True)
class SessionCookie:
    """`gs_` tag, session id, 128-bit secret: the browser's session."""

    tag: int
    session_id: UUID
    secret: str = field(repr=False)

    def encode(self) -> str:
        return f"gs_{tag_text(self.tag)}{ids.short(self.session_id)}{self.secret}"

    @classmethod
    def parse(cls, text: str) -> "SessionCookie | None":
        parts = _tag_id_secret("gs_", text)
        return None if parts is None else cls(*parts)


@dataclass(frozen=True, slots=True)
class AuthorizationCode:
    """`gc_` tag, grant id, 128-bit secret (RFC 6749 §4.1.2)."""

    tag: int
    grant_id: UUID
    secret: str = field(repr=False)

    def encode(self) -> str:
        return f"gc_{tag_text(self.tag)}{ids.short(self.grant_id)}{self.secret}"

    @classmethod
    def parse(cls, text: str) -> "AuthorizationCode | None":
        parts = _tag_id_secret("gc_", text)
        return None if parts is None else cls(*parts)


@dataclass(frozen=True, slots=True)
class AccessToken:
    """`ga_` tag, 256-bit secret: an opaque access token, stored under the SHA-256 of its whole text."""

    tag: int
    secret: str = field(repr=False)

    def encode(self) -> str:
        return f"ga_{tag_text(self.tag)}{self.secret}"

    @classmethod
    def parse(cls, text: str) -> "AccessToken | None":
        if len(text) != 3 + 4 + 43 or not text.startswith("ga_"):
            return None
        tag, secret = parse_tag(text[3:7]), text[7:]
        if tag is None or base64url.decode(secret) is None:
            return None
        return cls(tag, secret)


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """`gr_` key id, tag, family, generation, salt, MAC. Only `verify_refresh` makes one from outside text.

    `key_id` 0 to 255, `generation` 0 to 36^6 - 1, `salt` 11 characters (64 bits), `mac` 43 characters.
    """

    key_id: int
    tag: int
    family_id: UUID
    generation: int
    salt: str
    mac: str = field(repr=False)

    def encode(self) -> str:
        return (
            f"gr_{self.key_id:02x}{tag_text(self.tag)}{ids.short(self.family_id)}"
            f"{_base36(self.generation)}{self.salt}{self.mac}"
        )


def mint_refresh(key: bytes, key_id: int, tenant: UUID, tag: int, family_id: UUID, generation: int, salt: str) -> str:
    """The refresh token of one generation of a family: the same arguments always give the same text.

    That is what lets a lost answer be repeated within the grace although no token is stored.
    Raises ValueError when an argument does not fit its field.
    """
    mac = _refresh_mac(key, key_id, tenant, tag, family_id, generation, salt)
    return RefreshToken(key_id, tag, family_id, generation, salt, mac).encode()


def verify_refresh(keys: Mapping[int, bytes], tenant: UUID, text: str) -> RefreshToken | None:
    """The token, if its form is right and its MAC is one of ours for this tenant; else None."""
    token = _parse_refresh(text)
    key = None if token is None else keys.get(token.key_id)
    if token is None or key is None:
        return None
    expected = _refresh_mac(key, token.key_id, tenant, token.tag, token.family_id, token.generation, token.salt)
    return token if same(expected, token.mac) else None


def client_secret() -> str:
    """A new client secret: `gk_` and 256 random bits."""
    return "gk_" + random_token(256)


def source_token() -> str:
    """A new token of a SCIM source: `gm_` and 256 random bits."""
    return "gm_" + random_token(256)


def parse_client_secret(text: str) -> str | None:
    """The text itself if it has the form of `client_secret`, else None."""
    return _prefixed_256("gk_", text)


def parse_source_token(text: str) -> str | None:
    """The text itself if it has the form of `source_token`, else None."""
    return _prefixed_256("gm_", text)


def _prefixed_256(prefix: str, text: str) -> str | None:
    if len(text) != 3 + 43 or not text.startswith(prefix) or base64url.decode(text[3:]) is None:
        return None
    return text


def _tag_id_secret(prefix: str, text: str) -> tuple[int, UUID, str] | None:
    if len(text) != 3 + 4 + 22 + 22 or not text.startswith(prefix):
        return None
    tag, identifier, secret = parse_tag(text[3:7]), ids.from_short(text[7:29]), text[29:]
    if tag is None or identifier is None or base64url.decode(secret) is None:
        return None
    return tag, identifier, secret


def _parse_refresh(text: str) -> RefreshToken | None:
    if len(text) != 3 + 2 + 4 + 22 + 6 + 11 + 43 or not text.startswith("gr_"):
        return None
    key_id, tag, family_id = text[3:5], parse_tag(text[5:9]), ids.from_short(text[9:31])
    generation, salt, mac = text[31:37], text[37:48], text[48:]
    if not _HEX.issuperset(key_id) or tag is None or family_id is None:
        return None
    if not set(generation) <= set(_BASE36) or base64url.decode(salt) is None or base64url.decode(mac) is None:
        return None
    return RefreshToken(int(key_id, 16), tag, family_id, int(generation, 36), salt, mac)


def _refresh_mac(key: bytes, key_id: int, tenant: UUID, tag: int, family_id: UUID, generation: int, salt: str) -> str:
    salt_bytes = base64url.decode(salt)
    if not 0 <= key_id <= 255 or not 0 <= generation <= MAX_GENERATION or not 0 <= tag < TAGS:
        raise ValueError("Key id, hash tag or generation of a refresh token is out of range.")
    if salt_bytes is None or len(salt_bytes) != 8:
        raise ValueError("The salt of a refresh token is 64 bits of base64url.")
    # Every field has a fixed width, so no two tokens share one encoding.
    numbers = key_id.to_bytes(1, "big") + tag.to_bytes(2, "big") + generation.to_bytes(4, "big")
    return base64url.encode(_mac(key, b"refresh", tenant.bytes, family_id.bytes, numbers, salt_bytes))


def _mac(key: bytes, domain: bytes, *fields: bytes) -> bytes:
    """HMAC-SHA256; the domains are prefix-free and only the last field may vary in length."""
    if len(key) < _MIN_KEY_BYTES:
        raise ValueError("A MAC key has at least 32 bytes.")
    return hmac.digest(key, domain + b"".join(fields), "sha256")


def _base36(number: int) -> str:
    digits = ""
    for _ in range(6):
        number, digit = divmod(number, 36)
        digits = _BASE36[digit] + digits
    return digits


def _as_bytes(value: str | bytes) -> bytes:
    # compare_digest refuses non-ASCII text; what came from outside may be anything.
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
