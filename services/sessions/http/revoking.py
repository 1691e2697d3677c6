"""From the commit to "true everywhere" (revocation rule 5), measured."""

from collections.abc import Sequence
from time import perf_counter

from identity_core.session_store import LedgerEntry
from sessions import metrics
from sessions.resources import Resources


async def confirm(resources: Resources, kind: str, entries: Sequence[LedgerEntry]) -> None:
    """Return once nobody accepts what the committed `entries` ended."""
    metrics.REVOCATIONS.labels(kind).inc()
    started = perf_counter()
    await resources.revoker.confirm(entries)
    metrics.CONFIRM.observe(perf_counter() - started)
