"""Proposes a mapping: from words in headers, nearest words, and what the sample's values look like. Pure.

A proposal says for each column how it was found, and what a person should look at. It decides nothing that the sample
leaves open: dates whose day and month could change places get no form, values without a counterpart stay as they are.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from passerelle.core.errors import FormatError
from passerelle.core.grades import well_known_scales
from passerelle.core.quantity import CREDIT_SYSTEMS
from passerelle.core.tables import folded
from passerelle.node.csv_cells import CellError, nearest
from passerelle.node.csv_forms import FORMS, Column, Form
from passerelle.node.csv_rows import shape
from passerelle.node.mapping import DATE_FORMS, ColumnMapping, Rule, read_date, write_mapping
from passerelle.node.mapping_sample import Sample
from passerelle.node.mapping_words import FIRST_NAMES, LAST_NAMES, VALUES, WORDS

CUTOFF: Final = 0.84
MAX_CHOICES: Final = 40
"""Different values of a column up to which it is taken for one of codes."""
_CHOICE: Final = re.compile(r"`([^`]+)`")
_GAP: Final = re.compile(r"[^a-z0-9]+")
_AMOUNT: Final = re.compile(r"[0-9]+([.,][0-9]+)?")


@dataclass(frozen=True, slots=True)
class Guess:
    """How one of our columns was found: ``exact``, ``word``, ``near``, ``start``, ``constant`` or ``names``."""

    column: str
    source: str
    by: str
    looks_like: str
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class Proposal:
    """A mapping with the reasons for it, what needed column it lacks, and what of the file it does not use."""

    mapping: ColumnMapping
    guesses: list[Guess] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "name": self.mapping.name,
            "kind": self.mapping.kind,
            "columns": [
                {
                    "column": one.column,
                    "from": one.source,
                    "by": one.by,
                    "looks_like": one.looks_like,
                    "notes": list(one.notes),
                }
                for one in self.guesses
            ],
            "missing": self.missing,
            "unused": self.unused,
        }


def mapping_name(text: str) -> str:
    """A mapping's name from a file's."""
    return _GAP.sub("-", folded(text)).strip("-")[:60] or "mapping"


def _words(column: str) -> tuple[str, ...]:
    return (folded(column.replace("_", " ")), *(folded(word) for word in WORDS.get(column, ())))


def _matches(form: Form, header: Sequence[str]) -> dict[str, tuple[int, str]]:
    """Our columns to places of the header: equal names first, then known words, then near ones; each place once."""
    names = [folded(cell) for cell in header]
    found: dict[str, tuple[int, str]] = {}
    taken: set[int] = set()

    def take(column: str, place: int, by: str) -> None:
        if column not in found and place not in taken:
            found[column] = (place, by)
            taken.add(place)

    columns = [column.name for column in form.columns if not column.is_prefix and column.name != "outcome_json"]
    for column in columns:
        for place, name in enumerate(names):
            if name == folded(column.replace("_", " ")):
                take(column, place, "exact")
    for column in columns:
        words = _words(column)
        for word in words:
            if word in names:
                take(column, names.index(word), "word")
    for column in columns:
        if column in found:
            continue
        left = [name for place, name in enumerate(names) if place not in taken and len(name) > 3]
        best = [near for word in _words(column) for near in difflib.get_close_matches(word, left, n=1, cutoff=CUTOFF)]
        if best:
            take(column, names.index(best[0]), "near")
    return found


def best_kind(header: Sequence[str]) -> str | None:
    """The kind whose needed columns are found best; None where none has half of them."""
    scores: list[tuple[float, int, str]] = []
    for kind, form in FORMS.items():
        found = _matches(form, header)
        needed = [column.name for column in form.columns if column.required]
        have = sum(name in found for name in needed) + ("learner_name" not in found and _names(header) is not None)
        scores.append((have / len(needed), len(found), kind))
    share, _, kind = max(scores)
    return kind if share >= 0.5 else None


def _names(header: Sequence[str]) -> tuple[int, int] | None:
    """The places of first and last name, where they are apart."""
    names = [folded(cell) for cell in header]
    first = next((names.index(word) for word in FIRST_NAMES if word in names), None)
    last = next((names.index(word) for word in LAST_NAMES if word in names), None)
    return None if first is None or last is None else (first, last)


def _date_rule(rule: Rule, values: Sequence[str]) -> tuple[Rule, tuple[str, ...]]:
    fitting = [form for form in DATE_FORMS if values and all(read_date(value, form) for value in values)]
    if not values or "YYYY-MM-DD" in fitting:
        return rule, ()
    if len(fitting) == 1:
        return replace(rule, date=fitting[0]), (f"The sample's dates are of the form {fitting[0]}.",)
    if fitting:
        either = " or ".join(fitting)
        return rule, (f"LOOK: the sample's dates may be {either}. Write: date = ...",)
    return rule, (f"LOOK: the sample holds texts that are dates of no known form. Known: {', '.join(DATE_FORMS)}.",)


def _translations(column: Column, values: Iterable[str], home: str) -> tuple[dict[str, str], list[str]]:
    """Values that our closed list does not have, with what they are there; and how many have no counterpart."""
    allowed = _CHOICE.findall(column.cell.form) if column.cell.form.startswith("one of") else []
    found: dict[str, str] = {}
    left = 0
    for value in Counter(values):
        try:
            column.cell.parse(value, home)
        except CellError:
            word = VALUES.get(folded(value), "")
            ours = word if word in allowed or (word and not allowed) else nearest(value, allowed)
            if ours:
                found[value] = ours
            else:
                left += 1
    notes = ["Translated values are proposals: read them."] if found else []
    if left:
        notes.append(f"LOOK: {left} values have no counterpart; add them under values.")
    return found, notes


def _rule_of(column: Column, header: str, values: Sequence[str], home: str) -> tuple[Rule, tuple[str, ...]]:
    rule = Rule(f"{{{header}}}")
    form = column.cell.form
    if form.startswith("date"):
        return _date_rule(rule, values)
    if form.startswith("amount and credit") and values and all(_AMOUNT.fullmatch(value) for value in values):
        note = f"LOOK: the file has numbers only; say which system they are in: {', '.join(CREDIT_SYSTEMS)}."
        return replace(rule, template=f"{{{header}}} credit-hours"), (note,)
    if form.startswith(("one of", "language tag")) and len(set(values)) <= MAX_CHOICES:
        translated, notes = _translations(column, values, home)
        return replace(rule, values=translated, otherwise="keep"), tuple(notes)
    return rule, ()


def _from_start(start: ColumnMapping, header: Sequence[str]) -> dict[str, Rule]:
    """The rules of a starting mapping whose columns the file has."""
    names = {folded(cell) for cell in header}
    return {
        column: rule for column, rule in start.rules.items() if all(folded(source) in names for source in rule.sources)
    }


def propose(
    sample: Sample, *, name: str, kind: str | None = None, start: ColumnMapping | None = None, home: str = "home"
) -> Proposal:
    """A mapping for the sample's header. Raises FormatError ``format-unknown`` where no kind fits and none is named."""
    chosen = (start.kind if start is not None else None) or kind or best_kind(sample.header)
    if chosen is None:
        fix = f"Name the kind: --kind {', '.join(FORMS)}."
        raise FormatError("format-unknown", "the header fits no kind of file", where="row 1", fix=fix)
    form = FORMS[chosen]
    rules: dict[str, Rule] = {}
    proposal = Proposal(ColumnMapping(name, chosen, rules, tuple(sample.header)))
    started = _from_start(start, sample.header) if start is not None else {}
    found = _matches(form, sample.header)
    for column in form.columns:
        if column.name in started:
            _take(proposal, rules, column, started[column.name], "start", sample, ())
        elif column.name in found:
            place, by = found[column.name]
            rule, notes = _rule_of(column, sample.header[place], sample.column(place), home)
            _take(proposal, rules, column, rule, by, sample, notes)
    _join_names(proposal, rules, form, sample)
    schemes = _scheme(proposal, rules, form, sample)
    proposal.missing = [column.name for column in form.columns if column.required and column.name not in rules]
    proposal.missing += schemes
    used = {folded(source) for rule in rules.values() for source in rule.sources}
    proposal.unused = [cell for cell in sample.header if folded(cell) not in used]
    return proposal


