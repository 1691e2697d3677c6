"""What the virtual people write down: one JSON line for each request and for each finished journey."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Literal

import orjson

Result = Literal["ok", "shed", "wrong", "idle"]
"""`shed`: an honest 503 or 429. `wrong`: every other answer that was not the right one. `idle`: nobody was free."""


@dataclass(frozen=True, slots=True)
class Record:
    """`at`: seconds since the load began, at the planned start. `journey`: a whole sign-in; else one request.

    `status` is 0 where no answer came. `waits` says whether a 503 or 429 told how long to wait. `why` is what was
    wrong, without secrets.
    """

    at: float
    name: str
    journey: bool
    result: Result
    status: int
    ms: float
    waits: bool = False
    why: str = ""

    @property
    def done_at(self) -> float:
        """When it was over."""
        return self.at + self.ms / 1000

    def line(self) -> bytes:
        """The record as it is written."""
        return orjson.dumps(self) + b"\n"


def parse(lines: Iterable[bytes]) -> Iterator[Record]:
    """The records of whole lines."""
    for line in lines:
        yield Record(**orjson.loads(line))


class Tail:
    """Follows a file that somebody else writes."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._rest = b""

    def fresh(self) -> list[Record]:
        """What has come since the last look."""
        *lines, self._rest = (self._rest + self._file.read()).split(b"\n")
        return list(parse(line for line in lines if line))
