"""Signing keys for tests: made once a process, since an RSA key costs a tenth of a second or more."""

from functools import cache

from identity_core import jose


@cache
def signing_key(alg: str = "ES256", name: str = "first") -> jose.SigningKey:
    """The same key for the same `alg` (RS256, ES256, EdDSA) and `name`; another name is another key."""
    return jose.generate(alg)


def public_keys(*keys: jose.SigningKey) -> dict[str, jose.PublicKey]:
    """The public halves by `kid`, as `jose.verify` takes them."""
    return {key.kid: key.public for key in keys}


@cache
def sealing_key(name: str = "first") -> bytes:
    """32 bytes that are the same for the same `name` in every process; not secret."""
    return (b"test " + name.encode() + b" " * 32)[:32]
