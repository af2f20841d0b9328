"""A transfer case as its parties see it: the ledger's state of it, told in full by the events that they may read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from passerelle.api.transfer.v1 import transfer_pb2 as pb
from passerelle.core.catalogue import EVENT_TYPES
from passerelle.core.errors import FormatError
from passerelle.query import messages
from passerelle.query.index import Index
from passerelle.query.ports import CaseRow, StepRow, UseRow

MAX_DEPENDENTS: Final = 1_000
MAX_USES: Final = 1_000
_DOCUMENT: Final = ("sha256", "media_type", "size", "role")
ROLES: Final = ("", "sender", "receiver")
STATES: Final = (
    "",
    "requested",
    "information-requested",
    "decided",
    "posted",
    "appealed",
    "closed",
    "withdrawn",
)
DEPENDED_ON: Final = ("credential", "recognition", "achievement")


def step_name(event_type: str) -> str:
    """``decided`` for ``ca.passerelle.transfer.decided.v1``."""
    found = EVENT_TYPES.get(event_type)
    return event_type if found is None else found.event


def step_data(step: StepRow) -> Mapping[str, Any]:
    """The data of a step's event; empty where its body was erased."""
    return {} if step.body is None else dict(orjson.loads(step.body)["data"])


def case_message(index: Index, row: CaseRow, steps: Sequence[StepRow], uses: Sequence[UseRow] = ()) -> pb.Case:
    """The case with its lines and steps, and where else its credentials count. ``steps`` in log order; erased ones keep
    their place without their text.
    """
    facts = row.data
    told = [(step, step_data(step)) for step in steps]
    opened = next((data for step, data in told if step_name(step.type) == "requested"), {})
    return pb.Case(
        id=row.id,
        state=row.state,
        version=row.version,
        sender=facts["sender"],
        receiver=facts["receiver"],
        release=facts["release"],
        programme=facts.get("programme") or opened.get("programme") or "",
        credentials=facts["credentials"],
        lines=_lines(index, row, told),
        steps=[step_message(step, data) for step, data in told],
        changed_index=row.changed,
        appeal_by=facts.get("appeal_by") or "",
        final=bool(facts.get("final")),
        level=_level(steps),
        uses=[_use(use) for use in uses],
        due_on=opened.get("due_on") or "",
    )


def _level(steps: Sequence[StepRow]) -> int:
    """Decisions, appeals included. One that completes another, while lines waited, is of the same level."""
    level, open_again = 0, True
    for step in steps:
        name = step_name(step.type)
        if name == "decided" and open_again:
            level, open_again = level + 1, False
        open_again = open_again or name == "appealed"
    return level


def _use(use: UseRow) -> pb.Use:
    return pb.Use(
        credential=use.credential,
        receiver=use.receiver,
        programme=use.programme,
        state=use.state,
        changed_index=use.changed,
    )


def step_message(step: StepRow, data: Mapping[str, Any]) -> pb.Step:
    """A step with what its event says of it."""
    return pb.Step(
        event=step_name(step.type),
        member=step.member,
        index=step.index,
        accepted_at_ms=step.accepted_at,
        note=data.get("note") or "",
        reason=data.get("reason") or data.get("ground") or "",
        cause_index=data.get("cause") or 0,
        earlier_index=data.get("earlier") or 0,
        documents=[
            pb.Document(**{name: one[name] for name in _DOCUMENT if name in one}) for one in data.get("documents") or ()
        ],
    )


def _lines(index: Index, row: CaseRow, told: Sequence[tuple[StepRow, Mapping[str, Any]]]) -> list[pb.Line]:
    """Every line of the latest decision with its present status, and the outcome as it was last adjusted."""
    decided: dict[int, Mapping[str, Any]] = {}
    adjusted: dict[int, Mapping[str, Any]] = {}
    for step, data in told:
        name = step_name(step.type)
        if name == "decided":
            decided, adjusted = {line["line"]: line for line in data.get("lines") or ()}, {}
        elif name == "adjusted":
            changed = (line for line in data.get("lines") or () if line.get("new_outcome"))
            adjusted.update({line["line"]: line["new_outcome"] for line in changed})
    titles = messages.Titles(index, index.position.size)
    return [_line(fact, decided.get(fact["line"], {}), adjusted, titles) for fact in row.data.get("lines") or ()]


def _line(
    fact: Mapping[str, Any],
    decided: Mapping[str, Any],
    adjusted: Mapping[int, Mapping[str, Any]],
    titles: messages.Titles,
) -> pb.Line:
    line = pb.Line(
        line=fact["line"],
        credential=fact["credential"],
        status=fact["status"],
        recognition=decided.get("recognition") or "",
        individual_reason=decided.get("individual_reason") or "",
        reason=decided.get("reason") or "",
        waits_for=decided.get("waits_for") or "",
        recognition_index=decided.get("recognition_index") or 0,
    )
    outcome = adjusted.get(fact["line"]) or decided.get("outcome")
    if outcome:
        line.outcome.CopyFrom(messages.outcome_message(outcome, titles))
    return line


def check_among(value: str, allowed: Sequence[str], where: str) -> str:
    """A coded argument. Raises FormatError ``argument-invalid``."""
    if value not in allowed:
        names = ", ".join(name for name in allowed if name)
        raise FormatError("argument-invalid", f"The value is none of {names}.", where=where)
    return value


def check_key(key: str) -> str:
    """A thing's key that cases and stacks may rest on. Raises FormatError ``argument-invalid``."""
    kind, colon, name = key.partition(":")
    if not colon or kind not in DEPENDED_ON or not 0 < len(name) <= 200:
        raise FormatError(
            "argument-invalid",
            "The thing asked about is a key of kind and id.",
            where="on",
            fix=f"Write one of {', '.join(DEPENDED_ON)}, a colon, and the id.",
        )
    return key
