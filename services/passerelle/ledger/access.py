"""Who asks, and what it may read: identity by registry keys, bodies by visibility and party."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from passerelle.core.errors import PasserelleError
from passerelle.core.registry import Registry, Status
from passerelle.runtime.clock import Clock
from passerelle.runtime.identity import read_token


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: ``member`` is empty for a public reader; the operator may read every body."""

    member: str = ""
    operator: bool = False

    def require(self, member: str) -> None:
        """Only ``member`` itself and the operator pass. Raises PasserelleError ``unauthenticated``, ``not-a-party``."""
        if not self.member:
            raise PasserelleError("unauthenticated", "the call names no identity", where="authorization")
        if self.member != member and not self.operator:
            what = "only the member itself and the operator may read this"
            raise PasserelleError("not-a-party", what, where="member")


class Identity:
    """Reads tokens against the registry as committed."""

    def __init__(self, registry: Callable[[], Registry], clock: Clock) -> None:
        self._registry = registry
        self._clock = clock

    def caller(self, token: str | None) -> Caller:
        """The caller of a token, the public reader without one. Raises ``token-invalid`` or ``token-expired``."""
        if token is None:
            return Caller()
        registry = self._registry()
        now_ms = self._clock.now_ms()
        member = read_token(
            token, network=registry.network, now_s=now_ms // 1000, lookup=lambda key: self._key(registry, key, now_ms)
        )
        return Caller(member, member == registry.operator)

    @staticmethod
    def _key(registry: Registry, key_id: str, now_ms: int) -> tuple[str, bytes] | None:
        """A key that signs for a member now; a suspended member may still read what is about it."""
        found = registry.key_for(key_id)
        if found is None or found[0] not in registry.members:
            return None
        member, key = found
        early = key.valid_from is not None and now_ms < key.valid_from
        late = key.valid_to is not None and now_ms >= key.valid_to
        if key.use != "sign" or key.removed_index is not None or early or late:
            return None
        if registry.members[member].status is Status.REMOVED:
            return None
        return member, key.public_key
