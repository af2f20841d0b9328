"""Whether the grades of an office's rows are grades of the schemes that the rows name.

A scheme is one that this member published, in any of its versions, or a well-known one. Of a scheme that is neither
nothing is known here, and its grades are taken as they stand. Only scheme and grade are looked at, together and apart
from everything else in the row.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Protocol

import orjson

from passerelle.core.catalogue import BY_NAME
from passerelle.core.errors import FormatError
from passerelle.core.grades import Scale, scale_from_data, well_known_scales
from passerelle.node.csv_forms import Form
from passerelle.node.csv_rows import Row, RowError, shape
from passerelle.node.ports import OutboxRow

MAX_SCHEMES: Final = 1_000
"""Schemes of one file that are looked up."""
MAX_LISTED: Final = 30
_SCALE: Final = BY_NAME["reference.scale-published"].full
_PLACES: Final = {
    "credentials": ("result", "result_grade"),
    "amendments": ("result", "result_grade"),
    "results": ("grade", "grade"),
}
"""By kind of file: where a row holds scheme and grade, and the column of the grade."""


class Published(Protocol):
    """What is asked of the node's database."""

    async def events_of(self, thing: str) -> list[OutboxRow]:
        """Our own events about a thing, in order."""


class GradeCheck:
    """One import's schemes, each looked up once."""

    def __init__(self) -> None:
        self._scales: dict[str, tuple[Scale, ...]] = {name: (one,) for name, one in well_known_scales().items()}
        self._looked_up: set[str] = set()
        self._sound: set[tuple[str, str]] = set()

    async def load(self, store: Published, form: Form, rows: Iterable[Row]) -> None:
        """Look up the schemes of some rows. Raises Unavailable."""
        for scheme in {found[0] for row in rows if (found := _of(form, row)) is not None} - self._looked_up:
            if len(self._looked_up) >= MAX_SCHEMES:
                return
            self._looked_up.add(scheme)
            events = [one for one in await store.events_of(f"scale:{scheme}") if one.outcome != "refused"]
            # A database that was restored may lack a body.
            published = [one for one in events if one.type == _SCALE and one.signed.body]
            scales = tuple(filter(None, map(_scale, published)))
            if scales:
                self._scales[scheme] = scales

    def error(self, form: Form, row: Row) -> RowError | None:
        """What is wrong with a row's grade; None where nothing is, or nothing is known of its scheme."""
        found = _of(form, row)
        if found is None or found in self._sound:
            return None
        scheme, grade = found
        scales = self._scales.get(scheme)
        if scales is None or any(scale.find(grade) is not None for scale in scales):
            self._sound.add(found)
            return None
        guess = next(filter(None, (scale.nearest(grade) for scale in reversed(scales))), "")
        # A course result is the learner's own: its grade is shown by its shape.
        shown = grade if guess and form.kind != "results" else shape(grade)
        what = f"the scheme {scheme} has no such grade"
        fix = f"Did you mean '{guess}'?" if guess else _allowed(scales[-1])
        return RowError(row.number, _PLACES[form.kind][1], "grade-unknown", what, fix, shown)


def _scale(event: OutboxRow) -> Scale | None:
    """The scale of an event; None for one that is none, which the ledger will refuse."""
    try:
        return scale_from_data(orjson.loads(event.signed.body)["data"])
    except FormatError:
        return None


def _of(form: Form, row: Row) -> tuple[str, str] | None:
    place = _PLACES.get(form.kind)
    value = row.data.get(place[0]) if place is not None else None
    if not isinstance(value, dict) or "scheme" not in value or "grade" not in value:
        return None
    return str(value["scheme"]), str(value["grade"])


def _allowed(scale: Scale) -> str:
    if scale.numeric_pass is not None:
        return "Write a number from 0 to 100; what is no grade, such as withdrawn, belongs into the status."
    listed = sorted(scale.steps.values(), key=lambda step: step.rank, reverse=True)[:MAX_LISTED]
    return f"Use one of: {', '.join(step.grade for step in listed)}; what is no grade belongs into the status."
