"""The rounds: every row once per round, in an order that changes, the first round thrown away.

Interleaving lets a machine that slows down slow all rows alike; medians then compare what was measured together.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from load.bench.rows import Row
from load.figures import Cost, Sample, cost_of
from load.machine import pace_us

Measure = Callable[[Row], Awaitable["Taken"]]


@dataclass(frozen=True, slots=True)
class Taken:
    """One measurement of one row, with what was wrong, if anything, in a few sentences."""

    sample: Sample
    faults: Mapping[str, int] = field(default_factory=dict)


@dataclass
class Measured:
    """Everything about one row. `failed` is why there is no measurement."""

    row: Row
    samples: list[Sample] = field(default_factory=list)
    faults: dict[str, int] = field(default_factory=dict)
    failed: str | None = None

    @property
    def cost(self) -> Cost | None:
        return None if self.failed else cost_of(self.samples)

    def take(self, taken: Taken) -> None:
        """One more round."""
        self.samples.append(taken.sample)
        for why, count in taken.faults.items():
            self.faults[why] = self.faults.get(why, 0) + count


class RowFault(Exception):
    """A row cannot be measured; the others can. One sentence."""


async def run_rounds(
    rows: Sequence[Row],
    measure: Measure,
    *,
    rounds: int,
    seed: int,
    before: Callable[[int, int, Row], None],
    warm_up: int = 1,
) -> tuple[list[Measured], list[float]]:
    """Measure all rows `warm_up` + `rounds` times, keep the last `rounds`; also answers the machine's pace by round.

    `before(done, all, row)` is told what comes next.
    """
    measured = {row.name: Measured(row) for row in rows}
    order, chooser = list(rows), random.Random(seed)
    paces: list[float] = []
    for number in range(warm_up + rounds):
        chooser.shuffle(order)
        paces.append(pace_us())
        for place, row in enumerate(order):
            entry = measured[row.name]
            before(number * len(order) + place, (warm_up + rounds) * len(order), row)
            if entry.failed is not None:
                continue
            try:
                taken = await measure(row)
            except RowFault as fault:
                entry.failed = str(fault)
                continue
            if number >= warm_up:
                entry.take(taken)
    return list(measured.values()), paces[warm_up:]
