"""The life of a user over HTTP: the Okta SCIM 2.0 SPEC test as far as it concerns users, and RFC 7644 §3.3 to §3.6."""

import json
import uuid

import pytest

from identity_core.secrets import pseudonym
from identity_core.testing.spec import spec
from scim.protocol.claims import standard_claims
from tests.scim.directory import (
    BASE,
    CORE,
    ENTERPRISE,
    OIDC,
    PASSWORD,
    SEARCH,
    TAG_KEY,
    Directory,
    client_of,
    is_error,
)

FULL = {
    "schemas": [CORE, ENTERPRISE, OIDC],
    "externalId": "00u1",
    "userName": "Ada@Corp.Local",
    "name": {"givenName": "Ada", "familyName": "Lovelace"},
    "emails": [{"value": "Ada@CORP.Local", "type": "work", "primary": True}],
    "active": True,
    ENTERPRISE: {"department": "Engines", "manager": "26118915-6090-4610-87e4-49d8ca9f808d"},
    OIDC: {"emailVerified": True, "birthdate": "1815-12-10", "gender": "female", "website": "https://ada.example"},
}


@spec("RFC 7644 §3.3", "RFC 7644 §3.4.1")
async def test_a_created_user_is_answered_whole_and_read_back_the_same(directory: Directory) -> None:
    reply = await directory.http.post("/Users", json=FULL)

    assert reply.status_code == 201
    assert reply.headers["content-type"] == "application/scim+json"
    user = reply.json()
    assert reply.headers["location"] == user["meta"]["location"] == f"{BASE}/Users/{user['id']}"
    assert reply.headers["etag"] == user["meta"]["version"] == 'W/"1"'
    assert user["meta"]["resourceType"] == "User"
    assert user["schemas"] == [CORE, ENTERPRISE, OIDC]
    assert user["userName"] == "Ada@Corp.Local"
    assert user["emails"] == FULL["emails"], "e-mail strings are kept exactly as sent"
    assert user[ENTERPRISE]["manager"] == {"value": "26118915-6090-4610-87e4-49d8ca9f808d"}
    assert user[OIDC] == FULL[OIDC]

    again = await directory.http.get(f"/Users/{user['id']}")
    assert again.status_code == 200
    assert again.json() == user
    assert again.headers["etag"] == 'W/"1"'


async def test_the_columns_and_claims_of_a_user_follow_its_resource(directory: Directory) -> None:
    user = (await directory.http.post("/Users", json=FULL)).json()

    row = await directory.row(user["id"])
    assert row is not None
    assert (row["user_name"], row["user_name_key"], row["external_id"]) == ("Ada@Corp.Local", "ada@corp.local", "00u1")
    assert (row["email_verified"], row["gender"], row["birthdate"]) == (True, "female", "1815-12-10")
    assert row["source_id"] == directory.source_id
    assert not {"id", "meta", "schemas", "password", OIDC} & set(json.loads(row["resource"]))
    claims = json.loads(row["claims"])
    assert claims["email"] == "Ada@CORP.Local"
    assert claims["email_verified"] is True
    assert claims["updated_at"] == int(row["modified_at"].timestamp())
    assert claims == standard_claims(user, user[OIDC], claims["updated_at"])


@spec("RFC 7644 §3.4.2")
async def test_the_okta_test_finds_numbers_and_the_first_user_in_a_list_of_one(directory: Directory) -> None:
    for name in ("ada", "bob"):
        await directory.create(
            name, name={"givenName": "A", "familyName": "L"}, emails=[{"value": "a@b.c"}], active=True
        )

    body = (await directory.http.get("/Users", params={"count": 1, "startIndex": 1})).json()

    assert body["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:ListResponse"]
    assert (body["itemsPerPage"], body["startIndex"], body["totalResults"]) == (1, 1, 2)
    first = body["Resources"][0]
    assert first["id"]
    assert first["name"] == {"givenName": "A", "familyName": "L"}
    assert (first["userName"], first["active"], first["emails"][0]["value"]) == ("ada", True, "a@b.c")


@pytest.mark.parametrize("wanted", ["ada.lovelace@example.com", "ADA.LOVELACE@EXAMPLE.COM", "Ada.Lovelace@Example.Com"])
async def test_a_user_is_found_by_name_in_any_case(directory: Directory, wanted: str) -> None:
    user = await directory.create("Ada.Lovelace@Example.com")

    params: dict[str, str | int] = {"filter": f'userName eq "{wanted}"', "startIndex": 1, "count": 100}
    body = (await directory.http.get("/Users", params=params)).json()

    assert body["totalResults"] == 1
    assert body["Resources"] == [user]


