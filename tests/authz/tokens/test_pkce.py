"""PKCE, in both directions."""

import pytest

from authz.protocol.pkce import METHODS, proof_fault, s256
from identity_core.testing.spec import spec

# RFC 7636 Appendix B.
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


@spec("RFC 7636 §4.2", "RFC 7636 §4.6")
def test_the_example_of_the_rfc_is_right() -> None:
    assert s256(VERIFIER) == CHALLENGE
    assert proof_fault(CHALLENGE, VERIFIER, required=True) is None
    assert METHODS == ("S256",)


@pytest.mark.parametrize(
    "verifier",
    [
        None,
        "",
        "x" * 42,
        "x" * 43,
        "x" * 129,
        VERIFIER[:-1],
        VERIFIER + "x",
        VERIFIER.lower(),
        CHALLENGE,
        VERIFIER[:-1] + "ä",
        VERIFIER + "\n",
    ],
)
def test_row_18_a_challenge_needs_exactly_its_verifier(verifier: str | None) -> None:
    fault = proof_fault(CHALLENGE, verifier, required=False)
    assert fault is not None
    assert fault.error == "invalid_grant"


@spec("RFC 9700 §4.8.2")
@pytest.mark.parametrize("required", [True, False])
@pytest.mark.parametrize("verifier", [VERIFIER, "x"])
def test_row_19_a_verifier_without_a_challenge_is_a_downgrade(required: bool, verifier: str) -> None:
    fault = proof_fault(None, verifier, required=required)
    assert fault is not None
    assert fault.cause == "pkce_downgrade"


@spec("RFC 9700 §2.1.1")
def test_row_19_who_must_use_pkce_gets_nothing_without() -> None:
    assert proof_fault(None, None, required=True) is not None
    assert proof_fault(None, None, required=False) is None


def test_a_plain_challenge_is_never_its_own_verifier() -> None:
    assert proof_fault(VERIFIER, VERIFIER, required=True) is not None
