"""A relying party: Authlib's asynchronous client, and the checks an application makes of what comes."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import httpx

from identity_core.secrets import random_token
from identity_core.testing.stack import House, Registration

with warnings.catch_warnings():
    # Authlib announces that it will want httpx's successor; it works with both. Its own filter comes first.
    import authlib.deprecate  # noqa: F401

    warnings.simplefilter("ignore")
    from authlib.integrations.base_client.async_openid import AsyncOpenIDMixin
    from authlib.integrations.httpx_client import AsyncOAuth2Client

SCOPE = "openid profile email offline_access"


@dataclass(frozen=True)
class Attempt:
    """One authorization request on its way; what the application must remember of it."""

    url: str
    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True)
class Tokens:
    """A token response, and the claims of its ID token after every check of OIDC Core §3.1.3.7."""

    response: Mapping[str, Any] = field(repr=False)
    claims: Mapping[str, Any]

    @property
    def access_token(self) -> str:
        return str(self.response["access_token"])

    @property
    def refresh_token(self) -> str:
        return str(self.response["refresh_token"])

    @property
    def id_token(self) -> str:
        return str(self.response["id_token"])


class _Client(AsyncOpenIDMixin, AsyncOAuth2Client):  # type: ignore[misc]
    """Authlib's asynchronous client with Authlib's own verification of ID tokens."""

    def __init__(self, house: House, client: Registration, scope: str, headers: Mapping[str, str]) -> None:
        super().__init__(
            client.client_id,
            client.client_secret,
            token_endpoint_auth_method="client_secret_basic" if client.client_secret else "none",
            scope=scope,
            redirect_uri=client.redirect_uri,
            code_challenge_method="S256",
            verify=house.trust(),
            trust_env=False,
            timeout=30,
            headers=dict(headers),
        )
        self.server_metadata: dict[str, Any] = {}
        self._made_of = (house, client, scope, headers)

    def _get_session(self) -> _Client:
        return _Client(*self._made_of)

    async def load_server_metadata(self) -> dict[str, Any]:
        if not self.server_metadata:
            issuer = self._made_of[0].issuer
            url = f"{issuer}/.well-known/openid-configuration"
            self.server_metadata = (await self.request("GET", url, withhold_token=True)).raise_for_status().json()
            # OIDC Discovery §4.3.
            assert self.server_metadata["issuer"] == issuer
        return self.server_metadata


class RelyingParty:
    """An application as Authlib writes it. Refusals are Authlib's OAuthError; `headers` go with every request."""

    def __init__(
        self,
        house: House,
        client: Registration | None = None,
        *,
        scope: str = SCOPE,
        headers: Mapping[str, str] | None = None,
        authorize_extra: Mapping[str, str] | None = None,
    ) -> None:
        self.registration = client or house.web
        self._extra = dict(authorize_extra or {})
        self._client = _Client(house, self.registration, scope, headers or {})

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._client.aclose()

    async def metadata(self) -> dict[str, Any]:
        """The provider's discovery document."""
        return await self._client.load_server_metadata()

    async def begin(self, **parameters: str) -> Attempt:
        """The address to send the browser to, with fresh state, nonce and PKCE verifier."""
        endpoint = (await self.metadata())["authorization_endpoint"]
        verifier, nonce = random_token(384), random_token()
        url, state = self._client.create_authorization_url(
            endpoint, code_verifier=verifier, nonce=nonce, **self._extra, **parameters
        )
        return Attempt(url, state, nonce, verifier)

    async def finish(self, attempt: Attempt, callback: str) -> Tokens:
        """Redeem the code of the callback's address and verify what comes (RFC 9207 §2.4, OIDC Core §3.1.3)."""
        metadata = await self.metadata()
        given = parse_qs(urlsplit(callback).query)
        assert given.get("iss") == [metadata["issuer"]], given
        response = await self._client.fetch_token(
            metadata["token_endpoint"],
            authorization_response=callback,
            state=attempt.state,
            code_verifier=attempt.verifier,
        )
        return await self._verified(response, attempt.nonce)

    async def refresh(self, tokens: Tokens) -> Tokens:
        """New tokens for the refresh token (RFC 6749 §6)."""
        endpoint = (await self.metadata())["token_endpoint"]
        response = await self._client.refresh_token(endpoint, refresh_token=tokens.refresh_token)
        # OIDC Core §12.2: a refreshed ID token need not repeat the nonce.
        fresh = await self._verified(dict(tokens.response) | dict(response), None)
        assert fresh.claims["sub"] == tokens.claims["sub"]
        return fresh

    async def userinfo(self, tokens: Tokens) -> httpx.Response:
        """The raw answer of the userinfo endpoint."""
        endpoint = (await self.metadata())["userinfo_endpoint"]
        headers = {"Authorization": f"Bearer {tokens.access_token}"}
        answer: httpx.Response = await self._client.request("GET", endpoint, withhold_token=True, headers=headers)
        return answer

    async def logout_url(self, tokens: Tokens) -> str:
        """Where to send the browser to sign out (RP-Initiated Logout §2)."""
        made = await self._client.create_logout_url(
            post_logout_redirect_uri=self.registration.post_logout_redirect_uri, id_token_hint=tokens.id_token
        )
        return str(made["url"])

    async def _verified(self, response: Mapping[str, Any], nonce: str | None) -> Tokens:
        claims = await self._client.parse_id_token(response, nonce)
        assert claims is not None, "no ID token"
        return Tokens(dict(response), dict(claims))
