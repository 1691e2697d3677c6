"""Signed tokens: keys, signing and verifying JWTs (RFC 7515, 7517, 7518, 7519, 7638, 8037, 8725).

The only importer of joserfc. Owns no storage and fetches nothing: whoever holds keys hands them in.
Verification never raises; a refusal is a value with a reason.
"""

from identity_core.jose.algorithms import ALGORITHMS, SIGNING_ALGORITHMS
from identity_core.jose.keys import (
    PublicKey,
    SigningKey,
    generate,
    import_jwks,
    load_private,
    private_bytes,
    public_jwks,
    thumbprint,
)
from identity_core.jose.signing import at_hash, sign
from identity_core.jose.verifying import (
    MAX_TOKEN_BYTES,
    Reason,
    Refusal,
    Unverified,
    VerifiedClaims,
    peek,
    verify,
)

__all__ = [
    "ALGORITHMS",
    "MAX_TOKEN_BYTES",
    "SIGNING_ALGORITHMS",
    "PublicKey",
    "Reason",
    "Refusal",
    "SigningKey",
    "Unverified",
    "VerifiedClaims",
    "at_hash",
    "generate",
    "import_jwks",
    "load_private",
    "peek",
    "private_bytes",
    "public_jwks",
    "sign",
    "thumbprint",
    "verify",
]
