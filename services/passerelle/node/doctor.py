"""Checks that a registrar can run before asking for help: keys, database, Kafka, query, registry, clock, room."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from passerelle.core.errors import FormatError, PasserelleError
from passerelle.core.signature import SeedSigner
from passerelle.core.witness import witness_keys
from passerelle.events.topics import REGISTRY
from passerelle.node.config import NodeConfig
from passerelle.node.key_encryption import check_key, open_key
from passerelle.node.messages import signing_keys
from passerelle.node.people import Vault
from passerelle.node.postgres import MIGRATIONS, PostgresStore, open_pool
from passerelle.node.records import RecordKeys
from passerelle.node.rpc import GrpcLedger
from passerelle.runtime.clock import Clock
from passerelle.runtime.ids import SystemIds
from passerelle.runtime.kafka import end_offsets
from passerelle.runtime.keys import read_seed

MAX_BEHIND_S: Final = 5.0
MAX_AHEAD_S: Final = 30.0
"""The ledger raises its floor each second also when nothing happens; the rest is the way there and back."""
MIN_FREE: Final = 256 << 20
"""Bytes that must be free where the node writes."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: ``ok``, or what is wrong and what to do."""

    check: str
    ok: bool
    code: str = ""
    what: str = ""
    fix: str = ""

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {"check": self.check, "ok": self.ok, "code": self.code, "what": self.what, "fix": self.fix}


async def _checked(name: str, check: Callable[[], Awaitable[object]]) -> Finding:
    try:
        await check()
    except PasserelleError as error:
        return Finding(name, False, error.code, error.what, error.fix)
    return Finding(name, True)


async def examine(config: NodeConfig, clock: Clock) -> list[Finding]:
    """Every check, in order; none raises."""

    async def key(path: Path) -> None:
        read_seed(path)

    async def wrapping() -> None:
        ids = SystemIds(clock)
        check_key(open_key(config, ids), ids)

    async def root() -> None:
        config.root_public_key()

    async def kafka() -> None:
        await end_offsets(config.kafka, REGISTRY, [0], client_id=f"passerelle-doctor-{config.member}")

    checks: list[tuple[str, Callable[[], Awaitable[object]]]] = [
        ("signing key file", lambda: key(config.key_file)),
        ("learner key file" if config.key_encryption is None else "learner key token", wrapping),
        ("record key file", lambda: key(config.record_key_file)),
        ("root public key file", root),
        ("database and registry", lambda: _registry_shows_key(config, clock)),
        ("database schema", lambda: _schema(config)),
        ("learner key opens the database", lambda: _vault_opens(config, clock)),
        ("Kafka", kafka),
        ("query service", lambda: _asked(config, clock, lambda ledger: ledger.head())),
        ("clock", lambda: _clock(config, clock)),
        ("disk room", lambda: _room(config)),
    ]
    if (seal := config.seal_key_file) is not None:
        checks.append(("seal key file", lambda: key(seal)))
    if (witness := config.witness) is not None:
        path = witness.key_file
        checks += [
            ("witness key file", lambda: key(path)),
            ("witness key listed", lambda: _listed(config, path, clock)),
        ]
    for place, watched in enumerate(config.watch):
        checks.append((f"watched folder {place + 1}", partial(_writable, watched.folder)))
    if (push := config.push) is not None:
        checks.append(("push token file", lambda: _token(push.token_file)))
        if push.spool_folder.exists():
            checks.append(("push spool folder", lambda: _writable(push.spool_folder)))
    return [await _checked(name, check) for name, check in checks]


async def _asked(config: NodeConfig, clock: Clock, question: Callable[[GrpcLedger], Awaitable[int]]) -> int:
    seed = read_seed(config.key_file)
    ledger = GrpcLedger(config.query, member=config.member, network=config.network, seed=seed, clock=clock)
    try:
        return await question(ledger)
    finally:
        await ledger.close()


async def _clock(config: NodeConfig, clock: Clock) -> None:
    """This machine's clock against the ledger's, which is never before its floor. Raises PasserelleError."""
    floor = await _asked(config, clock, lambda ledger: ledger.floor_ms())
    check_clock(clock.now_ms(), floor)


