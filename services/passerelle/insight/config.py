"""Configuration of the insight service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from passerelle.runtime.config import ServerConfig, ServiceConfig


class InsightConfig(ServiceConfig):
    """``[http]`` serves the hourly windows as JSON; ``data_folder`` holds the generation of the tables."""

    http: ServerConfig = ServerConfig()
    data_folder: Path
    keep_hours: Annotated[int, Field(ge=1, le=24 * 90)] = 24 * 7
    max_rows: Annotated[int, Field(ge=1, le=1_000_000)] = 100_000
    """Rows of each table held in memory; new keys beyond it are counted and left out."""
    threshold: Annotated[int, Field(ge=1, le=1_000)] = 5
    """Statistics of public events: smaller counts are not shown. Those of events about learners: at least 10."""
    publish_every_s: Annotated[float, Field(gt=0, le=3_600)] = 10.0
    """Pause between two publications of the statistics that changed."""
    keep_days: Annotated[int, Field(ge=62, le=3_660)] = 400
    """How many days the statistics reach back."""
    burst_factor: Annotated[float, Field(gt=1, le=1_000)] = 5.0
    """A member's revocations of a day are a burst above so many times its usual day."""
