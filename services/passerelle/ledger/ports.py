"""The seams of the ledger: what the loop needs from outside, and what runs beside it.

Each docstring is the contract; the conformance tests hold the real adapters and the memory ones to the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from passerelle.core.checkpoint import Checkpoint
from passerelle.core.registry import Registry
from passerelle.ledger.config import LedgerConfig
from passerelle.ledger.model import CommitPlan, Head, LedgerState, Loaded, Needs, Place, RawRecord
from passerelle.ledger.postgres.pool import Pool
from passerelle.runtime.clock import Clock


class Ingress(Protocol):
    """The five ingress topics, read from stored offsets by one reader without a group."""

    async def open(self, offsets: Mapping[Place, int]) -> None:
        """Assign every partition and seek; a partition without an offset starts at its beginning.

        Raises Fatal ``offset-out-of-range`` or ``topic-shape``, Unavailable.
        """

    async def fetch(self, maximum: int, *, wait_s: float) -> list[RawRecord]:
        """At most ``maximum`` records, those of the member topic first, each partition in order.

        Waits up to ``wait_s`` for a first record, never for more; an empty list when nothing came.
        Raises Fatal ``offset-out-of-range``, Unavailable.
        """

    async def close(self) -> None:
        """Release the connection; may be called twice."""


class Store(Protocol):
    """The ledger's database. Only the holder of the lease's newest generation can write."""

    async def load(self) -> LedgerState:
        """Everything held in memory, in one snapshot. Raises Fatal, Unavailable."""

    async def answer(self, needs: Needs) -> Loaded:
        """The rows asked for, as committed; may be asked while a commit is on its way. Raises Unavailable."""

    async def commit(self, plan: CommitPlan) -> None:
        """Write the plan whole or not at all; its first statement is the head's compare-and-swap.

        Raises Fatal ``lease-lost`` (another generation or size stands there), Unavailable ``commit-unknown`` or
        ``database-unavailable``: the caller then reloads before anything else.
        """

    async def raise_floor(self, size: int, floor: int) -> None:
        """Promise that no later entry is earlier than ``floor``. Raises as :meth:`commit`."""

    async def root_at(self, size: int) -> bytes:
        """Root of the tree of ``size``, from the stored tiles. Raises Unavailable, FormatError."""

    async def close(self) -> None:
        """Release the connection; may be called twice. Raises Unavailable."""


class Inboxes(Protocol):
    """Creation of members' inbox topics."""

    async def ensure(self, members: Sequence[str]) -> None:
        """Create the inbox topics that do not exist yet; idempotent. Raises Unavailable."""


class Checkpoints(Protocol):
    """What the log promised in public."""

    async def latest(self) -> Checkpoint | None:
        """The newest checkpoint on the checkpoint topic, its signature verified; None where there is none yet.

        Asked once at the start, before the first commit. Raises ProofError, Unavailable.
        """


class Part(Protocol):
    """Something that runs beside the loop in the same process: publisher, checkpoints, gRPC, tiles over HTTP.

    ``start`` is called after the state was loaded, so ``Shared.live`` answers; ``run`` ends soon after ``stop`` is set.
    An error raised by ``run`` stops the process. What only has to be tried again (a broker or a database that is away)
    is the part's own affair.
    """

    async def start(self) -> Mapping[str, Any]:
        """Open; returns addresses for the ready file, for example ``{"grpc": "127.0.0.1:4001"}``."""

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set."""

    async def close(self) -> None:
        """Release what ``start`` opened; called also when ``start`` failed or was never called."""


class Outgoing(Part, Checkpoints, Protocol):
    """The part that publishes feed, inboxes, registry, summaries, refused records and checkpoints, by position.

    A row of ``ledger.inbox`` of kind ``body`` holds no value: its record is made when it is sent, from ``entry`` and
    ``party_body`` of its ``entry_index`` (``body`` is null where it was erased meanwhile). A member's inbox topic
    exists before any row for it is committed. Records stay below 1 MiB.
    """

    async def refill(self, store: Store) -> int:
        """Fill the database again from the feed where it is behind what was promised; how many entries that were.

        Called once, when the lease is held, before the state is loaded for good. Raises Fatal ``ledger-diverged``,
        Unavailable ``refill-waiting`` and those of servers.
        """

    def health(self) -> Mapping[str, Any]:
        """How far publishing is, and how many tries in a row failed."""

    def shed(self) -> None:
        """Give up what is kept in memory only to be quick; called where memory runs short."""

    def wake(self, size: int, plan: CommitPlan | None) -> None:
        """Called after each commit with the log's size and what was committed; returns at once.

        A hint only: positions decide, and what the plan tells can be read from the database too.
        """


class Live(Protocol):
    """The ledger's state in memory, for reading by parts in the same event loop. It is never ahead of the database."""

    @property
    def head(self) -> Head:
        """The committed head."""

    @property
    def registry(self) -> Registry:
        """The registry as committed; not to be changed."""

    def health(self) -> Mapping[str, Any]:
        """``{"ready": bool, "size": ..., "waiting": ..., ...}`` for probes."""


@dataclass(frozen=True, slots=True)
class Shared:
    """What parts are built from. ``pool`` maps jsonb to plain values; parts take and return its connections."""

    config: LedgerConfig
    clock: Clock
    pool: Pool
    live: Live


@dataclass(frozen=True, slots=True)
class Parts:
    """What :mod:`passerelle.ledger.main` runs beside the loop. ``outgoing`` is one of ``all`` where it is not None."""

    outgoing: Outgoing | None = None
    all: tuple[Part, ...] = ()


MakeParts = Callable[[Shared], Parts]
"""Builds the parts before the state is loaded: constructors only keep what they are given."""
