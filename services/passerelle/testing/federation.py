"""A small federation with real keys: members that write, link and sign events, for tests, simulation and bench.

Deterministic: keys and ids are hashes of names, so the same calls make the same bytes.
"""

from __future__ import annotations

import copy
import datetime as dt
import hashlib
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaProducer

from passerelle.core.batch import SignedStatement, sign_batches
from passerelle.core.catalogue import BY_NAME
from passerelle.core.signature import SeedSigner
from passerelle.core.statement import ZERO, Statement, digest, member_urn
from passerelle.events.codec import write_body
from passerelle.events.topics import ingress_topic
from passerelle.ledger.model import RawRecord

NETWORK = "ledger.test.example/1"
OPERATOR = "operator"
TIME = dt.datetime(2026, 1, 15, 12, 0, tzinfo=dt.UTC)
"""The ``time`` of every event unless the caller says another: long past, so that no clock refuses it."""


def seed_of(name: str) -> bytes:
    """A seed for a name. For tests only: anyone can make it."""
    return hashlib.sha256(b"test seed " + name.encode()).digest()


def uuid_of(name: str, version: int = 7) -> str:
    """A UUID for a name, of the asked version."""
    raw = bytearray(hashlib.sha256(name.encode()).digest()[:16])
    raw[6] = raw[6] & 0x0F | version << 4
    raw[8] = raw[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(raw)))


def time_uuid(number: int) -> str:
    """A UUIDv7 that rises with ``number``, as those of a real clock do: random ids would flatter no index."""
    raw = bytearray((1_768_478_400_000 + number).to_bytes(6, "big") + hashlib.sha256(b"%d" % number).digest()[:10])
    raw[6] = raw[6] & 0x0F | 0x70
    raw[8] = raw[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(raw)))


@dataclass(slots=True)
class Member:
    """One member: its key, and where each of its streams stands."""

    id: str
    network: str = NETWORK
    signer: SeedSigner = field(init=False)
    key_name: str = ""
    heads: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    events: int = 0

    def __post_init__(self) -> None:
        self.rekey(self.key_name or self.id)

    def rekey(self, name: str) -> None:
        """Sign with the key of another name from now on."""
        self.key_name = name
        self.signer = SeedSigner(seed_of(name))

    def key(self, use: str = "sign", **validity: str) -> dict[str, Any]:
        """The present key as a member event lists it."""
        return {"key_id": self.signer.key_id, "public_key": self.signer.public_key.hex(), "use": use, **validity}

    def copy(self) -> Member:
        """The member as of now: what a restored backup is."""
        return copy.deepcopy(self)

    def body(self, name: str, subject: str, data: Mapping[str, Any], *, time: dt.datetime = TIME) -> bytes:
        """A valid body of the type ``family.event``."""
        self.events += 1
        found = BY_NAME[name]
        identifier = uuid_of(f"event {self.id} {self.key_name} {self.events}")
        nonce = hashlib.sha256(identifier.encode()).digest() if found.visibility == "party" else None
        return write_body(
            found, member=self.id, subject=subject, identifier=identifier, time=time, data=data, nonce=nonce
        )

    def state(self, family: str, visibility: str, body: bytes) -> tuple[bytes, bytes]:
        """The next statement of a stream over a body; the stream moves on."""
        sequence, prev = self.heads.get(family, (0, ZERO))
        statement = Statement(self.network, self.id, family, sequence + 1, prev, visibility, digest(body)).encode()
        self.heads[family] = (sequence + 1, digest(statement))
        return statement, body

    def write(self, name: str, subject: str, data: Mapping[str, Any], **options: Any) -> tuple[bytes, bytes]:
        """Statement and body of the next event, not signed yet."""
        found = BY_NAME[name]
        return self.state(found.family, found.visibility, self.body(name, subject, data, **options))

    def sign(self, written: Sequence[tuple[bytes, bytes]]) -> list[SignedStatement]:
        """Sign as batches of at most 256."""
        return sign_batches(self.network, self.id, written, self.signer)

    def event(self, name: str, subject: str, data: Mapping[str, Any], **options: Any) -> SignedStatement:
        """The next event, signed alone."""
        return self.sign([self.write(name, subject, data, **options)])[0]

    def raw(self, family: str, visibility: str, body: bytes) -> SignedStatement:
        """The next event over any bytes, signed alone: what a faulty node would send."""
        return self.sign([self.state(family, visibility, body)])[0]

    # Events that most tests need

    def achievement(self, local: str, **data: Any) -> SignedStatement:
        """``credential.achievement-published`` of ``<member>/<local>``."""
        return self.event("credential.achievement-published", f"{self.id}/{local}", achievement(self.id, **data))

    def issued(self, name: str, local: str, **data: Any) -> SignedStatement:
        """``credential.issued`` of the credential ``uuid_of(name)`` under ``<member>/<local>``."""
        return self.event("credential.issued", uuid_of(name), issued(self.id, f"{self.id}/{local}", name, **data))

    def granted(self, local: str, sending: str, outcome: str, **data: Any) -> SignedStatement:
        """``recognition.granted``: one achievement counts for one of the member's own."""
        return self.event("recognition.granted", f"{self.id}/{local}", granted(self.id, sending, outcome, **data))

    def admits(
        self, other: Member, *roles: str, keys: Sequence[Mapping[str, Any]] = (), **data: Any
    ) -> SignedStatement:
        """``member.admitted`` of another member, or of the operator itself."""
        return self.event("member.admitted", other.id, admitted(other, roles, keys=keys, **data))

    def changes_keys(self, other: Member, **data: Any) -> SignedStatement:
        """``member.keys-changed``: ``add`` and ``remove``."""
        return self.event("member.keys-changed", other.id, {"member": other.id, **data})


