"""What one connection does over and over: state machines that make requests and judge the answers.

A walk asks nothing of the clock or the network. `take` says what an answer means: MORE (the operation goes on), DONE
(one more operation is finished), or `Wrong`, in words that hold no token, code or secret.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import cycle
from typing import Any, Final, Protocol

from load.generator.jar import Jar
from load.generator.site import Site, error_of, json_of
from load.generator.wire import Response
from load.pages import form_of

STAMP_CHARS: Final = 8


class Good(Enum):
    """What a right answer means."""

    MORE = "more"
    DONE = "done"


MORE: Final = Good.MORE
DONE: Final = Good.DONE


@dataclass(frozen=True, slots=True)
class Wrong:
    """The answer was not what it had to be."""

    why: str


Outcome = Good | Wrong
Judge = Callable[[Response], Wrong | None]


class Walk(Protocol):
    """One connection's work."""

    @property
    def primed(self) -> bool:
        """Whether it can be measured now; until then its requests only prepare."""
        ...

    def next(self) -> bytes:
        """The request to send."""
        ...

    def take(self, response: Response) -> Outcome:
        """Judge the answer to the last request."""
        ...

    def reset(self) -> None:
        """After a wrong answer or a lost connection: begin the operation anew."""
        ...

    def replays(self) -> list[tuple[bytes, Judge]]:
        """What must be refused now, or answered in a certain way: sent after the measurement."""
        ...


class Repeat:
    """The same requests in turn. `must_hold` is in every good body; `differs`: no body equals the one before.

    `stamp` (eight characters) in a request is replaced by a number that no other request of this walk has.
    """

    primed = True

    def __init__(
        self,
        requests: Sequence[bytes],
        *,
        status: int = 200,
        must_hold: bytes = b"",
        differs: bool = False,
        stamp: bytes | None = None,
    ) -> None:
        if stamp is not None and len(stamp) != STAMP_CHARS:
            raise ValueError("A stamp has as many characters as the number that takes its place.")
        self._requests, self._status, self._must_hold = requests, status, must_hold
        self._differs, self._stamp, self._count = differs, stamp, 0
        self._last: bytes | None = None

    def next(self) -> bytes:
        made = self._requests[self._count % len(self._requests)]
        self._count += 1
        return made if self._stamp is None else made.replace(self._stamp, b"%08d" % self._count)

    def take(self, response: Response) -> Outcome:
        if response.status != self._status:
            return Wrong(f"status {response.status}{error_of(response)} instead of {self._status}")
        if self._must_hold not in response.body:
            return Wrong(f"the body lacks {self._must_hold.decode()}")
        if self._differs and response.body == self._last:
            return Wrong("the same body twice")
        self._last = response.body
        return DONE

    def reset(self) -> None:
        """Nothing is carried from one operation to the next."""

    def replays(self) -> list[tuple[bytes, Judge]]:
        return []


class Code:
    """A signed-in browser asks for a code and its application exchanges it (RFC 6749 §4.1, RFC 7636).

    `last` holds the last token answer. A spent code must be refused.
    """

    primed = True

    def __init__(self, site: Site, cookies: str) -> None:
        self._site = site
        self._jar = Jar(cookies)
        self._code: str | None = None
        self._spent: str | None = None
        self.last: Mapping[str, Any] = {}

    def next(self) -> bytes:
        return self._site.authorize(self._jar) if self._code is None else self._site.exchange(self._code)

    def take(self, response: Response) -> Outcome:
        if self._code is None:
            self._jar.take(response)
            self._code = self._site.code_of(response)
            return Wrong(f"authorize: {response.status} without a code") if self._code is None else MORE
        self._spent, self._code = self._code, None
        return _tokens(response, self.last, ("access_token", "id_token", "refresh_token")) or self._keep(response)

    def reset(self) -> None:
        self._code = None

    def replays(self) -> list[tuple[bytes, Judge]]:
        return [] if self._spent is None else [(self._site.exchange(self._spent), _refused)]

    def _keep(self, response: Response) -> Outcome:
        self.last = json_of(response) or {}
        return DONE


