"""The OpenAPI document, made from the routes and the registry of resource types: every address by every method."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from fastapi import FastAPI
from starlette.routing import Route

from scim.http.bodies import MEDIA_TYPES
from scim.http.openapi_schemas import Schema, components, list_of, read_name, ref, written_name
from scim.http.rendering import MEDIA_TYPE
from scim.http.routes import PREFIXES
from scim.resource_types import RESOURCE_TYPES, ResourceType

Operation = dict[str, Any]

_BEARER: Final = "bearer"
_TEXT: Final[Schema] = {"type": "string"}
_CHALLENGE: Final = {"WWW-Authenticate": {"required": True, "schema": _TEXT}}
_RETRY: Final = {"Retry-After": {"required": True, "schema": {"type": "integer", "minimum": 1}}}
_MAY_RETRY: Final = {"Retry-After": {"required": False, "schema": {"type": "integer", "minimum": 1}}}
_ETAG: Final = {"ETag": {"required": True, "schema": _TEXT}}
_LOCATION: Final = {"Location": {"required": True, "schema": _TEXT}}

_ERRORS: Final[dict[int, tuple[str, dict[str, Any]]]] = {
    400: ("The request is not valid", {}),
    401: ("No valid bearer token", _CHALLENGE),
    403: ("The token lacks the scope, or the endpoint cannot be filtered", {}),
    404: ("There is no such resource, or no such tenant for this credential", {}),
    409: ("The name is taken, or the first request with this Idempotency-Key still runs", _MAY_RETRY),
    412: ("The resource has another version", {}),
    413: ("The body, or what would become of it, is too large", {}),
    415: ("The body is not plain SCIM JSON in UTF-8", {}),
    422: ("The Idempotency-Key was used for another request", {}),
    429: ("Too many requests of this credential", _RETRY),
    503: ("A store is away, or too much is asked at once", _RETRY),
}
_ALWAYS: Final = (400, 401, 403, 429, 503)
_BODY: Final = (413, 415)


def document_maker(app: FastAPI, server: str) -> Callable[[], dict[str, Any]]:
    """For `app.openapi`: the document of the SCIM routes of `app`, at the public address `server`; made once."""

    def make() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = {
                "openapi": "3.1.0",
                "info": {"title": app.title, "version": app.version, "description": app.description},
                "servers": [{"url": server}],
                "paths": _paths(route for route in app.routes if isinstance(route, Route)),
                "components": {
                    "schemas": components(RESOURCE_TYPES),
                    "securitySchemes": {_BEARER: _scheme()},
                },
            }
        return app.openapi_schema

    return make


def _scheme() -> dict[str, str]:
    told = "A token of a provisioning source, or an access token for this base URL with the scope scim."
    return {"type": "http", "scheme": "bearer", "description": told}


def _paths(routes: Iterable[Route]) -> dict[str, dict[str, Operation]]:
    """Raises KeyError for a SCIM route that nothing below describes. HEAD is that of each GET (RFC 9110 §9.3.2)."""
    known = dict(_operations())
    paths: dict[str, dict[str, Operation]] = {}
    for route in routes:
        prefix = next((each for each in PREFIXES if route.path.startswith(f"{each}/")), None)
        if prefix is None:
            continue
        for method in sorted((route.methods or set()) - {"HEAD"}):
            operation = known[route.path.removeprefix(prefix), method]
            paths.setdefault(route.path, {})[method.lower()] = _placed(operation, route.path, prefix != PREFIXES[0])
    return paths


def _placed(operation: Operation, path: str, below_tenant: bool) -> Operation:
    """`operation` at its address: what stands in the path, and under a tenant's path an id of its own and 404."""
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    named = [{"name": name, "in": "path", "required": True, "schema": _TEXT | {"minLength": 1}} for name in names]
    placed = operation | {"parameters": named + operation.get("parameters", [])}
    if below_tenant:
        placed["operationId"] = f"{operation['operationId']}_of_tenant"
        placed["responses"] = {**operation["responses"], "404": _refused(404)}
    return placed


def _operations() -> Iterator[tuple[tuple[str, str], Operation]]:
    """Every operation by its path below a prefix and its method."""
    for kind in RESOURCE_TYPES:
        yield from _of_all(kind)
        yield from _of_one(kind)
    everything = list_of(*map(read_name, RESOURCE_TYPES))
    yield ("/.search", "POST"), _search("search_everything", "Search in all resource types", everything)
    told = _operation("read_service_provider_config", "What this provider can do", 200, ref("ServiceProviderConfig"))
    # RFC 7643 §5: a client learns here how to authenticate.
    yield ("/ServiceProviderConfig", "GET"), told | {"security": [{}, {_BEARER: []}]}
    for endpoint, name in (("/Schemas", "Schema"), ("/ResourceTypes", "ResourceType")):
        plural, one = endpoint.removeprefix("/"), name.lower()
        yield (endpoint, "GET"), _operation(f"list_{one}s", f"All {plural}", 200, list_of(name))
        yield (
            (f"{endpoint}/{{id}}", "GET"),
            _operation(f"read_{one}", f"One of {plural}", 200, ref(name), errors=(404,)),
        )


