"""A node that lost part of its memory finds its way back, and stops where two stories cannot be one."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.node.office import SECRET, FixedClock
from tests.unit.node.restoring import KEY, MEMBER, NETWORK, RECORDS, SIGNER, Bench, released

from passerelle.core.errors import PasserelleError, Unavailable
from passerelle.core.signature import SeedSigner
from passerelle.core.statement import digest
from passerelle.core.streams import StreamHead
from passerelle.node.ports import Situation
from passerelle.node.records import RecordKeys
from passerelle.node.relay import Relay
from passerelle.node.restore import Restorer

FAMILY = "credential"


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_streams_that_agree_change_nothing(bench: Bench) -> None:
    await bench.publish(1, 2, 3)
    before = dict(bench.store.rows[FAMILY])
    outcome = await bench.restorer.compare()
    assert (outcome.restored, outcome.drafted, outcome.forked, bench.store.problems) == ({}, {}, {}, [])
    assert bench.store.rows[FAMILY] == before
    assert not bench.restorer.holds
    assert bench.restorer.state == "compared"


@pytest.mark.parametrize("page", [1, 3, 1000])
async def test_what_is_missing_comes_back_whole_and_in_order(bench: Bench, page: int) -> None:
    await bench.publish(1, 2)
    drafts = bench.publish_elsewhere(*range(3, 10), refused=[5])
    bench.ledger.most = page
    outcome = await bench.restorer.compare()
    assert outcome.restored == {FAMILY: 7}
    rows = bench.store.rows[FAMILY]
    assert list(rows) == list(range(1, 10))
    assert [rows[number].body for number in range(3, 10)] == [draft.body for draft in drafts]
    assert [number for number, row in rows.items() if row.row.outcome == "refused"] == [5]
    assert (rows[5].row.code, rows[5].row.index) == ("step-illegal", 4)
    assert bench.store.heads[FAMILY].head == bench.ledger.heads[FAMILY]
    # It goes on after them.
    await bench.publish(10)
    assert (await bench.restorer.compare()).restored == {}
    assert [problem[0] for problem in bench.store.problems] == ["events-restored"]


async def test_a_body_that_is_gone_is_named_and_stops_nothing(bench: Bench) -> None:
    await bench.publish(1)
    bench.publish_elsewhere(2, 3, 4)
    bench.ledger.erase(FAMILY, 3)
    outcome = await bench.restorer.compare()
    assert outcome.lost == {FAMILY: [3]}
    assert [row.row.lost for row in bench.store.rows[FAMILY].values()] == ["", "", "body-withdrawn", ""]
    assert "the bodies of 3 are gone" in bench.store.problems[0][3]
    assert not bench.restorer.holds


async def test_a_draft_of_the_backup_that_was_released_since_is_not_sent_twice(bench: Bench) -> None:
    drafts = [bench.desk.demand(1), bench.desk.demand(2)]
    bench.store.drafts = list(drafts)
    rows, _ = released(drafts[:1], StreamHead())
    bench.ledger.log(rows)
    bench.ledger.erase(FAMILY, 1)
    outcome = await bench.restorer.compare()
    assert bench.store.drafts == drafts[1:]
    # The backup has the body that the ledger has no more.
    assert outcome.lost == {FAMILY: []}
    assert bench.store.rows[FAMILY][1].body == drafts[0].body


async def test_a_node_that_is_ahead_keeps_its_rows(bench: Bench) -> None:
    await bench.publish(1)
    await bench.store.number([bench.desk.demand(2), bench.desk.demand(3)])
    outcome = await bench.restorer.compare()
    assert (outcome.drafted, outcome.forked) == ({}, {})
    assert list(bench.store.rows[FAMILY]) == [1, 2, 3]


async def test_what_was_numbered_and_never_sent_is_a_draft_again(bench: Bench) -> None:
    await bench.publish(1, 2)
    bench.publish_elsewhere(3, 4, 5)
    mine = [bench.desk.demand(number) for number in (6, 7)]
    await bench.store.number(mine)
    outcome = await bench.restorer.compare()
    assert (outcome.drafted, outcome.restored) == ({FAMILY: 2}, {FAMILY: 3})
    assert bench.store.drafts == mine
    assert bench.store.heads[FAMILY].head == bench.ledger.heads[FAMILY]
    assert "2 numbered events are drafts again" in bench.store.problems[0][3]


@pytest.mark.parametrize("fate", ["sent", "answered"])
async def test_two_stories_stop_the_node_for_good(bench: Bench, fate: str) -> None:
    await bench.publish(1, 2, 3)
    bench.publish_elsewhere(4, 5)
    await bench.store.number([bench.desk.demand(6)])
    if fate == "sent":
        await bench.store.note_sent(FAMILY, 4, now_ms=0, again=False)
    else:
        await bench.store.answer(FAMILY, 4, 99)
    before = dict(bench.store.rows[FAMILY])
    outcome = await bench.restorer.compare()
    assert outcome.forked == {FAMILY: 4}
    assert bench.store.rows[FAMILY] == before
    assert bench.restorer.state == "stopped: stream-forked"
    assert [problem[:3] for problem in bench.store.problems] == [("stream-forked", FAMILY, 4)]
    # A person may decide for the ledger where nothing was answered, and never where something was.
    again = await bench.restorer.compare(sent_too=True)
    assert again.forked == ({} if fate == "sent" else {FAMILY: 4})


@pytest.mark.parametrize("depth", [1, 2, 7, 8])
async def test_the_first_number_that_differs_is_found_wherever_it_is(bench: Bench, depth: int) -> None:
    if depth > 1:
        await bench.publish(*range(1, depth))
    bench.publish_elsewhere(*range(20, 29))
    await bench.store.number([bench.desk.demand(number) for number in range(30, 36)])
    await bench.store.note_sent(FAMILY, 100, now_ms=0, again=False)
    assert (await bench.restorer.compare()).forked == {FAMILY: depth}


async def refusal(bench: Bench) -> str:
    with pytest.raises(PasserelleError) as caught:
        await bench.restorer.compare()
    assert list(bench.store.rows[FAMILY]) == [1]
    assert bench.restorer.holds
    return caught.value.code


async def test_nothing_is_believed_that_we_did_not_sign(bench: Bench) -> None:
    await bench.publish(1)
    thief = SeedSigner(bytes(32))
    rows, _ = released([bench.desk.demand(2)], bench.ledger.heads[FAMILY], thief)
    bench.ledger.log(rows)
    assert await refusal(bench) == "key-unknown"
    # Listed or not, a signature under another key than the one named does not verify.
    stranger = {**KEY, "key_id": thief.key_id}
    bench.store.records = {MEMBER: {**RECORDS[MEMBER], "keys": [KEY, stranger]}}
    assert await refusal(bench) in {"signature-invalid", "key-unknown"}


async def test_a_changed_body_and_a_wrong_link_are_refused(bench: Bench) -> None:
    await bench.publish(1)
    bench.publish_elsewhere(2, 3)
    stream = bench.ledger.streams[FAMILY]
    stream[1] = replace(stream[1], body=stream[1].body + b" ")
    assert await refusal(bench) == "body-hash-mismatch"
    stream[1] = stream[2]
    assert await refusal(bench) == "sequence-gap"


async def test_a_head_that_moves_meanwhile_is_tried_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    await bench.publish(1)
    bench.publish_elsewhere(2)
    take, mine = bench.store.take_back, bench.desk.demand(9)
    moved: list[int] = []

    async def meanwhile(*arguments: object) -> object:
        if not moved:
            moved.append(1)
            await bench.store.number([mine])
        return await take(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(bench.store, "take_back", meanwhile)
    stop = asyncio.Event()
    monkeypatch.setattr("passerelle.node.restore.RETRY_S", 0.0)
    task = asyncio.create_task(bench.restorer.run(stop))
    async with asyncio.timeout(10):
        while bench.restorer.holds:
            await asyncio.sleep(0)
    stop.set()
    await task
    assert bench.store.drafts == [mine]
    assert bench.store.heads[FAMILY].head == bench.ledger.heads[FAMILY]


async def test_nothing_goes_out_before_the_ledger_has_answered(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("passerelle.node.restore.RETRY_S", 0.0)
    bench.ledger.away = Unavailable("service-unavailable", "away")
    stop = asyncio.Event()
    task = asyncio.create_task(bench.restorer.run(stop))
    async with asyncio.timeout(10):
        while bench.ledger.asked < 2:
            await asyncio.sleep(0)
        assert bench.restorer.state == "waiting: service-unavailable"
        assert bench.restorer.holds
        bench.ledger.away = None
        while bench.restorer.holds:
            await asyncio.sleep(0)
    stop.set()
    await task


async def test_a_conflict_shuts_the_gate_until_the_streams_were_compared_again(bench: Bench) -> None:
    await bench.publish(1)
    await bench.restorer.compare()
    assert (bench.restorer.compared, bench.restorer.may_take) == (True, True)
    bench.restorer.again()
    assert (bench.restorer.compared, bench.restorer.may_take) == (False, False)
    await bench.restorer.compare()
    assert bench.restorer.compared


async def test_a_member_that_nobody_admitted_has_nothing_to_compare(bench: Bench) -> None:
    bench.store.records = {}
    stop = asyncio.Event()
    task = asyncio.create_task(bench.restorer.run(stop))
    async with asyncio.timeout(10):
        while not bench.told:
            await asyncio.sleep(0)
        assert bench.restorer.holds == "waiting: the registry does not show this member"
        assert not bench.restorer.may_take
        assert bench.ledger.asked == 0
        bench.store.records = RECORDS
        bench.restorer.wake()
        while bench.restorer.state != "compared":
            await asyncio.sleep(0)
    stop.set()
    await task
    assert bench.ledger.asked == 5


async def test_a_fork_keeps_the_inbox_shut_until_a_person_has_decided(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("passerelle.node.restore.FORKED_S", 0.0)
    bench.publish_elsewhere(1)
    await bench.store.number([bench.desk.demand(2)])
    await bench.store.note_sent(FAMILY, 1, now_ms=0, again=False)
    stop = asyncio.Event()
    task = asyncio.create_task(bench.restorer.run(stop))
    async with asyncio.timeout(10):
        while bench.told < 3:
            assert not bench.restorer.may_take
            await asyncio.sleep(0)
        # The command line, beside the node.
        await Restorer(
            bench.store, bench.ledger, bench.desk.clock, RecordKeys(SECRET), network=NETWORK, member=MEMBER,
            told=lambda: None,
        ).compare(sent_too=True)  # fmt: skip
        while not bench.restorer.may_take:
            await asyncio.sleep(0)
    stop.set()
    await task


class Untouched:
    """A store that nobody may ask anything but how things are."""

    async def situation(self, _member: str) -> Situation:
        return Situation(None, None, drafts=True, oldest={"credential": 1})


async def test_the_relay_numbers_and_sends_nothing_before_the_streams_were_compared() -> None:
    store: Any = Untouched()
    relay = Relay(
        store, store, store, SIGNER, FixedClock(), network=NETWORK, member=MEMBER, bootstrap_key=None,
        resend_after_s=1.0, held=lambda: "starting: the streams are compared",
    )  # fmt: skip
    assert await relay.step() is False
    assert relay.state == "starting: the streams are compared"


def test_signatures_are_those_of_the_tests_key() -> None:
    assert digest(SIGNER.public_key).hex()[:16] == SIGNER.key_id
