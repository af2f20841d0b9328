"""A member whose node is out of order: its key counts, and it sends to Kafka whatever a test wants."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson
from aiokafka import AIOKafkaProducer

from passerelle.core.batch import SignedStatement
from passerelle.core.catalogue import BY_NAME
from passerelle.events.topics import REFUSED, inbox_topic, ingress_topic
from passerelle.node.main import open_office
from passerelle.node.plan import NewEvent
from passerelle.runtime.config import KafkaConfig
from passerelle.runtime.kafka import start_producer
from passerelle.runtime.process import wait_for
from passerelle.testing.audit import Record, read_topic
from passerelle.testing.faults.network import OPERATOR, Network
from passerelle.testing.federation import Member, admitted

PATIENCE_S = 60.0
Headers = list[tuple[str, bytes]]


async def admit(network: Network, name: str, **key: str) -> Member:
    """A member that the operator's node admits; ``key`` is the validity of its key."""
    member = Member(name, network.sites[OPERATOR].config().network)
    data = admitted(member, ("issue", "recognise"), keys=[member.key(**key)])
    async with open_office(network.sites[OPERATOR].config()) as office:
        answers = await office.publish([NewEvent(BY_NAME["member.admitted"], name, data)], wait_s=PATIENCE_S)
    assert answers[0]["state"] == "accepted", answers
    return member


@dataclass
class Door:
    """The ledger's door: records in, answers out."""

    network: Network
    kafka: KafkaConfig
    producer: AIOKafkaProducer

    async def put(
        self, topic: str, value: bytes | None, *, key: bytes | None, headers: Sequence[tuple[str, bytes]]
    ) -> str:
        """Write one record; its ``topic/partition/offset``."""
        sent = await self.producer.send_and_wait(topic, value, key=key, headers=list(headers))
        return f"{sent.topic}/{sent.partition}/{sent.offset}"

    async def send(self, *events: SignedStatement) -> None:
        """Write events as an orderly node would."""
        for signed in events:
            lines = signed.statement.split(b"\n")
            await self.put(ingress_topic(lines[3].decode()), signed.body, key=lines[2], headers=signed.headers())

    async def refused(self) -> dict[str, dict[str, Any]]:
        """What the operator was told of records that verify under no key, by their place."""
        values = [orjson.loads(record.value) async for record in read_topic(self.kafka, REFUSED)]
        return {f"{value['topic']}/{value['partition']}/{value['offset']}": value for value in values}

    async def until_refused(self, places: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Wait until the operator was told of these records."""
        told: dict[str, dict[str, Any]] = {}

        async def all_told() -> bool:
            told.update(await self.refused())
            return set(places) <= told.keys()

        assert await wait_for(all_told, timeout_s=PATIENCE_S, every_s=0.2), set(places) - told.keys()
        return told

    async def letters(self, member: str, kind: str) -> list[Any]:
        """Inbox values of one kind, in order."""
        records: list[Record] = [record async for record in read_topic(self.kafka, inbox_topic(member))]
        return [orjson.loads(record.value) for record in records if record.headers["kind"] == kind.encode()]

    async def answers(self, member: str, family: str) -> list[dict[str, Any]]:
        """Outcomes of one of a member's streams as its inbox has them, repeats too."""
        receipts = await self.letters(member, "receipts")
        return [
            one for value in receipts for stream in value if stream["family"] == family for one in stream["outcomes"]
        ]

    async def until_answered(self, member: str, family: str, count: int) -> list[dict[str, Any]]:
        """Wait until a member was answered so often."""
        found: list[dict[str, Any]] = []

        async def answered() -> bool:
            found[:] = await self.answers(member, family)
            return len(found) >= count

        assert await wait_for(answered, timeout_s=PATIENCE_S, every_s=0.2), found
        return found


@asynccontextmanager
async def open_door(network: Network) -> AsyncIterator[Door]:
    """A producer at the ledger's ingress."""
    kafka = KafkaConfig(bootstrap=network.kafka.bootstrap)
    producer = await start_producer(kafka, client_id="rogue")
    try:
        yield Door(network, kafka, producer)
    finally:
        await producer.stop()
