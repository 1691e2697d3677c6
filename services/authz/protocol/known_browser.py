"""The mark of a browser in which an account has signed in before: it is worth an allowance of attempts of its own.

`gn_`, 22 characters of a random id, ten digits of when it was made (seconds since 1970), and an HMAC-SHA256 over
tenant, account, time and id. It names nobody, proves nothing of who is using the browser and never raises an `acr`.
"""

from __future__ import annotations

import hmac
import re
from typing import Final
from uuid import UUID

from identity_core import base64url, secrets

LIFETIME_S: Final = 30 * 86_400
_FORM: Final = re.compile(r"gn_([A-Za-z0-9_-]{22})([0-9]{10})([A-Za-z0-9_-]{43})")


def mark_browser(key: bytes, tenant: UUID, account: str, now_s: int, *, known: str | None = None) -> str:
    """The cookie's value for `account` (its canonical key). `known`: the id the browser has already, to be kept."""
    identifier = known or secrets.random_token(128)
    return f"gn_{identifier}{now_s:010d}{_mac(key, tenant, account, now_s, identifier)}"


def known_browser(key: bytes, tenant: UUID, account: str, text: str, now_s: int) -> str | None:
    """The id of a browser in which this account of this tenant has signed in within the lifetime; else None."""
    match = _FORM.fullmatch(text)
    if match is None:
        return None
    identifier, made_s, mac = match[1], int(match[2]), match[3]
    right = secrets.same(mac, _mac(key, tenant, account, made_s, identifier))
    return identifier if right and now_s - LIFETIME_S < made_s <= now_s else None


def _mac(key: bytes, tenant: UUID, account: str, made_s: int, identifier: str) -> str:
    # The first word sets it apart from whatever else is made with this key; only the last field varies in length.
    fields = tenant.bytes + made_s.to_bytes(8, "big") + identifier.encode() + account.encode("utf-8", "surrogatepass")
    return base64url.encode(hmac.digest(key, b"known browser" + fields, "sha256"))
