"""Who and what a run needs in its house: clients of each token kind, SCIM sources, people with one password."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from authz.storage import clients
from gatehouse.dev.plan import ROLES
from gatehouse.dev.seed_data import DEFAULT_TENANT
from identity_core import secrets
from identity_core.db import create_pool, transaction
from identity_core.passwords import PasswordHasher
from scim.protocol.errors import ScimError
from scim.storage.sources import create_source
from scim.storage.users import create_user

USER_SCHEMA = "urn:ietf:params:scim:schemas:core:2.0:User"
REDIRECT_URI = "http://127.0.0.1:8011/callback"
PASSWORD = "correct horse battery staple"
_CHUNK = 100
_GIVEN = ("Ada", "Grace", "Alan", "Barbara", "Edsger", "Frances", "Donald", "Radia", "Ken", "Margaret")
_FAMILY = ("Lovelace", "Hopper", "Turing", "Liskov", "Dijkstra", "Allen", "Knuth", "Perlman", "Thompson", "Hamilton")

KINDS: Mapping[str, Mapping[str, str]] = {
    "opaque": {"access_token_format": "opaque", "id_token_signed_response_alg": "ES256"},
    "jwt": {"access_token_format": "jwt", "id_token_signed_response_alg": "ES256"},
    "rs256": {"access_token_format": "jwt", "id_token_signed_response_alg": "RS256"},
}


@dataclass(frozen=True, slots=True)
class BenchClient:
    """A confidential client of ours that needs no consent."""

    id: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Population:
    """`people`: (id, user name); all have `PASSWORD`. `sources`: SCIM tokens, each with a rate limit of its own."""

    clients: Mapping[str, BenchClient]
    sources: Sequence[str] = field(repr=False)
    people: Sequence[tuple[UUID, str]]


async def populate(role_urls: Mapping[str, str], tag_key: bytes, *, people: int, sources: int, seed: int) -> Population:
    """Fill the default tenant. Every person has the same password hash, so that making them costs no hashing."""
    made_clients = await _clients(role_urls[ROLES["authz"]])
    hasher = PasswordHasher(threads=1, queue_limit=0)
    try:
        hashed = await hasher.hash(PASSWORD)
    finally:
        hasher.close()
    pool = await create_pool(role_urls[ROLES["scim"]], size=1, name="gatehouse-load")
    try:
        async with transaction(pool) as connection:
            tokens = [(await create_source(connection, DEFAULT_TENANT, f"load-{n}"))[1] for n in range(sources)]
        chooser, made_people = random.Random(seed), list[tuple[UUID, str]]()
        for start in range(0, people, _CHUNK):
            async with transaction(pool) as connection:
                for number in range(start, min(start + _CHUNK, people)):
                    resource = person(number, chooser)
                    stored = await create_user(connection, DEFAULT_TENANT, resource, hashed, tag_key=tag_key)
                    if isinstance(stored, ScimError):
                        raise TypeError(f"the directory refused a person of the bench: {stored.detail}")
                    made_people.append((stored.id, username(number)))
    finally:
        await pool.close()
    return Population(made_clients, tokens, made_people)


async def _clients(url: str) -> dict[str, BenchClient]:
    pool = await create_pool(url, size=1, name="gatehouse-load")
    try:
        async with transaction(pool) as connection:
            return {kind: await _client(connection, kind, more) for kind, more in KINDS.items()}
    finally:
        await pool.close()


async def _client(connection: Any, kind: str, more: Mapping[str, str]) -> BenchClient:
    name, secret = f"bench-{kind}", secrets.client_secret()
    metadata = {
        "client_name": f"Bench ({kind})",
        "redirect_uris": [REDIRECT_URI],
        "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "client_secret_basic",
        "scope": "openid profile email sessions:read",
        **more,
    }
    await clients.register(connection, DEFAULT_TENANT, metadata, client_id=name, secret=secret, first_party=True)
    return BenchClient(name, secret)


def username(number: int) -> str:
    """The user name of the person with this number."""
    return f"person-{number:06d}"


def address(number: int) -> str:
    """A network address of its own for each person, from the range for benchmarks (RFC 2544: 198.18.0.0/15)."""
    return f"198.{18 + (number >> 16 & 1)}.{number >> 8 & 255}.{number & 255}"


def person(number: int, chooser: random.Random) -> dict[str, Any]:
    """An ordinary SCIM user (RFC 7643 §4.1); the same seed makes the same people."""
    given, family = chooser.choice(_GIVEN), chooser.choice(_FAMILY)
    return {
        "schemas": [USER_SCHEMA],
        "userName": username(number),
        "externalId": f"hr-{number:06d}",
        "name": {"formatted": f"{given} {family}", "givenName": given, "familyName": family},
        "displayName": f"{given} {family}",
        "title": "Analyst",
        "preferredLanguage": "en-GB",
        "active": True,
        "emails": [{"value": f"{username(number)}@example.com", "type": "work", "primary": True}],
        "phoneNumbers": [{"value": f"tel:+44-20-7946-{number % 10000:04d}", "type": "work"}],
    }
