"""The composition root of the session control plane, read from top to bottom: adapters are built here alone."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

from fastapi import FastAPI
from starlette.applications import Starlette

from identity_core import metrics as shared_metrics
from identity_core import telemetry
from identity_core.bearer import BearerVerifier
from identity_core.clock import Clock, SystemClock
from identity_core.db import create_pool
from identity_core.session_store import Follower, Revoker, SessionStore
from identity_core.web.health import management_app
from identity_core.web.stack import install_handlers, standard_middleware
from sessions import metrics
from sessions.http import policy, revocations
from sessions.http import sessions as session_routes
from sessions.http.intake import BODY_LIMIT
from sessions.http.openapi import document_maker, method_not_allowed
from sessions.protocol.cursors import cursor_key
from sessions.resources import Resources
from sessions.settings import SessionsSettings
from sessions.storage.live import LiveSessions
from sessions.storage.reading import PostgresReads
from sessions.storage.sweeps import Sweeps
from sessions.storage.unit_of_work import PostgresWrites
from sessions.sweeper import Sweeper


def create_app(settings: SessionsSettings, *, clock: Clock | None = None) -> FastAPI:
    """The public application. Its stores are opened, and its sweeper started, by its lifespan."""
    clock = clock or SystemClock()
    tracing = telemetry.configure(settings, settings.service)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.callback(tracing.shutdown)
            app.state.resources = resources = await _open(settings, clock, stack)
            sweeper = sweeper_of(resources, clock)
            stack.push_async_callback(sweeper.stop)
            await sweeper.start()
            yield

    app = FastAPI(
        title="Gatehouse sessions",
        description="Lists, ends and revokes sessions, and keeps their policy.",
        middleware=standard_middleware(settings, body_limit=BODY_LIMIT),
        telemetry=tracing.for_fastapi(),
        lifespan=lifespan,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
    )
    for router in (session_routes.router, revocations.router, policy.router):
        app.include_router(router)
    app.openapi = document_maker(app, settings.sessions_base_url)  # type: ignore[method-assign]
    install_handlers(app)
    app.add_exception_handler(405, method_not_allowed)
    return app


def management_app_for(app: FastAPI) -> Starlette:
    """Health and metrics of `app`, for the inside listener."""

    async def postgres() -> None:
        async with app.state.resources.pool.acquire(timeout=1) as connection:
            await connection.fetchval("SELECT 1")

    async def ledger() -> None:
        await app.state.resources.follower.ready()

    def render() -> bytes:
        follower = app.state.resources.follower
        metrics.LEASE_AGE.set(follower.lease_seconds - follower.age_limit)
        return shared_metrics.render()

    return management_app({"postgres": postgres, "ledger": ledger}, render)


def sweeper_of(resources: Resources, clock: Clock) -> Sweeper:
    """The sweeper over `resources`, not started."""
    settings = resources.settings
    return Sweeper(
        Sweeps(resources.pool),
        resources.live,
        resources.revoker,
        clock,
        pause=settings.sweep_seconds,
        ended_retention=timedelta(seconds=settings.ended_retention_seconds),
        event_retention=timedelta(seconds=settings.event_retention_seconds),
    )


async def _open(settings: SessionsSettings, clock: Clock, stack: AsyncExitStack) -> Resources:
    pool = await create_pool(settings.database_url, size=settings.db_pool_size, name="gatehouse-sessions")
    stack.push_async_callback(pool.close)
    follower = Follower(settings.redis_url, pool, tag_key=settings.tag_key, lease_seconds=settings.lease_seconds)
    stack.push_async_callback(follower.stop)
    await follower.start()
    store = SessionStore(follower, tag_key=settings.tag_key, clock=clock)
    return Resources(
        settings=settings,
        pool=pool,
        follower=follower,
        store=store,
        revoker=Revoker(follower),
        bearer=BearerVerifier(pool, store, settings.issuer, settings.sessions_base_url),
        reads=PostgresReads(pool),
        writes=PostgresWrites(pool, tag_key=settings.tag_key),
        live=LiveSessions(follower),
        cursor_key=cursor_key(settings.tag_key),
    )
