"""`prompt` and `max_age`: when a person must be asked, and when nobody may be (OIDC Core §3.1.2.1)."""

from collections.abc import Set as AbstractSet
from typing import Final

from authz.protocol.errors import OAuthError, invalid_request

NONE: Final = "none"
LOGIN: Final = "login"
CONSENT: Final = "consent"
SELECT_ACCOUNT: Final = "select_account"

PROMPTS: Final = (NONE, LOGIN, CONSENT, SELECT_ACCOUNT)
"""What `prompt_values_supported` announces."""

_MAX_AGE_DIGITS: Final = 10


def parse_prompt(text: str | None) -> frozenset[str] | OAuthError:
    """The prompts asked for. `none` stands alone; another word than `PROMPTS` is refused, never ignored.

    A browser holds one session, so choosing an account is signing in again: `select_account` is read as `login`.
    """
    if text is None:
        return frozenset()
    words = frozenset(text.split(" "))
    if not words <= frozenset(PROMPTS):
        return invalid_request("the prompt is not one that is supported")
    if NONE in words and len(words) > 1:
        return invalid_request("prompt none cannot be combined with another prompt")
    return frozenset(LOGIN if word == SELECT_ACCOUNT else word for word in words)


def parse_max_age(text: str | None) -> int | OAuthError | None:
    """Seconds since the last sign-in that are allowed: a whole number of 0 or more."""
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > _MAX_AGE_DIGITS:
        return invalid_request("max_age must be a whole number of seconds")
    return int(text)


def must_sign_in_again(prompts: AbstractSet[str], max_age: int | None, auth_time_ms: int, now_ms: int) -> bool:
    """Whether a sign-in at `auth_time_ms` is not good enough for this request.

    `max_age=0` is the same as `prompt=login` (OIDC Core §3.1.2.1 as corrected by errata set 2).
    """
    if LOGIN in prompts or max_age == 0:
        return True
    return max_age is not None and now_ms - auth_time_ms > max_age * 1000
