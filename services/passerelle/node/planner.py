"""Which rule plans which kind of file, and what must be loaded before it can."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

from passerelle.node import plan_learners, plan_public
from passerelle.node.csv_forms import Form
from passerelle.node.csv_rows import Row, RowError, row_error
from passerelle.node.plan import Desk, Planned, RowRefused, Wanted
from passerelle.node.records import RecordKeys

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


def _record_keys(form: Form, keys: RecordKeys, row: Row) -> Iterable[str]:
    office_id = str(row.own[form.record])
    if form.kind in {"credentials", "assessments", "amendments"}:
        yield keys.key("credential", office_id)
    if form.kind == "assessments":
        yield keys.key("assessment", office_id)
    elif form.kind == "amendments":
        yield keys.key("amendment", identity(form, row))
    elif form.kind == "results":
        yield keys.key("result", office_id)
    elif form.kind != "credentials":
        yield keys.key(form.kind, office_id)


def _thing_keys(form: Form, row: Row) -> Iterable[str]:
    if form.kind in _THINGS:
        yield f"{_THINGS[form.kind]}:{row.own['id']}"
    for name in (row.data.get("achievement"), row.own.get("achievement"), row.data.get("course")):
        if isinstance(name, str):
            yield f"achievement:{name}"


def wanted(form: Form, keys: RecordKeys, rows: Iterable[Row]) -> Wanted:
    """What to load for these rows."""
    records, things = set[str](), set[str]()
    for row in rows:
        records.update(_record_keys(form, keys, row))
        things.update(_thing_keys(form, row))
    return Wanted(frozenset(records), frozenset(things))


def plan(desk: Desk, row: Row) -> Planned | RowError:
    """What the row leads to; the desk's knowledge takes it in, so that the next rows see it."""
    desk.adopted.clear()
    desk.claimed.clear()
    try:
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
