"""The discovery documents are public where they must be, complete, and true."""

import pytest

from identity_core.testing.spec import spec
from scim.protocol.paging import MAX_COUNT
from tests.scim.directory import BASE, CORE, ENTERPRISE, OIDC, Directory, client_of, is_error


@spec("RFC 7643 §5", "RFC 7644 §4")
async def test_the_configuration_is_told_to_everyone(directory: Directory) -> None:
    async with client_of(directory.app, None) as http:
        reply = await http.get("/ServiceProviderConfig")

    assert reply.headers["content-type"] == "application/scim+json"
    config = reply.json()
    assert config["meta"] == {
        "resourceType": "ServiceProviderConfig",
        "location": f"{BASE}/ServiceProviderConfig",
    }
    supported = {name for name, value in config.items() if isinstance(value, dict) and value.get("supported")}
    assert supported == {"patch", "filter", "changePassword", "etag"}
    assert config["filter"]["maxResults"] == MAX_COUNT
    assert [scheme["type"] for scheme in config["authenticationSchemes"]] == ["oauthbearertoken", "oauth2"]


async def test_a_wrong_credential_is_not_ignored_by_the_configuration(directory: Directory) -> None:
    async with client_of(directory.app, "gm_wrong") as http:
        is_error(await http.get("/ServiceProviderConfig"), 401)


async def test_no_page_is_longer_than_the_configuration_says(directory: Directory) -> None:
    await directory.db.execute(
        "INSERT INTO directory.user_resource (tenant, id, user_name, user_name_key, active, resource, claims) "
        "SELECT $1, gen_random_uuid(), n::text, n::text, true, '{}', '{}' FROM generate_series(1, $2::int) n",
        directory.tenant,
        MAX_COUNT + 1,
    )
    params: dict[str, str | int] = {"count": MAX_COUNT * 2, "attributes": "id"}
    body = (await directory.http.get("/Users", params=params)).json()

    assert (body["itemsPerPage"], body["totalResults"]) == (MAX_COUNT, MAX_COUNT + 1)


@spec("RFC 7643 §6")
async def test_the_resource_types_name_their_schemas(directory: Directory) -> None:
    body = (await directory.http.get("/ResourceTypes")).json()

    assert body["totalResults"] == 1
    user = body["Resources"][0]
    assert (user["id"], user["endpoint"], user["schema"]) == ("User", "/Users", CORE)
    assert [extension["schema"] for extension in user["schemaExtensions"]] == [ENTERPRISE, OIDC]
    assert (await directory.http.get("/ResourceTypes/User")).json() == user
    is_error(await directory.http.get("/ResourceTypes/Group"), 404)


def _keys(value: object) -> set[str]:
    if isinstance(value, dict):
        return set(value) | {key for member in value.values() for key in _keys(member)}
    return {key for member in value for key in _keys(member)} if isinstance(value, list) else set()


@spec("RFC 7643 §7")
async def test_the_schemas_describe_every_attribute_without_nulls(directory: Directory) -> None:
    reply = await directory.http.get("/Schemas")
    body = reply.json()

    assert [schema["id"] for schema in body["Resources"]] == [CORE, ENTERPRISE, OIDC]
    assert "null" not in reply.text
    assert {"multiValued", "caseExact", "subAttributes"} <= _keys(body)
    core = {attribute["name"]: attribute for attribute in body["Resources"][0]["attributes"]}
    assert [name for name, attribute in core.items() if attribute["required"]] == ["userName"]
    assert (core["password"]["mutability"], core["password"]["returned"]) == ("writeOnly", "never")
    assert core["groups"]["mutability"] == "readOnly"
    oidc = [attribute["name"] for attribute in body["Resources"][2]["attributes"]]
    assert oidc == ["emailVerified", "phoneNumberVerified", "gender", "birthdate", "website"]
    for schema in body["Resources"]:
        assert (await directory.http.get(f"/Schemas/{schema['id']}")).json() == schema
    is_error(await directory.http.get("/Schemas/urn:example:None"), 404)


@spec("RFC 7644 §4")
@pytest.mark.parametrize("endpoint", ["/Schemas", "/ResourceTypes"])
async def test_catalogues_need_a_credential_and_take_no_filter(directory: Directory, endpoint: str) -> None:
    is_error(await directory.http.get(endpoint, params={"filter": 'id eq "x"'}), 403)
    async with client_of(directory.app, None) as http:
        is_error(await http.get(endpoint), 401)
