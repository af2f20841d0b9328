"""Configuration of the portal process."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from passerelle.events.base import Model
from passerelle.runtime.config import DatabaseConfig, ServerConfig, ServiceConfig


class FeedLimits(Model):
    """Bounds of the live feed: clients at once, records a client may fall behind, seconds between heartbeats."""

    max_clients: Annotated[int, Field(ge=1, le=20_000)] = 2_000
    buffer: Annotated[int, Field(ge=16, le=65_536)] = 1_024
    heartbeat_s: Annotated[float, Field(gt=0, le=60)] = 15.0
    send_timeout_s: Annotated[float, Field(gt=0, le=120)] = 20.0


class PortalConfig(ServiceConfig):
    """``[database]`` is the portal's own; ``query`` is host:port of the gRPC services; ``[http]`` the public pages."""

    database: DatabaseConfig
    query: str
    http: ServerConfig = ServerConfig()
    feed: FeedLimits = FeedLimits()
    log_url: Annotated[str, Field(pattern=r"^https?://[\x21-\x7e]{1,300}$")] | None = None
    """Public address of the log's tiles, shown to people who check for themselves; None: not shown."""
    call_timeout_s: Annotated[float, Field(gt=0, le=30)] = 3.0
    """Deadline of a call to the query services, in seconds."""
