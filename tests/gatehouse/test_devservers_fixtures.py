"""What tests stand on: a migrated database per worker, clean tables, section marks."""

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import AuthenticationError
from pathlib import Path

import asyncpg
import pytest
import redis.asyncio

from gatehouse.dev.devservers import DevServerError, ExternalPostgres, PostgresServer
from gatehouse.dev.devservers.shared import RunStores, ask_for_template
from gatehouse.migrate import current, heads
from identity_core.testing.spec import sections_of, spec
from identity_core.testing.stores import Postgres, TableCleaner, url_as, url_of_database

_SCHEMA = """
CREATE SCHEMA shop;
CREATE TABLE shop.kind (id int PRIMARY KEY, name text, loud text GENERATED ALWAYS AS (upper(name)) STORED);
INSERT INTO shop.kind VALUES (1, 'seed');
CREATE TABLE shop.thing (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, kind int REFERENCES shop.kind);
CREATE TABLE shop.history (id int);
CREATE FUNCTION shop.never() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''append only''; END';
CREATE TRIGGER never BEFORE DELETE OR TRUNCATE ON shop.history EXECUTE FUNCTION shop.never();
CREATE TABLE shop.gatehouse_revision (version_num text);
"""


@pytest.mark.parametrize("truncate_bytes", [0, 1_000_000_000])
async def test_cleaning_brings_back_the_first_rows_and_only_those(
    private_postgres: Callable[[], PostgresServer], truncate_bytes: int
) -> None:
    server = private_postgres()
    connection = await asyncpg.connect(server.url)
    await connection.execute(_SCHEMA)
    cleaner = TableCleaner(server.url, schemas=["shop"], keep=["shop.thing"], truncate_bytes=truncate_bytes)
    await connection.execute("INSERT INTO shop.gatehouse_revision VALUES ('0001')")
    await connection.execute("INSERT INTO shop.kind VALUES (2, 'later')")
    await connection.execute("UPDATE shop.kind SET name = 'changed' WHERE id = 1")
    await connection.execute("INSERT INTO shop.thing (kind) VALUES (2), (2)")
    await connection.execute("INSERT INTO shop.history VALUES (1)")
    cleaner.clean()
    assert [tuple(row) for row in await connection.fetch("TABLE shop.kind")] == [(1, "seed", "SEED")]
    assert await connection.fetchval("SELECT count(*) FROM shop.thing") == 0
    assert await connection.fetchval("SELECT count(*) FROM shop.history") == 0
    assert await connection.fetchval("SELECT count(*) FROM shop.gatehouse_revision") == 1
    cleaner.close()
    await connection.close()


def test_urls_are_changed_in_one_part_only() -> None:
    url = "postgresql://gatehouse:x@127.0.0.1:5432/gatehouse?sslmode=disable"
    assert url_as(url, "u", "a/b@c") == "postgresql://u:a%2Fb%40c@127.0.0.1:5432/gatehouse?sslmode=disable"
    assert url_of_database(url, "t") == "postgresql://gatehouse:x@127.0.0.1:5432/t?sslmode=disable"
    assert url_of_database("redis://h:1/0", "3") == "redis://h:1/3"


async def test_each_service_role_has_its_own_login_to_the_migrated_database(postgres: Postgres) -> None:
    assert await current(postgres.owner_url) == heads()
    for url, role in (
        (postgres.authz_url, "gatehouse_authz"),
        (postgres.scim_url, "gatehouse_scim"),
        (postgres.sessions_url, "gatehouse_sessions"),
    ):
        connection = await asyncpg.connect(url)
        assert await connection.fetchval("SELECT current_user") == role
        assert await connection.fetchval("SELECT NOT rolsuper FROM pg_roles WHERE rolname = current_user")
        await connection.close()


async def test_leave_something_behind(postgres: Postgres, redis_url: str) -> None:
    """For the next test, which must not find it; alone it proves that the stores can be written."""
    connection = await asyncpg.connect(postgres.owner_url)
    await connection.execute("INSERT INTO authz.tenant (id, slug, name) VALUES (gen_random_uuid(), 'left', 'Left')")
    await connection.execute("DELETE FROM sessions.ledger_identity")
    assert await connection.fetchval("SELECT count(*) FROM authz.tenant") > 1
    await connection.close()
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        await client.set("left", "1")
        assert await client.exists("left")


