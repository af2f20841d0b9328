"""kill -9 of the ledger at each point of its commit: every event once, in order, answered once, one tree."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from tests.integration.ledger_killed import POINTS

from passerelle.core.entry import parse_entry
from passerelle.core.merkle import Frontier, leaf_hashes
from passerelle.core.statement import ZERO, digest
from passerelle.core.tiles import tiles_at
from passerelle.embedded import EmbeddedKafka
from passerelle.ledger.config import LedgerConfig
from passerelle.testing.federation import Federation, Member, issued, uuid_of
from passerelle.testing.running_ledger import Ledger, attached, begin_at_the_end, make_config, running

EACH = 400
ROOT = Path(__file__).resolve().parents[2]


async def spawn(folder: Path, config: LedgerConfig, point: str, commits: int) -> asyncio.subprocess.Process:
    """A ledger that ends at a point."""
    script = Path(__file__).with_name("ledger_killed.py")
    arguments = (folder, config.kafka.bootstrap, config.database.url, config.network, point, commits)
    path = os.pathsep.join((str(ROOT / "services"), str(ROOT)))
    return await asyncio.create_subprocess_exec(
        sys.executable, str(script), *map(str, arguments), env={**os.environ, "PYTHONPATH": path}
    )


def load(member: Member) -> list[tuple[bytes, bytes]]:
    """One achievement and many credentials under it."""
    first = member.achievement("a")
    written = [(first.statement, first.body)]
    for number in range(EACH):
        name = f"{member.id} {number}"
        written.append(member.write("credential.issued", uuid_of(name), issued(member.id, f"{member.id}/a", name)))
    return written


async def test_killed_at_every_point_of_a_commit(
    kafka: EmbeddedKafka, database: str, tmp_path: Path, unique_name: Callable[[str], str]
) -> None:
    federation = Federation(f"test.example/{unique_name('net')}")
    config = make_config(tmp_path, kafka.bootstrap, database, federation)
    await begin_at_the_end(config)
    founding = [federation.found()]
    members = []
    for name in ("humber", "york", "laval"):
        member, admission = federation.admit(name)
        members.append(member)
        founding.append(admission)
    loads = [member.sign(load(member)) for member in members]
    total = len(founding) + sum(map(len, loads))
    async with running(config, founding):
        pass
    async with attached(config) as ledger:
        # Every event twice, as a relay does that had no answer in time.
        await ledger.send(*(event for batch in zip(*loads, strict=True) for event in batch), *loads[0])
        for commits, point in enumerate((*POINTS, *POINTS), 1):
            process = await spawn(tmp_path, config, point, 1 + commits % 3)
            code = await asyncio.wait_for(process.wait(), 60)
            assert code == -signal.SIGKILL, f"the ledger was not killed at '{point}': it ended with {code}"
        process = await spawn(tmp_path, config, "never", 0)
        try:
            await ledger.until_size(total)

            async def all_read() -> bool:
                return len(await told(ledger, "humber")) == 2 * len(loads[0])

            await ledger.until(all_read, "the repeated receipts")
        finally:
            process.terminate()
            assert await asyncio.wait_for(process.wait(), 30) == 0
        await verify_log(ledger, total)
        assert await told(ledger, "york") == list(range(1, EACH + 2)), "each number is answered once, in order"
        assert sorted(await told(ledger, "humber")) == sorted([*range(1, EACH + 2)] * 2)


async def told(ledger: Ledger, member: str) -> list[int]:
    """The sequence numbers of a member's receipts, in order."""
    return [
        outcome["sequence"]
        for letter in await ledger.letters(member, "receipts")
        for stream in letter
        for outcome in stream["outcomes"]
    ]


async def verify_log(ledger: Ledger, total: int) -> None:
    """No hole, each stream linked from 1, and the stored tiles and frontier those of the entries."""
    rows = await ledger.look.fetch("SELECT index, entry, code FROM ledger.entry ORDER BY index")
    assert [row["index"] for row in rows] == list(range(total))
    assert not any(row["code"] for row in rows)
    heads: dict[tuple[str, str], tuple[int, bytes]] = {}
    last = 0
    for row in rows:
        entry = parse_entry(row["entry"])
        statement = entry.parsed()
        stream = (statement.member, statement.family)
        assert (statement.sequence - 1, statement.prev) == heads.get(stream, (0, ZERO))
        heads[stream] = (statement.sequence, digest(entry.statement))
        assert entry.accepted_at >= last
        last = entry.accepted_at
    frontier = Frontier()
    frontier.extend(leaf_hashes(row["entry"] for row in rows))
    assert await ledger.look.fetchval("SELECT frontier FROM ledger.head") == b"".join(frontier.peaks)
    hashes = leaf_hashes(row["entry"] for row in rows)
    for tile in tiles_at(total):
        stored = await ledger.look.fetchval(
            "SELECT hashes FROM ledger.tile WHERE level = $1 AND n = $2", tile.level, tile.index
        )
        assert len(stored) == 32 * tile.width
        if tile.level == 0:
            assert stored == b"".join(hashes[256 * tile.index :])
    stored_heads = await ledger.look.fetch("SELECT member, family, sequence, digest FROM ledger.stream")
    assert {(row[0], row[1]): (row[2], row[3]) for row in stored_heads} == heads
    inboxes = await ledger.look.fetch(
        "SELECT h.number, count(*) AS count, max(i.number) AS last FROM ledger.inbox_head h"
        " JOIN ledger.inbox i USING (member) GROUP BY h.member, h.number"
    )
    assert all(row["number"] == row["count"] == row["last"] for row in inboxes), "an inbox has a hole"
