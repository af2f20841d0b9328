"""Transfer cases: opened by the receiver under one release, decided line by line, posted, adjusted.

Each step names the version of the case that it was decided on. The node counts the versions from its own events and
from the other party's that came in; the ledger refuses a stale one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from passerelle.core.catalogue import BY_NAME
from passerelle.core.errors import FormatError, NotFound, Refused
from passerelle.core.lifecycle import ABSENT, next_state
from passerelle.node.author import Author
from passerelle.node.csv_cells import CREDIT, CellError, owned
from passerelle.node.plan import NewEvent
from passerelle.node.ports import CaseRow, CaseStore
from passerelle.node.release_file import ProvedRelease
from passerelle.runtime.clock import Clock
from passerelle.runtime.ids import Ids


class TransferStore(CaseStore, Protocol):
    """Cases and their events."""


@dataclass(frozen=True, slots=True)
class CaseView:
    """A case as this node knows it: ``version`` is what the next step must name."""

    id: str
    state: str
    version: int
    sender: str
    receiver: str
    release: str
    credentials: tuple[str, ...]
    programme: str
    lines: tuple[Mapping[str, Any], ...]
    steps: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "case": self.id,
            "state": self.state,
            "version": self.version,
            "sender": self.sender,
            "receiver": self.receiver,
            "release": self.release,
            "credentials": list(self.credentials),
            "programme": self.programme,
            "lines": [dict(line) for line in self.lines],
            "steps": list(self.steps),
        }


@dataclass(frozen=True, slots=True)
class Transfers:
    """The use cases. Releasing drafts is the caller's."""

    store: TransferStore
    author: Author
    clock: Clock
    ids: Ids
    member: str

    async def request(self, proved: ProvedRelease, learner: str, *, programme: str, due_on: str) -> tuple[str, Any]:
        """Draft the opening of a case; its id and the draft."""
        case = self.ids.uuid7()
        data: dict[str, Any] = {
            "release": proved.release,
            "sender": proved.sender,
            "receiver": self.member,
            "credentials": list(proved.credentials),
        }
        data |= {name: value for name, value in (("programme", programme), ("due_on", due_on)) if value}
        draft = self.author.draft(NewEvent(BY_NAME["transfer.requested"], case, data))
        await self.store.save_case(CaseRow(case, proved.release, proved.sender, learner), [draft], self.clock.now_ms())
        return case, draft

    async def view(self, case: str) -> CaseView:
        """The case from its events, unanswered ones of ours included. Raises NotFound ``not-found``."""
        thing = f"transfer:{case}"
        rows = [row for row in await self.store.events_of(thing) if row.outcome != "refused"]
        # Ours may come back from the inbox: the index tells one from another. What is unanswered stands last.
        logged = {row.index: row.signed.body for row in rows if row.index is not None}
        logged |= {body.index: body.body for body in await self.store.bodies_of(thing)}
        bodies = [logged[index] for index in sorted(logged)]
        bodies += [row.signed.body for row in rows if row.index is None]
        if not bodies:
            raise NotFound("not-found", "this node knows no such case", where="CASE")
        return _view(case, [orjson.loads(body) for body in bodies])

    async def step(self, case: str, name: str, data: Mapping[str, Any], *, version: int | None = None) -> NewEvent:
        """A step on the case's latest version, or on the one stated."""
        view = await self.view(case)
        return NewEvent(BY_NAME[f"transfer.{name}"], case, {"expected_version": version or view.version, **data})

    async def line(self, case: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """One decision line from what a person stated; the credential and the rule's outcome are filled in."""
        view = await self.view(case)
        line: dict[str, Any] = {name: value for name, value in given.items() if value not in (None, "")}
        if "credential" not in line:
            if len(view.credentials) != 1:
                fix = "Name it with --credential."
                raise Refused("argument-missing", "the case has several credentials", where="--credential", fix=fix)
            line["credential"] = view.credentials[0]
        if line["status"] in {"credited", "conditional"} and "outcome" not in line and "recognition" in line:
            line["outcome"] = await self._outcome_of(str(line["recognition"]))
        return line

    async def _outcome_of(self, recognition: str) -> Mapping[str, Any]:
        rows = [row for row in await self.store.events_of(f"recognition:{recognition}") if row.outcome != "refused"]
        for row in reversed(rows):
            data = orjson.loads(row.signed.body)["data"]
            if "outcome" in data:
                found: Mapping[str, Any] = data["outcome"]
                return found
        fix = "State the outcome, or name a rule that this node published."
        raise NotFound("record-unknown", "this node published no such rule", where="--recognition", fix=fix)


def _view(case: str, bodies: Sequence[Mapping[str, Any]]) -> CaseView:
    first = bodies[0]["data"]
    state, lines, steps = ABSENT, (), []
    for body in bodies:
        step = str(body["type"]).split(".")[-2]
        steps.append(step)
        state = next_state("transfer", state, step) or state
        if step == "decided":
            lines = tuple(body["data"]["lines"])
    posted = [body["data"]["programme"] for body in bodies if ".posted." in body["type"]]
    return CaseView(
        case,
        state,
        len(bodies),
        str(first.get("sender", "")),
        str(first.get("receiver", "")),
        str(first.get("release", "")),
        tuple(first.get("credentials", ())),
        posted[-1] if posted else str(first.get("programme", "")),
        lines,
        tuple(steps),
    )


def assigned(course: str, amount: str, member: str) -> dict[str, Any] | None:
    """Assigned credit from two options; None where neither is given. Raises FormatError ``argument-invalid``."""
    if not course and not amount:
        return None
    try:
        return {"type": "assigned", "achievement": owned(course, member), "credits": CREDIT.parse(amount, member)}
    except CellError as error:
        raise FormatError("argument-invalid", error.what, where="--credit or --amount", fix=error.fix) from None
