"""What the demo knows of its own run besides the services' answers: import reports, release files, the log's counts."""

from __future__ import annotations

import base64
import itertools
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from passerelle.core.entry import parse_entry
from passerelle.demo.folder import DemoFolder
from passerelle.demo.project import event_word


@dataclass(frozen=True, slots=True)
class Logged:
    """One entry of the log, as far as counting goes."""

    member: str
    family: str
    sequence: int
    accepted: bool
    event: str


@dataclass(slots=True)
class Tally:
    """The log counted: outcomes by member and event, numbers by stream."""

    _accepted: Counter[tuple[str, str]] = field(default_factory=Counter)
    _refused: Counter[str] = field(default_factory=Counter)
    _numbers: dict[tuple[str, str], list[int]] = field(default_factory=lambda: defaultdict(list))

    def take(self, entry: Logged) -> None:
        """Count one entry."""
        if entry.accepted:
            self._accepted[entry.member, entry.event] += 1
        else:
            self._refused[entry.member] += 1
        self._numbers[entry.member, entry.family].append(entry.sequence)

    def accepted(self, member: str, event: str) -> int:
        """Accepted events of a member and kind."""
        return self._accepted[member, event]

    def refused(self, member: str) -> int:
        """Refused events of a member."""
        return self._refused[member]

    def first(self, member: str, family: str) -> int:
        """The lowest number of a stream, 0 where it is empty."""
        return min(self._numbers.get((member, family), [0]))

    def last(self, member: str, family: str) -> int:
        """The highest number of a stream, 0 where it is empty."""
        return max(self._numbers.get((member, family), [0]))

    def holes(self, member: str, family: str) -> int:
        """Numbers between first and last that the log does not hold once and in order."""
        numbers = self._numbers.get((member, family), [])
        return sum(1 for before, after in itertools.pairwise(numbers) if after != before + 1)


@dataclass(frozen=True, slots=True)
class Released:
    """A credential of a release file: what its receiver can read of it."""

    release: str
    issuer: str
    credential: str
    achievement: str
    conferred_on: str
    basis: str
    record: str


def read_release(path: Path, record: str) -> Iterator[Released]:
    """The credentials of a release file, as their receipts state them."""
    value = json.loads(path.read_text(encoding="utf-8"))
    grant = _body(value["grant"])
    for receipt in value["credentials"]:
        body = _body(receipt)
        if event_word(body["type"]) == "issued":
            data = body["data"]
            yield Released(
                release=grant["subject"],
                issuer=parse_entry(receipt["entry"].encode("ascii")).parsed().member,
                credential=body["subject"],
                achievement=data["achievement"],
                conferred_on=data["conferred_on"],
                basis=data["basis"],
                record=record,
            )


def _body(receipt: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(base64.b64decode(receipt["body"], validate=True))
    return found


class Facts:
    """Read from the journal of the data folder; ``tally`` and ``statuses`` are of this run."""

    def __init__(self, folder: DemoFolder, tally: Tally, statuses: Mapping[str, Mapping[str, Any]]) -> None:
        self._folder = folder
        self._statuses = statuses
        self.tally = tally

    def report(self, step: str) -> Mapping[str, Any]:
        """The report of one import."""
        found: Mapping[str, Any] = self._folder.result(step)
        return found

    def case(self, scenario: str) -> str:
        """The transfer case of a scenario."""
        return str(self._folder.result(f"{scenario}:case")["case"])

    def released(self, record: str) -> tuple[Released, ...]:
        """The credentials of the release made for an office record."""
        made = self._folder.result(f"release:{record}")
        return tuple(read_release(self._folder.root / made["file"], record))

    def credential(self, record: str) -> str:
        """The credential id of an office record that was released."""
        return self.released(record)[0].credential

    def components(self) -> tuple[Released, ...]:
        """The modules of S4's stack, from the three release files."""
        return tuple(self._each(self._folder.result("S4:stack")["records"]))

    def _each(self, records: Iterable[str]) -> Iterator[Released]:
        for record in records:
            yield from self.released(record)

    def awarded_elsewhere(self, member: str) -> int:
        """Credentials of a member that its own sample file holds, apart from the large files."""
        step = f"import:{member}/credentials.csv"
        return int(self._folder.result(step)["new"]) if self._folder.done(step) else 0

    def waiting(self, member: str) -> int:
        """Events of a member without an answer, as its node says."""
        return int(self._statuses[member]["totals"]["waiting"])

    @staticmethod
    def decode(text: str) -> bytes:
        """A body of an inbox record."""
        return base64.b64decode(text, validate=True)
