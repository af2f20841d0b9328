"""An achievement that is designed to ladder asks the receivers that it names for an evaluation: by itself, once.

The node looks at what it has numbered since it last looked, and remembers how far in the same transaction in which it
drafts the requests. So a restart, or an import that is repeated, asks nobody twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from passerelle.core.errors import Refused
from passerelle.node.articulation import laddering_questions, request_events
from passerelle.node.author import Author
from passerelle.node.outbox import Draft
from passerelle.runtime.clock import Clock

_LOG = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Numbered:
    """An own achievement as it was numbered: its id and the data of its event."""

    subject: str
    data: Mapping[str, Any]


class LadderingStore(Protocol):
    """What was numbered, and how far it was looked through. May raise Unavailable."""

    async def open_laddering(self, asked: Callable[[Sequence[Numbered]], list[Draft]], now_ms: int) -> int:
        """Draft what ``asked`` makes of the next own achievements, but for requests that were made before.

        The achievements are published or revised ones that were not refused, in order. Position and drafts are stored
        together. How many drafts that were.
        """


@dataclass(slots=True)
class Laddering:
    """Opens the requests of designed laddering."""

    store: LadderingStore
    author: Author
    clock: Clock
    home: str

    async def open(self) -> int:
        """Look once; how many requests were drafted. Raises Unavailable."""
        count = await self.store.open_laddering(self._asked, self.clock.now_ms())
        if count:
            _LOG.info("designed laddering: requests drafted", requests=count)
        return count

    def _asked(self, numbered: Sequence[Numbered]) -> list[Draft]:
        drafts = []
        for one in numbered:
            for question in laddering_questions(one.subject, one.data, self.home):
                try:
                    drafts += [self.author.draft(event) for event in request_events(self.home, question, ())]
                except Refused as refused:
                    # The achievement was numbered: that it cannot ask must not hold the others up.
                    _LOG.warning("a request cannot be made", achievement=one.subject, code=refused.code)
        return drafts
