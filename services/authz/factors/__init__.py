"""What can prove who a person is: one file a factor, and the registry of them all.

A factor checks what was typed against what the stores hold and answers with a value; who counts attempts, which factor
comes next and what follows is decided elsewhere.
"""

from dataclasses import dataclass
from typing import Final

from authz.interaction import OTP, PASSWORD
from authz.login_ports import Place


@dataclass(frozen=True, slots=True)
class FactorKind:
    """One factor: its value in `amr` (RFC 8176 §2) and the pages on which it is asked for."""

    name: str
    amr: str
    places: tuple[Place, ...]


FACTORS: Final = (
    FactorKind("password", PASSWORD, ("login",)),
    FactorKind("totp", OTP, ("totp", "enroll")),
)

AMR_VALUES: Final = tuple(kind.amr for kind in FACTORS)
