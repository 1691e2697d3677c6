"""Verifying signed tokens. Nothing raises: the answer is the verified claims or the reason for a refusal.

The order is: size, form, header, key, signature, and only then the payload. What the header offers as a key
(`jwk`, `jku`, `x5c`, `x5u`) is refused; keys come from the caller alone (RFC 8725 §3.10, §3.11).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from identity_core import base64url
from identity_core.jose.algorithms import BY_NAME
from identity_core.jose.keys import PublicKey
from identity_core.jose.strict_json import parse_object

MAX_TOKEN_BYTES = 16 * 1024
DEFAULT_LEEWAY_S = 5.0

_MAX_DATE = 253_402_300_799  # the end of the year 9999: every later date overflows someone's type
_OFFERED_KEYS = frozenset({"jwk", "jku", "x5c", "x5u"})
_ENCRYPTION = frozenset({"enc", "zip", "p2c", "p2s", "epk", "apu", "apv", "iv", "tag"})


class Reason(StrEnum):
    """Why a token was refused. For logs and metrics; the client is told less."""

    TOO_LARGE = "too_large"
    MALFORMED = "malformed"
    FORBIDDEN_HEADER = "forbidden_header"
    CRITICAL = "critical"
    ALGORITHM = "algorithm"
    TYPE = "type"
    UNKNOWN_KEY = "unknown_key"
    SIGNATURE = "signature"
    CLAIM = "claim"
    ISSUER = "issuer"
    AUDIENCE = "audience"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"


@dataclass(frozen=True, slots=True)
class Refusal:
    """The token is not to be trusted."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class VerifiedClaims:
    """The payload of a token whose signature, type, issuer, audience and dates were checked.

    `typ` is lower case and without `application/`, empty if the header had none. `expires_at` and
    `issued_at` are seconds since 1970.
    """

    claims: Mapping[str, Any] = field(repr=False)
    kid: str
    alg: str
    typ: str
    audience: tuple[str, ...]
    expires_at: float
    issued_at: float | None

    @property
    def subject(self) -> str | None:
        """The `sub` claim."""
        value: str | None = self.claims.get("sub")
        return value


@dataclass(frozen=True, slots=True)
class Unverified:
    """What a token says of itself. To choose the keys and the issuer to verify with, and for nothing else."""

    header: Mapping[str, Any] = field(repr=False)
    claims: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Parts:
    header: dict[str, Any]
    message: bytes
    payload: bytes
    signature: bytes


def verify(
    token: str,
    keys: Mapping[str, PublicKey],
    *,
    typ: frozenset[str],
    issuer: str,
    audience: str | frozenset[str] | None,
    now: float,
    leeway: float = DEFAULT_LEEWAY_S,
    allow_expired: bool = False,
) -> VerifiedClaims | Refusal:
    """The claims of a compact JWS, if everything about it is right (RFC 7519 §7.2, RFC 8725 §3).

    `keys` by `kid`; a token without `kid` is only taken when there is exactly one key. `typ` holds the
    accepted types, an empty string in it accepts a header without one. `audience` (one of) must be a
    member of `aud`; None leaves it to the caller. `now` and `leeway` in seconds; `leeway` bears on `exp`,
    `nbf` and `iat`. `allow_expired` is for `id_token_hint`, where the past is no fault
    (OIDC RP-Initiated Logout 1.0 §2).
    """
    parts = _split(token)
    if isinstance(parts, Refusal):
        return parts
    key = _choose(parts.header, keys)
    if isinstance(key, Refusal):
        return key
    kind = _type_of(parts.header)
    if kind is None or kind not in {_bare(accepted) for accepted in typ}:
        return Refusal(Reason.TYPE)
    if not BY_NAME[key.alg].verify(parts.message, parts.signature, key.native):
        return Refusal(Reason.SIGNATURE)
    claims = parse_object(parts.payload)
    if claims is None:
        return Refusal(Reason.MALFORMED)
    dates = _judge_dates(claims, now, leeway, allow_expired=allow_expired)
    if isinstance(dates, Refusal):
        return dates
    members = _judge_parties(claims, issuer, audience)
    if isinstance(members, Refusal):
        return members
    return VerifiedClaims(claims, key.kid, key.alg, kind, members, *dates)


