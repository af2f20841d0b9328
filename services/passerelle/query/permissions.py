"""A letter of permission as its parties see it: the ledger's state of it, told in full by the events they may read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from passerelle.api.transfer.v1 import transfer_pb2 as pb
from passerelle.core.lifecycle import ABSENT, TABLES
from passerelle.query import messages
from passerelle.query.cases import step_data, step_message, step_name
from passerelle.query.index import Index
from passerelle.query.permission_ports import PermissionRow
from passerelle.query.ports import StepRow

KIND: Final = "permission"
ROLES: Final = ("", "home", "host")
STATES: Final = ("", *(state for state in TABLES[KIND] if state != ABSENT))
_TOLD: Final = ("recognition", "recognition_index", "individual_reason", "reason", "fix")


def permission_message(index: Index, row: PermissionRow, steps: Sequence[StepRow]) -> pb.Permission:
    """The permission with its courses and steps. ``steps``: the events about its id that the caller may read, in log
    order; what an erased one said is left out.
    """
    told = [(step, step_data(step)) for step in steps if step_name(step.type).startswith(f"{KIND}-")]
    entry, said = _standing(told)
    titles = messages.Titles(index, index.position.size)
    message = pb.Permission(
        id=row.id,
        state=row.state,
        version=row.version,
        home=row.home,
        host=row.data["host"],
        case=row.data.get("case") or "",
        programme=said.get("programme") or "",
        expires_on=row.data.get("expires_on") or "",
        rules_position=said.get("position") or 0,
        policies=[pb.PolicyVersion(**one) for one in said.get("policies") or ()],
        courses=[_course(course, titles) for course in said.get("courses") or ()],
        note=said.get("note") or "",
        entry_index=entry,
        changed_index=row.changed,
        steps=[step_message(step, data) for step, data in told],
        **_term(row, said.get("term") or {}),
    )
    if said.get("maximum_credits"):
        message.maximum_credits.CopyFrom(messages.credit_message(said["maximum_credits"]))
    return message


def _standing(told: Sequence[tuple[StepRow, Mapping[str, Any]]]) -> tuple[int, Mapping[str, Any]]:
    """The event that says what stands, by its log index and data: each states the whole anew but the withdrawal."""
    stating = [one for one in told if step_name(one[0].type) != "permission-withdrawn"]
    return (stating[-1][0].index, stating[-1][1]) if stating else (0, {})


def _term(row: PermissionRow, term: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "term": term.get("name") or "",
        "starts_on": row.data.get("starts_on") or term.get("starts_on") or "",
        "ends_on": term.get("ends_on") or "",
    }


def _course(course: Mapping[str, Any], titles: messages.Titles) -> pb.PermissionCourse:
    message = pb.PermissionCourse(
        line=course["line"],
        achievement=course["achievement"],
        title=titles.of(course["achievement"]),
        **{name: course[name] for name in _TOLD if course.get(name)},
    )
    if course.get("outcome"):
        message.outcome.CopyFrom(messages.outcome_message(course["outcome"], titles))
    if course.get("minimum_grade"):
        message.minimum_grade.CopyFrom(messages.grade_message(course["minimum_grade"]))
    return message
