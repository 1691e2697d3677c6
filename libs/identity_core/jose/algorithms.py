"""The allow-list: four asymmetric signature algorithms, each for one kind of key (RFC 8725 §3.1, §3.2).

`none`, the HMAC family, RSA1_5 and everything else are absent rather than switched off.
"""

from dataclasses import dataclass
from typing import Any

from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry


@dataclass(frozen=True, slots=True)
class Algorithm:
    """One signature algorithm: its JWK type and curve, and the hash of `at_hash` (OIDC Core §3.1.3.6)."""

    name: str
    key_class: type[RSAKey] | type[ECKey] | type[OKPKey]
    curve: str | None
    half_hash: str

    def sign(self, message: bytes, key: Any) -> bytes:
        """The signature of `message` in JOSE form."""
        return JWSRegistry.algorithms[self.name].sign(message, key)

    def verify(self, message: bytes, signature: bytes, key: Any) -> bool:
        """Whether `signature` is right. Any exception of the library is a no."""
        try:
            return JWSRegistry.algorithms[self.name].verify(message, signature, key) is True
        except Exception:  # fail closed: what the library did not foresee is a denial
            return False


_TABLE = (
    Algorithm("RS256", RSAKey, None, "sha256"),
    Algorithm("PS256", RSAKey, None, "sha256"),
    Algorithm("ES256", ECKey, "P-256", "sha256"),
    Algorithm("EdDSA", OKPKey, "Ed25519", "sha512"),
)
BY_NAME: dict[str, Algorithm] = {algorithm.name: algorithm for algorithm in _TABLE}

ALGORITHMS: frozenset[str] = frozenset(BY_NAME)
"""What a public key may be for."""

SIGNING_ALGORITHMS: tuple[str, ...] = ("RS256", "ES256", "EdDSA")
"""What this platform signs with. RS256 is mandatory (OIDC Core §15.1)."""
