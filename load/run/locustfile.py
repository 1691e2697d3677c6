"""The virtual people, for Locust: `python -m locust -f` this file, with the brief named in the environment.

Sign-ins go through the real pages, as a browser without JavaScript would: the authorization request, the page, the
password, the code. Who is told to wait (503 or 429 with Retry-After) waits as long and then begins anew.
`time.sleep` is Locust's own here: it lets the others work.
"""

from __future__ import annotations

import os
import random
import time
from base64 import b32decode
from collections import deque
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from locust import FastHttpUser, LoadTestShape, constant, constant_pacing, events, task

from identity_core import totp
from load.generator.jar import Jar
from load.generator.site import Site, error_of, json_of
from load.generator.wire import Response, request
from load.pages import form_of
from load.run.brief import VARIABLE, Brief, Person, read
from load.run.plan import PACING_S, REST_S
from load.run.records import Record, Result

BRIEF: Brief = read(Path(os.environ[VARIABLE]))
STORM = BRIEF.scenario.kind == "login-storm"
_MOST_STEPS = 12
_SECONDS_AT_MOST = 30.0


class Diary:
    """Writes the records down."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self._file: IO[bytes] = open(BRIEF.records, "ab", buffering=0)  # noqa: SIM115 - open as long as the process

    @property
    def now(self) -> float:
        """Seconds since the load began."""
        return time.monotonic() - self.began

    def write(self, record: Record) -> None:
        self._file.write(record.line())


DIARY = Diary()


def _begin(environment: Any, **_: Any) -> None:
    DIARY.began = time.monotonic()


events.test_start.add_listener(_begin)  # type: ignore[no-untyped-call]


@dataclass
class Crowd:
    """The people who may sign in, each resting after a code."""

    waiting: deque[tuple[float, Person]]

    def take(self) -> Person | None:
        """Whoever has rested longest, or nobody."""
        if not self.waiting or self.waiting[0][0] > time.monotonic():
            return None
        return self.waiting.popleft()[1]

    def give_back(self, person: Person, *, rested: bool) -> None:
        """Somebody who may come again: at once, or after a rest."""
        if rested:
            self.waiting.appendleft((0.0, person))
        else:
            self.waiting.append((time.monotonic() + REST_S, person))


CROWD = Crowd(deque((0.0, person) for person in BRIEF.people))


@dataclass(frozen=True)
class Outcome:
    """How a journey went. `status` is that of the last answer."""

    result: Result
    status: int
    wait_s: float = 0.0
    why: str = ""


class Client(FastHttpUser):
    """One browser or application. Sends requests as `Site` makes them and writes down each answer."""

    abstract = True
    host = f"http://{BRIEF.host}:{BRIEF.port}"
    network_timeout = connection_timeout = _SECONDS_AT_MOST
    insecure = False

    def send(self, name: str, made: bytes, right: tuple[int, ...]) -> tuple[Response, Outcome | None]:
        """The answer; with it the outcome when it is not one of the `right` statuses."""
        head, _, body = made.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ")
        headers = {key: value for key, value in (line.split(": ", 1) for line in lines) if key != "Content-Length"}
        self.client.cookiejar.clear()  # the cookies are in the request: each journey is another browser
        at, started = DIARY.now, time.monotonic()
        with self.client.request(
            method,
            target,
            name=name,
            data=body.decode("ascii") or None,
            headers=headers,
            allow_redirects=False,
            catch_response=True,
        ) as answer:
            names = [
                (str(k).lower().encode("latin-1"), str(v).encode("latin-1")) for k, v in (answer.headers or {}).items()
            ]
            response = Response(answer.status_code or 0, names, answer.content or b"")
            ms = (time.monotonic() - started) * 1000
            outcome = _judged(response, right)
            if outcome is None:
                answer.success()
            else:
                answer.failure(outcome.why)
        result, waits = (outcome.result, outcome.wait_s > 0) if outcome else ("ok", False)
        DIARY.write(Record(at, name, False, result, response.status, ms, waits, outcome.why if outcome else ""))
        return response, outcome

    def journey(self, name: str, at: float, started: float, outcome: Outcome) -> None:
        """Write down a whole journey, and show it in Locust's own tables."""
        ms = (time.monotonic() - started) * 1000
        DIARY.write(Record(at, name, True, outcome.result, outcome.status, ms, outcome.wait_s > 0, outcome.why))
        self.environment.events.request.fire(
            request_type="JOURNEY",
            name=name,
            response_time=ms,
            response_length=0,
            exception=None if outcome.result == "ok" else outcome.why,
            context={},
        )


def _judged(response: Response, right: tuple[int, ...]) -> Outcome | None:
    if response.status in right:
        return None
    if response.status in (429, 503):
        wait = (response.header(b"retry-after") or b"").decode("latin-1")
        wait_s = float(wait) if wait.isdigit() else 0.0
        return Outcome("shed", response.status, wait_s, f"{response.status}, come back in {wait or '?'} s")
    return Outcome("wrong", response.status, why=f"{response.status or 'no answer'}{error_of(response)}")


