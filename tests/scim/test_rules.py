"""The small rules: intake, claims, documents, filters, projections, versions, names of changes, events."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from identity_core.settings import SettingsError, load
from identity_core.testing.spec import spec
from scim.events import EVENT_TYPES, change_types, user_event
from scim.protocol.changes import changed_names
from scim.protocol.claims import standard_claims
from scim.protocol.documents import parse_document
from scim.protocol.errors import ScimError
from scim.protocol.etag import names_version, version_tag
from scim.protocol.filters import Lookup, read_filter
from scim.protocol.identifiers import as_id
from scim.protocol.intake import Intake, read_resource
from scim.protocol.paging import MAX_COUNT, Page, read_page
from scim.protocol.projection import read_projection
from scim.resource_types.user import USER, from_row, settle_user, to_row
from scim.settings import ScimSettings
from tests.scim.directory import CORE, ENTERPRISE, OIDC


def intake(**attributes: Any) -> Intake:
    read = read_resource(USER.schema, {"userName": "ada"} | attributes)
    assert isinstance(read, Intake)
    return read


@spec("RFC 7643 §2.5")
@pytest.mark.parametrize("nothing", [None, [], {}, [None], [{}]])
def test_null_and_empty_are_the_same_as_no_value(nothing: Any) -> None:
    assert intake(emails=nothing).resource == {"userName": "ada"}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"ACTIVE": "TRUE"}, {"active": True}),
        ({"Name": {"GivenName": "A", "unknown": 1}}, {"name": {"givenName": "A"}}),
        ({"emails": "a@b"}, {"emails": [{"value": "a@b"}]}),
        ({"emails": {"value": "A@B.Local"}}, {"emails": [{"value": "A@B.Local"}]}),
        ({"roles": [{"value": "r", "primary": "True"}]}, {"roles": [{"value": "r", "primary": True}]}),
        ({ENTERPRISE.upper(): {"Department": "E"}}, {ENTERPRISE: {"department": "E"}}),
        ({"id": "x", "meta": {}, "groups": [{"value": "g"}], "schemas": ["x"]}, {}),
        ({"phoneNumbers": [{"value": "+1 (555) 01"}]}, {"phoneNumbers": [{"value": "+1 (555) 01"}]}),
    ],
)
def test_a_resource_is_read_into_its_canonical_form(given: dict[str, Any], kept: dict[str, Any]) -> None:
    assert intake(**given).resource == {"userName": "ada"} | kept


def test_unknown_names_are_told_and_passwords_do_not_show() -> None:
    read = intake(shoeSize=38, password="very secret", **{OIDC: {"gender": "f", "shoe": 1}, "urn:x": {}})

    assert read.ignored == ("shoeSize", f"{OIDC}:shoe", "urn:x")
    assert read.write_only == {"password": "very secret"}
    assert "very secret" not in repr(read)


FULL: dict[str, Any] = {
    "userName": "ada",
    "displayName": "Ada L",
    "nickName": "A",
    "profileUrl": "https://ada.example/profile",
    "name": {"givenName": "Ada", "middleName": "King", "familyName": "Lovelace"},
    "emails": [{"value": "home@x"}, {"value": "work@x", "type": "Work"}],
    "phoneNumbers": [{"value": "tel:+1-201-555-0123"}],
    "photos": [{"value": "https://x/thumb", "type": "thumbnail"}, {"value": "https://x/photo", "type": "photo"}],
    "timezone": "Europe/London",
    "locale": "en-GB",
    "addresses": [
        {"type": "home", "country": "FR"},
        {
            "primary": True,
            "formatted": "1 Engine St",
            "streetAddress": "1 Engine St",
            "locality": "London",
            "region": "England",
            "postalCode": "W1",
            "country": "GB",
        },
    ],
}
EXTENSION = {
    "emailVerified": True,
    "phoneNumberVerified": False,
    "gender": "female",
    "birthdate": "1815-12-10",
    "website": "https://ada.example",
}


@spec("OIDC Core §5.1")
def test_every_standard_claim_has_a_home_in_a_user() -> None:
    assert standard_claims(FULL, EXTENSION, 1_700_000_000) == {
        "name": "Ada L",
        "given_name": "Ada",
        "family_name": "Lovelace",
        "middle_name": "King",
        "nickname": "A",
        "preferred_username": "ada",
        "profile": "https://ada.example/profile",
        "picture": "https://x/photo",
        "website": "https://ada.example",
        "email": "work@x",
        "email_verified": True,
        "gender": "female",
        "birthdate": "1815-12-10",
        "zoneinfo": "Europe/London",
        "locale": "en-GB",
        "phone_number": "+1-201-555-0123",
        "phone_number_verified": False,
        "address": {
            "formatted": "1 Engine St",
            "street_address": "1 Engine St",
            "locality": "London",
            "region": "England",
            "postal_code": "W1",
            "country": "GB",
        },
        "updated_at": 1_700_000_000,
    }


@spec("OIDC Core §5.3.2")
def test_claims_are_never_null_or_empty() -> None:
    bare = {"userName": "ada", "title": "", "displayName": " ", "name": {"givenName": ""}, "emails": [{"type": "work"}]}
    bare |= {"addresses": [{"type": "work"}], "photos": [{"value": ""}]}

    assert standard_claims(bare, {"gender": ""}, 7) == {"preferred_username": "ada", "updated_at": 7}


@pytest.mark.parametrize(
    ("given", "claim"),
    [
        ("1815-12-10", "1815-12-10"),
        ("0000-12-10", "0000-12-10"),
        ("1815", "1815"),
        ("10.12.1815", None),
        ("1815-13-10", None),
    ],
)
def test_a_birthdate_is_told_when_it_has_the_form_of_one(given: str, claim: str | None) -> None:
    assert standard_claims({}, {"birthdate": given}, 0).get("birthdate") == claim


@pytest.mark.parametrize(
    ("user", "name"),
    [
        ({"name": {"formatted": "Ms. Ada L, I", "givenName": "Ada"}, "displayName": "A"}, "Ms. Ada L, I"),
        ({"name": {"givenName": "Ada", "familyName": "L"}}, "Ada L"),
        ({"displayName": "A"}, "A"),
    ],
)
def test_the_full_name_is_the_formatted_the_displayed_or_the_joined_one(user: dict[str, Any], name: str) -> None:
    assert standard_claims(user, {}, 0)["name"] == name


@pytest.mark.parametrize(
    ("emails", "email"),
    [
        ([{"value": "a"}, {"value": "b", "primary": True}, {"value": "c", "type": "work"}], "b"),
        ([{"value": "a"}, {"value": "c", "type": "work"}], "c"),
        ([{"value": "a"}, {"value": "d", "type": "home"}], "a"),
        ([{"type": "work", "primary": True}, {"value": "d", "type": "home"}], "d"),
    ],
)
def test_the_email_is_the_primary_the_work_or_the_first_one(emails: list[dict[str, Any]], email: str) -> None:
    claims = standard_claims({"emails": emails}, {}, 0)
    assert (claims["email"], claims["email_verified"]) == (email, False)


def test_a_row_gives_the_user_back() -> None:
    user = FULL | {"active": True, OIDC: EXTENSION, ENTERPRISE: {"department": "E"}}
    row = to_row(user, datetime.now(UTC))
    columns = {
        name: getattr(row, name)
        for name in ("email_verified", "phone_number_verified", "gender", "birthdate", "website")
    }

    assert OIDC not in row.resource
    assert from_row(row.resource, columns) == user
    assert from_row({"userName": "ada"}, dict.fromkeys(columns)) == {"userName": "ada"}


def test_active_is_true_at_first_and_never_comes_back_by_itself() -> None:
    assert settle_user(None, {}, None)["active"] is True
    assert settle_user({"active": False}, {}, None)["active"] is False
    assert settle_user({}, {}, None)["active"] is False
    assert "active" not in settle_user({"active": True}, {}, frozenset({"active"}))
    assert settle_user({"active": False}, {"active": True}, None)["active"] is True


OLD = {"active": True, "emails": [{"value": "old"}], OIDC: {"emailVerified": True, "gender": "f"}}
NEW = {**OLD, "emails": [{"value": "new"}]}


@pytest.mark.parametrize(
    ("touched", "kept"),
    [
        ({"emails"}, {"gender": "f"}),
        ({"emails", f"{OIDC}:emailVerified"}, OLD[OIDC]),
        ({"emails", OIDC}, OLD[OIDC]),
        (None, OLD[OIDC]),
    ],
)
def test_a_verification_covers_the_address_it_was_made_for(touched: set[str] | None, kept: object) -> None:
    settled = settle_user(OLD, NEW, None if touched is None else frozenset(touched))
    assert settled[OIDC] == kept


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b'{"a": "\\\\u0000"}', {"a": "\\u0000"}),
        (b'{"a": "\\u00e9\\ud83d\\ude00"}', {"a": "é😀"}),
        ('{"a": "é"}'.encode(), {"a": "é"}),
        (b' {"a": [1, 1.5, true, null]} ', {"a": [1, 1.5, True, None]}),
    ],
)
def test_a_document_is_read_as_it_is(raw: bytes, value: dict[str, Any]) -> None:
    assert parse_document(raw) == value


@pytest.mark.parametrize(
    ("text", "attribute", "value"),
    [
        ('userName eq "Ada"', "userName", "Ada"),
        ('USERNAME Eq "Ada"', "userName", "Ada"),
        (f'{CORE}:userName eq "Ada"', "userName", "Ada"),
        (f'{CORE.upper()}:userName eq "Ada"', "userName", "Ada"),
        ('(externalId eq "a \\"b\\" \\\\ c")', "externalId", 'a "b" \\ c'),
        ('id eq "7"', "id", "7"),
    ],
)
def test_a_filter_is_one_lookup(text: str, attribute: str, value: str) -> None:
    assert read_filter(USER.schema, USER.lookups, text) == Lookup(attribute, value)


@pytest.mark.parametrize(
    ("query", "page"),
    [
        ({}, Page(1, 100)),
        ({"startIndex": "0", "count": "-5"}, Page(1, 0)),
        ({"startIndex": "+3", "count": "7"}, Page(3, 7)),
        ({"count": "100000"}, Page(1, MAX_COUNT)),
    ],
)
def test_a_page_is_kept_within_bounds(query: dict[str, str], page: Page) -> None:
    assert read_page(query) == page


WHOLE = {
    "schemas": [CORE],
    "id": "7",
    "userName": "ada",
    "name": {"givenName": "A", "familyName": "L"},
    "emails": [{"value": "a", "type": "work"}],
    ENTERPRISE: {"department": "E", "manager": {"value": "m"}},
    "meta": {"version": "1", "location": "x"},
}


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ({"attributes": "UserName"}, {"userName": "ada"}),
        ({"attributes": "name.familyName, emails.value"}, {"name": {"familyName": "L"}, "emails": [{"value": "a"}]}),
        ({"attributes": "name.familyName,name"}, {"name": WHOLE["name"]}),
        ({"attributes": f"{ENTERPRISE}:department"}, {ENTERPRISE: {"department": "E"}}),
        ({"attributes": ENTERPRISE}, {ENTERPRISE: WHOLE[ENTERPRISE]}),
        ({"attributes": "nothing,a b,emails[x"}, {}),
    ],
)
def test_wanted_attributes_are_shown_beside_those_always_returned(query: dict[str, str], shown: dict[str, Any]) -> None:
    always = {"schemas": [CORE], "id": "7"}
    assert read_projection(USER.schema, query).apply(USER.schema, WHOLE) == always | shown


def test_unwanted_attributes_are_left_out() -> None:
    query = {"excludedAttributes": f"id,schemas,emails.type,{ENTERPRISE}:manager,name,meta.location"}

    shown = read_projection(USER.schema, query).apply(USER.schema, WHOLE)

    assert shown == {
        "schemas": [CORE],
        "id": "7",
        "userName": "ada",
        "emails": [{"value": "a"}],
        ENTERPRISE: {"department": "E"},
        "meta": {"version": "1"},
    }
    gone = read_projection(USER.schema, {"excludedAttributes": ENTERPRISE}).apply(USER.schema, WHOLE)
    assert ENTERPRISE not in gone


def test_tags_are_compared_weakly() -> None:
    assert version_tag(3) == 'W/"3"'
    for header in ('W/"3"', '"3"', "*", ' W/"1", W/"3"'):
        assert names_version(header, 3)
    for header in ('W/"33"', "3", "", 'w/"3"', 'W/"4"'):
        assert not names_version(header, 3)


def test_changes_are_told_by_name_alone() -> None:
    before = {"a": 1, "name": {"x": 1, "y": 2}, "urn:e": {"d": 1, "m": {"value": 1}}, "gone": {"z": 1}}
    after = {"a": 2, "name": {"x": 1, "y": 3}, "urn:e": {"d": 1, "m": {"value": 2}}, "emails": [{"value": 1}]}

    assert changed_names(before, after) == ("a", "emails", "gone.z", "name.y", "urn:e:m.value")
    assert changed_names(after, after) == ()


def test_a_write_becomes_the_events_it_deserves() -> None:
    on, off = {"active": True}, {"active": False}
    assert change_types(on, off, ("active",)) == ["scim.user_deactivated.v1"]
    assert change_types(off, on, ("active", "title")) == ["scim.user_updated.v1", "scim.user_reactivated.v1"]
    assert change_types(on, on, ("password",)) == ["scim.user_updated.v1"]
    assert len(set(EVENT_TYPES)) == len(EVENT_TYPES)
    event = user_event("x", UUID(int=1), UUID(int=2))
    assert event.payload == {"user_id": str(UUID(int=2))}


@pytest.mark.parametrize(
    "text", ["", "7", "00000000-0000-7000-8000-00000000000A", "{00000000-0000-7000-8000-000000000001}"]
)
def test_an_id_has_one_spelling(text: str) -> None:
    assert as_id(text) is None


def test_the_base_url_may_come_with_and_without_its_path() -> None:
    environ = {
        "GATEHOUSE_ENV": "development",
        "GATEHOUSE_SCIM_DATABASE_URL": "postgresql://a:b@localhost/c",
        "GATEHOUSE_REDIS_URL": "redis://localhost",
        "GATEHOUSE_TAG_KEY": "A" * 43 + "=",
        "GATEHOUSE_ISSUER": "http://localhost:8000",
        "GATEHOUSE_SESSIONS_BASE_URL": "http://localhost:8002",
    }
    for base in ("https://id.example/scim/v2", "https://id.example"):
        settings = load(ScimSettings, environ | {"GATEHOUSE_SCIM_BASE_URL": base})
        assert (settings.root, settings.port) == ("https://id.example", 8001)
    with pytest.raises(SettingsError):
        load(ScimSettings, environ | {"GATEHOUSE_HASH_THREADS": "0"})


def test_a_refusal_is_a_scim_message() -> None:
    assert ScimError(409, "taken", "uniqueness").body() == {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
        "status": "409",
        "scimType": "uniqueness",
        "detail": "taken",
    }
