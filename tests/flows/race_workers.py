"""What each process of a crowd does: sends its share of the requests, all at the same moment."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx

from identity_core.testing.crowd import crowd, wait_for_word


@dataclass(frozen=True)
class Call:
    """One request as it will be sent; `data` is a form, `content` a raw body."""

    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)
    data: dict[str, str] | None = None
    content: str | None = None
    auth: tuple[str, str] | None = None


@dataclass(frozen=True)
class Reply:
    """One answer. `status` is 0 when the connection broke."""

    status: int
    headers: dict[str, str]
    text: str

    def json(self) -> Any:
        """The body, which must be JSON."""
        return json.loads(self.text)


async def all_at_once(
    folder: Path, calls: Sequence[Call], *, processes: int = 5, ca_file: str | None = None
) -> list[Reply]:
    """Send all the calls from several processes at the same moment; the answers, in no order."""
    path = folder / "calls.json"
    path.write_text(json.dumps([asdict(call) for call in calls]))
    answers = await crowd(
        "tests.flows.race_workers:send_share", str(path), str(processes), ca_file or "", processes=processes
    )
    return [Reply(*answer) for answer in answers]


async def send_share(number: int, path: str, processes: str, ca_file: str) -> list[tuple[int, dict[str, str], str]]:
    """Every `processes`-th call, beginning with the `number`-th; connections are open before the word is given."""
    calls = [Call(**given) for given in json.loads(Path(path).read_text())][number :: int(processes)]
    trust = ssl.create_default_context(cafile=ca_file) if ca_file else True
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(verify=trust, trust_env=False, timeout=60, limits=limits) as http:
        origin = httpx.URL(calls[0].url).copy_with(raw_path=b"/no-such-path")
        await asyncio.gather(*(http.get(origin) for _ in calls))
        await wait_for_word()
        return list(await asyncio.gather(*(_sent(http, call) for call in calls)))


async def _sent(http: httpx.AsyncClient, call: Call) -> tuple[int, dict[str, str], str]:
    auth = httpx.BasicAuth(*call.auth) if call.auth else None
    try:
        answer = await http.request(
            call.method, call.url, headers=call.headers, data=call.data, content=call.content, auth=auth
        )
    except httpx.TransportError as error:
        return 0, {}, type(error).__name__
    return answer.status_code, dict(answer.headers), answer.text
