"""Settings of the ledger process."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from passerelle.runtime.config import DatabaseConfig, SecretFile, ServerConfig, ServiceConfig


class LedgerConfig(ServiceConfig):
    """One ledger, active or standing by. Times are in seconds unless a name says ``_ms``."""

    database: DatabaseConfig
    log_key_file: SecretFile
    """Ed25519 seed that signs checkpoints: 64 hex digits, mode 0600."""
    grpc: ServerConfig = ServerConfig()
    log: ServerConfig = ServerConfig()
    """Where tiles, checkpoints and public bodies are served over HTTP."""
    batch_max: Annotated[int, Field(ge=1, le=16_384)] = 4000
    """Most records in one commit."""
    batch_max_mb: Annotated[int, Field(ge=1, le=1024)] = 64
    """Bodies in one commit, in MiB, beyond which no more records are read for it."""
    linger_ms: Annotated[int, Field(ge=0, le=1000)] = 10
    """How long a small batch waits for more records."""
    park_max: Annotated[int, Field(ge=1, le=65_536)] = 4096
    """Most events of one stream that wait."""
    park_max_mb: Annotated[int, Field(ge=1, le=1024)] = 16
    """Most MiB of bodies of one stream that wait."""
    lease_s: Annotated[float, Field(ge=0.5, le=60)] = 5
    """How long the lease holds without renewal."""
    reference_wait_s: Annotated[float, Field(gt=0, le=600)] = 60
    """How long an event waits for a thing of another stream; the network promises 60."""
    verify_processes: Annotated[int, Field(ge=1, le=16)] = 2
    """Processes that check signatures, started when many come at once."""
    things_cached: Annotated[int, Field(ge=1000, le=10_000_000)] = 100_000
    """Most things of the read model that are kept in memory between commits."""
    loop_stalled_s: Annotated[float, Field(ge=5, le=3600)] = 180.0
    """A batch that has not moved for so long ends the process: every wait in it has a shorter bound."""
    checkpoint_idle_s: Annotated[float, Field(ge=1, le=86_400)] = 300.0
    """How often the latest checkpoint is told again while the log does not grow: silence then means a standstill."""
    watchers_max: Annotated[int, Field(ge=1, le=10_000)] = 200
    """Most calls at once that watch the log."""
    replication: Annotated[int, Field(ge=1, le=5)] = 1
    """Replicas of the topics that the ledger creates."""
    accept_missing_bodies: bool = False
    """A refill from the feed keeps accepted entries whose bodies are past retention without their effects, instead of
    waiting for their senders. For one start, after the operator has decided it.
    """
