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
    policies_folder: Path | None = None
    poll_ms: Annotated[int, Field(ge=10, le=10_000)] = 250
    """How often the head is read where no notification wakes the service."""
    page: Annotated[int, Field(ge=10, le=50_000)] = 5_000
    """Events read at once."""
    max_wait_s: Annotated[float, Field(gt=0, le=300)] = 30.0
    """Longest wait for ``min_position`` of a call without a deadline."""
