"""A learner's rights at home: everything that the node holds of them, and the destruction of their key.

Erasing keeps the keyed hashes of the office's record ids, so that a file that still holds the learner does not bring
them back, and nothing that names them. Copies on backups are the office's (docs/privacy.md).
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import orjson

from passerelle.core.catalogue import BY_NAME
from passerelle.core.errors import FormatError, NotFound, Refused
from passerelle.node.author import Author
from passerelle.node.export import Stored
from passerelle.node.outbox import Draft
from passerelle.node.people import Learner, Vault
from passerelle.node.plan import NewEvent
from passerelle.node.records import Mark, RecordKeys
from passerelle.runtime.clock import Clock, as_date

ERASED: Final = "erased"
RETENTION_ENDED: Final = "retention-ended"
LEGAL_GROUNDS: Final = ("learner-request", "legal-order")
"""On which a record is erased that is still under retention."""
RECORD_KINDS: Final = ("credential", "assessment", "result")


@dataclass(frozen=True, slots=True)
class Kept:
    """What decides on an erasure. ``learner`` is None once erased, ``ground`` the one of then. ``sent``: things of
    which an event has its number and was not refused. ``cases``: when transfer cases were opened here (Unix ms).
    """

    learner: Learner | None
    ground: str | None
    records: Sequence[Stored]
    sent: frozenset[str]
    cases: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Destroyed:
    """What an erasure stores, all of it or nothing. ``unsent``: things of which the ledger holds nothing; ``sent`` have
    an ``erased`` event among the drafts.
    """

    learner: str
    at: int
    account: str
    ground: str
    drafts: Sequence[Draft]
    sent: Sequence[str]
    unsent: Sequence[str]
    mark: Mark


class Erasing(Protocol):
    """One erasure's transaction; imports and releases of drafts wait for its end."""

    async def kept(self, learner: str) -> Kept | None:
        """What is held; None for an id that was never a learner's here."""

    async def destroy(self, work: Destroyed) -> None:
        """Destroy the key and everything under it, forget every hash of personal details, take back what was not
        sent, and store the drafts.
        """


class LearnerStore(Protocol):
    """Learners as a whole."""

    async def find_learners(self, number_key: str, record_keys: Sequence[str]) -> list[str]:
        """Ids of the learners of a student number or of office records; erased ones by their records only."""

    def erasing(self) -> AbstractAsyncContextManager[Erasing]:
        """A transaction that commits at the end of the block, or undoes everything where the block raises."""


@dataclass(slots=True)
class Erasure:
    """What an erasure did, or with a dry run would do."""

    learner: str
    ground: str
    already: bool = False
    """The key was destroyed before."""
    events: int = 0
    taken_back: int = 0
    """Credentials and assessments that were never sent."""
    results: int = 0

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {name: getattr(self, name) for name in self.__slots__}


async def find(store: LearnerStore, keys: RecordKeys, *, learner: str = "", record: str = "", number: str = "") -> str:
    """A learner's id, from that id itself, an office record id or a student number.

    Raises FormatError ``uuid-malformed``, ``argument-missing``, ``argument-conflict``; NotFound ``not-found``.
    """
    if sum(map(bool, (learner, record, number))) != 1:
        code = "argument-conflict" if learner or record or number else "argument-missing"
        fix = "Give one of --learner, --record and --number-file."
        raise FormatError(code, "one learner is named in one way", where="--learner", fix=fix)
    if learner:
        try:
            return str(uuid.UUID(learner))
        except ValueError:
            raise FormatError("uuid-malformed", "a learner's id is a UUID", where="--learner") from None
    record_keys = [keys.key(kind, record) for kind in RECORD_KINDS] if record else []
    found = await store.find_learners(keys.key("learner", number) if number else "", record_keys)
    if len(found) != 1:
        what = "this node knows no such learner" if not found else "records of several learners have this id"
        raise NotFound("not-found", what, where="--record" if record else "--number-file")
    return found[0]


