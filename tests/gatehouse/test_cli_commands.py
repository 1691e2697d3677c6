"""What the commands do to a real database."""

import asyncio
import json
import stat
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import pytest

from authz.storage import keys
from gatehouse.dev import devjson, secrets
from gatehouse.dev.plan import Plan, Ports
from gatehouse.dev.seed_data import DEFAULT_TENANT
from gatehouse.faults import ExitCode
from gatehouse.migrate import heads
from identity_core.passwords import PasswordHasher
from identity_core.sealing import Sealer
from identity_core.secrets import sha256
from identity_core.testing.spec import spec
from identity_core.testing.stores import Postgres
from tests.gatehouse.cli_driver import TAG_KEY, Gatehouse

CODE = {"client_name": "Shop", "redirect_uris": ["https://shop.example/cb"]}


@pytest.fixture
def ready(gatehouse: Gatehouse, postgres: Postgres, redis_url: str, clean_stores: None) -> Gatehouse:
    """The command line on clean, migrated stores."""
    gatehouse.use(postgres, redis_url)
    return gatehouse


def ask(url: str, statement: str, *arguments: Any) -> Any:
    """One value, read as the owner."""

    async def fetch() -> Any:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(statement, *arguments)
        finally:
            await connection.close()

    return asyncio.run(fetch())


def test_a_migrated_database_is_up_to_date(ready: Gatehouse) -> None:
    checked = ready("migrate", "--check", "--json")
    assert checked.code == ExitCode.OK
    assert checked.json() == {"current": sorted(heads()), "applied": []}
    assert ready("migrate").out.startswith("Up to date")


@spec("RFC 7591 §3.2.1")
def test_a_created_client_gets_an_id_and_a_secret_of_which_only_the_hash_is_kept(
    ready: Gatehouse, postgres: Postgres
) -> None:
    made = ready("client", "create", "--name", "Shop", "--redirect-uri", "https://shop.example/cb", "--json").json()
    assert made["redirect_uris"] == ["https://shop.example/cb"]
    kept = ask(postgres.owner_url, "SELECT secret_hash FROM authz.client WHERE id = $1", made["client_id"])
    assert kept == sha256(made["client_secret"])
    [listed] = ready("client", "list", "--json").json()["clients"]
    assert listed["client_name"] == "Shop"
    assert "client_secret" not in listed


def test_a_public_client_has_no_secret(ready: Gatehouse) -> None:
    made = ready(
        "client", "create", "--name", "Page", "--public", "--redirect-uri", "https://spa.example/cb", "--json"
    ).json()
    assert made["token_endpoint_auth_method"] == "none"
    assert "client_secret" not in made


def test_a_secret_may_be_given_on_standard_input(ready: Gatehouse, postgres: Postgres) -> None:
    arguments = ("client", "create", "--name", "S", "--redirect-uri", "https://s.example/cb", "--client-id", "shop")
    given = "a-secret-of-the-callers-own"
    assert ready(*arguments, "--secret-stdin", stdin=f"{given}\n").code == ExitCode.OK
    assert ask(postgres.owner_url, "SELECT secret_hash FROM authz.client WHERE id = 'shop'") == sha256(given)


def test_a_client_id_is_given_once(ready: Gatehouse) -> None:
    arguments = ("client", "create", "--name", "S", "--redirect-uri", "https://s.example/cb", "--client-id", "shop")
    assert ready(*arguments).code == ExitCode.OK
    again = ready(*arguments, "--json")
    assert again.code == ExitCode.CONFLICT
    assert again.error()["code"] == "conflict"


def test_a_file_of_clients_is_imported_with_secrets_given_or_made(
    ready: Gatehouse, postgres: Postgres, tmp_path: Path
) -> None:
    given = "given-secret-1234567"
    file = tmp_path / "clients.json"
    file.write_text(json.dumps([CODE | {"client_id": "one", "client_secret": given}, CODE | {"client_id": "two"}]))
    made = ready("client", "import", str(file), "--json").json()["clients"]
    assert [client["client_id"] for client in made] == ["one", "two"]
    assert made[0]["client_secret"] == given
    hashes = "SELECT secret_hash FROM authz.client WHERE id = $1"
    assert ask(postgres.owner_url, hashes, "one") == sha256(given)
    assert ask(postgres.owner_url, hashes, "two") == sha256(made[1]["client_secret"])


