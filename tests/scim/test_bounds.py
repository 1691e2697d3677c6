"""What one request may cost the process: entries, bytes, steps and pages are bounded, and refused in words."""

from typing import Any, ClassVar

import orjson
import pytest

from scim.protocol.errors import ScimError
from scim.protocol.limits import MAX_ENTRIES, MAX_RESOURCE_BYTES, MAX_STEPS
from scim.protocol.patch import MAX_OPERATIONS, MAX_PATH_CHARS, apply_plan, read_patch
from scim.resource_types.user import USER
from tests.scim.directory import CORE, OIDC, PATCH, Directory, is_error

FULL = [{"value": str(n)} for n in range(MAX_ENTRIES)]


def patched(*operations: dict[str, Any], before: dict[str, Any]) -> dict[str, Any] | ScimError:
    plan = read_patch(USER.schema, {"Operations": list(operations)})
    return plan if isinstance(plan, ScimError) else apply_plan(USER.schema, plan, {"userName": "ada"} | before)


class Counted(str):
    """Text that counts how often it is compared."""

    compared: ClassVar[int] = 0

    def __eq__(self, other: object) -> bool:
        Counted.compared += 1
        return str.__eq__(self, other)

    __hash__ = str.__hash__


def comparisons(op: str, size: int) -> int:
    """How often texts are compared while as many entries as there are are added (half of them new) or removed."""
    before = [{"value": Counted(f"v{n}")} for n in range(size)]
    shift = size // 2 if op == "add" else 0
    value = [{"value": Counted(f"v{n + shift}")} for n in range(size)]
    Counted.compared = 0
    after = patched({"op": op, "path": "emails", "value": value}, before={"emails": before})
    assert isinstance(after, dict)
    assert len(after.get("emails", [])) == (size + shift if op == "add" else 0)
    return Counted.compared


@pytest.mark.parametrize("op", ["add", "remove"])
def test_each_entry_is_looked_up_and_not_compared_with_every_other(op: str) -> None:
    assert 0 < comparisons(op, 120) <= 4 * 120


def test_entries_are_the_same_whatever_the_order_of_their_members() -> None:
    here, again = {"value": "a", "type": "work"}, {"type": "work", "value": "a"}
    after = patched({"op": "add", "path": "emails", "value": [again, again]}, before={"emails": [here]})
    assert isinstance(after, dict)
    assert after["emails"] == [here]


@pytest.mark.parametrize(
    ("operations", "scim_type"),
    [
        ([{"op": "add", "path": "emails", "value": {"value": "one more"}}], "invalidValue"),
        ([{"op": "add", "path": 'emails[type eq "new"].value', "value": "one more"}], "invalidValue"),
        ([{"op": "replace", "path": "emails", "value": [*FULL, {"value": "x"}]}], "invalidValue"),
        ([{"op": "add", "value": {"phoneNumbers": [*FULL, {"value": "x"}]}}], "invalidValue"),
    ],
)
def test_a_patch_makes_no_more_entries_than_there_may_be(operations: list[dict[str, Any]], scim_type: str) -> None:
    error = patched(*operations, before={"emails": FULL})
    assert isinstance(error, ScimError)
    assert (error.status, error.scim_type) == (400, scim_type)
    assert str(MAX_ENTRIES) in error.detail


def test_as_many_entries_as_there_may_be_are_taken_and_exchanged() -> None:
    one_less, one_more = {"op": "remove", "path": 'emails[value eq "0"]'}, {"op": "add", "path": "emails", "value": "x"}
    after = patched(one_less, one_more, before={"emails": FULL})
    assert isinstance(after, dict)
    assert after["emails"] == [*FULL[1:], {"value": "x"}]


LONG_FILTER = " or ".join(['type eq "a"'] * 60)
DEAR: dict[str, dict[str, Any]] = {
    "a selector": {"op": "replace", "path": 'emails[value eq "1"].display', "value": "y"},
    "a long selector": {"op": "remove", "path": f"emails[{LONG_FILTER}]"},
    "all entries": {"op": "replace", "path": "emails.display", "value": "y"},
    "an add": {"op": "add", "path": "emails", "value": {"value": "1"}},
    "a remove by value": {"op": "remove", "path": "emails", "value": [{"value": "none"}]},
}


@pytest.mark.parametrize("operation", DEAR.values(), ids=DEAR.keys())
def test_operations_that_are_too_much_together_are_refused(operation: dict[str, Any]) -> None:
    error = patched(*[operation] * MAX_OPERATIONS, before={"emails": FULL})
    assert isinstance(error, ScimError)
    assert error.status == 413
    assert isinstance(patched(*[operation] * 8, before={"emails": FULL}), dict)


def test_long_texts_count_as_often_as_they_are_compared() -> None:
    class Folded(str):
        chars: ClassVar[int] = 0

        def casefold(self) -> str:
            Folded.chars += len(self)
            return str.casefold(self)

    long = [{"value": Folded("ß" * 2_000_000)}]
    error = patched(*[DEAR["a long selector"]] * 200, before={"emails": [{"type": each["value"]} for each in long]})
    assert isinstance(error, ScimError)
    assert error.status == 413
    assert Folded.chars <= MAX_STEPS * 256


