"""What `gatehouse dev` is about to run: addresses, ports and the settings of each process. Values only."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

from gatehouse.dev.secrets import DevSecrets
from gatehouse.faults import CommandFault, ExitCode

DEFAULT_PORT_BASE = 8000
SERVICES = ("authz", "scim", "sessions")
ROLES = {service: f"gatehouse_{service}" for service in SERVICES}


@dataclass(frozen=True, kw_only=True)
class Ports:
    """One port for each listener."""

    authz: int
    scim: int
    sessions: int
    demo: int
    authz_management: int
    scim_management: int
    sessions_management: int

    @classmethod
    def from_base(cls, base: int) -> Ports:
        """`base` is authz's port and the others lie at fixed distances from it; 0 means any free ports."""
        if base == 0:
            return cls(**dict(zip((f.name for f in fields(cls)), _free_ports(len(fields(cls))), strict=True)))
        return cls(
            authz=base,
            scim=base + 1,
            sessions=base + 2,
            demo=base + 10,
            authz_management=base + 100,
            scim_management=base + 101,
            sessions_management=base + 102,
        )

    def named(self) -> dict[str, int]:
        """Each listener's name for people and its port."""
        return {field.name.replace("_", " "): getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True, kw_only=True)
class Certificates:
    """The files of a TLS run: the authority to trust, the chain to serve and its key."""

    authority: Path
    chain: Path
    key: Path


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One run. `environ` is the caller's environment: its GATEHOUSE_* names are handed to the services."""

    data: Path
    ports: Ports
    certificates: Certificates | None = None
    otel: str = "off"
    demo: bool = True
    environ: Mapping[str, str]

    @property
    def scheme(self) -> str:
        return "https" if self.certificates else "http"

    @property
    def issuer(self) -> str:
        return f"{self.scheme}://localhost:{self.ports.authz}"

    @property
    def scim_base_url(self) -> str:
        return f"{self.scheme}://localhost:{self.ports.scim}/scim/v2"

    @property
    def sessions_base_url(self) -> str:
        return f"{self.scheme}://localhost:{self.ports.sessions}"

    @property
    def demo_url(self) -> str:
        """Another site than the issuer, so that cookies behave as they do in real life."""
        return f"{self.scheme}://127.0.0.1:{self.ports.demo}"

    def management(self, service: str) -> str:
        """The base URL of a service's management listener: plain http, it is for the inside only."""
        return f"http://localhost:{getattr(self.ports, f'{service}_management')}"

    @property
    def logs(self) -> Path:
        return self.data / "logs"


def role_urls(database_url: str, secrets: DevSecrets) -> dict[str, str]:
    """Each service's role and that service's URL of the owner's database."""
    head, _, tail = database_url.partition("://")
    address = tail.rpartition("@")[2]
    return {role: f"{head}://{role}:{secrets.role_passwords[service]}@{address}" for service, role in ROLES.items()}


def shared_environment(plan: Plan, secrets: DevSecrets, redis_url: str) -> dict[str, str]:
    """The settings every service reads."""
    settings = {
        "GATEHOUSE_ENV": "development",
        "GATEHOUSE_REDIS_URL": redis_url,
        "GATEHOUSE_TAG_KEY": secrets.tag_key,
        "GATEHOUSE_ISSUER": plan.issuer,
        "GATEHOUSE_SCIM_BASE_URL": plan.scim_base_url,
        "GATEHOUSE_SESSIONS_BASE_URL": plan.sessions_base_url,
        "GATEHOUSE_OTEL": plan.otel,
    }
    if plan.certificates:
        settings["GATEHOUSE_TLS_CERTFILE"] = str(plan.certificates.chain)
        settings["GATEHOUSE_TLS_KEYFILE"] = str(plan.certificates.key)
    return settings


def service_environment(
    plan: Plan, secrets: DevSecrets, service: str, *, database_url: str, redis_url: str
) -> dict[str, str]:
    """The settings of one service: the caller's own, with what this run decides in place of theirs."""
    upper = service.upper()
    decided = shared_environment(plan, secrets, redis_url) | {
        f"GATEHOUSE_{upper}_DATABASE_URL": role_urls(database_url, secrets)[ROLES[service]],
        f"GATEHOUSE_{upper}_PORT": str(getattr(plan.ports, service)),
        f"GATEHOUSE_{upper}_MANAGEMENT_PORT": str(getattr(plan.ports, f"{service}_management")),
    }
    if service == "authz":
        decided["GATEHOUSE_KEY_ENCRYPTION_KEY"] = secrets.key_encryption_key
    return gatehouse_names(plan.environ) | decided


