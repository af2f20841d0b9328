"""The topics of the network as one constant, which services create, check and read, and ``contracts/`` is written from.

Sources: the project's architecture (topics), ``contracts/formats.md`` (headers, inbox records). Partition counts never
change within a topic's version: a count is part of what the ledger's stored offsets mean.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final, Literal

from passerelle.core.batch import CONTENT_TYPE
from passerelle.core.errors import FormatError
from passerelle.core.statement import FAMILIES, MEMBER_PATTERN

FOR_EVER: Final = -1
DAY_MS: Final = 24 * 60 * 60 * 1000
MIB: Final = 1024 * 1024

FEED: Final = "passerelle.feed.v1"
CHECKPOINT: Final = "passerelle.checkpoint.v1"
REGISTRY: Final = "passerelle.registry.v1"
INSIGHT: Final = "passerelle.insight.v1"
REFUSED: Final = "passerelle.refused.v1"
SUMMARY: Final = "passerelle.summary.v1"
INBOX_TEMPLATE: Final = "passerelle.inbox.{member}.v1"

Cleanup = Literal["delete", "compact"]
Access = Literal["ingress", "public", "member", "operator"]


@dataclass(frozen=True, slots=True)
class HeaderSpec:
    """One record header: ASCII text of the form that ``pattern`` gives (None: bytes of a form told in ``text``)."""

    name: str
    text: str
    pattern: str | None = None
    required: bool = True


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """One topic. ``retention_ms`` is in milliseconds, -1 for ever; ``max_message_bytes`` bounds a record batch.

    ``access`` says who may read or write it: ``ingress`` (members write, the ledger reads), ``public``, ``member`` (one
    member reads), ``operator``. ``family`` is that of an ingress topic, else empty.
    """

    name: str
    text: str
    access: Access
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    key: str
    value: str
    content_type: str
    partitions: int = 1
    retention_ms: int = FOR_EVER
    cleanup: Cleanup = "delete"
    max_message_bytes: int = MIB
    headers: tuple[HeaderSpec, ...] = ()
    family: str = ""

    @property
    def config(self) -> dict[str, str]:
        """The settings with which the topic is created, in Kafka's names."""
        return {
            "cleanup.policy": self.cleanup,
            "max.message.bytes": str(self.max_message_bytes),
            "retention.ms": str(self.retention_ms),
        }


_HASH: Final = "[0-9a-f]{64}"
_BELOW_256: Final = "[1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5]"
_POSITIVE: Final = "[1-9][0-9]{0,18}"
_NATURAL: Final = f"(0|{_POSITIVE})"

INGRESS_HEADER_SPECS: Final = (
    HeaderSpec("content-type", "Media type of the body.", "^application/cloudevents\\+json( ?; ?charset=utf-8)?$"),
    HeaderSpec("statement", "The statement: eight lines, which the batch signature covers."),
    HeaderSpec("batch-size", "Statements in the batch, 1 to 256.", f"^({_BELOW_256}|256)$"),
    HeaderSpec("batch-index", "Place of the statement in the batch, from 0.", f"^(0|{_BELOW_256})$"),
    HeaderSpec(
        "batch-path", "RFC 9162 inclusion path: hashes joined by one space, or empty.", f"^({_HASH}( {_HASH}){{0,7}})?$"
    ),
    HeaderSpec("batch-signature", "Ed25519 over the DSSE PAE of the batch, in hex.", "^[0-9a-f]{128}$"),
    HeaderSpec("key-id", "First 16 hex digits of SHA-256 of the raw public key.", "^[0-9a-f]{16}$"),
)
INDEX_HEADER: Final = HeaderSpec("index", "Index in the log, from 0: without a hole.", f"^{_NATURAL}$")
_COORDINATES: Final = HeaderSpec(
    "ingress",
    "Where the body lies in the ingress topics: topic/partition/offset.",
    f"^[a-z0-9.-]+/{_NATURAL}/{_NATURAL}$",
)

INBOX_KINDS: Final = ("receipts", "resend-from", "notice", "body", "problem")

_INGRESS_TEXT: Final = {
    "credential": ("Achievements, credentials and releases.", 6),
    "recognition": ("Articulation requests, rules and individual assessments.", 3),
    "transfer": ("Credit-transfer cases.", 3),
    "reference": ("Frameworks, scales, policies, listed organisations and delegations.", 1),
    "member": ("Members, roles and keys; kept for ever and never compacted.", 1),
}


def _ingress(family: str) -> TopicSpec:
    text, partitions = _INGRESS_TEXT[family]
    operator = family == "member"
    return TopicSpec(
        name=f"passerelle.{family}.v1",
        text=text,
        access="ingress",
        producers=("operator",) if operator else ("node",),
        consumers=("ledger",),
        key="member id",
        value="CloudEvents JSON body, the exact bytes whose SHA-256 the statement holds",
        content_type=CONTENT_TYPE.decode(),
        partitions=partitions,
        retention_ms=FOR_EVER if operator else 30 * DAY_MS,
        headers=INGRESS_HEADER_SPECS,
        family=family,
    )


