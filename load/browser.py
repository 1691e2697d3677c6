"""A browser for the setup of a run: signs a person in through the real pages and keeps the cookies."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException
from itertools import count

from identity_core import totp
from load.generator.jar import Jar
from load.generator.site import Site
from load.generator.wire import Response
from load.pages import PageForm, form_of

_MOST_STEPS = 20


class SignInFault(Exception):
    """The pages did not lead to a code; one sentence without secrets."""


class Browser:
    """One browser at one provider. Blocking: not for an event loop."""

    def __init__(self, host: str, port: int, site: Site, *, clock: Callable[[], float] = time.time) -> None:
        self._connection = HTTPConnection(host, port, timeout=30)
        self._site = site
        self._clock = clock
        self.jar = Jar()
        self.totp_secret: bytes | None = None

    def sign_in(self, username: str, password: str) -> str:
        """The code at the end. Sets up an authenticator when asked to, and then uses it. Raises SignInFault."""
        try:
            return self._walk(username, password)
        except (OSError, HTTPException) as error:
            raise SignInFault(f"the provider went away during a sign-in ({type(error).__name__})") from error
        finally:
            self._connection.close()

    def _walk(self, username: str, password: str) -> str:
        response = self._send(self._site.authorize(self.jar))
        for step in count():
            if (code := self._site.code_of(response)) is not None:
                return code
            if step >= _MOST_STEPS:
                break
            if (path := self._site.path_of(response)) is not None:
                response = self._send(self._site.get(path, self.jar))
            elif response.status == 200 and (form := form_of(response.body.decode("utf-8", "replace"))):
                fields = {**form.hidden, **self._filled(form, username, password)}
                response = self._send(self._site.submit(form.action, fields, self.jar))
            else:
                break
        raise SignInFault(f"the sign-in of {username} ended with status {response.status}")

    def _filled(self, form: PageForm, username: str, password: str) -> dict[str, str]:
        if "password" in form.names:
            return {"username": username, "password": password}
        if (shown := form.texts.get("enroll-secret")) is not None:
            self.totp_secret = secret_from_text(shown)
        if "code" in form.names and self.totp_secret is not None:
            return {"code": totp.code_at(self.totp_secret, totp.step_at(self._clock()))}
        return {}

    def _send(self, request: bytes) -> Response:
        head, _, body = request.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ")
        headers = dict(line.split(": ", 1) for line in lines)
        self._connection.request(method, target, body=body or None, headers=headers)
        answer = self._connection.getresponse()
        names = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in answer.getheaders()]
        response = Response(answer.status, names, answer.read())
        self.jar.take(response)
        return response


def secret_from_text(text: str) -> bytes:
    """The secret that a page shows in base32, with or without blanks."""
    letters = "".join(text.split()).upper()
    return base64.b32decode(letters + "=" * (-len(letters) % 8))
