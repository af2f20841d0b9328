"""The rules for rows about one learner: credentials, assessments, amendments, course results."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from passerelle.core.lifecycle import legal_steps, next_state
from passerelle.core.statement import member_urn
from passerelle.node.csv_rows import Row
from passerelle.node.people import Person
from passerelle.node.plan import Desk, NewEvent, Planned, Result, standing
from passerelle.node.records import Mark, Record

AMENDABLE: Final = ("result", "credits", "conferred_on", "achievement_version", "expires_on")
"""What a re-sent credential may change; anything else asks for a revocation and a new award."""
_STEP_COLUMNS: Final = {
    "amended": frozenset({"reason", "note", *AMENDABLE}),
    "suspended": frozenset({"reason", "note"}),
    "reinstated": frozenset({"note"}),
    "revoked": frozenset({"reason", "note", "effective_on"}),
}


_AWARD_COLUMNS: Final[tuple[str, ...]] = ("conferred_on", "achievement_version", "credits")


def _person(row: Row) -> Person:
    own = row.own
    return Person(
        name=own["learner_name"],
        birth_date=own["learner_birth_date"],
        student_number=own["learner_student_number"],
        email=own.get("learner_email", ""),
    )


def _person_digest(desk: Desk, person: Person) -> str:
    return desk.keys.content(person.as_dict())


def credential(desk: Desk, row: Row) -> Planned:
    """An award; a re-sent one with other facts is amended, one with other learner details changes at home only."""
    office_id, person = str(row.own["record_id"]), _person(row)
    content = {"basis": "completed", "registration": desk.home, "awarding_bodies": [member_urn(desk.home)], **row.data}
    desk.own_known(row, "achievement", content["achievement"], "achievement")
    return _award(desk, row, office_id, content, person)


def _award(desk: Desk, row: Row, office_id: str, content: dict[str, Any], person: Person) -> Planned:
    key = desk.key("credential", office_id)
    known = desk.known.records.get(key)
    if known is None and desk.dry and not desk.known.alike:
        event = _issued(desk, row, desk.ids.uuid7(), content, key)
        return Planned(row.number, "new", (event,), (), person)
    like = desk.keys.likeness("credential", person.student_number, content["achievement"], content["conferred_on"])
    moved: tuple[tuple[str, str], ...] = ()
    if known is None and (known := _renumbered(desk, row, key, like)) is not None:
        moved = ((known.key, key),)
        known = replace(known, key=key)
    digest, details = desk.keys.content(content), _person_digest(desk, person)
    outcome = standing(known, digest)
    if outcome == "unchanged" and known is not None:
        if known.person == details:
            return _as_it_was(row, known, moved)
        after = replace(known, person=details)
        return Planned(row.number, "changed", records=(after,), person=person, before=known, moved=moved)
    fixed = desk.keys.content({name: value for name, value in content.items() if name not in AMENDABLE})
    if outcome == "changed" and known is not None and known.current is not None:
        mark = Mark(digest, fixed, known.current.version + 1, "issued")
        return replace(_correction(desk, row, known, content, mark, person), moved=moved)
    subject = known.subject if known is not None else desk.ids.uuid7()
    mark = Mark(digest, fixed, 1, "issued")
    record = Record(key, "credential", f"credential:{subject}", mark, person=details, likeness=like)
    return Planned(
        row.number, outcome, (_issued(desk, row, subject, content, key, record),), (record,), person, moved=moved
    )


def _issued(desk: Desk, row: Row, subject: str, content: dict[str, Any], key: str, *records: Record) -> NewEvent:
    latest = desk.latest(f"achievement:{content['achievement']}")
    data = {"achievement_version": latest, **content, "record": key}
    return desk.event(row, "credential.issued", subject, data, *records)


def _as_it_was(row: Row, known: Record, moved: tuple[tuple[str, str], ...]) -> Planned:
    """Nothing to publish; a record that was renumbered is changed at home."""
    if not moved:
        return Planned(row.number, "unchanged")
    return Planned(row.number, "changed", records=(known,), before=known, moved=moved)


def _renumbered(desk: Desk, row: Row, key: str, like: str) -> Record | None:
    """The record that this new one is, under the id that it had; None where there is none or it is one more.

    Raises RowRefused ``record-renumbered`` where nobody said which of the two it is.
    """
    alike = [record for record in desk.known.alike.get(like, ()) if record.key != key]
    if not alike or desk.renumbered == "new":
        return None
    if desk.renumbered == "ask":
        what = "a record of the same learner, achievement and date was imported under another id, which the file lacks"
        raise desk.refuse(row, desk.form.record, "record-renumbered", what)
    found = alike[0]
    if len(alike) > 1 or found.current != found.accepted:
        what = "the record under the other id is not the only one alike, or its last event has no answer yet"
        fix = "Wait for the ledger's answer, or restore the old record id in the file."
        raise desk.refuse(row, desk.form.record, "record-renumbered", what, fix)
    return found


def _correction(desk: Desk, row: Row, known: Record, content: dict[str, Any], mark: Mark, person: Person) -> Planned:
    held = known.current
    if held is None or held.fixed != mark.fixed:
        fix = "Revoke the award (an amendments file) and give the new one a record id of its own."
        raise desk.refuse(row, "", "record-changed", "the row changes what an amendment cannot", fix)
    _check_step(desk, row, held.status, "amended", "record_id")
    data = {"reason": desk.reason} | {name: content[name] for name in AMENDABLE if name in content}
    record = replace(known, current=mark, person=_person_digest(desk, person))
    event = desk.event(row, "credential.amended", known.subject, data, record)
    return Planned(row.number, "changed", (event,), (record,), person, content=content, before=known)


def _check_step(desk: Desk, row: Row, state: str, step: str, column: str) -> str:
    after = next_state("credential", state, step)
    if after is None:
        legal = ", ".join(legal_steps("credential", state)) or "none"
        what = f"the step {step} is not legal for an award in state {state}"
        raise desk.refuse(row, column, "step-illegal", what, f"Legal steps in this state: {legal}.")
    return after


def amendment(desk: Desk, row: Row) -> Planned:
    """One step of an award's life."""
    step, office_id = str(row.own["step"]), str(row.own["record_id"])
    award = desk.record("credential", office_id)
    if award is None or award.current is None:
        what = "no credential of this record id was imported"
        raise desk.refuse(row, "record_id", "record-unknown", what, "Check the id, or import the credential first.")
    extra = sorted(row.data.keys() - _STEP_COLUMNS[step])
    if extra:
        column = next(iter(sorted(row.given - {"record_id", "step", "amendment_id"} - _STEP_COLUMNS[step])), "")
        what = f"the column does not apply to the step {step}"
        raise desk.refuse(row, column, "argument-conflict", what, "Leave the cell empty.")
    if step == "amended" and not row.data.keys() & set(AMENDABLE):
        what = "the row amends nothing"
        raise desk.refuse(row, "", "value-missing", what, "Fill at least one column with the right value.")
    identity = f"{office_id}\n{step}\n{row.own.get('amendment_id', '')}"
    known = desk.adopt("amendment", identity, f"credential.{step}", award.thing, row.data)
    digest = desk.keys.content(row.data)
    outcome = standing(known, digest)
    if outcome == "unchanged":
        return Planned(row.number, outcome)
    state = _check_step(desk, row, award.current.status, step, "step")
    key = desk.keys.key("amendment", identity)
    accepted = known.accepted if known is not None else None
    step_record = Record(key, "amendment", award.thing, Mark(digest), accepted)
    after = replace(award, current=replace(award.current, status=state))
    event = desk.event(row, f"credential.{step}", award.subject, row.data, step_record, after)
    return Planned(row.number, outcome, (event,), (step_record, after))