@pytest.mark.parametrize(
    ("second", "code"),
    [
        (CODE | {"redirect_uris": ["http://shop.example/cb"]}, ExitCode.REFUSED),
        (CODE | {"client_id": "one"}, ExitCode.CONFLICT),
        (CODE | {"client_id": 7}, ExitCode.REFUSED),
        ({"redirect_uris": "https://a.example"}, ExitCode.REFUSED),
    ],
)
def test_one_wrong_client_leaves_the_whole_file_out(
    ready: Gatehouse, tmp_path: Path, second: dict[str, Any], code: ExitCode
) -> None:
    file = tmp_path / "clients.json"
    file.write_text(json.dumps([CODE | {"client_id": "one"}, second]))
    assert ready("client", "import", str(file)).code == code
    assert ready("client", "list", "--json").json() == {"clients": []}


@pytest.mark.parametrize("content", ["", "{", "{}", "[1]", '"x"'])
def test_what_is_no_list_of_clients_is_refused(ready: Gatehouse, tmp_path: Path, content: str) -> None:
    file = tmp_path / "clients.json"
    file.write_text(content)
    assert ready("client", "import", str(file)).code == ExitCode.REFUSED


def test_a_missing_file_is_not_found(ready: Gatehouse, tmp_path: Path) -> None:
    assert ready("client", "import", str(tmp_path / "none.json")).code == ExitCode.NOT_FOUND


def test_an_import_is_read_from_standard_input_too(ready: Gatehouse) -> None:
    made = ready("client", "import", "-", "--json", stdin=json.dumps([CODE]))
    assert made.code == ExitCode.OK
    assert len(made.json()["clients"]) == 1


def test_a_tenant_that_is_not_there_is_not_found(ready: Gatehouse) -> None:
    for arguments in (["client", "list"], ["key", "list"], ["session", "list"], ["user", "create", "x"]):
        assert ready(*arguments, "--tenant", "nowhere").code == ExitCode.NOT_FOUND


async def _verifies(hash: str, password: str) -> bool:
    hasher = PasswordHasher(threads=1, queue_limit=0)
    try:
        return (await hasher.verify(hash, password)).ok
    finally:
        hasher.close()


def kept_hash(postgres: Postgres, user_id: str) -> str:
    found: str = ask(postgres.owner_url, "SELECT hash FROM authz.password_credential WHERE user_id = $1", UUID(user_id))
    return found


def test_a_created_user_can_sign_in_with_the_password_that_was_made(ready: Gatehouse, postgres: Postgres) -> None:
    made = ready("user", "create", "bob", "--email", "bob@example.com", "--given-name", "Bob", "--json").json()
    claims = ask(postgres.owner_url, "SELECT claims FROM directory.subject_v1 WHERE subject = $1", UUID(made["id"]))
    assert json.loads(claims)["email"] == "bob@example.com"
    assert asyncio.run(_verifies(kept_hash(postgres, made["id"]), made["password"]))


def test_a_user_name_is_taken_once_in_any_spelling(ready: Gatehouse) -> None:
    assert ready("user", "create", "bob").code == ExitCode.OK
    assert ready("user", "create", "BOB").code == ExitCode.CONFLICT


@pytest.mark.parametrize("password", ["short", "password", "", "bob bob bob bob"])
def test_a_password_against_the_policy_is_refused_and_nothing_changes(
    ready: Gatehouse, postgres: Postgres, password: str
) -> None:
    ended = ready("user", "create", "bob", "--password-stdin", stdin=f"{password}\n")
    assert ended.code == ExitCode.REFUSED
    assert ask(postgres.owner_url, "SELECT count(*) FROM directory.user_resource") == 0


def test_a_new_password_replaces_the_old_one_and_ends_what_the_person_had(ready: Gatehouse, postgres: Postgres) -> None:
    made = ready("user", "create", "bob", "--json").json()
    new = "correct horse battery"
    ended = ready("user", "set-password", "Bob", "--password-stdin", "--json", stdin=f"{new}\n")
    assert ended.code == ExitCode.OK
    assert "password" not in ended.json()
    kept = kept_hash(postgres, made["id"])
    assert asyncio.run(_verifies(kept, new))
    assert not asyncio.run(_verifies(kept, made["password"]))
    assert ask(postgres.owner_url, "SELECT epoch FROM sessions.ledger WHERE key = $1", made["id"]) > 0


def test_a_password_of_nobody_is_not_found(ready: Gatehouse) -> None:
    assert ready("user", "set-password", "nobody").code == ExitCode.NOT_FOUND