def achievement(member: str, **data: Any) -> dict[str, Any]:
    """Data of a published achievement."""
    return {
        "version": 1,
        "kind": "course",
        "title": "Energy modelling",
        "language": "en",
        "awarding_bodies": [member_urn(member)],
        "credit_bearing": True,
        **data,
    }


def issued(member: str, achievement_id: str, record: str, **data: Any) -> dict[str, Any]:
    """Data of an issued credential."""
    return {
        "achievement": achievement_id,
        "achievement_version": 1,
        "awarding_bodies": [member_urn(member)],
        "registration": member,
        "conferred_on": "2025-06-10",
        "basis": "completed",
        "record": hashlib.sha256(record.encode()).hexdigest(),
        **data,
    }


def granted(member: str, sending: str, outcome: str, **data: Any) -> dict[str, Any]:
    """Data of a recognition: assigned credit for one course."""
    return {
        "version": 1,
        "kind": "equivalency",
        "receiver": member,
        "sending": {"achievement": sending},
        "outcome": {
            "type": "assigned",
            "achievement": outcome,
            "credits": {"value": "3", "system": "credit-hours"},
        },
        "valid_from": "2024-09-01",
        **data,
    }


def admitted(
    member: Member, roles: Iterable[str], *, keys: Sequence[Mapping[str, Any]] = (), **data: Any
) -> dict[str, Any]:
    """Data of an admission; the member's present key is listed unless ``keys`` are given."""
    return {
        "member": member.id,
        "kind": "operator" if member.id == OPERATOR else "university",
        "names": {"en": member.id.title()},
        "jurisdictions": ["CA"] if member.id == OPERATOR else ["CA-ON"],
        "roles": sorted(roles),
        "keys": list(keys) or [member.key()],
        **data,
    }


class Federation:
    """The operator with its root key, and members that it admits."""

    def __init__(self, network: str = NETWORK) -> None:
        self.network = network
        self.operator = Member(OPERATOR, network, key_name="root")
        self.root_public_key = self.operator.signer.public_key

    def found(self) -> SignedStatement:
        """The operator's own admission, signed by the root key, with which it goes on signing."""
        return self.operator.admits(self.operator, "operate")

    def admit(self, name: str, *roles: str) -> tuple[Member, SignedStatement]:
        """A new member with its admission."""
        member = Member(name, self.network)
        return member, self.operator.admits(member, *(roles or ("issue", "recognise")))


def record(
    signed: SignedStatement, offset: int, *, partition: int = 0, key: bytes | None = None, topic: str | None = None
) -> RawRecord:
    """The event as an ingress record at an offset, for parts that are tested without a broker."""
    lines = signed.statement.decode().split("\n")
    return RawRecord(
        topic or ingress_topic(lines[3]),
        partition,
        offset,
        lines[2].encode() if key is None else key,
        signed.headers(),
        signed.body,
    )


async def send(producer: AIOKafkaProducer, events: Iterable[SignedStatement]) -> None:
    """Write events to their ingress topics, in order, and wait until the broker has them all."""
    futures = []
    for signed in events:
        lines = signed.statement.split(b"\n", 4)
        futures.append(
            await producer.send(ingress_topic(lines[3].decode()), signed.body, key=lines[2], headers=signed.headers())
        )
    for future in futures:
        await future
