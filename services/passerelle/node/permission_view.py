"""A letter of permission as a node knows it: what was asked, and the events about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from passerelle.core.errors import NotFound
from passerelle.core.lifecycle import ABSENT, next_state
from passerelle.node.permission_ports import AskedPermission
from passerelle.node.ports import CaseStore
from passerelle.node.transfers import Step

ASKED: Final = "asked"


@dataclass(frozen=True, slots=True)
class PermissionView:
    """``version`` counts its events: the next one names it. ``said`` is the data of what stands (granted, amended or
    refused); empty while it is only asked. ``asked`` is None at the host, and at a node that was restored.
    """

    id: str
    home: str
    state: str
    version: int
    said: Mapping[str, Any]
    steps: tuple[Step, ...]
    asked: AskedPermission | None

    @property
    def host(self) -> str:
        """Where the courses are taken."""
        return str(self.said.get("host") or (self.asked.host if self.asked is not None else ""))

    @property
    def entry(self) -> int | None:
        """Log index of the event that says what stands; None while the ledger has not answered."""
        return next((step.index for step in reversed(self.steps) if "courses" in step.data), None)

    def stands(self, today: str) -> str:
        """The state on a day: a permission that was granted is expired after its last day."""
        ended = self.state == "granted" and str(self.said["expires_on"]) < today
        return "expired" if ended else self.state

    def as_dict(self, today: str) -> dict[str, Any]:
        """JSON-able; nothing of a person but the node's own id of the learner."""
        asked = self.asked
        told: dict[str, Any] = {
            "permission": self.id,
            "state": self.stands(today),
            "version": self.version,
            "home": self.home,
            "host": self.host,
            "entry": self.entry,
            "learner": asked.learner if asked is not None else None,
            "steps": [step.name for step in self.steps],
        }
        said = self.said
        if not said and asked is not None:
            said = {"term": dict(asked.term), "position": asked.position, "programme": asked.programme}
        names = ("programme", "term", "expires_on", "position", "policies", "maximum_credits", "courses")
        told |= {name: said[name] for name in names if said.get(name)}
        return told | {"lines": [dict(line) for line in asked.lines] if asked is not None else []}


async def view_of(store: CaseStore, member: str, permission: str, asked: AskedPermission | None) -> PermissionView:
    """The permission from its events, unanswered ones of ours included. Raises NotFound ``not-found``."""
    thing = f"permission:{permission}"
    rows = [row for row in await store.events_of(thing) if row.outcome != "refused"]
    logged = {row.index: row.signed.body for row in rows if row.index is not None}
    logged |= {body.index: body.body for body in await store.bodies_of(thing)}
    steps = [_step(index, logged[index]) for index in sorted(logged)]
    steps += [_step(None, row.signed.body) for row in rows if row.index is None]
    if not steps and asked is None:
        raise NotFound("not-found", "this node knows no such permission", where="PERMISSION")
    home = steps[0].member if steps else member
    return PermissionView(permission, home, _state(steps), len(steps), _said(steps), tuple(steps), asked)


def _step(index: int | None, body: bytes) -> Step:
    value = orjson.loads(body)
    name, member = str(value["type"]).split(".")[-2], str(value["source"]).rpartition(":")[2]
    return Step(index, name, member, value["data"])


def _state(steps: Sequence[Step]) -> str:
    state = ABSENT
    for step in steps:
        state = next_state("permission", state, step.name) or state
    return ASKED if state == ABSENT else state


def _said(steps: Sequence[Step]) -> Mapping[str, Any]:
    return next((step.data for step in reversed(steps) if "courses" in step.data), {})
