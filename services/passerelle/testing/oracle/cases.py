"""Random small worlds for the oracle: rules granted, revised, ended, denied, superseded; scales, requests, transcripts.

Everything follows from one seed. Names, dates and amounts come from short lists, so that rules meet, compete and
contradict each other often.
"""

from __future__ import annotations

import datetime as dt
from random import Random
from typing import Any, Final

from passerelle.testing.oracle.slow import Data, Event

SENT: Final = ("aa/p", "aa/q", "bb/r")
RECEIVERS: Final = ("rr", "ss")
COURSES: Final = ("x", "y", "z")
PROGRAMME: Final = "prog"
DAYS: Final = (
    "2016-02-29",
    "2019-08-31",
    "2019-09-01",
    "2021-05-15",
    "2023-12-31",
    "2024-01-01",
    "2024-02-29",
    "2025-06-30",
)
OWN: Final = "rr/letters"
OTHER: Final = "aa/points"
PASSING: Final = "ss/pass"
GRADES: Final = {OWN: ("F", "C", "B", "A"), OTHER: ("p0", "p1", "p2", "p3"), PASSING: ("fail", "pass")}
SYSTEMS: Final = ("credit-hours", "units")
VALUES: Final = ("1", "3/2", "7/3", "3")
BASES: Final = ("completed", "plar")


