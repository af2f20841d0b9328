"""The part of ``ledger check`` about what has no index, and about the marks: signed statements that wait or conflict,
records for the refused topic, summaries, positions, the lease.
"""

from __future__ import annotations

import base64
import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from passerelle.core.batch import SignedStatement, from_kafka, verify_place
from passerelle.core.errors import CODES, FormatError, ProofError, SignatureInvalid
from passerelle.core.note import open_note, parse_note
from passerelle.core.statement import FAMILIES, MEMBER_PATTERN, Statement, digest, parse_statement
from passerelle.core.streams import StreamHead
from passerelle.core.witness import USE as WITNESS
from passerelle.core.witness import witness_key
from passerelle.events.topics import TOPICS, ingress_topic
from passerelle.ledger.check import EntryChecker, Findings
from passerelle.ledger.check_letters import KEPT_MS
from passerelle.ledger.check_ports import CosignatureRow, Counted, HeadRow, KeptRow, RestStore, UnverifiedRow
from passerelle.ledger.summary import case_rows, place_of, write_summary

POSITIONS: Final = ("feed", "registry", "refilled")
"""Names of the positions that are kept. ``refilled``: the log's size when the database was last filled again."""
_MEMBER: Final = re.compile(MEMBER_PATTERN)
_INGRESS: Final = {ingress_topic(family) for family in FAMILIES}


