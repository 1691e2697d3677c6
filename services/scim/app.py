"""The composition root of the directory, read from top to bottom: adapters are built here and nowhere else."""

import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from fastapi import FastAPI
from starlette.applications import Starlette

from identity_core import telemetry
from identity_core.bearer import BearerVerifier
from identity_core.clock import Clock, SystemClock
from identity_core.db import Pool, create_pool
from identity_core.passwords import PasswordHasher
from identity_core.ratelimit import RateLimiter
from identity_core.session_store import Follower, Revoker, SessionStore
from identity_core.web.health import management_app
from identity_core.web.stack import install_handlers, standard_middleware
from scim.http.bodies import LIMIT
from scim.http.edge import Edge
from scim.http.openapi import document_maker
from scim.http.rendering import DOCUMENT_PATH, as_scim_error
from scim.http.routes import routes
from scim.periodic import Periodic
from scim.purger import Purger
from scim.settings import ScimSettings
from scim.storage.idempotency import IdempotencyRecords
from scim.storage.purges import Purges
from scim.storage.sources import SourceTokens
from scim.storage.users import UserStore

PURGE_PAUSE_S = 60.0
NOTE_USES_PAUSE_S = 5.0


@dataclass(frozen=True)
class Resources:
    """What the lifespan opened: `app.state.resources`."""

    pool: Pool
    follower: Follower
    sessions: SessionStore
    hasher: PasswordHasher


def create_app(settings: ScimSettings, *, clock: Clock | None = None) -> FastAPI:
    """The public application. Its stores are opened by its lifespan."""
    clock = clock or SystemClock()
    tracing = telemetry.configure(settings, settings.service)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.callback(tracing.shutdown)
            resources = await _open(settings, clock, stack)
            app.state.resources = resources
            sources = SourceTokens(resources.pool)
            app.state.edge = _edge(settings, clock, resources, sources)
            for chore in _chores(settings, resources.pool, sources):
                stack.push_async_callback(chore.stop)
                await chore.start()
            yield

    app = FastAPI(
        title="Gatehouse directory",
        description="Users by SCIM 2.0: provisioned, changed, found and ended.",
        routes=list(routes()),
        middleware=standard_middleware(settings, render=as_scim_error, body_limit=LIMIT),
        telemetry=tracing.for_fastapi(),
        lifespan=lifespan,
        redirect_slashes=False,
        openapi_url=DOCUMENT_PATH,
        docs_url=None,
        redoc_url=None,
    )
    app.openapi = document_maker(app, settings.root)  # type: ignore[method-assign]
    install_handlers(app, as_scim_error)
    return app


def management_app_for(app: FastAPI) -> Starlette:
    """Health and metrics of `app`, for the inside listener."""

    async def postgres() -> None:
        async with app.state.resources.pool.acquire(timeout=1) as connection:
            await connection.fetchval("SELECT 1")

    async def ledger() -> None:
        await app.state.resources.follower.ready()

    return management_app({"postgres": postgres, "ledger": ledger})


async def _open(settings: ScimSettings, clock: Clock, stack: AsyncExitStack) -> Resources:
    pool = await create_pool(settings.database_url, size=settings.db_pool_size, name="gatehouse-scim")
    stack.push_async_callback(pool.close)
    follower = Follower(settings.redis_url, pool, tag_key=settings.tag_key, lease_seconds=settings.lease_seconds)
    stack.push_async_callback(follower.stop)
    await follower.start()
    hasher = PasswordHasher(settings.hash_threads, settings.hash_queue)
    stack.callback(hasher.close)
    sessions = SessionStore(follower, tag_key=settings.tag_key, clock=clock)
    return Resources(pool, follower, sessions, hasher)


def _chores(settings: ScimSettings, pool: Pool, sources: SourceTokens) -> tuple[Periodic, ...]:
    purger = Purger(Purges(pool), event_retention=timedelta(seconds=settings.event_retention_seconds))
    return (
        Periodic("purge", purger.run_once, pause=PURGE_PAUSE_S),
        Periodic("note token uses", sources.note_uses, pause=NOTE_USES_PAUSE_S),
    )


def _edge(settings: ScimSettings, clock: Clock, resources: Resources, sources: SourceTokens) -> Edge:
    pool, follower = resources.pool, resources.follower
    return Edge(
        root=settings.root,
        clock=clock,
        sources=sources,
        bearer=BearerVerifier(pool, resources.sessions, settings.issuer, settings.scim_base_url),
        limiter=RateLimiter(follower, offset_ms=clock.offset_ms),
        hasher=resources.hasher,
        records=IdempotencyRecords(pool),
        stores={"User": UserStore(pool, Revoker(follower))},
        tag_key=settings.tag_key,
        fingerprint_key=hmac.digest(settings.tag_key, b"scim idempotency fingerprint", hashlib.sha256),
    )
