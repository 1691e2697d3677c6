"""PATCH as a function of values: every operation on every kind of attribute (RFC 7644 §3.5.2)."""

import copy
from typing import Any

import pytest

from identity_core.testing.spec import spec
from scim.protocol.errors import ScimError
from scim.protocol.patch import Plan, apply_plan, read_patch
from scim.resource_types.user import USER
from tests.scim.directory import ENTERPRISE

WORK = {"type": "work", "value": "w@example.com", "primary": True}
HOME = {"type": "home", "value": "h@example.com"}
ADA: dict[str, Any] = {
    "userName": "ada",
    "active": True,
    "title": "Countess",
    "name": {"givenName": "Ada", "familyName": "Lovelace"},
    "emails": [WORK, HOME],
    ENTERPRISE: {"department": "Engines", "manager": {"value": "m-1"}},
}


def patched(*operations: dict[str, Any], before: dict[str, Any] | None = None) -> dict[str, Any] | ScimError:
    plan = read_patch(USER.schema, {"Operations": list(operations)})
    return plan if isinstance(plan, ScimError) else apply_plan(USER.schema, plan, ADA if before is None else before)


def op(kind: str, path: str | None, *value: Any) -> dict[str, Any]:
    operation: dict[str, Any] = {"op": kind}
    if path is not None:
        operation["path"] = path
    if value:
        operation["value"] = value[0]
    return operation


