"""Loads the samples as offices do: files imported, releases given to learners, cases opened and decided.

Every step is noted in the data folder, so that a run that was cut short goes on where it stopped. Files are harmless to
send again; what is not, is looked up first.
"""

from __future__ import annotations

import asyncio
import csv
import json
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from passerelle.core.errors import PasserelleError
from passerelle.demo import generator
from passerelle.demo.folder import DemoFolder
from passerelle.demo.plan import OPERATOR, Member
from passerelle.demo.processes import Processes
from passerelle.demo.rpc import Asker
from passerelle.runtime.process import wait_for

WAIT_SECONDS: Final = 120.0
_WAIT: Final = ("--wait", str(int(WAIT_SECONDS)))
MODULES: Final = {"sfu": "SFU-MOD-0001", "nvit": "NVIT-MOD-0001", "ubc": "UBC-MOD-0001"}
"""S4: who gave one learner which module, by the office's record."""
STACK: Final = "RRU-STACK-0001"
FRAMEWORK: Final = "noc-2021"
POLICY: Final = "ontario-student-aid"
"""S1: what the operator publishes, a framework of occupations and a policy pack of a province."""
ENDS: Final = "2099-12-31"
"""Releases of the demo do not end while it is shown."""
Say = Callable[[str], None]


@dataclass(slots=True)
class Loader:
    """The steps. ``say`` is told of each that is done; ``samples`` and ``policies`` are the folders of files."""

    folder: DemoFolder
    samples: Path
    policies: Path
    processes: Processes
    ask: Asker
    members: Sequence[Member]
    say: Say
    _loaded: dict[str, asyncio.Event] = field(init=False)

    def __post_init__(self) -> None:
        self._loaded = {member.id: asyncio.Event() for member in self.members}

    async def load(self, only: frozenset[str]) -> None:
        """Everything that the questions need, side by side where nothing waits for another."""
        async with asyncio.TaskGroup() as group:
            for member in self.members:
                group.create_task(self._files(member))
            for name, flow in _FLOWS.items():
                if name in only:
                    group.create_task(flow(self))

    def steps(self, only: frozenset[str]) -> int:
        """How many steps :meth:`load` has."""
        return sum(len(member.files) for member in self.members) + sum(_STEPS.get(name, 0) for name in only)

    def _config(self, member: str) -> tuple[str, str]:
        return "--config", str(self.folder.node(member))

    async def _once(self, step: str, work: Callable[[bool], Awaitable[Any]]) -> Any:
        """Do a step unless it was done; ``work`` is told whether an earlier run began it."""
        if not self.folder.done(step):
            again = self.folder.begin(step)
            self.folder.end(step, await work(again))
        self.say(step)
        return self.folder.result(step)

    # Members

    async def admit(self) -> None:
        """Let the operator admit every member, and wait until the registry shows them all."""
        known = await self.ask.members()
        missing = [member for member in self.members if member.id not in known]

        async def work(member: Member) -> None:
            admission = str(self.folder.service(member.id) / "admission.json")
            await self.processes.run("operator", "admit", admission, *self._config(OPERATOR))
            self.say(member.id)

        await asyncio.gather(*(work(member) for member in missing if member.id != OPERATOR))
        wanted = {member.id for member in self.members}
        await self._until(lambda: self._all_known(wanted), "the registry does not show every member")

    async def _all_known(self, wanted: set[str]) -> bool:
        return wanted <= (await self.ask.members()).keys()

    async def _until(self, condition: Callable[[], Awaitable[bool]], what: str) -> None:
        if not await wait_for(condition, timeout_s=WAIT_SECONDS, every_s=0.1):
            raise PasserelleError("deadline-exceeded", f"After {WAIT_SECONDS:g} s {what}.", fix="See the logs.")

    # Files

    async def _files(self, member: Member) -> None:
        for path in member.files:
            await self._import(f"import:{member.id}/{path.name}", member.id, path)
        self._loaded[member.id].set()

    async def _import(self, step: str, member: str, path: Path, *, wrong: bool = False, known: int = 0) -> Any:
        """Import a file; ``wrong``: it has rows to be refused. ``known`` rows of it were sent in an earlier file."""

        async def work(again: bool) -> dict[str, Any]:
            errors = self.folder.service(member) / f"{path.stem}.errors.csv"
            arguments = (*self._config(member), "--report", str(errors))
            # Exit code 2: some rows were refused, the others taken.
            report = await self.processes.answer("node", "import", str(path), *arguments, ok=(0, 2))
            if report["refused"] and not wrong:
                first = report["errors"][0]
                what = f"{path.name}: {report['refused']} rows refused, the first: {first}"
                raise PasserelleError("child-failed", what, where=member, fix="Correct the sample.")
            return _whole(report, known) if again else dict(report)

        return await self._once(step, work)

    async def _s1(self) -> None:
        framework = str(self.samples / "frameworks" / f"{FRAMEWORK}.json")
        await self._publish(FRAMEWORK, "node", "publish", "reference.framework-published", framework)
        await self._publish(POLICY, "policy", "publish", str(self.policies / f"{POLICY}.yaml"))

    async def _publish(self, name: str, *command: str) -> None:
        """Publish a record of the operator, unless an earlier run did."""

        async def work(again: bool) -> None:
            if again:
                await self._settle(OPERATOR)
                own = await self.ask.own_events(OPERATOR, "reference")
                if any(one.accepted and one.subject == f"{OPERATOR}/{name}" for one in own):
                    return
            await self.processes.answer(*command, *self._config(OPERATOR), *_WAIT)

        await self._once(f"S1:{name}", work)

    async def _s8(self) -> None:
        await self._loaded["ubc"].wait()
        awards, amendments = await asyncio.to_thread(generator.write_convocation, self.folder.service("ubc") / "S8")
        await self._import("S8:awards", "ubc", awards)
        await self._import("S8:amendments", "ubc", amendments)

    async def _s10(self) -> None:
        await self._loaded["montmorency"].wait()
        place = self.folder.service("montmorency") / "S10"
        first, corrected = await asyncio.to_thread(generator.write_spreadsheet, place)
        report = await self._import("S10:first", "montmorency", first, wrong=True)
        await self._import("S10:again", "montmorency", corrected, known=report["accepted"])

    # Releases and cases

    async def _release(self, issuer: str, record: str, receiver: str, purpose: str) -> Path:
        """The learner's release file for an office record."""
        await self._loaded[issuer].wait()

        async def work(_again: bool) -> dict[str, Any]:
            file = self.folder.service(issuer) / f"{record}.release.json"
            made = await self.processes.answer(
                *("node", "release", "create", *self._config(issuer), "--record", record, "--receiver", receiver),
                *("--purpose", purpose, "--ends", ENDS, "--out", str(file), *_WAIT),
            )
            return {"release": made["release"], "file": str(file.relative_to(self.folder.root))}

        made = await self._once(f"release:{record}", work)
        return self.folder.root / str(made["file"])

    async def _s4(self) -> None:
        await self._loaded["rru"].wait()
        files = await asyncio.gather(
            *(self._release(issuer, record, "rru", "stack") for issuer, record in MODULES.items())
        )

        accepted = [await self._accept("rru", file) for file in files]

        async def work(_again: bool) -> dict[str, Any]:
            stack = self.folder.service("rru") / "stack.csv"
            _write_stack(stack, accepted)
            await self.processes.answer("node", "import", str(stack), *self._config("rru"))
            await self._settle("rru")
            return {"records": list(MODULES.values())}

        await self._once("S4:stack", work)

    async def _accept(self, receiver: str, file: Path) -> Any:
        """Take a learner's file in; a person that the office does not know is confirmed as new."""

        async def work(_again: bool) -> Any:
            command = ("node", "release", "accept", str(file), *self._config(receiver))
            told = await self.processes.run(*command, "--json", ok=(0, 1))
            if told.code == 0:
                return json.loads(told.output)
            return await self.processes.answer(*command, "--confirm", "new")

        return await self._once(f"accept:{file.name}", work)

    async def _settle(self, member: str) -> Mapping[str, Any]:
        """Wait until a node has an answer to everything that it published; what it says then."""
        told = await self.processes.run("node", "status", *self._config(member), *_WAIT, "--json", ok=(0, 1))
        found: Mapping[str, Any] = json.loads(told.output)
        if told.code != 0:
            waits = "; ".join(f"{one['type']} {one['subject']} for {one['waits_for']}" for one in found["held"][:5])
            what = f"after {WAIT_SECONDS:g} s {found['totals']} wait at {member}: {waits or 'for receipts'}"
            raise PasserelleError("deadline-exceeded", what, where=member, fix="See its log.")
        return found

    async def _case(self, scenario: str, file: Path, receiver: str, programme: str) -> str:
        """Open a transfer case on a release file, or find the one that an earlier run opened."""

        async def work(again: bool) -> dict[str, Any]:
            released = self.folder.result(f"release:{file.name.removesuffix('.release.json')}")["release"]
            for case in await self.ask.cases(receiver) if again else ():
                if case.release == released:
                    return {"case": case.id}
            made = await self.processes.answer(
                *("node", "transfer", "request", *self._config(receiver), "--release", str(file)),
                *("--programme", programme, "--confirm", "new", *_WAIT),
            )
            return {"case": made["case"]}

        return str((await self._once(f"{scenario}:case", work))["case"])

    async def _step(self, scenario: str, case: str, receiver: str, event: str, *command: str) -> None:
        """One step of a case, unless the ledger shows it already."""

        async def work(again: bool) -> None:
            if again and event in {step.event for step in (await self.ask.case(case, receiver)).steps}:
                return
            name, *options = command
            await self.processes.answer("node", "transfer", name, case, *self._config(receiver), *options, *_WAIT)

        await self._once(f"{scenario}:{event}", work)

    async def _credited(self, scenario: str, issuer: str, record: str, receiver: str, programme: str, rule: str) -> str:
        """From a release to posted credit; the case's id."""
        file = await self._release(issuer, record, receiver, "transfer")
        await self._loaded[receiver].wait()
        await self._settle(receiver)
        case = await self._case(scenario, file, receiver, programme)
        await self._step(scenario, case, receiver, "decided", "decide", "--recognition", rule)
        await self._step(scenario, case, receiver, "posted", "post", "--programme", programme)
        return case

    async def _s5(self) -> None:
        rule, programme = "nscc/assessed-site-measurement", "nscc/construction-management"
        await self._credited("S5", "bcit", "BCIT-PLAR-0001", "nscc", programme, rule)

    async def _s9(self) -> None:
        rule, programme = "queens/athabasca-leadership", "queens/management-certificate"
        case = await self._credited("S9", "athabasca", "AU-LMD-0001", "queens", programme, rule)
        revocation = self.folder.service("athabasca") / "revocation.csv"
        columns = {"record_id": "AU-LMD-0001", "step": "revoked", "reason": "issued-in-error"}
        _write_csv(revocation, [{**columns, "effective_on": "2026-05-15"}])
        await self._import("S9:revoked", "athabasca", revocation)
        await self._until(lambda: self._told("queens", f"transfer:{case}"), "queens was not told of the revocation")
        note = "The certificate on which the credit rested was revoked."
        options = ("--reason", "source-revoked", "--outcome", "removed", "--note", note)
        await self._step("S9", case, "queens", "adjusted", "adjust", *options)

    async def _told(self, member: str, key: str) -> bool:
        return any(key in one.value["affects"] for one in await self.ask.inbox(member, "notice"))

    # The end

    async def settled(self) -> dict[str, Mapping[str, Any]]:
        """Wait until every node has an answer to everything; the nodes' own reports, by member."""

        async def settle(member: Member) -> Mapping[str, Any]:
            found = await self._settle(member.id)
            self.say(member.id)
            return found

        found = await asyncio.gather(*(settle(member) for member in self.members))
        return {member.id: one for member, one in zip(self.members, found, strict=True)}


