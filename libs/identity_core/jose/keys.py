"""Signing keys and public keys, each for exactly one algorithm (RFC 8725 §3.1) and imported once.

Importing an RSA key costs milliseconds, so a key object carries the library's key ready for use.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from identity_core.jose.algorithms import ALGORITHMS, BY_NAME, SIGNING_ALGORITHMS, Algorithm

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

RSA_BITS = 2048
_MAX_RSA_BITS = 8192
_MAX_RSA_EXPONENT = 1 << 32
_MAX_KEYS = 64
_MAX_MEMBER_CHARS = 1400  # base64url of 8192 bits
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_PUBLIC_MEMBERS = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that verifies one algorithm. Raises ValueError for a JWK that is not fit for it.

    `jwk` is reduced to its public members with `kid`, `alg` and `use` added. Refused: another key type or
    curve, private members, another `use` or `alg`, RSA under 2048 or over 8192 bits.
    """

    kid: str
    alg: str
    jwk: Mapping[str, Any] = field(repr=False, hash=False)
    native: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        algorithm = _algorithm(self.alg)
        members = _public_members(self.jwk, algorithm)
        object.__setattr__(self, "native", _import_public(members, algorithm))
        jwk = {"kty": members["kty"], "use": "sig", "alg": self.alg, "kid": self.kid, **members}
        object.__setattr__(self, "jwk", jwk)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key for one algorithm; `public` is its other half. Raises ValueError if they do not fit."""

    kid: str
    alg: str
    private: PrivateKey = field(repr=False)
    public: PublicKey = field(init=False, repr=False, compare=False)
    native: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        algorithm = _algorithm(self.alg)
        if not _fits(self.private, algorithm):
            raise ValueError(f"The private key is not one for {self.alg}.")
        native: Any = algorithm.key_class.import_key(self.private)  # type: ignore[arg-type]
        object.__setattr__(self, "native", native)
        object.__setattr__(self, "public", PublicKey(self.kid, self.alg, native.as_dict(private=False)))


def generate(alg: str, kid: str | None = None) -> SigningKey:
    """A new key for RS256 (2048 bits), ES256 or EdDSA (Ed25519); `kid` is the thumbprint unless given."""
    private: PrivateKey
    if alg == "RS256":
        private = rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    elif alg == "ES256":
        private = ec.generate_private_key(ec.SECP256R1())
    elif alg == "EdDSA":
        private = ed25519.Ed25519PrivateKey.generate()
    else:
        raise ValueError(f"Keys are made for {', '.join(SIGNING_ALGORITHMS)} only.")
    if kid is None:
        native: Any = BY_NAME[alg].key_class.import_key(private)  # type: ignore[arg-type]
        kid = thumbprint(native.as_dict(private=False))
    return SigningKey(kid, alg, private)


def private_bytes(key: SigningKey) -> bytes:
    """The private key as PKCS #8 DER, in clear: seal it before it is stored."""
    return key.private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def load_private(alg: str, kid: str, raw: bytes) -> SigningKey:
    """The key of `private_bytes`. Raises ValueError when the bytes are no private key for `alg`."""
    try:
        private = load_der_private_key(raw, password=None)
    except Exception:  # the library raises several unrelated types; none may show the bytes
        raise ValueError("The bytes are not a private key.") from None
    if not isinstance(private, PrivateKey):
        raise ValueError(f"The private key is not one for {alg}.")
    return SigningKey(kid, alg, private)


def public_jwks(keys: Iterable[PublicKey]) -> dict[str, list[dict[str, Any]]]:
    """The JWK Set that publishes `keys`, in their order (RFC 7517 §5)."""
    return {"keys": [dict(key.jwk) for key in keys]}


def import_jwks(document: object, algorithms: Collection[str] = ALGORITHMS) -> dict[str, PublicKey]:
    """The usable keys of a client's or a peer's JWK Set by `kid`; unusable ones are left out (RFC 7517 §5).

    A key without `alg` serves RS256, ES256 or EdDSA by its type; one without `kid` is known by its
    thumbprint. Of two with one `kid` the first counts. Raises ValueError if the document is no JWK Set,
    has more than 64 keys, or publishes a private or symmetric key.
    """
    entries = document.get("keys") if isinstance(document, Mapping) else None
    if not isinstance(entries, list) or len(entries) > _MAX_KEYS:
        raise ValueError(f"A JWK Set has a list of at most {_MAX_KEYS} keys.")
    keys: dict[str, PublicKey] = {}
    for jwk in entries:
        if not isinstance(jwk, Mapping):
            continue
        if _PRIVATE_MEMBERS & set(jwk):
            raise ValueError("The JWK Set contains a private or symmetric key.")
        alg = jwk.get("alg", _default_algorithm(jwk))
        if not isinstance(alg, str) or alg not in algorithms:
            continue
        try:
            key = PublicKey(_kid_of(jwk), alg, jwk)
        except ValueError:
            continue
        keys.setdefault(key.kid, key)
    return keys


