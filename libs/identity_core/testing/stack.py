"""A running house as its callers know it: addresses and credentials, and what an operator does there over HTTP.

Made from the document that `gatehouse dev` writes (docs/dev-json.md); who started the processes is not known here.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import httpx

USER_SCHEMA = "urn:ietf:params:scim:schemas:core:2.0:User"
PATCH_SCHEMA = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
SCIM_JSON = "application/scim+json"


@dataclass(frozen=True)
class Registration:
    """One registered client. `client_secret` is None for a public one."""

    client_id: str
    client_secret: str | None = field(repr=False)
    redirect_uri: str
    post_logout_redirect_uri: str | None = None


@dataclass(frozen=True)
class House:
    """Addresses and credentials. `ca_file` is the authority of a house served over TLS."""

    issuer: str
    scim_base_url: str
    sessions_base_url: str
    management: Mapping[str, str]
    scim_token: str = field(repr=False)
    admin: Registration
    web: Registration
    spa: Registration
    username: str
    password: str = field(repr=False)
    ca_file: str | None = None
    demo_url: str | None = None

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """The house of a `dev.json`. Raises KeyError for a document that is none."""
        admin, clients = document["admin"], document["clients"]
        return cls(
            issuer=document["issuer"],
            scim_base_url=document["scim_base_url"],
            sessions_base_url=document["sessions_base_url"],
            management=document["management"],
            scim_token=document["scim"]["token"],
            admin=Registration(admin["client_id"], admin["client_secret"], ""),
            web=_registration(clients["web"]),
            spa=_registration(clients["spa"]),
            username=document["user"]["username"],
            password=document["user"]["password"],
            ca_file=document.get("ca_file"),
            demo_url=document.get("demo_url"),
        )

    def trust(self) -> ssl.SSLContext | bool:
        """The `verify` argument of httpx."""
        return ssl.create_default_context(cafile=self.ca_file) if self.ca_file else True

    def http(self, **options: Any) -> httpx.AsyncClient:
        """A client that trusts this house and no proxy; timeouts are bounds for a hung test."""
        return httpx.AsyncClient(**{"verify": self.trust(), "trust_env": False, "timeout": 30} | options)


def _registration(client: Mapping[str, Any]) -> Registration:
    """The redirect URI that is a developer's own, not the demo application's."""
    return Registration(
        client["client_id"],
        client.get("client_secret"),
        client["redirect_uris"][-1],
        client["post_logout_redirect_uris"][-1],
    )


class Operator:
    """The directory's source and the administrator, over HTTP; `headers` go with every request.

    Use as `async with Operator(house) as operator`.
    """

    def __init__(self, house: House, *, headers: Mapping[str, str] | None = None) -> None:
        self.house = house
        self.http = house.http(headers=dict(headers or {}))
        self._source = {"Authorization": f"Bearer {house.scim_token}", "Content-Type": SCIM_JSON}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.http.aclose()

    async def scim(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One call as the provisioning source; `path` lies below the base URL."""
        headers = self._source | dict(options.pop("headers", {}))
        return await self.http.request(method, f"{self.house.scim_base_url}{path}", headers=headers, **options)

    async def create_user(self, username: str, password: str, **attributes: Any) -> dict[str, Any]:
        """A new active user (RFC 7644 §3.3); the created resource."""
        resource = {"schemas": [USER_SCHEMA], "userName": username, "password": password, "active": True}
        return _body(await self.scim("POST", "/Users", json=resource | attributes), 201)

    async def set_active(self, user_id: str, active: bool) -> dict[str, Any]:
        """Deactivate or activate (RFC 7644 §3.5.2)."""
        operation = {"op": "replace", "path": "active", "value": active}
        message = {"schemas": [PATCH_SCHEMA], "Operations": [operation]}
        return _body(await self.scim("PATCH", f"/Users/{user_id}", json=message), 200)

    async def delete_user(self, user_id: str) -> None:
        """Remove for good (RFC 7644 §3.6)."""
        answer = await self.scim("DELETE", f"/Users/{user_id}")
        assert answer.status_code == 204, answer.text

    async def token(self, scope: str, resource: str | None = None) -> str:
        """An access token of the administrator's own client (RFC 6749 §4.4)."""
        form = {"grant_type": "client_credentials", "scope": scope} | ({"resource": resource} if resource else {})
        answer = await self.http.post(f"{self.house.issuer}/token", data=form, auth=_basic(self.house.admin))
        return str(_body(answer, 200)["access_token"])

    async def revoke(self, selector: Mapping[str, Any], reason: str = "test") -> dict[str, Any]:
        """What an administrator revokes; the record that was made. Returns when it is true everywhere."""
        token = await self.token("sessions:revoke", self.house.sessions_base_url)
        answer = await self.http.post(
            f"{self.house.sessions_base_url}/admin/revocations",
            json={"selector": dict(selector), "reason": reason},
            headers={"Authorization": f"Bearer {token}"},
        )
        return _body(answer, 201)

    async def introspect(self, token: str, client: Registration | None = None) -> dict[str, Any]:
        """What the provider says about a token (RFC 7662)."""
        url, by = f"{self.house.issuer}/introspect", client or self.house.web
        return _body(await self.http.post(url, data={"token": token}, auth=_basic(by)), 200)


def _basic(client: Registration) -> httpx.BasicAuth:
    assert client.client_secret is not None, f"{client.client_id} has no secret"
    return httpx.BasicAuth(client.client_id, client.client_secret)


def _body(answer: httpx.Response, expected: int) -> dict[str, Any]:
    assert answer.status_code == expected, f"{answer.request.url}: {answer.status_code} {answer.text}"
    body: dict[str, Any] = answer.json()
    return body