_FLOWS: Final[dict[str, Callable[[Loader], Coroutine[Any, Any, None]]]] = {
    "S1": Loader._s1,
    "S4": Loader._s4,
    "S5": Loader._s5,
    "S8": Loader._s8,
    "S9": Loader._s9,
    "S10": Loader._s10,
}


_STEPS: Final = {"S1": 2, "S4": 7, "S5": 4, "S8": 2, "S9": 6, "S10": 2}
"""Steps of each flow, for the progress shown."""


def _whole(report: Mapping[str, Any], known: int) -> dict[str, Any]:
    """The report as it would be had the import not been cut short once: what the first try stored is new too."""
    stored = report["unchanged"] - known
    return {**report, "new": report["new"] + stored, "unchanged": known}


def _write_csv(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _write_stack(path: Path, accepted: Sequence[Mapping[str, Any]]) -> None:
    """The office's row for S4's micro-credential, naming credentials and releases that it holds."""
    components = [credential for one in accepted for credential in one["credentials"]]
    row = {
        "record_id": STACK,
        "achievement": "climate-adaptation",
        "conferred_on": "2026-09-30",
        "learner_student_number": "SAMPLE-RRU-4",
        "learner_name": "Sample Learner Four",
        "learner_birth_date": "1995-05-04",
        "components": ";".join(components),
        "releases": ";".join(str(one["release"]) for one in accepted),
    }
    _write_csv(path, [row])
