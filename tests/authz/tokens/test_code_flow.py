"""The code's way to tokens, over HTTP and with real stores."""

import asyncio
import time

import pytest

from authz.protocol.pkce import s256
from identity_core import jose
from identity_core.secrets import AuthorizationCode
from identity_core.testing.keys import signing_key
from identity_core.testing.spec import spec
from tests.authz.world import CALLBACK, ISSUER, TENANT, VERIFIER, World


@spec("RFC 6749 §5.1", "OIDC Core §3.1.3.3")
async def test_a_code_becomes_tokens(world: World) -> None:
    client, login = await world.client(), await world.sign_in()
    code = await world.code(client, login, scopes=("openid", "profile", "offline_access"), challenge=s256(VERIFIER))
    response = await world.redeem(client, code, code_verifier=VERIFIER)
    assert response.status_code == 200, response.text
    body = response.json()
    assert set(body) == {"access_token", "token_type", "expires_in", "scope", "refresh_token", "id_token"}
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 300)
    assert body["scope"] == "openid profile offline_access"
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["pragma"] == "no-cache"
    access, identity = world.claims(body["access_token"]), world.claims(body["id_token"])
    assert access["sub"] == identity["sub"] == str(login.user_id)
    assert access["aud"] == ISSUER
    assert access["gh"].endswith(".o")
    assert identity["aud"] == client.client_id
    assert identity["at_hash"] == jose.at_hash(body["access_token"], "RS256")
    assert identity["nonce"] == "n-0S6_WzA2Mj"
    assert not {"name", "email"} & set(identity)


@spec("OIDC Core §15.1", "RFC 9068 §2.1")
@pytest.mark.parametrize("alg", ["RS256", "ES256", "EdDSA"])
async def test_id_tokens_are_signed_as_the_client_registered(world: World, alg: str) -> None:
    client = await world.client(id_token_signed_response_alg=alg)
    tokens = await world.tokens(client)
    keys = jose.import_jwks((await world.http.get("/jwks")).json())
    checks = [
        (tokens["id_token"], "JWT", client.client_id, alg),
        (tokens["access_token"], "at+jwt", ISSUER, "ES256"),
    ]
    for token, typ, audience, expected in checks:
        verified = jose.verify(token, keys, typ=frozenset({typ}), issuer=ISSUER, audience=audience, now=time.time())
        assert isinstance(verified, jose.VerifiedClaims), verified
        assert verified.alg == expected
        assert verified.kid == signing_key(expected).kid


async def test_a_client_without_refresh_gets_no_refresh_token(world: World) -> None:
    client = await world.client(grant_types=["authorization_code"])
    assert "refresh_token" not in await world.tokens(client)


async def test_without_openid_there_is_no_id_token(world: World) -> None:
    assert "id_token" not in await world.tokens(await world.client(), scopes=("profile",))


@spec("RFC 6749 §4.1.2")
async def test_row_6_a_code_used_twice_is_refused_and_its_tokens_are_dead(world: World) -> None:
    client = await world.client()
    code = await world.code(client)
    first = await world.redeem(client, code)
    assert first.status_code == 200
    tokens = first.json()
    assert (await world.userinfo(tokens["access_token"])).status_code == 200
    second = await world.redeem(client, code)
    assert (second.status_code, second.json()["error"]) == (400, "invalid_grant")
    assert (await world.userinfo(tokens["access_token"])).status_code == 401
    assert not await world.active(client, tokens["access_token"])
    assert not await world.active(client, tokens["refresh_token"])
    assert (await world.refresh(client, tokens["refresh_token"])).json()["error"] == "invalid_grant"


async def test_a_replay_is_written_down_once(world: World) -> None:
    client = await world.client()
    code = await world.code(client)
    await world.redeem(client, code)
    for _ in range(3):
        await world.redeem(client, code)
    rows = await world.owner.fetch("SELECT action, reason, client_id FROM authz.audit WHERE action = 'grant.ended'")
    assert [tuple(row) for row in rows] == [("grant.ended", "code_replay", client.client_id)]
    events = await world.owner.fetch("SELECT type FROM authz.event WHERE aggregate = 'grant'")
    assert [row["type"] for row in events] == ["authz.grant_ended.v1"]
    assert await world.owner.fetchval("SELECT count(*) FROM sessions.ledger_history WHERE kind = 'grant'") == 1


async def test_a_replay_that_comes_before_the_recording_wins(world: World) -> None:
    client = await world.client()
    code = await world.code(client)
    # The first redemption took the code and stopped; the replay ends the grant before its row is there.
    parsed = AuthorizationCode.parse(code)
    assert parsed is not None
    assert await world.resources.codes.take(TENANT, parsed) is not None
    assert (await world.redeem(client, code)).json()["error"] == "invalid_grant"
    row = await world.owner.fetchrow("SELECT ended_at, end_reason FROM authz.authorization_grant")
    assert row is not None
    assert row["end_reason"] == "code_replay"


