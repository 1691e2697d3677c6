"""Access tokens at our own APIs: the signature is only the beginning."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import asyncpg
import orjson
import pytest

from identity_core.bearer import INVALID, NO_TOKEN, BearerVerifier, Caller
from identity_core.contracts.stamps import Binding, Stamps
from identity_core.jose import sign
from identity_core.session_store import ledger_key
from identity_core.testing.keys import signing_key
from identity_core.testing.sessions import TENANT, Rig, open_rig
from identity_core.testing.spec import spec
from identity_core.testing.stores import Postgres

pytestmark = pytest.mark.stores

ISSUER, AUDIENCE = "http://issuer.test", "http://api.test/scim/v2"
KEY = signing_key("ES256")


@dataclass
class Api:
    rig: Rig
    verifier: BearerVerifier

    def token(self, typ: str = "at+jwt", key: Any = KEY, **changed: Any) -> str:
        binding = Binding(self.rig.store.client_tag(TENANT, "hr"), Stamps())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "client:hr",
            "client_id": "hr",
            "exp": int(time.time()) + 60,
            "iat": int(time.time()),
            "jti": str(uuid4()),
            "scope": "scim",
            "gh": binding.to_claim(),
        } | changed
        return sign(key, {name: value for name, value in claims.items() if value is not None}, typ)

    async def ask(self, token: str) -> object:
        return await self.verifier.verify(f"Bearer {token}")


@pytest.fixture
async def api(postgres: Postgres, redis_url: str, clean_stores: None) -> AsyncIterator[Api]:
    owner = await asyncpg.connect(postgres.owner_url)
    await owner.execute(
        "INSERT INTO authz.signing_key (tenant, kid, alg, public_jwk, private_sealed, sign_from) "
        "VALUES ($1, $2, $3, $4, '', now())",
        TENANT,
        KEY.kid,
        KEY.alg,
        orjson.dumps(dict(KEY.public.jwk)).decode(),
    )
    await owner.close()
    async with open_rig(postgres.scim_url, redis_url) as rig:
        await rig.wait_fresh()
        yield Api(rig, BearerVerifier(rig.pool, rig.store, ISSUER, AUDIENCE))


@spec("RFC 9068 §4")
async def test_a_right_token_names_its_caller(api: Api) -> None:
    caller = await api.ask(api.token())
    assert isinstance(caller, Caller)
    assert (caller.tenant, caller.client_id, caller.scopes) == (TENANT, "hr", frozenset({"scim"}))


@pytest.mark.parametrize(
    "changed",
    [
        {"typ": "JWT"},
        {"typ": "logout+jwt"},
        {"key": signing_key("ES256", "a stranger")},
        {"aud": "http://api.test/sessions"},
        {"aud": AUDIENCE + "/"},
        {"iss": ISSUER + "/t/other"},
        {"iss": "http://issuer.tes"},
        {"exp": 1_000_000_000},
        {"client_id": None},
        {"sub": None},
        {"jti": None},
        {"gh": None},
        {"gh": "1.0000"},
        {"scope": ["scim"]},
    ],
    ids="-".join,
)
@spec("RFC 9068 §4", "RFC 8725 §3")
async def test_a_token_that_is_wrong_in_one_thing_is_refused(api: Api, changed: dict[str, Any]) -> None:
    assert await api.ask(api.token(**changed)) == INVALID


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic abc", "Bearer a b", "Bearer " + "a" * 20_000])
async def test_a_header_that_is_no_bearer_token_is_refused(api: Api, header: str) -> None:
    assert await api.verifier.verify(header) == INVALID


async def test_no_header_asks_for_one(api: Api) -> None:
    assert await api.verifier.verify(None) == NO_TOKEN


@spec("revocation rule 3")
async def test_a_token_dies_with_its_client_its_tenant_and_by_itself(api: Api) -> None:
    token, jti = api.token(), str(uuid4())
    own = api.token(jti=jti)
    assert isinstance(await api.ask(own), Caller)
    await api.rig.revoke("token", ledger_key(api.rig.store.client_tag(TENANT, "hr"), jti))
    assert await api.ask(own) == INVALID
    assert isinstance(await api.ask(token), Caller)
    await api.rig.revoke("client", "hr")
    assert await api.ask(token) == INVALID


async def test_a_tenant_that_is_suspended_is_refused_within_a_second(api: Api, postgres: Postgres) -> None:
    token = api.token()
    assert isinstance(await api.ask(token), Caller)
    owner = await asyncpg.connect(postgres.owner_url)
    await owner.execute("UPDATE authz.tenant SET active = false")
    try:
        api.verifier._read_at = float("-inf")
        assert await api.ask(token) == INVALID
    finally:
        await owner.execute("UPDATE authz.tenant SET active = true")
        await owner.close()
