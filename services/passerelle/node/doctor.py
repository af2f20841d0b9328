"""Checks that a registrar can run before asking for help: files, database, Kafka, query service, registry."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from passerelle.core.errors import PasserelleError
from passerelle.core.signature import SeedSigner
from passerelle.core.witness import witness_keys
from passerelle.events.topics import REGISTRY
from passerelle.node.config import NodeConfig
from passerelle.node.messages import signing_keys
from passerelle.node.postgres import PostgresStore, open_pool
from passerelle.node.rpc import GrpcLedger
from passerelle.runtime.clock import Clock
from passerelle.runtime.kafka import end_offsets
from passerelle.runtime.keys import read_seed


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


async def _checked(name: str, check: Callable[[], Awaitable[None]]) -> Finding:
    try:
        await check()
    except PasserelleError as error:
        return Finding(name, False, error.code, error.what, error.fix)
    return Finding(name, True)


async def examine(config: NodeConfig, clock: Clock) -> list[Finding]:
    """Every check, in order; none raises."""

    async def key(path: Path) -> None:
        read_seed(path)

    async def root() -> None:
        config.root_public_key()

    async def kafka() -> None:
        await end_offsets(config.kafka, REGISTRY, [0], client_id=f"passerelle-doctor-{config.member}")

    async def query() -> None:
        seed = read_seed(config.key_file)
        ledger = GrpcLedger(config.query, member=config.member, network=config.network, seed=seed, clock=clock)
        try:
            await ledger.head()
        finally:
            await ledger.close()

    async def registry() -> None:
        await _registry_shows_key(config, clock)

    checks: list[tuple[str, Callable[[], Awaitable[None]]]] = [
        ("signing key file", lambda: key(config.key_file)),
        ("learner key file", lambda: key(config.learner_key_file)),
        ("record key file", lambda: key(config.record_key_file)),
        ("root public key file", root),
        ("database and registry", registry),
        ("Kafka", kafka),
        ("query service", query),
    ]
    if (witness := config.witness) is not None:
        path = witness.key_file
        checks += [
            ("witness key file", lambda: key(path)),
            ("witness key listed", lambda: _listed(config, path, clock)),
        ]
    return [await _checked(name, check) for name, check in checks]


async def _record(config: NodeConfig) -> Mapping[str, Any] | None:
    pool = await open_pool(config.database, name=f"passerelle-doctor-{config.member}")
    try:
        return await PostgresStore(pool).own_record(config.member)
    finally:
        await pool.close()


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
