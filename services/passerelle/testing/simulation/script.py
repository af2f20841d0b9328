"""Who is in the simulated federation and what they say: honest nodes' drafts, and a member that keeps no rules.

Bodies are made once in a process and used by every seed: they are the same bytes each time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final

from passerelle.core.batch import SignedStatement
from passerelle.core.catalogue import BY_NAME
from passerelle.core.note import NoteSigner
from passerelle.core.signature import SeedSigner
from passerelle.core.witness import USE
from passerelle.node.author import Author
from passerelle.node.outbox import Draft
from passerelle.node.plan import NewEvent
from passerelle.testing.federation import (
    NETWORK,
    OPERATOR,
    TIME,
    Federation,
    Member,
    achievement,
    admitted,
    granted,
    issued,
    seed_of,
    uuid_of,
)

ISSUER: Final = "humber"
RECEIVER: Final = "york"
READER: Final = "laval"
"""A member that says nothing: it follows the log and witnesses it."""
ROGUE: Final = "sly"
HONEST: Final = (OPERATOR, ISSUER, RECEIVER, READER)
MARKER: Final = b"Marguerite-Ada-Lovelace-1815"
"""What looks like a person's data: it stands in what is not for the network, and must be found nowhere on it."""
LOG_SIGNER: Final = NoteSigner(NETWORK, seed_of("simulated log"))
WITNESS_SEED: Final = seed_of("simulated witness")
CHAIN: Final = 6
"""Events that the rogue has of each of two stories of its stream."""


class _Ids:
    """Identifiers by number."""

    def __init__(self) -> None:
        self._made = 0

    def uuid7(self) -> str:
        self._made += 1
        return uuid_of(f"simulated event {self._made}")

    def uuid4(self) -> str:
        self._made += 1
        return uuid_of(f"simulated release {self._made}", 4)

    def random(self, size: int) -> bytes:
        self._made += 1
        return hashlib.sha256(b"simulated %d" % self._made).digest()[:size]


class _Then:
    """The clock of the authors: long ago, so that no simulated clock refuses their events."""

    def now_ms(self) -> int:
        return int(TIME.timestamp() * 1000)

    def monotonic(self) -> float:
        return 0.0


@dataclass(frozen=True, slots=True)
class Parcel:
    """A draft of one honest member, and what must become of it: a code, or empty where it is accepted."""

    member: str
    draft: Draft
    code: str = ""


@dataclass(frozen=True, slots=True)
class Script:
    """Everything that is said in a run. ``opening`` is said first; of ``course`` a part, in order of each member."""

    federation: Federation
    opening: tuple[Parcel, ...]
    course: tuple[Parcel, ...]
    revocation: Parcel
    rogue: Rogue


@dataclass(frozen=True, slots=True)
class Rogue:
    """Two stories of one stream with one beginning, forged events, and events that name what never comes."""

    story: tuple[SignedStatement, ...]
    other: tuple[SignedStatement, ...]
    forged: tuple[SignedStatement, ...]
    unfounded: tuple[SignedStatement, ...]


def signer_of(member: str, *, renewed: bool = False) -> SeedSigner:
    """The key with which a node signs."""
    name = "root" if member == OPERATOR else member
    return SeedSigner(seed_of(f"{name} renewed" if renewed else name))


@cache
def script() -> Script:
    """The one script of all seeds."""
    federation = Federation()
    ids = _Ids()

    def say(member: str, name: str, subject: str, data: Mapping[str, Any], code: str = "") -> Parcel:
        draft = Author(member, _Then(), ids).draft(NewEvent(BY_NAME[name], subject, data))
        # A credential of another member is known to the node from the learner's release file, which is no part of this.
        needs = tuple(need for need in draft.needs if member == ISSUER or not need.startswith("credential:"))
        return Parcel(member, replace(draft, needs=needs), code)

    def admit(name: str, *roles: str, **data: Any) -> Parcel:
        member = federation.operator if name == OPERATOR else Member(name)
        keys = data.pop("keys", ())
        return say(OPERATOR, "member.admitted", name, admitted(member, roles, keys=keys, **data))

    witness = Member(READER, key_name="simulated witness").key(USE)
    opening = (
        admit(OPERATOR, "operate", log_vkey=str(LOG_SIGNER.verifier)),
        admit(ISSUER, "issue", "recognise"),
        admit(RECEIVER, "issue", "recognise"),
        admit(READER, "read", keys=(Member(READER).key(), witness)),
        admit(ROGUE, "issue", "recognise"),
    )
    new_key = Member(ISSUER, key_name=f"{ISSUER} renewed").key()
    changed = {"member": ISSUER, "add": [new_key], "remove": [{"key_id": signer_of(ISSUER).key_id}]}
    return Script(federation, opening, _course(say), say(OPERATOR, "member.keys-changed", ISSUER, changed), _rogue())


def _course(say: Callable[..., Parcel]) -> tuple[Parcel, ...]:
    def course(member: str, local: str, code: str = "") -> Parcel:
        return say(member, "credential.achievement-published", f"{member}/{local}", achievement(member), code)

    def credential(name: str, local: str) -> Parcel:
        data = issued(ISSUER, f"{ISSUER}/{local}", name)
        return say(ISSUER, "credential.issued", uuid_of(name), data)

    release = uuid_of("release", 4)
    grant = {"credentials": [uuid_of("x1")], "receiver": RECEIVER, "purpose": "transfer", "ends_on": "2099-01-01"}
    case = {"release": release, "sender": ISSUER, "receiver": RECEIVER, "credentials": [uuid_of("x1")]}
    return (
        course(ISSUER, "a"),
        course(RECEIVER, "own"),
        credential("x1", "a"),
        say(RECEIVER, "recognition.granted", f"{RECEIVER}/r1", granted(RECEIVER, f"{ISSUER}/a", f"{RECEIVER}/own")),
        # Said twice: the second is refused, its number spent and told.
        course(ISSUER, "a", "subject-exists"),
        say(OPERATOR, "member.roles-changed", RECEIVER, {"member": RECEIVER, "roles": ["issue", "read", "recognise"]}),
        course(ISSUER, "b"),
        credential("x2", "b"),
        say(ISSUER, "credential.release-granted", release, grant),
        say(RECEIVER, "transfer.requested", uuid_of("case"), case),
        say(RECEIVER, "recognition.granted", f"{RECEIVER}/r2", granted(RECEIVER, f"{ISSUER}/b", f"{RECEIVER}/own")),
        say(ISSUER, "credential.suspended", uuid_of("x2"), {"reason": "fees"}),
        credential("x3", "b"),
        course(ISSUER, "c"),
        credential("x4", "c"),
        say(RECEIVER, "recognition.granted", f"{RECEIVER}/r3", granted(RECEIVER, f"{ISSUER}/c", f"{RECEIVER}/own")),
    )


def _rogue() -> Rogue:
    one, other, liar = Member(ROGUE), Member(ROGUE), Member(ISSUER)
    story = tuple(one.achievement(f"s{number}") for number in range(CHAIN))
    alternative = tuple(other.achievement(f"o{number}", title="Another story") for number in range(CHAIN))
    liar.signer = Member(ROGUE).signer
    forged = tuple(liar.achievement(f"f{number}") for number in range(3))
    named = [f"{ISSUER}/never-{number}" for number in range(3)]
    unfounded = tuple(one.granted(f"u{number}", name, f"{ROGUE}/s0") for number, name in enumerate(named))
    return Rogue(story, alternative, forged, unfounded)