def peek(token: str) -> Unverified | Refusal:
    """Header and claims without any check of the signature, the type or the dates."""
    parts = _split(token)
    if isinstance(parts, Refusal):
        return parts
    claims = parse_object(parts.payload)
    return Refusal(Reason.MALFORMED) if claims is None else Unverified(parts.header, claims)


def _split(token: str) -> _Parts | Refusal:
    if len(token) > MAX_TOKEN_BYTES:
        return Refusal(Reason.TOO_LARGE)
    segments = token.split(".", 3)
    if len(segments) != 3:
        return Refusal(Reason.MALFORMED)
    head, payload, signature = (base64url.decode(segment) for segment in segments)
    header = None if head is None else parse_object(head)
    if header is None or payload is None or signature is None:
        return Refusal(Reason.MALFORMED)
    if "crit" in header or "b64" in header:  # no extension is understood here (RFC 7515 §4.1.11)
        return Refusal(Reason.CRITICAL)
    if not (_OFFERED_KEYS | _ENCRYPTION).isdisjoint(header):
        return Refusal(Reason.FORBIDDEN_HEADER)
    return _Parts(header, f"{segments[0]}.{segments[1]}".encode("ascii"), payload, signature)


def _choose(header: dict[str, Any], keys: Mapping[str, PublicKey]) -> PublicKey | Refusal:
    alg, kid = header.get("alg"), header.get("kid")
    if not isinstance(alg, str) or alg not in BY_NAME:
        return Refusal(Reason.ALGORITHM)
    if "kid" in header and not isinstance(kid, str):
        return Refusal(Reason.MALFORMED)
    if kid is None and len(keys) == 1:
        key: PublicKey | None = next(iter(keys.values()))
    else:
        key = None if kid is None else keys.get(kid)
    if key is None:
        return Refusal(Reason.UNKNOWN_KEY)
    return key if key.alg == alg else Refusal(Reason.ALGORITHM)


def _type_of(header: dict[str, Any]) -> str | None:
    typ = header.get("typ", "")
    return _bare(typ) if isinstance(typ, str) else None


def _bare(typ: str) -> str:
    # RFC 7515 §4.1.9: a media type, compared without case, `application/` may be left out
    return typ.lower().removeprefix("application/")


def _judge_dates(
    claims: dict[str, Any], now: float, leeway: float, *, allow_expired: bool
) -> tuple[float, float | None] | Refusal:
    for name in ("exp", "nbf", "iat"):
        if name in claims and not _is_date(claims[name]):
            return Refusal(Reason.CLAIM)
    if "exp" not in claims:
        return Refusal(Reason.CLAIM)
    if not allow_expired and now >= claims["exp"] + leeway:
        return Refusal(Reason.EXPIRED)
    if max(claims.get("nbf", 0), claims.get("iat", 0)) > now + leeway:
        return Refusal(Reason.NOT_YET_VALID)
    return claims["exp"], claims.get("iat")


def _is_date(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= _MAX_DATE


def _judge_parties(
    claims: dict[str, Any], issuer: str, audience: str | frozenset[str] | None
) -> tuple[str, ...] | Refusal:
    if claims.get("iss") != issuer:
        return Refusal(Reason.ISSUER)
    if not all(isinstance(claims.get(name, ""), str) for name in ("sub", "jti")):
        return Refusal(Reason.CLAIM)
    aud = claims.get("aud", [])
    members = [aud] if isinstance(aud, str) else aud
    if not isinstance(members, list) or not all(isinstance(member, str) for member in members):
        return Refusal(Reason.CLAIM)
    accepted = {audience} if isinstance(audience, str) else audience
    if accepted is not None and accepted.isdisjoint(members):
        return Refusal(Reason.AUDIENCE)
    return tuple(members)
