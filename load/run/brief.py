"""What the process of the virtual people must know: one JSON file, for its owner's eyes alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import orjson

from gatehouse.dev.secrets import write_private
from load.generator.site import Site
from load.run.plan import Phases, Scenario

VARIABLE = "GATEHOUSE_LOAD_BRIEF"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who signs in with a password and a code. `totp_secret`: base32."""

    username: str
    password: str = field(repr=False)
    totp_secret: str = field(repr=False)
    address: str


@dataclass(frozen=True, slots=True)
class Brief:
    """`cookies`: browsers that are signed in, for whoever works on sessions they have. `records`: where to write."""

    scenario: Scenario
    host: str
    port: int
    site: Site
    people: Sequence[Person]
    cookies: Sequence[str] = field(repr=False)
    records: str

    def write(self, path: Path) -> None:
        """Write the file (mode 0600)."""
        write_private(path, asdict(self))


def read(path: Path) -> Brief:
    """The file's brief."""
    given = orjson.loads(path.read_bytes())
    scenario = given["scenario"]
    return Brief(
        scenario=Scenario(**{**scenario, "phases": Phases(**scenario["phases"])}),
        host=given["host"],
        port=given["port"],
        site=Site(**given["site"]),
        people=[Person(**person) for person in given["people"]],
        cookies=given["cookies"],
        records=given["records"],
    )