class AfterCode:
    """Begins with one code exchange and goes on with what `then` makes of its tokens. The beginning is not measured."""

    def __init__(self, code: Code, then: Callable[[Mapping[str, Any]], Walk]) -> None:
        self._code, self._make = code, then
        self._then: Walk | None = None

    @property
    def primed(self) -> bool:
        return self._then is not None

    def next(self) -> bytes:
        return (self._then or self._code).next()

    def take(self, response: Response) -> Outcome:
        if self._then is not None:
            return self._then.take(response)
        outcome = self._code.take(response)
        if outcome is DONE:
            self._then = self._make(self._code.last)
        return outcome

    def reset(self) -> None:
        self._code.reset()
        self._then = None

    def replays(self) -> list[tuple[bytes, Judge]]:
        return [] if self._then is None else self._then.replays()


class Refresh:
    """A chain of refreshes, each with the token the one before answered (RFC 9700 §4.14.2)."""

    primed = True

    def __init__(self, site: Site, tokens: Mapping[str, Any]) -> None:
        self._site = site
        self._last = tokens

    def next(self) -> bytes:
        return self._site.refresh(self._last["refresh_token"])

    def take(self, response: Response) -> Outcome:
        wrong = _tokens(response, self._last, ("access_token", "refresh_token"))
        if wrong is not None:
            return wrong
        answer = json_of(response) or {}
        if answer["refresh_token"] == self._last["refresh_token"]:
            return Wrong("token: the refresh token did not rotate")
        self._last = answer
        return DONE

    def reset(self) -> None:
        """The chain goes on with the last token it was given."""

    def replays(self) -> list[tuple[bytes, Judge]]:
        # One character of the MAC changed: a forged token. (A spent one may be repeated within the grace.)
        token = str(self._last["refresh_token"])
        return [(self._site.refresh(token[:-8] + ("A" if token[-8] != "A" else "B") + token[-7:]), _refused)]


class Login:
    """A browser nobody is signed in with, through the real pages to a code, as another person each time.

    Each of `people` is a user name, its password and the address its requests come from.
    """

    primed = True

    def __init__(self, site: Callable[[str], Site], people: Sequence[tuple[str, str, str]]) -> None:
        self._site_at = site
        self._people = cycle(people)
        self._submitted = False
        self.reset()

    def next(self) -> bytes:
        return self._next

    def take(self, response: Response) -> Outcome:
        self._jar.take(response)
        if self._site.code_of(response) is not None:
            if not self._submitted:
                return Wrong("a code without a password")
            self.reset()
            return DONE
        if (path := self._site.path_of(response)) is not None:
            self._next = self._site.get(path, self._jar)
            return MORE
        page = form_of(response.body.decode("utf-8", "replace")) if response.status == 200 else None
        if page is None or self._submitted:
            return Wrong(f"sign-in: {response.status} {'again' if page else 'without a form'}")
        self._submitted = True
        fields = {**page.hidden, "username": self._name, "password": self._password}
        self._next = self._site.submit(page.action, fields, self._jar)
        return MORE

    def reset(self) -> None:
        self._name, self._password, address = next(self._people)
        self._site = self._site_at(address)
        self._jar = Jar()
        self._submitted = False
        self._next = self._site.authorize(self._jar)

    def replays(self) -> list[tuple[bytes, Judge]]:
        return []


def _tokens(response: Response, last: Mapping[str, Any], names: Sequence[str]) -> Wrong | None:
    answer = json_of(response)
    if response.status != 200 or answer is None:
        return Wrong(f"token: {response.status}{error_of(response)}")
    if missing := [name for name in names if not answer.get(name)]:
        return Wrong(f"token: no {missing[0]}")
    return Wrong("token: the same access token twice") if answer["access_token"] == last.get("access_token") else None


def _refused(response: Response) -> Wrong | None:
    if response.status == 400 and error_of(response) == " invalid_grant":
        return None
    return Wrong(f"a replay was answered {response.status}{error_of(response)}")