TABLE: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    # (what, operation, the attributes that differ afterwards; None: gone)
    ("replace one", op("replace", "title", "Lady"), {"title": "Lady"}),
    ("add to one", op("add", "title", "Lady"), {"title": "Lady"}),
    ("add a new one", op("add", "nickName", "A"), {"nickName": "A"}),
    ("any case", op("Replace", "TITLE", "Lady"), {"title": "Lady"}),
    ("by URN", op("replace", "urn:ietf:params:scim:schemas:core:2.0:User:title", "Lady"), {"title": "Lady"}),
    ("remove one", op("remove", "title"), {"title": None}),
    ("remove what is not there", op("remove", "nickName"), {}),
    ("replace by null", op("replace", "title", None), {"title": None}),
    ("add null", op("add", "title", None), {}),
    ("a text may be empty", op("replace", "title", ""), {"title": ""}),
    ("a sub-attribute", op("replace", "name.givenName", "A"), {"name": {"givenName": "A", "familyName": "Lovelace"}}),
    ("remove a sub-attribute", op("remove", "name.givenName"), {"name": {"familyName": "Lovelace"}}),
    (
        "replace an object keeps the rest",
        op("replace", "name", {"givenName": "A"}),
        {"name": {"givenName": "A", "familyName": "Lovelace"}},
    ),
    (
        "null in an object removes",
        op("replace", "name", {"givenName": None, "familyName": "L"}),
        {"name": {"familyName": "L"}},
    ),
    ("remove an object", op("remove", "name"), {"name": None}),
    ("replace a list", op("replace", "emails", [HOME]), {"emails": [HOME]}),
    ("replace a list by one", op("replace", "emails", HOME), {"emails": [HOME]}),
    ("replace a list by nothing", op("replace", "emails", []), {"emails": None}),
    ("remove a list", op("remove", "emails"), {"emails": None}),
    ("add to a list", op("add", "emails", [{"value": "x"}]), {"emails": [WORK, HOME, {"value": "x"}]}),
    ("add one object to a list", op("add", "emails", {"value": "x"}), {"emails": [WORK, HOME, {"value": "x"}]}),
    ("add what is there", op("add", "emails", [HOME]), {}),
    (
        "a new primary takes over",
        op("add", "emails", {"value": "x", "primary": True}),
        {"emails": [WORK | {"primary": False}, HOME, {"value": "x", "primary": True}]},
    ),
    (
        "a chosen primary takes over",
        op("replace", 'emails[type eq "home"].primary', "True"),
        {"emails": [WORK | {"primary": False}, HOME | {"primary": True}]},
    ),
    (
        "one entry's value",
        op("replace", 'emails[type eq "work"].value', "n"),
        {"emails": [WORK | {"value": "n"}, HOME]},
    ),
    (
        "a quoted boolean",
        op("replace", 'emails[primary eq "True"].value', "n"),
        {"emails": [WORK | {"value": "n"}, HOME]},
    ),
    (
        "a filter in any case",
        op("replace", 'Emails[Type EQ "WORK"].Value', "n"),
        {"emails": [WORK | {"value": "n"}, HOME]},
    ),
    (
        "a filter with and",
        op("replace", 'emails[type eq "home" and value sw "h@"].value', "n"),
        {"emails": [WORK, HOME | {"value": "n"}]},
    ),
    ("a filter with or", op("remove", 'emails[type eq "home" or type eq "other"]'), {"emails": [WORK]}),
    ("a filter with not", op("remove", 'emails[not (type eq "home")]'), {"emails": [HOME]}),
    ("a filter with pr", op("remove", "emails[primary pr]"), {"emails": [HOME]}),
    ("a filter with ne", op("remove", 'emails[type ne "home"]'), {"emails": [HOME]}),
    ("a filter on what is not set", op("remove", "emails[primary eq false]"), {"emails": [WORK]}),
    (
        "merge into an entry",
        op("replace", 'emails[type eq "home"]', {"value": "n"}),
        {"emails": [WORK, HOME | {"value": "n"}]},
    ),
    ("remove an entry", op("remove", 'emails[type eq "work"]'), {"emails": [HOME]}),
    ("remove all entries", op("remove", "emails[value pr]"), {"emails": None}),
    ("remove no entry", op("remove", 'emails[type eq "other"]'), {}),
    (
        "remove a part of an entry",
        op("remove", 'emails[type eq "work"].primary'),
        {"emails": [{"type": "work", "value": "w@example.com"}, HOME]},
    ),
    ("remove by value", op("remove", "emails", [{"value": "w@example.com"}]), {"emails": [HOME]}),
    ("every entry's part", op("replace", "emails.type", "x"), {"emails": [WORK | {"type": "x"}, HOME | {"type": "x"}]}),
    (
        "an entry that is not there yet",
        op("add", 'emails[type eq "other"].value', "o"),
        {"emails": [WORK, HOME, {"type": "other", "value": "o"}]},
    ),
    (
        "a list that is not there yet",
        op("add", 'phoneNumbers[type eq "work"].value', "1"),
        {"phoneNumbers": [{"type": "work", "value": "1"}]},
    ),
    ("nothing for an entry not there", op("replace", 'phoneNumbers[type eq "work"].value', None), {}),
    (
        "an extension's attribute",
        op("replace", f"{ENTERPRISE}:department", "X"),
        {ENTERPRISE: {"department": "X", "manager": {"value": "m-1"}}},
    ),
    (
        "an extension",
        op("replace", ENTERPRISE, {"department": "X"}),
        {ENTERPRISE: {"department": "X", "manager": {"value": "m-1"}}},
    ),
    ("remove an extension", op("remove", ENTERPRISE), {ENTERPRISE: None}),
    ("remove an extension's attribute", op("remove", f"{ENTERPRISE}:manager"), {ENTERPRISE: {"department": "Engines"}}),
    (
        "a manager as a bare id",
        op("add", f"{ENTERPRISE}:manager", "m-2"),
        {ENTERPRISE: {"department": "Engines", "manager": {"value": "m-2"}}},
    ),
    (
        "a manager removed by an empty text",
        op("replace", f"{ENTERPRISE}:manager", ""),
        {ENTERPRISE: {"department": "Engines"}},
    ),
    (
        "without a path",
        op("replace", None, {"title": "Lady", "name": {"givenName": "A"}}),
        {"title": "Lady", "name": {"givenName": "A", "familyName": "Lovelace"}},
    ),
    (
        "without a path, dotted",
        op("add", None, {"name.givenName": "A", f"{ENTERPRISE}:department": "X"}),
        {
            "name": {"givenName": "A", "familyName": "Lovelace"},
            ENTERPRISE: {"department": "X", "manager": {"value": "m-1"}},
        },
    ),
    (
        "without a path, added to a list",
        op("add", None, {"emails": [{"value": "x"}]}),
        {"emails": [WORK, HOME, {"value": "x"}]},
    ),
    ("an empty path is none", op("replace", "", {"title": "Lady"}), {"title": "Lady"}),
    (
        "read-only members are passed over",
        op("replace", None, {"id": "x", "meta": {}, "groups": [], "title": "Lady"}),
        {"title": "Lady"},
    ),
    ("unknown attributes are passed over", op("replace", "shoeSize", 38), {}),
]


