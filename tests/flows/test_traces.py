"""One trace through all services: by the caller's traceparent, by the event row, and by the demo's back channel."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import asyncpg
import httpx
import pytest
import pytest_asyncio

from gatehouse.dev.devservers import ValkeyServer
from gatehouse.dev.devservers.shared import ask_for_template
from identity_core.testing.relying_party import RelyingParty
from identity_core.testing.spec import spec
from identity_core.testing.stack import Operator
from identity_core.testing.visitor import Visitor
from tests.flows.houses import first_sign_in, new_address, new_person
from tests.flows.otlp import Collector, collector
from tests.flows.stack import Stack, Stores


@dataclass
class Traced:
    """A house whose spans arrive at a collector of ours."""

    stack: Stack
    spans: Collector


@pytest_asyncio.fixture(scope="module")
async def traced(
    worker_name: str, _run_stores_address: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Traced]:
    postgres = ask_for_template(_run_stores_address).clone(f"{worker_name}_traced")
    with collector() as spans, ValkeyServer.start() as valkey:
        settings = {"GATEHOUSE_OTEL_ENDPOINT": spans.endpoint, "OTEL_BSP_SCHEDULE_DELAY": "100"}
        stack = await Stack.start(
            tmp_path_factory.mktemp("traced"), Stores(postgres, valkey.url), demo=True, otel="otlp", settings=settings
        )
        try:
            yield Traced(stack, spans)
        finally:
            stack.stop()
    ask_for_template(_run_stores_address).drop(f"{worker_name}_traced")


class Trace:
    """A new trace, as a caller begins it."""

    def __init__(self) -> None:
        self.id = secrets.token_hex(16)
        self.headers = {"traceparent": f"00-{self.id}-{secrets.token_hex(8)}-01"}


@spec("W3C Trace Context §3.2")
async def test_a_sign_in_that_carries_a_trace_is_one_trace_from_authorize_to_userinfo(traced: Traced) -> None:
    house, trace = traced.stack.house, Trace()
    async with AsyncExitStack() as exits:
        operator = await exits.enter_async_context(Operator(house))
        application = await exits.enter_async_context(RelyingParty(house, headers=trace.headers))
        visitor = await exits.enter_async_context(Visitor(house, address=new_address(), headers=trace.headers))
        person = await new_person(operator)
        tokens = await first_sign_in(visitor, application, person)
        await application.userinfo(tokens)
    found = await traced.spans.wait_for(
        trace.id,
        ("authz", "/authorize"),
        ("authz", "/login"),
        ("authz", "/enroll/totp"),
        ("authz", "/token"),
        ("authz", "/userinfo"),
        ("authz", "postgres.open_grant"),
    )
    nothing_private(found, person.password, tokens.access_token, tokens.refresh_token, tokens.id_token, "code=gc_")
    audited = await rows_of(traced.stack, "SELECT action FROM authz.audit WHERE trace_id = $1", trace.id)
    assert {"login", "totp.enroll"} <= {row["action"] for row in audited}


async def test_a_browser_that_carries_no_trace_is_still_one_trace_from_the_first_redirect_to_the_tokens(
    traced: Traced,
) -> None:
    house, trace = traced.stack.house, Trace()
    async with AsyncExitStack() as exits:
        operator = await exits.enter_async_context(Operator(house))
        application = await exits.enter_async_context(
            RelyingParty(house, authorize_extra={"traceparent": trace.headers["traceparent"]})
        )
        visitor = await exits.enter_async_context(Visitor(house, address=new_address()))
        person = await new_person(operator)
        await first_sign_in(visitor, application, person)
    await traced.spans.wait_for(
        trace.id,
        ("authz", "sign-in /authorize"),
        ("authz", "sign-in /login"),
        ("authz", "sign-in /enroll/totp"),
        ("authz", "issue tokens"),
        ("authz", "postgres.open_grant"),
    )
    audited = await rows_of(traced.stack, "SELECT action FROM authz.audit WHERE trace_id = $1", trace.id)
    assert {"login", "totp.enroll"} <= {row["action"] for row in audited}


@spec("revocation rule 11")
async def test_the_event_of_a_sessions_end_carries_the_trace_of_whoever_ended_it(traced: Traced) -> None:
    trace = Trace()
    async with AsyncExitStack() as exits:
        operator = await exits.enter_async_context(Operator(traced.stack.house))
        application = await exits.enter_async_context(RelyingParty(traced.stack.house))
        visitor = await exits.enter_async_context(Visitor(traced.stack.house, address=new_address()))
        ending = await exits.enter_async_context(Operator(traced.stack.house, headers=trace.headers))
        person = await new_person(operator)
        await first_sign_in(visitor, application, person)
        [session] = await rows_of(
            traced.stack, "SELECT id FROM sessions.session WHERE user_id::text = $1 AND ended_at IS NULL", person.id
        )
        await ending.revoke({"session_id": str(session["id"])})
    [event] = await rows_of(
        traced.stack,
        "SELECT traceparent FROM sessions.event WHERE type = 'session.ended.v1' AND aggregate_id = $1",
        str(session["id"]),
    )
    assert event["traceparent"].split("-")[1] == trace.id


async def rows_of(stack: Stack, statement: str, *arguments: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(stack.stores.postgres.owner_url)
    try:
        return list(await connection.fetch(statement, *arguments))
    finally:
        await connection.close()


@spec("revocation rule 11")
async def test_the_trace_of_a_directory_change_reaches_its_consumer_through_the_event_row(traced: Traced) -> None:
    trace = Trace()
    async with Operator(traced.stack.house, headers=trace.headers) as operator:
        person = await new_person(operator)
        await operator.delete_user(person.id)
    found = await traced.spans.wait_for(trace.id, ("scim", "/Users"), ("authz", "consume scim.user_deleted.v1"))
    consumed = next(span for span in found if span.name == "consume scim.user_deleted.v1")
    sent = {span.id for span in found if span.service == "scim"}
    assert consumed.parent in sent


async def test_a_revocation_is_one_trace_in_the_session_service(traced: Traced) -> None:
    trace = Trace()
    async with Operator(traced.stack.house, headers=trace.headers) as operator:
        person = await new_person(operator)
        await operator.revoke({"subject": person.id})
    await traced.spans.wait_for(
        trace.id, ("authz", "/token"), ("sessions", "/admin/revocations"), ("sessions", "postgres.revoke")
    )


async def test_the_demos_back_channel_calls_are_in_the_trace_of_its_own_request(traced: Traced) -> None:
    house, stack = traced.stack.house, traced.stack
    async with AsyncExitStack() as exits:
        operator = await exits.enter_async_context(Operator(house))
        visitor = await exits.enter_async_context(Visitor(house, address=new_address()))
        browser = await exits.enter_async_context(httpx.AsyncClient(base_url=house.demo_url or "", trust_env=False))
        person = await new_person(operator)
        page = await visitor.open((await browser.get("/login")).headers["location"])
        page = await visitor.sign_in(page, person.username, person.password, None)
        page, _ = await visitor.enroll(page)
        callback = Trace()
        answer = await browser.get(page.url, headers=callback.headers)
        assert answer.headers["location"] == "/", stack.logs(["demo"])
    await traced.spans.wait_for(callback.id, ("demo", "/callback"), ("authz", "/token"))


async def test_a_caller_that_does_not_sample_is_not_traced(traced: Traced) -> None:
    trace, sampled = Trace(), Trace()
    unsampled = {"traceparent": trace.headers["traceparent"][:-2] + "00"}
    async with traced.stack.house.http() as http:
        for headers in (unsampled, sampled.headers):
            await http.get(f"{traced.stack.house.issuer}/jwks", headers=headers)
    await traced.spans.wait_for(sampled.id, ("authz", "/jwks"))
    assert traced.spans.of_trace(trace.id) == []


def nothing_private(spans: list, *secrets_of_the_flow: str) -> None:
    for span in spans:
        for secret in secrets_of_the_flow:
            assert secret not in str(span), span.name
