"""Redirect URIs: what may be registered, and which presented one counts as registered.

Presented URIs are compared as strings, character by character; only the port of a native application's http loopback IP
literal may vary (RFC 9700 §2.1, RFC 8252 §7.3). So there is no parser on the request path that another parser could
disagree with; all the strictness is at registration.
"""

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote, urlsplit

from authz.protocol.errors import OAuthError, invalid_request

MAX_LENGTH: Final = 2000

# RFC 3986 §2 without the characters that browsers and parsers disagree about; the percent sign only in an escape.
_PLAIN = re.compile(r"(?:[A-Za-z0-9\-._~:/?\[\]!$'()*+,=&]|%[0-9A-Fa-f]{2})+")
_HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE)
_NETLOC_OF_LITERAL = re.compile(r"\[[0-9A-Fa-f:.]+\](?::[0-9]{1,5})?")
_LOOPBACK_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})
_LOOPBACK = re.compile(r"(http://(?:127\.0\.0\.1|\[::1\]))(?::[0-9]{1,5})?((?:/[^#]*)?)")
_PRIVATE_SCHEME = re.compile(r"[a-z][a-z0-9+-]*(?:\.[a-z0-9+-]+)+")
# What we add ourselves: a registered copy would let one answer be read as another (OIDC, JARM, RFC 9207).
_ANSWERS = frozenset(
    {
        "code", "state", "iss", "error", "error_description", "error_uri", "response", "session_state",
        "id_token", "access_token", "token_type", "expires_in", "scope",
    }
)  # fmt: skip
# Escapes that spell a dot, a slash, a backslash, an at sign, a percent sign or a control character in disguise.
_DISGUISE = re.compile(r"%(?:2[eEfF5]|5[cC]|40|[01][0-9A-Fa-f]|7[fF]|3[bB])")


def redirect_uri_fault(uri: object, application_type: str = "web") -> str | None:
    """Why `uri` may not be registered, as the end of a sentence; None when it may be.

    Allowed are https, http on a loopback host, and for native applications a private-use scheme with a dot in it
    (RFC 8252 §7.1 to §7.3).
    """
    if not isinstance(uri, str) or not 0 < len(uri) <= MAX_LENGTH:
        return f"must be a string of at most {MAX_LENGTH} characters"
    if "#" in uri:
        return "must not have a fragment"
    if not _PLAIN.fullmatch(uri):
        return "contains characters that a redirect URI may not have"
    scheme = uri.partition(":")[0].lower()
    if scheme in ("https", "http"):
        return _web_fault(uri, scheme)
    if application_type == "native" and _PRIVATE_SCHEME.fullmatch(scheme):
        return _private_fault(uri)
    return "must be https, http on a loopback address, or (native) a private-use scheme with a dot"


def web_uri_fault(uri: object) -> str | None:
    """Why `uri` may not be a link of a client (logo, policy, terms, home page, jwks_uri); None when it may be."""
    if not isinstance(uri, str) or not 0 < len(uri) <= MAX_LENGTH:
        return f"must be a string of at most {MAX_LENGTH} characters"
    if not _PLAIN.fullmatch(uri):
        return "contains characters that a URL may not have"
    scheme = uri.partition(":")[0].lower()
    return _web_fault(uri, scheme) if scheme in ("https", "http") else "must be an https URL"


def _web_fault(uri: str, scheme: str) -> str | None:
    if not uri[len(scheme) :].startswith("://"):
        return "must have a host"
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "must have a well-formed host and port"
    # Python's parser takes whatever follows the bracket for nothing; a browser may not.
    literal = _NETLOC_OF_LITERAL.fullmatch(parts.netloc) is not None
    if not host or port == 0 or not (literal or _HOST.fullmatch(host)) or parts.netloc.endswith(":"):
        return "must have a well-formed host and port"
    if scheme == "http" and host not in _LOOPBACK_HOSTS:
        return "must be https unless the host is 127.0.0.1, [::1] or localhost"
    return _path_fault(parts.path, parts.query)


def _private_fault(uri: str) -> str | None:
    try:
        parts = urlsplit(uri)
    except ValueError:
        return "must be well-formed"
    if parts.netloc:
        return "must have no host in a private-use scheme"
    return _path_fault(parts.path, parts.query)


def _path_fault(path: str, query: str) -> str | None:
    if _DISGUISE.search(path) or any(segment in (".", "..") for segment in path.split("/")):
        return "must not have dot segments or escaped separators in its path"
    names = [unquote(pair.partition("=")[0].replace("+", " ")).strip().lower() for pair in query.split("&")]
    if any(name in _ANSWERS for name in names):
        return "must not have a parameter of the authorization response in its query"
    return None


def is_registered(registered: Iterable[str], presented: str, application_type: str) -> bool:
    """Whether `presented` is one of the registered URIs: the same string, but for the port of a loopback literal where
    the application is `native`. Such a one takes the port it gets (RFC 8252 §7.3); every other knows its own."""
    uris = tuple(registered)
    if presented in uris:
        return True
    form = _portless(presented) if application_type == "native" else None
    return form is not None and any(_portless(uri) == form for uri in uris)


def choose_redirect_uri(registered: tuple[str, ...], presented: str | None, application_type: str) -> str | OAuthError:
    """Where the answer goes. A refusal here is shown on a page and never redirected (RFC 6749 §4.1.2.1).

    Without the parameter the only registered URI counts (RFC 6749 §3.1.2.3); OpenID Connect requires the parameter
    (OIDC Core §3.1.2.1), which the caller checks as it knows the scope.
    """
    if presented is not None:
        if is_registered(registered, presented, application_type):
            return presented
        return invalid_request("the redirect_uri is not registered for this client")
    if len(registered) == 1:
        return registered[0]
    return invalid_request("the redirect_uri is missing")


def is_loopback(uri: str) -> bool:
    """Whether the URI is http on a loopback IP literal."""
    return _LOOPBACK.fullmatch(uri) is not None


def _portless(uri: str) -> tuple[str, str] | None:
    match = _LOOPBACK.fullmatch(uri)
    return None if match is None else (match[1], match[2])