def check_clock(now_ms: int, floor_ms: int) -> None:
    """Raise ``clock-behind`` or ``clock-ahead``; a ledger that has accepted nothing yet tells no time (0)."""
    ahead = (now_ms - floor_ms) / 1000
    if floor_ms and ahead < -MAX_BEHIND_S:
        what = f"this machine's clock is {-ahead:.0f} seconds behind the ledger's"
        raise PasserelleError("clock-behind", what, where="clock", fix="Set the clock by a time server (NTP).")
    if floor_ms and ahead > MAX_AHEAD_S:
        what = f"this machine's clock is {ahead:.0f} seconds ahead of the ledger's, or the ledger stands still"
        raise PasserelleError("clock-ahead", what, where="clock")


async def _room(config: NodeConfig) -> None:
    """Room where this node itself writes; the database's disk is the database's. Raises PasserelleError."""
    folders = [config.key_file.parent, *(watched.folder for watched in config.watch)]
    folders += [config.push.spool_folder] if config.push is not None else []
    for folder in filter(Path.exists, folders):
        free = shutil.disk_usage(folder).free
        if free < MIN_FREE:
            what = f"{free // (1 << 20)} MiB are free: at least {MIN_FREE // (1 << 20)} are needed"
            raise PasserelleError("disk-full", what, where=str(folder))


async def _writable(folder: Path) -> None:
    """Raises FormatError where this user cannot read and move what is in the folder."""
    if not folder.is_dir() or not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        what = f"{folder} is not there, or this user may not read and write it"
        raise FormatError("file-unreadable", what, where=str(folder))


async def _token(path: Path) -> None:
    from passerelle.node.http import read_token

    try:
        read_token(path)
    except OSError as error:
        raise FormatError("file-unreadable", f"the token's file: {error.strerror}", where=str(path)) from None


@asynccontextmanager
async def _store(config: NodeConfig) -> AsyncIterator[PostgresStore]:
    pool = await open_pool(config.database, name=f"passerelle-doctor-{config.member}")
    try:
        yield PostgresStore(pool)
    finally:
        await pool.close()


async def _schema(config: NodeConfig) -> None:
    """The database was made by this version, not by a later one. Raises PasserelleError."""
    async with _store(config) as store:
        later = await store.migrations() - {one.name for one in files(MIGRATIONS).iterdir()}
    if later:
        what = f"the database was changed by a later version: {', '.join(sorted(later))}"
        fix = "Run the version of Passerelle that made it; going back is not possible without a backup."
        raise PasserelleError("database-schema", what, where="database", fix=fix)


async def _vault_opens(config: NodeConfig, clock: Clock) -> None:
    """One learner's details open under the key file. Raises Fatal ``key-file-unusable``."""
    keys = RecordKeys(read_seed(config.record_key_file))
    ids = SystemIds(clock)
    vault = Vault(open_key(config, ids), keys, ids)
    async with _store(config) as store:
        for learner in await store.export_learners("", 1):
            vault.person(learner)


async def _record(config: NodeConfig) -> Mapping[str, Any] | None:
    async with _store(config) as store:
        return await store.own_record(config.member)


async def _listed(config: NodeConfig, path: Path, clock: Clock) -> None:
    """The registry, as this node last saw it, lists the witness's key. Raises PasserelleError."""
    public_key = SeedSigner(read_seed(path)).public_key
    listed = witness_keys(config.network, await _record(config) or {}, clock.now_ms())
    if all(key.public_key != public_key for key in listed):
        what = "the registry, as this node last saw it, does not list this key for the use witness"
        raise PasserelleError("witness-key-unknown", what, where="registry")


async def _registry_shows_key(config: NodeConfig, clock: Clock) -> None:
    signer = SeedSigner(read_seed(config.key_file))
    record = await _record(config)
    if signer.key_id not in signing_keys(record, clock.now_ms()):
        raise PasserelleError(
            "key-unknown",
            "the registry, as this node last saw it, does not show its signing key",
            where="registry",
            fix="Let the operator admit the member (passerelle operator admit admission.json), and run the node.",
        )