@dataclass(frozen=True, slots=True)
class Eraser:
    """The use case. Releasing the drafts is the caller's, after."""

    store: LearnerStore
    author: Author
    vault: Vault
    clock: Clock
    retention_years: int | None
    """How long records are kept after their date; None: without an end."""

    async def erase(self, learner: str, *, legal_ground: str, account: str, dry_run: bool = False) -> Erasure:
        """Destroy a learner's key and draft ``credential.erased`` for each of their credentials in the ledger.

        Again on a learner who was erased: only what is missing, such as an event that the ledger refused.
        Raises NotFound, Refused ``retention-running``, Unavailable; nothing was changed then.
        """
        now_ms = self.clock.now_ms()
        async with self.store.erasing() as work:
            kept = await work.kept(learner)
            if kept is None:
                raise NotFound("not-found", "this node knows no such learner", where="learner")
            if kept.learner is not None and not legal_ground:
                self._check_retention(kept, as_date(now_ms))
            ground = legal_ground or kept.ground or RETENTION_ENDED
            done = Erasure(learner, ground, already=kept.learner is None)
            mark = Mark("", status=ERASED)
            drafts, sent, unsent = [], [], []
            for stored in kept.records:
                record = stored.record
                if record.kind == "result":
                    done.results += stored.sealed is not None
                elif record.thing not in kept.sent:
                    if record.current is not None:
                        unsent.append(record.thing)
                elif record.kind == "credential" and (record.current is None or record.current.status != ERASED):
                    event = BY_NAME["credential.erased"]
                    marks = ((record.key, mark),)
                    drafts.append(self.author.draft(NewEvent(event, record.subject, {"ground": ground}, marks)))
                    sent.append(record.thing)
            done.events, done.taken_back = len(drafts), len(unsent)
            if not dry_run:
                await work.destroy(Destroyed(learner, now_ms, account, ground, drafts, sent, unsent, mark))
        return done

    def _check_retention(self, kept: Kept, today: str) -> None:
        running = Counter(kind for kind, date in self._dates(kept) if self._retained(date, today))
        if running:
            counts = ", ".join(f"{count} {kind}" for kind, count in sorted(running.items()))
            fix = f"Wait until retention_years are over, or state --legal-ground {' or '.join(LEGAL_GROUNDS)}."
            raise Refused("retention-running", f"under retention: {counts}", where="retention_years", fix=fix)

    def _retained(self, date: str | None, today: str) -> bool:
        if self.retention_years == 0:
            return False
        return self.retention_years is None or date is None or today < years_after(date, self.retention_years)

    def _dates(self, kept: Kept) -> list[tuple[str, str | None]]:
        """Kind and date of every record; None where nothing says when it was."""
        found: list[tuple[str, str | None]] = [("case", as_date(at)) for at in kept.cases]
        for stored in kept.records:
            found.append((stored.record.kind, self._date(kept.learner, stored)))
        return found

    def _date(self, learner: Learner | None, stored: Stored) -> str | None:
        if stored.sealed is not None and learner is not None:
            data = self.vault.open(learner.id, learner.wrapped_key, stored.sealed)
            return str(data["completed_on"]) if "completed_on" in data else None
        dates = []
        for _, body in stored.events:
            data = orjson.loads(body)["data"]
            dates.append(data.get("conferred_on") or data.get("assessment", {}).get("assessed_on"))
        # The latest event that states it holds.
        return next((date for date in reversed(dates) if date), None)


def years_after(date: str, years: int) -> str:
    """The same day that many years later; of 29 February the 1st of March where there is none."""
    day = dt.date.fromisoformat(date)
    try:
        return day.replace(year=day.year + years).isoformat()
    except ValueError:
        return "9999-12-31" if day.year + years > dt.MAXYEAR else dt.date(day.year + years, 3, 1).isoformat()


@dataclass(frozen=True, slots=True)
class LearnerFile:
    """Everything that the node's database holds of a learner, ciphertext still sealed, everything else JSON-able.

    ``releases`` and ``documents`` have their sealed part under ``sealed``.
    """

    learner: Learner
    records: Sequence[Stored]
    events: Sequence[Mapping[str, Any]]
    releases: Sequence[Mapping[str, Any]] = ()
    cases: Sequence[Mapping[str, Any]] = ()
    received: Sequence[Mapping[str, Any]] = ()
    notices: Sequence[Mapping[str, Any]] = ()
    accesses: Sequence[Mapping[str, Any]] = ()
    documents: Sequence[Mapping[str, Any]] = field(default_factory=tuple)
    permissions: Sequence[Mapping[str, Any]] = ()