def assessment(desk: Desk, row: Row) -> Planned:
    """An assessment's outcome for one learner and, where it confers, the credential issued on it: both or neither."""
    office_id, person = str(row.own["record_id"]), _person(row)
    name = str(row.own["achievement"])
    desk.own_known(row, "achievement", name, "achievement")
    own: dict[str, Any] = {column: row.own[column] for column in _AWARD_COLUMNS if column in row.own}
    content = {"achievement": name, **row.data, **({"award": own} if own else {})}
    data = {"receiver": desk.home, "achievement": name, **row.data}
    data.setdefault("outcome", _own_outcome(name, own))
    digest = desk.keys.content(content)
    known = desk.record("assessment", office_id)
    if known is None or known.current is None:
        known = _assessed_before(desk, office_id, name, data, digest, person) or known
    outcome = standing(known, digest)
    if outcome == "unchanged":
        return Planned(row.number, outcome, person=person if desk.claimed else None)
    if outcome == "changed":
        fix = "Publish the new assessment under a record id of its own."
        raise desk.refuse(row, "", "record-changed", "an assessment's outcome cannot be changed", fix)
    award = _assessed_award(desk, row, office_id, name, own, person) if "conferred_on" in own else None
    if award is not None:
        data["credential"] = award.records[0].subject
    subject = known.subject if known is not None else desk.ids.uuid7()
    details = _person_digest(desk, person)
    key = desk.keys.key("assessment", office_id)
    record = Record(key, "assessment", f"assessment:{subject}", Mark(digest), person=details)
    event = desk.event(row, "recognition.assessed", subject, data, record)
    events: tuple[NewEvent, ...] = (*(award.events if award else ()), event)
    return Planned(row.number, outcome, events, (*(award.records if award else ()), record), person)