async def _give_keys(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            await keys.ensure_keys(connection, DEFAULT_TENANT, Sealer.from_setting(f"k1:{TAG_KEY}"))
    finally:
        await connection.close()


def test_a_rotated_key_is_published_before_it_signs_and_the_old_one_retires_after(
    ready: Gatehouse, postgres: Postgres
) -> None:
    asyncio.run(_give_keys(postgres.authz_url))
    before = {key["kid"] for key in ready("key", "list", "--json").json()["keys"]}
    after = ready("key", "rotate", "--alg", "ES256", "--json").json()["keys"]
    [new] = [key for key in after if key["kid"] not in before]
    [old] = [key for key in after if key["kid"] in before and key["alg"] == "ES256"]
    assert new["publish_at"] < new["sign_from"] < old["retire_at"]
    assert new["retire_at"] is None
    assert ready("key", "list", "--json").json()["keys"] == after


OPEN = """
SELECT sessions.open_v1($1, $2, $3, 7, 0, 0, 'Firefox', '127.0.0.0/24', '{web}', 'x', '{pwd}', now(),
                        now() + interval '1 day')
"""
SESSION = UUID("01890000-0000-7000-8000-00000000cafe")


def test_a_session_is_listed_and_its_end_is_in_the_ledger_when_the_command_returns(
    ready: Gatehouse, postgres: Postgres
) -> None:
    bob = UUID(ready("user", "create", "bob", "--json").json()["id"])
    ask(postgres.owner_url, OPEN, DEFAULT_TENANT, SESSION, bob)
    [listed] = ready("session", "list", "--user", "bob", "--json").json()["sessions"]
    assert (listed["session_id"], listed["username"], listed["state"]) == (str(SESSION), "bob", "live")
    done = ready("session", "revoke", str(SESSION), "--reason", "left the company", "--json")
    assert done.code == ExitCode.OK
    assert done.json()["status"] == "confirmed"
    assert ready("session", "list", "--json").json() == {"sessions": []}
    [ended] = ready("session", "list", "--state", "ended", "--json").json()["sessions"]
    assert ended["session_id"] == str(SESSION)
    kinds = ask(postgres.owner_url, "SELECT array_agg(kind ORDER BY kind) FROM sessions.ledger")
    assert kinds == ["grant", "session"]


@pytest.mark.parametrize(
    ("arguments", "kind", "key"),
    [(["--user", "bob"], "user", None), (["--client", "web"], "client", "web"), (["--everybody"], "tenant", "")],
)
def test_everything_of_a_person_a_client_or_the_tenant_ends_with_one_row(
    ready: Gatehouse, postgres: Postgres, arguments: list[str], kind: str, key: str | None
) -> None:
    bob = ready("user", "create", "bob", "--json").json()["id"]
    assert ready("session", "revoke", *arguments).code == ExitCode.OK
    found = ask(postgres.owner_url, "SELECT key FROM sessions.ledger WHERE kind = $1", kind)
    assert found == (bob if key is None else key)
    audit = "SELECT actor_kind FROM sessions.audit WHERE action = 'sessions.revoked'"
    assert ask(postgres.owner_url, audit) == "operator"


def test_a_session_or_person_that_is_not_there_is_not_found(ready: Gatehouse) -> None:
    assert ready("session", "revoke", str(SESSION)).code == ExitCode.NOT_FOUND
    assert ready("session", "revoke", "--user", "nobody").code == ExitCode.NOT_FOUND
    assert ready("session", "list", "--user", "nobody").code == ExitCode.NOT_FOUND


def test_tables_for_people_show_the_same_things(ready: Gatehouse) -> None:
    made = ready("client", "create", "--name", "Shop", "--redirect-uri", "https://shop.example/cb")
    assert "client_secret" in made.out
    assert "Shop" in ready("client", "list").out
    assert ready("session", "list").out == "Nobody is signed in.\n"


def test_without_settings_the_commands_find_the_development_house(
    gatehouse: Gatehouse, postgres: Postgres, redis_url: str, clean_stores: None
) -> None:
    """dev.json names the owner's URL; the roles' passwords are in secrets.json."""
    plan = Plan(data=gatehouse.data, ports=Ports.from_base(8000), environ={})
    plan.data.mkdir()
    urls = {"authz": postgres.authz_url, "scim": postgres.scim_url, "sessions": postgres.sessions_url}
    made = replace(secrets.make(), tag_key=TAG_KEY)
    known = {service: str(urlsplit(url).password) for service, url in urls.items()}
    secrets.write_private(plan.data / "secrets.json", {"format": 1} | asdict(replace(made, role_passwords=known)))
    described = devjson.document(plan, made, database_url=postgres.owner_url, redis_url=redis_url)
    path = devjson.write(plan.data, described)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for arguments in (["client", "list"], ["key", "list"], ["session", "list"], ["migrate", "--check"]):
        assert gatehouse(*arguments).code == ExitCode.OK, arguments
