"""The log's verifier key, found in the feed and trusted through the root key alone.

Member-stream number 1 of the operator is its own admission, signed by the root key of the configuration; it lists the
log's verifier key. Nothing else is taken on faith.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol

import structlog

from passerelle.core.checkpoint import open_checkpoint
from passerelle.core.entry import parse_entry, verify_entry
from passerelle.core.errors import PasserelleError, SignatureInvalid
from passerelle.core.note import VerifierKey
from passerelle.core.registry import ADMITTED
from passerelle.portal.ports import CheckpointRow, FeedItem, MemberRow, Questions
from passerelle.portal.record import check
from passerelle.portal.status import Status
from passerelle.runtime.clock import Clock

_LOG = structlog.get_logger(__name__)
EVERY_S: Final = 5.0


class Entries(Protocol):
    """What is read back from the portal's own database."""

    async def member(self, identifier: str) -> MemberRow | None:
        """One member."""

    async def item(self, index: int) -> FeedItem | None:
        """One entry."""

    async def root(self, size: int) -> bytes | None:
        """Root computed here at this size."""


class Keeper(Protocol):
    """Where comparisons are kept."""

    async def save_checkpoint(self, row: CheckpointRow) -> None:
        """Keep one."""


def log_key(item: FeedItem, root_key: bytes, operator: str, network: str) -> VerifierKey:
    """The log's verifier key in the operator's admission. Raises SignatureInvalid or FormatError."""
    checked = check(item.index, item.entry, item.body, network)
    event, statement = checked.event, checked.statement
    if (
        event is None
        or event.type.full != ADMITTED
        or (statement.member, statement.sequence, event.subject) != (operator, 1, operator)
    ):
        raise SignatureInvalid("root-key-mismatch", "The entry is not the operator's own admission.", where="entry")
    verify_entry(parse_entry(item.entry), root_key)
    vkey = event.data.get("log_vkey")
    if not isinstance(vkey, str):
        raise SignatureInvalid("note-key-unknown", "The operator's admission lists no key of the log.", where="entry")
    key = VerifierKey.parse(vkey)
    if key.name != network:
        raise SignatureInvalid("network-mismatch", "The log's key is named for another network.", where="log_vkey")
    return key


class Trust:
    """Finds the log's key once the operator's admission is on the feed, and keeps it."""

    def __init__(self, entries: Entries, root_key: bytes, operator: str, network: str) -> None:
        self._entries = entries
        self._root_key = root_key
        self._operator = operator
        self._network = network
        self._key: VerifierKey | None = None

    async def log_keys(self) -> Sequence[VerifierKey]:
        """The log's key, or nothing while the admission has not come or does not verify (which is logged)."""
        if self._key is None:
            operator = await self._entries.member(self._operator)
            item = await self._entries.item(operator.admitted_index) if operator else None
            if item is None:
                return ()
            try:
                self._key = log_key(item, self._root_key, self._operator, self._network)
            except PasserelleError as error:
                _LOG.error("the log's key cannot be trusted", code=error.code, what=error.what)
                return ()
        return (self._key,)


class Witness:
    """Compares the log's signed checkpoints with the tree that the portal computed from the feed.

    Equal roots prove that the portal missed nothing and was shown what everybody is shown, up to that size.
    """

    def __init__(
        self, entries: Entries, keeper: Keeper, questions: Questions, trust: Trust, status: Status, clock: Clock
    ) -> None:
        self._entries = entries
        self._keeper = keeper
        self._questions = questions
        self._trust = trust
        self._status = status
        self._clock = clock
        self._checked = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Compare every few seconds until ``stop``; an absent answer is tried again."""
        told = ""
        while not stop.is_set():
            try:
                await self.step()
                told = ""
            except PasserelleError as error:
                self._status.count(error.code)
                # Told once, not every few seconds for as long as it lasts.
                if error.code != told:
                    _LOG.warning("no checkpoint could be compared", code=error.code, what=error.what)
                told = error.code
            waiting = asyncio.ensure_future(stop.wait())
            await asyncio.wait({waiting}, timeout=EVERY_S)
            waiting.cancel()

    async def step(self) -> bool | None:
        """Compare the latest checkpoint; None where there is nothing new to compare yet. Raises PasserelleError."""
        keys = await self._trust.log_keys()
        if not keys:
            return None
        head = await self._questions.head()
        if not head.checkpoint:
            return None
        note = head.checkpoint.encode("utf-8")
        opened = open_checkpoint(note, keys, origin=keys[0].name)
        checkpoint = opened.checkpoint
        if checkpoint.size <= self._checked:
            return None
        root = await self._entries.root(checkpoint.size)
        if root is None:
            return None
        agrees = root == checkpoint.root
        if not agrees:
            self._status.diverged = True
            self._status.count("ledger-diverged")
            _LOG.error("the log signed another tree than the feed gives", code="ledger-diverged", size=checkpoint.size)
        await self._keeper.save_checkpoint(
            CheckpointRow(checkpoint.size, checkpoint.root, note, self._clock.now_ms(), agrees)
        )
        self._checked = checkpoint.size
        return agrees
