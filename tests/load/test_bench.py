"""The bench around its measurements: which rows, how many rounds, what the must means, what is reported."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from load.bench.__main__ import USAGE, main
from load.bench.method import Measured, RowFault, Taken, run_rounds
from load.bench.report import document, notes
from load.bench.rows import IN_PROCESS, OVER_HTTP, PEER, ROWS, Row, chosen
from load.bench.targets import Target, judge
from load.figures import Cost, Sample

REPOSITORY = Path(__file__).resolve().parents[2]


def cost(cpu_us: float) -> Cost:
    return Cost(3, 300, 0, cpu_us, 0.05, 0, 0, 100)


def taken(cpu_s: float) -> Taken:
    return Taken(Sample(100, 0, 1.0, cpu_s))


def test_every_row_has_a_name_of_its_own_and_is_compared_with_one_there_is() -> None:
    names = [row.name for row in ROWS]
    assert len(set(names)) == len(names)
    assert {row.compared for row in ROWS if row.compared} <= set(names)
    assert all((row.job is None) == (row.part == "in process") for row in ROWS)


def test_named_rows_bring_what_they_are_compared_with() -> None:
    assert [row.name for row in chosen(["refresh"], with_peer=True)] == ["empty", "refresh", "peer-refresh"]
    assert [row.name for row in chosen(["refresh"], with_peer=False)] == ["empty", "refresh"]
    assert [row.name for row in chosen(["totp-verify"], with_peer=True)] == ["totp-verify"]


def test_without_names_all_rows_are_measured() -> None:
    assert chosen([], with_peer=True) == [*IN_PROCESS, *OVER_HTTP, *PEER]
    assert chosen([], with_peer=False) == [*IN_PROCESS, *OVER_HTTP]


def test_a_strange_name_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(ValueError, match="there is no row fast; there are session-create"):
        chosen(["fast"], with_peer=True)


@pytest.mark.parametrize(
    ("target", "cpu_us", "share"),
    [
        (Target("per_core_second", 10_000), 100, 1.0),
        (Target("per_core_second", 10_000), 200, 0.5),
        (Target("cpu_us", 90), 45, 2.0),
        (Target("cpu_us", 90), 180, 0.5),
        (Target("of_empty", 0.8), 25, 1.0),
        (Target("of_empty", 0.8), 50, 0.5),
    ],
)
def test_a_must_is_reached_from_its_own_measure(target: Target, cpu_us: float, share: float) -> None:
    verdict = judge(target, cost(cpu_us), cost(20))
    assert verdict is not None
    assert verdict.share == pytest.approx(share)
    assert verdict.reached is (share >= 1)


def test_there_is_no_verdict_without_a_target_a_cost_or_what_to_compare_with() -> None:
    assert judge(None, cost(1), cost(1)) is None
    assert judge(Target("cpu_us", 1), None, cost(1)) is None
    assert judge(Target("of_empty", 1), cost(1), None) is None


ROW_A, ROW_B = Row("a", "A", "in process"), Row("b", "B", "in process")


async def test_the_first_round_is_thrown_away_and_rows_are_interleaved() -> None:
    asked: list[str] = []

    async def measure(row: Row) -> Taken:
        asked.append(row.name)
        return taken(len(asked) / 100)

    measured, paces = await run_rounds([ROW_A, ROW_B], measure, rounds=3, seed=1, before=lambda done, total, row: None)
    assert len(asked) == 8
    assert all(sorted(asked[start : start + 2]) == ["a", "b"] for start in range(0, 8, 2))
    assert [len(entry.samples) for entry in measured] == [3, 3]
    assert min(sample.cpu_s for entry in measured for sample in entry.samples) == 0.03
    assert len(paces) == 3


async def test_a_row_that_cannot_be_measured_does_not_stop_the_others() -> None:
    asked: list[str] = []

    async def measure(row: Row) -> Taken:
        asked.append(row.name)
        if row is ROW_A:
            raise RowFault("it is not there")
        return taken(0.01)

    measured, _ = await run_rounds([ROW_A, ROW_B], measure, rounds=2, seed=1, before=lambda done, total, row: None)
    assert asked.count("a") == 1
    assert (measured[0].failed, measured[0].cost) == ("it is not there", None)
    assert len(measured[1].samples) == 2


def test_the_report_says_what_was_not_measured_what_was_wrong_and_what_was_loose() -> None:
    lost = Measured(ROW_A, failed="it is not there")
    loose = Measured(ROW_B, [Sample(100, 1, 1.0, cpu_s) for cpu_s in (0.01, 0.02, 0.03)], {"no token": 3})
    remarks = notes([lost, loose], [1.0, 1.0, 1.0], "npm is not there")
    assert "Not measured: a: it is not there." in remarks
    assert "Bad answers in b: no token (3×)." in remarks
    assert "The peer is not in this table: npm is not there." in remarks
    assert any("differ by more than 15%: b" in remark for remark in remarks)
    report = document([lost, loose], [1.0], {"seed": 1}, remarks)
    assert [row["cost"] is None for row in report["rows"]] == [True, False]
    assert report["rows"][1]["cost"]["bad"] == 3
    assert len(report["rows"][1]["rounds"]) == 3
    assert json.loads(json.dumps(report)) == report


@pytest.mark.slow
def test_the_bench_measures_the_rows_in_process_and_writes_its_report(tmp_path: Path) -> None:
    names = ["session-create", "session-read", "revoke", "totp-verify", "es256-sign", "es256-verify"]
    command = [sys.executable, "-m", "load.bench", "--only", *names, "--seconds", "0.1", "--rounds", "1", "--json"]
    command += ["--out", str(tmp_path)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    [written] = tmp_path.glob("bench-*.json")
    assert json.loads(written.read_text()) == report
    assert [row["name"] for row in report["rows"]] == names
    for row in report["rows"]:
        assert row["failed"] is None
        assert row["cost"]["operations"] > 0
        assert row["cost"]["bad"] == 0
    assert report["about"]["stores"].keys() == {"postgresql", "valkey"}
    assert report["about"]["seed"] == 1


@pytest.mark.parametrize("options", [["--only", "fast"], ["--rounds", "0"], ["--seconds", "0"], ["--connections", "0"]])
def test_bad_options_are_refused_before_anything_starts(
    options: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["load.bench", *options])
    assert main() == USAGE
    assert capsys.readouterr().err.startswith("load.bench: ")