def _assessed_before(
    desk: Desk, office_id: str, achievement: str, data: dict[str, Any], digest: str, person: Person
) -> Record | None:
    """The record of an assessment that came back from the ledger, and the award that it conferred; None without one.

    The published event does not say what the row did, so the record takes the row's own hash.
    """
    award = desk.record("credential", office_id)
    about = award.thing if award is not None else f"achievement:{achievement}"
    found = desk.adopt("assessment", office_id, "recognition.assessed", about, data)
    if found is None or found.current is None:
        return None
    details, mark = _person_digest(desk, person), Mark(digest)
    record = replace(found, current=mark, accepted=mark, person=details)
    desk.adopted[found.key] = desk.known.records[found.key] = record
    if award is not None:
        desk.adopted[award.key] = desk.known.records[award.key] = replace(award, person=details)
    return record


def _own_outcome(achievement: str, own: dict[str, Any]) -> dict[str, Any]:
    """Where no outcome is stated: the credit of the achievement itself, or exemption from it."""
    if "credits" in own:
        return {"type": "assigned", "achievement": achievement, "credits": own["credits"]}
    return {"type": "exemption", "achievement": achievement}


def _assessed_award(
    desk: Desk, row: Row, office_id: str, achievement: str, own: dict[str, Any], person: Person
) -> Planned:
    if (earlier := desk.record("credential", office_id)) is not None and earlier.current is not None:
        fix = "Give the assessment a record id of its own."
        raise desk.refuse(row, "record_id", "record-duplicate", "a credential has this record id already", fix)
    content: dict[str, Any] = {
        "achievement": achievement,
        "basis": "plar",
        "registration": desk.home,
        "awarding_bodies": [member_urn(desk.home)],
        "assessment": row.data["assessment"],
        **own,
    }
    return _award(desk, row, office_id, content, person)


def result(desk: Desk, row: Row) -> Planned:
    """A course result: kept at home, encrypted; no event."""
    office_id, person = str(row.own["record_id"]), _person(row)
    desk.own_known(row, "achievement", row.data["course"], "course")
    content = {"course_version": 1, "basis": "completed", **row.data}
    known = desk.record("result", office_id)
    digest, details = desk.keys.content(content), _person_digest(desk, person)
    outcome = standing(known, digest)
    if outcome == "unchanged" and known is not None and known.person == details:
        return Planned(row.number, outcome)
    key = desk.keys.key("result", office_id)
    mark = Mark(digest)
    like = _result_likeness(desk, row)
    record = Record(key, "result", f"result:{key[:32]}", mark, mark, person=details, likeness=like)
    kept = Result(key, content)
    if known is not None:
        return Planned(
            row.number, "changed", records=(record,), person=person, result=kept, content=content, before=known
        )
    if like is not None and (old := _renumbered(desk, row, key, like)) is not None:
        return Planned(row.number, "changed", (), (record,), person, kept, before=old, moved=((old.key, key),))
    return Planned(row.number, "new", records=(record,), person=person, result=kept)


def _result_likeness(desk: Desk, row: Row) -> str | None:
    """Of a result with a date of completion: without one, two attempts would look the same."""
    when = row.data.get("completed_on")
    number = str(row.own["learner_student_number"])
    return desk.keys.likeness("result", number, row.data["course"], when) if when else None
