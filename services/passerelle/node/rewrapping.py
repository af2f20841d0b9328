"""Another key encryption key: every learner's key is unwrapped by the old one and wrapped by the new one.

Details stay as they are: they are encrypted under the learner's own key, which does not change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from passerelle.core.errors import Fatal
from passerelle.node.key_encryption import KeyEncryption, check_key
from passerelle.node.people import Learner
from passerelle.runtime.ids import Ids

PAGE: Final = 500
Rewrap = tuple[str, bytes, bytes]
"""A learner's id, their key as it was wrapped, and as it is."""


class RewrapStore(Protocol):
    """The learners of a node's database."""

    async def export_learners(self, after: str, limit: int) -> list[Learner]:
        """Learners that were not erased, in order of id, above one."""

    async def rewrap(self, items: Sequence[Rewrap]) -> int:
        """Put new wrapped keys in, at least one, in one transaction; how many. What is not as it was stays as it is."""


@dataclass(slots=True)
class Rewrapped:
    """How many learners' keys were wrapped anew, and how many were already, by a run that was cut short."""

    done: int = 0
    already: int = 0

    def as_dict(self) -> dict[str, int]:
        """JSON-able."""
        return {"done": self.done, "already": self.already}


async def rewrap_all(store: RewrapStore, old: KeyEncryption, new: KeyEncryption, ids: Ids) -> Rewrapped:
    """Every learner's key from the old to the new key encryption key, page by page: a run that ends goes on anew.

    Raises Fatal ``key-file-unusable`` at a learner whose key opens under neither, and as :class:`KeyEncryption`.
    """
    check_key(old, ids)
    check_key(new, ids)
    report, after = Rewrapped(), ""
    while page := await store.export_learners(after, PAGE):
        items = []
        for learner in page:
            if (key := _old(old, learner)) is None:
                # Neither: this raises, and what was done stays done.
                new.unwrap(learner.wrapped_key, learner.id)
                report.already += 1
            else:
                items.append((learner.id, learner.wrapped_key, new.wrap(key, learner.id)))
        if items:
            report.done += await store.rewrap(items)
        after = page[-1].id
    return report


def _old(old: KeyEncryption, learner: Learner) -> bytes | None:
    try:
        return old.unwrap(learner.wrapped_key, learner.id)
    except Fatal:
        return None
