"""Metadata and keys."""

from typing import Any

import pytest
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from authlib.oidc.discovery import OpenIDProviderMetadata

from authz.http.routes_token import token_routes
from authz.protocol.metadata import ENDPOINTS, provider_metadata
from identity_core import jose
from identity_core.testing.spec import spec
from tests.authz.world import ISSUER, World

DOCUMENT = provider_metadata(
    "https://op.example", grant_types=["authorization_code"], prompts=["none"], acr_values=["urn:x"]
)


@spec("OIDC Discovery §3", "RFC 8414 §2")
def test_authlib_finds_the_metadata_valid() -> None:
    AuthorizationServerMetadata(DOCUMENT).validate()
    OpenIDProviderMetadata(DOCUMENT).validate()


@spec("OIDC Discovery §3", "RFC 9700 §2.1.1", "RFC 9207 §3")
def test_what_is_supported_is_said_and_nothing_else() -> None:
    assert "RS256" in DOCUMENT["id_token_signing_alg_values_supported"]
    assert "none" not in DOCUMENT["request_object_signing_alg_values_supported"]
    assert DOCUMENT["request_parameter_supported"] is False
    assert DOCUMENT["request_uri_parameter_supported"] is False
    assert DOCUMENT["code_challenge_methods_supported"] == ["S256"]
    assert DOCUMENT["authorization_response_iss_parameter_supported"] is True
    assert DOCUMENT["response_types_supported"] == ["code"]
    assert {"openid", "profile", "email", "address", "phone", "offline_access"} <= set(DOCUMENT["scopes_supported"])
    assert {"sub", "email", "auth_time", "acr"} <= set(DOCUMENT["claims_supported"])
    assert len(set(DOCUMENT["claims_supported"])) == len(DOCUMENT["claims_supported"])
    assert not any(value in (None, "", []) for value in DOCUMENT.values())


def test_every_announced_endpoint_of_this_half_has_its_route() -> None:
    paths = {route.path for route in token_routes()}
    assert paths == set(ENDPOINTS.values()) - {"/authorize", "/logout"}


@spec("OIDC Discovery §4.1", "RFC 8414 §3.1")
async def test_the_document_is_at_both_addresses_and_open_to_all(world: World) -> None:
    documents = []
    for path in ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"):
        response = await world.http.get(path)
        assert response.status_code == 200
        assert response.headers["content-type"] == "application/json"
        assert response.headers["cache-control"] == "public, max-age=900"
        assert response.headers["access-control-allow-origin"] == "*"
        documents.append(response.json())
    assert documents[0] == documents[1]
    assert documents[0]["issuer"] == ISSUER
    for name in ENDPOINTS:
        assert documents[0][name].startswith(ISSUER + "/")


async def test_every_announced_endpoint_answers(world: World) -> None:
    for path in ENDPOINTS.values():
        statuses = {(await world.http.get(path)).status_code, (await world.http.post(path)).status_code}
        assert statuses - {404, 405, 500}, path


async def test_the_issuer_never_comes_from_a_header(world: World) -> None:
    headers = {"x-forwarded-host": "evil.example", "forwarded": "host=evil.example"}
    response = await world.http.get("/.well-known/openid-configuration", headers=headers)
    assert response.json()["issuer"] == ISSUER
    evil = await world.http.get("/.well-known/openid-configuration", headers={"host": "evil.example"})
    assert evil.status_code == 400


@spec("RFC 7517 §5", "OIDC Core §10.1")
async def test_the_key_set_holds_public_keys_with_their_own_names(world: World) -> None:
    response = await world.http.get("/jwks")
    assert response.headers["content-type"] == "application/json"
    assert response.headers["access-control-allow-origin"] == "*"
    keys = response.json()["keys"]
    assert {key["alg"] for key in keys} == {"RS256", "ES256", "EdDSA"}
    assert len({key["kid"] for key in keys}) == 3
    for key in keys:
        assert not {"d", "p", "q", "dp", "dq", "qi", "k"} & set(key)
        assert key["use"] == "sig"
    assert len(jose.import_jwks(response.json())) == 3


@spec("RFC 9110 §13.1.2")
async def test_the_key_set_is_cached_by_its_tag(world: World) -> None:
    etag = (await world.http.get("/jwks")).headers["etag"]
    for given in (etag, f"W/{etag}", f'"x", {etag}', "*"):
        response = await world.http.get("/jwks", headers={"if-none-match": given})
        assert (response.status_code, response.content) == (304, b"")
        assert response.headers["etag"] == etag
    assert (await world.http.get("/jwks", headers={"if-none-match": '"x"'})).status_code == 200


@pytest.mark.parametrize("path", ["/jwks", "/.well-known/openid-configuration"])
async def test_unknown_methods_and_paths_are_refused_without_detail(world: World, path: str) -> None:
    response: Any = await world.http.delete(path)
    assert response.status_code == 405
    assert response.headers["content-type"] == "application/problem+json"
    assert (await world.http.get(path + "x")).status_code == 404
