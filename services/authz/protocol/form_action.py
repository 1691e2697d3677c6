"""Where a page's form may lead: the Content-Security-Policy's `form-action` sources of a client (CSP3 §6.4.2).

Chromium applies `form-action` to every redirect that follows a form post, so the page whose form ends at a relying
party must name where that goes. Only addresses the client has registered are named: its redirect URIs, and its home
page (`client_uri`), to which many applications go on from their redirect URI.
"""

import re
from collections.abc import Iterable
from typing import Final

# The origin of an http(s) address as a CSP host-source; an IPv6 literal cannot be written as one.
_ORIGIN: Final = re.compile(r"(https?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?)(?:[/?].*)?")
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*:).*")


def form_action(uris: Iterable[str]) -> str:
    """The value of the directive: ourselves and the sources of `uris`, each once."""
    sources = (match[1].lower() for uri in uris if (match := _ORIGIN.fullmatch(uri) or _SCHEME.fullmatch(uri)))
    return " ".join(dict.fromkeys(("'self'", *sources)))
