"""Whose is it? What a node can tell from the bodies of its own events once its database has lost them. Pure.

An award names its office record by the keyed hash; a public thing's id is the record's id. Events that name no record
(endorsements, steps of an award, assessments) are kept by a hash of what was published, and the next import finds them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as made
from typing import Any, Final

from passerelle.core.batch import SignedStatement
from passerelle.core.catalogue import EVENT_TYPES, PREFIX, SUFFIX
from passerelle.core.lifecycle import next_state
from passerelle.node.csv_forms import NO_CREDIT
from passerelle.node.plan_learners import AMENDABLE
from passerelle.node.ports import CaseRow, ReleaseRow
from passerelle.node.records import Mark, Record, RecordKeys

_PUBLIC: Final = {
    "credential.achievement-published": "achievements",
    "credential.achievement-revised": "achievements",
    "credential.demand-stated": "demands",
    "recognition.granted": "recognitions",
    "recognition.revised": "recognitions",
    "recognition.denied": "recognitions",
    "reference.organisation-listed": "organisations",
    "reference.framework-published": "frameworks",
}
"""Types whose subject is the office's id, by the kind of file that they are imported from."""


@dataclass(frozen=True, slots=True)
class OwnEvent:
    """An event of ours as the ledger holds it, verified. ``outcome``: accepted or refused; ``released_at``: Unix ms.

    ``lost`` is empty, or the code that says why the body is not held; ``signed.body``, ``type`` and ``subject`` may be
    empty then. ``data`` is the body's, empty where it is lost or was refused.
    """

    family: str
    sequence: int
    type: str
    subject: str
    signed: SignedStatement
    digest: bytes
    body_sha256: bytes
    released_at: int
    outcome: str
    index: int
    code: str = ""
    field: str = ""
    what: str = ""
    fix: str = ""
    lost: str = ""
    data: Mapping[str, Any] = made(default_factory=dict)

    @property
    def thing(self) -> str:
        """Key of the subject; empty where the type is not known."""
        found = EVENT_TYPES.get(self.type)
        return f"{found.kind}:{self.subject}" if found is not None and self.subject else ""

    @property
    def name(self) -> str:
        """``<family>.<event>``."""
        return self.type.removeprefix(PREFIX).removesuffix(SUFFIX)


@dataclass(frozen=True, slots=True)
class Unclaimed:
    """An event whose record is not known: ``about`` and ``content`` are what an import looks for."""

    family: str
    sequence: int
    about: str
    content: str
    thing: str
    mark: Mark


@dataclass(slots=True)
class Recognised:
    """What a run of own events says about the office: records by key, the rest in order."""

    records: dict[str, Record] = made(default_factory=dict)
    unclaimed: list[Unclaimed] = made(default_factory=list)
    releases: list[ReleaseRow] = made(default_factory=list)
    cases: list[CaseRow] = made(default_factory=list)


