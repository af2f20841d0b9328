"""The query service beside a real ledger on a real Kafka: what is published is answered, the log is read through it."""

import pickle
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.integration.ledger_out import SECRET, Sample, empty_topics, whole_ledger
from tests.integration.query_running import Running, failing, running

from passerelle.api.equivalency.v1 import equivalency_pb2 as eq
from passerelle.api.equivalency.v1 import equivalency_pb2_grpc as eq_grpc
from passerelle.api.ledger.v1 import ledger_pb2, ledger_pb2_grpc
from passerelle.api.transfer.v1 import transfer_pb2 as tr
from passerelle.api.transfer.v1 import transfer_pb2_grpc as tr_grpc
from passerelle.core.entry import parse_entry
from passerelle.embedded import EmbeddedKafka
from passerelle.query.config import QueryConfig
from passerelle.runtime.clock import SystemClock
from passerelle.runtime.config import DatabaseConfig
from passerelle.runtime.identity import make_token
from passerelle.runtime.rpc import metadata
from passerelle.testing.federation import Federation, Member, seed_of, uuid_of
from passerelle.testing.running_ledger import Ledger, begin_at_the_end, make_config


@dataclass
class Both:
    """A ledger with sample events, and the query service that follows it."""

    ledger: Ledger
    sample: Sample
    live: Running

    def token(self, member: Member) -> Any:
        """Call metadata of a member."""
        now_s = SystemClock().now_ms() // 1000
        seed = seed_of(member.key_name)
        return metadata(make_token(seed, member=member.id, network=member.network, now_s=now_s))


@pytest.fixture
async def both(
    kafka: EmbeddedKafka, database: str, tmp_path: Path, unique_name: Callable[[str], str]
) -> AsyncIterator[Both]:
    sample = Sample(Federation(f"test.example/{unique_name('net')}"))
    settings = make_config(tmp_path, kafka.bootstrap, database, sample.federation)
    await begin_at_the_end(settings)
    await empty_topics(settings.kafka)
    async with whole_ledger(settings, sample.events) as (ledger, _, addresses):
        config = QueryConfig(
            network=settings.network,
            root_public_key_file=settings.root_public_key_file,
            database=DatabaseConfig(url=database),
            ledger=addresses["grpc"],
        )
        async with running(config) as live:
            yield Both(ledger, sample, live)


async def test_what_members_publish_is_answered_and_the_log_is_read_through(both: Both) -> None:
    live, sample = both.live, both.sample
    equivalency: Any = eq_grpc.EquivalencyServiceStub(live.channel)
    size = len(sample.events)
    first = await equivalency.Find(eq.FindRequest(achievement="humber/energy", min_position=size), timeout=10)
    assert [(one.receiver, one.verdict, one.rule.id) for one in first.answers] == [
        ("york", eq.VERDICT_AGREEMENT, "york/rule")
    ]
    granted = sample.laval.granted("r", "humber/energy", "laval/energy-3")
    await both.ledger.send(sample.laval.achievement("energy-3"), granted)
    then = await equivalency.Find(eq.FindRequest(achievement="humber/energy", min_position=size + 2), timeout=20)
    assert [one.rule.id for one in then.answers] == ["laval/r", "york/rule"]
    assert then.position.size == size + 2

    log: Any = ledger_pb2_grpc.LedgerServiceStub(live.channel)
    head = await log.GetHead(ledger_pb2.GetHeadRequest(), timeout=10)
    assert (head.network, head.position.size) == (live.config.network, size + 2)
    entry = await log.GetEntry(ledger_pb2.GetEntryRequest(index=then.answers[0].rule.recorded_from), timeout=10)
    assert parse_entry(entry.entry).parsed().member == "laval"
    inbox = ledger_pb2.ListInboxRequest(member="york")
    assert (await failing(log.ListInbox(inbox, timeout=10))).status == "UNAUTHENTICATED"
    assert (await log.ListInbox(inbox, metadata=both.token(sample.york), timeout=10)).records


async def test_a_case_goes_to_its_parties_and_nothing_of_a_learner_is_in_the_index(both: Both) -> None:
    live, sample = both.live, both.sample
    transfer: Any = tr_grpc.TransferServiceStub(live.channel)
    request = tr.ShowRequest(case=uuid_of("case"), min_position=len(sample.events))
    for party in (sample.york, sample.humber, sample.federation.operator):
        shown = (await transfer.Show(request, metadata=both.token(party), timeout=10)).case
        assert (shown.state, shown.sender, shown.receiver) == ("requested", "humber", "york")
    error = await failing(transfer.Show(request, metadata=both.token(sample.laval), timeout=10))
    assert error.reason == "NOT_A_PARTY"
    index = live.service._index
    held = pickle.dumps([index.achievements, index.recognitions, index.requests, index.references])
    assert b"Energy modelling" in held
    for personal in (SECRET, uuid_of("ann"), uuid_of("case")):
        assert personal.encode() not in held
