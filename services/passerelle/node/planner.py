"""Which rule plans which kind of file, and what must be loaded before it can."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

from passerelle.node import plan_learners, plan_public
from passerelle.node.csv_forms import Form
from passerelle.node.csv_rows import Row, RowError, row_error
from passerelle.node.plan import Desk, Planned, RowRefused, Wanted
from passerelle.node.records import RecordKeys, record_kind

RULES: Final[dict[str, Callable[[Desk, Row], Planned]]] = {
    "achievements": plan_public.achievement,
    "recognitions": plan_public.recognition,
    "organisations": plan_public.organisation,
    "frameworks": plan_public.framework,
    "endorsements": plan_public.endorsement,
    "demands": plan_public.demand,
    "credentials": plan_learners.credential,
    "assessments": plan_learners.assessment,
    "amendments": plan_learners.amendment,
    "results": plan_learners.result,
}

_THINGS: Final = {
    "achievements": "achievement",
    "recognitions": "recognition",
    "organisations": "organisation",
    "frameworks": "framework",
    "demands": "demand",
}


def identity(form: Form, row: Row) -> str:
    """The office's id of the row: what makes two rows of one file the same record."""
    office_id = str(row.own[form.record])
    if form.kind == "amendments":
        return f"{office_id}\n{row.own['step']}\n{row.own.get('amendment_id', '')}"
    return office_id


_OTHER_RECORDS: Final = {
    "credentials": ("credential",),
    "assessments": ("credential", "assessment"),
    "results": ("result",),
}


def _record_ids(form: Form, row: Row) -> Iterable[tuple[str, str]]:
    """Kind and office id of every record that the rules of a row ask for."""
    office_id = str(row.own[form.record])
    if form.kind == "amendments":
        return (("credential", office_id), ("amendment", identity(form, row)))
    return [(kind, office_id) for kind in _OTHER_RECORDS.get(form.kind, (form.kind,))]


def _thing_keys(form: Form, row: Row) -> Iterable[str]:
    if form.kind in _THINGS:
        yield f"{_THINGS[form.kind]}:{row.own['id']}"
    for name in (row.data.get("achievement"), row.own.get("achievement"), row.data.get("course")):
        if isinstance(name, str):
            yield f"achievement:{name}"


COMPARED: Final = {"credentials": ("achievement", "conferred_on"), "results": ("course", "completed_on")}
"""Kinds whose records are known again under another id, with the columns of what and when."""


def _likenesses(form: Form, keys: RecordKeys, rows: Iterable[Row]) -> Iterable[str]:
    if form.kind not in COMPARED:
        return
    what, when = COMPARED[form.kind]
    for row in rows:
        if when in row.data:
            number = str(row.own["learner_student_number"])
            yield keys.likeness(record_kind(form.kind), number, row.data[what], row.data[when])


def wanted(form: Form, keys: RecordKeys, rows: Iterable[Row], compared: RecordKeys | None = None) -> Wanted:
    """What to load for these rows; with ``compared`` also records that are alike under another id."""
    found: dict[tuple[str, str], str] = {}
    things = set[str]()
    rows = list(rows)
    for row in rows:
        for one in _record_ids(form, row):
            found[one] = keys.key(*one)
        things.update(_thing_keys(form, row))
    alike = frozenset(_likenesses(form, compared, rows)) if compared is not None else frozenset()
    return Wanted(frozenset(found.values()), frozenset(things), alike, found)


def _check_erased(desk: Desk, row: Row) -> None:
    """A file that still holds an erased learner does not bring them back. Raises RowRefused ``learner-erased``."""
    if any(desk.key(*one) in desk.known.erased for one in _record_ids(desk.form, row)):
        what = "the learner of this record was erased: it is not taken again"
        raise desk.refuse(row, desk.form.record, "learner-erased", what)


def plan(desk: Desk, row: Row) -> Planned | RowError:
    """What the row leads to; the desk's knowledge takes it in, so that the next rows see it."""
    desk.adopted.clear()
    desk.claimed.clear()
    try:
        if desk.known.erased:
            _check_erased(desk, row)
        planned = RULES[desk.form.kind](desk, row)
    except RowRefused as refused:
        return refused.error
    except RecursionError:
        return row_error(row.number, "", "expression-too-large", "the row nests too deeply")
    if desk.claimed:
        stored = {record.key for record in planned.records}
        more = tuple(record for key, record in desk.adopted.items() if key not in stored)
        planned = replace(planned, records=(*more, *planned.records), claimed=tuple(desk.claimed))
    desk.known.take(planned)
    return planned
