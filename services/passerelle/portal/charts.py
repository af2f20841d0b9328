"""Plots as SVG, drawn here: bars in parts, and lines over time. No script; colours and type come from the style sheet.

Each plot is a picture with a name (``aria-label``), a title and a description (SVG 2, section 5.8; WAI-ARIA Graphics):
the numbers stand in a table beside it. Lengths are in the units of a drawing :data:`WIDTH` wide, which fits a phone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup, escape

WIDTH: Final = 480
_BAR: Final = 18
_ROW: Final = 50
_RIGHT: Final = 54
"""Room for the number behind a bar."""
_TOP: Final = 16
_BOTTOM: Final = 30
_LEFT: Final = 8
_HEIGHT: Final = 220


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a bar: its class in the style sheet (``part-<name>``), its share, its words for the tooltip."""

    name: str
    value: float
    words: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar with its label above and its number behind; without parts it is an outline: the number is not shown."""

    label: str
    parts: Sequence[Part]
    number: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line (class ``line-<name>``): a value for each place on the axis, None where there is none to show."""

    name: str
    words: str
    values: Sequence[float | None]


def _picture(name: str, description: str, height: int, inside: Markup) -> Markup:
    return Markup(
        '<svg class="plot" viewBox="0 0 {} {}" role="img" aria-label="{}"><title>{}</title><desc>{}</desc>{}</svg>'
    ).format(WIDTH, height, name, name, description, inside)


def bars(name: str, description: str, rows: Sequence[Bar]) -> Markup:
    """Horizontal bars on one scale, in the order given."""
    most = max((sum(part.value for part in row.parts) for row in rows), default=0) or 1
    room = WIDTH - _RIGHT
    inside = Markup("")
    for number, row in enumerate(rows):
        top = number * _ROW
        inside += Markup('<text x="0" y="{}">{}</text>').format(top + 16, row.label)
        at = 0.0
        for part in row.parts:
            width = part.value / most * room
            inside += Markup(
                '<rect class="part-{}" x="{}" y="{}" width="{}" height="{}"><title>{}</title></rect>'
            ).format(part.name, _short(at), top + 23, _short(max(width - 1, 1)), _BAR, part.words)
            at += width
        if not row.parts:
            at = room / 12
            inside += Markup('<rect class="part-hidden" x="1" y="{}" width="{}" height="{}"></rect>').format(
                top + 24, _short(at - 2), _BAR - 2
            )
        inside += Markup('<text class="plot-number" x="{}" y="{}">{}</text>').format(
            _short(at + 6), top + 23 + 14, row.number
        )
    return _picture(name, description, max(len(rows), 1) * _ROW, inside)


def lines(name: str, description: str, places: Sequence[str], found: Sequence[Line], top: str) -> Markup:
    """Lines over the places of an axis (at least one), from zero to the largest value, which ``top`` puts in words."""
    most = max((value for line in found for value in line.values if value is not None), default=0) or 1
    floor, room = _HEIGHT - _BOTTOM, WIDTH - 2 * _LEFT
    step = room / max(len(places) - 1, 1)

    def x(place: int) -> float:
        return WIDTH / 2 if len(places) == 1 else _LEFT + place * step

    def y(value: float) -> float:
        return floor - value / most * (floor - _TOP - 8)

    inside = Markup('<path class="axis" d="M0 {}H{}"></path><path class="grid" d="M0 {}H{}"></path>').format(
        floor, WIDTH, _short(y(most)), WIDTH
    )
    inside += Markup('<text x="0" y="{}">{}</text>').format(_TOP - 2, top)
    inside += Markup('<text x="{}" y="{}" text-anchor="{}">{}</text>').format(
        *((_short(x(0)), _HEIGHT - 8, "middle") if len(places) == 1 else (0, _HEIGHT - 8, "start")), places[0]
    )
    if len(places) > 1:
        inside += Markup('<text x="{}" y="{}" text-anchor="end">{}</text>').format(WIDTH, _HEIGHT - 8, places[-1])
    for line in found:
        path, drawing = "", False
        for place, value in enumerate(line.values):
            if value is None:
                drawing = False
                continue
            path += f"{'L' if drawing else 'M'}{_short(x(place))} {_short(y(value))}"
            drawing = True
        inside += Markup('<path class="line-{}" d="{}"><title>{}</title></path>').format(line.name, path, line.words)
        for place, value in enumerate(line.values):
            if value is not None:
                inside += Markup('<circle class="line-{}" cx="{}" cy="{}" r="4"></circle>').format(
                    line.name, _short(x(place)), _short(y(value))
                )
    return _picture(name, description, _HEIGHT, inside)


def _short(number: float) -> str:
    """At most one decimal: more says nothing on a screen."""
    return escape(f"{number:.1f}".removesuffix(".0"))