@pytest.mark.usefixtures("clean_stores")
async def test_clean_stores_hold_the_default_tenant_and_the_ledgers_identity_alone(
    postgres: Postgres, redis_url: str
) -> None:
    connection = await asyncpg.connect(postgres.owner_url)
    assert [row["slug"] for row in await connection.fetch("SELECT slug FROM authz.tenant")] == ["default"]
    assert await connection.fetchval("SELECT count(*) FROM sessions.ledger_identity") == 1
    await connection.close()
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        assert await client.dbsize() == 0


async def test_a_private_database_is_migrated_too(
    private_database: Callable[[], tuple[PostgresServer, Postgres]],
) -> None:
    server, urls = private_database()
    assert await current(urls.owner_url) == heads()
    connection = await asyncpg.connect(urls.sessions_url)
    assert await connection.fetchval("SELECT 1") == 1
    server.kill()
    with pytest.raises((asyncpg.PostgresError, OSError)):
        await connection.fetchval("SELECT 1")


def test_every_worker_is_told_why_there_is_no_database() -> None:
    def fails() -> PostgresServer:
        raise DevServerError("no disk left")

    run = RunStores(fails)
    try:
        for _ in range(2):
            with pytest.raises(DevServerError, match="no disk left"):
                ask_for_template(run.address)
    finally:
        run.close()


async def test_many_workers_get_databases_of_one_template_at_once(
    private_postgres: Callable[[], PostgresServer],
) -> None:
    opened: list[PostgresServer] = []

    def open_one() -> PostgresServer:
        opened.append(private_postgres())
        return opened[-1]

    run = RunStores(open_one)
    with ThreadPoolExecutor(4) as threads:
        templates = list(threads.map(ask_for_template, [run.address] * 4))
        databases = list(threads.map(lambda n: templates[n].clone(f"gw{n}"), range(4)))
    assert len(opened) == 1
    assert [await current(database.owner_url) for database in databases] == [heads()] * 4
    run.close()
    assert not opened[0].alive


async def test_a_server_named_in_the_environment_is_left_as_it_was_found(
    private_postgres: Callable[[], PostgresServer],
) -> None:
    theirs = private_postgres()
    content = "SELECT array_agg(name ORDER BY name) FROM ("
    content += "SELECT datname AS name FROM pg_database UNION ALL SELECT rolname FROM pg_roles) AS all_names"
    connection = await asyncpg.connect(theirs.url)
    before = await connection.fetchval(content)
    run = RunStores(lambda: ExternalPostgres(theirs.url))
    template = ask_for_template(run.address)
    template.clone("gw0")
    assert await connection.fetchval(content) != before
    template.drop("gw0")
    run.close()
    assert await connection.fetchval(content) == before
    await connection.close()


def test_a_server_that_already_serves_a_gatehouse_is_not_used_for_tests(
    private_database: Callable[[], tuple[PostgresServer, Postgres]],
) -> None:
    server, _ = private_database()
    run = RunStores(lambda: ExternalPostgres(server.url))
    with pytest.raises(DevServerError, match="already has Gatehouse's roles"):
        ask_for_template(run.address)
    run.close()


def test_a_question_with_a_wrong_key_is_not_answered_and_the_next_one_is() -> None:
    def fails() -> PostgresServer:
        raise DevServerError("reached")

    run = RunStores(fails)
    with pytest.raises((AuthenticationError, OSError, EOFError)):
        ask_for_template(run.address.partition("|")[0] + "|00")
    with pytest.raises(DevServerError, match="reached"):
        ask_for_template(run.address)
    run.close()


def test_tests_that_need_no_store_start_none(tmp_path: Path) -> None:
    (tmp_path / "test_pure.py").write_text(
        "import os\nfrom pathlib import Path\n\n"
        "def test_pure():\n"
        "    children = Path(f'/proc/{os.getpid()}/task').glob('*/children')\n"
        "    assert ''.join(child.read_text() for child in children) == ''\n"
    )
    conftest = Path(__file__).parents[1] / "conftest.py"
    (tmp_path / "conftest.py").write_text(conftest.read_text())
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(words, check=False, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert "1 passed" in done.stdout, done.stdout


def test_stacked_sections_add_up(request: pytest.FixtureRequest) -> None:
    for mark in (spec("RFC 0000 §1", "RFC 0000 §2"), spec("RFC 0001 §3")):
        request.node.add_marker(mark)
    assert sorted(sections_of(request.node)) == ["RFC 0000 §1", "RFC 0000 §2", "RFC 0001 §3"]


@pytest.mark.parametrize("sections", [(), ("",), (3,), (test_stacked_sections_add_up,)])
def test_a_mark_without_a_section_is_refused(sections: tuple[str, ...]) -> None:
    with pytest.raises(TypeError, match="section"):
        spec(*sections)
