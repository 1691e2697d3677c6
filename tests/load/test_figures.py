"""The statistics: what the table and the verdicts are computed with."""

import pytest

from load.figures import Sample, cost_of, percentile, spread


def sample(cpu_s: float, *, operations: int = 100, bad: int = 0) -> Sample:
    return Sample(operations, bad, wall_s=2.0, cpu_s=cpu_s, postgres_s=cpu_s / 2, valkey_s=0.01)


def test_the_cost_is_the_median_of_the_rounds_and_not_their_mean() -> None:
    cost = cost_of([sample(0.010), sample(0.012), sample(0.100)])
    assert cost is not None
    assert cost.cpu_us == pytest.approx(120)
    assert cost.per_core_second == pytest.approx(1e6 / 120)
    assert cost.postgres_us == pytest.approx(60)
    assert cost.valkey_us == pytest.approx(100)
    assert cost.per_wall_second == pytest.approx(50)


def test_bad_answers_are_summed_over_the_rounds() -> None:
    cost = cost_of([sample(0.01, bad=1), sample(0.01, bad=2)])
    assert cost is not None
    assert (cost.bad, cost.operations, cost.rounds) == (3, 200, 2)


def test_the_spread_is_the_range_over_the_median() -> None:
    assert spread([90, 100, 110]) == pytest.approx(0.2)
    assert spread([100]) == 0
    assert spread([0, 0, 0]) == 0


@pytest.mark.parametrize(
    "samples",
    [[], [sample(0.0)], [sample(0.01), sample(0.01, operations=0)]],
    ids=["no round", "no accounted time", "a round without an operation"],
)
def test_there_is_no_cost_where_a_round_measured_nothing(samples: list[Sample]) -> None:
    assert cost_of(samples) is None


@pytest.mark.parametrize(("share", "expected"), [(0, 1), (0.5, 5), (0.51, 6), (0.9, 9), (0.99, 10), (1, 10)])
def test_a_percentile_is_a_value_that_was_measured(share: float, expected: int) -> None:
    assert percentile([10, 9, 8, 7, 6, 5, 4, 3, 2, 1], share) == expected


@pytest.mark.parametrize(("values", "share"), [([], 0.5), ([1], 1.1), ([1], -0.1)])
def test_a_percentile_of_nothing_or_beyond_the_ends_is_refused(values: list[float], share: float) -> None:
    with pytest.raises(ValueError):
        percentile(values, share)
