"""From a Kafka record to an event that can be decided: form, hashes, signature, body. Batched, in threads.

Nothing here changes state. What fails is nobody's (:class:`Unverified`), except the body: a body that is what its
member signed and yet cannot be read is refused, logged and answered, so its refusal travels in :class:`Prepared`.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

from passerelle.core.batch import batch_message, batch_root, from_kafka
from passerelle.core.decide import first_needs
from passerelle.core.errors import FormatError, Refused, SignatureInvalid
from passerelle.core.registry import Registry
from passerelle.core.signature import verify
from passerelle.core.statement import FAMILIES, digest, parse_statement
from passerelle.events.codec import parse_event
from passerelle.events.topics import ingress_topic
from passerelle.ledger.model import Batch, Item, Prepared, RawRecord, Unverified
from passerelle.runtime.clock import as_datetime

CACHE_SIZE: Final = 8192
"""Batch signatures remembered as good: at most some 3 MB."""
_TOPIC_OF: Final = {family: ingress_topic(family) for family in FAMILIES}
_SMALL: Final = 24  # records; below it threads cost more than they give


class Verifier:
    """Ed25519 checks that remember good batch signatures, so that one check serves a batch. Safe in threads."""

    __slots__ = ("_good", "_lock", "_size")

    def __init__(self, size: int = CACHE_SIZE) -> None:
        self._size = size
        self._good: dict[tuple[bytes, bytes, bytes], None] = {}
        self._lock = threading.Lock()

    def good(self, public_key: bytes, message: bytes, signature: bytes, batch_size: int) -> bool:
        """Whether the signature verifies. Failures are never remembered: they would push out what is good."""
        if batch_size == 1:
            return verify(public_key, message, signature)
        known = (public_key, signature, message)
        if known in self._good:
            return True
        if not verify(public_key, message, signature):
            return False
        with self._lock:
            while len(self._good) >= self._size:
                del self._good[next(iter(self._good))]
            self._good[known] = None
        return True


def prepare_one(
    raw: RawRecord, registry: Registry, verifier: Verifier, now_ms: int, now: dt.datetime | None = None
) -> Item:
    """Check one record at ``now_ms``. An unknown key is not the end: a member event before it may still list it."""
    member = ""
    try:
        signed = from_kafka(raw.headers, raw.value)
        statement = parse_statement(signed.statement)
        member = statement.member
        if statement.network != registry.network:
            return Unverified(raw, "network-mismatch", member)
        if raw.key != member.encode("ascii"):
            return Unverified(raw, "kafka-key-mismatch", member)
        if raw.topic != _TOPIC_OF[statement.family]:
            return Unverified(raw, "topic-mismatch", member)
        if digest(signed.body) != statement.body_sha256:
            return Unverified(raw, "body-hash-mismatch", member)
        root = batch_root(signed.statement, signed.batch_index, signed.batch_size, signed.batch_path)
    except (FormatError, SignatureInvalid) as error:
        return Unverified(raw, error.code, member)
    message = batch_message(statement.network, member, signed.batch_size, root)
    item = Prepared(raw, signed, statement, (member, statement.family), digest(signed.statement), message)
    wrong = check_signature(item, registry, verifier)
    if wrong is not None:
        return Unverified(raw, wrong, member)
    if item.checked:
        read_body(item, now_ms, now)
    return item


def check_signature(item: Prepared, registry: Registry, verifier: Verifier) -> str | None:
    """Verify the batch signature where the key is known; the code of what is wrong, or None."""
    found = registry.key_for(item.signed.key_id)
    if found is None:
        return None
    owner, key = found
    if owner != item.statement.member:
        return "key-of-other-member"
    signed = item.signed
    if not verifier.good(key.public_key, item.message, signed.batch_signature, signed.batch_size):
        return "signature-invalid"
    item.checked = True
    return None


def read_body(item: Prepared, now_ms: int, now: dt.datetime | None = None) -> None:
    """Read the body as of ``now_ms`` into ``event`` and ``needs``, or note why it is refused.

    ``now`` is the same instant, where the caller has it at hand for a whole batch.
    """
    statement = item.statement
    item.judged_at = now_ms
    item.event, item.refusal = None, None
    try:
        event = parse_event(
            item.signed.body,
            member=statement.member,
            family=statement.family,
            visibility=statement.visibility,
            now=now or as_datetime(now_ms),
        )
    except Refused as refused:
        item.refusal = refused
        return
    item.event = event
    if event.type.family != "member":
        item.needs = frozenset(first_needs(event.type.full, event.subject, event.data))


def restore(raw: RawRecord) -> Prepared:
    """A stored waiting event: it was verified before it was stored. Raises FormatError where the row was altered."""
    signed = from_kafka(raw.headers, raw.value)
    statement = parse_statement(signed.statement)
    stream = (statement.member, statement.family)
    return Prepared(raw, signed, statement, stream, digest(signed.statement), b"", checked=True)


class Preparer:
    """Prepares batches in threads: libsodium and SHA-256 work outside the interpreter lock."""

    def __init__(self, threads: int = 2) -> None:
        self._threads = threads
        self._verifier = Verifier()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="prepare")

    @property
    def verifier(self) -> Verifier:
        """For events whose key became known only at their decision."""
        return self._verifier

    async def prepare(self, records: Sequence[RawRecord], registry: Registry, now_ms: int) -> Batch:
        """The batch of these records, in order."""
        offsets = {(record.topic, record.partition): record.offset + 1 for record in records}
        if len(records) <= _SMALL:
            return Batch(self._chunk(records, registry, now_ms), offsets)
        loop = asyncio.get_running_loop()
        step = -(-len(records) // self._threads)
        chunks = [records[start : start + step] for start in range(0, len(records), step)]
        work = partial(self._chunk, registry=registry, now_ms=now_ms)
        done = await asyncio.gather(*(loop.run_in_executor(self._pool, work, chunk) for chunk in chunks))
        return Batch([item for chunk in done for item in chunk], offsets)

    def _chunk(self, records: Sequence[RawRecord], registry: Registry, now_ms: int) -> list[Item]:
        now, verifier = as_datetime(now_ms), self._verifier
        return [prepare_one(record, registry, verifier, now_ms, now) for record in records]

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)
