"""The cookies of a browser: their names, their attributes, and reading them without guessing (RFC 6265bis).

Three per tenant: the browser's own (`gh_browser_…`, a random secret that binds login interactions to this browser), the
session's (`gh_session_…`), and the mark of a browser that an account has signed in with before (`gh_known_…`). Over
https all carry the `__Host-` prefix, so that no other host, subdomain or plain http answer can have set them; a
development server on http uses the plain names.
"""

from typing import Final

PREFIX: Final = "__Host-"


def session_cookie_name(slug: str, *, https: bool) -> str:
    """The name of a tenant's session cookie."""
    return f"{PREFIX if https else ''}gh_session_{slug}"


def browser_cookie_name(slug: str, *, https: bool) -> str:
    """The name of a tenant's browser cookie."""
    return f"{PREFIX if https else ''}gh_browser_{slug}"


def known_cookie_name(slug: str, *, https: bool) -> str:
    """The name of a tenant's mark of a known browser."""
    return f"{PREFIX if https else ''}gh_known_{slug}"


def read_cookie(headers: list[str], name: str) -> str | None:
    """The value of one cookie in the request's Cookie headers.

    None when it is absent, empty, or there more than once: two values mean somebody else has set one of them.
    """
    found: list[str] = []
    for header in headers:
        for pair in header.split(";"):
            key, equals, value = pair.strip().partition("=")
            if equals and key == name:
                found.append(value)
    return found[0] if len(found) == 1 and found[0] else None


def set_cookie(name: str, value: str, *, https: bool, max_age_s: int | None = None) -> str:
    """A Set-Cookie header; without `max_age_s` the cookie ends with the browser. The server ends it sooner."""
    kept = "" if max_age_s is None else f"; Max-Age={max_age_s}"
    return f"{name}={value}; {_attributes(https)}{kept}"


def clear_cookie(name: str, *, https: bool) -> str:
    """A Set-Cookie header that removes the cookie."""
    return f"{name}=; {_attributes(https)}; Max-Age=0"


def _attributes(https: bool) -> str:
    # Lax, not Strict: the relying party's redirect to us is a navigation from another site.
    return "Path=/; HttpOnly; SameSite=Lax" + ("; Secure" if https else "")