@spec("RFC 6749 §4.1.3")
async def test_row_20_another_client_s_code_is_refused_and_nobody_s_afterwards(world: World) -> None:
    owner, thief = await world.client(), await world.client()
    code = await world.code(owner)
    stolen = await world.redeem(thief, code)
    assert (stolen.status_code, stolen.json()["error"]) == (400, "invalid_grant")
    assert (await world.redeem(owner, code)).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"redirect_uri": CALLBACK + "x"}, "invalid_grant"),
        ({"code": "gc_x"}, "invalid_grant"),
        ({"code": ""}, "invalid_request"),
        ({"code_verifier": "x" * 43}, "invalid_grant"),
        ({"resource": "https://other.example"}, "invalid_target"),
        ({"resource": "not a uri"}, "invalid_target"),
    ],
)
async def test_a_wrong_parameter_is_refused(world: World, form: dict[str, str], error: str) -> None:
    client = await world.client()
    response = await world.redeem(client, **({"code": await world.code(client)} | form))
    assert (response.status_code, response.json()["error"]) == (400, error)


async def test_a_wrong_secret_of_a_code_burns_nothing(world: World) -> None:
    client = await world.client()
    code = await world.code(client)
    wrong = code[:-1] + ("A" if code[-1] != "A" else "Q")
    assert (await world.redeem(client, wrong)).json()["error"] == "invalid_grant"
    assert (await world.redeem(client, code)).status_code == 200


@spec("RFC 6749 §4.1.2")
async def test_a_code_ends_after_its_lifetime(world: World) -> None:
    client = await world.client()
    code = await world.code(client)
    key = await _only_code_key(world)
    # Its field says when it ends; the time to live of the key only clears away.
    await world.resources.follower.redis.hset(key, "x", int(time.time() * 1000) - 1)
    assert (await world.redeem(client, code)).json()["error"] == "invalid_grant"
    assert 0 < await world.resources.follower.redis.pttl(key) <= 60_000


async def _only_code_key(world: World) -> bytes:
    keys = [key async for key in world.resources.follower.redis.scan_iter(match="*:k:*")]
    assert len(keys) == 1
    return bytes(keys[0])


async def test_a_tombstone_outlives_the_longest_access_token(world: World) -> None:
    client = await world.client()
    await world.redeem(client, await world.code(client))
    assert await world.resources.follower.redis.pttl(await _only_code_key(world)) > 3_600_000


async def test_no_code_or_token_is_stored_in_clear(world: World) -> None:
    client = await world.client(access_token_format="opaque")
    code = await world.code(client)
    tokens = (await world.redeem(client, code)).json()
    redis = world.resources.follower.redis
    everything = b""
    async for key in redis.scan_iter():
        kind = await redis.type(key)
        everything += key + (repr(await redis.hgetall(key)).encode() if kind == b"hash" else b"")
    rows = await world.owner.fetch("SELECT f::text FROM authz.refresh_family f")
    everything += repr([row[0] for row in rows]).encode()
    secrets = (code[-22:], tokens["access_token"][7:], tokens["refresh_token"][-43:], str(client.client_secret)[3:])
    for secret in secrets:
        assert secret.encode() not in everything


async def test_row_6_fifty_redemptions_at_once_leave_nothing_alive(world: World) -> None:
    client = await world.client()
    code = await world.code(client)
    responses = await asyncio.gather(*(world.redeem(client, code) for _ in range(50)))
    issued = [response.json() for response in responses if response.status_code == 200]
    assert len(issued) <= 1
    assert all(r.status_code == 200 or r.json()["error"] == "invalid_grant" for r in responses)
    for tokens in issued:
        assert not await world.active(client, tokens["access_token"])
        assert not await world.active(client, tokens["refresh_token"])
    grants = await world.owner.fetch("SELECT ended_at FROM authz.authorization_grant")
    assert len(grants) == 1
    assert grants[0]["ended_at"] is not None


async def test_a_revocation_between_code_and_redemption_wins(world: World) -> None:
    client, login = await world.client(), await world.sign_in()
    code = await world.code(client, login)
    await world.revoke("user", str(login.user_id))
    assert (await world.redeem(client, code)).json()["error"] == "invalid_grant"
    assert await world.owner.fetchval("SELECT count(*) FROM authz.authorization_grant") == 0


async def test_a_code_dies_with_its_session(world: World) -> None:
    client, login = await world.client(), await world.sign_in()
    code = await world.code(client, login)
    await world.end_session(login)
    assert (await world.redeem(client, code)).json()["error"] == "invalid_grant"
