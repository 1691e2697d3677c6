"""npm's openid-client, a certified relying party under Node, signs people in, refreshes and signs them out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from identity_core.testing.relying_party import SCOPE
from identity_core.testing.stack import Operator, Registration
from identity_core.testing.visitor import Visitor
from tests.flows.houses import Person, new_person, new_visitor
from tests.flows.stack import Stack
from tests.interop.needs import NODE_PROJECT, Missing, bring_node

pytestmark = pytest.mark.interop


class Refused(Exception):
    """openid-client did not accept what came, or the provider refused: `args[0]` is the error's code."""


class OpenidClient:
    """One Node process that is a relying party."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, node: Path, ca_file: str) -> OpenidClient:
        return cls(
            await asyncio.create_subprocess_exec(
                str(node),
                "relying_party.mjs",
                cwd=NODE_PROJECT,
                env={"NODE_EXTRA_CA_CERTS": ca_file, "PATH": "/usr/bin:/bin"},
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
        )

    async def ask(self, command: str, **parameters: Any) -> dict[str, Any]:
        """One command; its result. Raises Refused."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"command": command} | parameters).encode() + b"\n")
        answer = json.loads(await asyncio.wait_for(self._process.stdout.readline(), 60))
        if "refused" in answer:
            raise Refused(answer["refused"], answer["message"])
        result: dict[str, Any] = answer["result"]
        return result

    async def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()


@dataclass
class Scene:
    """The application under Node, a person and the person's browser."""

    client: OpenidClient
    registration: Registration
    operator: Operator
    visitor: Visitor
    person: Person
    metadata: dict[str, Any]

    async def begin(self, **more: str) -> str:
        redirect_uri = self.registration.redirect_uri
        url = (await self.client.ask("begin", redirect_uri=redirect_uri, scope=SCOPE, **more))["url"]
        return str(url)

    async def sign_in(self) -> dict[str, Any]:
        """The first sign-in, with the set-up of an authenticator; tokens and claims."""
        page = await self.visitor.open(await self.begin())
        page = await self.visitor.sign_in(page, self.person.username, self.person.password, None)
        page, self.person.authenticator = await self.visitor.enroll(page)
        return await self.client.ask("finish", callback=page.url)


@pytest_asyncio.fixture(params=["confidential", "public"])
async def scene(request: pytest.FixtureRequest, tls_stack: Stack) -> AsyncIterator[Scene]:
    node = bring_node()
    if isinstance(node, Missing):
        pytest.skip(node.advice)
    house = tls_stack.house
    registration = await tls_stack.register(
        client_name="openid-client",
        redirect_uris=["https://node.example/callback"],
        post_logout_redirect_uris=["https://node.example/out"],
        grant_types=["authorization_code", "refresh_token"],
        token_endpoint_auth_method="none" if request.param == "public" else "client_secret_basic",
        scope=SCOPE,
    )
    async with AsyncExitStack() as exits:
        operator = await exits.enter_async_context(Operator(house))
        visitor = await exits.enter_async_context(new_visitor(tls_stack))
        client = await OpenidClient.start(node, house.ca_file or "")
        exits.push_async_callback(client.stop)
        metadata = await client.ask(
            "discover",
            issuer=house.issuer,
            client_id=registration.client_id,
            client_secret=registration.client_secret,
        )
        yield Scene(client, registration, operator, visitor, await new_person(operator), metadata)


async def test_it_signs_in_refreshes_and_signs_out(scene: Scene) -> None:
    given = await scene.sign_in()
    claims, tokens = given["claims"], given["tokens"]
    assert claims["sub"] == scene.person.id
    userinfo = await scene.client.ask("userinfo", access_token=tokens["access_token"], sub=claims["sub"])
    assert userinfo["email"] == scene.person.username
    refreshed = await scene.client.ask("refresh", refresh_token=tokens["refresh_token"])
    assert refreshed["claims"]["sub"] == claims["sub"]
    assert refreshed["tokens"]["refresh_token"] != tokens["refresh_token"]

    url = await scene.client.ask(
        "logout",
        id_token_hint=refreshed["tokens"]["id_token"],
        post_logout_redirect_uri=scene.registration.post_logout_redirect_uri,
    )
    out = await scene.visitor.open(url["url"])
    assert out.left
    assert out.url.startswith("https://node.example/out")
    assert (await scene.visitor.open(await scene.begin())).heading == "Sign in"


async def test_it_accepts_how_recently_and_how_strongly_the_person_signed_in(scene: Scene) -> None:
    await scene.sign_in()
    page = await scene.visitor.open(await scene.begin(max_age="600", acr_values="urn:gatehouse:acr:mfa"))
    given = await scene.client.ask("finish", callback=page.url, max_age=600)
    assert given["claims"]["auth_time"] <= given["claims"]["iat"]
    assert given["claims"]["acr"] == "urn:gatehouse:acr:mfa"


async def test_a_revoked_person_is_refused(scene: Scene) -> None:
    tokens = (await scene.sign_in())["tokens"]
    await scene.operator.revoke({"subject": scene.person.id})
    with pytest.raises(Refused, match="invalid_grant"):
        await scene.client.ask("refresh", refresh_token=tokens["refresh_token"])
    with pytest.raises(Refused):
        await scene.client.ask("userinfo", access_token=tokens["access_token"], sub=scene.person.id)


async def test_a_token_it_gives_back_is_dead(scene: Scene) -> None:
    tokens = (await scene.sign_in())["tokens"]
    await scene.client.ask("revoke", token=tokens["refresh_token"])
    with pytest.raises(Refused, match="invalid_grant"):
        await scene.client.ask("refresh", refresh_token=tokens["refresh_token"])
    if scene.registration.client_secret:
        assert await scene.client.ask("introspect", token=tokens["access_token"]) == {"active": False}


async def test_a_refusal_reaches_it_as_an_error_of_the_protocol(scene: Scene) -> None:
    page = await scene.visitor.open(await scene.begin(prompt="none"))
    with pytest.raises(Refused, match="login_required"):
        await scene.client.ask("finish", callback=page.url)


async def test_the_operators_client_gets_a_token_of_its_own(scene: Scene) -> None:
    house = scene.operator.house
    await scene.client.ask(
        "discover", issuer=house.issuer, client_id=house.admin.client_id, client_secret=house.admin.client_secret
    )
    token = await scene.client.ask("client_credentials", scope="scim", resource=house.scim_base_url)
    headers = {"Authorization": f"Bearer {token['access_token']}"}
    answer = await scene.operator.http.get(f"{house.scim_base_url}/Users/{scene.person.id}", headers=headers)
    assert answer.json()["userName"] == scene.person.username
