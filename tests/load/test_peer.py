"""The peer: found or said plainly to be missing, and locked without a registry's name."""

import json
from pathlib import Path

import pytest

from load.bench import peer
from load.bench.peer import FOLDER, PeerMissing, find_node, install


def program(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_the_lock_names_no_registry_and_pins_every_package() -> None:
    lock = json.loads((FOLDER / "package-lock.json").read_text())
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert {"node_modules/oidc-provider", "node_modules/ioredis"} <= set(packages)
    assert not [name for name, package in packages.items() if "resolved" in package]
    assert all(package["integrity"].startswith("sha512-") for package in packages.values())


def test_an_old_node_is_no_node_for_the_peer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "node", "echo v20.20.2")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PeerMissing, match="Node 22 or newer"):
        find_node()


def test_a_node_of_the_machine_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = program(tmp_path / "node", "echo v24.1.0")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_node() == node


def test_an_installation_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = program(tmp_path / "bin" / "node", "echo v24.1.0")
    program(tmp_path / "bin" / "npm", "echo 'npm error code ENOTFOUND' >&2; exit 1")
    (tmp_path / "package-lock.json").write_text("{}")
    monkeypatch.setattr(peer, "FOLDER", tmp_path)
    monkeypatch.setenv("PATH", f"{node.parent}:/usr/bin:/bin")
    with pytest.raises(PeerMissing, match="npm ci in load/peer failed: npm error code ENOTFOUND"):
        install(node)
