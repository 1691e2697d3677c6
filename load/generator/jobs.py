"""What the generator can be asked to do: a job is JSON, `walks_of` makes a walk for each of its connections.

    {"walk": "repeat", "requests": [base64…], "status": 200, "must_hold": "…", "differs": false, "stamp": null}
    {"walk": "code" | "refresh" | "userinfo" | "introspect", "site": {…}, "cookies": ["…", one per connection]}
    {"walk": "login", "site": {…}, "people": [[user name, password, address]…]}

Every job has `host`, `port` and `connections`; `"replay": false` leaves out what is to be refused. A repeat's requests
are dealt out: connection i begins at the i-th.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any

from load.generator.site import Site
from load.generator.walks import AfterCode, Code, Login, Refresh, Repeat, Walk
from load.generator.wire import request

Job = dict[str, Any]


def repeat_job(
    requests: Sequence[bytes],
    *,
    status: int = 200,
    must_hold: str = "",
    differs: bool = False,
    stamp: str | None = None,
    per_connection: bool = False,
) -> Job:
    """A job of ready requests. `per_connection`: connection i sends only the i-th of them."""
    return {
        "walk": "repeat",
        "requests": [b64encode(made).decode() for made in requests],
        "status": status,
        "must_hold": must_hold,
        "differs": differs,
        "stamp": stamp,
        "per_connection": per_connection,
    }


def code_job(walk: str, site: Site, cookies: Sequence[str], **more: str) -> Job:
    """A job of signed-in browsers: `code`, `refresh`, `userinfo` (`path`) or `introspect` (`path`)."""
    return {"walk": walk, "site": _site_as_json(site), "cookies": list(cookies), **more}


def login_job(site: Site, people: Sequence[tuple[str, str, str]]) -> Job:
    """A job of sign-ins with user name and password."""
    return {"walk": "login", "site": _site_as_json(site), "people": [list(person) for person in people]}


def walks_of(job: Mapping[str, Any]) -> list[Walk]:
    """The walks of a job's connections. Raises KeyError, ValueError for a job that is none."""
    places = range(int(job["connections"]))
    kind = job["walk"]
    if kind == "repeat":
        return [_repeat(job, place) for place in places]
    site = Site(**job["site"])
    if kind == "login":
        people = [(name, password, address) for name, password, address in job["people"]]
        return [Login(partial(_from_address, site), people[place :: len(places)]) for place in places]
    cookies = job["cookies"]
    codes = [Code(site, cookies[place % len(cookies)]) for place in places]
    if kind == "code":
        return list(codes)
    then = {
        "refresh": lambda tokens: Refresh(site, tokens),
        "userinfo": lambda tokens: _userinfo(site, job["path"], tokens),
        "introspect": lambda tokens: _introspect(site, job["path"], tokens),
    }[kind]
    return [AfterCode(code, then) for code in codes]


def _repeat(job: Mapping[str, Any], place: int) -> Walk:
    requests = [b64decode(made) for made in job["requests"]]
    own = place % len(requests)
    dealt = [requests[own]] if job["per_connection"] else requests[own:] + requests[:own]
    return Repeat(
        dealt,
        status=job["status"],
        must_hold=job["must_hold"].encode(),
        differs=job["differs"],
        stamp=None if job["stamp"] is None else job["stamp"].encode(),
    )


def _userinfo(site: Site, path: str, tokens: Mapping[str, Any]) -> Walk:
    headers = {**site.headers, "Authorization": f"Bearer {tokens['access_token']}"}
    return Repeat([request("GET", path, site.authority, headers)], must_hold=b'"sub":')


def _introspect(site: Site, path: str, tokens: Mapping[str, Any]) -> Walk:
    asked = site.back_channel(path, {"token": tokens["access_token"]})
    return Repeat([asked], must_hold=b'"active":true')


def _from_address(site: Site, address: str) -> Site:
    return replace(site, headers={**site.headers, "X-Forwarded-For": address})


def _site_as_json(site: Site) -> dict[str, Any]:
    return asdict(site)
