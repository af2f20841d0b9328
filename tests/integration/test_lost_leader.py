"""A partition without a leader, as brokers tell it in their metadata: every wait is bounded, and nothing is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.cluster import ClusterMetadata
from tests.integration.test_standstill import rows

from passerelle.core.errors import Unavailable
from passerelle.embedded import EmbeddedKafka
from passerelle.events.topics import INGRESS, TOPICS, inbox_topic, ingress_topic
from passerelle.ledger.outgoing_ports import Record
from passerelle.ledger.outgoing_stream import KafkaTopics
from passerelle.ledger.stream import IngressStream
from passerelle.node.stream import KafkaPublisher, partition_of
from passerelle.runtime.config import KafkaConfig
from passerelle.runtime.kafka import end_offsets, ensure_topics
from passerelle.testing.federation import Member

NO_LEADER = -1


class Leaders:
    """Takes the leaders of whole topics away from every client of this process, and gives them back."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lost: set[str] = set()
        told = ClusterMetadata.leader_for_partition

        def leader(metadata: ClusterMetadata, partition: TopicPartition) -> Any:
            return NO_LEADER if partition.topic in self.lost else told(metadata, partition)

        monkeypatch.setattr(ClusterMetadata, "leader_for_partition", leader)


async def ends(config: KafkaConfig) -> dict[tuple[str, int], int]:
    found = {}
    for topic in INGRESS:
        here = await end_offsets(config, topic, range(TOPICS[topic].partitions), client_id="test")
        found.update({(topic, number): offset for number, offset in here.items()})
    return found


async def test_writers_give_up_in_time_again_and_again_and_nothing_is_lost(
    kafka: EmbeddedKafka, unique_name: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = KafkaConfig(bootstrap=kafka.bootstrap, stalled_s=1, publish_timeout_s=1, request_timeout_s=2)
    await ensure_topics(config, TOPICS.values())
    member = Member(unique_name("m").replace("_", "-"))
    publisher, topics, leaders = KafkaPublisher(config, member.id), KafkaTopics(config), Leaders(monkeypatch)
    inbox = inbox_topic(member.id)
    letter = {inbox: [Record(None, b"{}", [("inbox-number", b"1")])]}
    await topics.ensure([member.id], fixed=False)
    place = (ingress_topic("credential"), partition_of(member.id, TOPICS[ingress_topic("credential")].partitions))
    start = (await ends(config))[place]
    try:
        await publisher.publish("credential", rows(member, 1))
        leaders.lost = {ingress_topic("credential"), inbox}
        await asyncio.gather(in_vain(publisher, member, times=2), told_in_vain(topics, letter))
        leaders.lost = set()
        await publisher.publish("credential", rows(member, 2))
        await topics.publish(letter)
        # What was given up was not written later behind the relay's back: its rows are sent again by their owner.
        assert (await ends(config))[place] == start + 3
    finally:
        await publisher.close()
        await topics.close()


async def in_vain(publisher: KafkaPublisher, member: Member, *, times: int) -> None:
    """Each try of a node's relay ends in time."""
    for _ in range(times):
        with pytest.raises(Unavailable) as caught:
            await asyncio.wait_for(publisher.publish("credential", rows(member, 1)), 10)
        assert caught.value.code == "broker-unavailable"


async def told_in_vain(topics: KafkaTopics, letter: dict[str, list[Record]]) -> None:
    """So does the ledger's publisher."""
    with pytest.raises(Unavailable) as caught:
        await asyncio.wait_for(topics.publish(letter), 10)
    assert caught.value.code == "produce-failed"


async def test_a_reader_says_so_in_time_and_begins_again_where_it_was(
    kafka: EmbeddedKafka, unique_name: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = KafkaConfig(bootstrap=kafka.bootstrap, stalled_s=1, publish_timeout_s=5, request_timeout_s=2)
    await ensure_topics(config, TOPICS.values())
    member = Member(unique_name("m").replace("_", "-"))
    publisher, leaders, ingress = KafkaPublisher(config, member.id), Leaders(monkeypatch), IngressStream(config)
    starts = await ends(config)
    try:
        await ingress.open(starts)
        await publisher.publish("credential", rows(member, 2))
        leaders.lost = {ingress_topic("credential")}
        # A writer to another topic is not held up.
        await publisher.publish("recognition", rows(member, 1))
        with pytest.raises(Unavailable):
            await asyncio.wait_for(for_ever(ingress), 20)
        # The ledger's loop begins again with growing pauses: each try ends in time, too.
        with pytest.raises(Unavailable):
            await asyncio.wait_for(ingress.open(starts), 20)
        leaders.lost = set()
        await ingress.open(starts)
        found: list[Any] = []
        async with asyncio.timeout(20):
            while len(found) < 3:
                found += await ingress.fetch(10, wait_s=0.2)
    finally:
        await ingress.close()
        await publisher.close()
    values = {topic: [one.value for one in found if one.topic == topic] for topic in {one.topic for one in found}}
    assert values == {
        ingress_topic("credential"): [b'{"n":0}', b'{"n":1}'],
        ingress_topic("recognition"): [b'{"n":0}'],
    }


async def for_ever(ingress: IngressStream) -> None:
    while True:
        await ingress.fetch(10, wait_s=0.2)
