"""Many rounds of faults in one federation: load, a seed's strikes, the wait until all is answered, the judgement."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import asyncpg
import httpx

from passerelle.core.errors import PasserelleError
from passerelle.runtime.clock import SystemClock
from passerelle.runtime.process import wait_for
from passerelle.testing.faults.federation import Federation, federation
from passerelle.testing.faults.gauges import COMMITTED, FOLLOWED, PROMISED, PUBLISHED, Gauge
from passerelle.testing.faults.judge import Judge, Shown, ended
from passerelle.testing.faults.network import OPERATOR
from passerelle.testing.faults.offices import ALWAYS, Registrar, write_awards, write_rules
from passerelle.testing.faults.plan import DEFAULT, PORTAL, Shape, Strike, draw
from passerelle.testing.faults.striking import Striker
from passerelle.testing.faults.watch import Watch

MEMBERS: Final = ("humber", "york")
SETTLE_S: Final = 150.0
"""Most seconds between the end of a round's faults and the last answer."""
BROKEN: Final = (
    AssertionError,
    PasserelleError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    httpx.HTTPError,
    OSError,
)
"""Errors that end a round as broken: the servers and the log must answer when the faults are over."""
WHOLE_EVERY: Final = 20
"""Rounds between two judgements of everything; there is one more at the end."""


@dataclass(frozen=True, slots=True)
class Load:
    """What each member's office does in a round: a file of ``batch`` awards, ``singles`` files of one, ``rules``."""

    batch: int = 80
    singles: int = 8
    rules: int = 4
    pause_s: float = 0.25
    """Seconds after each file, so that the load lasts as long as the faults come."""

    @property
    def events(self) -> int:
        """Events of one member."""
        return self.batch + self.singles + self.rules


@dataclass(frozen=True, slots=True)
class Round:
    """One round: its strikes, what was said in it, how long it took, what was broken after it.

    ``ends``: processes that ended unasked, with exit code and the error code that they told.
    """

    seed: int
    strikes: tuple[Strike, ...]
    events: int
    seconds: float
    faults: tuple[str, ...] = ()
    ends: tuple[tuple[str, int, str], ...] = ()

    @property
    def line(self) -> str:
        """The round on one line."""
        verdict = "holds" if not self.faults else f"BROKEN: {'; '.join(self.faults)}"
        struck = "; ".join(map(str, self.strikes))
        notes = [
            f"{name} ended with {code} {error}".rstrip() + (f", {count} times" if count > 1 else "")
            for (name, code, error), count in Counter(self.ends).items()
        ]
        more = f" ({'; '.join(notes)})" if notes else ""
        return f"seed={self.seed} {self.events} events {self.seconds:.1f} s {verdict}{more} | {struck}"


@dataclass(slots=True)
class Totals:
    """A whole run."""

    rounds: list[Round] = field(default_factory=list)
    seconds: float = 0.0
    left_out: str = ""
    """Why there was no small file system; empty where there was one."""

    @property
    def failed(self) -> list[Round]:
        """Rounds after which something was broken."""
        return [one for one in self.rounds if one.faults]

    @property
    def struck(self) -> Counter[tuple[str, str]]:
        """Strikes by fault and target."""
        return Counter(strike.pair for one in self.rounds for strike in one.strikes)

    def as_dict(self) -> dict[str, Any]:
        """For a file of JSON."""
        ends = Counter(end for one in self.rounds for end in one.ends)
        return {
            "rounds": len(self.rounds),
            "failed": [one.seed for one in self.failed],
            "events": sum(one.events for one in self.rounds),
            "seconds": round(self.seconds, 1),
            "left_out": self.left_out,
            "struck": [
                {"fault": fault, "target": target, "count": count}
                for (fault, target), count in sorted(self.struck.items())
            ],
            "ended_unasked": [
                {"process": name, "code": code, "error": error, "count": count}
                for (name, code, error), count in sorted(ends.items())
            ],
            "played": [
                {
                    "seed": one.seed,
                    "strikes": [str(strike) for strike in one.strikes],
                    "events": one.events,
                    "seconds": round(one.seconds, 2),
                    "faults": list(one.faults),
                }
                for one in self.rounds
            ],
        }


