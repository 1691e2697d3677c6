"""Where a page's form may lead: the Content-Security-Policy's `form-action` sources of a client (CSP3 §6.4.2).

Chromium applies `form-action` to every redirect that follows a form post, also to those the relying party answers
with itself, and shows nothing at all when it refuses one. So a page whose form ends at a relying party names the
addresses that client has registered and, where it answers at https, https as such: from their redirect URI many
applications go on to another host of theirs. The page that takes a password ends at ourselves and names nobody.
"""

import re
from collections.abc import Iterable
from typing import Final

# The origin of an http(s) address as a CSP host-source; an IPv6 literal cannot be written as one.
_ORIGIN: Final = re.compile(r"(https?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?)(?:[/?].*)?")
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*:).*")


def leads_to(uri: str, *registered: str) -> tuple[str, ...]:
    """What a page names whose form ends at `uri`."""
    return (uri, *registered, *(("https:",) if uri.startswith("https://") else ()))


def form_action(uris: Iterable[str]) -> str:
    """The value of the directive: ourselves and the sources of `uris`, each once."""
    sources = (match[1].lower() for uri in uris if (match := _ORIGIN.fullmatch(uri) or _SCHEME.fullmatch(uri)))
    return " ".join(dict.fromkeys(("'self'", *sources)))
