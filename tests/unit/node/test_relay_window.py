"""The relay's window and pauses without servers: how much of a family is on its way, and what opens it again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from passerelle.core.errors import Unavailable
from passerelle.node.ports import OutboxRow, Situation
from passerelle.node.relay import PAGE, Relay
from passerelle.testing.federation import Member

MEMBER = Member("humber")


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now_ms(self) -> int:
        return int(self.seconds * 1000)

    def monotonic(self) -> float:
        return self.seconds


class Outbox:
    """Open rows of one family, numbered from 1; ``answered`` says how many from the front have an answer."""

    def __init__(self, count: int) -> None:
        self.rows = [self._row(number) for number in range(1, count + 1)]
        self.answered = 0
        self.drafts = self.asked = 0
        self.away: list[Exception] = []

    def _row(self, number: int) -> OutboxRow:
        signed = MEMBER.raw("credential", "public", b'{"n":%d}' % number)
        return OutboxRow("credential", number, "type", "subject", "thing", signed, 7)

    async def situation(self, _member: str) -> Situation:
        if self.away:
            raise self.away.pop(0)
        oldest = {"credential": self.answered + 1} if self.answered < len(self.rows) else {}
        return Situation(None, self._record(), self.drafts > 0, oldest)

    async def release_ready(self, *_: Any, **__: Any) -> int:
        self.asked += 1
        released, self.drafts = self.drafts, 0
        first = len(self.rows) + 1
        self.rows += [self._row(number) for number in range(first, first + released)]
        return released

    def _record(self) -> Mapping[str, Any]:
        key = {"key_id": self.rows[0].signed.key_id, "use": "sign", "removed_index": None}
        key["public_key"] = MEMBER.signer.public_key.hex()
        return {"status": "active", "keys": [key | {"valid_from": None, "valid_to": None}], "details": {}}

    async def sign_again(self, *_: Any, **__: Any) -> int:
        return 0

    async def open_rows(self, _family: str, after: int, limit: int) -> list[OutboxRow]:
        return self.rows[max(after, self.answered) :][:limit]

    async def note_sent(self, *_: Any, **__: Any) -> None:
        return


class Publisher:
    """Remembers the numbers that were handed to Kafka."""

    def __init__(self) -> None:
        self.sent: list[int] = []

    async def publish(self, _family: str, rows: Sequence[OutboxRow]) -> None:
        self.sent += [row.sequence for row in rows]


def relay_of(outbox: Any, publisher: Any, clock: Clock, window: int | None, **more: Any) -> Relay:
    class Signer:
        key_id = outbox.rows[0].signed.key_id

    return Relay(
        outbox, outbox, publisher, Signer(), clock,  # type: ignore[arg-type]
        network="n", member="humber", bootstrap_key=None, resend_after_s=10.0, in_flight_max=window,
        **more,
    )  # fmt: skip


async def drain(relay: Relay) -> None:
    while await relay.step():
        pass


async def test_no_more_than_the_window_is_on_its_way_and_answers_open_it() -> None:
    outbox, publisher, clock = Outbox(700), Publisher(), Clock()
    relay = relay_of(outbox, publisher, clock, 256)
    await drain(relay)
    assert publisher.sent == list(range(1, 257))
    outbox.answered = 100
    await drain(relay)
    assert publisher.sent == list(range(1, 357))
    outbox.answered = 700
    await drain(relay)
    assert publisher.sent[-1] == 356


async def test_without_answers_the_window_is_sent_again_and_not_more() -> None:
    outbox, publisher, clock = Outbox(700), Publisher(), Clock()
    relay = relay_of(outbox, publisher, clock, 256)
    await drain(relay)
    clock.seconds += 11
    await drain(relay)
    assert publisher.sent == [*range(1, 257)] * 2


async def test_without_a_window_all_is_sent() -> None:
    outbox, publisher = Outbox(1500), Publisher()
    await drain(relay_of(outbox, publisher, Clock(), None))
    assert publisher.sent == list(range(1, 1501))


async def test_a_release_is_asked_for_only_where_there_are_drafts_and_is_sent_at_once() -> None:
    outbox, publisher = Outbox(2), Publisher()
    relay = relay_of(outbox, publisher, Clock(), None)
    await drain(relay)
    assert (outbox.asked, publisher.sent) == (0, [1, 2])
    outbox.drafts = 3
    await drain(relay)
    assert (outbox.asked, publisher.sent) == (1, [1, 2, 3, 4, 5])


async def test_what_is_drafted_just_before_a_release_is_released_too() -> None:
    outbox, publisher = Outbox(1), Publisher()

    async def draft() -> int:
        outbox.drafts = 1 if len(outbox.rows) == 1 else 0
        return outbox.drafts

    await drain(relay_of(outbox, publisher, Clock(), None, before_release=draft))
    assert publisher.sent == [1, 2]


@pytest.mark.parametrize("code", ["broker-unavailable", "disk-full"])
async def test_what_is_away_is_told_and_tried_again(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("passerelle.node.relay.RETRY_FIRST_S", 0.01)
    outbox, publisher, stop = Outbox(3), Publisher(), asyncio.Event()
    outbox.away = [Unavailable(code, "as asked")] * 3
    relay = relay_of(outbox, publisher, Clock(), 256)
    running = asyncio.create_task(relay.run(stop))
    states = set()
    async with asyncio.timeout(5):
        while not publisher.sent:
            states.add(relay.state)
            await asyncio.sleep(0)
    stop.set()
    await asyncio.wait_for(running, 5)
    assert f"waiting: {code}" in states
    assert relay.state == "relaying"


class Interrupted(Publisher):
    """Remembers signatures too, and does something after its first page."""

    def __init__(self) -> None:
        super().__init__()
        self.signatures: list[bytes] = []
        self.then: Callable[[], None] = lambda: None

    async def publish(self, family: str, rows: Sequence[OutboxRow]) -> None:
        await asyncio.sleep(0)  # the next page is read meanwhile
        await super().publish(family, rows)
        self.signatures += [row.signed.batch_signature for row in rows]
        then, self.then = self.then, lambda: None
        then()


class Reads(Outbox):
    """Counts the pages that were read, and signs again when asked."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.pages: list[int] = []
        self.old = 0

    async def open_rows(self, family: str, after: int, limit: int) -> list[OutboxRow]:
        self.pages.append(after)
        return await super().open_rows(family, after, limit)

    async def sign_again(self, *_: Any, **__: Any) -> int:
        signed, self.old = self.old, 0
        for place in range(signed):
            row = self.rows[place]
            self.rows[place] = replace(row, signed=replace(row.signed, batch_signature=b"new"))
        return signed