def _take(
    proposal: Proposal, rules: dict[str, Rule], column: Column, rule: Rule, by: str, sample: Sample,
    notes: Sequence[str],
) -> None:  # fmt: skip
    rules[column.name] = rule
    names = [folded(cell) for cell in sample.header]
    shapes = Counter(
        shape(value) for source in rule.sources for value in sample.column(names.index(folded(source)))[:100]
    )
    looks = ", ".join(text for text, _ in shapes.most_common(2))
    source = rule.template if rule.sources else f"'{rule.template}'"
    proposal.guesses.append(Guess(column.name, source, by if rule.sources else "constant", looks, tuple(notes)))


def _scheme(proposal: Proposal, rules: dict[str, Rule], form: Form, sample: Sample) -> list[str]:
    """A grade needs its scheme: the one well-known scale that has all of the sample's grades, or a line to look at.

    Returns the scheme's column where it is left to a person.
    """
    grade = next((name for name in ("result_grade", "grade") if name in rules and name in form.by_name), "")
    column = form.by_name.get("result_scheme" if grade == "result_grade" else "grade_scheme")
    if not grade or column is None or column.name in rules:
        return []
    names = [folded(cell) for cell in sample.header]
    values = {value for source in rules[grade].sources for value in sample.column(names.index(folded(source)))}
    fitting = [name for name, scale in well_known_scales().items() if values and all(map(scale.find, values))]
    if len(fitting) == 1:
        note = "The one well-known scale that has all grades of the sample."
        _take(proposal, rules, column, Rule(fitting[0]), "constant", sample, (note,))
        return []
    either = f" The sample fits: {', '.join(fitting)}." if fitting else ""
    note = f"LOOK: a grade needs its scheme. Add [columns.{column.name}] with constant = its code.{either}"
    proposal.guesses[:] = [
        replace(one, notes=(*one.notes, note)) if one.column == grade else one for one in proposal.guesses
    ]
    return [column.name]