class Rounds:
    """Plays rounds in a running federation. Made by :func:`started`."""

    def __init__(self, network: Federation, watch: Watch, shown: Shown, load: Load, shape: Shape) -> None:
        self._network = network
        self._watch = watch
        self._load = load
        self._shape = replace(shape, pairs=network.possible(shape.pairs))
        self._clock = SystemClock()
        self._striker = Striker(network, watch)
        self._judge = Judge(network, network.offices, shown, network.portal_dsn)
        self._expected = {OPERATOR: 1 + len(network.members), **dict.fromkeys(network.members, ALWAYS)}
        self._files = 0
        self._ends: Counter[tuple[str, int, str]] = Counter()

    @property
    def left_out(self) -> str:
        """Why there is no small file system; empty where there is one."""
        return self._network.disk.refusal

    async def settled(self) -> bool:
        """Wait until every event is answered, a shown checkpoint covers it and the portal has it; whether in time."""
        size = sum(self._expected.values())

        async def done() -> bool:
            if await self._watch.unanswered(self._network.offices):
                return False
            gauges = (Gauge(COMMITTED), Gauge(PROMISED), Gauge(FOLLOWED, PORTAL))
            return all([await self._watch.read(gauge) == size for gauge in gauges])

        return await wait_for(done, timeout_s=SETTLE_S, every_s=0.1)

    async def _standing(self) -> str:
        """Where everything stands, for a failure."""
        open_rows = await self._watch.unanswered(self._network.offices)
        gauges = (Gauge(COMMITTED), Gauge(PUBLISHED), Gauge(PROMISED), Gauge(FOLLOWED, PORTAL))
        stand = ", ".join([f"{await self._watch.read(gauge)} {gauge}" for gauge in gauges])
        return f"of {sum(self._expected.values())} events {open_rows} have no answer; {stand}"

    async def play(self, seed: int) -> Round:
        """One round. What is broken, or does not come to rest, is told in its faults."""
        strikes = draw(seed, self._shape)
        started = self._clock.monotonic()
        before = sum(self._expected.values())
        wrong: list[str] = []
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._striker.play(strikes))
                for member in self._network.members:
                    group.create_task(self._office(member))
        except* BROKEN as failed:
            wrong += [_told(error) for error in _leaves(failed)]
        if not wrong and not await self.settled():
            wrong.append(f"not at rest: {await self._standing()}\n{self._network.tell()}")
        if not wrong:
            wrong += await self._look()
        events = sum(self._expected.values()) - before
        ends = tuple((self._network.keeper.ended - self._ends).elements())
        self._ends = Counter(self._network.keeper.ended)
        return Round(seed, tuple(strikes), events, self._clock.monotonic() - started, tuple(wrong), ends)

    async def _look(self) -> list[str]:
        try:
            await self._judge.look(self._expected)
        except BROKEN as error:
            return [_told(error), *self._judge.faults]
        return self._judge.faults

    async def _office(self, member: str) -> None:
        """The day's work of one office."""
        load, site = self._load, self._network.sites[member]
        others = [name for name in self._network.members if name != member]
        done = self._expected[member] - ALWAYS
        self._expected[member] += load.events
        files: list[Path] = []
        for count in (load.batch, *[1] * load.singles):
            self._files += 1
            files.append(write_awards(site.folder, self._files, done, count))
            done += count
        files.insert(1, write_rules(site.folder, self._files, done, load.rules, others))
        await Registrar(site).work(files, pause_s=load.pause_s)

    async def judge_all(self) -> list[str]:
        """Everything, from the first entry on, after a take-over: a standby that hangs is found so. What is broken."""
        try:
            await self._striker.take_over()
            if not await self.settled():
                return [f"not at rest: {await self._standing()}\n{self._network.tell()}"]
            active = await self._network.active(self._watch)
            addresses = self._network.keeper.kept[active].addresses() or {}
            await self._judge.whole(self._network.folder / "ledger.toml", str(addresses["log"]))
        except BROKEN as error:
            return [_told(error), *self._judge.faults]
        return self._judge.faults


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterable[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


@asynccontextmanager
async def started(
    folder: Path, say: Callable[[str], None], *, load: Load | None = None, shape: Shape = DEFAULT, mutant: str = ""
) -> AsyncIterator[Rounds]:
    """A federation at rest, ready for rounds. Raises AssertionError where it does not come to rest."""
    async with federation(folder, MEMBERS, mutant=mutant) as (network, watch):
        if network.disk.refusal:
            say(f"no disk-full: {network.disk.refusal}")
        shown = Shown(network.log_url)
        collecting = asyncio.create_task(shown.collect())
        rounds = Rounds(network, watch, shown, load or Load(), shape)
        if not await rounds.settled():
            raise AssertionError(f"the federation does not come up\n{network.tell()}")
        try:
            yield rounds
        finally:
            await ended(collecting)


async def play_all(
    folder: Path,
    seeds: Sequence[int],
    say: Callable[[str], None],
    *,
    load: Load | None = None,
    shape: Shape = DEFAULT,
    mutant: str = "",
    whole_every: int = WHOLE_EVERY,
) -> Totals:
    """Play rounds until one is broken or all are played; ``say`` hears one line a round."""
    clock, totals = SystemClock(), Totals()
    begun = clock.monotonic()
    say("starting a federation: broker, database, two ledgers, three nodes, a portal, a proxy on every connection")
    async with started(folder, say, load=load, shape=shape, mutant=mutant) as rounds:
        totals.left_out = rounds.left_out
        say(f"at rest after {clock.monotonic() - begun:.1f} s")
        for number, seed in enumerate(seeds, 1):
            one = await rounds.play(seed)
            if not one.faults and (number == len(seeds) or number % whole_every == 0):
                one = replace(one, faults=tuple(await rounds.judge_all()))
            totals.rounds.append(one)
            say(f"{number}/{len(seeds)} {one.line}")
            if one.faults:
                break
        totals.seconds = clock.monotonic() - begun
    return totals
