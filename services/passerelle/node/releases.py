"""Releases: granted by the issuer at the learner's wish, carried by the learner, taken in by the receiver."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Protocol

from passerelle.core.catalogue import BY_NAME
from passerelle.core.errors import NotFound, PasserelleError, Refused, Unavailable
from passerelle.core.note import VerifierKey
from passerelle.core.receipt import Receipt
from passerelle.core.witness import registry_quorum
from passerelle.node.author import Author
from passerelle.node.messages import known_keys
from passerelle.node.people import Learner, Vault
from passerelle.node.plan import NewEvent
from passerelle.node.ports import CaseStore, Ledger, OutboxRow, OutboxStore, ReleaseRow
from passerelle.node.records import RecordKeys
from passerelle.node.release_file import ProvedRelease, Verifier, build_file, read_file
from passerelle.node.sealed import OwnSeal, seal_key
from passerelle.runtime.clock import Clock, as_date
from passerelle.runtime.ids import Ids
from passerelle.runtime.process import wait_for

NEW: Final = "new"
"""What ``--confirm`` says where the person of a file is nobody known here."""
PROOF_EVERY_S: Final = 0.2


class ReleaseStore(CaseStore, OutboxStore, Protocol):
    """Learners, releases, our events, the registry's records."""

    async def all_records(self) -> list[Mapping[str, Any]]:
        """Every member's record as the registry topic shows it."""


