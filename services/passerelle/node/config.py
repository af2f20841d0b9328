"""The configuration of a node: one TOML file, overridden by ``PASSERELLE_*`` variables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from passerelle.events.base import MemberId, Model
from passerelle.runtime.config import DatabaseConfig, SecretFile, ServiceConfig


class WitnessConfig(Model):
    """A node that witnesses the log."""

    key_file: SecretFile
    """Seed of the Ed25519 key that cosigns checkpoints, and is used for nothing else."""
    log_url: Annotated[str, Field(pattern=r"^https?://[!-~]+$", max_length=2048)]
    """Address of the log over HTTP."""
    log_vkey: str | None = None
    """The log's verifier key, where it shall not be taken from the registry."""


class NodeConfig(ServiceConfig):
    """What a node is told. Key files hold 64 hex digits and are readable by their owner only."""

    member: MemberId
    database: DatabaseConfig
    key_file: SecretFile
    """Seed of the Ed25519 key that signs this member's events."""
    learner_key_file: SecretFile
    """Key that wraps the learners' keys (AES-GCM, 256 bits)."""
    record_key_file: SecretFile
    """Key of the hash under which the office's record ids are known (HMAC-SHA-256)."""
    seal_key_file: SecretFile | None = None
    """X25519 key under which this node opens documents sealed to its member; used for nothing else."""
    query: str = "127.0.0.1:8443"
    """``host:port`` of the query service's gRPC."""
    language: Literal["en", "fr"] = "en"
    resend_after_s: Annotated[float, Field(gt=0, le=3600)] = 10.0
    """Seconds without a receipt after which unanswered events are sent again; doubled each time, up to 16 times."""
    outbox_max: Annotated[int, Field(ge=1, le=100_000_000)] = 1_000_000
    """Most events that wait, as drafts or for an answer; beyond, imports and publications are refused."""
    in_flight_max: Annotated[int, Field(ge=256, le=1_000_000)] = 8192
    """Most events of a family that are handed to Kafka and not answered: the room that others leave one member."""
    silence_s: Annotated[float, Field(ge=1, le=86_400)] = 900.0
    """Without any checkpoint for so long the ledger counts as silent: it tells its latest one again while it idles."""
    import_missing_percent: Annotated[float, Field(ge=0, le=100)] = 5.0
    """Share of the known records that a file imported as whole may lack without ``--confirm``."""
    schema_folder: Path | None = None
    """Published XML schemas (PESC, ELMO) by which documents are checked as they come in; never fetched."""
    organisations: dict[str, str] = Field(default={}, max_length=2000)
    """Awarding bodies as documents name them, by name or code: a member id, or ``organisation:member/local``."""
    witness: WitnessConfig | None = None
    """Where it stands, this node cosigns the log's checkpoints."""
    evidence_folder: Path | None = None
    """Where evidence files are written when the log contradicts itself; they are in the database in any case."""
    witnesses_required: Annotated[int, Field(ge=0, le=64)] = 0
    """How many members must have cosigned the checkpoints of release files, made here or taken in."""
