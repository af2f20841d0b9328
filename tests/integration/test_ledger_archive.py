"""An archive of the log: exported, verified, imported into an empty database; nothing tampered gets in."""

from __future__ import annotations

import asyncio
import io
import json
import os
import sys
import tarfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.integration.ledger_out import SECRET, Sample, empty_topics, until_shown, vkey_of, whole_ledger

from passerelle.core.errors import PasserelleError
from passerelle.core.registry import Registry
from passerelle.embedded import EmbeddedKafka, EmbeddedPostgres
from passerelle.ledger.archive import new_archive, parse_manifest, read_archive
from passerelle.ledger.archive_run import export_archive, import_archive, verify_archive
from passerelle.ledger.check_run import Report
from passerelle.ledger.config import LedgerConfig
from passerelle.ledger.postgres import MIGRATIONS
from passerelle.ledger.postgres.archive import open_export, open_import
from passerelle.runtime.clock import SystemClock
from passerelle.runtime.postgres import connect, migrate
from passerelle.testing.federation import Federation, achievement
from passerelle.testing.running_ledger import begin_at_the_end, make_config

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class World:
    """A ledger that was stopped, and the configuration of an empty one beside it."""

    config: LedgerConfig
    empty: LedgerConfig
    sample: Sample
    folder: Path

    async def export(self, name: str, *, private: bool) -> Path:
        path = self.folder / name
        async with open_export(self.config.database) as store:
            await export_archive(store, path, private=private)
        return path

    async def load(self, path: Path) -> Report:
        config = self.empty
        registries = [Registry(config.network, config.operator, config.root_public_key()) for _ in range(2)]
        async with open_import(config.database) as store:
            return await import_archive(store, path, (registries[0], registries[1]), [vkey_of(config)], SystemClock())

    async def refused(self, path: Path) -> PasserelleError:
        with pytest.raises(PasserelleError) as caught:
            await self.load(path)
        pool = await connect(self.empty.database, name="test")
        assert await pool.fetchval("SELECT count(*) FROM ledger.entry") == 0
        await pool.close()
        return caught.value


@pytest.fixture
async def world(
    kafka: EmbeddedKafka,
    postgres: EmbeddedPostgres,
    database: str,
    tmp_path: Path,
    unique_name: Callable[[str], str],
) -> AsyncIterator[World]:
    federation = Federation(f"test.example/{unique_name('net')}")
    config = make_config(tmp_path, kafka.bootstrap, database, federation)
    await begin_at_the_end(config)
    await empty_topics(config.kafka)
    sample = Sample(federation)
    # More than one bundle of entries.
    sample.events += sample.laval.sign(
        [
            sample.laval.write("credential.achievement-published", f"laval/c{number}", achievement("laval"))
            for number in range(300)
        ]
    )
    async with whole_ledger(config, sample.events) as (ledger, _process, _addresses):
        await until_shown(ledger, len(sample.events))
    name = unique_name("empty")
    url = await postgres.create_database(name)
    empty = config.model_copy(update={"database": config.database.model_copy(update={"url": url})})
    pool = await connect(empty.database, name="test")
    await migrate(pool, MIGRATIONS)
    await pool.close()
    yield World(config, empty, sample, tmp_path)
    await postgres.drop_database(name)


def changed(path: Path, name: str, change: Callable[[bytes], bytes] | None) -> Path:
    """A copy in which one file is another, or is missing, under a manifest that agrees."""
    found = list(read_archive(path))
    copy = path.with_name("changed.tar")
    copy.unlink(missing_ok=True)
    assert name in dict(found)
    with new_archive(copy) as writer:
        for file, data in found[:-1]:
            if file != name:
                writer.add(file, data)
            elif change is not None:
                assert change(data) != data
                writer.add(file, change(data))
        writer.finish(parse_manifest(found[-1][1]))
    return copy


async def test_a_whole_archive_becomes_a_ledger_that_goes_on(world: World) -> None:
    path = await world.export("log.tar", private=True)
    report = await world.load(path)
    total = len(world.sample.events)
    assert (report.sound, report.size) == (True, total)
    async with whole_ledger(world.empty) as (ledger, _process, _addresses):
        await ledger.send(world.sample.humber.achievement("after"))
        await until_shown(ledger, total + 1)
    with pytest.raises(PasserelleError) as caught:
        await world.load(path)
    assert caught.value.code == "database-not-empty"


