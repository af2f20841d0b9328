"""Waiting on the real servers: stored with the offsets, bounded, asked for, woken, refused in time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from passerelle.core.errors import Fatal
from passerelle.embedded import EmbeddedKafka
from passerelle.events.topics import ingress_topic
from passerelle.ledger.config import LedgerConfig
from passerelle.ledger.main import LedgerProcess
from passerelle.ledger.ports import Parts
from passerelle.testing.federation import Federation
from passerelle.testing.running_ledger import attached, begin_at_the_end, loop_running, make_config, running


@pytest.fixture
async def config(
    kafka: EmbeddedKafka, database: str, tmp_path: Path, unique_name: Callable[[str], str]
) -> LedgerConfig:
    federation = Federation(f"test.example/{unique_name('net')}")
    made = make_config(tmp_path, kafka.bootstrap, database, federation, park_max=5, reference_wait_s=1.0)
    await begin_at_the_end(made)
    return made


async def test_a_gap_is_stored_asked_for_and_filled_after_a_restart(config: LedgerConfig) -> None:
    federation = Federation(config.network)
    founding = [federation.found()]
    humber, first = federation.admit("humber")
    york, second = federation.admit("york")
    founding += [first, second]
    events = [humber.achievement(f"a{number}") for number in range(10)]
    async with running(config, founding) as ledger:
        await ledger.send(*events[1:], york.achievement("y"))
        await ledger.until_size(4)
        asked = await ledger.until_letter("humber", "resend-from", 2)
        # One for what was dropped beyond the bound, one for the number that is missing.
        assert sorted(letter["sequence"] for letter in asked) == [1, 7]
        assert await ledger.count("waiting") == 5
    async with running(config) as ledger:
        await ledger.send(events[0])
        await ledger.until_size(10)
        assert (await ledger.outcomes())[3:] == [
            ("york", "credential", 1, "accepted"),
            *(("humber", "credential", number, "accepted") for number in range(1, 7)),
        ]
        assert await ledger.count("waiting") == 0
        await ledger.send(*events[6:])
        await ledger.until_size(14)


async def test_a_missing_reference_is_refused_in_time_and_delays_only_its_stream(config: LedgerConfig) -> None:
    federation = Federation(config.network)
    founding = [federation.found()]
    humber, first = federation.admit("humber")
    york, second = federation.admit("york")
    founding += [first, second, humber.achievement("a")]
    async with running(config, founding) as ledger:
        await ledger.send(
            york.granted("r1", "mcgill/never", "humber/a"),
            york.granted("r2", "humber/a", "humber/a"),
            york.achievement("y"),
        )
        await ledger.until_size(5)
        assert (await ledger.outcomes())[4] == ("york", "credential", 1, "accepted")
        await ledger.until_size(7)
        assert (await ledger.outcomes())[5:] == [
            ("york", "recognition", 1, "reference-unknown"),
            ("york", "recognition", 2, "accepted"),
        ]
        row = await ledger.look.fetchrow("SELECT accepted_at FROM ledger.entry WHERE index = 5")
        before = await ledger.look.fetchval("SELECT accepted_at FROM ledger.entry WHERE index = 3")
        assert row is not None
        assert row["accepted_at"] - before >= 1000, "it waited for all of its second"


async def test_the_floor_rises_while_nothing_comes(config: LedgerConfig) -> None:
    async with running(config, [Federation(config.network).found()]) as ledger:
        at = await ledger.look.fetchval("SELECT accepted_at FROM ledger.head")

        async def risen() -> bool:
            return bool(await ledger.look.fetchval("SELECT floor > $1 FROM ledger.head", at + 1000))

        await ledger.until(risen, "the floor above the last entry")
        assert await ledger.look.fetchval("SELECT accepted_at FROM ledger.head") == at


async def test_an_offset_out_of_range_stops_the_ledger(config: LedgerConfig) -> None:
    async with attached(config) as ledger:
        await ledger.look.execute(
            "UPDATE ledger.ingress SET next_offset = next_offset + 1000000 WHERE topic = $1", ingress_topic("transfer")
        )
        process = LedgerProcess(config, make_parts=lambda _shared: Parts())
        with pytest.raises(Fatal) as caught:
            await process.start()
        await process.close()
        assert caught.value.code == "offset-out-of-range"


async def test_what_the_ledger_read_is_never_read_again(config: LedgerConfig) -> None:
    federation = Federation(config.network)
    async with running(config, [federation.found()]) as ledger:
        humber, admission = federation.admit("humber")
        await ledger.send(admission)
        await ledger.until_size(2)
        await ledger.send(*[humber.achievement(f"a{number}") for number in range(20)])
        await ledger.until_size(22)
    async with attached(config) as ledger, loop_running(config):
        await ledger.send(humber.achievement("last"))
        await ledger.until_size(23)
        receipts = await ledger.letters("humber", "receipts")
        told = [outcome["sequence"] for letter in receipts for stream in letter for outcome in stream["outcomes"]]
        assert told == list(range(1, 22))
