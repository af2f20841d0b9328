"""Configuration of the insight service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from passerelle.runtime.config import ServerConfig, ServiceConfig


class InsightConfig(ServiceConfig):
    """``[http]`` serves the windows as JSON; ``data_folder`` holds the generation of the tables."""

    http: ServerConfig = ServerConfig()
    data_folder: Path
    keep_hours: Annotated[int, Field(ge=1, le=24 * 90)] = 24 * 7
    max_rows: Annotated[int, Field(ge=1, le=1_000_000)] = 100_000
    """Window rows held in memory; new keys beyond it are counted and left out."""
