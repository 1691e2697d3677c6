"""A pytest plugin: what was skipped is said last and loudly, and with CI=true it fails the run.

A test that skips itself because a browser or a server is missing looks like one that passed. Here the end of
the run names every skipped test with its reason; on CI, where everything is brought, nothing may skip.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import NamedTuple

import pytest

CI = "CI"


class Skip(NamedTuple):
    """One skipped test or module, and why."""

    where: str
    reason: str


class LoudSkips:
    """Collects skips as they are reported (under xdist: on the controller) and speaks of them at the end."""

    def __init__(self, *, strict: bool, speaks: bool) -> None:
        self.strict = strict
        self.speaks = speaks
        self.skips: list[Skip] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            self.skips.append(Skip(report.nodeid, _reason(report.longrepr)))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self.skips.append(Skip(report.nodeid, _reason(report.longrepr)))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.speaks and self.strict and self.skips and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self.skips:
            return
        terminalreporter.write_sep("!", f"{len(self.skips)} SKIPPED, NOT PROVED", red=True, bold=True)
        for line in summary(self.skips):
            terminalreporter.write_line(line)
        if self.strict:
            terminalreporter.write_line(f"{CI} is set: a skip is a failure", red=True, bold=True)


def summary(skips: Iterable[Skip]) -> list[str]:
    """One line per skip, sorted; a module that skips whole is collected by every worker and named once."""
    return [f"  {skip.where}: {skip.reason}" for skip in sorted(set(skips))]


def _reason(longrepr: object) -> str:
    """pytest gives a skip as (file, line, "Skipped: reason")."""
    text = str(longrepr[2]) if isinstance(longrepr, tuple) else str(longrepr)
    return text.removeprefix("Skipped: ")


def pytest_configure(config: pytest.Config) -> None:
    strict = os.environ.get(CI, "").lower() in {"1", "true"}
    worker = hasattr(config, "workerinput")
    config.pluginmanager.register(LoudSkips(strict=strict, speaks=not worker), "gatehouse-loud-skips")
