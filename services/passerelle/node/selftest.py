"""The selftest: a new member's node does in a sandbox what it will do every day, and each step is checked.

It goes by the node's ordinary code: the importer, the outbox, the relay and intake of a real node process, which is
killed once on the way. Nothing here is done that an office could not do by the commands.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from passerelle import __version__
from passerelle.core.catalogue import BY_NAME
from passerelle.core.errors import PasserelleError, Refused
from passerelle.core.note import VerifierKey
from passerelle.core.receipt import Receipt, VerifiedReceipt, verify_receipt
from passerelle.node.csv_report import ImportReport
from passerelle.node.doctor import examine
from passerelle.node.main import Office
from passerelle.node.messages import signing_keys
from passerelle.node.plan import NewEvent
from passerelle.node.ports import OutboxRow
from passerelle.node.reconcile import Finding
from passerelle.node.selftest_files import AFTER, AWARDS, LATE, Files, draw
from passerelle.node.selftest_report import (
    FAILED,
    FORMAT,
    NOT_RUN,
    OK,
    REFUSAL,
    SKIPPED,
    STEPS,
    Step,
    contracts,
    instant,
    passed,
    require_sandbox,
)
from passerelle.runtime.process import wait_for

LOOK_S: Final = 0.2
MAX_NOTICES: Final = 1000
PAGE: Final = 200
_WAITING: Final = frozenset({"checkpoint-not-ready", "witness-quorum-missing"})
"""What a proof may be refused with until the log has shown a checkpoint."""
Progress = Callable[[Step], None]


class NodeProcess(Protocol):
    """The node's own process (``passerelle node run``) over the configuration under test."""

    async def start(self) -> None:
        """Start it and wait until it serves. Raises PasserelleError ``child-failed``."""

    async def kill(self) -> None:
        """End it at once, as a power cut would; it may be started again."""

    async def stop(self) -> None:
        """End it in order; nothing where it does not run."""

    def log(self) -> str:
        """What it wrote so far."""


class Skip(Exception):
    """A step that this node cannot take, and need not; says why."""


@dataclass(frozen=True, slots=True)
class _Placed:
    """One of our events with the step that published it."""

    step: str
    row: OutboxRow


