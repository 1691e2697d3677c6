"""One POST, however often it is sent: the Idempotency-Key (draft-ietf-httpapi-idempotency-key-header-07)."""

import asyncio
import uuid
from typing import Any

import asyncpg
import httpx
import pytest

from identity_core.testing.spec import spec
from scim.app import create_app
from scim.ports import Caller
from scim.protocol.errors import ScimError
from scim.protocol.idempotency import fingerprint, read_key
from scim.settings import ScimSettings
from scim.storage.idempotency import _lock_number
from tests.scim.directory import PASSWORD, Directory, client_of, is_error, new_directory

KEY = '"7da7a728-f910-11e6-942a-68f728c1ba70"'


async def _post(directory: Directory, key: str, **body: Any) -> httpx.Response:
    return await directory.http.post("/Users", json={"userName": "ada"} | body, headers={"Idempotency-Key": key})


@spec("draft-ietf-httpapi-idempotency-key-header-07 §2.6")
@pytest.mark.parametrize("password", [{}, {"password": PASSWORD}], ids=["without a password", "with a password"])
async def test_a_retry_is_answered_as_the_first_time(directory: Directory, password: dict) -> None:
    first = await _post(directory, KEY, **password)
    again = await _post(directory, KEY, **password)

    assert first.status_code == again.status_code == 201
    assert again.content == first.content
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["etag"] == first.headers["etag"]
    assert again.headers["content-type"] == "application/scim+json"
    assert await directory.count() == 1
    assert len(await directory.events()) == len(await directory.audit()) == 1


async def test_a_key_is_the_same_with_and_without_quotes(directory: Directory) -> None:
    first = await _post(directory, KEY)
    again = await _post(directory, KEY.strip('"'))

    assert again.content == first.content


@spec("draft-ietf-httpapi-idempotency-key-header-07 §2.7")
async def test_a_key_used_for_another_request_is_422(directory: Directory) -> None:
    await _post(directory, KEY)

    is_error(await _post(directory, KEY, userName="bob"), 422)
    with_password = await _post(directory, KEY, password=PASSWORD)
    is_error(with_password, 422)
    is_error(
        await directory.http.post(
            "/Users?attributes=userName", json={"userName": "ada"}, headers={"Idempotency-Key": KEY}
        ),
        422,
    )
    assert await directory.count() == 1


@spec("draft-ietf-httpapi-idempotency-key-header-07 §2.7")
async def test_a_retry_while_the_first_runs_is_409_without_a_scim_type(
    directory: Directory, owner: asyncpg.Connection, postgres: Any
) -> None:
    """The first stands still in its transaction, because its name is being taken by another one."""
    blocker = await asyncpg.connect(postgres.owner_url)
    taking = blocker.transaction()
    await taking.start()
    await blocker.execute(
        "INSERT INTO directory.user_resource (tenant, id, user_name, user_name_key, active, resource, claims) "
        "VALUES ($1, $2, 'ada', 'ada', true, '{}', '{}')",
        directory.tenant,
        uuid.uuid4(),
    )
    first = asyncio.create_task(_post(directory, KEY))
    waiting = (
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')"
    )
    while not await owner.fetchval(waiting):  # noqa: ASYNC110 - another process's state has no event
        await asyncio.sleep(0.01)

    second = await _post(directory, KEY)
    await taking.rollback()
    await blocker.close()

    is_error(second, 409)
    assert int(second.headers["retry-after"]) >= 1
    assert (await first).status_code == 201
    assert (await _post(directory, KEY)).content == (await first).content


async def test_a_retry_that_comes_while_the_first_commits_is_answered_as_the_first(
    directory: Directory, owner: asyncpg.Connection
) -> None:
    """What the first has committed is seen by all a moment before its lock is free: here the moment lasts."""
    caller = Caller(directory.tenant, directory.slug, "source", str(directory.source_id), directory.source_id)
    async with owner.transaction():
        await owner.execute("SELECT pg_advisory_xact_lock($1)", _lock_number(caller, KEY.strip('"')))
        is_error(await _post(directory, KEY), 409)
    first = await _post(directory, KEY)
    async with owner.transaction():
        await owner.execute("SELECT pg_advisory_xact_lock($1)", _lock_number(caller, KEY.strip('"')))
        again = await _post(directory, KEY)
        is_error(await _post(directory, KEY, userName="bob"), 422)

    assert (again.status_code, again.content) == (201, first.content)
    assert await directory.count() == 1


