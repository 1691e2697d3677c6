"""What real identity providers send: each shape broke some server (Entra ID, Okta)."""

import uuid

import pytest

from identity_core.testing.spec import spec
from tests.scim.directory import ENTERPRISE, OIDC, PATCH, Directory, is_error

EMPLOYEE = f"{ENTERPRISE}:employeeNumber"

DISABLING = {
    "Entra, default job": [{"op": "Replace", "path": "active", "value": "False"}],
    "Entra, with the flag": [{"op": "replace", "path": "active", "value": False}],
    "Entra, without a path": [{"op": "Replace", "value": {"active": "False"}}],
    "Okta, an OIN app": [{"op": "replace", "value": {"active": False}}],
    "shouting": [{"op": "REPLACE", "path": "ACTIVE", "value": "FALSE"}],
    "added": [{"op": "Add", "path": "active", "value": "false"}],
    "by URN": [{"op": "replace", "path": "urn:ietf:params:scim:schemas:core:2.0:User:active", "value": False}],
    "by URN without a path": [{"op": "replace", "value": {"urn:ietf:params:scim:schemas:core:2.0:user:active": False}}],
    "with company": [
        {"op": "Replace", "path": "displayName", "value": "Ada"},
        {"op": "Replace", "path": "active", "value": "False"},
    ],
}


@spec("RFC 7644 §3.5.2")
@pytest.mark.parametrize("operations", DISABLING.values(), ids=DISABLING.keys())
async def test_a_user_is_disabled_in_every_shape_a_client_sends(directory: Directory, operations: list) -> None:
    user = await directory.create("ada", active=True)

    reply = await directory.patch(user["id"], *operations)

    assert reply.status_code == 200
    assert reply.json()["active"] is False, "the reply holds a boolean"
    row = await directory.row(user["id"])
    assert row is not None
    assert row["active"] is False


async def test_message_names_come_in_any_case(directory: Directory) -> None:
    user = await directory.create("ada")

    body = {"Schemas": [PATCH], "operations": [{"OP": "Replace", "Path": "title", "Value": "Countess"}]}
    reply = await directory.http.patch(f"/Users/{user['id']}", json=body)

    assert reply.json()["title"] == "Countess"


async def test_entra_sends_one_operation_for_each_attribute(directory: Directory) -> None:
    user = await directory.create("ada", emails=[{"type": "work", "value": "old@example.com"}])

    reply = await directory.patch(
        user["id"],
        {"op": "Replace", "path": "displayName", "value": "Ada L"},
        {"op": "Add", "path": "name.givenName", "value": "Ada"},
        {"op": "Replace", "path": "externalId", "value": "e-1"},
        {"op": "Replace", "path": 'emails[type eq "work"].value', "value": "New@Corp.LOCAL"},
        {"op": "Add", "path": EMPLOYEE, "value": "42"},
        {"op": "Add", "path": f"{ENTERPRISE}:manager", "value": "m-1"},
    )

    changed = reply.json()
    assert changed["displayName"] == "Ada L"
    assert changed["name"] == {"givenName": "Ada"}
    assert changed["externalId"] == "e-1"
    assert changed["emails"] == [{"type": "work", "value": "New@Corp.LOCAL"}]
    assert changed[ENTERPRISE] == {"employeeNumber": "42", "manager": {"value": "m-1"}}
    row = await directory.row(user["id"])
    assert row is not None
    assert row["external_id"] == "e-1"
    assert (await directory.claims(user["id"]))["email"] == "New@Corp.LOCAL"


async def test_entra_with_the_flag_sends_dotted_paths_and_urns_as_keys(directory: Directory) -> None:
    user = await directory.create("ada", name={"givenName": "Ada", "familyName": "Byron"})

    value = {
        "name.familyName": "Lovelace",
        "displayName": "Ada L",
        EMPLOYEE: "42",
        f"{ENTERPRISE}:manager": {"value": "m-1"},
        'emails[type eq "work"].value': "ada@example.com",
        f"{OIDC}": {"gender": "female"},
        "active": "True",
    }
    changed = (await directory.patch(user["id"], {"op": "replace", "value": value})).json()

    assert changed["name"] == {"givenName": "Ada", "familyName": "Lovelace"}
    assert changed[ENTERPRISE] == {"employeeNumber": "42", "manager": {"value": "m-1"}}
    assert changed["emails"] == [{"type": "work", "value": "ada@example.com"}]
    assert changed[OIDC] == {"gender": "female"}
    assert changed["active"] is True


async def test_entra_sets_values_of_entries_that_are_not_there_yet(directory: Directory) -> None:
    user = await directory.create("ada")

    reply = await directory.patch(
        user["id"],
        {"op": "Add", "path": 'phoneNumbers[type eq "mobile"].value', "value": "(555) 01"},
        {"op": "Replace", "path": 'addresses[type eq "other"].Formatted', "value": "1 Engine St"},
        {"op": "Replace", "path": 'roles[primary eq "True"].value', "value": "Admin"},
        {"op": "Replace", "path": "active", "value": "False"},
    )

    changed = reply.json()
    assert changed["phoneNumbers"] == [{"type": "mobile", "value": "(555) 01"}]
    assert changed["addresses"] == [{"type": "other", "formatted": "1 Engine St"}]
    assert changed["roles"] == [{"primary": True, "value": "Admin"}]
    assert changed["active"] is False