class Selftest:
    """One run. ``folder`` takes the files of invented records; ``wait_s`` bounds each wait for the ledger."""

    def __init__(self, office: Office, process: NodeProcess, folder: Path, *, wait_s: float, told: Progress) -> None:
        self._office = office
        self._process = process
        self._folder = folder
        self._wait_s = wait_s
        self._told = told
        self._files = Files(draw(office.ids))
        self._placed: list[_Placed] = []
        self._proved: list[tuple[str, Receipt, VerifiedReceipt]] = []
        self._script: dict[str, Callable[[], Awaitable[str]]] = {
            "doctor": self._doctor,
            "published": self._publish,
            "repeated": self._repeat,
            "difference": self._difference,
            "row-refused": self._refuse_row,
            "amended": self._amend,
            "ledger-refused": self._be_refused,
            "revoked": self._revoke,
            "noticed": self._hear,
            "restarted": self._restart,
            "witnessed": self._witness,
            "proved": self._prove,
            "reconciled": self._reconcile,
            "private": self._search,
        }

    async def run(self) -> dict[str, Any]:
        """Every step in order, the first failure ends it; the content of the report.

        Raises PasserelleError ``sandbox-required``, ``lease-held`` (the node runs already), Refused ``role-missing``.
        """
        office, started = self._office, self._office.clock.now_ms()
        if (known := await office.store.own_record(office.config.operator)) is not None:
            require_sandbox(known, office.config.network)
        if await office.store.sessions(f"passerelle-node-{office.config.member}"):
            what = "this node runs already: the selftest starts and kills it itself"
            raise PasserelleError("lease-held", what, where="node run", fix="Stop the node, then run the selftest.")
        try:
            await self._process.start()
            await wait_for(self._admitted, timeout_s=self._wait_s, every_s=LOOK_S)
            steps = await self._steps()
        finally:
            await self._process.stop()
        return await self._content(steps, started)

    async def _steps(self) -> list[Step]:
        steps: list[Step] = []
        for name in STEPS:
            if any(step.state == FAILED for step in steps):
                steps.append(Step(name, NOT_RUN))
                continue
            steps.append(await self._step(name))
            self._told(steps[-1])
            if name == "doctor" and steps[-1].state == OK:
                await self._allowed()
        return steps

    async def _step(self, name: str) -> Step:
        clock = self._office.clock
        since = clock.monotonic()
        state, what, code, fix = OK, "", "", ""
        try:
            what = await self._script[name]()
        except Skip as reason:
            state, what = SKIPPED, str(reason)
        except PasserelleError as error:
            state, code, fix = FAILED, error.code, error.fix
            what = f"{error.what} ({error.where})" if error.where else error.what
        return Step(name, state, round((clock.monotonic() - since) * 1000), what, code, fix)

    async def _content(self, steps: list[Step], started: int) -> dict[str, Any]:
        office = self._office
        heads = [proved.checkpoint.checkpoint for _, _, proved in self._proved]
        largest = max(heads, key=lambda head: head.size, default=None)
        log = {} if largest is None else {"size": largest.size, "root": largest.root.hex(), "origin": largest.origin}
        return {
            "format": FORMAT,
            "network": office.config.network,
            "member": office.config.member,
            "key_id": office.signer.key_id,
            "run": self._files.run,
            "software": __version__,
            "contracts": contracts(),
            "schema": max(await office.store.migrations(), default=""),
            "started_at": instant(started),
            "finished_at": instant(office.clock.now_ms()),
            "passed": passed(steps),
            "steps": [step.as_dict() for step in steps],
            "entries": [{"step": step, "receipt": receipt.as_dict()} for step, receipt, _ in self._proved],
            "log": log,
        }

    # What the steps share

    async def _admitted(self) -> bool:
        office = self._office
        own = await office.store.own_record(office.config.member)
        operator = await office.store.own_record(office.config.operator)
        return operator is not None and office.signer.key_id in signing_keys(own, office.clock.now_ms())

    async def _allowed(self) -> None:
        office = self._office
        require_sandbox(await office.store.own_record(office.config.operator), office.config.network)
        if "issue" not in ((await office.store.own_record(office.config.member)) or {}).get("roles", ()):
            what = "the selftest issues invented credentials, and this member does not have the role issue"
            raise Refused("role-missing", what, where=office.config.member)

    async def _take(self, text: str, *, kind: str, dry_run: bool = False) -> ImportReport:
        """Import a text as the command does; where it is no dry run, number and sign what came of it."""
        path = self._folder / f"{kind}.csv"
        path.write_text(text, encoding="utf-8")
        report = await self._office.importer().run(path, kind=kind, dry_run=dry_run)
        if not dry_run:
            await self._office.release()
        return report

    def _expect(self, report: ImportReport, *, new: int = 0, changed: int = 0, unchanged: int = 0) -> str:
        counted = {"new": report.new, "changed": report.changed, "unchanged": report.unchanged}
        if report.refused:
            error = report.errors[0]
            raise PasserelleError(error.code, error.what, where=f"{report.kind}, {error.column}", fix=error.fix)
        if counted != {"new": new, "changed": changed, "unchanged": unchanged}:
            raise _unexpected(f"the import of {report.kind} counted {counted}")
        return ", ".join(f"{count} {name}" for name, count in counted.items() if count)

    async def _thing(self, number: int) -> str:
        """``credential:<id>`` of an award."""
        key = self._office.keys.key("credential", self._files.record(number))
        record = (await self._office.store.records_by_key([key])).get(key)
        if record is None:
            raise _unexpected(f"the node does not know award {number}")
        return record.thing

    async def _answered(self, step: str, thing: str, name: str) -> OutboxRow:
        """Wait for the ledger's answer to our event of this type about a thing, and keep it for its proof."""
        full, found = BY_NAME[name].full, list[OutboxRow]()

        async def answered() -> bool:
            rows = await self._office.store.events_of(thing)
            found[:] = [row for row in rows if row.type == full and row.outcome is not None]
            return bool(found)

        if not await wait_for(answered, timeout_s=self._wait_s, every_s=LOOK_S):
            raise self._late(f"no answer to {name}")
        self._placed.append(_Placed(step, found[-1]))
        return found[-1]

    async def _accepted(self, step: str, thing: str, name: str) -> OutboxRow:
        row = await self._answered(step, thing, name)
        if row.outcome != "accepted":
            raise PasserelleError(row.code or "internal", row.what or "", where=row.field or name, fix=row.fix or "")
        return row

    def _late(self, what: str) -> PasserelleError:
        fix = "See passerelle node status and the node's log: it must reach Kafka and the query service."
        return PasserelleError("deadline-exceeded", f"{what} within {self._wait_s:g} s", where="ledger", fix=fix)

    # The steps, in order; each says what was seen

    async def _doctor(self) -> str:
        findings = await examine(self._office.config, self._office.clock)
        for found in findings:
            if not found.ok:
                raise PasserelleError(found.code, found.what, where=found.check, fix=found.fix)
        return f"{len(findings)} checks"

    async def _publish(self) -> str:
        self._expect(await self._take(self._files.achievements(), kind="achievements"), new=2)
        course = f"achievement:{self._office.config.member}/{self._files.course}"
        await self._accepted("published", course, "credential.achievement-published")
        told = self._expect(await self._take(self._files.awards(), kind="credentials"), new=AWARDS)
        for number in range(1, AWARDS + 1):
            await self._accepted("published", await self._thing(number), "credential.issued")
        return f"{told}, accepted"

    async def _repeat(self) -> str:
        report = await self._take(self._files.awards(), kind="credentials")
        if report.events:
            raise _unexpected(f"the same file again made {report.events} events")
        return self._expect(report, unchanged=AWARDS)

    async def _difference(self) -> str:
        before = await self._office.store.streams()
        text = self._files.awards(second=AFTER)
        told = self._expect(await self._take(text, kind="credentials", dry_run=True), changed=1, unchanged=AWARDS - 1)
        held = await self._office.store.streams()
        if [(row["sequence"], row["held"]) for row in held] != [(row["sequence"], row["held"]) for row in before]:
            raise _unexpected("the dry run stored something")
        return told

    async def _refuse_row(self) -> str:
        report = await self._take(self._files.wrong_award(), kind="credentials")
        errors = [error for error in report.errors if error.column == "conferred_on"]
        if report.refused != 1 or report.events or not errors:
            raise _unexpected("the row with an impossible date was not refused")
        return f"{errors[0].code} in {errors[0].column}"

    async def _amend(self) -> str:
        text = self._files.awards(second=AFTER)
        told = self._expect(await self._take(text, kind="credentials"), changed=1, unchanged=AWARDS - 1)
        await self._accepted("amended", await self._thing(2), "credential.amended")
        return f"{told}, accepted"

    async def _be_refused(self) -> str:
        thing = await self._thing(1)
        event = NewEvent(BY_NAME["credential.reinstated"], thing.removeprefix("credential:"), {})
        await self._office.publish([event])
        row = await self._answered("ledger-refused", thing, "credential.reinstated")
        if row.code != REFUSAL:
            raise _unexpected(f"an event that breaks the lifecycle was answered {row.code or row.outcome}")
        return f"{row.code}: {row.what}"

    async def _revoke(self) -> str:
        self._expect(await self._take(self._files.revocation(), kind="amendments"), new=1)
        await self._accepted("revoked", await self._thing(3), "credential.revoked")
        return "accepted"

    async def _hear(self) -> str:
        office, files = self._office, self._files
        record = await office.store.own_record(office.config.member) or {}
        if "recognise" not in record.get("roles", ()):
            raise Skip("the member does not have the role recognise")
        self._expect(await self._take(files.rules(office.config.member), kind="recognitions"), new=1)
        rule = f"recognition:{office.config.member}/{files.rule}"
        await self._accepted("noticed", rule, "recognition.granted")
        revised = files.achievements(title="Selftest course revised")
        self._expect(await self._take(revised, kind="achievements"), changed=1, unchanged=1)
        about = f"achievement:{office.config.member}/{files.course}"

        async def told() -> bool:
            notices = await office.store.notices(MAX_NOTICES)
            return any(one["about"] == about and rule in one["affects"] for one in notices)

        if not await wait_for(told, timeout_s=self._wait_s, every_s=LOOK_S):
            raise self._late("no notice came")
        return "a revised course, and the rule that rests on it"

    async def _restart(self) -> str:
        await self._process.kill()
        self._expect(await self._take(self._files.late_award(), kind="credentials"), new=1)
        thing = await self._thing(LATE)
        if any(row.outcome is not None for row in await self._office.store.events_of(thing)):
            raise _unexpected("the event was answered while the node was down")
        await self._process.start()
        row = await self._accepted("restarted", thing, "credential.issued")
        return f"accepted at index {row.index}"

    async def _witness(self) -> str:
        if self._office.config.witness is None:
            raise Skip("the configuration has no table witness")
        last = max(placed.row.index or 0 for placed in self._placed)

        async def cosigned() -> bool:
            held = await self._office.store.cosigned()
            return held is not None and held.size > last and held.delivered

        if not await wait_for(cosigned, timeout_s=self._wait_s, every_s=LOOK_S):
            raise self._late("no cosignature was made and delivered")
        held = await self._office.store.cosigned()
        return f"cosigned {held.size if held else 0} entries"

    async def _prove(self) -> str:
        office = self._office
        operator = await office.store.own_record(office.config.operator) or {}
        log = VerifierKey.parse(str(operator.get("details", {}).get("log_vkey", "")))
        for placed in self._placed:
            receipt = await self._receipt(placed.row)
            proved = verify_receipt(receipt, office.signer.public_key, [log], office.config.network, allow_refused=True)
            if proved.index != placed.row.index or proved.statement.encode() != placed.row.signed.statement:
                raise _unexpected(f"the proof is of another entry than {placed.row.family}/{placed.row.sequence}")
            self._proved.append((placed.step, receipt, proved))
        return f"{len(self._proved)} proofs"

    async def _receipt(self, row: OutboxRow) -> Receipt:
        found: list[Receipt] = []

        async def fetched() -> bool:
            try:
                proof = await self._office.ledger.proof(row.family, row.sequence)
            except PasserelleError as error:
                if error.code not in _WAITING:
                    raise
                return False
            found.append(Receipt(proof.entry, proof.proof))
            return True

        if not await wait_for(fetched, timeout_s=self._wait_s, every_s=LOOK_S):
            raise self._late("no checkpoint covers the entries")
        return found[0]

    async def _reconcile(self) -> str:
        differing: list[Finding] = []
        report = await self._office.reconciler(lambda found: differing.append(found) if found.differs else None).run()
        if differing:
            raise _unexpected(f"node and ledger differ: {differing[0].kind} in {differing[0].family}")
        for problem in await self._office.store.problems():
            raise PasserelleError(str(problem["code"]), str(problem["what"]), where="problems", fix=str(problem["fix"]))
        for alarm in await self._office.store.alarms(open_only=True):
            raise PasserelleError(alarm.code, f"alarm {alarm.name} is open", where="alarms")
        return f"{sum(stream.events for stream in report.streams)} events, no difference"

    async def _search(self) -> str:
        places = {"the node's log": self._process.log().encode()}
        firsts: dict[str, int] = {}
        for placed in self._placed:
            firsts[placed.row.family] = min(firsts.get(placed.row.family, placed.row.sequence), placed.row.sequence)
        for family, first in firsts.items():
            found = await self._office.ledger.stream_events(family, first - 1, PAGE, bodies=True)
            places[f"stream {family}"] = b"\n".join(one.entry + (one.body or b"") for one in found)
        credential = (await self._thing(1)).removeprefix("credential:").encode()
        if credential not in places["stream credential"]:
            raise _unexpected("the ledger did not show this node's own bodies")
        for place, content in places.items():
            if any(secret.encode() in content for secret in self._files.secrets()):
                raise PasserelleError("personal-data", "a detail of an invented learner was found", where=place)
        return f"{sum(map(len, places.values()))} bytes searched"


def _unexpected(what: str) -> PasserelleError:
    return PasserelleError("selftest-failed", what, fix="Report it with the selftest's report and the node's log.")