class Recogniser:
    """Recognises own events, in order. ``known``: records of credentials by their thing; ``history``: data of earlier
    accepted events of a credential, by thing, each with its name. Both grow as events are taken.
    """

    def __init__(
        self,
        keys: RecordKeys,
        known: Mapping[str, Record],
        history: Mapping[str, Sequence[tuple[str, Mapping[str, Any]]]],
    ) -> None:
        self._keys = keys
        self._known = dict(known)
        self._history = {thing: list(steps) for thing, steps in history.items()}
        self.found = Recognised()

    def take(self, event: OwnEvent) -> None:
        """Take an accepted event whose body is held."""
        rules: dict[str, Callable[[OwnEvent], None]] = {
            "credential.issued": self._issued,
            "credential.achievement-endorsed": self._endorsed,
            "credential.release-granted": self._released,
            "recognition.assessed": self._assessed,
            "transfer.requested": self._requested,
        }
        if event.name in rules:
            rules[event.name](event)
        elif event.name in _PUBLIC:
            self._public(event, _PUBLIC[event.name])
        elif event.thing.startswith("credential:"):
            self._step(event)
        if event.thing.startswith("credential:"):
            self._history.setdefault(event.thing, []).append((event.name, event.data))

    def _keep(self, record: Record) -> None:
        self.found.records[record.key] = record
        if record.kind == "credential":
            self._known[record.thing] = record

    def _public(self, event: OwnEvent, kind: str) -> None:
        data = dict(event.data)
        version = data.pop("version", 1)
        # A demand's or an organisation's content has no version; theirs counts as 1, as the import has it.
        status = NO_CREDIT if event.name == "recognition.denied" else ""
        mark = Mark(self._keys.content(data), version=version, status=status)
        self._keep(Record(self._keys.key(kind, event.subject), kind, event.thing, mark, mark))

    def _issued(self, event: OwnEvent) -> None:
        full = {name: value for name, value in event.data.items() if name != "record"}
        # Whether the row stated the version, or the node filled it in, cannot be seen: either is the same content.
        short = {name: value for name, value in full.items() if name != "achievement_version"}
        mark = Mark(self._keys.content(full), self._fixed(full), 1, "issued", (self._keys.content(short),))
        self._keep(Record(str(event.data["record"]), "credential", event.thing, mark, mark))

    def _fixed(self, content: Mapping[str, Any]) -> str:
        return self._keys.content({name: value for name, value in content.items() if name not in AMENDABLE})

    def _step(self, event: OwnEvent) -> None:
        """A step of an award: from an amendments file, from a corrected row, or from a person."""
        step = event.name.partition(".")[2]
        record = self._known.get(event.thing)
        self._unclaimed(event, event.thing, Mark(self._keys.content(event.data)))
        if record is None or record.current is None:
            return
        mark = self._corrected(event, record.current) if step == "amended" else None
        status = next_state("credential", record.current.status, step) or record.current.status
        mark = replace(mark or record.current, status=status)
        self._keep(replace(record, current=mark, accepted=mark))

    def _corrected(self, event: OwnEvent, before: Mark) -> Mark | None:
        """The record after a corrected row, which states every fact; None where a file of steps amended it."""
        issued = next((data for name, data in self._history.get(event.thing, ()) if name == "credential.issued"), None)
        if issued is None or event.data.get("reason") != "clerical-error" or "note" in event.data:
            return None
        content = {name: value for name, value in issued.items() if name != "record" and name not in AMENDABLE}
        facts = {name: value for name, value in event.data.items() if name in AMENDABLE}
        expected = {name for name in issued if name in AMENDABLE and name != "achievement_version"}
        if not expected <= facts.keys():
            return None
        return Mark(self._keys.content(content | facts), before.fixed, before.version + 1, "issued")

    def _endorsed(self, event: OwnEvent) -> None:
        self._unclaimed(event, event.thing, Mark(self._keys.content(event.data)))

    def _assessed(self, event: OwnEvent) -> None:
        credential = event.data.get("credential")
        about = f"credential:{credential}" if credential else f"achievement:{event.data['achievement']}"
        self._unclaimed(event, about, Mark(self._keys.content(event.data)))

    def _unclaimed(self, event: OwnEvent, about: str, mark: Mark) -> None:
        content = self._keys.published(event.name, event.data)
        self.found.unclaimed.append(Unclaimed(event.family, event.sequence, about, content, event.thing, mark))

    def _released(self, event: OwnEvent) -> None:
        data = event.data
        credentials = tuple(str(one) for one in data["credentials"])
        row = ReleaseRow(
            event.subject, True, str(data["receiver"]), None, credentials, str(data["purpose"]), str(data["ends_on"])
        )
        self.found.releases.append(row)

    def _requested(self, event: OwnEvent) -> None:
        case = CaseRow(event.subject, str(event.data["release"]), str(event.data["sender"]), None)
        self.found.cases.append(case)
