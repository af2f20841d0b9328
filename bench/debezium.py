"""A peer: Debezium's JDBC sink in Kafka Connect, given the same topic. It stores each body and verifies nothing."""

from __future__ import annotations

import asyncio
import os
import shutil
import tarfile
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg
from jgo.maven import MavenContext

from bench.running import cpu_seconds
from passerelle.core.errors import PasserelleError
from passerelle.embedded.jars import cache_folder, ensure_jars, kafka_jars, read_coordinates
from passerelle.embedded.java import find_java
from passerelle.embedded.ports import free_port
from passerelle.events.topics import ingress_topic

VERSION: Final = "3.6.0.Final"
PLUGIN_SHA256: Final = "c23af8d416f0f801ffb0271b1a8fd9b5360ff8d66b0dd650e066bb56ecfddc05"
COORDINATES: Final = Path(__file__).parent / "peers" / "debezium" / "coordinates.txt"
PATIENCE_S: Final = 300
TICK_S: Final = 0.1
WARM: Final = 0.25
"""Share of the rows before the clock starts: the Java machine compiles meanwhile."""
STOCK: Final[Mapping[str, str]] = {}
TUNED: Final[Mapping[str, str]] = {
    "tasks.max": "2",
    "batch.size": "4000",
    # Its one statement a batch knows neither bytes nor the columns of Kafka's coordinates: no key, so repeats stay.
    "primary.key.mode": "none",
    "dialect.postgres.unnest.insert.enabled": "true",
    "consumer.override.max.poll.records": "4000",
    "consumer.override.fetch.min.bytes": "1048576",
}


@dataclass(frozen=True, slots=True)
class Sunk:
    """Rows a second and microseconds of the peer's processor a row, PostgreSQL's left out."""

    rate: float
    cpu_us: float


@dataclass(frozen=True, slots=True)
class Debezium:
    """As it comes, and with two tasks, larger batches and one statement a batch."""

    stock: Sunk
    tuned: Sunk


async def debezium_rates(bootstrap: str, dsn: str, count: int) -> Debezium | None:
    """Both rates over the credentials' topic, ``count`` records at least; None where the plugin cannot be fetched."""
    with tempfile.TemporaryDirectory(prefix="passerelle-debezium-") as name:
        folder = Path(name)
        try:
            command = await asyncio.to_thread(_prepare, folder)
        except PasserelleError:
            return None
        found = []
        for mode, options in (("stock", STOCK), ("tuned", TUNED)):
            place = folder / mode
            place.mkdir()
            _configure(place, folder / "plugins", bootstrap, dsn, f"debezium_{mode}", options)
            found.append(await _sunk(command, place, dsn, f"debezium_{mode}", count))
        return Debezium(*found)


def _prepare(folder: Path) -> list[str]:
    """Everything fetched; the command but for its two files of settings. Raises PasserelleError ``runtime-missing``."""
    cache = cache_folder(os.environ, folder)
    jars = ensure_jars(cache / "jars", [*kafka_jars(), *read_coordinates(COORDINATES.read_text(encoding="utf-8"))])
    with tarfile.open(_plugin(cache, folder)) as archive:
        archive.extractall(folder / "plugins", filter="data")
    java = find_java(os.environ)
    paths = os.pathsep.join(map(str, jars))
    return [str(java.program), "-Xmx768m", "-cp", paths, "org.apache.kafka.connect.cli.ConnectStandalone"]


def _plugin(cache: Path, scratch: Path) -> Path:
    kept = cache / f"debezium-connector-jdbc-{VERSION}-plugin.tar.gz"
    if not _is_plugin(kept):
        context = MavenContext(repo_cache=scratch / "maven", timeout=60)
        component = context.project("io.debezium", "debezium-connector-jdbc").at_version(VERSION)
        try:
            fetched = component.artifact("plugin", "tar.gz").resolve()
        except (OSError, RuntimeError) as error:
            raise PasserelleError("runtime-missing", f"Debezium's plugin: {type(error).__name__}.") from None
        if not _is_plugin(fetched):
            raise PasserelleError("runtime-missing", "Debezium's plugin has another SHA-256 than the listed one.")
        shutil.move(fetched, kept)
    return kept


def _is_plugin(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest() == PLUGIN_SHA256


def _configure(place: Path, plugins: Path, bootstrap: str, dsn: str, table: str, options: Mapping[str, str]) -> None:
    """Two property files: the worker's and the sink's. The body goes into one column of text."""
    url = urlsplit(dsn)
    worker = {
        "bootstrap.servers": bootstrap,
        "key.converter": "org.apache.kafka.connect.converters.ByteArrayConverter",
        "value.converter": "org.apache.kafka.connect.storage.StringConverter",
        "offset.storage.file.filename": str(place / "offsets"),
        "plugin.path": str(plugins),
        "listeners": f"http://127.0.0.1:{free_port()}",
        "consumer.auto.offset.reset": "earliest",
        "connector.client.config.override.policy": "All",
    }
    sink = {
        "name": table,
        "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector",
        "tasks.max": "1",
        "topics": ingress_topic("credential"),
        "connection.url": f"jdbc:postgresql://{url.hostname}:{url.port or 5432}{url.path}",
        "connection.username": unquote(url.username or ""),
        "connection.password": _password(url.query),
        "collection.name.format": table,
        "insert.mode": "insert",
        "primary.key.mode": "kafka",
        "schema.evolution": "basic",
        "transforms": "hoist",
        "transforms.hoist.type": "org.apache.kafka.connect.transforms.HoistField$Value",
        "transforms.hoist.field": "body",
        **options,
    }
    for name, settings in (("worker", worker), ("sink", sink)):
        text = "".join(f"{key}={value}\n" for key, value in settings.items())
        (place / f"{name}.properties").write_text(text, encoding="utf-8")


def _password(query: str) -> str:
    """The embedded server's, from the password file that its URL names: the peer takes none by file."""
    path = Path(parse_qs(query)["passfile"][0])
    return path.read_text(encoding="utf-8").strip().rsplit(":", 1)[1]


async def _sunk(command: list[str], place: Path, dsn: str, table: str, count: int) -> Sunk:
    look: asyncpg.Connection[Any] = await asyncpg.connect(dsn)
    with (place / "log").open("wb") as log:
        running = await asyncio.create_subprocess_exec(
            *command, str(place / "worker.properties"), str(place / "sink.properties"), stdout=log, stderr=log
        )
    try:
        async with asyncio.timeout(PATIENCE_S):
            begun = await _rows(look, table, int(count * WARM), running)
            start, cpu = time.perf_counter(), cpu_seconds(running.pid)
            ended = await _rows(look, table, count, running)
        taken, used = time.perf_counter() - start, cpu_seconds(running.pid) - cpu
        await look.execute(f'DROP TABLE "{table}"')
    finally:
        if running.returncode is None:
            running.kill()
            await running.wait()
        await look.close()
    return Sunk((ended - begun) / taken, used / (ended - begun) * 1e6)


async def _rows(look: Any, table: str, wanted: int, running: asyncio.subprocess.Process) -> int:
    """Wait for so many rows; how many there are then. Raises RuntimeError when the peer ended."""
    while True:
        if running.returncode is not None:
            raise RuntimeError("the Debezium peer ended")
        if await look.fetchval("SELECT to_regclass($1)", table) is not None:
            rows: int = await look.fetchval(f'SELECT count(*) FROM "{table}"')
            if rows >= wanted:
                return rows
        await asyncio.sleep(TICK_S)
