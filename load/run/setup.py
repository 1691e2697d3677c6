"""A house with people for a scenario: one of our own on throw-away stores, or one that runs already (dev.json)."""

from __future__ import annotations

import asyncio
import os
import random
import time
from base64 import b32encode
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import orjson

from authz.factors.totp import begin_enrollment, secret_of
from authz.storage.credentials import CONFIRM_TOTP
from gatehouse.dev.plan import ROLES
from gatehouse.dev.seed_data import DEFAULT_TENANT
from identity_core.db import create_pool, transaction
from identity_core.passwords import PasswordHasher
from identity_core.sealing import Sealer
from identity_core.settings import is_loopback
from load.browser import Browser, secret_from_text
from load.generator.site import Site
from load.house import RunningHouse, open_house, open_stores
from load.people import PASSWORD, REDIRECT_URI, address, person, populate
from load.processes import Cores
from load.run.brief import Person
from load.run.plan import REST_S

SCOPE = "openid profile email"
_SCIM = "application/scim+json"
_AT_ONCE = 8
_PATIENCE = 50
_ANY_EPOCH = 2**62


class SetupFault(Exception):
    """The scenario cannot begin; one sentence."""


@dataclass(frozen=True)
class Ready:
    """Where the load goes and who makes it."""

    host: str
    port: int
    site: Site
    people: Sequence[Person]
    cookies: Sequence[str]
    about: str


Say = Callable[[str], None]


@asynccontextmanager
async def own_house(people: int, browsers: int, say: Say) -> AsyncIterator[Ready]:
    """Stores, services and people, all gone afterwards. Raises SetupFault, HouseFault, DevServerError."""
    cores = os.cpu_count() or 1
    environ = {
        "GATEHOUSE_LOG_LEVEL": "error",
        "GATEHOUSE_TRUSTED_PROXIES": "127.0.0.0/8",
        "GATEHOUSE_HASH_THREADS": str(cores),
        "GATEHOUSE_HASH_QUEUE": "50",
    }
    # Nothing is pinned: in a storm service, stores and load share the machine as they would share a small one.
    nowhere = Cores(None, None)
    say("starting stores and services")
    async with (
        open_stores(nowhere) as stores,
        open_house(stores, ("authz", "scim"), environ, mfa="required", cores=nowhere) as house,
    ):
        population = await populate(house.role_urls, house.tag_key, people=0, sources=_AT_ONCE, seed=1)
        client = population.clients["opaque"]
        port = house.plan.ports.authz
        site = Site(f"localhost:{port}", client.id, client.secret, REDIRECT_URI, SCOPE)
        say(f"making {people} people through SCIM, with passwords")
        base = f"http://127.0.0.1:{house.plan.ports.scim}/scim/v2"
        made = await _through_scim(base, population.sources, people)
        say("giving them authenticators")
        crowd = await _with_authenticators(house, made)
        say("signing some in beforehand")
        cookies = [await _signed_in("127.0.0.1", port, site, one) for one in crowd[:browsers]]
        versions = stores.versions
        about = f"own house, {versions['postgresql']} PostgreSQL, {versions['valkey']} Valkey, {cores} cores"
        yield Ready("127.0.0.1", port, site, crowd[browsers:], cookies, about)


@asynccontextmanager
async def running_house(dev_json: Path, url: str | None, people: int, browsers: int, say: Say) -> AsyncIterator[Ready]:
    """The house that dev.json describes; the people made there stay. Raises SetupFault."""
    described = _described(dev_json)
    if url is not None and url.rstrip("/") != described["issuer"]:
        raise SetupFault(f"{dev_json} describes {described['issuer']}, not {url}")
    parts = urlsplit(described["issuer"])
    if parts.scheme != "http" or not is_loopback(parts.hostname or "") or parts.port is None:
        raise SetupFault(f"{described['issuer']} is not plain http on loopback, and nothing else is put under load")
    web = described["clients"]["web"]
    site = Site(parts.netloc, web["client_id"], web["client_secret"], web["redirect_uris"][0], SCOPE)
    say(f"making {people} people through SCIM, with passwords")
    run = f"{time.time_ns() // 1_000_000_000:x}"
    made = await _through_scim(described["scim_base_url"], [described["scim"]["token"]], people, f"-{run}")
    say("having them set up authenticators, through the real pages")
    enrolled = [await asyncio.to_thread(_enrolled, "127.0.0.1", parts.port, site, one) for one in made]
    say(f"waiting {REST_S:.0f} s until everybody has a new code")
    await asyncio.sleep(REST_S)
    crowd, cookies = [one for one, _ in enrolled[browsers:]], [cookie for _, cookie in enrolled[:browsers]]
    yield Ready("127.0.0.1", parts.port, site, crowd, cookies, f"the house at {described['issuer']}")