class RestChecker:
    """Checks the rest against the entries that were checked before."""

    def __init__(
        self, store: RestStore, entries: EntryChecker, head: HeadRow, findings: Findings, *, now_ms: int
    ) -> None:
        self._store = store
        self._entries = entries
        self._head = head
        self._findings = findings
        self._since = now_ms - KEPT_MS

    async def run(self, positions: Mapping[str, int], checkpoint: int) -> None:
        """Check everything; ``checkpoint`` is the size of the largest one."""
        self._check_positions(positions, checkpoint)
        offsets = await self._store.ingress()
        self._check_offsets(offsets)
        for index, place in await self._store.repeated_ingress():
            self._fault(f"index {index}", f"another entry names the ingress record {place} too")
        if list(await self._store.lease_generations()) != [self._head.generation]:
            self._fault("lease", "its generation is not that of the head")
        async for row in self._store.kept():
            self._findings.add(f"{row.table} rows")
            self._check_kept(row, offsets)
        async for record in self._store.unverified():
            self._findings.add("unverified rows")
            self._check_unverified(record)
        async for cosignature in self._store.cosignatures():
            self._findings.add("cosignatures")
            self._check_cosignature(cosignature)
        await self._check_summaries()

    def _fault(self, where: str, what: str) -> None:
        self._findings.fault("ledger-diverged", where, what)

    # Marks

    def _check_positions(self, positions: Mapping[str, int], checkpoint: int) -> None:
        for name, position in positions.items():
            if name not in POSITIONS:
                self._fault(f"published {name}", "no position has this name")
            elif not 0 <= position <= self._head.size:
                self._fault(f"published {name}", "it is beyond the log")
        feed = positions.get("feed", 0)
        if feed < checkpoint:
            self._fault("published feed", f"it is below the checkpoint of {checkpoint} entries")
        if positions.get("registry", 0) > feed:
            self._fault("published registry", "it is beyond what the feed has")

    def _check_offsets(self, offsets: Mapping[tuple[str, int], int]) -> None:
        for (topic, partition), offset in offsets.items():
            known = topic in _INGRESS and 0 <= partition < TOPICS[topic].partitions
            if not known or offset <= self._entries.offsets.get((topic, partition), -1):
                what = "there is no such partition" if not known else "an entry's record lies at or beyond it"
                self._fault(f"ingress {topic} {partition}", what)
        for topic, partition in self._entries.offsets.keys() - offsets.keys():
            self._fault(f"ingress {topic} {partition}", "the row is missing")

    def _check_cosignature(self, row: CosignatureRow) -> None:
        """The line is that of a witness key of the member, over the checkpoint's text, at the instant beside it."""
        where = f"cosignature {row.size} {row.key_id}"
        registry = self._entries.replay.registry
        record = registry.members.get(row.member)
        key = record.keys.get(row.key_id) if record is not None else None
        if key is None or key.use != WITNESS:
            self._fault(where, "the member never had this witness key")
            return
        witness = witness_key(registry.network, row.member, key.public_key)
        try:
            lines = parse_note(row.note.encode()).signatures
            note = parse_note((row.note + row.line).encode())
            signed = open_note(note, [witness]).signed
        except (FormatError, ProofError) as error:
            self._findings.fault(error.code, where, f"the cosignature does not verify: {error.what}")
            return
        if len(note.signatures) != len(lines) + 1 or signed[0].timestamp != row.signed_at:
            self._fault(where, "its line or its instant is not what its columns say")

    # What has no index

    def _check_kept(self, row: KeptRow, offsets: Mapping[tuple[str, int], int]) -> None:
        where = f"{row.table} {row.member} {row.family} {row.sequence}"
        if row.arrived_at > self._head.accepted_at:
            self._fault(where, "it arrived after the last commit")
        try:
            signed = _signed(row)
            statement = parse_statement(signed.statement)
            self._check_signed(row, signed, statement)
        except (FormatError, SignatureInvalid) as error:
            self._findings.fault(error.code, where, f"the statement that is kept does not verify: {error.what}")
            return
        except (KeyError, TypeError, ValueError):
            self._fault(where, "its headers are not those of a record")
            return
        if (statement.member, statement.family, statement.sequence) != (row.member, row.family, row.sequence):
            self._fault(where, "its place is not that of its statement")
        if row.body is None and row.arrived_at >= self._since:
            self._fault(where, "its body is missing")
        expected = self._waiting(row, statement, offsets) if row.table == "waiting" else _conflict(signed)
        for name, value in expected.items():
            if row.columns[name] != value:
                self._fault(where, f"column {name} is not what the statement says")

    def _check_signed(self, row: KeptRow, signed: SignedStatement, statement: Statement) -> None:
        """Body, key and signature. Raises SignatureInvalid."""
        if row.body is not None and digest(row.body) != statement.body_sha256:
            raise SignatureInvalid("body-hash-mismatch", "The body is not the one that the statement names.")
        registry = self._entries.replay.registry
        found = registry.key_for(signed.key_id)
        if statement.network != registry.network or found is None or found[0] != statement.member:
            raise SignatureInvalid("key-unknown", "The member never had the key.")
        size, index, path = signed.batch_size, signed.batch_index, signed.batch_path
        verify_place(signed.statement, statement, size, index, path, signed.batch_signature, found[1].public_key)

    def _waiting(self, row: KeptRow, statement: Statement, offsets: Mapping[tuple[str, int], int]) -> dict[str, Any]:
        where = f"waiting {row.member} {row.family} {row.sequence}"
        head = self._entries.replay.streams.get((statement.member, statement.family), StreamHead())
        if statement.sequence <= head.sequence:
            self._fault(where, "its number is spent")
        place = (row.columns["topic"], row.columns["partition"])
        if not 0 <= row.columns["offset"] < offsets.get(place, 0):
            self._fault(where, "its record lies where nothing was read yet")
        return {"topic": ingress_topic(statement.family), "key": statement.member.encode("ascii")}

    def _check_unverified(self, row: UnverifiedRow) -> None:
        """Nothing in it is proved by anybody: only that it says the same twice, in its form."""
        where = f"unverified {row.number}"
        try:
            value = orjson.loads(row.value)
            named = value.get("member_named")
            place = f"{value['topic']}/{value['partition']}/{value['offset']}"
            same = (value["code"], place, value["arrived_at"]) == (row.code, row.ingress, row.arrived_at)
            sound = (
                orjson.dumps(value) == row.value
                and value["count"] == 1
                and value["topic"] in _INGRESS
                and 0 <= value["partition"] < TOPICS[value["topic"]].partitions
                and row.code in CODES
                and (named is None or _MEMBER.fullmatch(named) is not None)
                and not value.keys() - {"code", "topic", "partition", "offset", "arrived_at", "count", "member_named"}
            )
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
            same = sound = False
        if not same or not sound:
            self._fault(where, "its value is not what its columns say")
        if row.arrived_at > self._head.accepted_at:
            self._fault(where, "it arrived after the last commit")

    async def _check_summaries(self) -> None:
        """Those that are not acked: of one commit after the other, up to the last."""
        before: int | None = None
        async for size, value in self._store.summaries():
            self._findings.add("summaries")
            where = f"summary {size}"
            try:
                told = orjson.loads(value)
                start, cases = int(told["from"]), told["cases"]
            except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
                self._fault(where, "its value cannot be read")
                before = size
                continue
            if not 0 <= start < size <= self._head.size:
                self._fault(where, "its commit is not in the log")
            elif (before is not None and start != before) or value != await self._summary(start, size, cases):
                self._fault(where, "it does not count the entries of its commit")
            before = size
        if before is not None and before != self._head.size:
            self._fault(f"summary {before}", "it is the last one, and the log goes on")

    async def _summary(self, start: int, size: int, told: Any) -> bytes:
        """The summary counted again; ``told`` are its cases, taken where bodies that decide on them are gone."""
        instants = self._entries.instants
        place = bisect_left(instants.size, size)
        if place == len(instants.at):
            # The log ends before, which was told already.
            return b""
        accepted_at = instants.at[place]
        counts = [self._count(item) for item in await self._store.counted(start, size)]
        cases = self._entries.cases_between(start, size)
        rows = told if cases is None else case_rows(cases, self._entries.replay.registry)
        return write_summary(start, size, accepted_at, counts, rows)

    def _count(self, item: Counted) -> dict[str, Any]:
        return {
            "member": item.member,
            "jurisdiction": place_of(self._entries.replay.registry, item.member),
            "family": item.family,
            "type": item.kind,
            "accepted": item.accepted,
            "refused": item.refused,
        }


def _signed(row: KeptRow) -> SignedStatement:
    """The signed statement of the headers. Raises FormatError, KeyError, TypeError, ValueError."""
    stored: Sequence[Sequence[str]] = orjson.loads(row.headers)
    headers = [(name, base64.b64decode(text, validate=True)) for name, text in stored]
    signed = from_kafka(headers, row.body or b"")
    again = [[name, base64.b64encode(value).decode("ascii")] for name, value in signed.headers()]
    if again != stored:
        raise ValueError("the headers are not in their one spelling")
    return signed


def _conflict(signed: SignedStatement) -> dict[str, Any]:
    return {
        "digest": digest(signed.statement),
        "statement": signed.statement,
        "signature": signed.batch_signature,
        "key_id": signed.key_id,
    }
