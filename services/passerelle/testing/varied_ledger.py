"""A small ledger on real servers that holds every kind of row: what is checked, and altered, row by row."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from passerelle.core.batch import SignedStatement
from passerelle.core.note import CosignatureSigner, NoteSigner, parse_note
from passerelle.core.signature import SeedSigner
from passerelle.core.witness import witness_name
from passerelle.ledger.config import LedgerConfig
from passerelle.ledger.main import default_parts
from passerelle.ledger.ports import Parts
from passerelle.testing.federation import Federation, Member, granted, issued, seed_of, uuid_of
from passerelle.testing.running_ledger import Ledger, attached, loop_running

INSTITUTIONS = ("humber", "york", "laval", "conestoga")
SETTINGS: dict[str, Any] = {"reference_wait_s": 0.4}
"""Settings of a ledger that is to hold what has waited in vain."""


@dataclass
class Varied:
    """Writes the events. ``founding`` first, then ``first``, then ``second`` to a ledger that publishes nothing."""

    federation: Federation
    founding: list[SignedStatement] = field(default_factory=list)
    members: dict[str, Member] = field(default_factory=dict)
    later: int = 0
    """Entries that are there when all was decided."""

    def __post_init__(self) -> None:
        operator = self.federation.operator
        vkey = str(NoteSigner(self.federation.network, seed_of("log")).verifier)
        self.founding.append(operator.admits(operator, "operate", log_vkey=vkey))
        witness = SeedSigner(seed_of("witness"))
        witness_key = {"key_id": witness.key_id, "public_key": witness.public_key.hex(), "use": "witness"}
        for name in INSTITUTIONS:
            member = self.members[name] = Member(name, self.federation.network)
            keys = [member.key(), witness_key] if name == "york" else [member.key()]
            self.founding.append(operator.admits(member, "issue", "recognise", keys=keys))

    def first(self) -> list[SignedStatement]:
        """Achievements, rules, credentials in batches, a case to its end, refusals, erasures."""
        humber, york = self.members["humber"], self.members["york"]
        events = [
            member.achievement(f"course-{n}", credit_bearing=n % 3 != 2)
            for member in self.members.values()
            for n in range(5)
        ]
        events.append(york.achievement("programme", kind="certificate"))
        for n in range(4):
            events.append(york.granted(f"rule-{n}", f"humber/course-{n}", f"york/course-{n}"))
        for member in self.members.values():
            events += _credentials(member, "a", 12)
        events += _case(humber, york, "case-1")
        events += [
            # What it rests on changes: the receiver of the rules is told.
            humber.event("credential.achievement-retired", "humber/course-1", {"effective_on": "2026-01-01"}),
            york.granted("gone", "humber/never", "york/course-1"),
            york.granted("rule-0", "humber/course-0", "york/course-0"),
            humber.raw("credential", "public", b'{"name":"x"}'),
            humber.raw("credential", "party", b"not JSON"),
            humber.event("credential.reinstated", uuid_of("humber a 1"), {}),
            humber.event("credential.erased", uuid_of("humber a 2"), {"ground": "learner-request"}),
            humber.event("credential.reinstated", uuid_of("humber a 2"), {}),
            york.event("credential.erased", uuid_of("york a 3"), {"ground": "learner-request"}),
        ]
        self.later = len(self.founding) + len(events)
        return events

    def second(self) -> list[SignedStatement]:
        """More of it."""
        humber, york = self.members["humber"], self.members["york"]
        events = []
        for member in self.members.values():
            events += _credentials(member, "b", 5)
        events += [
            humber.event("credential.achievement-retired", "humber/course-2", {"effective_on": "2026-01-01"}),
            humber.event("credential.suspended", uuid_of("humber a 4"), {"reason": "fees"}),
            york.event("credential.amended", uuid_of("never"), {"reason": "other"}),
        ]
        events += _case(humber, york, "case-2")
        self.later += len(events)
        return events

    def key_change(self) -> SignedStatement:
        """A member's key goes and another comes; what the old one signed must be decided before."""
        laval = self.members["laval"]
        renewed = Member("laval", laval.network, key_name="laval 2")
        self.later += 1
        remove = [{"key_id": laval.signer.key_id}]
        return self.federation.operator.changes_keys(laval, add=[renewed.key()], remove=remove)

    def without_number(self) -> list[SignedStatement]:
        """What spends no number: forged, of a removed key, repeated, conflicting, and behind a gap."""
        humber, conestoga, laval = (self.members[name] for name in ("humber", "conestoga", "laval"))
        twin = conestoga.copy()
        twin.heads["credential"] = (3, twin.heads["credential"][1])
        other = twin.achievement("other")
        repeat = self.founding[1]
        late = laval.achievement("late")
        forged = replace(humber.copy().achievement("forged"), batch_signature=bytes(64))
        nobodys = replace(forged, statement=forged.statement.replace(b"statement/v1", b"statement/v9"))
        stranger = Member("stranger", humber.network).achievement("unknown")
        humber.achievement("never-sent")
        gap = humber.sign(
            [humber.write("credential.issued", uuid_of(f"gap {n}"), _issue("humber", n)) for n in range(3)]
        )
        return [forged, nobodys, stranger, late, other, repeat, *gap]


