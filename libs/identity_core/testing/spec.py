"""Names the section of a specification that a test proves."""

import pytest


def spec(*sections: str) -> pytest.MarkDecorator:
    """`@spec("RFC 7636 §4.6")`: the test proves these sections; several such decorators add up.

    `docs/spec-map.md` is written from them. Raises TypeError for what is no section.
    """
    if not sections or not all(isinstance(section, str) and section.strip() for section in sections):
        raise TypeError("spec names at least one section, as text: @spec('RFC 7636 §4.6')")
    return pytest.mark.spec(*sections)


def sections_of(item: pytest.Item) -> tuple[str, ...]:
    """Every section a collected test proves."""
    return tuple(section for mark in item.iter_markers("spec") for section in mark.args)
