"""Client authentication: one method, compared in one way."""

import base64
from urllib.parse import quote_plus
from uuid import UUID

import pytest

from authz.protocol.client_auth import Presented, authenticated, presented_client
from authz.protocol.client_metadata import Client, client_from, register_metadata
from authz.protocol.errors import OAuthError
from authz.storage.clients import RegisteredClient
from identity_core.secrets import sha256
from identity_core.testing.spec import spec
from tests.authz.world import World

TENANT = UUID(int=1)
SECRET = "gk_a secret: with all/of+it%"


def basic(user: str, password: str, scheme: str = "Basic") -> str:
    return f"{scheme} " + base64.b64encode(f"{quote_plus(user)}:{quote_plus(password)}".encode()).decode()


def client(method: str = "client_secret_basic") -> Client:
    document = register_metadata({"redirect_uris": ["https://rp.example/cb"], "token_endpoint_auth_method": method})
    assert isinstance(document, dict)
    return client_from(TENANT, "rp", document, secret_hash=None if method == "none" else sha256(SECRET))


@spec("RFC 6749 §2.3.1")
@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC"])
def test_basic_carries_both_halves_form_encoded(scheme: str) -> None:
    presented = presented_client(basic("a client:%", SECRET, scheme), {})
    assert presented == Presented("client_secret_basic", "a client:%", SECRET)


@spec("RFC 6749 §2.3")
@pytest.mark.parametrize(
    ("authorization", "form"),
    [
        (basic("rp", SECRET), {"client_id": "rp", "client_secret": SECRET}),
        (basic("rp", SECRET), {"client_secret": SECRET}),
        (basic("rp", SECRET), {"client_id": "other"}),
    ],
)
def test_two_methods_or_two_clients_are_refused(authorization: str, form: dict[str, str]) -> None:
    refusal = presented_client(authorization, form)
    assert isinstance(refusal, OAuthError)
    assert refusal.error == "invalid_request"


def test_the_client_id_may_be_repeated_beside_basic() -> None:
    assert presented_client(basic("rp", SECRET), {"client_id": "rp"}) == Presented("client_secret_basic", "rp", SECRET)


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Basic",
        "Basic ",
        "Basic !!!",
        "Basic " + base64.b64encode(b"no colon").decode(),
        "Basic " + base64.b64encode(b":secret").decode(),
        "Basic " + base64.b64encode(b"\xff\xfe:secret").decode(),
        "Basic " + base64.b64encode(b"rp:%ff").decode(),
        "Basic " + base64.b64encode(b"r%00p:x").decode(),
        "Bearer abc",
        "Digest username=x",
    ],
)
def test_a_malformed_header_is_no_authentication(authorization: str) -> None:
    refusal = presented_client(authorization, {})
    assert isinstance(refusal, OAuthError)
    assert (refusal.error, refusal.status) == ("invalid_client", 401)


def test_the_body_s_methods_are_secret_and_none() -> None:
    assert presented_client(None, {"client_id": "rp", "client_secret": "s"}) == Presented(
        "client_secret_post", "rp", "s"
    )
    assert presented_client(None, {"client_id": "rp"}) == Presented("none", "rp")
    assert isinstance(presented_client(None, {"client_secret": "s"}), OAuthError)


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_the_right_secret_by_the_registered_method_is_the_client(method: str) -> None:
    known = client(method)
    assert authenticated(Presented(method, "rp", SECRET), known) is known  # type: ignore[arg-type]


@pytest.mark.parametrize("presented", ["client_secret_basic", "client_secret_post", "none"])
@pytest.mark.parametrize("registered", ["client_secret_basic", "client_secret_post", "none"])
def test_row_30_only_the_registered_method_counts(presented: str, registered: str) -> None:
    secret = None if presented == "none" else SECRET
    outcome = authenticated(Presented(presented, "rp", secret), client(registered))  # type: ignore[arg-type]
    assert isinstance(outcome, Client) == (presented == registered)


@pytest.mark.parametrize("secret", [None, "", " ", SECRET[:-1], SECRET + "x", SECRET.upper(), "gk_", "x" * 5000])
def test_unknown_client_and_wrong_secret_are_one_refusal(secret: str | None) -> None:
    wrong = authenticated(Presented("client_secret_basic", "rp", secret), client())
    unknown = authenticated(Presented("client_secret_basic", "rp", secret), None)
    assert isinstance(wrong, OAuthError)
    assert isinstance(unknown, OAuthError)
    assert wrong == unknown
    assert wrong.parameters() == {"error": "invalid_client", "error_description": "client authentication failed"}


def test_a_confidential_client_without_a_stored_secret_never_authenticates() -> None:
    document = register_metadata({"redirect_uris": ["https://rp.example/cb"]})
    assert isinstance(document, dict)
    empty = client_from(TENANT, "rp", document, secret_hash=None)
    for secret in (None, "", "the secret of no client"):
        assert isinstance(authenticated(Presented("client_secret_basic", "rp", secret), empty), OAuthError)


def test_a_presented_secret_shows_in_no_repr() -> None:
    assert SECRET not in repr(Presented("client_secret_post", "rp", SECRET))


async def test_failed_authentications_are_throttled_and_the_right_secret_never_is(world: World) -> None:
    client = await world.client()
    wrong = RegisteredClient(client.client_id, "gk_wrong", client.metadata)
    answers = [await world.post(path, wrong, token="x") for path in ("/introspect", "/revoke", "/token") * 11]
    assert [answer.status_code for answer in answers[:30]] == [401] * 30
    assert all(answer.json()["error"] == "invalid_client" for answer in answers[:30])
    throttled = [answer for answer in answers[30:] if answer.status_code == 429]
    assert throttled
    for answer in throttled:
        assert answer.json() == {"error": "temporarily_unavailable", "error_description": "too many failed attempts"}
        assert int(answer.headers["retry-after"]) >= 1
        assert answer.headers["cache-control"] == "no-store"
        assert "www-authenticate" not in answer.headers
    assert (await world.post("/revoke", client, token="x")).status_code == 200


async def test_guesses_at_many_clients_are_counted_by_the_network_they_come_from(world: World) -> None:
    forms = [{"client_id": f"c-{number}", "client_secret": "s" * 20, "token": "x"} for number in range(70)]
    statuses = [(await world.post("/introspect", None, form)).status_code for form in forms]
    assert statuses[:60] == [401] * 60
    assert 429 in statuses[60:]
