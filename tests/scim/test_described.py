"""The OpenAPI document names every address with every method, and what is answered there."""

from typing import Any

from fastapi import FastAPI
from starlette.routing import Route

from scim.http.routes import routes
from scim.resource_types import RESOURCE_TYPES
from tests.scim.directory import ENTERPRISE, ROOT, client_of

SCIM = "application/scim+json"


async def _document(app: FastAPI) -> dict[str, Any]:
    async with client_of(app, None, ROOT) as http:
        reply = await http.get("/openapi.json")
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "application/json"
    document: dict[str, Any] = reply.json()
    return document


def _operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [operation for by_method in document["paths"].values() for operation in by_method.values()]


async def test_every_route_is_described_by_every_method(scim_app: FastAPI) -> None:
    document = await _document(scim_app)

    described = {(path, method.upper()) for path, by_method in document["paths"].items() for method in by_method}
    there = {(route.path, method) for route in routes() for method in (route.methods or set()) - {"HEAD"}}
    served = {
        route.path
        for route in scim_app.routes
        if isinstance(route, Route) and route.path not in ("/openapi.json", "/docs", "/redoc")
    }
    assert described == there
    assert {path for path, _ in described} == served
    assert document["servers"] == [{"url": ROOT}]


async def test_every_operation_says_who_may_ask_and_how_it_is_refused(scim_app: FastAPI) -> None:
    document = await _document(scim_app)

    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    for path, by_method in document["paths"].items():
        for operation in by_method.values():
            public = path.endswith("/ServiceProviderConfig")
            assert operation["security"] == ([{}, {"bearer": []}] if public else [{"bearer": []}])
            statuses = set(operation["responses"])
            assert {"400", "401", "403", "429", "503"} <= statuses
            assert ("404" in statuses) == ("{" in path), path
            for status, response in operation["responses"].items():
                if status >= "400":
                    assert response["content"] == {SCIM: {"schema": {"$ref": "#/components/schemas/Error"}}}
                elif status not in ("204", "304"):
                    assert set(response["content"]) == {SCIM}
            assert ("415" in statuses) == ("requestBody" in operation)
            assert set(operation.get("requestBody", {"content": {SCIM: {}}})["content"]) >= {SCIM}
    names = [operation["operationId"] for operation in _operations(document)]
    assert len(names) == len(set(names))


async def test_resources_are_described_as_the_registry_has_them(scim_app: FastAPI) -> None:
    schemas = (await _document(scim_app))["components"]["schemas"]

    for kind in RESOURCE_TYPES:
        attributes = kind.schema.attributes.values()
        read, written = schemas[kind.name], schemas[f"{kind.name}Written"]
        readable = {each.name for each in attributes if not each.write_only}
        writable = {each.name for each in attributes if not each.read_only} | {"schemas"}
        extensions = {extension.urn for extension in kind.schema.extensions.values()}
        assert set(read["properties"]) == readable | extensions
        assert set(written["properties"]) == writable | extensions
    assert set(schemas["User"]["required"]) == {"schemas", "id"}
    assert schemas["UserWritten"]["required"] == ["userName"]
    assert "password" not in schemas["User"]["properties"]
    assert schemas["UserWritten"]["properties"]["password"]["writeOnly"] is True
    manager = schemas["User"]["properties"][ENTERPRISE]["properties"]["manager"]
    assert manager["properties"]["value"] == {"type": "string"}


async def test_every_reference_of_the_document_leads_somewhere(scim_app: FastAPI) -> None:
    document = await _document(scim_app)

    def references(value: Any) -> set[str]:
        if isinstance(value, dict):
            own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
            return own.union(*map(references, value.values()))
        return set().union(*map(references, value)) if isinstance(value, list) else set()

    found = references(document)
    assert found
    assert found == {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}


async def test_the_document_is_no_resource_and_refuses_as_a_problem(scim_app: FastAPI) -> None:
    async with client_of(scim_app, None, ROOT) as http:
        reply = await http.delete("/openapi.json")

    assert reply.status_code == 405
    assert reply.headers["content-type"] == "application/problem+json"
    assert "GET" in reply.headers["allow"]
