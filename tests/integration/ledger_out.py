"""What the tests of the ledger's outgoing half share: emptied topics, sample events, readers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.errors import LeaderNotAvailableError, NotLeaderForPartitionError

from passerelle.core.batch import SignedStatement
from passerelle.core.note import NoteSigner, VerifierKey
from passerelle.events.topics import CHECKPOINT, FEED, REFUSED, SUMMARY, TOPICS, inbox_spec, inbox_topic
from passerelle.ledger.config import LedgerConfig
from passerelle.ledger.main import LedgerProcess, default_parts
from passerelle.runtime.config import KafkaConfig
from passerelle.runtime.kafka import end_offsets, ensure_topics, start_consumer
from passerelle.runtime.keys import read_seed
from passerelle.runtime.process import wait_for
from passerelle.testing.federation import Federation, Member, seed_of, uuid_of
from passerelle.testing.running_ledger import Ledger, attached, loop_running

MEMBERS = ("humber", "york", "laval")
SECRET = "Zebulon-Marker-7781"
"""Stands in party bodies and in the refused one of the sample events."""
ANN, BOB, RELEASE = uuid_of("ann"), uuid_of("bob"), uuid_of("release", 4)


def vkey_of(config: LedgerConfig) -> VerifierKey:
    """The verifier key of a test's log."""
    return NoteSigner(config.network, read_seed(config.log_key_file)).verifier


async def empty_topics(kafka: KafkaConfig) -> None:
    """Delete what other tests published, so that feed and checkpoints are this test's alone."""
    await ensure_topics(kafka, [*TOPICS.values(), *map(inbox_spec, (*MEMBERS, "operator"))])
    names = [FEED, CHECKPOINT, SUMMARY, REFUSED, *map(inbox_topic, (*MEMBERS, "operator"))]
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()

    async def emptied() -> bool:
        try:
            await admin.delete_records({TopicPartition(name, 0): RecordsToDelete(before_offset=-1) for name in names})
        except (NotLeaderForPartitionError, LeaderNotAvailableError):
            # A topic that was made a moment ago has no leader yet.
            return False
        return True

    try:
        assert await wait_for(emptied, timeout_s=20)
    finally:
        await admin.close()


async def read_topic(kafka: KafkaConfig, topic: str, start: int | None = None) -> list[Any]:
    """Every record of partition 0, from an offset or from the beginning."""
    end = (await end_offsets(kafka, topic, [0], client_id="test"))[0]
    partition = TopicPartition(topic, 0)
    consumer = await start_consumer(kafka, client_id="test", positions={partition: 0})
    found: list[Any] = []
    try:
        first = (await consumer.beginning_offsets([partition]))[partition]
        consumer.seek(partition, first if start is None else start)
        while await consumer.position(partition) < end:
            for records in (await consumer.getmany(partition, timeout_ms=1000)).values():
                found += records
    finally:
        await consumer.stop()
    return found


@dataclass
class Sample:
    """Events of every outcome: public, party to one and to two, refused, joint, erased."""

    federation: Federation
    humber: Member = field(init=False)
    york: Member = field(init=False)
    laval: Member = field(init=False)
    events: list[SignedStatement] = field(default_factory=list)

    def __post_init__(self) -> None:
        operator = self.federation.operator
        vkey = str(NoteSigner(self.federation.network, seed_of("log")).verifier)
        self.events.append(operator.admits(operator, "operate", log_vkey=vkey))
        self.humber = self._admit("humber")
        self.york = self._admit("york")
        self.laval = self._admit("laval")
        humber, york = self.humber, self.york
        grant = {"credentials": [ANN], "receiver": "york", "purpose": "transfer", "ends_on": "2199-01-01"}
        case = {"release": RELEASE, "sender": "humber", "receiver": "york", "credentials": [ANN]}
        self.events += [
            humber.achievement("energy"),
            york.achievement("energy-2"),
            york.granted("rule", "humber/energy", "york/energy-2"),
            humber.issued("ann", "energy"),
            humber.event("credential.amended", ANN, {"reason": "other", "note": SECRET}),
            humber.issued("bob", "energy"),
            humber.event("credential.amended", BOB, {"reason": "other", "note": SECRET}),
            humber.event("credential.release-granted", RELEASE, grant),
            york.event("transfer.requested", uuid_of("case"), case),
            humber.raw("credential", "public", b'{"name":"' + SECRET.encode() + b'"}'),
            humber.event("credential.erased", BOB, {"ground": "learner-request"}),
        ]

    def _admit(self, name: str) -> Member:
        member, admission = self.federation.admit(name)
        self.events.append(admission)
        return member


@asynccontextmanager
async def whole_ledger(
    config: LedgerConfig, events: Sequence[SignedStatement] = ()
) -> AsyncIterator[tuple[Ledger, LedgerProcess, dict[str, Any]]]:
    """A ledger with every part, these events in its log; its addresses too."""
    async with attached(config) as ledger, loop_running(config, make_parts=default_parts) as (process, task):
        try:
            await _begin(ledger, events)
            yield ledger, process, process._addresses
        finally:
            # What ended the ledger says more than what was waited for in vain.
            if task.done():
                task.result()


async def _begin(ledger: Ledger, events: Sequence[SignedStatement]) -> None:
    """Send events as nodes do: nothing under a key before the registry has it."""
    first = [event for event in events if event.statement.split(b"\n")[3] == b"member"]
    await ledger.send(*first)
    await ledger.until_size(len(first))
    await ledger.send(*(event for event in events if event not in first))
    await ledger.until_size(len(events))


async def until_shown(ledger: Ledger, size: int, timeout_s: float = 30) -> None:
    """Wait until a checkpoint of this size is shown."""

    async def shown() -> bool:
        found = await ledger.look.fetchval("SELECT max(size) FROM ledger.checkpoint WHERE shown")
        return found is not None and found >= size

    await ledger.until(shown, f"waited for the checkpoint of {size}", timeout_s)
