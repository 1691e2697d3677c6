"""Bad input: a clear SCIM error, never a 500, and nothing half-written."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from identity_core.testing.spec import spec
from scim.http.bodies import LIMIT
from tests.scim.directory import CORE, JSON, PATCH, SEARCH, Directory, is_error

GOOD = b'{"userName": "ada"}'

BAD_BODIES = {
    "empty": (b"", 400, "invalidSyntax"),
    "malformed": (b'{"userName": ', 400, "invalidSyntax"),
    "not an object": (b'["userName"]', 400, "invalidSyntax"),
    "a number": (b"7", 400, "invalidSyntax"),
    "equal keys": (b'{"userName": "ada", "userName": "bob"}', 400, "invalidSyntax"),
    "equal keys inside": (b'{"userName": "ada", "name": {"givenName": "a", "givenName": "b"}}', 400, "invalidSyntax"),
    "keys equal but for case": (b'{"userName": "ada", "USERNAME": "bob"}', 400, "invalidSyntax"),
    "invalid UTF-8": (b'{"userName": "\xff\xfe"}', 400, "invalidSyntax"),
    "UTF-16": ('{"userName": "ada"}'.encode("utf-16"), 400, "invalidSyntax"),
    "NUL in the name": (b'{"userName": "a\\u0000da"}', 400, "invalidValue"),
    "NUL in a title": (b'{"userName": "ada", "title": "\\u0000"}', 400, "invalidValue"),
    "NUL in a key": (b'{"userName": "ada", "\\u0000": 1}', 400, "invalidValue"),
    "NUL in an ignored attribute": (b'{"userName": "ada", "shoes": ["\\u0000"]}', 400, "invalidValue"),
    "half a surrogate pair": (b'{"userName": "ada\\ud800"}', 400, "invalidValue"),
    "raw NUL": (b'{"userName": "a\x00da"}', 400, "invalidSyntax"),
    "NaN": (b'{"userName": "ada", "x": NaN}', 400, "invalidSyntax"),
    "a huge number": (b'{"userName": "ada", "x": 1' + b"0" * 5000 + b"}", 400, "invalidSyntax"),
    "an endless number": (b'{"userName": "ada", "x": 1e999}', 400, "invalidSyntax"),
    "too deep": (b'{"userName": "ada", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400, "invalidSyntax"),
    "no name": (b'{"displayName": "Ada"}', 400, "invalidValue"),
    "an empty name": (b'{"userName": ""}', 400, "invalidValue"),
    "a blank name": (b'{"userName": " \\u00a0"}', 400, "invalidValue"),
    "a name that is a number": (b'{"userName": 7}', 400, "invalidValue"),
    "a name that is a list": (b'{"userName": ["ada"]}', 400, "invalidValue"),
    "a name longer than an index row": (json.dumps({"userName": "ü" * 5000}).encode(), 400, "invalidValue"),
    "a name that grows when folded": (json.dumps({"userName": "\ufdfa" * 200}).encode(), 400, "invalidValue"),
    "an endless externalId": (json.dumps({"userName": "a", "externalId": "x" * 9000}).encode(), 400, "invalidValue"),
    "active that is no boolean": (b'{"userName": "ada", "active": "perhaps"}', 400, "invalidValue"),
    "active that is a number": (b'{"userName": "ada", "active": 0}', 400, "invalidValue"),
    "a name object that is a string": (b'{"userName": "ada", "name": "Ada"}', 400, "invalidValue"),
    "two primary addresses": (
        b'{"userName": "ada", "emails": [{"value": "a", "primary": true}, {"value": "b", "primary": "True"}]}',
        400,
        "invalidValue",
    ),
    "an extension that is a string": (
        b'{"userName": "ada", "urn:gatehouse:params:scim:schemas:extension:oidc:2.0:User": "x"}',
        400,
        "invalidValue",
    ),
    "larger than 1 MiB": (b'{"userName": "' + b"a" * LIMIT + b'"}', 413, None),
}


@spec("RFC 7644 §3.12")
@pytest.mark.parametrize(("body", "status", "scim_type"), BAD_BODIES.values(), ids=BAD_BODIES.keys())
async def test_a_bad_body_creates_nobody(directory: Directory, body: bytes, status: int, scim_type: str | None) -> None:
    reply = await directory.http.post("/Users", content=body, headers=JSON)

    is_error(reply, status, scim_type)
    assert await directory.count() == 0
    assert await directory.events() == []


@pytest.mark.parametrize(("body", "status", "scim_type"), BAD_BODIES.values(), ids=BAD_BODIES.keys())
async def test_a_bad_body_replaces_nothing(
    directory: Directory, body: bytes, status: int, scim_type: str | None
) -> None:
    user = await directory.create("original")

    reply = await directory.http.put(f"/Users/{user['id']}", content=body, headers=JSON)

    is_error(reply, status, scim_type)
    assert (await directory.http.get(f"/Users/{user['id']}")).json() == user


async def test_a_body_without_a_length_is_counted_as_it_comes(directory: Directory) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(2000):
            yield b" " * 1024

    is_error(await directory.http.post("/Users", content=endless(), headers=JSON), 413)


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/xml",
        "",
        "application/json; charset=latin-1",
        "json",
    ],
)
async def test_another_media_type_is_415(directory: Directory, content_type: str) -> None:
    reply = await directory.http.post("/Users", content=GOOD, headers={"Content-Type": content_type})

    is_error(reply, 415)
    assert await directory.count() == 0


@pytest.mark.parametrize(
    "content_type",
    [
        "application/scim+json",
        "application/json",
        "Application/SCIM+JSON; charset=UTF-8",
        'application/json;charset="utf-8"',
    ],
)
async def test_both_media_types_are_taken(directory: Directory, content_type: str) -> None:
    reply = await directory.http.post("/Users", content=GOOD, headers={"Content-Type": content_type})

    assert reply.status_code == 201


async def test_a_compressed_body_is_415(directory: Directory) -> None:
    reply = await directory.http.post("/Users", content=GOOD, headers={**JSON, "Content-Encoding": "gzip"})

    is_error(reply, 415)


BAD_PATCHES = {
    "no operations": ({}, "invalidSyntax"),
    "an empty list": ({"Operations": []}, "invalidSyntax"),
    "no list": ({"Operations": {"op": "add"}}, "invalidSyntax"),
    "no object": ({"Operations": ["add"]}, "invalidSyntax"),
    "no op": ({"Operations": [{"path": "title", "value": "x"}]}, "invalidSyntax"),
    "an unknown op": ({"Operations": [{"op": "move", "path": "title", "value": "x"}]}, "invalidSyntax"),
    "an op that is a list": ({"Operations": [{"op": ["add"], "path": "title", "value": "x"}]}, "invalidSyntax"),
    "no value": ({"Operations": [{"op": "replace", "path": "title"}]}, "invalidValue"),
    "a value that does not fit": ({"Operations": [{"op": "replace", "path": "title", "value": 7}]}, "invalidValue"),
    "active that is no boolean": ({"Operations": [{"op": "replace", "path": "active", "value": "no"}]}, "invalidValue"),
    "a path that is none": ({"Operations": [{"op": "replace", "path": "a b", "value": 1}]}, "invalidPath"),
    "a path that is a number": ({"Operations": [{"op": "replace", "path": 7, "value": 1}]}, "invalidPath"),
    "a comparison as path": ({"Operations": [{"op": "replace", "path": 'title eq "x"', "value": 1}]}, "invalidPath"),
    "an endless path": ({"Operations": [{"op": "replace", "path": "a" * 5000, "value": 1}]}, "invalidPath"),
    "a filter on one value": ({"Operations": [{"op": "replace", "path": 'name[x eq "y"]', "value": 1}]}, "invalidPath"),
    "remove without a path": ({"Operations": [{"op": "remove"}]}, "noTarget"),
    "a filter that describes no entry": (
        {"Operations": [{"op": "replace", "path": 'emails[type ne "work"].value', "value": "x"}]},
        "noTarget",
    ),
    "NUL in a filter": (
        {"Operations": [{"op": "replace", "path": 'emails[type eq "\\u0000"].value', "value": "x"}]},
        "noTarget",
    ),
    "half a surrogate pair in a filter": (
        {"Operations": [{"op": "replace", "path": 'emails[type eq "\\ud800"].value', "value": "x"}]},
        "noTarget",
    ),
    "no path and no object": ({"Operations": [{"op": "add", "value": "x"}]}, "invalidSyntax"),
    "the id": ({"Operations": [{"op": "replace", "path": "id", "value": "x"}]}, "mutability"),
    "the groups": ({"Operations": [{"op": "add", "path": "groups", "value": [{"value": "g"}]}]}, "mutability"),
    "the meta": ({"Operations": [{"op": "remove", "path": "meta.created"}]}, "mutability"),
    "no name any more": ({"Operations": [{"op": "remove", "path": "userName"}]}, "mutability"),
    "an empty name": ({"Operations": [{"op": "replace", "path": "userName", "value": ""}]}, "mutability"),
    "removing the password": ({"Operations": [{"op": "remove", "path": "password"}]}, "invalidValue"),
    "a weak password": ({"Operations": [{"op": "replace", "path": "password", "value": "short"}]}, "invalidValue"),
    "an endless name": ({"Operations": [{"op": "replace", "path": "userName", "value": "a" * 9000}]}, "invalidValue"),
    "too many": ({"Operations": [{"op": "add", "path": "title", "value": "x"}] * 1001}, "invalidValue"),
}


@spec("RFC 7644 §3.5.2", "RFC 7644 §3.12")
@pytest.mark.parametrize(("body", "scim_type"), BAD_PATCHES.values(), ids=BAD_PATCHES.keys())
async def test_a_bad_operation_undoes_the_good_one_before_it(directory: Directory, body: dict, scim_type: str) -> None:
    user = await directory.create("ada")
    first = {"op": "replace", "path": "displayName", "value": "changed"}
    if isinstance(body.get("Operations"), list) and body["Operations"]:
        body = {"Operations": [first, *body["Operations"]]}

    reply = await directory.http.patch(f"/Users/{user['id']}", json={"schemas": [PATCH], **body})

    is_error(reply, 400, scim_type)
    assert (await directory.http.get(f"/Users/{user['id']}")).json() == user


@spec("RFC 7644 §3.4.2.2")
@pytest.mark.parametrize(
    "filter_",
    [
        'favouriteColour eq "blue"',
        'displayName eq "Ada"',
        'userName sw "a"',
        'userName ne "ada"',
        "userName pr",
        'userName eq "a" and active eq true',
        'not (userName eq "a")',
        'emails[type eq "work"]',
        'name.userName eq "a"',
        'urn:example:User:userName eq "a"',
        "userName eq",
        "userName",
        "userName eq ada",
        "userName eq 7",
        "userName eq true",
        "userName eq null",
        'userName eq "a',
        'userName eq "\\u0000"',
        'userName eq "\\ud800"',
        'userName eq "' + "a" * 5000 + '"',
        "not (" * 100 + 'userName eq "a"' + ")" * 100,
        "'; DROP TABLE directory.user_resource; --",
    ],
)
async def test_a_filter_that_is_not_understood_is_refused(directory: Directory, filter_: str) -> None:
    is_error(await directory.http.get("/Users", params={"filter": filter_}), 400, "invalidFilter")


@pytest.mark.parametrize("name", ["a%", "_da", "a' OR '1'='1", 'a"', "\\"])
async def test_nothing_in_a_filters_value_is_special(directory: Directory, name: str) -> None:
    await directory.create("ada")
    quoted = json.dumps(name)

    body = (await directory.http.get("/Users", params={"filter": f"userName eq {quoted}"})).json()

    assert body["totalResults"] == 0
    named = await directory.create(name)
    body = (await directory.http.get("/Users", params={"filter": f"userName eq {quoted}"})).json()
    assert [user["id"] for user in body["Resources"]] == [named["id"]]


@pytest.mark.parametrize(
    "query",
    [
        "startIndex=one",
        "count=1.5",
        "count=1e3",
        "startIndex=" + "9" * 40,
        "count=1&count=2",
        "filter=%ff",
        "filter=%00",
        "filter=%2",
    ],
)
async def test_a_bad_query_is_refused(directory: Directory, query: str) -> None:
    is_error(await directory.http.get(f"/Users?{query}"), 400, "invalidValue")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/Users", {"GET", "HEAD", "POST"}),
        ("PUT", "/Users", {"GET", "HEAD", "POST"}),
        ("POST", "/Users/7", {"GET", "HEAD", "PUT", "PATCH", "DELETE"}),
        ("POST", "/Schemas", {"GET", "HEAD"}),
        ("OPTIONS", "/Users", {"GET", "HEAD", "POST"}),
    ],
)
async def test_a_wrong_method_is_405_in_scims_words(
    directory: Directory, method: str, path: str, allowed: set[str]
) -> None:
    reply = await directory.http.request(method, path)

    is_error(reply, 405)
    assert set(reply.headers["allow"].replace(" ", "").split(",")) == allowed


@pytest.mark.parametrize("path", ["/", "/Users/", "/users", "/Nothing", "/../Users", "/docs"])
async def test_an_unknown_address_is_404_in_scims_words(directory: Directory, path: str) -> None:
    is_error(await directory.http.get(path), 404)


async def test_a_foreign_host_is_refused_in_scims_words(directory: Directory) -> None:
    is_error(await directory.http.get("/Users", headers={"Host": "evil.example"}), 400)


async def test_schemas_in_the_body_are_not_believed(directory: Directory) -> None:
    reply = await directory.http.post("/Users", json={"schemas": ["urn:example:Other"], "userName": "ada"})

    assert reply.json()["schemas"] == [CORE]


@spec("RFC 7644 §3.4.3")
@pytest.mark.parametrize("endpoint", ["/Users/.search", "/.search"])
@pytest.mark.parametrize(
    ("body", "scim_type"),
    [
        ({}, "invalidSyntax"),
        ({"schemas": []}, "invalidSyntax"),
        ({"schemas": [PATCH]}, "invalidSyntax"),
        ({"schemas": [SEARCH], "Schemas": [SEARCH]}, "invalidSyntax"),
        ({"schemas": None}, "invalidValue"),
        ({"schemas": SEARCH}, "invalidValue"),
        ({"schemas": [SEARCH, 1]}, "invalidValue"),
        ({"schemas": 1, "userName": {}}, "invalidValue"),
    ],
)
async def test_a_posted_search_says_that_it_is_one(
    directory: Directory, endpoint: str, body: dict[str, Any], scim_type: str
) -> None:
    await directory.create("ada")

    is_error(await directory.http.post(endpoint, json=body), 400, scim_type)
