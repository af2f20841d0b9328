"""Configuration of the query service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from passerelle.runtime.config import DatabaseConfig, ServerConfig, ServiceConfig


class QueryConfig(ServiceConfig):
    """``[database]`` is the ledger's, by a role that reads schema ``read`` only; ``ledger`` the ledger's gRPC address.

    ``policies_folder`` holds the policy packs (``contracts/policies``); None: the one beside the package.
    """

    database: DatabaseConfig
    ledger: str
    """``host:port`` that LedgerService is passed on to."""
    grpc: ServerConfig = ServerConfig()
    share_port: bool = False
    """Let several processes listen on the one port of ``grpc`` (SO_REUSEPORT): the kernel spreads connections."""
    policies_folder: Path | None = None
    poll_ms: Annotated[int, Field(ge=10, le=10_000)] = 250
    """How often the head is read where no notification wakes the service."""
    page: Annotated[int, Field(ge=10, le=50_000)] = 5_000
    """Events read at once."""
    max_wait_s: Annotated[float, Field(gt=0, le=300)] = 30.0
    """Longest wait for ``min_position`` of a call without a deadline."""
    snapshot_file: Path | None = None
    """Where a snapshot of the index is kept, for quick starts; only the service's own user may write there."""
    snapshot_every_s: Annotated[float, Field(ge=1, le=86_400)] = 300.0
    """How often it is written while the log grows."""
    answer_key_file: Path | None = None
    """Seed of the key that signs answers, listed in the registry with the use ``answer``; None: none is signed."""
    answer_days: Annotated[int, Field(ge=1, le=730)] = 30
    """For how long a signed answer holds."""
