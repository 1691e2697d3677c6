"""The commits of the token endpoint and its neighbours: one statement, or one transaction whose last one is the ledger.

`TokenUnit` implements `authz.ports.Tokens`. Nothing else in this half of the service commits.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from authz.ports import FamilyState, Rotation, Subject, TokenEnd
from authz.protocol.decision import EndGrant, NewGrant
from authz.settings import AuthzSettings
from authz.storage import grants, refresh, subjects, tokens
from identity_core.db import Pool, retry_on_stale_plan, transaction
from identity_core.secrets import RefreshToken, pseudonym
from identity_core.session_store import LedgerEntry
from identity_core.telemetry import store_span

# The ledger outlives what it ends by this much, for the clocks' leeway and a slow restore.
_MARGIN = timedelta(days=1)


class TokenUnit:
    """Grants, families and their ends in PostgreSQL; see `authz.ports.Tokens`."""

    def __init__(self, pool: Pool, settings: AuthzSettings) -> None:
        self._pool = pool
        self._tag_key = settings.tag_key
        self._idle = timedelta(seconds=settings.refresh_idle_seconds)
        self._absolute = timedelta(seconds=settings.refresh_absolute_seconds)
        self._grace = timedelta(seconds=settings.refresh_grace_seconds)
        self._access = timedelta(seconds=settings.access_token_seconds)

    async def open_grant(self, new: NewGrant) -> bool:
        with store_span("postgres.open_grant"):
            return await retry_on_stale_plan(
                lambda: grants.open_grant(self._pool, new, idle=self._idle, absolute=self._absolute)
            )

    async def rotate(self, ask: Rotation) -> FamilyState | None:
        with store_span("postgres.rotate_refresh"):
            return await retry_on_stale_plan(
                lambda: refresh.rotate(self._pool, ask, grace=self._grace, idle=self._idle)
            )

    async def family(self, tenant: UUID, token: RefreshToken) -> FamilyState | None:
        with store_span("postgres.read_refresh"):
            return await retry_on_stale_plan(lambda: refresh.family(self._pool, tenant, token, grace=self._grace))

    async def end_grant(self, end: EndGrant) -> Sequence[LedgerEntry]:
        name = pseudonym(self._tag_key, end.tenant, str(end.user_id))
        async with transaction(self._pool) as connection:
            entry = await grants.end_grant(
                connection, end, pseudonym=name, remembered=self._absolute + self._access + _MARGIN
            )
        return (entry,)

    async def end_token(self, end: TokenEnd) -> Sequence[LedgerEntry]:
        name = None if end.user_id is None else pseudonym(self._tag_key, end.tenant, str(end.user_id))
        async with transaction(self._pool) as connection:
            entry = await tokens.end_token(connection, end, pseudonym=name, remembered=self._access + _MARGIN)
        return (entry,)

    async def subject(self, tenant: UUID, user_id: UUID) -> Subject | None:
        with store_span("postgres.read_subject"):
            return await retry_on_stale_plan(lambda: subjects.subject(self._pool, tenant, user_id))
