"""Several calls in one round trip, in order, on one connection; not a transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from identity_core.redis import Argument, Script, command


@dataclass(frozen=True, slots=True)
class ScriptCall:
    """One Lua call: EVALSHA of `script`."""

    script: Script
    keys: Sequence[bytes | str]
    args: Sequence[Argument] = field(default=())

    def words(self) -> tuple[Argument, ...]:
        return ("EVALSHA", self.script.sha, len(self.keys), *self.keys, *self.args)


Call = ScriptCall | tuple[Argument, ...]


async def batch(client: Redis, *calls: Call) -> list[Any]:
    """The replies of `calls`, in order, in one round trip.

    Only NOSCRIPT is mended: the server has done nothing then, so just those calls are sent again. Any other error
    reply is raised; a broken connection or a timeout is an unknown outcome and is raised too.
    """
    replies = await _send(client, calls)
    missing = [i for i, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
    if missing:
        for source in {call.script.source for i in missing if isinstance(call := calls[i], ScriptCall)}:
            await command(client, "SCRIPT LOAD", source)
        for i, reply in zip(missing, await _send(client, [calls[i] for i in missing]), strict=True):
            replies[i] = reply
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    return replies


async def _send(client: Redis, calls: Sequence[Call]) -> list[Any]:
    pipeline = client.pipeline(transaction=False)
    for call in calls:
        pipeline.execute_command(*(call.words() if isinstance(call, ScriptCall) else call))
    replies: list[Any] = await pipeline.execute(raise_on_error=False)
    return replies