class SignsIn(Client):
    """A browser nobody is signed in with: somebody signs in, then somebody else."""

    abstract = not STORM
    wait_time = constant_pacing(PACING_S)

    _used_code = False

    def on_start(self) -> None:
        time.sleep(random.uniform(0, PACING_S if DIARY.now < 1 else 1.0))

    @task
    def sign_in(self) -> None:
        person = CROWD.take()
        if person is None:
            DIARY.write(Record(DIARY.now, "login", True, "idle", 0, 0.0))
            return
        at, started = DIARY.now, time.monotonic()
        self._used_code = False
        try:
            outcome = self._walk(person)
        finally:  # also when the storm ends and this browser with it
            CROWD.give_back(person, rested=not self._used_code)
        self.journey("login", at, started, outcome)
        if outcome.result == "shed":
            time.sleep(outcome.wait_s + random.uniform(0, 1))

    def _walk(self, person: Person) -> Outcome:
        site = replace(BRIEF.site, headers={"X-Forwarded-For": person.address})
        jar = Jar()
        made, name, status = site.authorize(jar), "authorize", 0
        for _ in range(_MOST_STEPS):
            response, outcome = self.send(name, made, (200, 302, 303))
            if outcome is not None:
                return outcome
            jar.take(response)
            status = response.status
            if site.code_of(response) is not None:
                if not self._used_code:
                    return Outcome("wrong", status, why="an authorization code without password and one-time code")
                return Outcome("ok", status)
            if (path := site.path_of(response)) is not None:
                made, name = site.get(path, jar), f"page {path.partition('?')[0]}"
                continue
            form = form_of(response.body.decode("utf-8", "replace"))
            if form is None:
                break
            if self._used_code or (name == "password" and "password" in form.names):
                refused = "code" if self._used_code else "password"
                return Outcome("wrong", status, why=f"the right {refused} was refused")
            if "password" in form.names:
                fields, name = {"username": person.username, "password": person.password}, "password"
            elif "code" in form.names:
                code = totp.code_at(b32decode(person.totp_secret), totp.step_at(time.time()))
                fields, name, self._used_code = {"code": code}, "code", True
            else:
                break
            made = site.submit(form.action, {**form.hidden, **fields}, jar)
        return Outcome("wrong", status, why="the sign-in led nowhere")


class HasSession(Client):
    """Somebody who is signed in already, and the application they use."""

    abstract = True

    def on_start(self) -> None:
        self._site: Site = BRIEF.site
        self._jar = Jar(random.choice(BRIEF.cookies))
        self._tokens: dict[str, Any] = {}
        time.sleep(random.uniform(0, 1))

    def exchange(self) -> None:
        """A code and its exchange; the tokens are kept."""
        response, outcome = self.send("authorize with a session", self._site.authorize(self._jar), (302, 303))
        code = self._site.code_of(response)
        if outcome is None and code is not None:
            response, outcome = self.send("token: code", self._site.exchange(code), (200,))
            self._keep(response, outcome)

    def refresh(self) -> None:
        """A rotation; the tokens are kept. A lost session shows here as 400."""
        if not self._tokens:
            self.exchange()
            return
        response, outcome = self.send("token: refresh", self._site.refresh(self._tokens["refresh_token"]), (200,))
        self._keep(response, outcome)

    def introspect(self) -> None:
        """Our own access token must be active."""
        asked = self._site.back_channel("/introspect", {"token": self._tokens["access_token"]})
        response, outcome = self.send("introspect", asked, (200,))
        if outcome is None and b'"active":true' not in response.body:
            DIARY.write(Record(DIARY.now, "introspect", False, "wrong", 200, 0, why="a live token is not active"))

    def userinfo(self) -> None:
        """The person's claims."""
        headers = {**self._site.headers, "Authorization": f"Bearer {self._tokens['access_token']}"}
        self.send("userinfo", request("GET", "/userinfo", self._site.authority, headers), (200,))

    def client_credentials(self) -> None:
        """The application for itself."""
        self.send("token: client_credentials", self._site.ask_token({"grant_type": "client_credentials"}), (200,))

    def _keep(self, response: Response, outcome: Outcome | None) -> None:
        if outcome is None:
            self._tokens = json_of(response) or {}


class Refreshes(HasSession):
    """Keeps a session going through the storm."""

    abstract = not STORM
    fixed_count = BRIEF.scenario.others
    wait_time = constant_pacing(1)

    @task
    def go_on(self) -> None:
        self.refresh()


class Mixes(HasSession):
    """70 introspections, 15 userinfo, 5 client_credentials, 5 codes and 5 refreshes of a hundred."""

    abstract = STORM
    fixed_count = BRIEF.scenario.others
    wait_time = constant(0.05)

    @task
    def anything(self) -> None:
        if not self._tokens:
            self.exchange()
            return
        works = (self.introspect, self.userinfo, self.client_credentials, self.exchange, self.refresh)
        random.choices(works, weights=(70, 15, 5, 5, 5))[0]()


class Shape(LoadTestShape):
    """How many there are at each moment."""

    def tick(self) -> tuple[int, float] | None:
        plan, phases, now = BRIEF.scenario, BRIEF.scenario.phases, DIARY.now
        if now >= phases.end:
            return None
        if phases.storm <= now < phases.over:
            rise = max(1.0, phases.risen - phases.storm)
            return plan.others + plan.storm_users, (plan.storm_users - plan.base_users) / rise
        return plan.others + plan.base_users, float(max(plan.others + plan.base_users, plan.storm_users, 1))
