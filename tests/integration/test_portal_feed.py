"""The portal on a real Kafka and PostgreSQL: nothing missed, nothing twice, resumed from any point, bounded."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from tests.unit.portal.builder import OPERATOR, Log, achievement, small_log
from tests.unit.portal.rig import NOBODY, Portal, Topic, config_for, feed_topic, portal

from passerelle.api.ledger.v1 import ledger_pb2
from passerelle.core.errors import Fatal, NotFound
from passerelle.embedded import EmbeddedKafka
from passerelle.portal.config import FeedLimits
from passerelle.portal.follow import Follower
from passerelle.portal.ports import FeedItem
from passerelle.portal.postgres.reader import Reader
from passerelle.portal.postgres.writer import Writer
from passerelle.portal.rpc import QueryClient
from passerelle.portal.service import MIGRATIONS
from passerelle.portal.status import Status
from passerelle.portal.stream import KafkaFeed
from passerelle.portal.trust import Trust, Witness
from passerelle.runtime.clock import SystemClock
from passerelle.runtime.config import DatabaseConfig, KafkaConfig
from passerelle.runtime.postgres import connect, migrate
from passerelle.runtime.process import wait_for

Names = Callable[[str], str]
WAIT = 20.0


class Ledger(QueryClient):
    """Answers for missing entries from a log, as the ledger would; every other question goes to nobody."""

    def __init__(self, log: Log) -> None:
        super().__init__(NOBODY, 1.0)
        self.log = log
        self.asked: list[int] = []

    async def head(self) -> ledger_pb2.GetHeadResponse:
        return ledger_pb2.GetHeadResponse(checkpoint=self.log.checkpoint().decode(), network=self.log.network)

    async def entry(self, index: int) -> ledger_pb2.GetEntryResponse:
        self.asked.append(index)
        if index >= len(self.log.entries):
            raise NotFound("entry-absent", "The log has no entry there.")
        return ledger_pb2.GetEntryResponse(
            index=index, entry=self.log.entries[index], body=self.log.bodies[index] or b""
        )


@dataclass
class Following:
    """A follower on a real topic and database."""

    follower: Follower
    status: Status
    reader: Reader
    writer: Writer
    published: list[FeedItem] = field(default_factory=list)

    async def until(self, size: int) -> None:
        """Follow until this many entries are stored."""
        stop = asyncio.Event()
        task = asyncio.create_task(self.follower.run(stop))

        async def there() -> bool:
            return self.status.next_index >= size or task.done()

        reached = await wait_for(there, timeout_s=WAIT)
        stop.set()
        await task
        assert reached, self.status.snapshot()


@asynccontextmanager
async def following(topic: Topic, dsn: str, questions: QueryClient, network: str) -> AsyncIterator[Following]:
    pool = await connect(DatabaseConfig(url=dsn), name="portal-tests")
    await migrate(pool, MIGRATIONS)
    status, reader, writer = Status(), Reader(pool), Writer(pool)
    made: list[FeedItem] = []

    def publish(items: Sequence[FeedItem]) -> None:
        made.extend(items)

    follower = Follower(writer, KafkaFeed(topic.config, topic.name), questions, status, publish, network)
    try:
        yield Following(follower, status, reader, writer, made)
    finally:
        await questions.close()
        await pool.close()


async def stored(reader: Reader) -> list[bytes]:
    return [item.entry for item in await reader.items(0, 500)]


async def test_repeats_are_dropped_and_a_restart_goes_on(
    kafka: EmbeddedKafka, database: str, unique_name: Names
) -> None:
    log = small_log()
    async with feed_topic(kafka.bootstrap, unique_name("feed")) as topic:
        # The ledger publishes at least once: after a restart it goes back some entries.
        await topic.write(log, [0, 1, 2, 0, 1, 2, 3])
        async with following(topic, database, QueryClient(NOBODY, 1.0), log.network) as first:
            await first.until(4)
            assert (await first.writer.position()).next_offset == 7
        await topic.write(log, [2, 3, 4, 5, 6, 6])
        async with following(topic, database, QueryClient(NOBODY, 1.0), log.network) as second:
            await second.until(7)
            assert [item.index for item in second.published] == [4, 5, 6]
            assert await stored(second.reader) == log.entries
            assert await second.reader.root(7) == log.root()
            assert (second.status.holes, second.status.unreadable) == (0, 0)


async def test_a_hole_stops_the_feed_until_it_is_filled(
    kafka: EmbeddedKafka, database: str, unique_name: Names
) -> None:
    log = small_log()
    async with feed_topic(kafka.bootstrap, unique_name("feed")) as topic:
        await topic.write(log, [0, 1, 4, 5, 6])
        async with following(topic, database, QueryClient(NOBODY, 1.0), log.network) as waiting:
            stop = asyncio.Event()
            task = asyncio.create_task(waiting.follower.run(stop))

            async def stuck() -> bool:
                return waiting.status.waiting_for == 2 and waiting.status.problem == "service-unavailable"

            assert await wait_for(stuck, timeout_s=WAIT)
            assert not waiting.status.ready
            assert await stored(waiting.reader) == log.entries[:2]
            stop.set()
            await task
        ledger = Ledger(log)
        async with following(topic, database, ledger, log.network) as filled:
            await filled.until(7)
            assert ledger.asked == [2, 3]
            assert await stored(filled.reader) == log.entries
            assert filled.status.holes == 1
            assert filled.status.codes["feed-gap"] == 1


async def test_what_cannot_be_read_counts_as_absent_and_is_fetched(
    kafka: EmbeddedKafka, database: str, unique_name: Names
) -> None:
    log = small_log()
    async with feed_topic(kafka.bootstrap, unique_name("feed")) as topic:
        await topic.write(log, [0, 1])
        await topic.send([("index", b"two")], b"nothing")
        await topic.send(log.headers(3), b"{}")
        await topic.send([], b"")
        await topic.write(log, [4, 5, 6])
        ledger = Ledger(log)
        async with following(topic, database, ledger, log.network) as filled:
            await filled.until(7)
            assert ledger.asked == [2, 3]
            assert await stored(filled.reader) == log.entries
            assert filled.status.unreadable == 3
            assert filled.status.codes["body-hash-mismatch"] == 1


async def test_a_topic_that_lost_the_stored_offset_stops_the_portal(
    kafka: EmbeddedKafka, database: str, unique_name: Names
) -> None:
    log = small_log()
    async with feed_topic(kafka.bootstrap, unique_name("feed")) as topic:
        await topic.write(log, range(7))
        async with following(topic, database, QueryClient(NOBODY, 1.0), log.network) as first:
            await first.until(7)
    async with feed_topic(kafka.bootstrap, unique_name("feed")) as other:
        await other.write(log, [0, 1])
        async with following(other, database, QueryClient(NOBODY, 1.0), log.network) as second:
            with pytest.raises(Fatal) as caught:
                await asyncio.wait_for(second.follower.run(asyncio.Event()), WAIT)
            assert caught.value.code == "offset-out-of-range"


async def test_what_was_read_is_compared_with_what_the_log_signed(
    kafka: EmbeddedKafka, database: str, unique_name: Names
) -> None:
    log, forked = small_log(), small_log()
    async with feed_topic(kafka.bootstrap, unique_name("feed")) as topic:
        await topic.write(log, range(7))
        ledger = Ledger(log)
        async with following(topic, database, ledger, log.network) as here:
            trust = Trust(here.reader, log.root_key, OPERATOR, log.network)
            witness = Witness(here.reader, here.writer, ledger, trust, here.status, SystemClock())
            assert await witness.step() is None
            await here.until(7)
            assert await witness.step() is True
            assert await witness.step() is None
            shown = await here.reader.checkpoint()
            assert shown is not None
            assert (shown.size, shown.root, shown.agrees) == (7, log.root(), True)
            # The log signs an eighth entry that this portal was never shown, and shows it another one.
            forked.admit("elsewhere", "college", {"en": "Elsewhere"}, ["CA-MB"], ["issue"])
            ledger.log = forked
            assert await witness.step() is None
            log.admit("nscc", "college", {"en": "NSCC"}, ["CA-NS"], ["issue"])
            await topic.write(log, [7])
            await here.until(8)
            assert here.status.snapshot()["ready"]
            assert await witness.step() is False
            assert here.status.snapshot()["diverged"]
            assert not here.status.snapshot()["ready"]
            shown = await here.reader.checkpoint()
            assert shown is not None
            assert (shown.size, shown.agrees) == (8, False)


async def test_without_a_topic_the_portal_waits_and_says_so(
    kafka: EmbeddedKafka, database: str, unique_name: Names
) -> None:
    log, name = small_log(), unique_name("feed")
    topic = Topic(name, KafkaConfig(bootstrap=kafka.bootstrap), None)
    async with following(topic, database, QueryClient(NOBODY, 1.0), log.network) as early:
        stop = asyncio.Event()
        task = asyncio.create_task(early.follower.run(stop))

        async def told() -> bool:
            return early.status.problem == "topic-missing"

        assert await wait_for(told, timeout_s=WAIT)
        assert not early.status.ready
        async with feed_topic(kafka.bootstrap, name) as made:
            await made.write(log, range(7))

            async def there() -> bool:
                return early.status.next_index == 7

            assert await wait_for(there, timeout_s=WAIT)
            stop.set()
            await task
            assert early.status.ready


@dataclass
class Event:
    """One server-sent event."""

    id: str = ""
    event: str = ""
    data: str = ""

    @property
    def value(self) -> Any:
        """Its data as JSON."""
        return json.loads(self.data)


async def events(response: httpx.Response) -> AsyncIterator[Event]:
    """Read a stream as the standard says: fields by line, an empty line ends an event, a colon starts a comment."""
    current = Event()
    async for line in response.aiter_lines():
        if not line:
            if current.event:
                yield current
            current = Event()
        elif not line.startswith(":"):
            name, _, value = line.partition(": ")
            if name in ("id", "event", "data"):
                setattr(current, name, value)


async def take(portal: Portal, count: int, **request: Any) -> list[Event]:
    """Connect and take so many entries."""
    taken: list[Event] = []
    async with (
        httpx.AsyncClient(base_url=portal.url, timeout=WAIT) as client,
        client.stream("GET", "/feed", **request) as response,
    ):
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        async for event in events(response):
            if event.event == "entry":
                taken.append(event)
            if len(taken) == count:
                return taken
    raise AssertionError(f"the stream ended after {len(taken)} entries")


@asynccontextmanager
async def running(
    kafka: EmbeddedKafka, database: str, name: str, folder: Path, log: Log, **more: Any
) -> AsyncIterator[tuple[Portal, Topic]]:
    async with feed_topic(kafka.bootstrap, name) as topic:
        await topic.write(log, range(len(log.entries)))
        config = config_for(log, folder, database, topic.config, **more)
        async with portal(config, topic.name) as here:
            await here.reached(len(log.entries))
            yield here, topic


async def test_the_feed_in_ledger_order_from_any_point(
    kafka: EmbeddedKafka, database: str, unique_name: Names, tmp_path: Path
) -> None:
    log = small_log()
    async with running(kafka, database, unique_name("feed"), tmp_path, log) as (here, topic):
        whole = await take(here, 7, params={"from": 0})
        assert [int(event.id) for event in whole] == list(range(7))
        assert [event.value["index"] for event in whole] == list(range(7))
        # A browser that reconnects repeats the address and adds the header: the header wins.
        rest = await take(here, 3, params={"from": 0}, headers={"Last-Event-ID": "3"})
        assert [int(event.id) for event in rest] == [4, 5, 6]
        full = await take(here, 1, params={"from": 3, "detail": "full"})
        assert full[0].value["entry"].encode() == log.entries[3]
        assert full[0].value["body"].encode() == log.bodies[3]
        live = asyncio.create_task(take(here, 1))

        async def connected() -> bool:
            return here.service.hub.clients == 1

        assert await wait_for(connected, timeout_s=WAIT)
        new = log.admit("nscc", "college", {"en": "NSCC"}, ["CA-NS"], ["issue"])
        await topic.write(log, [new])
        (event,) = await asyncio.wait_for(live, WAIT)
        assert int(event.id) == new
        assert event.value["title"] == "NSCC"


async def test_party_bodies_are_nowhere_on_the_portal(
    kafka: EmbeddedKafka, database: str, unique_name: Names, tmp_path: Path
) -> None:
    log = small_log()
    async with running(kafka, database, unique_name("feed"), tmp_path, log) as (here, _):
        (event,) = await take(here, 1, params={"from": 5, "detail": "full"})
        assert event.value["visibility"] == "party"
        assert not {"body", "type", "subject", "title"} & event.value.keys()
        connection = await asyncpg.connect(database)
        try:
            dump = str(await connection.fetch("SELECT * FROM feed WHERE index = 5"))
        finally:
            await connection.close()
        assert "conferred_on" not in dump


async def test_a_reader_that_does_not_keep_up_is_told_where_to_resume(
    kafka: EmbeddedKafka, database: str, unique_name: Names, tmp_path: Path
) -> None:
    log = small_log()
    limits = FeedLimits(buffer=16, send_timeout_s=WAIT)
    async with running(kafka, database, unique_name("feed"), tmp_path, log, feed=limits) as (here, topic):
        async with (
            httpx.AsyncClient(base_url=here.url, timeout=WAIT) as client,
            client.stream("GET", "/feed", params={"detail": "full"}) as response,
        ):
            reader = events(response)
            assert (await anext(reader)).event == "hello"
            # Enough to fill the system's buffers while nothing is read: some 20 kB each.
            first = len(log.entries)
            for number in range(700):
                outcomes = [f"{number} {n} " + "x" * 280 for n in range(64)]
                data = achievement(title=f"Course {number}", outcomes=outcomes)
                log.add("credential.achievement-published", "humber", f"humber/c{number}", data)
            await topic.write(log, range(first, len(log.entries)))
            await here.reached(len(log.entries))
            seen = [event async for event in reader]
        assert [int(event.id) for event in seen[:-1]] == list(range(first, first + len(seen) - 1))
        hint = seen[-1]
        assert hint.event == "resume"
        assert hint.value["code"] == "watcher-too-slow"
        assert hint.value["from"] == first + len(seen) - 1 < len(log.entries)
        # The rest is not lost: the hint's address gives it.
        missing = len(log.entries) - hint.value["from"]
        rest = await take(here, missing, params={"from": hint.value["from"]})
        assert int(rest[-1].id) == len(log.entries) - 1


async def test_silence_is_filled_with_heartbeats_and_a_stop_with_a_hint(
    kafka: EmbeddedKafka, database: str, unique_name: Names, tmp_path: Path
) -> None:
    log = small_log()
    limits = FeedLimits(heartbeat_s=0.05, max_clients=1)
    async with (
        running(kafka, database, unique_name("feed"), tmp_path, log, feed=limits) as (here, _),
        httpx.AsyncClient(base_url=here.url, timeout=WAIT) as client,
    ):
        async with client.stream("GET", "/feed") as response:
            lines = response.aiter_lines()
            beats = 0
            async for line in lines:
                beats += line == ": heartbeat"
                if beats == 3:
                    break
            crowded = await client.get("/feed")
            assert crowded.status_code == 429
            assert crowded.json()["code"] == "too-many-watchers"
            assert crowded.headers["retry-after"] == "5"
            here.service.hub.close()
            rest = [line async for line in lines if line.startswith("data: ")]
            assert json.loads(rest[-1].removeprefix("data: ")) == {
                "code": "service-stopping",
                "from": 7,
                "url": "/feed?from=7&detail=short",
            }
        refused = await client.get("/feed")
        assert (refused.status_code, refused.json()["code"]) == (503, "service-stopping")


async def test_catching_up_by_pages(kafka: EmbeddedKafka, database: str, unique_name: Names, tmp_path: Path) -> None:
    log = small_log()
    async with (
        running(kafka, database, unique_name("feed"), tmp_path, log) as (here, _),
        httpx.AsyncClient(base_url=here.url, timeout=WAIT) as client,
    ):
        seen: list[int] = []
        address = "/api/feed?limit=3"
        while address:
            page = (await client.get(address)).raise_for_status().json()
            seen += [item["index"] for item in page["items"]]
            address = page["next"]
        assert seen == list(range(7))
        beyond = (await client.get("/api/feed?after=99")).json()
        assert (beyond["items"], beyond["head"], beyond["next"]) == ([], 7, None)


BAD: dict[str, tuple[int, str, str]] = {
    "/feed?from=-1": (400, "argument-invalid", "from"),
    "/feed?from=²": (400, "argument-invalid", "from"),
    "/feed?detail=everything": (400, "argument-invalid", "detail"),
    "/api/feed?after=x": (400, "argument-invalid", "after"),
    "/api/feed?limit=0": (400, "argument-invalid", "limit"),
    "/api/feed?limit=501": (400, "argument-invalid", "limit"),
    "/api/feed?limit=101&detail=full": (400, "argument-invalid", "limit"),
    "/api/feed?after=99999999999999999999": (400, "argument-invalid", "after"),
    "/api/entries/99": (404, "entry-absent", "index"),
    "/api/entries/99999999999999999999999": (404, "entry-absent", "index"),
    "/api/entries/one": (404, "not-found", "/api/entries/one"),
    "/api/volume?hours=0": (400, "argument-invalid", "hours"),
    "/api/proof/3": (503, "service-unavailable", ""),
}


async def test_errors_are_problem_details_with_stable_codes(
    kafka: EmbeddedKafka, database: str, unique_name: Names, tmp_path: Path
) -> None:
    log = small_log()
    async with (
        running(kafka, database, unique_name("feed"), tmp_path, log) as (here, _),
        httpx.AsyncClient(base_url=here.url, timeout=WAIT) as client,
    ):
        for address, (status, code, where) in BAD.items():
            answer = await client.get(address, headers={"Accept-Language": "fr"})
            body = answer.json()
            assert (answer.status_code, body["code"]) == (status, code), address
            assert answer.headers["content-type"] == "application/problem+json"
            assert body["status"] == status
            assert body["type"] == f"urn:passerelle:problem:{code}"
            assert body["instance"] == address.split("?")[0]
            assert body.get("where", "") == where
        assert (await client.get("/feed", headers={"Last-Event-ID": "abc"})).json()["where"] == "Last-Event-ID"
        french = await client.get("/api/entries/99", headers={"Accept-Language": "fr"})
        assert french.json()["title"] == "Entrée absente"
        wrong = await client.post("/api/feed")
        assert wrong.status_code == 405
