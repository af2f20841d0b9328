"""The rules for rows about no learner: achievements, recognitions, organisations, frameworks, endorsements, demand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from passerelle.core.statement import member_urn
from passerelle.node.csv_forms import NO_CREDIT
from passerelle.node.csv_rows import Row
from passerelle.node.plan import Desk, Outcome, Planned, standing
from passerelle.node.records import Mark, Record


def _next(desk: Desk, record: Record | None, thing: str) -> int:
    """The next version of a thing: one more than what the record or the network has, 1 for a new one."""
    held = record.current.version if record is not None and record.current is not None else 0
    return max(held, desk.known.versions.get(thing, 0)) + 1


def _plan(
    desk: Desk,
    row: Row,
    *,
    kind: str,
    subject: str,
    content: Mapping[str, Any],
    names: tuple[str, str],
    versioned: bool,
) -> Planned:
    """One event for a new or changed row: ``names`` are the event for a new thing and for a changed one."""
    office_id = str(row.own["id"])
    thing = f"{kind}:{subject}"
    known = desk.record(desk.form.kind, office_id)
    digest = desk.keys.content(content)
    outcome: Outcome = standing(known, digest)
    if outcome == "unchanged":
        return Planned(row.number, outcome)
    first = outcome == "new" and thing not in desk.known.things
    version = _next(desk, known, thing) if versioned else 1
    data = {**content, "version": version} if versioned else dict(content)
    key = desk.keys.key(desk.form.kind, office_id)
    accepted = known.accepted if known is not None else None
    record = Record(key, desk.form.kind, thing, Mark(digest, version=version), accepted)
    event = desk.event(row, names[0] if first else names[1], subject, data, record)
    before = known if outcome == "changed" else None
    return Planned(row.number, outcome, (event,), (record,), content=content, before=before)


def achievement(desk: Desk, row: Row) -> Planned:
    """A course, programme or micro-credential; the next version where it changed."""
    content = {"awarding_bodies": [member_urn(desk.home)], **row.data}
    names = ("credential.achievement-published", "credential.achievement-revised")
    subject = str(row.own["id"])
    return _plan(desk, row, kind="achievement", subject=subject, content=content, names=names, versioned=True)


def recognition(desk: Desk, row: Row) -> Planned:
    """A rule, or an evaluation without credit. A rule that was denied does not become one that grants."""
    content = {"receiver": desk.home, **row.data}
    subject = str(row.own["id"])
    if "outcome_json" in row.given and any(name.startswith("outcome_") for name in row.given - {"outcome_json"}):
        what = "outcome_json stands beside other columns of the outcome"
        raise desk.refuse(row, "outcome_json", "argument-conflict", what)
    negative = content["kind"] == NO_CREDIT
    known = desk.record(desk.form.kind, subject)
    if known is not None and known.accepted is not None and (known.accepted.status == NO_CREDIT) != negative:
        fix = "End the old record (publish recognition.ended) and give the new one an id of its own."
        raise desk.refuse(row, "kind", "record-changed", "the rule changes between credit and no credit", fix)
    if negative:
        return _denied(desk, row, {name: value for name, value in content.items() if name != "kind"})
    if "reason" in content:
        what = "the column is for the kind no-credit only"
        raise desk.refuse(row, "no_credit_reason", "argument-conflict", what, "Leave the cell empty.")
    names = ("recognition.granted", "recognition.revised")
    return _plan(desk, row, kind="recognition", subject=subject, content=content, names=names, versioned=True)


def _denied(desk: Desk, row: Row, content: dict[str, Any]) -> Planned:
    subject = str(row.own["id"])
    extra = sorted(name for name in row.given if name.startswith(("outcome_", "supersed", "jurisdictions")))
    if extra:
        what = "the column does not apply to the kind no-credit"
        raise desk.refuse(row, extra[0], "argument-conflict", what, "Leave the cell empty.")
    known = desk.record(desk.form.kind, subject)
    digest = desk.keys.content(content)
    outcome = standing(known, digest)
    if outcome == "unchanged":
        return Planned(row.number, outcome)
    if outcome == "changed":
        fix = "End the old record (publish recognition.ended) and give the new one an id of its own."
        raise desk.refuse(row, "id", "record-changed", "an evaluation without credit cannot be revised", fix)
    mark = Mark(digest, status=NO_CREDIT)
    record = Record(desk.keys.key(desk.form.kind, subject), desk.form.kind, f"recognition:{subject}", mark)
    return Planned(row.number, outcome, (desk.event(row, "recognition.denied", subject, content, record),), (record,))


def organisation(desk: Desk, row: Row) -> Planned:
    """A listed organisation that this member answers for."""
    content = {"answered_for_by": desk.home, **row.data}
    if "names" not in content:
        what = "the organisation has no name"
        raise desk.refuse(row, "name_en", "value-missing", what, "Fill name_en, name_fr or another language.")
    name = "reference.organisation-listed"
    subject = str(row.own["id"])
    return _plan(desk, row, kind="organisation", subject=subject, content=content, names=(name, name), versioned=False)


def framework(desk: Desk, row: Row) -> Planned:
    """A framework in the own namespace; the next version where it changed."""
    subject = str(row.own["id"])
    content = {"framework": subject, **row.data}
    name = "reference.framework-published"
    return _plan(desk, row, kind="framework", subject=subject, content=content, names=(name, name), versioned=True)


def endorsement(desk: Desk, row: Row) -> Planned:
    """An endorsement of another member's achievement; its version is that of the achievement."""
    subject = str(row.own["achievement"])
    if subject.startswith(f"{desk.home}/"):
        what = "a member cannot endorse its own achievement"
        raise desk.refuse(row, "achievement", "self-endorsement", what)
    content = {"version": desk.latest(f"achievement:{subject}"), **row.data}
    name = "credential.achievement-endorsed"
    desk.adopt(desk.form.kind, str(row.own["id"]), name, f"achievement:{subject}", row.data)
    return _plan(desk, row, kind="achievement", subject=subject, content=content, names=(name, name), versioned=False)


def demand(desk: Desk, row: Row) -> Planned:
    """A statement of demand."""
    name = "credential.demand-stated"
    subject = str(row.own["id"])
    return _plan(desk, row, kind="demand", subject=subject, content=row.data, names=(name, name), versioned=False)
