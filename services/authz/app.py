"""The composition root of authz, read from top to bottom: adapters are built here and nowhere else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

from fastapi import FastAPI
from starlette.applications import Starlette

from authz.consumers import credentials_consumer
from authz.http.rendering import render_failure
from authz.http.routes_login import login_routes
from authz.http.routes_token import token_routes, well_known_routes
from authz.http.tenancy import for_every_tenant
from authz.login_ports import LoginResources
from authz.pages.render import PageSet
from authz.purger import Purger
from authz.resources import Resources
from authz.settings import AuthzSettings
from authz.storage.clients import ClientStore
from authz.storage.codes import CodeStore
from authz.storage.consents import ConsentStore
from authz.storage.credentials import CredentialStore
from authz.storage.interactions import InteractionStore
from authz.storage.keys import KeyStore
from authz.storage.logins import LoginStore
from authz.storage.purging import Purges
from authz.storage.subjects import forget
from authz.storage.tenants import DEFAULT_ID, TenantStore
from authz.storage.unit_of_work import TokenUnit
from identity_core import telemetry
from identity_core.clock import Clock, SystemClock
from identity_core.db import create_pool
from identity_core.faults import StartFault
from identity_core.passwords import PasswordHasher
from identity_core.ratelimit import RateLimiter
from identity_core.sealing import Sealer, SealError
from identity_core.session_store import Follower, Revoker, SessionStore
from identity_core.telemetry import Telemetry
from identity_core.web.health import management_app
from identity_core.web.stack import install_handlers, standard_middleware


def create_app(settings: AuthzSettings, *, clock: Clock | None = None) -> FastAPI:
    """The public application. Its stores are opened by its lifespan; `app.state.resources` holds them."""
    time = clock or SystemClock()
    tracing = telemetry.configure(settings, settings.service)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.callback(tracing.shutdown)
            app.state.resources = await _open(settings, time, tracing, stack)
            app.state.login = _login(app.state.resources)
            purger = purger_of(app.state.resources)
            stack.push_async_callback(purger.stop)
            await purger.start()
            yield

    app = FastAPI(
        title="Gatehouse authorization server",
        routes=for_every_tenant([*token_routes(), *login_routes()], well_known_routes()),
        middleware=standard_middleware(settings, render=render_failure),
        telemetry=tracing.for_fastapi(),
        lifespan=lifespan,
        redirect_slashes=False,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    install_handlers(app, render_failure)
    return app


def management_app_for(app: FastAPI) -> Starlette:
    """Health and metrics of `app`, for the inside listener."""

    async def postgres() -> None:
        async with app.state.resources.pool.acquire(timeout=1) as connection:
            await connection.fetchval("SELECT 1")

    async def ledger() -> None:
        await app.state.resources.follower.ready()

    async def keys() -> None:
        await app.state.resources.keys.ring(DEFAULT_ID)

    return management_app({"postgres": postgres, "ledger": ledger, "keys": keys})


def purger_of(resources: Resources) -> Purger:
    """The purger over `resources`, not started."""
    settings = resources.settings
    purges = Purges(
        resources.pool,
        grant_life=timedelta(seconds=settings.refresh_absolute_seconds),
        grant_margin=timedelta(seconds=settings.grant_retention_seconds),
        event_age=timedelta(seconds=settings.event_retention_seconds),
    )
    return Purger(purges, pause_s=settings.purge_seconds)


async def _open(settings: AuthzSettings, clock: Clock, tracing: Telemetry, stack: AsyncExitStack) -> Resources:
    pool = await create_pool(settings.database_url, size=settings.db_pool_size, name="gatehouse-authz")
    stack.push_async_callback(pool.close)
    follower = Follower(settings.redis_url, pool, tag_key=settings.tag_key, lease_seconds=settings.lease_seconds)
    stack.push_async_callback(follower.stop)
    await follower.start()
    hasher = PasswordHasher(settings.hash_threads, settings.hash_queue)
    stack.callback(hasher.close)
    sealer = Sealer.from_setting(settings.key_encryption_key)
    keys = KeyStore(pool, sealer, clock)
    await _check_keys(keys)
    consumer = credentials_consumer(pool, forget)
    await consumer.start()
    stack.push_async_callback(consumer.stop)
    return Resources(
        settings=settings,
        clock=clock,
        pool=pool,
        follower=follower,
        store=SessionStore(follower, tag_key=settings.tag_key, clock=clock),
        revoker=Revoker(follower),
        limiter=RateLimiter(follower, offset_ms=clock.offset_ms),
        hasher=hasher,
        sealer=sealer,
        tenants=TenantStore(pool, settings, clock),
        clients=ClientStore(pool, clock),
        keys=keys,
        codes=CodeStore(follower, clock=clock, lifetime_s=settings.code_seconds),
        tokens=TokenUnit(pool, settings),
        telemetry=tracing,
    )


def _login(resources: Resources) -> LoginResources:
    pool, clock = resources.pool, resources.clock
    lifetime_s = resources.settings.interaction_seconds
    return LoginResources(
        interactions=InteractionStore(resources.follower, clock=clock, lifetime_s=lifetime_s),
        credentials=CredentialStore(pool),
        consents=ConsentStore(pool),
        logins=LoginStore(pool, resources.store, resources.revoker, clock=clock),
        pages=PageSet(),
    )


async def _check_keys(keys: KeyStore) -> None:
    """Better no start than a provider that finds out at the first sign-in that it cannot sign."""
    try:
        await keys.ring(DEFAULT_ID)
    except SealError as error:
        raise StartFault(
            "The signing keys do not open: give GATEHOUSE_KEY_ENCRYPTION_KEY the key they were sealed with."
        ) from error
