"""Nothing on a request path may block the loop or leave it for a thread pool.

A `def` route costs three times an `async def` one (Starlette runs it in a thread), one synchronous dependency
or one BaseHTTPMiddleware the same again.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gatehouse.checks.source import Finding, Source, called, last_name

_VERBS = frozenset(
    {
        "get",
        "post",
        "put",
        "patch",
        "delete",
        "head",
        "options",
        "trace",
        "api_route",
        "route",
        "websocket",
        "websocket_route",
    }
)
_REGISTRARS = {
    "Route": 1,
    "WebSocketRoute": 1,
    "APIRoute": 1,
    "add_api_route": 1,
    "add_route": 1,
    "add_websocket_route": 1,
    "add_api_websocket_route": 1,
}


def sync_routes(source: Source) -> Iterator[Finding]:
    """`def` functions registered as routes, by decorator or by call."""
    functions = _functions(source)
    for node in source.nodes:
        if isinstance(node, ast.FunctionDef) and any(map(_is_route_decorator, node.decorator_list)):
            yield Finding(node.lineno, f"route {node.name} must be async def")
        elif isinstance(node, ast.Call) and called(node) in _REGISTRARS:
            endpoint = _argument(node, _REGISTRARS[called(node)], "endpoint")
            if _is_sync(endpoint, functions):
                yield Finding(node.lineno, f"route {last_name(endpoint) or 'lambda'} must be async def")


def sync_dependencies(source: Source) -> Iterator[Finding]:
    """`Depends(...)` and `Security(...)` of a function of the same module which is not async."""
    functions = _functions(source)
    for node in source.nodes:
        if isinstance(node, ast.Call) and called(node) in {"Depends", "Security"}:
            dependency = _argument(node, 0, "dependency")
            if _is_sync(dependency, functions):
                name = last_name(dependency) or "lambda"
                yield Finding(node.lineno, f"dependency {name} must be async def")


def base_http_middleware(source: Source) -> Iterator[Finding]:
    """Any use of BaseHTTPMiddleware; FastAPI's `@app.middleware("http")` is one in disguise."""
    for node in source.nodes:
        match node:
            case ast.Name(id="BaseHTTPMiddleware") | ast.Attribute(attr="BaseHTTPMiddleware"):
                yield Finding(node.lineno, "write a pure ASGI middleware instead of BaseHTTPMiddleware")
            case ast.ImportFrom(names=names) if any(name.name == "BaseHTTPMiddleware" for name in names):
                yield Finding(node.lineno, "write a pure ASGI middleware instead of BaseHTTPMiddleware")
            case ast.Call(func=ast.Attribute(attr="middleware"), args=[ast.Constant(value="http")]):
                yield Finding(node.lineno, 'write a pure ASGI middleware instead of middleware("http")')
            case _:
                pass


def _functions(source: Source) -> dict[str, ast.FunctionDef | ast.AsyncFunctionDef]:
    return {n.name: n for n in source.nodes if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)}


def _is_route_decorator(decorator: ast.expr) -> bool:
    match decorator:
        case ast.Call(func=ast.Attribute(value=owner, attr=verb)) if verb in _VERBS:
            name = last_name(owner).lower()
            return name.endswith(("app", "router", "routes", "api"))
        case _:
            return False


def _argument(call: ast.Call, position: int, keyword: str) -> ast.expr | None:
    if len(call.args) > position:
        return call.args[position]
    return next((pair.value for pair in call.keywords if pair.arg == keyword), None)


def _is_sync(endpoint: ast.expr | None, functions: dict[str, ast.FunctionDef | ast.AsyncFunctionDef]) -> bool:
    if isinstance(endpoint, ast.Lambda):
        return True
    return isinstance(endpoint, ast.Name) and isinstance(functions.get(endpoint.id), ast.FunctionDef)