@dataclass(frozen=True, slots=True)
class Releases:
    """The use cases. Releasing drafts (numbers, signatures) is the caller's, after each."""

    store: ReleaseStore
    author: Author
    vault: Vault
    keys: RecordKeys
    ledger: Ledger
    clock: Clock
    ids: Ids
    member: str
    network: str
    operator: str
    witnesses: int = 0
    """How many members, the operator not counting, must have cosigned the checkpoints of a file that is taken in."""
    seal: OwnSeal | None = None
    """Opens what was sealed to this member."""

    async def credential_ids(self, credentials: Sequence[str], records: Sequence[str]) -> list[str]:
        """Credential ids as given, and those of office record ids. Raises NotFound ``record-unknown``."""
        keys = [self.keys.key("credential", record) for record in records]
        held = await self.store.records_by_key(keys)
        if len(held) < len(set(keys)):
            raise NotFound("record-unknown", "no credential of one of these record ids was imported", where="--record")
        return [*credentials, *(held[key].subject for key in keys)]

    async def create(self, credentials: Sequence[str], *, receiver: str, purpose: str, ends_on: str) -> str:
        """Draft the grant of a release over credentials of one learner; its id."""
        learner = await self._learner_of(credentials)
        await self._learner(learner)
        release = self.ids.uuid4()
        data = {"credentials": list(credentials), "receiver": receiver, "purpose": purpose, "ends_on": ends_on}
        draft = self.author.draft(NewEvent(BY_NAME["credential.release-granted"], release, data))
        row = ReleaseRow(release, True, receiver, learner, tuple(credentials), purpose, ends_on)
        await self.store.save_release(row, [draft], learner=None, proved=(), now_ms=self.clock.now_ms())
        return release

    async def _learner_of(self, credentials: Sequence[str]) -> str:
        learners = set()
        for number, credential in enumerate(credentials):
            record = await self.store.record_of(f"credential:{credential}", "credential")
            if record is None or record.learner is None:
                what = "this node issued no such credential from its office's records"
                raise NotFound("record-unknown", what, where=f"--credential {number + 1}")
            learners.add(record.learner)
        if len(learners) != 1:
            fix = "Make one release a learner."
            raise Refused("release-invalid", "the credentials are of several learners", where="--credential", fix=fix)
        return learners.pop()

    async def write_file(self, release: str, path: Path, *, results: bool, wait_s: float, sealed: bool = False) -> None:
        """Write the learner's file once the log has proved grant and credentials, waiting up to ``wait_s`` seconds.

        ``sealed``: the person and the results are for the receiver's node alone. Raises NotFound (also
        ``seal-key-missing``), Refused (the ledger refused the grant), Unavailable (not yet answered or proved).
        """
        row = await self._outgoing(release)
        record = await self.store.own_record(row.member) if sealed else None
        key = seal_key(row.member, record, self.clock.now_ms()) if sealed else None
        learner = await self._learner(row.learner)
        receipts: list[Receipt] = []
        problem: list[PasserelleError] = []

        async def proved() -> bool:
            try:
                receipts[:] = await self._receipts(row)
            except Unavailable as error:
                problem[:] = [error]
                return False
            return True

        if not await wait_for(proved, timeout_s=max(wait_s, 0.0), every_s=PROOF_EVERY_S):
            fix = f"Run 'passerelle node release show {release} --out FILE' once the node has relayed it."
            cause = problem[0] if problem else Unavailable("checkpoint-not-ready", "the log has not answered yet")
            raise Unavailable(cause.code, cause.what, where=f"release {release}", fix=fix)
        found = await self._results(learner) if results else []
        content = build_file(receipts[0], receipts[1:], found, self.vault.person(learner), release=release, key=key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_bytes(content)

    async def _outgoing(self, release: str) -> ReleaseRow:
        row = await self.store.release(release)
        if row is None or not row.outgoing:
            raise NotFound("release-unknown", "this node granted no such release", where="RELEASE")
        return row

    async def _receipts(self, row: ReleaseRow) -> list[Receipt]:
        """The grant's receipt, then those of every accepted event of the credentials."""
        receipts = [await self._receipt(event) for event in await self._answered(f"release:{row.id}")][:1]
        for credential in row.credentials:
            receipts += [await self._receipt(event) for event in await self._answered(f"credential:{credential}")]
        return receipts

    async def _answered(self, thing: str) -> list[OutboxRow]:
        rows = await self.store.events_of(thing)
        if not rows or any(row.outcome is None for row in rows):
            raise Unavailable("checkpoint-not-ready", "the ledger has not answered yet", where=thing)
        if rows[0].outcome == "refused":
            first = rows[0]
            raise Refused(first.code or "internal", first.what or "refused", where=thing, fix=first.fix or "")
        return [row for row in rows if row.outcome == "accepted"]

    async def _receipt(self, row: OutboxRow) -> Receipt:
        try:
            proved = await self.ledger.proof(row.family, row.sequence)
        except PasserelleError as error:
            if error.code not in {
                "entry-absent", "checkpoint-not-ready", "checkpoint-behind", "witness-quorum-missing",
            }:  # fmt: skip
                raise
            # Answered, but the query service, the checkpoint or the witnesses are a moment behind.
            code = error.code if error.code == "witness-quorum-missing" else "checkpoint-not-ready"
            raise Unavailable(code, error.what, where=row.thing) from None
        return Receipt(proved.entry, proved.proof, row.signed.body)

    async def _learner(self, learner: str | None) -> Learner:
        found = await self.store.learner(learner) if learner is not None else None
        if found is None:
            raise NotFound("not-found", "the learner was erased", where="learner")
        return found

    async def _results(self, learner: Learner) -> list[Mapping[str, Any]]:
        sealed = await self.store.results_of(learner.id)
        return [self.vault.open(learner.id, learner.wrapped_key, one) for one in sealed]

    async def show(self, release: str) -> dict[str, Any]:
        """A release granted here or taken in, without the person."""
        row = await self.store.release(release)
        if row is None:
            raise NotFound("release-unknown", "this node knows no such release", where="RELEASE")
        events = [
            {"type": event.type, "state": event.outcome or "waiting", "index": event.index, "code": event.code}
            for event in await self.store.events_of(f"release:{release}")
        ]
        return {
            "release": row.id,
            "direction": "granted" if row.outgoing else "received",
            "receiver" if row.outgoing else "sender": row.member,
            "credentials": list(row.credentials),
            "purpose": row.purpose,
            "ends_on": row.ends_on,
            "events": events,
        }

    async def withdrawal(self, release: str, note: str) -> NewEvent:
        """The event that withdraws a release."""
        await self._outgoing(release)
        return NewEvent(BY_NAME["credential.release-withdrawn"], release, {"note": note} if note else {})

    async def prove(self, path: Path) -> ProvedRelease:
        """Read a learner's file and check it against the log's and the members' keys."""
        value = read_file(path)
        operator = await self.store.own_record(self.operator)
        vkey = (operator or {}).get("details", {}).get("log_vkey")
        if not vkey:
            fix = "Run the node until it has read the registry."
            raise Unavailable("checkpoint-not-ready", "the registry does not show the log's key yet", fix=fix)
        keys: dict[str, Mapping[str, bytes]] = {}
        for member in _members(value):
            keys[member] = known_keys(await self.store.own_record(member))
        now_ms = self.clock.now_ms()
        records = await self.store.all_records() if self.witnesses else []
        verifier = Verifier(
            self.network,
            self.member,
            lambda member: keys.get(member, {}),
            [VerifierKey.parse(str(vkey))],
            as_date(now_ms),
            registry_quorum(self.witnesses, records, self.network, self.operator, now_ms),
            self.seal,
        )
        return verifier.prove(value)

    async def accept(self, path: Path, *, confirm: str) -> tuple[ProvedRelease, str]:
        """Prove a learner's file, match the person, and keep what it holds; the release and the learner's id.

        ``confirm``: a learner's id or ``new`` where a person at the office has decided. Raises Refused
        ``learner-mismatch`` where nobody, or more than one, matches exactly and nothing was confirmed.
        """
        proved = await self.prove(path)
        learner, fresh = await self._match(proved, confirm)
        row = self._received(proved, learner)
        await self.store.save_release(
            row, [], learner=learner if fresh else None, proved=proved.bodies, now_ms=self.clock.now_ms()
        )
        return proved, learner.id

    async def accept_unmatched(self, path: Path) -> tuple[ProvedRelease, str]:
        """Prove a learner's file and keep its person apart until somebody has compared; the release, the person's id.

        Nobody finds this person by name or birth date: only :class:`passerelle.node.matching.Matching` decides on them.
        """
        proved = await self.prove(path)
        enrolled = self.vault.enrol(proved.person)
        # No keyed hash has this form.
        apart = f"candidate {enrolled.id}"
        candidate = replace(enrolled, number_key=None, match_key=apart, birth_key=apart)
        row = self._received(proved, candidate)
        now_ms = self.clock.now_ms()
        await self.store.save_release(row, [], learner=candidate, proved=proved.bodies, now_ms=now_ms)
        return proved, candidate.id

    def _received(self, proved: ProvedRelease, learner: Learner) -> ReleaseRow:
        """A release that was proved, as it is kept; the results under the learner's key."""
        details = self.vault.seal(learner.id, learner.wrapped_key, {"results": list(proved.results)})
        return ReleaseRow(
            proved.release,
            False,
            proved.sender,
            learner.id,
            proved.credentials,
            proved.purpose,
            proved.ends_on,
            details,
        )

    async def _match(self, proved: ProvedRelease, confirm: str) -> tuple[Learner, bool]:
        """The learner whom the file is about, and whether they are new here."""
        if confirm == NEW:
            return self.vault.enrol(proved.person), True
        if confirm:
            return await self._learner(confirm), False
        key = self.vault.match_key(proved.person)
        near = await self.store.learners_by(match_key=key, birth_key=self.vault.birth_key(proved.person))
        exact = [learner for learner in near if learner.match_key == key]
        if len(exact) == 1:
            return exact[0], False
        ids = ", ".join(learner.id for learner in near)
        what = f"{len(exact)} learners match exactly, {len(near)} have the birth date"
        fix = f"Compare, then say --confirm LEARNER{f' (one of {ids})' if ids else ''} or --confirm {NEW}."
        raise Refused("learner-mismatch", what, where="person", fix=fix)


def _members(value: Any) -> set[str]:
    """Members named in the file's entries, read without believing anything yet."""
    items = [value.get("grant"), *(value.get("credentials") or [])] if isinstance(value, dict) else []
    found = set()
    for item in items:
        lines = str(item.get("entry", "")).split("\n") if isinstance(item, dict) else []
        if len(lines) > 10:
            found.add(lines[10])
    return found