def _join_names(proposal: Proposal, rules: dict[str, Rule], form: Form, sample: Sample) -> None:
    """Where first and last name are apart, the full name is made of both."""
    column, apart = form.by_name.get("learner_name"), _names(sample.header)
    if column is None or apart is None or ((held := rules.get("learner_name")) and len(held.sources) > 1):
        return
    proposal.guesses[:] = [one for one in proposal.guesses if one.column != "learner_name"]
    first, last = (sample.header[place] for place in apart)
    _take(proposal, rules, column, Rule(f"{{{first}}} {{{last}}}"), "names", sample, ())


def proposal_text(proposal: Proposal) -> str:
    """The mapping's file, with what a person should look at as comments."""
    remarks: dict[str, list[str]] = {
        "": [
            "A proposal, made from the header and the first rows of a file. Read every line before it is used.",
            "Each column: from, or template with columns in {braces}, or constant; date = form of the dates;",
            "values = what the office's values are in ours; otherwise = refuse, keep or empty: values not listed.",
        ]
    }
    if proposal.missing:
        remarks[""].append(f"LOOK: needed and not found: {', '.join(proposal.missing)}.")
    if proposal.unused:
        remarks[""].append(f"Columns of the file that are not used: {len(proposal.unused)}.")
    for guess in proposal.guesses:
        remarks[guess.column] = [f"Found by: {guess.by}. The sample looks like: {guess.looks_like}.", *guess.notes]
    return write_mapping(proposal.mapping, remarks)
