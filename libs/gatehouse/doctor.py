"""`gatehouse doctor`: the rules by which facts about settings and stores become findings. Rules only.

A finding is `ok`, `warning` (look at it) or `failure` (services cannot work, or not safely). What could not be looked
at is a failure too: silence is not health.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum

from gatehouse.dev.plan import ROLES
from gatehouse.doctor_facts import Moment, PostgresFacts, RedisFacts
from identity_core.settings import ServiceSettings

MIN_POSTGRES = 15
MIN_REDIS, MIN_VALKEY = (7, 0), (7, 2)
MAX_TRANSACTION_S = 5.0
MAX_CLOCK_S, WARN_CLOCK_S = 2.0, 0.5
WARN_KEY_DAYS = 14.0
# Beside its pool a process holds its start check and its listener of events for a while.
EXTRA_CONNECTIONS = 2


class Status(StrEnum):
    """How a finding stands."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True)
class Finding:
    """One line of the report. `mend` is empty when there is nothing to do."""

    check: str
    status: Status
    detail: str
    mend: str = ""

    def document(self) -> dict[str, str]:
        """For `--json`."""
        return asdict(self)


def ok(check: str, detail: str) -> Finding:
    return Finding(check, Status.OK, detail)


def warning(check: str, detail: str, mend: str) -> Finding:
    return Finding(check, Status.WARNING, detail, mend)


def failure(check: str, detail: str, mend: str) -> Finding:
    return Finding(check, Status.FAILURE, detail, mend)


def judge_postgres(facts: PostgresFacts) -> Iterator[Finding]:
    """Version, migrations, roles and wall, longest transaction, clock, keys."""
    if facts.version < MIN_POSTGRES:
        yield failure("postgresql", f"version {facts.version}", f"use version {MIN_POSTGRES} or newer")
    else:
        yield ok("postgresql", f"version {facts.version}")
    yield _migrations(facts)
    yield _wall(facts)
    yield _longest(facts)
    yield _clock("clock of postgresql", facts.moment)
    yield from _keys(facts)


def judge_redis(facts: RedisFacts) -> Iterator[Finding]:
    """Version, eviction, persistence, clock."""
    least = MIN_VALKEY if facts.product == "valkey" else MIN_REDIS
    named = f"{facts.product} {facts.version}"
    if _version(facts.version) < least:
        yield failure("redis", named, f"use {facts.product} {least[0]}.{least[1]} or newer")
    else:
        yield ok("redis", named)
    if facts.policy == "noeviction":
        yield ok("redis eviction", "noeviction")
    else:
        yield failure(
            "redis eviction",
            f"maxmemory-policy is {facts.policy}: sessions and tombstones may vanish",
            "set maxmemory-policy noeviction",
        )
    if facts.append_only:
        yield ok("redis persistence", "append-only file")
    else:
        yield warning(
            "redis persistence",
            "no append-only file: a restart signs everybody out",
            "set appendonly yes and appendfsync everysec",
        )
    yield _clock("clock of redis", facts.moment)


def judge_ledger(postgres: PostgresFacts, redis: RedisFacts) -> Finding:
    """Whether this Redis primary is known to be as fresh as the ledger."""
    check, start = "ledger mark", "start a service; its first check replays the ledger"
    if postgres.ledger_id is None:
        return failure(check, "there is no ledger yet", "run `gatehouse migrate`")
    if not postgres.at_home:
        return warning(check, "the database was restored, cloned or promoted and is not adopted yet", start)
    if not redis.mark:
        return warning(check, "no service has checked this Redis yet", start)
    if redis.mark.get("node") != redis.run_id:
        return warning(check, "Redis was restarted or failed over since the last check", start)
    if redis.mark.get("ledger") != postgres.ledger_id:
        return warning(check, "Redis knows another ledger", start)
    behind = postgres.horizon - int(redis.mark.get("xid", "0"))
    if behind < 0:
        return warning(check, "the mark lies in this database's future: time has gone back", start)
    return ok(check, f"Redis follows the ledger, {behind} transactions behind")


