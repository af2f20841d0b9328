"""Who the client calls as: a member, by tokens made with its signing key, or nobody."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from passerelle.runtime.clock import Clock, SystemClock
from passerelle.runtime.identity import make_token
from passerelle.runtime.keys import read_seed


class Identity(Protocol):
    """Gives the token of a call."""

    def token(self) -> str:
        """A fresh token (RFC 7519), without the word Bearer."""


class MemberIdentity:
    """A member by its signing key; a new token for each try, so that none is too old."""

    def __init__(self, seed: bytes, *, member: str, network: str, clock: Clock) -> None:
        """``seed``: 32 bytes; ``network``: the log's origin, for which the tokens hold."""
        self._seed = seed
        self._member = member
        self._network = network
        self._clock = clock

    @classmethod
    def from_file(cls, key_file: Path, *, member: str, network: str) -> MemberIdentity:
        """From a key file of 64 hex digits. Raises ConfigError ``key-file-unusable``."""
        return cls(read_seed(key_file), member=member, network=network, clock=SystemClock())

    def token(self) -> str:
        """See :class:`Identity`."""
        now_s = self._clock.now_ms() // 1000
        return make_token(self._seed, member=self._member, network=self._network, now_s=now_s)