def thumbprint(jwk: Mapping[str, Any]) -> str:
    """The SHA-256 thumbprint of the public part of a JWK (RFC 7638 §3, RFC 8037 §2). Raises ValueError."""
    for algorithm in BY_NAME.values():
        if jwk.get("kty") == algorithm.key_class.key_type:
            members = {name: jwk.get(name) for name in ("kty", *_PUBLIC_MEMBERS[algorithm.key_class.key_type])}
            try:
                return algorithm.key_class.import_key(members).thumbprint()  # type: ignore[arg-type]
            except Exception:  # the library raises several unrelated types for a damaged JWK
                raise ValueError("The JWK is damaged.") from None
    raise ValueError("The JWK has an unsupported key type.")


def _algorithm(name: str) -> Algorithm:
    algorithm = BY_NAME.get(name)
    if algorithm is None:
        raise ValueError(f"A key must be for one of {', '.join(sorted(ALGORITHMS))}.")
    return algorithm


def _default_algorithm(jwk: Mapping[str, Any]) -> str | None:
    for name in SIGNING_ALGORITHMS:
        algorithm = BY_NAME[name]
        if jwk.get("kty") == algorithm.key_class.key_type and algorithm.curve in (None, jwk.get("crv")):
            return name
    return None


def _kid_of(jwk: Mapping[str, Any]) -> str:
    kid = jwk.get("kid")
    if kid is None:
        return thumbprint(jwk)
    if not isinstance(kid, str):
        raise ValueError("The kid of a JWK is a string.")
    return kid


def _public_members(jwk: Mapping[str, Any], algorithm: Algorithm) -> dict[str, str]:
    kty = algorithm.key_class.key_type
    if jwk.get("kty") != kty:
        raise ValueError(f"A key for {algorithm.name} has the type {kty}.")
    if _PRIVATE_MEMBERS & set(jwk):
        raise ValueError("A public key has private members.")
    if jwk.get("use", "sig") != "sig" or jwk.get("alg", algorithm.name) != algorithm.name:
        raise ValueError("The JWK is meant for another use or algorithm.")
    operations = jwk.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        raise ValueError("The JWK is not meant for verifying.")
    members = {"kty": kty}
    for name in _PUBLIC_MEMBERS[kty]:
        value = jwk.get(name)
        if not isinstance(value, str) or not 0 < len(value) <= _MAX_MEMBER_CHARS:
            raise ValueError(f"The member {name} of the JWK is missing or too long.")
        members[name] = value
    if algorithm.curve is not None and members["crv"] != algorithm.curve:
        raise ValueError(f"A key for {algorithm.name} lies on the curve {algorithm.curve}.")
    return members


def _import_public(members: dict[str, str], algorithm: Algorithm) -> Any:
    try:
        native: Any = algorithm.key_class.import_key(members)  # type: ignore[arg-type]
        public = native.public_key  # EC points are checked to lie on the curve here
    except Exception:  # the library raises several unrelated types for a damaged JWK
        raise ValueError("The JWK is damaged.") from None
    if isinstance(public, rsa.RSAPublicKey):
        if not RSA_BITS <= public.key_size <= _MAX_RSA_BITS:
            raise ValueError(f"An RSA key has {RSA_BITS} to {_MAX_RSA_BITS} bits.")
        if not 3 <= public.public_numbers().e < _MAX_RSA_EXPONENT:
            raise ValueError("The exponent of the RSA key is out of range.")
    return native


def _fits(private: PrivateKey, algorithm: Algorithm) -> bool:
    if algorithm.name in ("RS256", "PS256"):
        return isinstance(private, rsa.RSAPrivateKey)
    if algorithm.name == "ES256":
        return isinstance(private, ec.EllipticCurvePrivateKey) and private.curve.name == "secp256r1"
    return isinstance(private, ed25519.Ed25519PrivateKey)
