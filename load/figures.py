"""The statistics of the bench and of the scenarios. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Sample:
    """One row in one round: `operations` finished, `bad` of them with a wrong answer, and what they cost.

    `cpu_s` is the processor time of the process under test; `postgres_s` and `valkey_s` that of the stores.
    """

    operations: int
    bad: int
    wall_s: float
    cpu_s: float
    postgres_s: float = 0.0
    valkey_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Cost:
    """What one operation costs over all rounds: medians, in microseconds of processor time.

    `spread` is (largest - smallest) / median of the rounds; `per_core_second` how many operations one busy core
    second of the process under test serves; `per_wall_second` how many were served in the time of the clock.
    """

    rounds: int
    operations: int
    bad: int
    cpu_us: float
    spread: float
    postgres_us: float
    valkey_us: float
    per_wall_second: float

    @property
    def per_core_second(self) -> float:
        return 1e6 / self.cpu_us


def cost_of(samples: Sequence[Sample]) -> Cost | None:
    """The cost, or None where a round finished nothing or was too short for the system to account any time."""
    if not samples or any(sample.operations <= 0 or sample.cpu_s <= 0 for sample in samples):
        return None
    each = [sample.cpu_s / sample.operations * 1e6 for sample in samples]
    return Cost(
        rounds=len(samples),
        operations=sum(sample.operations for sample in samples),
        bad=sum(sample.bad for sample in samples),
        cpu_us=median(each),
        spread=spread(each),
        postgres_us=median(sample.postgres_s / sample.operations * 1e6 for sample in samples),
        valkey_us=median(sample.valkey_s / sample.operations * 1e6 for sample in samples),
        per_wall_second=median(sample.operations / sample.wall_s for sample in samples),
    )


def spread(values: Sequence[float]) -> float:
    """(largest - smallest) / median; 0 for a single value."""
    middle = median(values)
    return (max(values) - min(values)) / middle if middle else 0.0


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` (0 to 1) of them do not exceed. Raises ValueError for none."""
    if not values or not 0 <= share <= 1:
        raise ValueError("A percentile needs values and a share from 0 to 1.")
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
