"""What an operation must cost to be called done, and where it should end up. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from load.figures import Cost

Measure = Literal["per_core_second", "cpu_us", "of_empty"]


@dataclass(frozen=True, slots=True)
class Target:
    """`must` and `goal` in the unit of `measure`: at least so many per busy core second, at most so many microseconds,
    or at least this share of an empty application under the same server in the same run."""

    measure: Measure
    must: float
    goal: float | None = None

    @property
    def text(self) -> str:
        """The must, for the table."""
        if self.measure == "per_core_second":
            return f"≥ {short(self.must)}/s"
        if self.measure == "of_empty":
            return f"≥ {self.must:.2f} of empty"
        return f"≤ {duration(self.must)}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`share` is how much of the must was reached: 1 and more is yes."""

    reached: bool
    share: float

    @property
    def text(self) -> str:
        return f"{'yes' if self.reached else 'no'} ({self.share * 100:.0f} %)"


def judge(target: Target | None, cost: Cost | None, empty: Cost | None) -> Verdict | None:
    """Whether the must was reached; None where there is no target or nothing to compare."""
    if target is None or cost is None or (target.measure == "of_empty" and empty is None):
        return None
    if target.measure == "cpu_us":
        share = target.must / cost.cpu_us
    elif target.measure == "of_empty" and empty is not None:
        share = cost.per_core_second / empty.per_core_second / target.must
    else:
        share = cost.per_core_second / target.must
    return Verdict(share >= 1, share)


def short(number: float) -> str:
    """12345 → 12.3k; three digits that matter."""
    if number >= 1000:
        return f"{number / 1000:.3g}k"
    return f"{number:.3g}"


def duration(microseconds: float) -> str:
    """In the unit a person reads best."""
    if microseconds >= 1000:
        return f"{microseconds / 1000:.3g} ms"
    return f"{microseconds:.3g} µs"
