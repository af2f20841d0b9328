"""A ledger's database filled event by event, as its own rules decide: what the query service reads, without a broker.

The rows stand in the ledger's own tables, made by its own migrations; the effects come from the core's decisions.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import asyncpg
from tests.unit.query.world import MEMBERS, NETWORK, OPERATOR, ROOT, START_MS, achievement_data, rule_data, signing_key

from passerelle.core import decide
from passerelle.core.catalogue import BY_NAME
from passerelle.core.registry import Registry
from passerelle.core.registry import apply as apply_member
from passerelle.core.things import Effects, MemoryView, Occurrence
from passerelle.events.codec import write_body
from passerelle.runtime.config import DatabaseConfig
from passerelle.runtime.postgres import connect, migrate

NOTIFY = "SELECT pg_notify('ledger_commit', $1)"


def uuid7(number: int) -> str:
    """A UUIDv7 of the tests."""
    return f"019b0000-0000-7000-8000-{number:012x}"


def uuid4(number: int) -> str:
    """The form of a release's id."""
    return f"00000000-0000-4000-8000-{number:012x}"


class LedgerRows:
    """Writes commits of one event each. Every method leaves the database as a commit of the ledger would."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self.pool = pool
        self.registry = Registry(NETWORK, OPERATOR, ROOT)
        self.view = MemoryView()
        self.size = 0
        self.now_ms = START_MS
        self.sequences: dict[tuple[str, str], int] = {}

    @classmethod
    async def create(cls, dsn: str) -> LedgerRows:
        """Make the schema and admit the members of the tests."""
        pool = await connect(DatabaseConfig(url=dsn), name="test-ledger")
        await migrate(pool, "passerelle.ledger.migrations")
        rows = cls(pool)
        await pool.execute("INSERT INTO ledger.head (network) VALUES ($1)", NETWORK)
        for member, (kind, name, jurisdictions, roles) in MEMBERS.items():
            await rows.add(
                "member.admitted",
                OPERATOR,
                member,
                {
                    "member": member,
                    "kind": kind,
                    "names": {"en": name},
                    "jurisdictions": jurisdictions,
                    "roles": roles,
                    "keys": [signing_key(member)],
                },
            )
        return rows

    async def add(self, name: str, member: str, subject: str, data: Mapping[str, Any], *, notify: bool = True) -> int:
        """Decide on an event and commit it; returns its index. Raises AssertionError where the ledger would refuse."""
        self.now_ms += 1_000
        found = BY_NAME[name]
        moment = dt.datetime.fromtimestamp(self.now_ms / 1000, tz=dt.UTC)
        body = write_body(
            found,
            member=member,
            subject=subject,
            identifier=f"019b1111-0000-7000-8000-{self.size:012x}",
            time=moment,
            data=data,
            nonce=None if found.visibility == "public" else hashlib.sha256(str(self.size).encode()).digest(),
        )
        index = self.size
        effects = self._decide(found.full, member, subject, data, moment.date().isoformat())
        async with self.pool.acquire() as connection, connection.transaction():
            await self._write(connection, name, member, subject, body, effects)
            if notify:
                await connection.execute(NOTIFY, str(self.size))
        return index

    def _decide(self, kind: str, member: str, subject: str, data: Mapping[str, Any], date: str) -> Effects:
        if kind.startswith("ca.passerelle.member."):
            apply_member(self.registry, self.size, kind, data)
            return Effects()
        event = Occurrence(member, kind, subject, data, self.size, date)
        verdict = decide.decide(event, self.view, self.registry)
        assert isinstance(verdict, decide.Accepted), verdict
        self.view.apply(verdict.effects)
        return verdict.effects

    async def _write(
        self, connection: Any, name: str, member: str, subject: str, body: bytes, effects: Effects
    ) -> None:
        found, index = BY_NAME[name], self.size
        stream = (member, found.family)
        self.sequences[stream] = self.sequences.get(stream, 0) + 1
        await connection.execute(
            "INSERT INTO ledger.entry (index, accepted_at, member, family, sequence, visibility, type, subject, digest,"
            " entry, ingress) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, 'test/0/0')",
            index, self.now_ms, member, found.family, self.sequences[stream], found.visibility, found.full, subject,
            hashlib.sha256(body).digest(),
        )  # fmt: skip
        if found.visibility == "public":
            await connection.execute(
                "INSERT INTO ledger.public_body VALUES ($1, $2, $3)", index, hashlib.sha256(body).digest(), body
            )
        else:
            await connection.execute(
                "INSERT INTO ledger.party_body VALUES ($1, $2, $3, $4)", index, subject, list(effects.parties), body
            )
        for thing in effects.things:
            await connection.execute(
                "INSERT INTO ledger.thing VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (key) DO UPDATE SET"
                " state = $4, version = $5, changed = $8, data = $9",
                thing.key, thing.kind, thing.id, thing.state, thing.version, thing.owner, thing.created, thing.changed,
                json.loads(json.dumps(dict(thing.data))),
            )  # fmt: skip
        for edge in effects.dependencies:
            await connection.execute(
                "INSERT INTO ledger.dependency VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
                edge.on, edge.dependent, edge.member,
            )  # fmt: skip
        self.size += 1
        await self._head(connection)

    async def _head(self, connection: Any) -> None:
        await connection.execute(
            "UPDATE ledger.head SET size = $1, accepted_at = $2, floor = $2", self.size, self.now_ms
        )

    async def refuse(self, member: str) -> int:
        """A refused event: an entry without effects."""
        self.now_ms += 1_000
        stream = (member, "recognition")
        self.sequences[stream] = self.sequences.get(stream, 0) + 1
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.execute(
                "INSERT INTO ledger.entry (index, accepted_at, member, family, sequence, visibility, code, digest,"
                " entry, ingress) VALUES ($1, $2, $3, 'recognition', $4, 'public', 'role-missing', $5, $5, 'test/0/0')",
                self.size, self.now_ms, member, self.sequences[stream], b"\0" * 32,
            )  # fmt: skip
            self.size += 1
            await self._head(connection)
            await connection.execute(NOTIFY, str(self.size))
        return self.size - 1

    async def course(self, subject: str, title: str = "A course", **more: Any) -> int:
        """Publish a course of the member in the id."""
        member = subject.partition("/")[0]
        data = achievement_data(member, title, **more)
        return await self.add("credential.achievement-published", member, subject, data)

    async def rule(self, subject: str, sending: Any, outcome: Any, **more: Any) -> int:
        """Publish a rule of the member in the id."""
        receiver = subject.partition("/")[0]
        return await self.add("recognition.granted", receiver, subject, rule_data(receiver, sending, outcome, **more))

    async def close(self) -> None:
        """Close the connections."""
        await self.pool.close()


async def add_case(rows: LedgerRows) -> str:
    """A case of queens about one credential of humber: released, requested, decided, posted. Returns its id."""
    await rows.course("humber/design-1", "Design 1")
    await rows.course("queens/arch-101", "Architecture 101")
    await rows.course("queens/beng", "Bachelor of Engineering", kind="degree")
    await rows.rule("queens/r1", "humber/design-1", "queens/arch-101")
    await rows.add(
        "credential.issued",
        "humber",
        uuid7(1),
        {
            "achievement": "humber/design-1",
            "achievement_version": 1,
            "awarding_bodies": ["urn:passerelle:member:humber"],
            "registration": "humber",
            "conferred_on": "2025-12-01",
            "basis": "completed",
            "record": "ab" * 32,
        },
    )
    release = {"credentials": [uuid7(1)], "receiver": "queens", "purpose": "transfer", "ends_on": "2030-01-01"}
    await rows.add("credential.release-granted", "humber", uuid4(1), release)
    case = uuid7(100)
    opened = {"release": uuid4(1), "sender": "humber", "receiver": "queens", "credentials": [uuid7(1)]}
    await rows.add("transfer.requested", "queens", case, {**opened, "programme": "queens/beng"})
    line = {
        "line": 1,
        "credential": uuid7(1),
        "status": "credited",
        "recognition": "queens/r1",
        "outcome": {
            "type": "assigned",
            "achievement": "queens/arch-101",
            "credits": {"value": "3", "system": "credit-hours"},
        },
    }
    await rows.add("transfer.decided", "queens", case, {"expected_version": 1, "lines": [line], "note": "Reviewed"})
    posted = {"expected_version": 2, "programme": "queens/beng", "posted_on": "2026-01-05"}
    await rows.add("transfer.posted", "queens", case, posted)
    return case
