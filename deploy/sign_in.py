"""Sign in to the demo application of a running `make run` as a person would, page by page; say who is signed in.

Knows the pages by the ids of their fields and follows whichever comes: user name and password, setting up an
authenticator or typing its code, consent. With `--keep FILE` the authenticator's key outlives the run, for the next.
Prints one line and exits 0 when the demo shows the person of dev.json; otherwise one sentence and 1.
"""

from __future__ import annotations

import argparse
import json
import os
import ssl
import sys
import time
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
import pyotp

MAX_PAGES = 12


class Failure(Exception):
    """One sentence."""


@dataclass
class Form:
    """A form as a browser would send it: its own values by name, and the names of the fields by id."""

    action: str
    values: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    buttons: dict[str, tuple[str, str]] = field(default_factory=dict)


class Page(HTMLParser):
    """What matters of a page: its forms and the text of elements with an id."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.texts: dict[str, str] = {}
        self._open: list[tuple[str, str]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect forms and their fields."""
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(given.get("action", "")))
        elif tag == "input" and self.forms and "name" in given:
            self.forms[-1].values[given["name"]] = given.get("value", "")
            self.forms[-1].names[given.get("id", "")] = given["name"]
        elif tag == "button" and self.forms:
            self.forms[-1].buttons[given.get("id", "")] = (given.get("name", ""), given.get("value", ""))
        if "id" in given and tag not in {"input", "meta", "link", "img"}:
            self._open.append((tag, given["id"]))

    def handle_endtag(self, tag: str) -> None:
        """Close the innermost element with an id of that tag."""
        if self._open and self._open[-1][0] == tag:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        """Text belongs to the innermost element with an id."""
        if self._open:
            name = self._open[-1][1]
            self.texts[name] = self.texts.get(name, "") + data

    def form_with(self, identifier: str) -> Form | None:
        """The form that holds a field or a button of that id."""
        return next((form for form in self.forms if identifier in form.names or identifier in form.buttons), None)


class Person:
    """Somebody at a browser, with the facts of dev.json and an authenticator."""

    def __init__(self, client: httpx.Client, facts: dict[str, Any], keep: Path | None) -> None:
        self._client = client
        self._facts = facts
        self._keep = keep
        self.pages: list[str] = []
        self.waited = 0.0

    def sign_in(self) -> Page:
        """From the demo's button to the demo's page. Raises Failure."""
        demo = self._facts["demo_url"]
        answer = self._client.get(f"{demo}/login")
        for _ in range(MAX_PAGES):
            if answer.is_error:
                raise Failure(f"{answer.url.copy_with(query=None)} answered {answer.status_code}.")
            page = Page(answer.text)
            if str(answer.url).startswith(demo):
                return page
            answer = self._answer(answer, page)
        raise Failure(f"The sign-in does not end: {' '.join(self.pages)}.")

    def _answer(self, answer: httpx.Response, page: Page) -> httpx.Response:
        user = self._facts["user"]
        if form := page.form_with("password"):
            return self._send(answer, form, "password", username=user["username"], password=user["password"])
        if form := page.form_with("enroll-code"):
            key = "".join(page.texts["enroll-secret"].split())
            if self._keep:
                with os.fdopen(os.open(self._keep, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                    file.write(key)
            code = pyotp.TOTP(key).now()
            return self._send(answer, form, "enrolment", **{form.names["enroll-code"]: code})
        if form := page.form_with("totp-code"):
            return self._send(answer, form, "code", **{form.names["totp-code"]: self._next_code()})
        if form := page.form_with("consent-allow"):
            name, value = form.buttons["consent-allow"]
            return self._send(answer, form, "consent", **{name: value})
        raise Failure(f"{urlsplit(str(answer.url)).path} is a page without a form we know.")

    def _next_code(self) -> str:
        """A code of the time step to come: the one of this step may have been used already."""
        if not self._keep or not self._keep.exists():
            raise Failure("The provider asks for a code, and there is no authenticator: give --keep.")
        totp = pyotp.TOTP(self._keep.read_text().strip())
        since, used = time.monotonic(), self._keep.stat().st_mtime // totp.interval
        while time.time() // totp.interval <= used:
            time.sleep(0.2)
        self.waited = time.monotonic() - since
        self._keep.touch()
        return totp.now()

    def _send(self, answer: httpx.Response, form: Form, name: str, **values: str) -> httpx.Response:
        self.pages.append(name)
        target = urljoin(str(answer.url), form.action)
        parts = urlsplit(str(answer.url))
        headers = {"Origin": f"{parts.scheme}://{parts.netloc}", "Sec-Fetch-Site": "same-origin"}
        sent = self._client.post(target, data=form.values | values, headers=headers)
        if sent.is_error:
            raise Failure(f"The {name} page was refused with {sent.status_code}.")
        if name in self.pages[:-1]:
            raise Failure(f"The {name} page came again: {Page(sent.text).texts.get('form-error', 'no reason given')}")
        return sent


def main() -> int:
    """0 when the demo shows the right person, otherwise 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dev-json", type=Path, default=Path(".gatehouse/dev.json"))
    parser.add_argument("--keep", type=Path, help="a file for the authenticator's key")
    options = parser.parse_args()
    facts = json.loads(options.dev_json.read_bytes())
    try:
        trust = ssl.create_default_context(cafile=facts.get("ca_file"))
        with httpx.Client(follow_redirects=True, timeout=30, trust_env=False, verify=trust) as client:
            person = Person(client, facts, options.keep)
            page = person.sign_in()
        shown = page.texts.get("email", "").strip()
        if shown != facts["user"]["email"]:
            raise Failure(f"The demo shows '{shown}' and not {facts['user']['email']}.")
    except (Failure, httpx.HTTPError) as failure:
        print(f"sign-in: {type(failure).__name__}: {failure}", file=sys.stderr)
        return 1
    waited = f"; {person.waited:.0f} s of it for the next code" if person.waited else ""
    print(f"sign-in as {page.texts['name'].strip()} ({', '.join(person.pages)}{waited})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
