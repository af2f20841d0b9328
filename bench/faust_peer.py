"""The peer: a plain Faust agent that stores each event, verifying nothing. A process that writes its rate to a file."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import asyncpg
import faust

from passerelle.events.topics import ingress_topic

TABLE = "CREATE TABLE IF NOT EXISTS faust (topic text, part int, place bigint, body bytea, PRIMARY KEY (part, place))"


def main() -> None:
    """``python -m bench.faust_peer BOOTSTRAP DSN DATADIR COUNT``: stores COUNT events, then writes DATADIR/rate."""
    bootstrap, dsn, folder, count = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
    app = faust.App(
        "bench-faust", broker=f"kafka://{bootstrap}", store="memory://", web_enabled=False, datadir=folder,
        topic_replication_factor=1, consumer_auto_offset_reset="earliest", stream_wait_empty=False,
    )  # fmt: skip
    topic = app.topic(ingress_topic("credential"), value_serializer="raw", key_serializer="raw")

    async def store(stream: Any) -> None:
        connection: asyncpg.Connection[Any] = await asyncpg.connect(dsn)
        await connection.execute(TABLE)
        begun, done = 0.0, 0
        async for event in stream.events():
            begun = begun or time.perf_counter()
            message = event.message
            await connection.execute(
                "INSERT INTO faust VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
                message.topic, message.partition, message.offset, event.value,
            )  # fmt: skip
            done += 1
            if done == count:
                rate = str(count / (time.perf_counter() - begun))
                (Path(folder) / "rate.part").write_text(rate)
                (Path(folder) / "rate.part").rename(Path(folder) / "rate")

    app.agent(topic)(store)
    faust.Worker(app, loglevel="ERROR").execute_from_commandline()


if __name__ == "__main__":
    main()