async def test_fifty_parallel_retries_make_one_user(directory: Directory) -> None:
    async def until_answered() -> httpx.Response:
        while True:
            reply = await _post(directory, KEY)
            if reply.status_code != 409:
                return reply
            is_error(reply, 409)
            assert "retry-after" in reply.headers
            await asyncio.sleep(0.01)

    replies = await asyncio.gather(*(until_answered() for _ in range(50)))

    assert {reply.status_code for reply in replies} == {201}
    assert len({reply.content for reply in replies}) == 1
    assert await directory.count() == 1
    assert len(await directory.events()) == 1


async def test_a_record_outlives_the_process_that_made_it(directory: Directory, scim_settings: ScimSettings) -> None:
    first = await _post(directory, KEY)

    another = create_app(scim_settings)
    async with another.router.lifespan_context(another), client_of(another, directory.token) as http:
        again = await http.post("/Users", json={"userName": "ada"}, headers={"Idempotency-Key": KEY})

    assert again.status_code == 201
    assert again.content == first.content


async def test_keys_belong_to_their_source(directory: Directory, owner: asyncpg.Connection) -> None:
    other = await new_directory(directory.app, owner)
    await _post(directory, KEY)

    reply = await _post(other, KEY, userName="bob")

    assert reply.status_code == 201
    assert reply.json()["userName"] == "bob"
    await other.http.aclose()


async def test_what_was_refused_is_not_kept(directory: Directory) -> None:
    is_error(await _post(directory, KEY, active="perhaps"), 400, "invalidValue")
    assert (await _post(directory, KEY)).status_code == 201
    is_error(await _post(directory, '"another"'), 409, "uniqueness")
    await directory.db.execute("DELETE FROM directory.user_resource WHERE tenant = $1", directory.tenant)
    assert (await _post(directory, '"another"')).status_code == 201


async def test_a_record_lasts_24_hours_and_then_the_request_is_new(directory: Directory) -> None:
    first = await _post(directory, KEY)
    hours = await directory.db.fetchval(
        "SELECT extract(epoch FROM expires_at - created_at) / 3600 FROM directory.idempotency WHERE tenant = $1",
        directory.tenant,
    )
    assert hours == 24
    await directory.db.execute(
        "UPDATE directory.idempotency SET expires_at = now() WHERE tenant = $1", directory.tenant
    )
    await directory.http.delete(f"/Users/{first.json()['id']}")

    second = await _post(directory, KEY)

    assert second.status_code == 201
    assert second.json()["id"] != first.json()["id"]
    assert (await _post(directory, KEY)).content == second.content


MALFORMED = ["", '"', '"a', 'a"b', '"a"b"', '"a\\x"', "two words", '"ü"', '""', "'", "a,b", '"a";p=1', "x" * 256]


@spec("draft-ietf-httpapi-idempotency-key-header-07 §2.1", "RFC 8941 §3.3.3")
@pytest.mark.parametrize("key", [key for key in MALFORMED if key and key.isascii()])
async def test_a_malformed_key_is_400_and_creates_nobody(directory: Directory, key: str) -> None:
    is_error(await _post(directory, key), 400)
    assert await directory.count() == 0


@pytest.mark.parametrize("key", MALFORMED)
def test_a_malformed_key_is_refused(key: str) -> None:
    assert isinstance(read_key([key]), ScimError)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('"abc"', "abc"),
        ("abc", "abc"),
        ('"with space"', "with space"),
        (r'"a\"b\\c"', r'a"b\c'),
        (' "abc"\t', "abc"),
        ("x" * 255, "x" * 255),
        ("KG5LxwFBepaKHyUD", "KG5LxwFBepaKHyUD"),
    ],
)
def test_a_key_is_read_in_both_spellings(text: str, key: str) -> None:
    assert read_key([text]) == key


def test_no_header_is_no_key_and_two_are_a_fault() -> None:
    assert read_key([]) is None
    assert isinstance(read_key(["a", "a"]), ScimError)


def test_a_fingerprint_tells_apart_what_is_asked_and_needs_the_key() -> None:
    asked = (b"k" * 32, "POST", "/Users?", b"{}")
    others = [
        (b"l" * 32, "POST", "/Users?", b"{}"),
        (b"k" * 32, "PUT", "/Users?", b"{}"),
        (b"k" * 32, "POST", "/Users?a=b", b"{}"),
        (b"k" * 32, "POST", "/Users?", b"{} "),
        (b"k" * 32, "POST", "/Users", b"?{}"),
    ]
    assert fingerprint(*asked) == fingerprint(*asked)
    assert len({fingerprint(*asked), *(fingerprint(*other) for other in others)}) == 6
