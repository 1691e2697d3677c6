"""The OpenID Connect client: Authlib's Starlette integration, and the few checks it leaves to the application.

Every method answers a value or raises `SignInFailed` (this attempt is over), `Refused` (the provider no longer
accepts the tokens: the person is signed out) or `ProviderAway` (try again).
"""

from __future__ import annotations

import ssl
import warnings
from collections.abc import Mapping
from typing import Any, cast

import httpx
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from gatehouse.demo.settings import DemoSettings
from gatehouse.demo.visits import Visit, visit_from
from identity_core import telemetry
from identity_core.secrets import same

with warnings.catch_warnings():
    # Authlib announces that it will want httpx's successor; it works with both. Its own filter comes first.
    import authlib.deprecate  # noqa: F401

    warnings.simplefilter("ignore")
    from authlib.integrations.base_client import OAuthError
    from authlib.integrations.starlette_client import OAuth

SCOPE = "openid profile email address phone offline_access"


class SignInFailed(Exception):
    """One sentence for the person; nothing changed."""


class Refused(Exception):
    """The provider does not accept the visit's tokens any more; one sentence says how we know."""


class ProviderAway(Exception):
    """The provider did not answer, or not as a provider does."""


class RelyingParty:
    """One client at one provider. `transport` replaces the network (tests)."""

    def __init__(self, settings: DemoSettings, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._settings = settings
        client: dict[str, Any] = {
            "scope": SCOPE,
            "code_challenge_method": "S256",
            "timeout": 10,
            "trust_env": False,
            "event_hooks": {"request": [_add_traceparent]},
        }
        if settings.ca_file:
            client["verify"] = ssl.create_default_context(cafile=str(settings.ca_file))
        if transport:
            client["transport"] = transport
        oauth = OAuth()
        oauth.register(
            "gatehouse",
            client_id=settings.client_id,
            client_secret=settings.client_secret,
            server_metadata_url=f"{settings.issuer}/.well-known/openid-configuration",
            client_kwargs=client,
        )
        self._client: Any = oauth.create_client("gatehouse")

    async def begin(self, request: Request) -> Response:
        """Send the browser to the provider; state, nonce and PKCE verifier go into the browser's own session."""
        await self._metadata()
        # The provider goes on with this trace: a browser that is redirected brings no header of ours.
        traceparent = telemetry.inject()
        extra = {"traceparent": traceparent} if traceparent else {}
        redirect = await self._client.authorize_redirect(request, f"{self._settings.base_url}/callback", **extra)
        return cast(Response, redirect)

    async def finish(self, request: Request) -> Visit:
        """Redeem the code of a callback: state, issuer (RFC 9207), PKCE, ID token (OIDC Core §3.1.3.7)."""
        metadata = await self._metadata()
        issuer = request.query_params.get("iss")
        if issuer is not None and issuer != metadata["issuer"]:
            raise SignInFailed("The answer came from another provider than the one that was asked.")
        try:
            token = await self._client.authorize_access_token(request)
        except OAuthError as error:
            raise SignInFailed(_explain(error)) from error
        except httpx.HTTPError as error:
            raise ProviderAway from error
        except Exception as error:
            # Whatever a verification ends with that is not a verdict is a denial.
            raise SignInFailed("The ID token could not be verified.") from error
        claims = token.get("userinfo")
        if not claims:
            raise SignInFailed("The answer held no ID token.")
        return visit_from(token, dict(claims))

    async def refresh(self, visit: Visit) -> Visit:
        """New tokens. A refusal ends the visit (RFC 6749 §5.2)."""
        if visit.refresh_token is None:
            raise Refused("There is no refresh token.")
        try:
            token = await self._client.fetch_access_token(grant_type="refresh_token", refresh_token=visit.refresh_token)
            claims = await self._client.parse_id_token(token, nonce=None) if "id_token" in token else None
        except OAuthError as error:
            raise Refused(f"The provider refused to refresh the tokens ({error.error}).") from error
        except httpx.HTTPError as error:
            raise ProviderAway from error
        except Exception as error:
            raise Refused("The new ID token could not be verified.") from error
        if claims is not None and not same(str(claims["sub"]), visit.subject):
            raise Refused("The new ID token speaks of another person.")  # OIDC Core §12.2
        return visit.renewed(token, None if claims is None else dict(claims))

    async def userinfo(self, visit: Visit) -> dict[str, Any]:
        """What the provider says about the person right now. 401 ends the visit."""
        metadata = await self._metadata()
        try:
            answer = await self._client.request(
                "GET",
                metadata["userinfo_endpoint"],
                withhold_token=True,
                headers={"Authorization": f"Bearer {visit.access_token}"},
            )
            if answer.status_code == httpx.codes.UNAUTHORIZED:
                raise Refused("The provider no longer accepts the access token.")
            answer.raise_for_status()
            claims: dict[str, Any] = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise ProviderAway from error
        if not same(str(claims.get("sub", "")), visit.subject):
            raise Refused("The provider spoke of another person.")  # OIDC Core §5.3.2
        return claims

    async def leave(self, request: Request, visit: Visit) -> Response:
        """Send the browser to the provider to end the session there too (RP-Initiated Logout §2)."""
        await self._metadata()
        redirect = await self._client.logout_redirect(
            request,
            post_logout_redirect_uri=f"{self._settings.base_url}/signed-out",
            id_token_hint=visit.id_token,
            client_id=self._settings.client_id,
        )
        return RedirectResponse(redirect.headers["location"], status_code=303)

    async def left(self, request: Request) -> None:
        """The answer to `leave`: its state must be the one this browser was given."""
        try:
            await self._client.validate_logout_response(request)
        except OAuthError as error:
            raise SignInFailed("Nobody asked for this answer.") from error

    async def _metadata(self) -> Mapping[str, Any]:
        try:
            metadata: Mapping[str, Any] = await self._client.load_server_metadata()
        except (httpx.HTTPError, ValueError) as error:
            raise ProviderAway from error
        if metadata.get("issuer") != self._settings.issuer:
            # OIDC Discovery §4.3: another issuer's document must not be used.
            self._client.server_metadata.clear()
            raise ProviderAway
        return metadata


async def _add_traceparent(request: httpx.Request) -> None:
    if traceparent := telemetry.inject():
        request.headers["traceparent"] = traceparent


def _explain(error: OAuthError) -> str:
    match error.error:
        case "access_denied":
            return "You did not allow it, so nobody is signed in."
        case "mismatching_state":
            return "This answer belongs to another browser, or to an attempt that is already over."
        case _:
            return f"The provider refused ({error.error})."