def _described(dev_json: Path) -> dict[str, Any]:
    try:
        described: dict[str, Any] = orjson.loads(dev_json.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        why = type(error).__name__
        raise SetupFault(f"{dev_json} cannot be read ({why}); start a house with `make run`") from error
    return described


@dataclass(frozen=True)
class _Made:
    id: UUID
    username: str
    address: str


async def _through_scim(base: str, tokens: Sequence[str], people: int, suffix: str = "") -> list[_Made]:
    chooser, turns = random.Random(1), asyncio.Semaphore(_AT_ONCE)
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:

        async def make(number: int) -> _Made:
            resource: dict[str, Any] = person(number, chooser) | {"password": PASSWORD}
            resource["userName"] += suffix
            resource.pop("externalId")
            headers = {"Authorization": f"Bearer {tokens[number % len(tokens)]}", "Content-Type": _SCIM}
            async with turns:
                answer = await client.post(f"{base}/Users", content=orjson.dumps(resource), headers=headers)
                for _ in range(_PATIENCE):
                    if answer.status_code not in (429, 503):
                        break
                    await asyncio.sleep(int(answer.headers.get("Retry-After", "1")))
                    answer = await client.post(f"{base}/Users", content=orjson.dumps(resource), headers=headers)
            if answer.status_code != httpx.codes.CREATED:
                raise SetupFault(f"the directory answered {answer.status_code} instead of making a person")
            return _Made(UUID(answer.json()["id"]), resource["userName"], address(number))

        return list(await asyncio.gather(*(make(number) for number in range(people))))


async def _with_authenticators(house: RunningHouse, made: Sequence[_Made]) -> list[Person]:
    """Credentials as enrolling leaves them, written at once; the secrets are known to us alone."""
    sealer = Sealer.from_setting(house.secrets.key_encryption_key)
    rows, crowd = [], []
    for one in made:
        enrollment = begin_enrollment(sealer, DEFAULT_TENANT, one.id)
        secret = secret_of(sealer, DEFAULT_TENANT, one.id, enrollment)
        # The people were made a moment ago: no epoch of theirs lies above this one.
        rows.append((DEFAULT_TENANT, one.id, _ANY_EPOCH, _ANY_EPOCH, enrollment.id, enrollment.sealed, 0))
        crowd.append(_person(one, secret))
    pool = await create_pool(house.role_urls[ROLES["authz"]], size=1, name="gatehouse-load")
    try:
        async with transaction(pool) as connection:
            await connection.executemany(CONFIRM_TOTP, rows)
    finally:
        await pool.close()
    return crowd


def _enrolled(host: str, port: int, site: Site, one: _Made) -> tuple[Person, str]:
    """The person with the authenticator they have set up, and the cookies of the browser they did it in."""
    browser = Browser(host, port, _from(site, one.address))
    browser.sign_in(one.username, PASSWORD)
    if browser.totp_secret is None:
        raise SetupFault("nobody was asked to set up an authenticator: the tenant's policy does not require it")
    return _person(one, browser.totp_secret), browser.jar.header


async def _signed_in(host: str, port: int, site: Site, one: Person) -> str:
    browser = Browser(host, port, _from(site, one.address))
    browser.totp_secret = secret_from_text(one.totp_secret)
    await asyncio.to_thread(browser.sign_in, one.username, one.password)
    return browser.jar.header


def _person(one: _Made, secret: bytes) -> Person:
    return Person(one.username, PASSWORD, b32encode(secret).decode("ascii"), one.address)


def _from(site: Site, where: str) -> Site:
    return replace(site, headers={"X-Forwarded-For": where})


def hash_capacity() -> float:
    """Password hashes a second that all cores together can make."""
    hasher = PasswordHasher(threads=1, queue_limit=0)

    async def three() -> float:
        started = time.process_time()
        for _ in range(3):
            await hasher.hash(PASSWORD)
        return (time.process_time() - started) / 3

    try:
        return (os.cpu_count() or 1) / asyncio.run(three())
    finally:
        hasher.close()
