"""A million rules for the benchmark of equivalency: courses of real catalogues where they are present, rules generated.

The catalogues are those of three universities, read from ``../shared/data`` beside the repository (sources and licences
stand there); where the folder is absent, made-up codes of the same form take their place. The rules are generated and
say nothing true about any institution.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any

import orjson

from passerelle.core.catalogue import BY_NAME
from passerelle.core.registry import Registry
from passerelle.core.signature import SeedSigner
from passerelle.query.index import Index
from passerelle.query.ports import Head, Instant, PublicEvent
from passerelle.query.rulestore import leaf_names

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
NETWORK = "ledger.passerelle.example/bench"
ROOT = SeedSigner(hashlib.sha256(b"root").digest())
RECEIVERS = tuple(f"receiver-{number:02}" for number in range(40))
SENDERS = 20
COMPLETED = ("2022-12-15", "2023-04-30", "2024-12-15", "2025-04-30")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


def empty() -> Index:
    """An index of the bench's network."""
    return Index(Registry(NETWORK, "operator", ROOT.public_key))


def codes() -> tuple[list[str], bool]:
    """Course codes, and whether they are of the real catalogues."""
    try:
        mcgill = [row["id"] for row in json.loads((DATA / "mcgill_courses.json").read_text())["courses"]]
        ubc = [row["code"] for row in json.loads((DATA / "ubc_courses.json").read_text())]
        sfu = [f"{row['dept']}-{row['number']}" for row in json.loads((DATA / "sfu_outlines.json").read_text())]
    except FileNotFoundError:
        return [f"SUBJ-{number:05}" for number in range(24_000)], False
    found = dict.fromkeys(_UNSAFE.sub("-", code).strip("-") for code in (*mcgill, *ubc, *sfu))
    return [code for code in found if code], True


class Generator:
    """Events of courses and rules; everything follows from the seed."""

    def __init__(self, rules: int, seed: int = 1) -> None:
        self.random = Random(seed)
        self.rules = rules
        catalogue, self.real = codes()
        # Each sender has a share of the catalogue, so that a course is named by about as many rules as in a real guide.
        wanted = max(100, rules // 16)
        every = [f"sender-{number % SENDERS:02}/{code}" for number, code in enumerate(catalogue * 4)]
        self.courses = list(dict.fromkeys(every))[:wanted]
        self.targets = catalogue[:8_000]
        self.pairs: list[tuple[str, str]] = []
        """Course and receiver of some rules: what look-ups ask about."""

    def members(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Step, subject and data of the admissions."""
        for member in ("operator", *RECEIVERS, *(f"sender-{number:02}" for number in range(SENDERS))):
            signer = SeedSigner(hashlib.sha256(member.encode()).digest())
            key = {"key_id": signer.key_id, "public_key": signer.public_key.hex(), "use": "sign"}
            yield (
                "member.admitted",
                member,
                {
                    "member": member,
                    "kind": "operator" if member == "operator" else "university",
                    "names": {"en": member.title()},
                    "jurisdictions": ["CA-ON"],
                    "roles": ["operate"] if member == "operator" else ["issue", "recognise"],
                    "keys": [key],
                },
            )

    def achievements(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Step, subject and data of the courses."""
        for course in self.courses:
            yield (
                "credential.achievement-published",
                course,
                {
                    "version": 1,
                    "kind": "course",
                    "title": course.partition("/")[2],
                    "language": "en",
                    "awarding_bodies": [f"urn:passerelle:member:{course.partition('/')[0]}"],
                    "credit_bearing": True,
                    "credits": [{"value": "3", "system": "credit-hours"}],
                },
            )

    def granted(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Step, subject and data of the rules: nine in ten of one course, the others clusters and choices."""
        for number in range(self.rules):
            receiver, sending = self.random.choice(RECEIVERS), self.sending()
            if number % 20 == 0:
                self.pairs.append((next(iter(leaf_names({"sending": sending}))), receiver))
            yield self.rule(f"{receiver}/agreement-{number}", sending)

    def rule(self, subject: str, sending: Mapping[str, Any]) -> tuple[str, str, dict[str, Any]]:
        """Step, subject and data of one rule."""
        random, receiver = self.random, subject.partition("/")[0]
        return (
            "recognition.granted",
            subject,
            {
                "version": 1,
                "kind": "equivalency",
                "receiver": receiver,
                "sending": sending,
                "outcome": {
                    "type": "assigned",
                    "achievement": f"{receiver}/{random.choice(self.targets)}",
                    "credits": {"value": random.choice(("3", "3", "4", "3/2")), "system": "credit-hours"},
                },
                "valid_from": f"{random.randint(1998, 2021)}-09-01",
                "source": "Transfer guide",
            },
        )

    def sending(self) -> dict[str, Any]:
        """A sending expression."""
        random = self.random
        leaf: dict[str, Any] = {"achievement": random.choice(self.courses)}
        if random.random() < 0.3:
            leaf["minimum_grade"] = {"scheme": "percentage-50", "grade": random.choice(("50", "60", "67"))}
        chance = random.random()
        if chance < 0.9:
            return leaf
        parts = [leaf, *({"achievement": random.choice(self.courses)} for _ in range(random.randint(1, 2)))]
        return {"all_of" if chance < 0.97 else "any_of": parts}

    def transcript(self, lines: int) -> list[dict[str, Any]]:
        """So many lines of one sender's courses, as a request's fields."""
        random = self.random
        sender = f"sender-{random.randrange(SENDERS):02}/"
        own = [course for course in self.courses if course.startswith(sender)]
        return [
            {
                "achievement": course,
                "completed_on": random.choice(COMPLETED),
                "grade": {"scheme": "percentage-50", "grade": str(random.randint(50, 95))},
                "credits": {"value": "3", "system": "credit-hours"},
            }
            for course in random.sample(own, lines)
        ]


def take_in(index: Index, rows: Iterator[tuple[str, str, dict[str, Any]]]) -> int:
    """Apply events as the ledger's feed would bring them; returns how many."""
    first, count = index.applied, 0
    for step, subject, data in rows:
        body = orjson.dumps({"data": data})
        at = first + count
        member = "operator" if step == "member.admitted" else subject.partition("/")[0]
        index.apply([PublicEvent(at, 1_700_000_000_000 + at, member, BY_NAME[step].full, subject, body)])
        count += 1
    size = first + count
    index.settle(
        Head(NETWORK, size, 1_700_000_000_000 + size, 1_790_000_000_000), [Instant(1_700_000_000_000 + size, size)]
    )
    return count
