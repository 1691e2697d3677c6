"""Security headers on every answer (OWASP ASVS 5.0 §3.4); a route that sets one of them itself is left alone.

Pages set their own Content-Security-Policy with `policy(…)`. Mind `form-action`: browsers apply it to the
redirects after a form post as well, so a page whose form ends at a relying party names that origin there.
"""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

DIRECTIVES: Final = {
    "default-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}
HSTS: Final = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")


def policy(**sources: str) -> str:
    """The strict default policy with directives added or replaced: `policy(style_src="'self'")`."""
    directives = DIRECTIVES | {name.replace("_", "-"): value for name, value in sources.items()}
    return "; ".join(f"{name} {value}" for name, value in directives.items())


_ALWAYS: Final = (
    (b"content-security-policy", policy().encode()),
    (b"x-frame-options", b"DENY"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)


class SecurityHeaders:
    """Pure ASGI middleware.

    `https`: the public address is https (also behind a proxy that ends TLS), so HSTS is sent.
    """

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self.app = app
        self._defaults = (*_ALWAYS, HSTS) if https else _ALWAYS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        defaults = self._defaults

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = message.get("headers", ())
                names = {name for name, _ in given}
                kept = given if b"server" not in names else [pair for pair in given if pair[0] != b"server"]
                message["headers"] = [*kept, *(pair for pair in defaults if pair[0] not in names)]
            await send(message)

        await self.app(scope, receive, with_headers)