async def test_the_next_page_is_read_while_one_is_sent() -> None:
    outbox, publisher = Reads(2 * PAGE + 10), Interrupted()
    await drain(relay_of(outbox, publisher, Clock(), None))
    assert publisher.sent == list(range(1, 2 * PAGE + 11))
    assert outbox.pages == [0, PAGE, 2 * PAGE, 2 * PAGE + 10]


async def test_what_was_read_ahead_does_not_go_out_under_an_old_signature() -> None:
    outbox, publisher = Reads(2 * PAGE), Interrupted()
    relay = relay_of(outbox, publisher, Clock(), None)
    await relay.step()
    first = len(publisher.sent)
    outbox.answered, outbox.old = PAGE, 2 * PAGE
    relay.renew_signatures()
    await drain(relay)
    assert publisher.sent == list(range(1, 2 * PAGE + 1))
    assert set(publisher.signatures[first:]) == {b"new"}


async def test_a_page_that_fails_is_read_and_sent_anew() -> None:
    outbox, publisher = Reads(2 * PAGE), Interrupted()
    relay = relay_of(outbox, publisher, Clock(), None)

    def fail() -> None:
        raise Unavailable("kafka-unavailable", "the broker is away")

    publisher.then = fail
    with pytest.raises(Unavailable):
        await relay.step()
    await drain(relay)
    assert publisher.sent == [*range(1, PAGE + 1), *range(1, 2 * PAGE + 1)]
