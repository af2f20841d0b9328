"""The demo from start to end: network, samples, questions, comparison, addresses; then it stays up, or not."""

from __future__ import annotations

import asyncio
import hashlib
import json
import signal
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console

from passerelle.core.errors import PasserelleError
from passerelle.demo import show
from passerelle.demo.answers import ASK, Given
from passerelle.demo.compare import differences
from passerelle.demo.facts import Facts
from passerelle.demo.folder import DemoFolder
from passerelle.demo.loading import Loader
from passerelle.demo.network import Addresses, Network
from passerelle.demo.plan import (
    NETWORK,
    OPERATOR,
    SCENARIOS,
    Member,
    load_expected,
    load_members,
    policies_folder,
    samples_folder,
)
from passerelle.demo.rpc import Asker
from passerelle.demo.show import Teller
from passerelle.runtime.clock import Clock, SystemClock
from passerelle.runtime.process import first

T = TypeVar("T")
Answered = tuple[dict[str, Any], Given | None, list[str]]
"""A question, what was answered if anything was, and how that differs from the expected answer."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asked for. ``only`` names scenarios in order."""

    data: Path
    once: bool = False
    fresh: bool = False
    json_file: Path | None = None
    only: tuple[str, ...] = SCENARIOS
    samples: Path | None = None


def run_demo(options: Options, console: Console) -> int:
    """Run the demo; exit code 0 only where every answer is the expected one, 130 where it was stopped before."""
    return asyncio.run(_main(options, console))


async def _main(options: Options, console: Console) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    clock = SystemClock()
    demo = Demo(options, console, clock)
    try:
        equal = await first(asyncio.ensure_future(_first_error(demo.answer())), stop)
        if equal is None:
            return 130
        if not options.once:
            await demo.stay(stop)
        return 0 if equal else 1
    finally:
        demo.teller.stop()
        await demo.close()


async def _first_error(work: Any) -> Any:
    """The first typed error of several side by side, in place of the group that holds them."""
    try:
        return await work
    except* PasserelleError as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        found = error
    raise found


async def _guarded(network: Network, work: Coroutine[Any, Any, T]) -> T:
    """The result of ``work``, or the error of the process whose end would make it wait in vain."""
    working, watching = asyncio.ensure_future(work), asyncio.ensure_future(network.watch())
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            watching.result()
        return await working
    finally:
        for task in (working, watching):
            task.cancel()
        await asyncio.gather(working, watching, return_exceptions=True)


def fingerprint(samples: Path) -> str:
    """A hash of all sample files but the expected answers: what a data folder was filled with."""
    found = hashlib.sha256()
    for path in sorted(samples.rglob("*")):
        if path.is_file() and path.parent.name != "expected":
            found.update(path.relative_to(samples).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()


class Demo:
    """One run. ``answer`` starts, loads and asks; ``stay`` waits; ``close`` stops everything that was started."""

    def __init__(self, options: Options, console: Console, clock: Clock) -> None:
        self._options = options
        self._console = console
        self._clock = clock
        self._samples = options.samples or samples_folder()
        self._folder = DemoFolder(options.data)
        self._network: Network | None = None
        self.teller = Teller(console, clock)

    async def answer(self) -> bool:
        """Everything up to the addresses; whether every answer is the expected one. Raises PasserelleError."""
        options = self._options
        only = frozenset(options.only)
        members = load_members(self._samples, only)
        again = self._folder.open(fresh=options.fresh, samples=fingerprint(self._samples))
        if again:
            self._console.print(f"  going on with {self._folder.root} [dim](--fresh starts anew)[/]", highlight=False)
        network = self._network = Network(
            self._folder,
            members,
            policies_folder(),
            stage=self.teller.stage,
            progress=self.teller.download,
        )
        addresses = await network.start()
        asker = Asker(addresses.grpc, network=NETWORK, clock=self._clock, seeds=network.seeds())
        async with asker:
            answers = await _guarded(network, self._answers(network, asker, members, only))
        self.teller.done(f"{len(members)} members, {asker.position} entries in the ledger")
        return self._tell(answers, addresses)

    async def _answers(
        self, network: Network, asker: Asker, members: tuple[Member, ...], only: frozenset[str]
    ) -> dict[str, Answered]:
        facts = await self._load(network, asker, members, only)
        self.teller.stage("the questions", len(self._options.only))
        return {name: await self._one(asker, facts, name) for name in self._options.only}

    async def _load(self, network: Network, asker: Asker, members: tuple[Member, ...], only: frozenset[str]) -> Facts:
        loader = Loader(
            self._folder, self._samples, policies_folder(), network.processes, asker, members, self.teller.step
        )
        self.teller.stage("the members' admission", len(members) - 1)
        await loader.admit()
        self.teller.stage("the samples", loader.steps(only))
        await loader.load(only)
        self.teller.stage("every node's receipts", len(members))
        statuses = await loader.settled()
        asker.position = await asker.head()
        return Facts(self._folder, await asker.tally(OPERATOR), statuses)

    async def _one(self, asker: Asker, facts: Facts, name: str) -> Answered:
        """One answer with its question, and how it differs from the expected one."""
        self.teller.step(name)
        expected = load_expected(self._samples, name)
        question = expected["question"]
        try:
            given = await ASK[question["ask"]](asker, facts, question)
        except PasserelleError as error:
            return question, None, [f"no answer: {error}"]
        got = {"question": question, "answer": given.answer, "reasons": given.reasons}
        return question, given, differences(expected, got)

    def _tell(self, answers: Mapping[str, Answered], places: Addresses) -> bool:
        report: dict[str, Any] = {"addresses": places.as_dict(), "answers": {}}
        for name, (question, given, problems) in answers.items():
            show.scenario(self._console, name, given, problems)
            report["answers"][name] = {
                "question": question,
                "answer": None if given is None else given.answer,
                "reasons": None if given is None else given.reasons,
                "expected_equal": not problems,
            }
        if self._options.json_file is not None:
            self._options.json_file.parent.mkdir(parents=True, exist_ok=True)
            text = json.dumps(report, ensure_ascii=False, indent=2)
            self._options.json_file.write_text(text + "\n", encoding="utf-8")
        show.addresses(self._console, places.as_dict(), str(self._folder.root))
        right = sum(1 for _, _, problems in answers.values() if not problems)
        style = "bold green" if right == len(answers) else "bold red"
        self._console.print(f"[{style}]{right} of {len(answers)} answers are as expected.[/]", highlight=False)
        return right == len(answers)

    async def stay(self, stop: asyncio.Event) -> None:
        """Stay up until the stop; a service that ends by itself is told. Raises PasserelleError ``child-failed``."""
        if self._network is None:
            return
        self._console.print("Everything runs. Ctrl-C stops it.", highlight=False)
        await first(asyncio.ensure_future(self._network.watch()), stop)

    async def close(self) -> None:
        """Stop all that was started, and give the data folder back."""
        try:
            if self._network is not None:
                await asyncio.shield(self._network.stop())
        finally:
            self._folder.close()
