"""Configuration: one TOML file a process, overridden by ``PASSERELLE_*`` variables. Secrets are named by file only.

A nested field is overridden with two underscores: ``PASSERELLE_KAFKA__BOOTSTRAP=broker:9092``.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from passerelle.core.errors import ConfigError
from passerelle.events.base import Model

SecretFile = Path
Port = Annotated[int, Field(ge=0, le=65535)]


class KafkaConfig(Model):
    """How to reach the brokers."""

    bootstrap: str = "127.0.0.1:9092"
    security: Literal["plaintext", "scram", "mtls"] = "plaintext"
    username: str | None = None
    password_file: SecretFile | None = None
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: SecretFile | None = None
    request_timeout_s: Annotated[float, Field(ge=1, le=600)] = 15.0
    """Longest wait for a broker's answer to one request; then the connection counts as lost."""
    stalled_s: Annotated[float, Field(ge=1, le=600)] = 30.0
    """A reader that gets nothing for so long while its topics hold more is opened anew."""
    publish_timeout_s: Annotated[float, Field(ge=1, le=600)] = 45.0
    """Longest wait for a broker's acknowledgements; then the producer is made anew and all is sent again."""


class DatabaseConfig(Model):
    """How to reach this process's own database. The URL carries no password: that is in ``password_file``."""

    url: str
    password_file: SecretFile | None = None
    pool_size: Annotated[int, Field(ge=1, le=64)] = 4
    statement_timeout_s: Annotated[float, Field(ge=1, le=3600)] = 30.0
    """Longest wait for the answer to one statement; then the connection counts as lost."""


class ServerConfig(Model):
    """Where a server listens; port 0 lets the system choose."""

    host: str = "127.0.0.1"
    port: Port = 0
    calls_max: Annotated[int, Field(ge=8, le=65_536)] = 4096
    """Most HTTP connections, or gRPC calls, at once; beyond, new ones are refused at once (503, RESOURCE_EXHAUSTED)."""


class TelemetryConfig(Model):
    """Logs to standard error, metrics and health over HTTP."""

    log_format: Literal["console", "json"] = "console"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    health: ServerConfig = ServerConfig()


class ServiceConfig(BaseSettings):
    """What every process is told: the trust roots, Kafka, telemetry."""

    model_config = SettingsConfigDict(
        env_prefix="PASSERELLE_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    network: str
    """The log's origin, for example ``ledger.passerelle.example/2026``."""
    operator: str = "operator"
    root_public_key_file: Path
    """64 hex digits: the key that signs the operator's own admission."""
    kafka: KafkaConfig = KafkaConfig()
    telemetry: TelemetryConfig = TelemetryConfig()
    start_patience_s: Annotated[float, Field(ge=0, le=86_400)] = 300.0
    """How long a process that starts or stands by waits for servers that are away, before it ends with exit code 1."""
    memory_max_mb: Annotated[int, Field(ge=0, le=1_048_576)] = 0
    """Resident memory in MiB over which caches are given up, and then the process ends; 0: no bound."""
    memory_over_s: Annotated[float, Field(ge=1, le=3600)] = 15.0
    """How long a process may stay over its bound after it gave its caches up."""
    loop_blocked_s: Annotated[float, Field(ge=0, le=3600)] = 120.0
    """The event loop may stand still for so long, then the process ends; 0: no bound."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Variables win over the file."""
        return env_settings, init_settings

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a TOML file. Relative paths in it are taken from the file's folder. Raises ConfigError."""
        try:
            data = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(
                "config-unreadable", f"cannot read the configuration: {error.strerror}", where=str(path)
            ) from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError("config-invalid", f"not TOML: {error}", where=str(path)) from None
        try:
            return cls(**_resolve(data, path.parent))
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            field = ".".join(str(part) for part in first["loc"])
            raise ConfigError("config-invalid", f"{field}: {first['msg']}", where=str(path)) from None

    def root_public_key(self) -> bytes:
        """The root public key, 32 bytes. Raises ConfigError."""
        return read_public_key(self.root_public_key_file)


def _resolve(value: Any, base: Path) -> Any:
    """Make every ``*_file``, ``*_folder`` and ``folder`` value absolute, relative to the configuration file."""
    if isinstance(value, list):
        return [_resolve(item, base) for item in value]
    if not isinstance(value, dict):
        return value
    resolved = {}
    for name, item in value.items():
        if isinstance(item, str) and (name == "folder" or name.endswith(("_file", "_folder"))):
            resolved[name] = str((base / item).resolve())
        else:
            resolved[name] = _resolve(item, base)
    return resolved


def read_public_key(path: Path) -> bytes:
    """A file of 64 hex digits as 32 bytes. Raises ConfigError."""
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except (OSError, ValueError):
        key = b""
    if len(key) != 32:
        raise ConfigError("key-file-unusable", "the file does not hold a public key of 64 hex digits", where=str(path))
    return key


def read_secret(path: Path) -> str:
    """The first line of a secret file. Raises ConfigError."""
    try:
        return path.read_text(encoding="utf-8").splitlines()[0]
    except (OSError, IndexError, UnicodeDecodeError):
        raise ConfigError("config-unreadable", "the secret file cannot be read or is empty", where=str(path)) from None
