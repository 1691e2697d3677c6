"""The provider's pages as a browser without JavaScript uses them: find the form, fill it in, follow the redirects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass(frozen=True, slots=True)
class PageForm:
    """The first form of a page: where it goes, its hidden fields, the names of those a person fills in.

    `texts` holds what stands in elements with an id, for the pages that show something to type elsewhere.
    """

    action: str
    hidden: Mapping[str, str]
    names: frozenset[str]
    texts: Mapping[str, str] = field(default_factory=dict)


def form_of(page: str) -> PageForm | None:
    """The first form of a page, or None."""
    reader = _Reader()
    reader.feed(page)
    if reader.action is None:
        return None
    return PageForm(reader.action, reader.hidden, frozenset(reader.names), reader.texts)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.action: str | None = None
        self.hidden: dict[str, str] = {}
        self.names: set[str] = set()
        self.texts: dict[str, str] = {}
        self._inside = False
        self._id: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self._id = given.get("id")
        if tag == "form" and self.action is None:
            self.action, self._inside = given.get("action", ""), True
        elif tag == "input" and self._inside and (name := given.get("name")):
            if given.get("type") == "hidden":
                self.hidden[name] = given.get("value", "")
            else:
                self.names.add(name)

    def handle_endtag(self, tag: str) -> None:
        self._id = None
        if tag == "form":
            self._inside = False

    def handle_data(self, data: str) -> None:
        if self._id is not None and data.strip():
            self.texts[self._id] = self.texts.get(self._id, "") + data.strip()