_FEED: Final = TopicSpec(
    name=FEED,
    text="The public log in index order: every index once, so that a gap is a gap.",
    access="public",
    producers=("ledger",),
    consumers=("node", "portal", "anyone"),
    key="member id",
    value="body if it is public and accepted, else empty",
    content_type=CONTENT_TYPE.decode(),
    headers=(
        INDEX_HEADER,
        HeaderSpec("entry", "The entry: sixteen lines, the leaf of the log."),
        _COORDINATES,
    ),
)
_CHECKPOINT: Final = TopicSpec(
    name=CHECKPOINT,
    text="Every signed checkpoint of the log, in order of size; the latest one again while the log does not grow.",
    access="public",
    producers=("ledger",),
    consumers=("ledger", "node", "portal", "anyone"),
    key="size of the log, decimal",
    value="C2SP tlog-checkpoint: a signed note",
    content_type="text/plain; charset=utf-8",
)
_REGISTRY: Final = TopicSpec(
    name=REGISTRY,
    text="The present state of each member, derived from the member events; told again when a ledger begins to publish."
    " Of two records of a member the one with the higher changed_index counts, whichever came first.",
    access="public",
    producers=("ledger",),
    consumers=("node", "portal", "anyone"),
    key="member id",
    value="JSON: the member's record with its keys, and the log index of its last change",
    content_type="application/json",
    cleanup="compact",
)
_INSIGHT: Final = TopicSpec(
    name=INSIGHT,
    text="Statistics by days, weeks and months: times to decision, decisions by pair of provinces, appeals and how they"
    " ended, times of transfer cases, revocations. Counts about learners below 10 are suppressed, others below the"
    " record's threshold. A window is told again when it changes, and all of them once a day: of two records of one"
    " window the one with the higher position counts.",
    access="public",
    producers=("insight",),
    consumers=("portal", "anyone"),
    key="name of the measure",
    value="JSON: measure, window, values; schemas/insight.statistics.v1.json",
    content_type="application/json",
    retention_ms=30 * DAY_MS,
)
_REFUSED: Final = TopicSpec(
    name=REFUSED,
    text="What verified under no key of the member that it names: nobody's, no number spent.",
    access="operator",
    producers=("ledger",),
    consumers=("operator",),
    key="none",
    value="JSON: code, topic, partition, offset, arrived_at, count, member_named; never the record itself",
    content_type="application/json",
    retention_ms=7 * DAY_MS,
    headers=(
        HeaderSpec("code", "Why it was refused.", "^[a-z][a-z0-9-]{1,60}$"),
        _COORDINATES,
    ),
)
_SUMMARY: Final = TopicSpec(
    name=SUMMARY,
    text="One record a commit of the ledger, for insight: counts of entries, and of what transfer cases came to by pair"
    " of provinces. No case is named in it.",
    access="operator",
    producers=("ledger",),
    consumers=("insight",),
    key="size of the log after the commit, decimal",
    value="JSON: from, size (the commit's first index, the log's size after it), accepted_at (Unix ms), counts:"
    " [{member, jurisdiction, family, type, accepted, refused}], cases: [{sending, receiving, appeals: {changed | kept"
    " | withdrawn: number}, decided: {step: number}}]; a step is floor(8 log2(seconds)) of the whole days, at least"
    " one, from request to first decision; a record without cases is of a ledger that did not count them",
    content_type="application/json",
    retention_ms=7 * DAY_MS,
)
INBOX: Final = TopicSpec(
    name=INBOX_TEMPLATE,
    text="One member's own: receipts, requests to send again, notices and the party bodies that it may read.",
    access="member",
    producers=("ledger",),
    consumers=("node",),
    key="none",
    value="JSON, by kind",
    content_type="application/json",
    retention_ms=30 * DAY_MS,
    max_message_bytes=4 * MIB,
    headers=(
        HeaderSpec("inbox-number", "Number in this inbox, from 1, without a hole.", f"^{_POSITIVE}$"),
        HeaderSpec("kind", "What the record is.", f"^({'|'.join(INBOX_KINDS)})$"),
    ),
)
"""The inbox of any member: its name is a template (:func:`inbox_spec` gives the topic of one member)."""

TOPICS: Final[dict[str, TopicSpec]] = {
    spec.name: spec for spec in (*map(_ingress, FAMILIES), _FEED, _CHECKPOINT, _REGISTRY, _INSIGHT, _REFUSED, _SUMMARY)
}
"""Every topic with a fixed name. Inboxes are made for each member: :func:`inbox_spec`."""

INGRESS: Final = tuple(spec.name for spec in TOPICS.values() if spec.family)
"""The ingress topics in the order of the families, ``member`` last."""


def ingress_topic(family: str) -> str:
    """The ingress topic of a family. Raises FormatError ``family-unknown``."""
    if family not in FAMILIES:
        raise FormatError("family-unknown", "There is no such family.", where="family")
    return f"passerelle.{family}.v1"


def inbox_topic(member: str) -> str:
    """The inbox topic of a member. Raises FormatError ``member-id-malformed``."""
    if not re.fullmatch(MEMBER_PATTERN, member):
        raise FormatError("member-id-malformed", "The member id does not have its form.", where="member")
    return INBOX_TEMPLATE.format(member=member)


def inbox_spec(member: str) -> TopicSpec:
    """The inbox topic of a member with its settings. Raises FormatError ``member-id-malformed``."""
    return replace(INBOX, name=inbox_topic(member))