async def test_entra_posts_nulls_empty_lists_meta_and_a_mistyped_urn(directory: Directory) -> None:
    body = {
        "schemas": [
            "urn:ietf:params:scim:schemas:core:2.0:User",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0User",
        ],
        "userName": "ada",
        "externalId": "e-1",
        "meta": {"resourceType": "User"},
        "roles": [],
        "title": None,
        "department": "Engines",
        "manager": "m-1",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0User": {"department": "Engines"},
        "id": "chosen by the client",
    }

    reply = await directory.http.post("/Users", json=body)

    assert reply.status_code == 201
    assert reply.json()["id"] != "chosen by the client"
    assert set(reply.json()) == {"schemas", "id", "externalId", "meta", "userName", "active"}


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("m-1", {"value": "m-1"}),
        ([{"$ref": "../Users/m-1", "value": "m-1"}], {"$ref": "../Users/m-1", "value": "m-1"}),
        ({"value": "m-1", "displayName": "Boss"}, {"value": "m-1"}),
        ("", None),
        (None, None),
    ],
)
async def test_a_manager_comes_in_every_form_and_is_answered_in_one(
    directory: Directory, value: object, kept: object
) -> None:
    user = await directory.create("ada", **{ENTERPRISE: {"manager": "m-0", "department": "E"}})

    operation = {"op": "replace", "path": f"{ENTERPRISE}:manager", "value": value}
    changed = (await directory.patch(user["id"], operation)).json()

    assert changed[ENTERPRISE].get("manager") == kept
    assert changed[ENTERPRISE]["department"] == "E"


@spec("RFC 7644 §3.4.2.2")
async def test_entras_connection_test_gets_an_empty_list(directory: Directory) -> None:
    params: dict[str, str | int] = {"filter": f'userName eq "{uuid.uuid4()}"', "startIndex": 1, "count": 1}
    reply = await directory.http.get("/Users", params=params)

    assert reply.status_code == 200
    assert reply.json()["Resources"] == []


async def test_a_disabled_user_stays_visible_and_comes_back(directory: Directory) -> None:
    user = await directory.create("ada")
    await directory.patch(user["id"], {"op": "Replace", "path": "active", "value": "False"})

    seen = (await directory.http.get("/Users", params={"filter": 'userName eq "ADA"'})).json()
    assert [each["id"] for each in seen["Resources"]] == [user["id"]]
    back = await directory.patch(user["id"], {"op": "Replace", "path": "active", "value": "True"})
    assert back.json()["active"] is True


@spec("RFC 7644 §3.5.1")
async def test_okta_puts_back_its_own_get_with_changes_merged_in(directory: Directory) -> None:
    user = await directory.create(
        "ada", externalId="e-1", title="Countess", emails=[{"value": "Ada@Corp.local", "primary": True}]
    )
    body = (await directory.http.get(f"/Users/{user['id']}")).json()
    body |= {"active": False, "groups": [{"value": "g-1"}], "id": "another", "nickName": "A"}
    body["meta"] = {"resourceType": "Changed", "version": "old"}

    reply = await directory.http.put(f"/Users/{user['id']}", json=body)

    assert reply.status_code == 200
    changed = reply.json()
    assert changed["id"] == user["id"]
    assert changed["active"] is False
    assert changed["nickName"] == "A"
    assert changed["emails"] == user["emails"]
    assert "groups" not in changed
    assert changed["meta"]["created"] == user["meta"]["created"]
    assert changed["meta"]["version"] == 'W/"2"'


async def test_a_put_clears_what_it_does_not_name_but_never_enables(directory: Directory) -> None:
    user = await directory.create("ada", title="Countess", active=False, **{OIDC: {"gender": "f"}})

    changed = (await directory.http.put(f"/Users/{user['id']}", json={"userName": "Ada"})).json()

    assert set(changed) == {"schemas", "id", "meta", "userName", "active"}
    assert changed["userName"] == "Ada"
    assert changed["active"] is False


async def test_okta_renames_without_a_path_and_with_the_id(directory: Directory) -> None:
    user = await directory.create("ada")

    reply = await directory.patch(user["id"], {"op": "replace", "value": {"id": user["id"], "displayName": "Ada"}})

    assert reply.json()["displayName"] == "Ada"


async def test_a_lost_answer_to_a_create_is_found_by_filter_after_the_409(directory: Directory) -> None:
    user = await directory.create("ada", externalId="e-1")

    is_error(await directory.http.post("/Users", json={"userName": "ada", "externalId": "e-1"}), 409, "uniqueness")
    seen = (await directory.http.get("/Users", params={"filter": 'externalId eq "e-1"'})).json()
    assert [each["id"] for each in seen["Resources"]] == [user["id"]]


async def test_unknown_attributes_are_ignored_in_posts_and_patches(directory: Directory) -> None:
    user = await directory.create("ada", favouriteColour="blue", **{"urn:example:Unknown": {"a": 1}})

    reply = await directory.patch(
        user["id"],
        {"op": "Add", "path": "favouriteColour", "value": "red"},
        {"op": "Add", "path": "urn:example:Unknown:a", "value": 2},
        {"op": "Replace", "value": {"shoeSize": 38, "title": "Countess"}},
    )

    assert reply.status_code == 200
    assert set(reply.json()) == {"schemas", "id", "meta", "userName", "active", "title"}


async def test_a_new_address_is_not_verified_by_what_was_said_of_the_old_one(directory: Directory) -> None:
    work = {"type": "work", "value": "ada@example.com"}
    user = await directory.create("ada", emails=[work], **{OIDC: {"emailVerified": True}})
    assert (await directory.claims(user["id"]))["email_verified"] is True

    await directory.patch(
        user["id"], {"op": "Replace", "path": 'emails[type eq "work"].value', "value": "eve@example.com"}
    )
    assert (await directory.claims(user["id"]))["email_verified"] is False
    await directory.patch(
        user["id"],
        {"op": "Replace", "path": 'emails[type eq "work"].value', "value": "third@example.com"},
        {"op": "Add", "path": f"{OIDC}:emailVerified", "value": True},
    )
    assert (await directory.claims(user["id"]))["email_verified"] is True
