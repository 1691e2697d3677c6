"""`python -m load.run SCENARIO`: `login-storm` or `mixed`. Ends with 0 when the verdict is good, with 1 when not."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from gatehouse.dev.devservers import DevServerError
from gatehouse.faults import CommandFault
from load.browser import SignInFault
from load.house import HouseFault
from load.machine import REPOSITORY
from load.run.plan import DEFAULT_S, FULL_S, Scenario, login_storm, mixed, people_needed
from load.run.scenario import LoadFault, run
from load.run.setup import SetupFault, hash_capacity, own_house, running_house

PASSED, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
BROWSERS = 20
MIXED_USERS = 32
MIXED_S = 30.0
# A sign-in costs about twice its hash, and the load runs on the same machine: ten times this is more than there is.
SHARE_OF_CAPACITY = 0.05
RATE_ELSEWHERE = 1.0


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = argparse.ArgumentParser(prog="python -m load.run", description="A house under a load that changes.")
    made.add_argument("scenario", choices=["login-storm", "mixed"])
    made.add_argument("--duration", type=float, metavar="S", help="seconds of load (FULL=1 in the environment: 600)")
    made.add_argument("--rate", type=float, metavar="N", help="sign-ins a second before the storm (default: a "
                      "twentieth of what the machine can hash; 1 in another house)")  # fmt: skip
    made.add_argument("--users", type=int, default=MIXED_USERS, help="of the mix (default 32)")
    made.add_argument("--people", type=int, help="who may sign in (default: as many as the storm needs)")
    made.add_argument("--url", help="put the house with this issuer under load, on loopback")
    made.add_argument("--dev-json", type=Path, help="its description (default .gatehouse/dev.json with --url)")
    return made


def scenario_of(options: argparse.Namespace) -> tuple[Scenario, int]:
    """What was asked for, and how many people it takes. Raises ValueError."""
    full = os.environ.get("FULL") == "1"
    if options.scenario == "mixed":
        return mixed(options.duration or (FULL_S if full else MIXED_S), options.users), 0
    capacity = hash_capacity()
    rate = options.rate or (capacity * SHARE_OF_CAPACITY if _ours(options) else RATE_ELSEWHERE)
    scenario = login_storm(options.duration or (FULL_S if full else DEFAULT_S), rate)
    return scenario, options.people or people_needed(scenario, capacity)


def _ours(options: argparse.Namespace) -> bool:
    """Whether the house is one of our own."""
    return options.url is None and options.dev_json is None


async def load(options: argparse.Namespace, scenario: Scenario, people: int, console: Console) -> int:
    """Set up, run and judge; answers the exit code."""

    def say(what: str) -> None:
        console.print(f"[dim]{what} …[/]")

    if _ours(options):
        house = own_house(people + BROWSERS, BROWSERS, say)
    else:
        dev_json = options.dev_json or REPOSITORY / ".gatehouse" / "dev.json"
        house = running_house(dev_json, options.url, people + BROWSERS, BROWSERS, say)
    async with house as ready:
        if scenario.kind == "login-storm":
            say(f"{scenario.base_users} browsers, {scenario.storm_users} in the storm, {scenario.others} refreshing")
        verdict, path = await run(scenario, ready, console, datetime.now(UTC))
    console.print(f"Report: {path.relative_to(REPOSITORY)}")
    return PASSED if verdict.passed else FAILED


def main() -> int:
    """The command; answers its exit code."""
    options = parser().parse_args()
    console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    try:
        scenario, people = scenario_of(options)
    except ValueError as fault:
        print(f"load.run: {fault}", file=sys.stderr)
        return USAGE
    try:
        return asyncio.run(load(options, scenario, people, console))
    except (SetupFault, LoadFault, HouseFault, SignInFault, DevServerError, CommandFault) as fault:
        print(f"load.run: {fault}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    raise SystemExit(main())
