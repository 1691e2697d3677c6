"""What a request costs: statements and round trips, with warm caches and a clock that stands still."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import asyncpg
import pytest
from redis.asyncio.connection import AbstractConnection

from authz.settings import AuthzSettings
from identity_core.testing.clock import FakeClock
from identity_core.testing.stores import Postgres
from tests.authz.world import World, open_world

# Only what happens in the request's own context counts: the ledger check runs beside it in its own.
_COUNTING: ContextVar[dict[str, int] | None] = ContextVar("counting", default=None)


@pytest.fixture
async def still(
    make_settings: Callable[..., AuthzSettings], postgres: Postgres, clean_stores: None
) -> AsyncIterator[World]:
    async with open_world(make_settings(), postgres.owner_url, clock=FakeClock()) as world:
        yield world


def _count(kind: str) -> None:
    counts = _COUNTING.get()
    if counts is not None:
        counts[kind] += 1


@pytest.fixture(autouse=True)
def _watched(monkeypatch: pytest.MonkeyPatch) -> None:
    execute: Any = vars(asyncpg.Connection)["_execute"]
    simple = asyncpg.Connection.execute
    send = AbstractConnection.send_packed_command

    async def counted_execute(self: Any, *args: Any, **more: Any) -> Any:
        _count("statements")
        return await execute(self, *args, **more)

    async def counted_simple(self: Any, query: str, *args: Any, **more: Any) -> Any:
        if not args:
            frame = query.split(maxsplit=1)[0].strip(";") in ("BEGIN", "COMMIT", "ROLLBACK")
            _count("transaction" if frame else "statements")
        return await simple(self, query, *args, **more)

    async def counted_send(self: Any, *args: Any, **more: Any) -> Any:
        _count("round_trips")
        return await send(self, *args, **more)

    monkeypatch.setattr(asyncpg.Connection, "_execute", counted_execute)
    monkeypatch.setattr(asyncpg.Connection, "execute", counted_simple)
    monkeypatch.setattr(AbstractConnection, "send_packed_command", counted_send)


@contextmanager
def _counting() -> Iterator[dict[str, int]]:
    counts = {"statements": 0, "transaction": 0, "round_trips": 0}
    token = _COUNTING.set(counts)
    try:
        yield counts
    finally:
        _COUNTING.reset(token)


async def _cost(request: Callable[[], Awaitable[Any]]) -> tuple[int, int]:
    """(statements, Redis round trips) of one request that succeeds."""
    with _counting() as counts:
        response = await request()
    assert response.status_code == 200, response.text
    assert counts["transaction"] in (0, 2)
    return counts["statements"], counts["round_trips"]


@pytest.mark.parametrize(("format_", "extra"), [("jwt", 0), ("opaque", 1)])
async def test_a_code_costs_one_statement_and_two_round_trips(still: World, format_: str, extra: int) -> None:
    client = await still.client(access_token_format=format_)
    await still.tokens(client)
    code = await still.code(client)
    assert await _cost(lambda: still.redeem(client, code)) == (1, 2 + extra)


async def test_a_refresh_costs_one_statement_and_one_round_trip(still: World) -> None:
    client = await still.client()
    tokens = await still.tokens(client)
    again = (await still.refresh(client, tokens["refresh_token"])).json()
    assert await _cost(lambda: still.refresh(client, again["refresh_token"])) == (1, 1)


async def test_a_client_for_itself_costs_one_round_trip(still: World) -> None:
    client = await still.machine()
    form = {"grant_type": "client_credentials"}
    await still.post("/token", client, form)
    assert await _cost(lambda: still.post("/token", client, form)) == (0, 1)


@pytest.mark.parametrize("format_", ["jwt", "opaque"])
async def test_userinfo_costs_one_statement_and_one_round_trip(still: World, format_: str) -> None:
    client = await still.client(access_token_format=format_)
    token = (await still.tokens(client))["access_token"]
    await still.userinfo(token)
    assert await _cost(lambda: still.userinfo(token)) == (1, 1)


@pytest.mark.parametrize("format_", ["jwt", "opaque"])
async def test_introspection_costs_one_round_trip(still: World, format_: str) -> None:
    client = await still.client(access_token_format=format_)
    tokens = await still.tokens(client)
    await still.active(client, tokens["access_token"])
    assert await _cost(lambda: still.post("/introspect", client, token=tokens["access_token"])) == (0, 1)
    assert await _cost(lambda: still.post("/introspect", client, token=tokens["refresh_token"])) == (1, 1)


async def test_a_false_mac_costs_nothing(still: World) -> None:
    client = await still.client()
    real = (await still.tokens(client))["refresh_token"]
    forged = real[:-1] + ("A" if real[-1] != "A" else "E")
    with _counting() as counts:
        response = await still.refresh(client, forged)
    assert response.json()["error"] == "invalid_grant"
    assert counts == {"statements": 0, "transaction": 0, "round_trips": 0}


async def test_a_code_of_the_wrong_form_costs_nothing(still: World) -> None:
    client = await still.client()
    await still.tokens(client)
    with _counting() as counts:
        await still.redeem(client, "gc_nonsense")
    assert counts == {"statements": 0, "transaction": 0, "round_trips": 0}


async def test_the_key_set_and_the_metadata_cost_nothing(still: World) -> None:
    await still.http.get("/jwks")
    assert await _cost(lambda: still.http.get("/jwks")) == (0, 0)
    assert await _cost(lambda: still.http.get("/.well-known/openid-configuration")) == (0, 0)


async def test_a_revocation_costs_one_transaction_and_one_round_trip(still: World) -> None:
    client = await still.client()
    tokens = await still.tokens(client)
    assert await _cost(lambda: still.post("/revoke", client, token=tokens["access_token"])) == (3, 1)
    assert await _cost(lambda: still.post("/revoke", client, token=tokens["access_token"])) == (1, 1)


async def test_a_revoked_grant_costs_one_look_and_one_transaction(still: World) -> None:
    client = await still.client()
    tokens = await still.tokens(client)
    assert await _cost(lambda: still.post("/revoke", client, token=tokens["refresh_token"])) == (6, 1)