@spec("RFC 7644 §3.5.2.1", "RFC 7644 §3.5.2.2", "RFC 7644 §3.5.2.3")
@pytest.mark.parametrize(("operation", "differs"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_an_operation_changes_just_this(operation: dict[str, Any], differs: dict[str, Any]) -> None:
    expected = {name: value for name, value in (ADA | differs).items() if value is not None}
    before = copy.deepcopy(ADA)

    assert patched(operation) == expected
    assert before == ADA, "the resource given stays as it is"


def test_operations_see_what_those_before_them_did() -> None:
    after = patched(
        op("remove", "emails"), op("add", "emails", {"type": "work", "value": "a"}), op("replace", "emails.value", "b")
    )
    assert isinstance(after, dict)
    assert after["emails"] == [{"type": "work", "value": "b"}]


def test_a_filter_matches_as_many_entries_as_there_are() -> None:
    before = ADA | {"emails": [HOME, HOME | {"value": "2"}, WORK]}
    after = patched(op("replace", 'emails[type eq "home"].display', "D"), before=before)
    assert isinstance(after, dict)
    assert [entry.get("display") for entry in after["emails"]] == ["D", "D", None]


def test_a_plan_names_what_is_touched_and_what_is_nothing() -> None:
    plan = read_patch(
        USER.schema,
        {
            "Operations": [
                op("replace", "NAME.givenname", "A"),
                op("add", f"{ENTERPRISE}:department", "X"),
                op("add", 'secret[value eq "do not log"].part', "X"),
                op("add", None, {"shoeSize": 38, "password": "not in any name"}),
            ]
        },
    )
    assert isinstance(plan, Plan)
    assert plan.touched == {"name.givenName", f"{ENTERPRISE}:department"}
    assert plan.ignored == ("secret.part", "shoeSize")
    assert plan.write_only == {"password": "not in any name"}
    assert "not in any name" not in repr(plan)


@pytest.mark.parametrize(
    ("operations", "scim_type"),
    [
        ([op("remove", "userName")], "mutability"),
        ([op("replace", "userName", None)], "mutability"),
        ([op("replace", "userName", "  ")], "mutability"),
        ([op("add", "emails", [{"value": "a", "primary": True}, {"value": "b", "primary": True}])], "invalidValue"),
        ([op("replace", "emails.value", "x"), op("remove", "emails"), op("replace", "emails.value", "x")], "noTarget"),
        ([op("replace", 'phoneNumbers[type eq "a" and type eq "b"].value', "x")], "noTarget"),
        ([op("replace", 'phoneNumbers[type eq "a" or type eq "b"].value', "x")], "noTarget"),
        ([op("replace", 'phoneNumbers[shoe eq "a"].value', "x")], "noTarget"),
        ([op("replace", ENTERPRISE, "x")], "invalidSyntax"),
        ([op("replace", ENTERPRISE, {"department": "a", "Department": "b"})], "invalidSyntax"),
        ([op("replace", f"{ENTERPRISE}:manager.displayName", "x")], "mutability"),
    ],
)
def test_what_cannot_be_done_is_refused(operations: list[dict[str, Any]], scim_type: str) -> None:
    error = patched(*operations)
    assert isinstance(error, ScimError)
    assert (error.status, error.scim_type) == (400, scim_type)
