"""Builds the portal from its configuration."""

from __future__ import annotations

from passerelle.portal.config import PortalConfig
from passerelle.portal.service import PortalService
from passerelle.runtime.clock import SystemClock
from passerelle.runtime.telemetry import configure_logging


def build(config: PortalConfig) -> PortalService:
    """The service, not yet started."""
    configure_logging(config.telemetry, service="portal")
    return PortalService(config, SystemClock())
