"""Charts as SVG, without a script: lines over the seconds of a scenario."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 880, 220, 56, 14, 28
COLOURS = ("#2563eb", "#d97706", "#dc2626", "#059669", "#7c3aed")


def line_chart(title: str, unit: str, lines: Mapping[str, Sequence[float | None]], marks: Mapping[str, float]) -> str:
    """One value a second and line; None leaves a gap. `marks`: names of moments, in seconds."""
    seconds = max((len(values) for values in lines.values()), default=0)
    top = _round_up(max((v for values in lines.values() for v in values if v is not None), default=1.0))

    def x(second: float) -> float:
        return LEFT + (WIDTH - LEFT - 8) * second / max(1, seconds - 1)

    def y(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top)

    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}" xmlns="http://www.w3.org/2000/svg">'
    ]
    for share in (0, 0.5, 1):
        height = y(top * share)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - 8}" y1="{height:.1f}" y2="{height:.1f}" stroke="#8884"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{height + 4:.1f}" text-anchor="end">{top * share:g}</text>')
    for name, moment in marks.items():
        parts.append(
            f'<line x1="{x(moment):.1f}" x2="{x(moment):.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="#8888" '
            f'stroke-dasharray="4 4"/><text x="{x(moment) + 4:.1f}" y="{HEIGHT - 10}">{escape(name)}</text>'
        )
    for colour, values in zip(COLOURS, lines.values(), strict=False):
        parts += [
            f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}" stroke-width="2"/>'
            for points in _runs([None if v is None else f"{x(i):.1f},{y(v):.1f}" for i, v in enumerate(values)])
        ]
    parts.append("</svg>")
    legend = " ".join(
        f'<span class="key"><i style="background:{colour}"></i>{escape(name)}</span>'
        for colour, name in zip(COLOURS, lines, strict=False)
    )
    return f"<figure><figcaption><b>{escape(title)}</b> ({escape(unit)}) {legend}</figcaption>{''.join(parts)}</figure>"


def _runs(points: Sequence[str | None]) -> list[list[str]]:
    """The stretches without a gap; a lone point becomes a short line so that it shows."""
    runs: list[list[str]] = [[]]
    for point in points:
        if point is None:
            runs.append([])
        else:
            runs[-1].append(point)
    return [run * 2 if len(run) == 1 else run for run in runs if run]


def _round_up(value: float) -> float:
    """The next of 1, 2, 5, 10, 20, …"""
    step = 1.0
    while True:
        for factor in (1, 2, 5):
            if value <= step * factor:
                return step * factor
        step *= 10
