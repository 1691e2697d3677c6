"""Time-based one-time passwords (RFC 6238) with six digits and steps of 30 seconds.

Pure: who counts failures and remembers the last accepted step is the caller, in one atomic statement.
"""

import base64
import hashlib
import secrets
from collections.abc import Callable
from typing import Any, Literal

import pyotp

from identity_core.secrets import same

Algorithm = Literal["SHA1", "SHA256", "SHA512"]

STEP_S = 30
DIGITS = 6
MIN_SECRET_BYTES = 20  # 160 bits, RFC 4226 §4 R6
MAX_WINDOW = 1

_DIGESTS: dict[str, Callable[..., Any]] = {
    "SHA1": hashlib.sha1,
    "SHA256": hashlib.sha256,
    "SHA512": hashlib.sha512,
}
_ASCII_DIGITS = frozenset("0123456789")


def new_secret() -> bytes:
    """160 random bits."""
    return secrets.token_bytes(MIN_SECRET_BYTES)


def secret_text(secret: bytes) -> str:
    """The secret in base32 without padding, as a person types it into an authenticator."""
    _refuse_short(secret)
    return base64.b32encode(secret).rstrip(b"=").decode("ascii")


def step_at(now_s: float) -> int:
    """The step that `now_s` (seconds since 1970) lies in (RFC 6238 §4.2)."""
    return int(now_s // STEP_S)


def code_at(secret: bytes, step: int, *, digits: int = DIGITS, algorithm: Algorithm = "SHA1") -> str:
    """The code of one step. Raises ValueError for a secret under 160 bits."""
    return pyotp.TOTP(secret_text(secret), digits=digits, digest=_DIGESTS[algorithm]).generate_otp(step)


def matching_step(
    secret: bytes, code: str, now_s: float, window: int = 1, *, algorithm: Algorithm = "SHA1"
) -> int | None:
    """The step whose code this is, within `window` steps (0 or 1) of now; None if there is none.

    Spaces in the code are ignored, digits are ASCII only. All candidates are always compared. Should
    two steps share a code, the older is returned: a code seen before must not count as a later one.
    """
    if not 0 <= window <= MAX_WINDOW:
        raise ValueError("The window of a one-time password is at most one step on each side.")
    typed = code.replace(" ", "")
    well_formed = len(typed) == DIGITS and _ASCII_DIGITS.issuperset(typed)
    candidate = typed if well_formed else "0" * DIGITS
    now = step_at(now_s)
    found: int | None = None
    for step in range(now + window, max(now - window, 0) - 1, -1):
        if same(code_at(secret, step, algorithm=algorithm), candidate):
            found = step
    return found if well_formed else None


def accept_step(step: int, last_step: int | None) -> bool:
    """Whether a matching step may be taken: only one later than the last taken (RFC 6238 §5.2)."""
    return last_step is None or step > last_step


def provisioning_uri(secret: bytes, *, account: str, issuer: str) -> str:
    """The `otpauth://` address for a QR code."""
    # A colon separates issuer and account in the label; a second one would move the border.
    name, house = account.replace(":", " "), issuer.replace(":", " ")
    return pyotp.TOTP(secret_text(secret)).provisioning_uri(name=name, issuer_name=house)


def _refuse_short(secret: bytes) -> None:
    if len(secret) < MIN_SECRET_BYTES:
        raise ValueError("The secret of a one-time password has at least 160 bits.")
