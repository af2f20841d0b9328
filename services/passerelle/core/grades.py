"""Grades and levels: comparing them only where a scale or a stated table says how.

A grade belongs to a scheme of an institution, level and period. Within one scheme grades compare by rank. Between
schemes there are three grounds and no other: a stated conversion table; two scales that both state percentages and
the same pass mark; and pass against fail, where what is asked is only to have passed. Everything else is
``cannot-compare``: the receiver decides, not a formula. Levels follow the same rule through referencing tables.

A conversion table stands in the scale that it leads to, so that it has the scale's version and period, and is the word
of the member whose scheme it is. A grade is read by the version of its scale that was in force when it was earned.
"""

from __future__ import annotations

import datetime as dt
import difflib
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final, Literal, NamedTuple

from passerelle.core.errors import FormatError
from passerelle.core.quantity import parse_quantity

Comparison = Literal["met", "not-met", "cannot-compare"]
HUNDRED: Final = Fraction(100)


class Grade(NamedTuple):
    """A grade in a named scheme."""

    scheme: str
    grade: str


class Level(NamedTuple):
    """A level of a qualifications framework."""

    framework: str
    level: str


@dataclass(frozen=True, slots=True)
class Step:
    """One grade: its rank (higher is better), the lowest percentage that it stands for if stated, whether it passes."""

    grade: str
    rank: Fraction
    percentage_from: Fraction | None
    passes: bool


@dataclass(frozen=True, slots=True)
class Scale:
    """A grading scheme as data.

    ``steps`` by grade. A scale with ``numeric_pass`` is a percentage scale: any quantity from 0 to 100 is a grade of
    it, and passes from that mark on. ``valid_from`` and ``valid_to`` bound the period that the scheme was used in.
    ``conversions`` say, by other scheme, which grade of this scale each of its grades equals.
    """

    scheme: str
    steps: Mapping[str, Step] = field(default_factory=dict)
    numeric_pass: Fraction | None = None
    version: int = 1
    title: str = ""
    valid_from: dt.date | None = None
    valid_to: dt.date | None = None
    conversions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def in_force(self, day: dt.date) -> bool:
        """The scheme was used on this day."""
        return (self.valid_from is None or self.valid_from <= day) and (self.valid_to is None or day <= self.valid_to)

    def step(self, grade: str) -> Step:
        """The step of a grade. Raises :class:`FormatError` ``grade-unknown``; the grade itself is not repeated."""
        found = self.find(grade)
        if found is None:
            raise FormatError("grade-unknown", f"The grade is not a value of the scheme {self.scheme}.", where="grade")
        return found

    def find(self, grade: str) -> Step | None:
        """The step of a grade, or None where the scheme has no such grade."""
        if self.numeric_pass is None:
            return self.steps.get(grade)
        try:
            value = parse_quantity(grade)
        except FormatError:
            return None
        if value > HUNDRED:
            return None
        return Step(grade, value, value, value >= self.numeric_pass)

    def nearest(self, grade: str) -> str:
        """The grade of the scheme that is closest to what was written, an empty text where none is: for messages."""
        if self.numeric_pass is not None:
            bare = "".join(sign for sign in grade if sign in "0123456789./")
            return bare if bare != grade and self.find(bare) is not None else ""
        plain = grade.replace(" ", "").upper()
        known = {one.replace(" ", "").upper(): one for one in self.steps}
        if plain in known:
            return known[plain]
        close = difflib.get_close_matches(plain[:80], known, n=1, cutoff=0.6)
        return known[close[0]] if close else ""

    @property
    def pass_mark(self) -> Fraction | None:
        """The lowest percentage that passes, where every step states its percentage."""
        if self.numeric_pass is not None:
            return self.numeric_pass
        marks = [step.percentage_from for step in self.steps.values() if step.passes]
        stated = [mark for mark in marks if mark is not None]
        if not stated or any(step.percentage_from is None for step in self.steps.values()):
            return None
        return min(stated)

    @property
    def is_pass_fail(self) -> bool:
        """The scheme tells passing from failing and nothing else."""
        if self.numeric_pass is not None:
            return False
        passing = {step.rank for step in self.steps.values() if step.passes}
        failing = {step.rank for step in self.steps.values() if not step.passes}
        return len(passing) == 1 and len(failing) <= 1

    def ceiling(self, step: Step) -> Fraction | None:
        """The percentage below which a grade lies: where the next better one starts; None where none is stated."""
        own = step.percentage_from
        above = [other.percentage_from for other in self.steps.values() if other.rank > step.rank]
        return min((mark for mark in above if mark is not None and own is not None and mark > own), default=None)