async def test_one_long_value_is_not_copied_into_every_entry(directory: Directory) -> None:
    user = await directory.create(emails=FULL)

    reply = await directory.patch(user["id"], {"op": "replace", "path": "emails.display", "value": "x" * 1_000_000})

    is_error(reply, 413)
    assert (await directory.http.get(f"/Users/{user['id']}")).json() == user


def test_members_without_a_path_count_as_operations() -> None:
    value = {f"unknown{n}": 1 for n in range(MAX_OPERATIONS + 1)}
    error = read_patch(USER.schema, {"Operations": [{"op": "add", "value": value}]})
    assert isinstance(error, ScimError)
    assert (error.status, error.scim_type) == (400, "invalidValue")


def test_paths_are_read_up_to_a_length_and_the_same_one_once() -> None:
    same = [{"op": "remove", "path": f"emails[{LONG_FILTER}]"}] * 100
    assert not isinstance(read_patch(USER.schema, {"Operations": same}), ScimError)
    many = [{"op": "remove", "path": f'emails[{LONG_FILTER} or type eq "{n}"]'} for n in range(100)]
    assert sum(len(each["path"]) for each in many) > MAX_PATH_CHARS
    error = read_patch(USER.schema, {"Operations": many})
    assert isinstance(error, ScimError)
    assert error.status == 400


async def test_a_user_with_too_many_entries_is_refused(directory: Directory) -> None:
    body = {"schemas": [CORE], "userName": "ada", "emails": [*FULL, {"value": "x"}]}
    user = await directory.create("bob", emails=FULL)

    is_error(await directory.http.post("/Users", json=body), 400, "invalidValue")
    is_error(await directory.http.put(f"/Users/{user['id']}", json=body), 400, "invalidValue")
    assert (await directory.http.get(f"/Users/{user['id']}")).json() == user
    assert await directory.count() == 1


async def test_a_user_that_would_be_too_large_is_refused(directory: Directory) -> None:
    large = {"schemas": [CORE], "userName": "ada", "title": "x" * MAX_RESOURCE_BYTES}
    in_a_column = {"schemas": [CORE], "userName": "ada", OIDC: {"website": "x" * MAX_RESOURCE_BYTES}}
    user = await directory.create("bob", title="x" * (MAX_RESOURCE_BYTES // 2))

    for body in (large, in_a_column):
        is_error(await directory.http.post("/Users", json=body), 413)
        is_error(await directory.http.put(f"/Users/{user['id']}", json=body), 413)
    bit_by_bit = {"op": "add", "path": "nickName", "value": "x" * (MAX_RESOURCE_BYTES // 2)}
    is_error(await directory.patch(user["id"], bit_by_bit), 413)
    assert (await directory.http.get(f"/Users/{user['id']}")).json() == user
    assert await directory.count() == 1


async def test_a_page_ends_before_the_answer_is_too_large(directory: Directory) -> None:
    """The client reads on from where the page ended, as itemsPerPage tells it, and misses nobody."""
    await directory.db.execute(
        "INSERT INTO directory.user_resource (tenant, id, user_name, user_name_key, active, claims, resource, website) "
        "SELECT $1, gen_random_uuid(), n::text, n::text, true, '{}', "
        "jsonb_build_object('userName', n::text, 'active', true, 'title', repeat('x', 30000)), repeat('y', 30000) "
        "FROM generate_series(1, 150) n",
        directory.tenant,
    )
    met: list[str] = []
    pages = 0
    while len(met) < 150:
        reply = await directory.http.get(f"/Users?count=1000&startIndex={len(met) + 1}")
        body = orjson.loads(reply.content)
        assert len(reply.content) < 4_000_000
        assert body["totalResults"] == 150
        assert body["itemsPerPage"] == len(body["Resources"]) > 0
        met += [user["userName"] for user in body["Resources"]]
        pages += 1
    assert pages == 3
    assert len(set(met)) == 150


@pytest.mark.parametrize("name", ["attributes", "excludedAttributes"])
async def test_names_of_attributes_are_read_up_to_a_length(directory: Directory, name: str) -> None:
    user = await directory.create()
    names = ",".join(f"a{n}" for n in range(2000))
    search = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], name: names.split(",")}

    is_error(await directory.http.get(f"/Users/{user['id']}", params={name: names}), 400, "invalidValue")
    is_error(await directory.http.post("/Users/.search", json=search), 400, "invalidValue")
    is_error(await directory.http.post(f"/Users?{name}={names}", json={"userName": "bob"}), 400, "invalidValue")
    assert await directory.count() == 1


async def test_ten_thousand_entries_in_one_patch_are_refused_at_once(directory: Directory) -> None:
    user = await directory.create()
    many = [{"value": str(n)} for n in range(10_000)]

    is_error(
        await directory.http.patch(
            f"/Users/{user['id']}",
            json={"schemas": [PATCH], "Operations": [{"op": "add", "path": "emails", "value": many}]},
        ),
        400,
        "invalidValue",
    )
