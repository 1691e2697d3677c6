"""What a scenario does and when. Values only."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Kind = Literal["login-storm", "mixed"]

STORM_FACTOR = 10
RISE_S = 5.0
RETURN_S = 5.0
"""How long after a storm the house may take to answer as before."""

DEFAULT_S, FULL_S = 50.0, 600.0
SHORTEST_S = 30.0
REST_S = 32.0
"""A one-time code is good once, and the next comes after 30 seconds: until then a person does not come back."""
_SERVED_AT_MOST = 0.3
"""Of what the machine can hash, what a sign-in's other work and the load itself leave."""
PACING_S = 4.0
"""Each virtual person begins a sign-in this often, unless told to wait longer."""


@dataclass(frozen=True, slots=True)
class Phases:
    """Seconds since the load began. Before `storm` and after `over` there is the base load; between them the storm,
    which has risen at `risen`. Without a storm all are `end`."""

    storm: float
    risen: float
    over: float
    end: float

    def name(self, at: float) -> str:
        """What is going on at this moment."""
        if at < self.storm:
            return "base"
        if at < self.risen:
            return "rising"
        if at < self.over:
            return "storm"
        return "after" if at < self.end else "end"

    @property
    def calm_again(self) -> float:
        """From here on everything must be as before."""
        return min(self.over + RETURN_S, self.end)


@dataclass(frozen=True, slots=True)
class Scenario:
    """`base_users` sign in all the time, `storm_users` at the height; `others` work on sessions they have."""

    kind: Kind
    phases: Phases
    base_users: int
    storm_users: int
    others: int


def storm_phases(duration_s: float) -> Phases:
    """A quarter of the time before, a quarter after (but at least twice what it may take to return)."""
    quiet = max(duration_s * 0.27, 2 * RETURN_S)
    return Phases(storm=quiet, risen=quiet + RISE_S, over=duration_s - quiet, end=duration_s)


def login_storm(duration_s: float, logins_per_second: float) -> Scenario:
    """Ten times `logins_per_second` within five seconds. Raises ValueError when the time is too short for it."""
    if duration_s < SHORTEST_S:
        raise ValueError(f"a storm needs at least {SHORTEST_S:.0f} seconds")
    base = max(1, round(logins_per_second * PACING_S))
    return Scenario("login-storm", storm_phases(duration_s), base, base * STORM_FACTOR, others=20)


def people_needed(scenario: Scenario, hashes_per_second: float) -> int:
    """How many people keep the storm going: those under way, and those who rest after a code."""
    phases = scenario.phases
    served = min(scenario.storm_users / PACING_S, hashes_per_second * _SERVED_AT_MOST)
    return scenario.storm_users + math.ceil(served * min(phases.over - phases.storm, REST_S))


def mixed(duration_s: float, users: int) -> Scenario:
    """A steady mix of everything but sign-ins. Raises ValueError when the time is too short to tell anything."""
    if duration_s < 5:
        raise ValueError("a steady load needs at least 5 seconds")
    return Scenario("mixed", Phases(duration_s, duration_s, duration_s, duration_s), 0, 0, users)
