"""One provider as one client of it sees it: where its endpoints are and what is sent there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import orjson

from load.generator.jar import Jar
from load.generator.wire import FORM, Response, basic, form, request

# RFC 7636 appendix B. The proof may be the same every time: the server's work is too.
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


@dataclass(frozen=True, slots=True)
class Site:
    """`authority` is the Host header; `headers` are sent with every request."""

    authority: str
    client_id: str
    client_secret: str = field(repr=False)
    redirect_uri: str
    scope: str = "openid"
    authorize_path: str = "/authorize"
    token_path: str = "/token"
    headers: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def authorize_target(self) -> str:
        """Path and query of the authorization request, with PKCE."""
        query = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": self.scope,
            "state": "s0",
            "nonce": "n0",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }
        return f"{self.authorize_path}?{urlencode(query)}"

    def get(self, target: str, jar: Jar) -> bytes:
        """A browser's request for a page."""
        cookies = {"Cookie": jar.header} if jar.header else {}
        return request("GET", target, self.authority, {**self.headers, **cookies})

    def submit(self, target: str, fields: Mapping[str, str], jar: Jar) -> bytes:
        """A browser's form."""
        cookies = {"Cookie": jar.header} if jar.header else {}
        return request("POST", target, self.authority, {**self.headers, **cookies, "Content-Type": FORM}, form(fields))

    def authorize(self, jar: Jar) -> bytes:
        """The authorization request."""
        return self.get(self.authorize_target, jar)

    def exchange(self, code: str) -> bytes:
        """The token request for a code."""
        return self.ask_token(
            {
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": self.redirect_uri,
                "code_verifier": VERIFIER,
            }
        )

    def refresh(self, token: str) -> bytes:
        """The token request for a refresh token."""
        return self.ask_token({"grant_type": "refresh_token", "refresh_token": token})

    def ask_token(self, fields: Mapping[str, str]) -> bytes:
        """A token request with the client's secret."""
        return self.back_channel(self.token_path, fields)

    def back_channel(self, path: str, fields: Mapping[str, str]) -> bytes:
        """A form that the client itself sends, with its secret."""
        credentials = {"Authorization": basic(self.client_id, self.client_secret), "Content-Type": FORM}
        return request("POST", path, self.authority, {**self.headers, **credentials}, form(fields))

    def code_of(self, response: Response) -> str | None:
        """The code that a redirect to the application carries."""
        location = (response.header(b"location") or b"").decode("latin-1")
        if response.status not in (302, 303) or not location.startswith(self.redirect_uri):
            return None
        return parse_qs(urlsplit(location).query).get("code", [None])[0]

    def path_of(self, response: Response) -> str | None:
        """The path and query that a redirect within the provider leads to."""
        parts = urlsplit((response.header(b"location") or b"").decode("latin-1"))
        if response.status not in (302, 303) or parts.netloc not in ("", self.authority) or not parts.path:
            return None
        return f"{parts.path}?{parts.query}" if parts.query else parts.path


def json_of(response: Response) -> dict[str, Any] | None:
    """The JSON object of a body, None when it is none."""
    try:
        document = orjson.loads(response.body)
    except orjson.JSONDecodeError:
        return None
    return document if isinstance(document, dict) else None


def error_of(response: Response) -> str:
    """The OAuth error of an answer, with a blank before it; empty when there is none."""
    error = (json_of(response) or {}).get("error")
    return f" {error}" if isinstance(error, str) and error.isascii() and len(error) <= 60 else ""