def demo_environment(plan: Plan, secrets: DevSecrets) -> dict[str, str]:
    """The settings of the demo application (`gatehouse.demo.settings`)."""
    settings = {
        "GATEHOUSE_DEMO_URL": plan.demo_url,
        "GATEHOUSE_DEMO_ISSUER": plan.issuer,
        "GATEHOUSE_DEMO_CLIENT_ID": "web",
        "GATEHOUSE_DEMO_CLIENT_SECRET": secrets.web_secret,
        "GATEHOUSE_DEMO_COOKIE_KEY": secrets.demo_cookie_key,
        "GATEHOUSE_DEMO_OTEL": plan.otel,
    }
    if endpoint := plan.environ.get("GATEHOUSE_OTEL_ENDPOINT"):
        settings["GATEHOUSE_DEMO_OTEL_ENDPOINT"] = endpoint
    if plan.certificates:
        settings["GATEHOUSE_DEMO_CA_FILE"] = str(plan.certificates.authority)
        settings["GATEHOUSE_DEMO_TLS_CERTFILE"] = str(plan.certificates.chain)
        settings["GATEHOUSE_DEMO_TLS_KEYFILE"] = str(plan.certificates.key)
    return settings


def gatehouse_names(environ: Mapping[str, str]) -> dict[str, str]:
    """The caller's settings, without those that are the operator's alone."""
    theirs = ("GATEHOUSE_DATA", "GATEHOUSE_DEV", "GATEHOUSE_TEST_")
    return {k: v for k, v in environ.items() if k.startswith("GATEHOUSE_") and not k.startswith(theirs)}


def plain_environment(plan: Plan) -> dict[str, str]:
    """The caller's environment without any setting of Gatehouse.

    Where Python may not keep its compiled modules beside the sources, it keeps them with the data: compiling them anew
    takes longer than the whole rest of a start.
    """
    plain = {name: value for name, value in plan.environ.items() if not name.startswith("GATEHOUSE_")}
    plain["PYTHONUNBUFFERED"] = "1"
    if plain.pop("PYTHONDONTWRITEBYTECODE", ""):
        plain["PYTHONPYCACHEPREFIX"] = str(bytecode_folder(plan.data))
    return plain


def bytecode_folder(data: Path) -> Path:
    """Where compiled modules are kept when not beside the sources."""
    return data.absolute() / "pycache"


@contextmanager
def bytecode_kept(data: Path) -> Iterator[None]:
    """What is imported inside is compiled once, as in the processes of `plain_environment`."""
    before = sys.dont_write_bytecode, sys.pycache_prefix
    if sys.dont_write_bytecode:
        sys.dont_write_bytecode, sys.pycache_prefix = False, str(bytecode_folder(data))
    try:
        yield
    finally:
        sys.dont_write_bytecode, sys.pycache_prefix = before


def taken_ports(ports: Ports, *, demo: bool) -> list[tuple[str, int]]:
    """The listeners whose port somebody else has on the loopback address."""
    return [(name, port) for name, port in ports.named().items() if (demo or name != "demo") and not _can_listen(port)]


def refuse_taken_ports(plan: Plan) -> None:
    """Raise CommandFault when a port of the plan is somebody else's."""
    taken = taken_ports(plan.ports, demo=plan.demo)
    if taken:
        named = ", ".join(f"{port} ({name})" for name, port in taken)
        raise CommandFault(
            ExitCode.PORT,
            f"Port {named} is taken" if len(taken) == 1 else f"Ports {named} are taken",
            "stop what listens there, or choose others with `--port-base 9000`",
        )


def _can_listen(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen(1)
        except OSError:
            return False
    return True


def _free_ports(count: int) -> list[int]:
    """Distinct ports nobody listens on: held all at once, so that none is given twice."""
    with ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
