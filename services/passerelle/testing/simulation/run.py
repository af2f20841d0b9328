"""One seed: the network at work, its faults, and whether everything holds. The same seed is the same run everywhere."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import structlog

from passerelle.core.batch import SignedStatement, sign_batches
from passerelle.core.statement import PUBLIC, ZERO, Statement, digest
from passerelle.events.topics import INGRESS, TOPICS, inbox_topic, ingress_topic
from passerelle.node.stream import partition_of
from passerelle.testing.federation import NETWORK
from passerelle.testing.simulation import faults as kinds
from passerelle.testing.simulation.backups import back_up, put_back, put_back_ledger
from passerelle.testing.simulation.faults import AT_TIME, Fault, draw
from passerelle.testing.simulation.loop import VirtualLoop
from passerelle.testing.simulation.mutants import applied
from passerelle.testing.simulation.plant import LEDGERS, Network
from passerelle.testing.simulation.remembered import signatures_remembered
from passerelle.testing.simulation.script import HONEST, ISSUER, MARKER, ROGUE, Parcel, script, signer_of
from passerelle.testing.simulation.world import JUMP_MS, Violation, World

END_MS: Final = 3_600
"""Until then things go wrong."""
SAID_S: Final = 2.2
"""Until then something new is said."""
DRAIN_S: Final = 60.0
"""So long after the last fault everything must be done."""
OUTAGE_S: Final = 4.0
STEAL_S: Final = 0.3
LOOK_S: Final = 0.25


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a seed. ``violation`` is None where everything held."""

    seed: int
    mutant: str
    plan: tuple[Fault, ...]
    struck: tuple[Fault, ...]
    violation: Violation | None
    trace: tuple[tuple[float, str, str, str], ...]
    size: int

    @property
    def trace_hash(self) -> str:
        """What two runs of one seed have in common."""
        text = "\n".join(f"{at:.9f} {who} {what} {outcome}" for at, who, what, outcome in self.trace)
        return hashlib.sha256(text.encode()).hexdigest()


def play(seed: int, *, mutant: str = "", plan: Sequence[Fault] | None = None) -> Outcome:
    """Play one seed from its beginning. ``plan``: other faults than those that the seed draws."""
    # Not for secrets: the same seed must give the same run.
    chance = random.Random(seed)  # noqa: S311
    drawn = draw(chance, END_MS)
    plan = drawn if plan is None else plan
    loop = VirtualLoop()
    try:
        with applied(mutant), signatures_remembered():
            return loop.run_until_complete(_play(seed, mutant, chance, plan))
    finally:
        loop.close()


async def _play(seed: int, mutant: str, chance: random.Random, plan: Sequence[Fault]) -> Outcome:
    world = World(chance, plan)
    network = Network(world)
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
    with _logging_to(network):
        network.start()
        said = _schedule(network, plan)
        await _until_done(network, said)
        violation = world.violation
        trace = tuple(world.trace)
        await _end(world)
    return Outcome(seed, mutant, tuple(plan), tuple(world.struck), violation, trace, network.database.head.size)


async def _until_done(network: Network, said: Sequence[Parcel]) -> None:
    """Run until the faults are over and everything is done, or until something is wrong."""
    world, law = network.world, network.law
    loop = asyncio.get_running_loop()
    loop.call_later(END_MS / 1000, world.end_faults)
    left = "the faults are not over"
    while world.now < END_MS / 1000 + DRAIN_S:
        try:
            async with asyncio.timeout(max(LOOK_S, END_MS / 1000 - world.now)):
                await world.over.wait()
        except TimeoutError:
            left = network.unfinished or law.unfinished()
            if left:
                continue
        else:
            return
        try:
            law.finish(said)
        except Violation:
            return
        world.note("world", "done")
        return
    world.violate("not-finished", left)


async def _end(world: World) -> None:
    """End every process; nothing that they still do counts."""
    world.over.set()
    tasks: list[Any] = []
    for life in world.lives.values():
        tasks += [task for task in life.tasks if not task.done()]
        life.end()
    if tasks:
        await asyncio.wait(tasks, timeout=60)
    await asyncio.get_running_loop().shutdown_asyncgens()


@contextmanager
def _logging_to(network: Network) -> Iterator[None]:
    """What processes log is read by the law and shown to nobody."""

    def read(_logger: Any, _name: str, event: Any) -> Any:
        network.law.logs(event)
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(processors=[read], cache_logger_on_first_use=False)
    try:
        yield
    finally:
        structlog.configure(**before)


# What is said and done, and when


def _schedule(network: Network, plan: Sequence[Fault]) -> list[Parcel]:
    """Set everything that comes at a time; returns what honest members say."""
    world, play_of = network.world, script()
    loop = asyncio.get_running_loop()
    chance = world.chance
    # Mostly a short one: twice as many runs find more than runs of twice the length.
    course = list(play_of.course[: min(chance.randrange(6, len(play_of.course) + 1) for _ in range(2))])
    said = [*play_of.opening, *course]
    network.spoken += play_of.opening
    network.nodes[said[0].member].add_drafts([parcel.draft for parcel in play_of.opening])
    at = 0.0
    for parcel in course:
        at += chance.random() * 2 * SAID_S / len(play_of.course)
        loop.call_later(at, _say, network, parcel)
    revoked = False
    for fault in plan:
        if fault.point != AT_TIME:
            continue
        if fault.kind in (kinds.RESTORE, kinds.RESTORE_LEDGER):
            back_up(network, fault)
        if fault.kind == kinds.REVOKE:
            if revoked:
                continue
            revoked = True
            said.append(play_of.revocation)
        loop.call_later(fault.nth / 1000, _happen, network, fault)
    return said