def scale_from_data(data: Mapping[str, Any]) -> Scale:
    """Read the data of a ``scale-published`` event.

    Raises :class:`FormatError`: ``schema-invalid`` where a grade stands twice, equal ranks differ in what they say,
    percentages or passing do not rise with the rank, or a conversion leads to a grade that the scale does not have;
    ``fraction-malformed`` for a percentage that is no quantity.
    """
    steps: dict[str, Step] = {}
    for number, row in enumerate(data["steps"]):
        where = f"steps.{number}"
        mark = row.get("percentage_from")
        percentage = None if mark is None else parse_quantity(mark, where=f"{where}.percentage_from")
        if row["grade"] in steps:
            raise FormatError("schema-invalid", "The grade stands twice in the scale.", where=f"{where}.grade")
        steps[row["grade"]] = Step(row["grade"], Fraction(row["rank"]), percentage, bool(row["passes"]))
    _check_order(steps.values())
    end = data.get("valid_to")
    return Scale(
        scheme=data["scheme"],
        steps=steps,
        version=int(data["version"]),
        title=data["title"],
        valid_from=_date(data["valid_from"]),
        valid_to=None if end is None else _date(end),
        conversions=_conversions(data.get("conversions") or (), steps),
    )


def _conversions(rows: Iterable[Mapping[str, Any]], steps: Mapping[str, Step]) -> dict[str, dict[str, str]]:
    tables: dict[str, dict[str, str]] = {}
    for number, row in enumerate(rows):
        where = f"conversions.{number}"
        if row["from_scheme"] in tables:
            raise FormatError("schema-invalid", "A second table leads from this scheme.", where=f"{where}.from_scheme")
        table = tables[row["from_scheme"]] = {}
        for place, pair in enumerate(row["grades"]):
            if pair["grade"] in table or pair["equals"] not in steps:
                raise FormatError(
                    "schema-invalid",
                    "The grade stands twice in the table, or equals none of this scale.",
                    where=f"{where}.grades.{place}",
                    fix="Give each grade of the other scheme once, with a grade of this scale.",
                )
            table[pair["grade"]] = pair["equals"]
    return tables


def scale_on(versions: Sequence[Scale], day: dt.date) -> Scale | None:
    """The scale in force on a day: of several, the highest version; None where none was."""
    return max((scale for scale in versions if scale.in_force(day)), key=lambda scale: scale.version, default=None)


def _date(value: object) -> dt.date:
    return value if isinstance(value, dt.date) else dt.date.fromisoformat(str(value))


def _check_order(steps: Iterable[Step]) -> None:
    ordered = sorted(steps, key=lambda step: step.rank)
    for lower, higher in itertools.pairwise(ordered):
        same = lower.rank == higher.rank
        marks = (lower.percentage_from, higher.percentage_from)
        passes_fall = lower.passes and not higher.passes
        passes_differ = same and lower.passes != higher.passes
        marks_fall = marks[0] is not None and marks[1] is not None and marks[0] > marks[1]
        if passes_fall or passes_differ or marks_fall or (same and marks[0] != marks[1]):
            raise FormatError(
                "schema-invalid",
                "Percentages and passing do not rise with the rank.",
                where="steps",
                fix="Give better grades a higher rank, and equal ranks the same percentage and result.",
            )


Conversions = Mapping[tuple[str, str], Mapping[str, str]]
"""Stated tables by (scheme, scheme): grade to grade. From a percentage scale each key is the lowest percentage."""


def _convert(scale: Scale, held: Step, table: Mapping[str, str]) -> str | None:
    if scale.numeric_pass is None:
        return table.get(held.grade)
    reached = [(step.rank, grade) for grade in table if (step := scale.find(grade)) and step.rank <= held.rank]
    return table[max(reached)[1]] if reached else None