async def test_a_user_is_found_by_external_id_exactly_and_by_id(directory: Directory) -> None:
    user = await directory.create(externalId="Emp-7")

    async def total(filter_: str) -> int:
        return (await directory.http.get("/Users", params={"filter": filter_})).json()["totalResults"]

    assert await total('externalId eq "Emp-7"') == 1
    assert await total('externalId eq "emp-7"') == 0, "externalId is caseExact (RFC 7643 §3.1)"
    assert await total(f'id eq "{user["id"]}"') == 1
    assert await total('id eq "no uuid"') == 0


async def test_a_filter_on_a_random_name_answers_an_empty_list(directory: Directory) -> None:
    reply = await directory.http.get("/Users", params={"filter": f'userName eq "{uuid.uuid4()}"'})

    assert reply.status_code == 200
    assert reply.json()["totalResults"] == 0
    assert reply.json()["Resources"] == []


@spec("RFC 7644 §3.4.2.4")
async def test_pages_follow_the_order_of_creation_and_miss_nobody(directory: Directory) -> None:
    names = [(await directory.create(f"user{number}"))["userName"] for number in range(5)]

    async def page(start: int, count: int) -> dict:
        return (await directory.http.get("/Users", params={"startIndex": start, "count": count})).json()

    pages = [await page(start, 2) for start in (1, 3, 5)]
    assert [user["userName"] for body in pages for user in body["Resources"]] == names
    assert [(body["startIndex"], body["itemsPerPage"], body["totalResults"]) for body in pages] == [
        (1, 2, 5),
        (3, 2, 5),
        (5, 1, 5),
    ]
    assert (await page(9, 2))["totalResults"] == 5, "a page beyond the end still tells the total"
    assert (await page(1, 0))["Resources"] == []
    assert (await page(-3, 2))["startIndex"] == 1
    assert (await page(1, -1))["totalResults"] == 5


@spec("RFC 7644 §3.12")
async def test_an_unknown_id_is_404_whatever_it_looks_like(directory: Directory) -> None:
    user = await directory.create()
    for wanted in (str(uuid.uuid4()), "010101001010101011001010101011", user["id"].upper(), f"{{{user['id']}}}"):
        is_error(await directory.http.get(f"/Users/{wanted}"), 404)
        is_error(await directory.http.delete(f"/Users/{wanted}"), 404)
        is_error(await directory.http.put(f"/Users/{wanted}", json={"userName": "x"}), 404)
        is_error(await directory.patch(wanted, {"op": "replace", "path": "active", "value": False}), 404)


@spec("RFC 7644 §3.3")
async def test_the_same_name_again_is_409_in_any_case(directory: Directory) -> None:
    await directory.create("Ada@example.com")

    for name in ("Ada@example.com", "ADA@EXAMPLE.COM", "ａda@example.com"):
        is_error(await directory.http.post("/Users", json={"userName": name}), 409, "uniqueness")
    assert await directory.count() == 1


async def test_taking_anothers_name_by_put_or_patch_is_409_and_changes_nothing(directory: Directory) -> None:
    await directory.create("ada")
    bob = await directory.create("bob")

    reply = await directory.patch(bob["id"], {"op": "replace", "path": "userName", "value": "ADA"})
    is_error(reply, 409, "uniqueness")
    is_error(await directory.http.put(f"/Users/{bob['id']}", json={"userName": "Ada"}), 409, "uniqueness")
    assert (await directory.http.get(f"/Users/{bob['id']}")).json() == bob


async def test_the_same_name_lives_in_two_tenants(directory: Directory) -> None:
    await directory.create("ada")
    other = uuid.uuid4()

    await directory.db.execute(
        "INSERT INTO directory.user_resource (tenant, id, user_name, user_name_key, active, resource, claims) "
        "VALUES ($1, $2, 'ada', 'ada', true, '{\"userName\": \"ada\"}', '{}')",
        other,
        other,
    )

    is_error(await directory.http.get(f"/Users/{other}"), 404)
    body = (await directory.http.get("/Users", params={"filter": 'userName eq "ada"'})).json()
    assert body["totalResults"] == 1
    await directory.db.execute("DELETE FROM directory.user_resource WHERE tenant = $1", other)


@spec("RFC 7644 §3.6")
async def test_a_deleted_user_is_gone_and_its_name_is_free(directory: Directory) -> None:
    user = await directory.create("ada")

    reply = await directory.http.delete(f"/Users/{user['id']}")
    assert (reply.status_code, reply.content) == (204, b"")

    for method in ("GET", "DELETE"):
        is_error(await directory.http.request(method, f"/Users/{user['id']}"), 404)
    again = await directory.create("ada")
    assert again["id"] != user["id"]