def _issue(member: str, n: int) -> dict[str, Any]:
    return issued(member, f"{member}/course-{n % 3}", f"{member} {n}")


def _credentials(member: Member, stem: str, count: int) -> list[SignedStatement]:
    """Issued in one batch, then some changed, each alone."""
    names = [uuid_of(f"{member.id} {stem} {n}") for n in range(count)]
    written = [member.write("credential.issued", name, _issue(member.id, n)) for n, name in enumerate(names)]
    changed = [
        member.event("credential.amended", names[2], {"reason": "other", "note": "corrected"}),
        member.event("credential.revoked", names[3], {"reason": "issued-in-error", "effective_on": "2026-01-02"}),
    ]
    return member.sign(written) + changed


def _case(sender: Member, receiver: Member, name: str) -> list[SignedStatement]:
    release, case, credential = uuid_of(f"{name} release", 4), uuid_of(name), uuid_of(f"{sender.id} a 0")
    grant = {"credentials": [credential], "receiver": receiver.id, "purpose": "transfer", "ends_on": "2199-01-01"}
    asked = {"release": release, "sender": sender.id, "receiver": receiver.id, "credentials": [credential]}
    outcome = granted(receiver.id, f"{sender.id}/course-0", f"{receiver.id}/course-0")["outcome"]
    line = {
        "line": 1,
        "credential": credential,
        "status": "credited",
        "recognition": f"{receiver.id}/rule-0",
        "outcome": outcome,
    }
    permission = uuid_of(f"{name} permission")
    permit = {
        "host": sender.id,
        "term": {"starts_on": "2020-01-01", "ends_on": "2020-12-31"},
        "expires_on": "2199-01-01",
        "position": 0,
        "courses": [
            {"line": 1, "achievement": f"{sender.id}/course-0", "individual_reason": "Outline read", "outcome": outcome}
        ],
    }
    post = {"expected_version": 2, "programme": f"{receiver.id}/programme", "posted_on": "2026-02-01"}
    return [
        sender.event("credential.release-granted", release, grant),
        receiver.event("transfer.permission-granted", permission, permit),
        receiver.event("transfer.requested", case, {**asked, "permission": permission}),
        receiver.event("transfer.decided", case, {"expected_version": 1, "lines": [line]}),
        receiver.event("transfer.posted", case, post),
        # The version that it expects is not the case's any more.
        receiver.event("transfer.posted", case, post),
    ]


async def populate(config: LedgerConfig, varied: Varied) -> None:
    """Run a whole ledger for the first half and one that publishes nothing for the second; both have ended then."""
    async with attached(config) as ledger:
        async with loop_running(config, make_parts=default_parts):
            await ledger.send(*varied.founding)
            await ledger.until_size(len(varied.founding))
            await ledger.send(*varied.first())
            await ledger.until_size(varied.later)
            await _until_told(ledger, varied.later)
        async with loop_running(config, make_parts=lambda _shared: Parts()):
            await ledger.send(*varied.second())
            await ledger.until_size(varied.later)
            await ledger.send(varied.key_change())
            await ledger.until_size(varied.later)
            await ledger.send(*varied.without_number())
            await _until_rows(ledger, "unverified", 4)
            await _until_rows(ledger, "waiting", 3)
            await _until_rows(ledger, "conflict", 1)
        await _cosign(ledger, varied)


async def _cosign(ledger: Ledger, varied: Varied) -> None:
    """A witness's cosignature of the newest checkpoint."""
    row = await ledger.look.fetchrow("SELECT size, note FROM ledger.checkpoint ORDER BY size DESC LIMIT 1")
    assert row is not None
    network, witness = varied.federation.network, varied.members["york"].id
    seed = seed_of("witness")
    signature = CosignatureSigner(witness_name(network, witness), seed).cosign(
        parse_note(row["note"].encode()).text, 1_768_478_400
    )
    await ledger.look.execute(
        "INSERT INTO ledger.cosignature (size, key_id, member, signed_at, line) VALUES ($1, $2, $3, $4, $5)",
        row["size"],
        SeedSigner(seed).key_id,
        witness,
        1_768_478_400,
        signature.line,
    )


async def _until_told(ledger: Ledger, size: int) -> None:
    """Wait until everything was published, and a checkpoint covers it."""

    async def told() -> bool:
        owed = await ledger.look.fetchval(
            "SELECT (SELECT sum(number - published) FROM ledger.inbox_head) + (SELECT count(*) FROM ledger.summary)"
        )
        shown = await ledger.look.fetchval("SELECT max(size) FROM ledger.checkpoint WHERE shown")
        return bool(owed == 0 and shown == size)

    await ledger.until(told, f"waited until {size} entries were told")


async def _until_rows(ledger: Ledger, table: str, count: int) -> None:
    async def held() -> bool:
        return await ledger.count(table) >= count

    await ledger.until(held, f"waited for {count} rows in {table}")