def _by_percentage(held_scale: Scale, held: Step, asked: Scale, minimum: Step) -> Comparison:
    mark = held_scale.pass_mark
    if mark is None or mark != asked.pass_mark or held.percentage_from is None or minimum.percentage_from is None:
        return "cannot-compare"
    if held.percentage_from >= minimum.percentage_from:
        return "met"
    # A percentage is exact; a letter stands for a range, and what lies inside it is not known.
    ceiling = None if held_scale.numeric_pass is not None else held_scale.ceiling(held)
    below = held_scale.numeric_pass is not None or (ceiling is not None and ceiling <= minimum.percentage_from)
    return "not-met" if below else "cannot-compare"


class Compared(NamedTuple):
    """How a grade stands to a minimum, and what that rests on.

    ``ground``: ``same-scheme``, ``stated-table``, ``pass-fail``, ``percentages``, or ``none`` where nothing joins them.
    ``table`` names the schemes and versions that were read, for example ``percentage-50 v1 -> sfu/letters v3``.
    """

    outcome: Comparison
    ground: str
    table: str = ""


def compare(
    held: Grade, minimum: Grade, scales: Mapping[str, Scale], conversions: Conversions | None = None
) -> Comparison:
    """Whether ``held`` reaches ``minimum``: the outcome of :func:`compare_grades`."""
    return compare_grades(held, minimum, scales, conversions).outcome


def compare_grades(
    held: Grade, minimum: Grade, scales: Mapping[str, Scale], conversions: Conversions | None = None
) -> Compared:
    """Whether ``held`` reaches ``minimum``, and on what ground.

    ``scales`` by scheme; ``conversions`` are tables stated apart from the scales, which come before the scales' own. A
    scheme or grade that is not known gives ``cannot-compare``.
    """
    held_scale, asked = scales.get(held.scheme), scales.get(minimum.scheme)
    if held_scale is None or asked is None:
        return Compared("cannot-compare", "none")
    have, need = held_scale.find(held.grade), asked.find(minimum.grade)
    if have is None or need is None:
        return Compared("cannot-compare", "none")
    if held.scheme == minimum.scheme:
        return Compared(
            "met" if have.rank >= need.rank else "not-met", "same-scheme", f"{asked.scheme} v{asked.version}"
        )
    names = f"{held_scale.scheme} v{held_scale.version} -> {asked.scheme} v{asked.version}"
    table = (conversions or {}).get((held.scheme, minimum.scheme)) or asked.conversions.get(held.scheme)
    converted = None if table is None else _convert(held_scale, have, table)
    stated = None if converted is None else asked.find(converted)
    if stated is not None:
        return Compared("met" if stated.rank >= need.rank else "not-met", "stated-table", names)
    if need.passes and not have.passes:
        return Compared("not-met", "pass-fail", names)
    if need.passes and asked.is_pass_fail:
        return Compared("met", "pass-fail", names)
    outcome = _by_percentage(held_scale, have, asked, need)
    return Compared(outcome, "none" if outcome == "cannot-compare" else "percentages", names)


def compare_levels(
    held: Level,
    minimum: Level,
    orders: Mapping[str, tuple[str, ...]],
    referencing: Conversions | None = None,
) -> Comparison:
    """Whether a level reaches a minimum.

    ``orders`` lists each framework's levels from lowest to highest; ``referencing`` holds stated tables between
    frameworks, as the EQF referencing reports do. Equal levels of one framework are equal even without its order.
    """
    if held == minimum:
        return "met"
    level: str | None = held.level
    if held.framework != minimum.framework:
        level = (referencing or {}).get((held.framework, minimum.framework), {}).get(held.level)
    order = orders.get(minimum.framework, ())
    if level is None:
        return "cannot-compare"
    if level == minimum.level:
        return "met"
    if level not in order or minimum.level not in order:
        return "cannot-compare"
    return "met" if order.index(level) >= order.index(minimum.level) else "not-met"


def _letters(scheme: str, title: str, passing: str, failing: str) -> Scale:
    best_first = [*((grade, True) for grade in passing.split()), *((grade, False) for grade in failing.split())]
    steps = {
        grade: Step(grade, Fraction(len(best_first) - place), None, passes)
        for place, (grade, passes) in enumerate(best_first)
    }
    return Scale(scheme, steps, title=title)


