"""The only source of randomness of the services: UUIDs and nonces (RFC 9562)."""

from __future__ import annotations

import os
import uuid
from typing import Protocol

from passerelle.runtime.clock import Clock


class Ids(Protocol):
    """Identifiers and random bytes as a dependency."""

    def uuid7(self) -> str:
        """A time-ordered UUID: events, credentials, cases."""

    def uuid4(self) -> str:
        """A random UUID: releases, whose time must not show."""

    def random(self, size: int) -> bytes:
        """``size`` random bytes."""


class SystemIds:
    """Identifiers from the operating system's randomness; UUIDv7 takes its time from the clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def uuid7(self) -> str:
        raw = bytearray(self._clock.now_ms().to_bytes(6, "big") + os.urandom(10))
        raw[6] = 0x70 | raw[6] & 0x0F
        raw[8] = 0x80 | raw[8] & 0x3F
        return str(uuid.UUID(bytes=bytes(raw)))

    def uuid4(self) -> str:
        return str(uuid.uuid4())

    def random(self, size: int) -> bytes:
        return os.urandom(size)
