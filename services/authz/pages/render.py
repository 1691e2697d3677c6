"""Rendering: Jinja2 with every value escaped, and static files under names that carry their content's hash.

Templates are compiled once. A missing value is an error, never an empty place on a page.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from io import BytesIO
from typing import Final

import segno
from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from authz.login_ports import StaticFile

STATIC_PATH: Final = "/static"
_MEDIA_TYPES: Final = {"css": "text/css; charset=utf-8", "svg": "image/svg+xml"}
# One stylesheet to the browser, in three files here.
_STATIC: Final[Mapping[str, tuple[str, ...]]] = {
    "gatehouse.css": ("colours.css", "elements.css", "parts.css"),
    "icon.svg": ("icon.svg",),
}
_PAGES: Final = ("login", "totp", "enroll", "consent", "logout", "signed_out", "error")


class PageSet:
    """Every page and static file of the service, read and compiled at start."""

    def __init__(self) -> None:
        self._static: dict[str, StaticFile] = {}
        addresses: dict[str, str] = {}
        for name, parts in _STATIC.items():
            hashed, file = _static_file(name, parts)
            self._static[hashed] = file
            addresses[name] = f"{STATIC_PATH}/{hashed}"
        environment = Environment(
            loader=PackageLoader("authz.pages", "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.globals["static"] = addresses
        environment.filters["qr"] = _qr_code
        self._templates: dict[str, Template] = {name: environment.get_template(f"{name}.html") for name in _PAGES}

    def render(self, name: str, values: Mapping[str, object]) -> bytes:
        """The page as UTF-8. Raises KeyError or jinja2's UndefinedError for a fault of ours."""
        return self._templates[name].render(values).encode("utf-8")

    def static(self, name: str) -> StaticFile | None:
        """A static file by its hashed name."""
        return self._static.get(name)


def _qr_code(text: str) -> Markup | None:
    """The text as an inline SVG, without style attributes, which the policy forbids; None when it is too long."""
    try:
        code = segno.make_qr(text, error="m")
    except segno.DataOverflowError:
        return None
    svg = BytesIO()
    code.save(svg, kind="svg", xmldecl=False, svgns=False, omitsize=True, border=2, svgclass="qr", lineclass=None)
    # Made by segno of bits alone: no character of the text stands in it.
    return Markup(svg.getvalue().decode("utf-8"))  # noqa: S704


def _static_file(name: str, parts: Sequence[str]) -> tuple[str, StaticFile]:
    folder = files("authz.pages").joinpath("static")
    body = b"\n".join(folder.joinpath(part).read_bytes() for part in parts)
    stem, _, kind = name.rpartition(".")
    digest = hashlib.sha256(body).hexdigest()[:16]
    return f"{stem}.{digest}.{kind}", StaticFile(body, _MEDIA_TYPES[kind])
