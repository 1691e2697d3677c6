"""The rules of the control plane as tables of wrongs: no I/O."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity_core.ids import uuid7
from sessions.protocol.cursors import cursor_key, decode_cursor, encode_cursor
from sessions.protocol.fields import Fault
from sessions.protocol.listing import Listing, SessionRow, Verdict, parse_listing, verdict
from sessions.protocol.policy import Policy, parse_policy
from sessions.protocol.selectors import (
    ByClient,
    ByGrant,
    BySession,
    BySubject,
    ByTenant,
    Revocation,
    RevocationRequest,
    Selector,
    document_of,
    parse_revocation,
    status_of,
)

ID, OTHER = "01890000-0000-7000-8000-00000000000a", "01890000-0000-7000-8000-00000000000b"
TENANT, KEY = UUID(int=1), cursor_key(b"k" * 32)
NOW = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("selector", "parsed"),
    [
        ({"subject": ID}, BySubject(UUID(ID))),
        ({"subject": ID.upper()}, BySubject(UUID(ID))),
        ({"client_id": "s6BhdRkqt3"}, ByClient("s6BhdRkqt3")),
        ({"session_id": ID}, BySession(UUID(ID))),
        ({"grant_id": ID, "subject": OTHER}, ByGrant(UUID(ID), UUID(OTHER))),
        ({"tenant": True}, ByTenant()),
    ],
)
def test_a_selector_is_read_and_written_the_same(selector: dict[str, Any], parsed: Selector) -> None:
    assert parse_revocation({"selector": selector, "reason": "because"}) == RevocationRequest(parsed, "because")
    lower = {
        name: value.lower() if name != "client_id" and value is not True else value for name, value in selector.items()
    }
    assert document_of(parsed) == lower


@pytest.mark.parametrize(
    ("selector", "field"),
    [
        (None, "selector"),
        ([], "selector"),
        (ID, "selector"),
        ({}, "selector"),
        ({"subject": ID, "client_id": "web"}, "selector"),
        ({"subject": ID, "session_id": ID}, "selector"),
        ({"subject": ID, "tenant": True}, "selector"),
        ({"grant_id": ID, "client_id": "web"}, "selector"),
        ({"grant_id": ID, "subject": ID, "tenant": True}, "selector"),
        ({"grant_id": ID}, "selector.grant_id"),
        ({"grant_id": "x", "subject": ID}, "selector.grant_id"),
        ({"grant_id": ID, "subject": "x"}, "selector.subject"),
        ({"subject": ""}, "selector.subject"),
        ({"subject": 1}, "selector.subject"),
        ({"subject": None}, "selector.subject"),
        ({"subject": "client:web"}, "selector.subject"),
        ({"subject": "{" + ID + "}"}, "selector.subject"),
        ({"subject": ID.replace("-", "")}, "selector.subject"),
        ({"subject": ID + "\n"}, "selector.subject"),
        ({"session_id": [ID]}, "selector.session_id"),
        ({"client_id": ""}, "selector.client_id"),
        ({"client_id": "a" * 256}, "selector.client_id"),
        ({"client_id": "caf\u00e9"}, "selector.client_id"),
        ({"client_id": "a\nb"}, "selector.client_id"),
        ({"client_id": True}, "selector.client_id"),
        ({"tenant": False}, "selector.tenant"),
        ({"tenant": 1}, "selector.tenant"),
        ({"tenant": "true"}, "selector.tenant"),
        ({"user": ID}, "selector.user"),
        ({"subject": ID, "Subject": ID}, "selector.Subject"),
    ],
)
def test_a_selector_that_is_not_exactly_one_is_refused_by_name(selector: object, field: str) -> None:
    fault = parse_revocation({"selector": selector, "reason": "because"})
    assert isinstance(fault, Fault)
    assert fault.field == field


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"reason": "because"}, "selector"),
        ({"selector": {"tenant": True}}, "reason"),
        ({"selector": {"tenant": True}, "reason": ""}, "reason"),
        ({"selector": {"tenant": True}, "reason": "  "}, "reason"),
        ({"selector": {"tenant": True}, "reason": "a\nb"}, "reason"),
        ({"selector": {"tenant": True}, "reason": "a\u2028b"}, "reason"),
        ({"selector": {"tenant": True}, "reason": "a\n"}, "reason"),
        ({"selector": {"tenant": True}, "reason": "a" * 501}, "reason"),
        ({"selector": {"tenant": True}, "reason": 1}, "reason"),
        ({"selector": {"tenant": True}, "reason": "x", "dry_run": "true"}, "dry_run"),
        ({"selector": {"tenant": True}, "reason": "x", "dry_run": None}, "dry_run"),
        ({"selector": {"tenant": True}, "reason": "x", "dryrun": True}, "dryrun"),
    ],
)
def test_a_revocation_with_a_wrong_in_it_names_the_field(body: dict[str, Any], field: str) -> None:
    fault = parse_revocation(body)
    assert isinstance(fault, Fault)
    assert fault.field == field


def test_a_fault_never_repeats_a_name_that_could_be_anything() -> None:
    for fault in (
        parse_revocation({"<script>": 1}),
        parse_revocation({"selector": {"a\r\nb": 1}, "reason": "x"}),
        parse_policy({"\u202e": 1}),
    ):
        assert isinstance(fault, Fault)
        assert str(fault).isascii()
        assert str(fault).isprintable()
        assert "<" not in str(fault)


GOOD = {"max_sessions_per_user": 3, "on_limit": "refuse", "idle_seconds": 900, "absolute_seconds": 3600}


def test_a_policy_is_read_whole() -> None:
    assert parse_policy(GOOD) == Policy(3, "refuse", 900, 3600)
    assert parse_policy(GOOD | {"max_sessions_per_user": None}) == Policy(None, "refuse", 900, 3600)


WRONG_POLICIES: dict[str, tuple[object, ...]] = {
    "max_sessions_per_user": (0, -1, 10_001, True, 1.0, "3", []),
    "on_limit": (None, "", "end_newest", 1, ["refuse"]),
    "idle_seconds": (None, 59, 0, -5, True, 900.0, "900", 3601, 10**18),
    "absolute_seconds": (None, 59, 366 * 86_400 + 1, False, "3600"),
    "extra": (1,),
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in WRONG_POLICIES.items() for value in values]
)
def test_a_policy_with_a_wrong_in_it_names_the_field(name: str, value: object) -> None:
    fault = parse_policy(GOOD | {name: value})
    assert isinstance(fault, Fault)
    assert fault.field == name


@pytest.mark.parametrize("name", GOOD)
def test_a_policy_that_lacks_a_field_is_refused(name: str) -> None:
    assert parse_policy({key: value for key, value in GOOD.items() if key != name}) == Fault(name, "is missing")


@given(last=st.uuids(), tenant=st.uuids(), question=st.text(max_size=40))
def test_a_cursor_is_read_back_for_the_same_tenant_and_question(last: UUID, tenant: UUID, question: str) -> None:
    cursor = encode_cursor(KEY, tenant, question, last)
    assert decode_cursor(KEY, tenant, question, cursor) == last
    assert decode_cursor(KEY, tenant, question + "x", cursor) is None
    assert decode_cursor(KEY, UUID(int=tenant.int ^ 1), question, cursor) is None
    assert decode_cursor(cursor_key(b"K" * 32), tenant, question, cursor) is None


@given(text=st.text(max_size=60) | st.text("ABCDwxyz0189-_", min_size=40, max_size=48))
def test_what_we_did_not_make_is_no_cursor(text: str) -> None:
    assert decode_cursor(KEY, TENANT, "live|", text) is None


def test_an_empty_query_asks_for_the_first_live_sessions() -> None:
    assert parse_listing({}, TENANT, KEY) == Listing(None, "live", 50, None)


def row(**changes: Any) -> SessionRow:
    return SessionRow(
        **{
            **dict.fromkeys(("device", "network", "acr", "ended_at", "end_reason", "ruled_at")),
            "id": uuid7(),
            "user_id": uuid7(),
            "tag": 1,
            "client_ids": (),
            "amr": (),
            "now": NOW,
            "auth_time": NOW,
            "created_at": NOW,
            "absolute_end": NOW + timedelta(hours=1),
            **changes,
        }
    )


HOUR_AGO = NOW - timedelta(hours=1)


@pytest.mark.parametrize(
    ("changes", "seen", "judged"),
    [
        ({}, NOW, Verdict("live")),
        ({}, None, Verdict("live")),
        ({"created_at": NOW - timedelta(seconds=60)}, None, Verdict("live")),
        ({"created_at": NOW - timedelta(seconds=61)}, None, Verdict("ended", None, "idle")),
        ({"created_at": HOUR_AGO}, NOW, Verdict("live")),
        ({"absolute_end": NOW}, NOW, Verdict("ended", NOW, "expired")),
        ({"ruled_at": HOUR_AGO}, NOW, Verdict("ended", HOUR_AGO, "revoked")),
        ({"ruled_at": HOUR_AGO, "absolute_end": NOW}, None, Verdict("ended", HOUR_AGO, "revoked")),
        ({"ended_at": HOUR_AGO, "end_reason": "logout"}, NOW, Verdict("ended", HOUR_AGO, "logout")),
        (
            {"ended_at": HOUR_AGO, "end_reason": "limit", "ruled_at": NOW},
            None,
            Verdict("ended", HOUR_AGO, "limit"),
        ),
    ],
)
def test_a_row_lives_only_while_nothing_speaks_against_it(
    changes: dict[str, Any], seen: datetime | None, judged: Verdict
) -> None:
    assert verdict(row(**changes), seen) == judged


def test_a_revocation_is_confirmed_at_the_latest_one_lease_after_its_commit() -> None:
    def made(age: float) -> Revocation:
        created = NOW - timedelta(seconds=age)
        return Revocation(uuid7(), {}, "x", 1, 0, 0, "committed", {}, created_at=created, now=NOW)

    assert status_of(made(10), 5, 5) == "committed"
    assert status_of(made(10.001), 5, 5) == "confirmed"