async def test_a_disabled_user_is_still_returned_by_get_and_filter(directory: Directory) -> None:
    user = await directory.create("ada", active=False)

    assert (await directory.http.get(f"/Users/{user['id']}")).json()["active"] is False
    body = (await directory.http.get("/Users", params={"filter": 'userName eq "ada"'})).json()
    assert [found["active"] for found in body["Resources"]] == [False]


async def test_a_password_is_hashed_handed_over_and_never_seen_again(directory: Directory) -> None:
    user = await directory.create("ada", password=PASSWORD)

    hashed = await directory.hash_of(user["id"])
    assert hashed is not None
    assert hashed.startswith("$argon2id$")
    hasher = directory.app.state.resources.hasher
    assert (await hasher.verify(hashed, PASSWORD)).ok
    body = (await directory.http.get(f"/Users/{user['id']}")).text
    assert "password" not in body
    tables = ("user_resource", "event", "audit", "idempotency")
    for table in tables:
        rows = await directory.db.fetch(f"SELECT t::text FROM directory.{table} t WHERE tenant = $1", directory.tenant)
        assert not any(PASSWORD in row[0] for row in rows)


@pytest.mark.parametrize("password", ["short", "password1", "", "ada.lovelace", "gatehouse 2026", 7, None])
async def test_a_password_the_policy_refuses_creates_nobody(directory: Directory, password: object) -> None:
    body = {"userName": "ada.lovelace@example.com", "password": password}
    reply = await directory.http.post("/Users", json=body)

    if password is None:
        assert reply.status_code == 201, "null is the same as no value"
        return
    is_error(reply, 400, "invalidValue")
    assert str(password) not in reply.json()["detail"] or password == ""
    assert await directory.count() == 0


async def test_a_password_is_changed_by_patch_and_by_put(directory: Directory) -> None:
    user = await directory.create("ada", password=PASSWORD)
    first = await directory.hash_of(user["id"])

    changed = {"op": "replace", "path": "password", "value": "another long pass phrase"}
    assert (await directory.patch(user["id"], changed)).status_code == 200
    second = await directory.hash_of(user["id"])
    body = {"userName": "ada", "password": "a third long pass phrase"}
    assert (await directory.http.put(f"/Users/{user['id']}", json=body)).status_code == 200
    third = await directory.hash_of(user["id"])

    assert len({first, second, third}) == 3
    named = {"op": "replace", "path": "password", "value": "ada"}
    is_error(await directory.patch(user["id"], named), 400, "invalidValue")


async def test_an_update_by_put_without_a_password_keeps_it(directory: Directory) -> None:
    user = await directory.create("ada", password=PASSWORD)
    before = await directory.hash_of(user["id"])

    await directory.http.put(f"/Users/{user['id']}", json={"userName": "ada", "title": "Countess"})

    assert await directory.hash_of(user["id"]) == before


@spec("RFC 7644 §3.9")
async def test_the_client_chooses_what_is_returned(directory: Directory) -> None:
    user = await directory.create("ada", title="Countess", name={"givenName": "Ada", "familyName": "L"})
    path = f"/Users/{user['id']}"

    some = (await directory.http.get(path, params={"attributes": "userName,name.givenName"})).json()
    assert set(some) == {"schemas", "id", "userName", "name"}
    assert some["name"] == {"givenName": "Ada"}
    most = (await directory.http.get(path, params={"excludedAttributes": "title,id,name.familyName"})).json()
    assert "title" not in most
    assert most["id"] == user["id"], "id is always returned"
    assert most["name"] == {"givenName": "Ada"}
    listed = (await directory.http.get("/Users", params={"attributes": "userName"})).json()
    assert set(listed["Resources"][0]) == {"schemas", "id", "userName"}