def _say(network: Network, parcel: Parcel) -> None:
    network.world.note(f"node-{parcel.member}", "says", parcel.draft.type)
    network.spoken.append(parcel)
    if parcel.draft.thing not in network.missing.get(parcel.member, ()):
        network.nodes[parcel.member].add_drafts([parcel.draft])


def _happen(network: Network, fault: Fault) -> None:
    """What comes at a time."""
    world = network.world
    if world.over.is_set():
        return
    world.strike("world", fault)
    lives = sorted(world.lives)
    target = lives[int(fault.amount * len(lives)) % len(lives)]
    if fault.kind == kinds.KILL:
        world.crash(world.lives[target])
    elif fault.kind == kinds.OUTAGE:
        world.crash(world.lives[target], away_s=OUTAGE_S * (fault.amount * 7 % 1))
    elif fault.kind == kinds.CLOCK:
        world.clock(target).skew_ms = int((2 * (fault.amount * 7 % 1) - 1) * JUMP_MS)
    elif fault.kind == kinds.FORGET:
        # A database that comes back without its last positions ends every session on its way down.
        for name in LEDGERS:
            world.crash(world.lives[name])
        held = network.database.positions
        network.database.positions = type(held)(int(held.feed * fault.amount), int(held.registry * fault.amount))
    elif fault.kind == kinds.RESTORE:
        put_back(network, fault)
    elif fault.kind == kinds.RESTORE_LEDGER:
        put_back_ledger(network, fault)
    elif fault.kind == kinds.EXPIRE:
        _expire(network, fault.amount)
    elif fault.kind == kinds.REVOKE:
        network.renewed.add(ISSUER)
        _say(network, script().revocation)
        world.crash(world.lives[f"node-{ISSUER}"])
        asyncio.get_running_loop().call_later(STEAL_S, _steal, network)
    else:
        _misbehave(network, fault)


def _expire(network: Network, amount: float) -> None:
    """The oldest records of the inboxes are past retention; the last one is always there."""
    for member in HONEST:
        for partition in network.broker.topics.get(inbox_topic(member), ()):
            # What no backup of the ledger holds is not so old.
            latest = min([partition.end - 1, *(len(one.letters.get(member, ())) for one in network.ledger_backups)])
            partition.first = max(partition.first, min(int(partition.end * amount), latest), 0)


def _steal(network: Network) -> None:
    """Whoever stole the key that was revoked signs the next event of its member, once the ledger knows."""
    if network.world.over.is_set():
        return
    if not network.law.revoked:
        asyncio.get_running_loop().call_later(STEAL_S, _steal, network)
        return
    sequence, prev = network.law.heads.get((ISSUER, "credential"), (0, ZERO))
    body = script().rogue.forged[0].body
    statement = Statement(NETWORK, ISSUER, "credential", sequence + 1, prev, PUBLIC, digest(body)).encode()
    _write(network, sign_batches(NETWORK, ISSUER, [(statement, body)], signer_of(ISSUER)))
    network.world.note("thief", "signs", f"{ISSUER}/credential/{sequence + 1}")


def _misbehave(network: Network, fault: Fault) -> None:
    """What a member that keeps no rules writes to the topics."""
    rogue, chance = script().rogue, network.world.chance
    place = int(fault.amount * len(rogue.story)) % len(rogue.story)
    if fault.kind == kinds.EQUIVOCATE:
        sent = [rogue.story[place], rogue.other[place]]
        sent = sent if fault.amount * 7 % 1 < 0.5 else sent[::-1]
    elif fault.kind == kinds.GAP:
        sent = [*rogue.story[place:], *rogue.story[: place if fault.amount < 0.8 else 0]]
    elif fault.kind == kinds.FORGE:
        sent = [rogue.forged[place % len(rogue.forged)]]
    elif fault.kind == kinds.UNFOUNDED:
        sent = list(rogue.unfounded[: 1 + place % len(rogue.unfounded)])
    elif fault.kind == kinds.REPLAY:
        _replay(network, chance.randrange(1, 4))
        return
    else:
        _poison(network)
        return
    _write(network, sent)


def _write(network: Network, events: Sequence[SignedStatement]) -> None:
    for signed in events:
        member, family = signed.statement.split(b"\n")[2:4]
        topic = ingress_topic(family.decode())
        partition = partition_of(member.decode(), TOPICS[topic].partitions)
        network.broker.append(topic, partition, member, signed.body, signed.headers())


def _replay(network: Network, count: int) -> None:
    """Anybody's records once more, as they were, in any order."""
    kept = [
        (topic, number, record)
        for topic in INGRESS
        for number, partition in enumerate(network.broker.topics[topic])
        for record in partition.records
    ]
    for topic, number, record in network.world.chance.choices(kept, k=count) if kept else ():
        network.broker.append(topic, number, record.key, record.value, record.headers)


def _poison(network: Network) -> None:
    """Records that are no events, and true headers over other bytes."""
    chance, broker, signed = network.world.chance, network.broker, script().rogue.story[0]
    topic = chance.choice(INGRESS)
    partition = chance.randrange(TOPICS[topic].partitions)
    headers = [(name, value) for name, value in signed.headers() if chance.random() < 0.9]
    if chance.random() < 0.5:
        headers = [(name, MARKER if chance.random() < 0.2 else value) for name, value in headers]
    value = chance.choice([None, b"", MARKER, b"\xff" * 40, b"[" * 300, signed.body + MARKER])
    broker.append(topic, partition, chance.choice([None, b"\xff", ROGUE.encode()]), value, headers)