def _of_all(kind: ResourceType) -> Iterator[tuple[tuple[str, str], Operation]]:
    """RFC 7644 §3.3, §3.4.2, §3.4.3."""
    name, listed = kind.name.lower(), list_of(read_name(kind))
    page = [_query("filter", _TEXT), _query("startIndex", {"type": "integer"}), _query("count", {"type": "integer"})]
    listing = _operation(f"search_{name}s", f"Find in {kind.endpoint}", 200, listed, parameters=page + _projection())
    yield (kind.endpoint, "GET"), listing
    yield (
        (f"{kind.endpoint}/.search", "POST"),
        _search(f"search_{name}s_by_post", f"Find in {kind.endpoint} by a SearchRequest", listed),
    )
    created = _operation(
        f"create_{name}",
        f"Make a {kind.name}",
        201,
        ref(read_name(kind)),
        errors=(409, 422, *_BODY),
        parameters=[*_projection(), _header("Idempotency-Key", "Makes a retry of this request harmless for 24 hours.")],
        headers=_LOCATION | _ETAG,
    )
    yield (kind.endpoint, "POST"), created | _body(written_name(kind))


def _of_one(kind: ResourceType) -> Iterator[tuple[tuple[str, str], Operation]]:
    """RFC 7644 §3.4.1, §3.5, §3.6."""
    name, path, answered = kind.name.lower(), f"{kind.endpoint}/{{id}}", ref(read_name(kind))
    guard = _header("If-Match", "The version to change; another one is 412.")
    known = _header("If-None-Match", "The version that the client has; the same is 304.")
    headers = _LOCATION | _ETAG
    read = _operation(
        f"read_{name}",
        f"One {kind.name}",
        200,
        answered,
        errors=(404,),
        parameters=[*_projection(), known],
        headers=headers,
    )
    read["responses"]["304"] = {"description": "The client has this version", "headers": _ETAG}
    yield (path, "GET"), read
    for method, verb, body in (("PUT", "replace", written_name(kind)), ("PATCH", "patch", "PatchOp")):
        changed = _operation(
            f"{verb}_{name}",
            f"{verb.capitalize()} a {kind.name}",
            200,
            answered,
            errors=(404, 409, 412, *_BODY),
            parameters=[*_projection(), guard],
            headers=headers,
        )
        yield (path, method), changed | _body(body)
    yield (
        (path, "DELETE"),
        _operation(f"delete_{name}", f"Delete a {kind.name}", 204, None, errors=(404, 412), parameters=[guard]),
    )


def _search(operation_id: str, summary: str, listed: Schema) -> Operation:
    return _operation(operation_id, summary, 200, listed, errors=_BODY) | _body("SearchRequest")


def _operation(
    operation_id: str,
    summary: str,
    status: int,
    answer: Schema | None,
    *,
    errors: tuple[int, ...] = (),
    parameters: list[Any] | None = None,
    headers: dict[str, Any] | None = None,
) -> Operation:
    """`answer`: what `status` comes with, None for nothing; `errors`: those beyond what every request may meet."""
    good: dict[str, Any] = {"description": "Done", "headers": headers or {}}
    if answer is not None:
        good["content"] = {MEDIA_TYPE: {"schema": answer}}
    refusals = {str(error): _refused(error) for error in sorted({*_ALWAYS, *errors})}
    return {
        "operationId": operation_id,
        "summary": summary,
        "parameters": parameters or [],
        "responses": {str(status): good, **refusals},
        "security": [{_BEARER: []}],
    }


def _refused(status: int) -> dict[str, Any]:
    description, headers = _ERRORS[status]
    return {"description": description, "headers": headers, "content": {MEDIA_TYPE: {"schema": ref("Error")}}}


def _body(name: str) -> dict[str, Any]:
    content = {media_type: {"schema": ref(name)} for media_type in MEDIA_TYPES}
    return {"requestBody": {"required": True, "content": content}}


def _projection() -> list[dict[str, Any]]:
    """RFC 7644 §3.9."""
    return [_query(name, _TEXT) for name in ("attributes", "excludedAttributes")]


def _query(name: str, schema: Schema) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema}


def _header(name: str, description: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": False, "schema": _TEXT, "description": description}