@spec("RFC 7644 §3.4.3")
async def test_a_search_may_be_posted_for_one_type_or_for_all(directory: Directory) -> None:
    ada, bob = await directory.create("ada"), await directory.create("bob")

    for endpoint in ("/Users/.search", "/.search"):
        wanted = {"schemas": [SEARCH], "filter": 'userName eq "ADA"', "attributes": ["userName"], "count": 10}
        body = (await directory.http.post(endpoint, json=wanted)).json()
        assert body["totalResults"] == 1
        assert body["Resources"] == [{"schemas": ada["schemas"], "id": ada["id"], "userName": "ada"}]
        page = {"Schemas": [SEARCH.upper()], "startIndex": 2, "count": 5, "sortBy": None}
        second = (await directory.http.post(endpoint, json=page)).json()
        assert (second["totalResults"], second["startIndex"], second["Resources"]) == (2, 2, [bob])
        unknown = {"schemas": [SEARCH], "filter": 'shoe eq "x"'}
        is_error(await directory.http.post(endpoint, json=unknown), 400, "invalidFilter")
        for wrong in ({"count": "x"}, {"count": True}, {"attributes": [1]}, {"filter": 7}):
            is_error(await directory.http.post(endpoint, json={"schemas": [SEARCH]} | wrong), 400, "invalidValue")


@spec("RFC 7644 §3.14")
async def test_versions_guard_reads_and_writes(directory: Directory) -> None:
    user = await directory.create("ada")
    path = f"/Users/{user['id']}"

    same = await directory.http.get(path, headers={"If-None-Match": 'W/"1"'})
    assert (same.status_code, same.content) == (304, b"")
    stale = {"If-Match": 'W/"7"'}
    is_error(await directory.http.put(path, json={"userName": "x"}, headers=stale), 412)
    is_error(await directory.http.delete(path, headers=stale), 412)
    renamed = await directory.patch(
        user["id"], {"op": "replace", "path": "title", "value": "C"}, **{"If-Match": 'W/"1"'}
    )
    assert renamed.headers["etag"] == renamed.json()["meta"]["version"] == 'W/"2"'
    assert (await directory.http.get(path, headers={"If-None-Match": 'W/"1"'})).status_code == 200


async def test_a_change_that_changes_nothing_makes_no_new_version(directory: Directory) -> None:
    user = await directory.create("ada", title="Countess")

    reply = await directory.patch(user["id"], {"op": "replace", "path": "title", "value": "Countess"})

    assert reply.json() == user
    assert [kind for kind, _ in await directory.events()] == ["scim.user_created.v1"]


async def test_every_write_leaves_its_event_and_an_audit_row_of_names(directory: Directory) -> None:
    user = await directory.create("ada", title="Countess")
    for operation in (
        {"op": "replace", "value": {"name": {"givenName": "Secretive"}, OIDC: {"gender": "f"}}},
        {"op": "replace", "path": "active", "value": False},
        {"op": "replace", "path": "active", "value": True},
    ):
        assert (await directory.patch(user["id"], operation)).status_code == 200
    await directory.http.delete(f"/Users/{user['id']}")

    events = await directory.events()
    assert [kind for kind, _ in events] == [
        "scim.user_created.v1",
        "scim.user_updated.v1",
        "scim.user_deactivated.v1",
        "scim.user_reactivated.v1",
        "scim.user_deleted.v1",
    ]
    assert all(payload["user_id"] == user["id"] for _, payload in events)
    audit = await directory.audit()
    assert [row["action"] for row in audit] == [
        "scim.user.create",
        *["scim.user.update"] * 3,
        "scim.user.delete",
    ]
    assert json.loads(audit[1]["detail"]) == {"attributes": ["name.givenName", f"{OIDC}:gender"]}
    person = pseudonym(TAG_KEY, directory.tenant, user["id"])
    assert {(row["actor_kind"], row["actor"], row["subject_pseudonym"], row["target"]) for row in audit} == {
        ("source", str(directory.source_id), person, None)
    }
    assert not any(user["id"] in str(dict(row)) for row in audit)
    assert not any("Secretive" in str(dict(row)) for row in audit)
    assert "Secretive" not in str(events)


async def test_a_tenants_own_path_names_its_resources_under_itself(directory: Directory) -> None:
    base = f"http://localhost:8001/t/{directory.slug}/scim/v2"
    async with client_of(directory.app, directory.token, base) as http:
        created = await http.post("/Users", json={"userName": "ada"})
        assert created.headers["location"] == f"{base}/Users/{created.json()['id']}"
        assert (await http.get(f"/Users/{created.json()['id']}")).status_code == 200
        assert (await http.get("/ServiceProviderConfig")).json()["meta"]["location"].startswith(base)
    async with client_of(directory.app, directory.token, "http://localhost:8001/t/default/scim/v2") as http:
        is_error(await http.get("/Users"), 404)
        is_error(await http.get("/ServiceProviderConfig"), 404)


async def test_head_answers_as_get_without_a_body(directory: Directory) -> None:
    user = await directory.create()

    reply = await directory.http.head(f"/Users/{user['id']}")

    assert reply.status_code == 200
    assert reply.headers["etag"] == 'W/"1"'
