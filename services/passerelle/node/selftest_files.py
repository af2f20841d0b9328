"""The invented records of a selftest: one course that counts for another, and learners who do not exist.

Every record id begins with :data:`PREFIX` and a word drawn for the run, so that runs do not meet and nobody takes a
record for a real one. Learners' details hold the word too: found anywhere outside the node, they are unmistakable.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from passerelle.runtime.ids import Ids

PREFIX: Final = "selftest"
"""Reserved for selftests: an office gives no record or thing of its own an id that begins so."""
AWARDS: Final = 3
LATE: Final = 4
"""Number of the award that is published while the node is down."""
BEFORE, AFTER = "80", "91"
_CONFERRED: Final = "2026-04-30"
_HEADER: Final = (
    "record_id,achievement,conferred_on,result_scheme,result_grade,"
    "learner_student_number,learner_name,learner_birth_date,learner_email\n"
)


def draw(ids: Ids) -> str:
    """A word of eight letters for a run."""
    return "".join(chr(ord("a") + byte % 26) for byte in ids.random(8))


@dataclass(frozen=True, slots=True)
class Files:
    """The files of one run as CSV text, and what must never leave the node."""

    run: str

    @property
    def course(self) -> str:
        """Local id of the course that awards are of."""
        return f"{PREFIX}-{self.run}-course"

    @property
    def rule(self) -> str:
        """Local id of the rule."""
        return f"{PREFIX}-{self.run}-rule"

    def record(self, number: int) -> str:
        """The office's id of an award."""
        return f"{PREFIX}-{self.run}-{number}"

    def achievements(self, *, title: str = "Selftest course") -> str:
        """The course, and the one that it counts for."""
        rows = ((self.course, title), (f"{PREFIX}-{self.run}-credit", "Selftest credit"))
        return "id,kind,title,language,credit_bearing,credits,sample\n" + "".join(
            f"{local},course,{name},en,yes,3 credit-hours,yes\n" for local, name in rows
        )

    def awards(self, *, second: str = BEFORE) -> str:
        """:data:`AWARDS` awards; ``second`` is the grade of the second one."""
        grades = (BEFORE, second, BEFORE)
        return _HEADER + "".join(self._award(number + 1, grade) for number, grade in enumerate(grades))

    def late_award(self) -> str:
        """One award more."""
        return _HEADER + self._award(LATE, BEFORE)

    def wrong_award(self) -> str:
        """One award with a date that does not exist, in column ``conferred_on``."""
        return _HEADER + self._award(LATE + 1, BEFORE, conferred="2026-02-30")

    def revocation(self) -> str:
        """The third award is revoked."""
        return f"record_id,step,reason,effective_on\n{self.record(3)},revoked,issued-in-error,{_CONFERRED}\n"

    def rules(self, member: str) -> str:
        """The course counts for the other one."""
        return (
            "id,kind,sending,valid_from,outcome_type,outcome_course,outcome_credits,sample\n"
            f"{self.rule},equivalency,{member}/{self.course},2020-01-01,assigned,"
            f"{PREFIX}-{self.run}-credit,3 credit-hours,yes\n"
        )

    def secrets(self) -> list[str]:
        """What no topic, entry, body or log may hold: record ids, numbers, names, birth dates, addresses."""
        found = []
        for number in range(1, LATE + 2):
            found += [self.record(number), *self._person(number)]
        return found

    def _award(self, number: int, grade: str, *, conferred: str = _CONFERRED) -> str:
        cells = (self.record(number), self.course, conferred, "percentage-50", grade, *self._person(number))
        return ",".join(cells) + "\n"

    def _person(self, number: int) -> tuple[str, str, str, str]:
        """Student number, name, birth date, e-mail address."""
        name = f"Noone{number} {self.run.title()}"
        return f"NR-{self.run}-{number}", name, f"1901-02-{number + 10}", f"{self.run}.{number}@selftest.invalid"