def judge_connections(settings: Mapping[str, ServiceSettings], workers: int, facts: PostgresFacts) -> Finding:
    """All pools of all processes against what PostgreSQL admits."""
    sizes = {name: (each.db_pool_size + EXTRA_CONNECTIONS) * workers for name, each in settings.items()}
    wanted, available = sum(sizes.values()), facts.max_connections - facts.reserved
    detail = f"{wanted} of {available} connections ({workers} worker{'s' if workers > 1 else ''} a service)"
    if wanted > available:
        return failure("connections", detail, "lower GATEHOUSE_DB_POOL_SIZE or the workers, or raise max_connections")
    return ok("connections", detail)


def judge_readiness(service: str, status: int | None, failing: tuple[str, ...] = ()) -> Finding:
    """A service's own /readyz: 200 means its lease holds. None: nothing listens there."""
    check = f"{service} ready"
    if status is None:
        return warning(check, "it does not run here", f"start it with `gatehouse serve {service}`")
    if status == 200:
        return ok(check, "its lease holds and its stores answer")
    what = ", ".join(failing) or f"status {status}"
    return failure(check, f"not ready: {what}", "look into its log")


def _migrations(facts: PostgresFacts) -> Finding:
    found = facts.standing
    if found.missing:
        return failure("migrations", f"behind: {', '.join(sorted(found.missing))}", "run `gatehouse migrate`")
    if found.unknown:
        return warning("migrations", f"newer than this code: {', '.join(sorted(found.unknown))}", "finish the roll-out")
    return ok("migrations", ", ".join(sorted(found.current)))


def _wall(facts: PostgresFacts) -> Finding:
    if missing := set(ROLES.values()) - facts.roles:
        return failure("roles", f"missing: {', '.join(sorted(missing))}", "run `gatehouse migrate`")
    if facts.powerful:
        names = ", ".join(sorted(facts.powerful))
        return failure("roles", f"too powerful: {names}", "take SUPERUSER, CREATEROLE and BYPASSRLS from them")
    if facts.breaches:
        return failure("roles", "; ".join(facts.breaches[:5]), "revoke these grants")
    return ok("roles", "each service writes its own schema only")


def _longest(facts: PostgresFacts) -> Finding:
    longest = facts.longest
    if longest is None:
        return ok("longest transaction", "none runs")
    named = f"{longest.seconds:.1f} s, pid {longest.pid} ({longest.role}, {longest.application})"
    if longest.seconds > MAX_TRANSACTION_S:
        return failure(
            "longest transaction",
            f"{named} holds the ledger's horizon back for all",
            f"end it: SELECT pg_terminate_backend({longest.pid})",
        )
    return ok("longest transaction", named)


def _clock(check: str, moment: Moment) -> Finding:
    offset = moment.offset
    detail = f"{offset:+.2f} s against this host"
    if abs(offset) > MAX_CLOCK_S:
        return failure(check, detail, "synchronise the clocks (NTP)")
    if abs(offset) > WARN_CLOCK_S:
        return warning(check, detail, "synchronise the clocks (NTP)")
    return ok(check, detail)


def _keys(facts: PostgresFacts) -> Iterator[Finding]:
    if facts.standing.missing:
        return
    if not facts.keys:
        yield warning("signing keys", "there are none yet", "start authz once, or run `gatehouse key rotate`")
        return
    ending = [
        key for key in facts.keys if key.days_left is not None and key.days_left < WARN_KEY_DAYS and not key.followed
    ]
    for key in ending:
        yield warning(
            "signing keys",
            f"{key.alg} {key.kid} of {key.tenant} retires in {key.days_left:.0f} days and nothing follows it",
            f"run `gatehouse key rotate --alg {key.alg} --tenant {key.tenant}`",
        )
    if not ending:
        yield ok("signing keys", f"{len(facts.keys)} in service")


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[:2] if part.isdigit())
