"""The one spelling under which a user name is looked up, compared and counted.

The directory keeps it beside each name as given; a sign-in and its rate limit use the same one, so aliases by case,
width or composition are one account and one counter (CVE-2025-24806).
"""

import unicodedata


def username_key(text: str) -> str:
    """The key of a user name as typed or provisioned: NFKC, case folded (RFC 7643 §4.1.1: userName ignores case).

    Idempotent. Outer white space is dropped, since phones add it; a name of nothing else has the key "".
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    # Folding may leave the normal form (U+0345), so it is restored; a second fold then changes nothing.
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", folded).casefold()).strip()
