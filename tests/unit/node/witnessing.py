"""What the tests of the witness share: a log with a past that can be rewritten, and a store in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from passerelle.core.checkpoint import Checkpoint, sign_checkpoint
from passerelle.core.errors import NotFound, PasserelleError, Unavailable
from passerelle.core.merkle import HASH_SIZE, leaf_hash, leaf_hashes, root_from_leaves
from passerelle.core.note import NoteSigner
from passerelle.core.tiles import TileCoord, write_tiles
from passerelle.node.witness_ports import MAX_OPEN, Alarm, Cosigned

NETWORK = "log.test.example/1"
LOG = NoteSigner(NETWORK, b"l" * 32)


class MemoryWitnessStore:
    """Promise, position, alarms and problems in memory. ``losing`` lets that many steps lose to another process."""

    def __init__(self) -> None:
        self.promise: Cosigned | None = None
        self.offset: int | None = None
        self.kept: dict[str, Alarm] = {}
        self.problems: list[str] = []
        self.losing = 0
        self.history: list[tuple[int, bytes]] = []

    async def cosigned(self) -> Cosigned | None:
        return self.promise

    async def advance(self, before: Cosigned | None, after: Cosigned) -> bool:
        stands = None if self.promise is None else (self.promise.size, self.promise.root)
        expected = None if before is None else (before.size, before.root)
        rises = before is None or after.size > before.size
        if self.losing or stands != expected or not rises or any(a.cleared_at is None for a in self.kept.values()):
            self.losing = max(0, self.losing - 1)
            return False
        self.promise = replace(after, delivered=False)
        self.history.append((after.size, after.root))
        return True

    async def note_delivered(self, size: int) -> None:
        if self.promise is not None and self.promise.size == size:
            self.promise = replace(self.promise, delivered=True)

    async def positions(self) -> dict[str, tuple[int, int | None]]:
        return {} if self.offset is None else {"witness": (0, self.offset)}

    async def save_witness_position(self, next_offset: int) -> None:
        self.offset = next_offset

    async def own_record(self, member: str) -> Mapping[str, Any] | None:
        return {"member": member, "details": {"log_vkey": str(LOG.verifier)}}

    async def raise_alarm(self, alarm: Alarm) -> bool:
        if alarm.name in self.kept or sum(one.cleared_at is None for one in self.kept.values()) >= MAX_OPEN:
            return False
        self.kept[alarm.name] = alarm
        return True

    async def alarms(self, *, open_only: bool) -> Sequence[Alarm]:
        found = [alarm for alarm in self.kept.values() if alarm.cleared_at is None or not open_only]
        return sorted(found, key=lambda alarm: (-alarm.raised_at, alarm.name))[:100]

    async def clear_alarm(self, name: str, reason: str, now_ms: int) -> bool:
        alarm = self.kept.get(name)
        if alarm is None or alarm.cleared_at is not None:
            return False
        self.kept[name] = replace(alarm, cleared_at=now_ms, reason=reason)
        self.problems = [code for code in self.problems if code != alarm.code]
        return True

    async def add_problem(self, code: str, what: str, fix: str, now_ms: int) -> None:
        assert what
        assert fix
        if code not in self.problems:
            self.problems.append(code)


class Ledgerish:
    """A log: ``size`` leaves served as tiles, those from ``changed`` on another than at first; takes cosignatures.

    ``away`` ends every request, ``refusing`` is the code with which cosignatures are refused.
    """

    def __init__(self, store: MemoryWitnessStore | None = None) -> None:
        self.size = 0
        self.changed: int | None = None
        self.away = False
        self.refusing = ""
        self.fetched: list[str] = []
        self.cosigned: list[bytes] = []
        self.store = store

    def leaves(self, size: int) -> list[bytes]:
        hashes = leaf_hashes(b"entry %d" % index for index in range(size))
        if self.changed is not None and self.changed < size:
            hashes[self.changed] = leaf_hash(b"rewritten")
        return hashes

    def note(self, size: int) -> bytes:
        """The checkpoint of a size as the log tells it now."""
        return sign_checkpoint(Checkpoint(NETWORK, size, root_from_leaves(self.leaves(size))), [LOG])

    async def tile(self, coord: TileCoord) -> bytes:
        if self.away:
            raise Unavailable("service-unavailable", "as asked")
        self.fetched.append(coord.path)
        for tile in write_tiles(0, self.leaves(self.size), lambda _coord: b""):
            if (tile.coord.level, tile.coord.index) == (coord.level, coord.index):
                if tile.coord.width >= coord.width:
                    return tile.hashes[: coord.width * HASH_SIZE]
                break
        raise NotFound("tile-absent", "not there yet", where=coord.path)

    async def checkpoint(self) -> bytes:
        if self.away or not self.size:
            raise Unavailable("checkpoint-not-ready", "as asked")
        return self.note(self.size)

    async def add_cosignature(self, note: bytes) -> None:
        if self.refusing:
            raise PasserelleError(self.refusing, "as asked")
        self.cosigned.append(note)
