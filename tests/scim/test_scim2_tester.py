"""A judge that is not ours: scim2-tester walks the discovery documents and tries every attribute they name."""

import asyncio
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

import pytest
from scim2_client.engines.wsgi import WSGISCIMClient
from scim2_tester import Status, check_server

from tests.scim.directory import BASE, Directory

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def _bridge(directory: Directory, loop: asyncio.AbstractEventLoop) -> Wsgi:
    """The judge is synchronous and runs in a thread; its requests run in the loop of the application."""

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"].encode("latin-1").decode()
        headers = {"Content-Type": environ["CONTENT_TYPE"]} if environ.get("CONTENT_TYPE") else {}
        request = directory.http.request(
            environ["REQUEST_METHOD"],
            f"{path.removeprefix('/scim/v2')}?{environ['QUERY_STRING']}",
            content=environ["wsgi.input"].read(),
            headers=headers,
        )
        reply = asyncio.run_coroutine_threadsafe(request, loop).result(30)
        start_response(
            f"{reply.status_code} {HTTPStatus(reply.status_code).phrase}",
            [(name, value) for name, value in reply.headers.items() if name != "content-length"],
        )
        return [reply.content]

    return application


@pytest.mark.slow
async def test_scim2_tester_finds_nothing_wrong(directory: Directory) -> None:
    application = _bridge(directory, asyncio.get_running_loop())
    client = WSGISCIMClient(application, base_url=BASE)

    results = await asyncio.to_thread(check_server, client)

    assert len(results) > 90
    assert [f"{result.title}: {result.reason}" for result in results if result.status is not Status.SUCCESS] == []
