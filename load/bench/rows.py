"""The rows of the table, in its order: an explicit list. A row over HTTP makes a job for the generator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Literal

from load.bench.peer import INTROSPECT as PEER_INTROSPECT
from load.bench.peer import JWKS as PEER_JWKS
from load.bench.peer import USERINFO as PEER_USERINFO
from load.bench.peer import Peer
from load.bench.targets import Target
from load.generator.jobs import Job, code_job, login_job, repeat_job
from load.generator.site import Site
from load.generator.wire import request
from load.house import RunningHouse
from load.people import PASSWORD, REDIRECT_URI, USER_SCHEMA, Population, address

Part = Literal["in process", "empty", "authz", "scim", "peer"]
_SCOPE = "openid profile email"
_STAMP = "#STAMP8#"
_PATCH_SCHEMA = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


@dataclass(frozen=True)
class Ground:
    """What the rows over HTTP stand on. `browsers`: Cookie headers of signed-in browsers by whom they belong to."""

    empty_port: int
    house: RunningHouse | None = None
    population: Population | None = None
    peer: Peer | None = None
    browsers: dict[str, list[str]] = field(default_factory=dict)

    @property
    def people(self) -> Population:
        assert self.population is not None
        return self.population

    def site(self, kind: str) -> Site:
        """Our provider as the client of this token kind sees it."""
        assert self.house is not None
        client = self.people.clients[kind]
        authority = f"localhost:{self.house.plan.ports.authz}"
        return Site(authority, client.id, client.secret, REDIRECT_URI, _SCOPE)

    @property
    def peer_site(self) -> Site:
        assert self.peer is not None
        return self.peer.site()

    def port(self, part: Part) -> int:
        """Where a part of the ground listens."""
        if part == "empty":
            return self.empty_port
        if part == "peer":
            assert self.peer is not None
            return self.peer.port
        assert self.house is not None
        port: int = getattr(self.house.plan.ports, part)
        return port


@dataclass(frozen=True)
class Row:
    """One line of the table. `compared`: the peer's row for the same operation. `connections`: None for the run's."""

    name: str
    title: str
    part: Part
    job: Callable[[Ground], Job] | None = None
    target: Target | None = None
    compared: str | None = None
    connections: int | None = None


def _per_second(must: float, goal: float) -> Target:
    return Target("per_core_second", must, goal)


def _milliseconds(must: float, goal: float) -> Target:
    return Target("cpu_us", must * 1000, goal * 1000)


def _client_credentials(kind: str) -> Callable[[Ground], Job]:
    def job(ground: Ground) -> Job:
        asked = ground.site(kind).ask_token({"grant_type": "client_credentials", "scope": "sessions:read"})
        return repeat_job([asked], must_hold='"access_token":', differs=True)

    return job


def _peer_client_credentials(resource: str | None) -> Callable[[Ground], Job]:
    def job(ground: Ground) -> Job:
        fields = {"grant_type": "client_credentials"} | ({"resource": resource} if resource else {})
        asked = ground.peer_site.ask_token(fields)
        # ES256 signatures differ every time, RS256 ones with the token's jti.
        return repeat_job([asked], must_hold='"access_token":', differs=True)

    return job


def _signed_in(walk: str, kind: str, **more: str) -> Callable[[Ground], Job]:
    return lambda ground: code_job(walk, ground.site(kind), ground.browsers["ours"], **more)


def _peer_signed_in(walk: str, **more: str) -> Callable[[Ground], Job]:
    # The peer ends the remembered consent when a code is replayed: its browsers would have to sign in anew.
    return lambda ground: code_job(walk, ground.peer_site, ground.browsers["peer"], **more) | {"replay": False}


def _get(part: Part, path: str, must_hold: str) -> Callable[[Ground], Job]:
    def job(ground: Ground) -> Job:
        return repeat_job([request("GET", path, f"localhost:{ground.port(part)}")], must_hold=must_hold)

    return job


def _login(ground: Ground) -> Job:
    people = [(name, PASSWORD, address(number)) for number, (_, name) in enumerate(ground.people.people)]
    return login_job(ground.site("opaque"), people)


def _scim(method: str, path: str, body: str = "", **expected: str | int) -> Callable[[Ground], Job]:
    """For each connection its own source and its own person, so that neither rate limit nor row lock is in the way."""

    def job(ground: Ground) -> Job:
        people, authority = ground.people, f"localhost:{ground.port('scim')}"
        made = []
        for place, source in enumerate(people.sources):
            person_id, name = people.people[place * 7 % len(people.people)]
            headers = {"Authorization": f"Bearer {source}"}
            if body:
                headers["Content-Type"] = "application/scim+json"
            filled = body.replace("@SOURCE@", f"{place:03d}").encode()
            target = f"/scim/v2{path}".replace("@ID@", str(person_id)).replace("@NAME@", name)
            made.append(request(method, target, authority, headers, filled))
        return repeat_job(made, stamp=_STAMP if body else None, per_connection=True, **expected)  # type: ignore[arg-type]

    return job


_PATCH = f'{{"schemas":["{_PATCH_SCHEMA}"],"Operations":[{{"op":"replace","path":"displayName","value":"{_STAMP}"}}]}}'
_POST = (
    f'{{"schemas":["{USER_SCHEMA}"],"userName":"new-@ROUND@-@SOURCE@-{_STAMP}","active":true,'
    '"name":{"givenName":"Ada","familyName":"Lovelace","formatted":"Ada Lovelace"},"displayName":"Ada Lovelace",'
    f'"emails":[{{"value":"new-{_STAMP}@example.com","type":"work","primary":true}}]}}'
)


def _scim_post(ground: Ground) -> Job:
    # Each preparation counts its people from one again: this keeps the names of different rounds apart.
    body = _POST.replace("@ROUND@", token_hex(4))
    return _scim("POST", "/Users", body, status=201, must_hold='"id":')(ground)


IN_PROCESS: Sequence[Row] = (
    Row("session-create", "session create with limit", "in process", target=Target("cpu_us", 90, 20)),
    Row("session-read", "session read with standing", "in process", target=Target("cpu_us", 70, 12)),
    Row("revoke", "revoke a session: ledger row and confirmation", "in process"),
    Row("totp-verify", "TOTP verify (three steps compared)", "in process"),
    Row("password-hash", "password hash, argon2id 2 × 19 MiB", "in process"),
    Row("es256-sign", "ES256 sign a token", "in process"),
    Row("es256-verify", "ES256 verify a token", "in process"),
    Row("rs256-sign", "RS256 sign a token", "in process"),
    Row("rs256-verify", "RS256 verify a token", "in process"),
    Row("eddsa-sign", "EdDSA sign a token", "in process"),
    Row("eddsa-verify", "EdDSA verify a token", "in process"),
)

OVER_HTTP: Sequence[Row] = (
    Row("empty", "empty application, raw ASGI", "empty", _get("empty", "/", "empty")),
    Row("cc-opaque", "client_credentials, opaque", "authz", _client_credentials("opaque"), _per_second(12e3, 32e3),
        "peer-cc-opaque"),
    Row("cc-jwt", "client_credentials, JWT ES256", "authz", _client_credentials("jwt"), _per_second(8e3, 18e3),
        "peer-cc-jwt"),
    Row("code", "code + PKCE exchange, opaque, ES256 id_token", "authz", _signed_in("code", "opaque"),
        _per_second(2e3, 7e3), "peer-code"),
    Row("code-rs256", "code + PKCE exchange, JWT, RS256 id_token", "authz", _signed_in("code", "rs256"),
        _per_second(1.2e3, 2.4e3)),
    Row("refresh", "refresh with rotation, committed", "authz", _signed_in("refresh", "opaque"),
        _per_second(4e3, 14e3), "peer-refresh"),
    Row("introspect-opaque", "introspection, opaque", "authz", _signed_in("introspect", "opaque", path="/introspect"),
        _per_second(14e3, 38e3), "peer-introspect"),
    Row("introspect-jwt", "introspection, JWT ES256", "authz", _signed_in("introspect", "jwt", path="/introspect"),
        _per_second(6e3, 10e3)),
    Row("userinfo", "userinfo, claims from PostgreSQL", "authz", _signed_in("userinfo", "opaque", path="/userinfo"),
        _per_second(8e3, 45e3), "peer-userinfo"),
    Row("jwks", "JWKS", "authz", _get("authz", "/jwks", '"keys":'), Target("of_empty", 0.85), "peer-jwks"),
    Row("discovery", "discovery", "authz", _get("authz", "/.well-known/openid-configuration", '"issuer":'),
        Target("of_empty", 0.85), "peer-discovery"),
    Row("login", "password login, from authorize to the code", "authz", _login, _per_second(45, 85), connections=8),
    Row("scim-get", "SCIM GET a user", "scim", _scim("GET", "/Users/@ID@", must_hold='"userName":'),
        _milliseconds(0.6, 0.15), connections=16),
    Row("scim-filter", "SCIM filter userName eq", "scim",
        _scim("GET", "/Users?filter=userName%20eq%20%22@NAME@%22", must_hold='"totalResults":1'),
        _milliseconds(0.7, 0.2), connections=16),
    Row("scim-patch", "SCIM PATCH one attribute", "scim",
        _scim("PATCH", "/Users/@ID@", _PATCH, must_hold='"displayName":'), _milliseconds(1.0, 0.35), connections=16),
    Row("scim-post", "SCIM POST a user", "scim", _scim_post, _milliseconds(1.0, 0.35), connections=16),
)  # fmt: skip

PEER: Sequence[Row] = (
    Row("peer-cc-opaque", "client_credentials, opaque", "peer", _peer_client_credentials(None)),
    Row("peer-cc-jwt", "client_credentials, JWT ES256", "peer", _peer_client_credentials("urn:bench:es256")),
    Row("peer-cc-rs256", "client_credentials, JWT RS256", "peer", _peer_client_credentials("urn:bench:rs256")),
    Row("peer-code", "code + PKCE exchange, opaque, ES256 id_token", "peer", _peer_signed_in("code")),
    Row("peer-refresh", "refresh with rotation", "peer", _peer_signed_in("refresh")),
    Row("peer-introspect", "introspection, opaque", "peer", _peer_signed_in("introspect", path=PEER_INTROSPECT)),
    Row("peer-userinfo", "userinfo, claims from memory", "peer", _peer_signed_in("userinfo", path=PEER_USERINFO)),
    Row("peer-jwks", "JWKS", "peer", _get("peer", PEER_JWKS, '"keys":')),
    Row("peer-discovery", "discovery", "peer", _get("peer", "/.well-known/openid-configuration", '"issuer":')),
)

ROWS: Sequence[Row] = (*IN_PROCESS, *OVER_HTTP, *PEER)


def chosen(names: Sequence[str], *, with_peer: bool) -> list[Row]:
    """All rows, or those named and what they are compared with. Raises ValueError for a strange name."""
    known = {row.name: row for row in ROWS}
    if strange := [name for name in names if name not in known]:
        raise ValueError(f"there is no row {strange[0]}; there are {', '.join(known)}")
    wanted = set(names) or set(known)
    wanted |= {known[name].compared or name for name in list(wanted)}
    if any(known[name].part not in ("in process", "peer") for name in wanted):
        wanted.add("empty")
    return [row for row in ROWS if row.name in wanted and (with_peer or row.part != "peer")]
