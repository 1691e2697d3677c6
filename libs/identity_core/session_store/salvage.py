"""What Redis knows of the ledger, read back when the database behind it is another one than before."""

import json
from typing import Any

from redis.asyncio import Redis

from identity_core import ids
from identity_core.redis import command
from identity_core.redis_batch import batch
from identity_core.session_store import keys

_PAGE = 1000


async def known_to_redis(redis: Redis) -> str:
    """Every epoch, tombstone and live session in Redis as JSON [{tenant, kind, key, epoch}]; kind `live` for the last.

    Walks all keys, so it is rare work.
    """
    known: dict[tuple[str, str, str], int] = {}
    cursor: bytes | int = 0
    while True:
        cursor, names = await command(redis, "SCAN", cursor, "COUNT", _PAGE)
        for tenant, kind, key, epoch in await _read_page(redis, [name.decode() for name in names]):
            at = (tenant, kind, key)
            known[at] = max(known.get(at, 0), epoch)
        if int(cursor) == 0:
            break
    return json.dumps([{"tenant": t, "kind": kind, "key": key, "epoch": e} for (t, kind, key), e in known.items()])


async def _read_page(redis: Redis, names: list[str]) -> list[tuple[str, str, str, int]]:
    wanted = [(name, parsed) for name in names if (parsed := _parse(name)) is not None]
    if not wanted:
        return []
    replies = await batch(redis, *(_question(name, kind) for name, (_, kind, _) in wanted))
    rows: list[tuple[str, str, str, int]] = []
    for (_, (tenant, kind, key)), reply in zip(wanted, replies, strict=True):
        if kind == "p":
            rows += _epochs(tenant, reply)
        elif kind == "live":
            rows.append((tenant, kind, key, 0))
        elif reply is not None:
            rows.append((tenant, kind, key, int(reply)))
    return rows


def _question(name: str, kind: str) -> tuple[str, str]:
    if kind == "p":
        return ("HGETALL", name)
    return ("EXISTS", name) if kind == "live" else ("GET", name)


def _epochs(tenant: str, reply: Any) -> list[tuple[str, str, str, int]]:
    flat = [part.decode() for part in (reply if isinstance(reply, list) else sum(reply.items(), ()))]
    pairs = zip(flat[::2], flat[1::2], strict=True)
    return [(tenant, "tenant", "", int(e)) if f == "t" else (tenant, "client", f[2:], int(e)) for f, e in pairs]


def _parse(name: str) -> tuple[str, str, str] | None:
    """(tenant, kind, key) of an epoch, tombstone or live session; `p` is a tenant's hash; None for every other key."""
    parts = name.split(":", 3)
    tenant = ids.from_short(parts[0]) if len(parts) >= 3 else None
    if tenant is None:
        return None
    tag, kind = parts[1].strip("{}"), parts[2]
    if kind == "p":
        return str(tenant), "p", ""
    if kind == "e" and len(parts) == 4 and (user := ids.from_short(parts[3])) is not None:
        return str(tenant), "user", str(user)
    if kind == "s" and len(parts) == 4 and (session := ids.from_short(parts[3])) is not None:
        return str(tenant), "live", f"{tag}:{session}"
    if kind == "x" and len(parts) == 4 and parts[3][:1] in keys.KINDS and parts[3][1:2] == ":":
        return str(tenant), keys.KINDS[parts[3][:1]], f"{tag}:{parts[3][2:]}"
    return None