def well_known_scales() -> dict[str, Scale]:
    """The schemes that need no publishing, by scheme id; a published scale of the same id is put in their place.

    - ``percentage-50``: 0 to 100, pass at 50. University of British Columbia, Vancouver Academic Calendar, "Grading
      Practices" (undergraduate courses: fail below 50).
    - ``percentage-60``: 0 to 100, pass at 60. Quebec, College Education Regulations (C-29, r. 4), the minimum mark of
      a course.
    - ``letter-4.0``: A+ to F with grade points 4.0, 4.0, 3.7 ... 1.0, 0. University of Alberta, Office of the
      Registrar, "Grading System Explained" (undergraduate). A+ and A share their points and are still two grades.
    - ``letter-4.33``: A+ to F, N with 4.33, 4.00, 3.67 ... 1.00, 0. Simon Fraser University, Academic Calendar,
      "Grading Systems and Policies", standard grade system.
    - ``letter-9``: A+ to F, N with 9 to 0, from 90, 85, 80, 77, 73, 70, 65, 60 and 50 percent. University of Victoria,
      Academic Calendar, "Grading".
    - ``letter-12``: A+ to F with 12 to 0, from 90, 85, 80, 77, 73, 70, 67, 63, 60, 57, 53 and 50 percent. McMaster
      University, Office of the Registrar, "Transcript Legend", undergraduate.
    - ``pass-fail``: P and F. The same page of Simon Fraser University, competency-based grades.

    The letter scales of 4 and 4.33 points state no percentages, since neither university publishes one table for all
    courses.
    """
    p, f = Step("P", Fraction(1), None, True), Step("F", Fraction(0), None, False)
    failed = {grade: Step(grade, Fraction(0), None, False) for grade in ("F", "FD", "N")}
    scales = (
        Scale("percentage-50", numeric_pass=Fraction(50), title="Percentage, pass 50"),
        Scale("percentage-60", numeric_pass=Fraction(60), title="Percentage, pass 60"),
        _letters("letter-4.0", "Letters, four points", "A+ A A- B+ B B- C+ C C- D+ D", "F"),
        _with(_letters("letter-4.33", "Letters, 4.33 points", "A+ A A- B+ B B- C+ C C- D", ""), failed),
        _ranges("letter-9", "Letters, nine points", "A+ 90 A 85 A- 80 B+ 77 B 73 B- 70 C+ 65 C 60 D 50", "F N"),
        _ranges(
            "letter-12",
            "Letters, twelve points",
            "A+ 90 A 85 A- 80 B+ 77 B 73 B- 70 C+ 67 C 63 C- 60 D+ 57 D 53 D- 50",
            "F",
        ),
        Scale("pass-fail", {"P": p, "F": f}, title="Pass or fail"),
    )
    return {scale.scheme: scale for scale in scales}


def _ranges(scheme: str, title: str, passing: str, failing: str) -> Scale:
    """A letter scale with its percentages, best first: ``A+ 90 A 85``; what fails starts at 0."""
    words = passing.split()
    pairs = list(zip(words[::2], words[1::2], strict=True))
    steps = {
        grade: Step(grade, Fraction(len(pairs) - place), Fraction(mark), True)
        for place, (grade, mark) in enumerate(pairs)
    }
    failed = {grade: Step(grade, Fraction(0), Fraction(0), False) for grade in failing.split()}
    return Scale(scheme, {**steps, **failed}, title=title)


def _with(scale: Scale, more: Mapping[str, Step]) -> Scale:
    return Scale(scale.scheme, {**scale.steps, **more}, title=scale.title)


WELL_KNOWN_LEVELS: Final[dict[str, tuple[str, ...]]] = {
    "eqf": tuple(str(level) for level in range(1, 9)),
    "nzqcf": tuple(str(level) for level in range(1, 11)),
    "aqf": tuple(str(level) for level in range(1, 11)),
    "cdqf": ("bachelor", "master", "doctoral"),
}
"""Levels from lowest to highest: European (Council Recommendation of 22 May 2017, annex II), New Zealand, Australian
(AQF second edition 2013) and Canadian Degree Qualifications Framework (CMEC Ministerial Statement, 2007)."""