async def test_what_was_tampered_with_is_not_imported(world: World) -> None:
    path = await world.export("log.tar", private=True)
    names, total = [name for name, _ in read_archive(path)], len(world.sample.events)
    body = next(name for name in names if name.startswith("body/"))
    cases: dict[str, Callable[[bytes], bytes] | None] = {
        "checkpoint": lambda note: note.replace(b"\n%d\n" % total, b"\n%d\n" % (total + 1)),
        "tile/entries/000": lambda data: data.replace(b"\naccepted\n", b"\nrejected\n", 1),
        "tile/0/000": lambda data: data[:-1] + bytes([data[-1] ^ 1]),
        "tile/1/000.p/1": None,
        f"ingress/001.p/{total - 256}": lambda data: data.replace(b"credential", b"reference", 1),
        body: lambda data: data + b" ",
        "private/000": lambda data: data.replace(b'"subject":"', b'"subject":"x', 1),
    }
    for name, change in cases.items():
        error = await world.refused(changed(path, name, change))
        assert error.code in {"archive-malformed", "note-signature-invalid", "entry-malformed"}, (name, error)
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 3] ^= 1
    cut = world.folder / "cut.tar"
    cut.write_bytes(raw)
    assert (await world.refused(cut)).code
    cut.write_bytes(path.read_bytes()[:-20_000])
    assert (await world.refused(cut)).code == "archive-malformed"


async def test_a_public_archive_holds_nothing_of_learners_and_can_be_verified(world: World) -> None:
    path = await world.export("public.tar", private=False)
    assert SECRET.encode() not in path.read_bytes()
    assert not any(name.startswith("private/") for name, _ in read_archive(path))
    found = await verify_archive(path, world.config.network, [vkey_of(world.config)])
    assert found.size == len(world.sample.events)
    assert (await world.refused(path)).code == "archive-incomplete"
    with pytest.raises(PasserelleError) as caught:
        await verify_archive(
            changed(path, "tile/0/000", lambda data: bytes(len(data))), world.config.network, [vkey_of(world.config)]
        )
    assert caught.value.code == "archive-malformed"
    with tarfile.open(path) as tar:
        file = tar.extractfile("manifest.json")
        assert file is not None
        manifest = json.load(io.TextIOWrapper(file))
    assert (manifest["private"], manifest["inboxes"]) == (False, {})


async def passerelle(*arguments: object) -> tuple[int, str, str]:
    """Run the command line as a process of its own: exit code, output, errors."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "passerelle",
        *map(str, arguments),
        env={**os.environ, "PYTHONPATH": str(ROOT / "services")},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_the_commands_export_verify_and_import(world: World) -> None:
    files = {}
    for name, config in (("full", world.config), ("empty", world.empty)):
        files[name] = world.folder / f"{name}.toml"
        files[name].write_text(
            f'network = "{config.network}"\nroot_public_key_file = "root.pub"\nlog_key_file = "log.key"\n'
            f'[database]\nurl = "{config.database.url}"\n'
        )
    archive, total = world.folder / "cli.tar", len(world.sample.events)
    code, out, err = await passerelle(
        "ledger", "export", archive, "--config", files["full"], "--with-party-bodies", "--json"
    )
    assert (code, json.loads(out)["size"]) == (0, total), err
    assert "warning: the archive holds bodies about learners" in err
    assert archive.stat().st_mode & 0o077 == 0, "others may read it"
    code, _, err = await passerelle("ledger", "export", archive, "--config", files["full"])
    assert (code, "error argument-invalid" in err) == (1, True)
    code, out, _ = await passerelle("ledger", "import", archive, "--config", files["empty"], "--verify")
    assert (code, f"verified {total} entries" in out) == (0, True)
    code, out, err = await passerelle("ledger", "import", archive, "--config", files["empty"])
    assert (code, f"imported {total} entries" in out) == (0, True), err
    code, _, err = await passerelle("ledger", "import", archive, "--config", files["empty"])
    assert (code, "error database-not-empty" in err) == (1, True)
    code, _, err = await passerelle(
        "ledger", "import", world.folder / "none.tar", "--config", files["empty"], "--verify"
    )
    assert (code, "error file-unreadable" in err) == (1, True), err
