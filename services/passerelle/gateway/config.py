"""Configuration of the gateway."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from passerelle.runtime.config import ServerConfig, ServiceConfig


class GatewayConfig(ServiceConfig):
    """``query``: the query service, ``host:port``, several by comma; ``http``: where the gateway listens."""

    query: str
    http: ServerConfig = ServerConfig()
    call_timeout_s: Annotated[float, Field(gt=0, le=300)] = 10.0
    """Deadline of a request."""
    body_max_kb: Annotated[int, Field(ge=1, le=4096)] = 512
    """Largest body of a request, in KiB."""
    rate_per_s: Annotated[float, Field(gt=0, le=100_000)] = 20.0
    """Requests a second of one network address, in the long run."""
    rate_burst: Annotated[int, Field(ge=1, le=1_000_000)] = 100
    """Requests of one network address at once."""
