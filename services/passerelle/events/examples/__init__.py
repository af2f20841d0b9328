"""One good and one bad example of each event type; the good ones, with a few more, tell one story.

A Humber micro-credential is endorsed and articulated, awarded, carried to British Columbia, counted there, revoked,
and the receiver answers. All ids, times, nonces and keys are fixed and made up; there is no person in any of it.
"""

from __future__ import annotations

from typing import Final

from passerelle.events.examples import (
    achievements,
    credentials,
    members,
    permissions,
    recognitions,
    references,
    transfers,
)
from passerelle.events.examples.model import NOW, Bad, Example, spoil

STORY: Final[tuple[Example, ...]] = tuple(
    sorted(
        (
            *members.EXAMPLES,
            *references.EXAMPLES,
            *achievements.EXAMPLES,
            *recognitions.EXAMPLES,
            *credentials.EXAMPLES,
            *transfers.EXAMPLES,
            *permissions.EXAMPLES,
        ),
        key=lambda example: example.at,
    )
)
"""Every event in the order of its time."""

EXAMPLES: Final[dict[str, Example]] = {example.name: example for example in STORY if example.bad is not None}
"""The example of each type, by ``<family>.<event>``."""

__all__ = ["EXAMPLES", "NOW", "STORY", "Bad", "Example", "spoil"]