class Maker:
    """Makes one world from a seed."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)  # noqa: S311 - chance that can be repeated
        self.events: list[Event] = []
        self.size = 0
        self.living: dict[str, Data] = {}
        self.open: dict[str, Data] = {}
        self.scales: dict[str, int] = {}

    def world(self, steps: int) -> list[Event]:
        """So many events, with unused indices between some of them."""
        for scheme in (OWN, OTHER, PASSING):
            if self.random.random() < 0.8:
                self.scale(scheme)
        for number in range(steps):
            step = self.random.choices(
                (self.grant, self.deny, self.revise, self.end, self.ask, self.answer, self.rescale),
                (10, 2, 3, 2, 2, 2, 1),
            )[0]
            step(number)
        return self.events

    def add(self, step: str, subject: str, data: Data) -> None:
        self.size += self.random.choice((0, 0, 1))
        date = dt.date(2026, 1, 1) + dt.timedelta(days=self.size)
        self.events.append(Event(self.size, step, subject, data, date.isoformat()))
        self.size += 1

    def maybe(self, chance: float, name: str, value: Any) -> Data:
        return {name: value} if self.random.random() < chance else {}

    # Scales

    def rescale(self, number: int) -> None:
        self.scale(self.random.choice((OWN, OTHER, PASSING)))

    def scale(self, scheme: str) -> None:
        version = self.scales[scheme] = self.scales.get(scheme, 0) + 1
        passing = self.random.choice((1, 2)) if scheme != PASSING else 1
        steps = [{"grade": grade, "rank": rank, "passes": rank >= passing} for rank, grade in enumerate(GRADES[scheme])]
        first, last = sorted(self.random.sample(DAYS, 2))
        data: Data = {
            "scheme": scheme,
            "version": version,
            "title": "S",
            "language": "en",
            "valid_from": "2000-01-01" if self.random.random() < 0.7 else first,
            **self.maybe(0.2, "valid_to", last),
            "steps": steps,
        }
        if scheme == OWN and self.random.random() < 0.6:
            known = [grade for grade in GRADES[OTHER] if self.random.random() < 0.8]
            rows = [{"grade": grade, "equals": self.random.choice(GRADES[OWN])} for grade in known]
            data |= {"conversions": [{"from_scheme": OTHER, "grades": rows}]} if rows else {}
        self.add("scale-published", scheme, data)

    # Rules

    def grant(self, number: int) -> None:
        receiver = self.random.choice((RECEIVERS[0], *RECEIVERS))
        name = f"{receiver}/r{number}"
        data = self.rule(receiver, number)
        older = [other for other in self.living if other.startswith(f"{receiver}/")]
        if older and self.random.random() < 0.3:
            mode = self.random.choice(("replaces-all", "replaces-from", "in-addition"))
            newer = {"recognition": self.random.choice(older), "mode": mode}
            data["supersedes"] = {**newer, **self.maybe(0.5, "from_date", self.random.choice(DAYS))}
        data |= self.answered(receiver)
        self.living[name] = data
        self.add("granted", name, data)

    def answered(self, receiver: str) -> Data:
        mine = [name for name, data in self.open.items() if data["receiver"] == receiver]
        if mine and self.random.random() < 0.5:
            del self.open[mine[0]]
            return {"request": mine[0]}
        return {}

    def rule(self, receiver: str, number: int) -> Data:
        first, last = sorted(self.random.sample(DAYS, 2))
        return {
            "version": 1,
            "kind": "equivalency",
            "receiver": receiver,
            "sending": self.expression(2),
            "outcome": self.outcome(receiver),
            "valid_from": self.random.choice(("2010-01-01", "2010-01-01", first)),
            **self.maybe(0.3, "valid_to", last),
        }

    def deny(self, number: int) -> None:
        receiver = self.random.choice(RECEIVERS)
        data = {"receiver": receiver, "sending": self.leaf(), "valid_from": "2010-01-01", "reason": "content"}
        self.add("denied", f"{receiver}/d{number}", {**data, **self.answered(receiver)})

    def revise(self, number: int) -> None:
        if self.living:
            name = self.random.choice(sorted(self.living))
            version = self.living[name]["version"] + 1
            self.living[name] = {**self.rule(name.partition("/")[0], number), "version": version}
            self.add("revised", name, self.living[name])

    def end(self, number: int) -> None:
        if self.living:
            name = self.random.choice(sorted(self.living))
            del self.living[name]
            self.add("ended", name, {"effective_on": self.random.choice(DAYS)})

    def ask(self, number: int) -> None:
        receiver = self.random.choice(RECEIVERS)
        name = f"aa/q{number}"
        self.open[name] = {"achievement": self.random.choice(SENT), "receiver": receiver}
        self.add("requested", name, self.open[name])

    def answer(self, number: int) -> None:
        if self.open:
            name = self.random.choice(sorted(self.open))
            step = self.random.choice(("returned", "declined"))
            if step == "declined":
                del self.open[name]
            self.add(step, name, {"needed": ["outline"]} if step == "returned" else {})

    # Their parts

    def leaf(self) -> Data:
        data: Data = {"achievement": self.random.choice(SENT)}
        data |= self.maybe(0.15, "versions", self.random.choice(({"first": 2}, {"first": 1, "last": 1})))
        if self.random.random() < 0.25:
            scheme = self.random.choice((OWN, OWN, OTHER, PASSING))
            data["minimum_grade"] = {"scheme": scheme, "grade": self.random.choice(GRADES[scheme])}
        data |= self.maybe(
            0.1, "minimum_level", {"framework": "cdqf", "level": self.random.choice(("bachelor", "master"))}
        )
        data |= self.maybe(0.15, "within_years", self.random.choice((2, 5, 10)))
        return data | self.maybe(0.15, "basis", ["completed"])

    def expression(self, depth: int) -> Data:
        if depth == 0 or self.random.random() < 0.45:
            return self.leaf()
        parts = [self.expression(depth - 1) for _ in range(self.random.choice((1, 2, 2, 3) if depth == 2 else (1, 2)))]
        kind = self.random.choice(("all_of", "any_of", "n_of", "credits_from"))
        if kind == "n_of":
            return {"n_of": {"n": self.random.randint(1, len(parts)), "of": parts}}
        if kind == "credits_from":
            need = {"value": self.random.choice(("2", "7/2", "5")), "system": "credit-hours"}
            return {"credits_from": {"credits": need, "of": parts}}
        return {kind: parts}

    def outcome(self, receiver: str, depth: int = 1) -> Data:
        kind = self.random.choice(("assigned", "assigned", "unassigned", "block", "exemption", "choice", "sum"))
        if kind in {"choice", "sum"} and depth:
            return {"type": kind, "of": [self.outcome(receiver, 0) for _ in range(2)]}
        credits = {
            "value": self.random.choice(VALUES),
            "system": self.random.choice((*SYSTEMS, SYSTEMS[0], SYSTEMS[0])),
        }
        course = f"{receiver}/{self.random.choice(COURSES)}"
        terms: Data = self.maybe(0.15, "exclusions", [self.random.choice((*SENT, f"{receiver}/x", f"{receiver}/y"))])
        if self.random.random() < 0.2:
            grade = {"scheme": OWN, "grade": self.random.choice(GRADES[OWN])}
            terms["conditions"] = [{"use": self.random.choice(("credit", "programme")), "minimum_grade": grade}]
        if kind == "unassigned":
            return {"type": kind, "subject": "S", "credits": credits, **terms}
        if kind == "block":
            return {"type": kind, "programme": f"{receiver}/{PROGRAMME}", "credits": credits, **terms}
        if kind == "exemption":
            return {"type": kind, "achievement": course, **terms}
        return {"type": "assigned", "achievement": course, "credits": credits, **terms}

    # Transcripts

    def transcript(self) -> list[Data]:
        """Up to five lines."""
        lines = []
        for number in range(self.random.choice((0, 1, 2, 3, 3, 4, 4, 5))):
            scheme = self.random.choice((OWN, OTHER, PASSING))
            line: Data = {
                "achievement": self.random.choice(SENT),
                "version": self.random.choice((1, 1, 2)),
                "completed_on": self.random.choice(DAYS),
                "ref": str(number),
                "basis": self.random.choice(BASES),
                "credits": {"value": self.random.choice(VALUES), "system": "credit-hours"},
            }
            line |= self.maybe(0.8, "grade", {"scheme": scheme, "grade": self.random.choice(GRADES[scheme])})
            level = self.random.choice(("bachelor", "master", "doctoral"))
            lines.append(line | self.maybe(0.5, "level", {"framework": "cdqf", "level": level}))
        return lines
