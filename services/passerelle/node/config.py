"""The configuration of a node: one TOML file, overridden by ``PASSERELLE_*`` variables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from passerelle.events.base import MemberId, Model
from passerelle.runtime.config import DatabaseConfig, SecretFile, ServerConfig, ServiceConfig


class WitnessConfig(Model):
    """A node that witnesses the log."""

    key_file: SecretFile
    """Seed of the Ed25519 key that cosigns checkpoints, and is used for nothing else."""
    log_url: Annotated[str, Field(pattern=r"^https?://[!-~]+$", max_length=2048)]
    """Address of the log over HTTP."""
    log_vkey: str | None = None
    """The log's verifier key, where it shall not be taken from the registry."""


class WatchConfig(Model):
    """A folder whose files are imported as they come."""

    folder: Path
    """Written by the office's export and by this node only: nobody else should be able to put a file there."""
    kind: Annotated[str, Field(max_length=100)] = ""
    format: Annotated[str, Field(max_length=100)] = ""
    mapping: Annotated[str, Field(max_length=100)] = ""
    """What ``node import`` is told by options of these names; empty: found from the file."""
    settle_s: Annotated[float, Field(ge=0, le=86_400)] = 10.0
    """A file is complete once its size and time of change have stood still for so long."""
    every_s: Annotated[float, Field(gt=0, le=3600)] = 2.0
    """Seconds between two looks."""
    max_bytes: Annotated[int, Field(ge=1, le=1 << 40)] = 1 << 30
    """A larger file is refused unread."""


class PushConfig(ServerConfig):
    """Files pushed over HTTP by the office's own programs."""

    token_file: SecretFile
    """The bearer token that callers show: at least 32 characters."""
    spool_folder: Path
    """Where pushed files lie until they were imported: personal data in the clear, for this node only."""
    max_bytes: Annotated[int, Field(ge=1, le=1 << 40)] = 1 << 28
    max_waiting: Annotated[int, Field(ge=1, le=10_000)] = 32
    """Most files that wait or are being taken; beyond, pushes are answered 429 ``queue-full``."""


class Pkcs11Config(Model):
    """The key encryption key in a token or device (PKCS #11)."""

    kind: Literal["pkcs11"] = "pkcs11"
    module: Path
    """The device's PKCS #11 library, by its absolute path: its code runs in the node."""
    token_label: Annotated[str, Field(min_length=1, max_length=32)]
    key_label: Annotated[str, Field(min_length=1, max_length=255)]
    """An AES key of 256 bits that may encrypt and decrypt."""
    pin_file: SecretFile
    """The user PIN, on the first line; for its owner alone."""

    @field_validator("module")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        # A bare name would be looked for in folders that the environment names.
        if not value.is_absolute():
            raise ValueError("give the absolute path of the library")
        return value


def _several(value: Any) -> Any:
    """``[watch]`` is one folder, ``[[watch]]`` are several."""
    return [value] if isinstance(value, dict) else value


class NodeConfig(ServiceConfig):
    """What a node is told. Key files hold 64 hex digits and are readable by their owner only."""

    member: MemberId
    database: DatabaseConfig
    key_file: SecretFile
    """Seed of the Ed25519 key that signs this member's events."""
    learner_key_file: SecretFile | None = None
    """Key that wraps the learners' keys (AES-GCM, 256 bits): this, or ``key_encryption``."""
    key_encryption: Annotated[Pkcs11Config | None, Field(validate_default=True)] = None
    """Where a token or device holds that key instead."""
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
    retention_years: Annotated[int, Field(ge=0, le=200)] | None = None
    """How long a learner's records are kept after their date, before they may be erased without a legal ground; 0: not
    at all; where it is not set: without an end.
    """
    trust_folder: Path | None = None
    """Root certificates, and revocation lists, by which signed PDFs are judged; never fetched."""
    schema_folder: Path | None = None
    """Published XML schemas (PESC, ELMO) by which documents are checked as they come in; never fetched."""
    organisations: dict[str, str] = Field(default={}, max_length=2000)
    """Awarding bodies as documents name them, by name or code: a member id, or ``organisation:member/local``."""
    watch: Annotated[list[WatchConfig], BeforeValidator(_several), Field(max_length=100)] = Field(default=[])
    push: PushConfig | None = None
    witness: WitnessConfig | None = None
    """Where it stands, this node cosigns the log's checkpoints."""
    evidence_folder: Path | None = None
    """Where evidence files are written when the log contradicts itself; they are in the database in any case."""
    witnesses_required: Annotated[int, Field(ge=0, le=64)] = 0
    """How many members must have cosigned the checkpoints of release files, made here or taken in."""

    @field_validator("key_encryption")
    @classmethod
    def _one_wrapping_key(cls, value: Pkcs11Config | None, info: ValidationInfo) -> Pkcs11Config | None:
        # A file that is named wrongly is told by itself, and then is not there.
        if "learner_key_file" in info.data and (info.data["learner_key_file"] is None) == (value is None):
            raise ValueError("give learner_key_file, or the table key_encryption, and not both")
        return value
