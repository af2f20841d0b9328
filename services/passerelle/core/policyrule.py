"""One rule of a policy pack: compiled once, judged on the fields of a question, with its reasons.

A rule is cut where ``&&`` and ``||`` stand outside all brackets but those that enclose a whole part. What remains are
its *parts*, each evaluated by the engine (:mod:`passerelle.core.policycel`); they are joined by Kleene's three-valued
logic, as CEL joins errors. So each answer says which parts hold, which fail and which facts are missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from passerelle.core.facts import Finding, Outcome
from passerelle.core.policycel import Program, compile_expression
from passerelle.core.policyfields import FIELDS, Reading, Readings, Value
from passerelle.core.policyscan import Scanned, Word, scan
from passerelle.core.reasons import Reason, reason

Join = Literal["all", "any"]
_NEGATED: Final = re.compile(r"!\s*([a-z_.]+)")
_COMPARED: Final = re.compile(r"""([a-z_.]+)\s*(==|!=|<=|>=|<|>)\s*([0-9.]+|"[^"]*"|'[^']*'|[a-z_.]+)""")


@dataclass(frozen=True, slots=True)
class Part:
    """A part that the engine evaluates."""

    text: str
    fields: tuple[str, ...]
    program: Program


@dataclass(frozen=True, slots=True)
class Group:
    """Parts joined by ``&&`` (``all``) or ``||`` (``any``)."""

    join: Join
    parts: tuple[Node, ...]


Node = Part | Group


@dataclass(frozen=True, slots=True)
class Rule:
    """A compiled rule; ``fields`` are all that it names."""

    text: str
    fields: tuple[str, ...]
    root: Node

    def judge(self, readings: Readings) -> Finding:
        """Met, not met or unknown on a question's facts, with evidence and reasons."""
        return judge(self.root, readings)


@dataclass(frozen=True, slots=True)
class Explained:
    """A part or group with what was found: for people who ask why."""

    text: str
    finding: Finding
    values: tuple[tuple[str, Value | None], ...] = ()
    parts: tuple[Explained, ...] = ()


def compile_rule(text: str, declared: Mapping[str, str]) -> Rule:
    """Compile a rule over declared fields (name to type).

    Raises FormatError ``policy-invalid``; ``where`` is the line and column.
    """
    scanned = scan(text, declared)
    compile_expression(scanned, scanned.words, declared)
    return Rule(" ".join(text.split()), scanned.fields, _node(scanned, scanned.words, declared))


def _node(scanned: Scanned, words: tuple[Word, ...], declared: Mapping[str, str]) -> Node:
    words = _bare(words)
    for sign, join in (("||", "any"), ("&&", "all")):
        pieces = _split(words, sign)
        if len(pieces) > 1:
            return Group("any" if join == "any" else "all", tuple(_node(scanned, one, declared) for one in pieces))
    names = {word.text for word in words} | {word.text.rpartition(".")[0] for word in words}
    fields = tuple(name for name in scanned.fields if name in names)
    text = scanned.text[words[0].start : words[-1].end]
    return Part(" ".join(text.split()), fields, compile_expression(scanned, words, declared))


def _split(words: tuple[Word, ...], sign: str) -> list[tuple[Word, ...]]:
    pieces: list[list[Word]] = [[]]
    depth = 0
    for word in words:
        depth += (word.text in "([") - (word.text in ")]") if word.kind == "sign" else 0
        if depth == 0 and word.text == sign:
            pieces.append([])
        else:
            pieces[-1].append(word)
    return [tuple(one) for one in pieces]


def _bare(words: tuple[Word, ...]) -> tuple[Word, ...]:
    """The words without brackets that enclose them all."""
    while len(words) > 2 and words[0].text == "(" and _closing(words) == len(words) - 1:
        words = words[1:-1]
    return words


def _closing(words: tuple[Word, ...]) -> int:
    depth = 0
    for number, word in enumerate(words):
        depth += (word.text == "(") - (word.text == ")")
        if depth == 0:
            return number
    return -1


def judge(node: Node, readings: Readings) -> Finding:
    """The finding of a part or a group."""
    if isinstance(node, Part):
        return _judge_part(node, readings)
    return joined(node.join, [judge(one, readings) for one in node.parts])


def joined(join: Join, found: list[Finding]) -> Finding:
    """Kleene's conjunction or disjunction; reasons are those of the parts that decide.

    Of a disjunction that is unknown the reasons are those of the alternative that lacks least.
    """
    decisive: Outcome = "not-met" if join == "all" else "met"
    deciding = [one for one in found if one.outcome == decisive]
    if deciding:
        return _together(decisive, deciding)
    open_parts = [one for one in found if one.outcome == "unknown"]
    if not open_parts:
        return _together("met" if join == "all" else "not-met", found)
    if join == "any":
        return min(open_parts, key=lambda one: len(one.missing))
    return _together("unknown", open_parts)


def _together(outcome: Outcome, found: Iterable[Finding]) -> Finding:
    rows = list(found)
    return Finding(
        outcome,
        tuple(dict.fromkeys(index for one in rows for index in one.evidence)),
        tuple(dict.fromkeys(why for one in rows for why in one.missing)),
        tuple(dict.fromkeys(note for one in rows for note in one.notes)),
    )


def _judge_part(part: Part, readings: Readings) -> Finding:
    read = {name: readings.of(name) for name in part.fields}
    values = {name: one.value for name, one in read.items() if one.value is not None}
    result = part.program.run(values)
    present = [one for one in read.values() if one.value is not None]
    evidence = tuple(dict.fromkeys(index for one in present for index in one.evidence))
    notes = tuple(dict.fromkeys(note for one in present for note in one.notes))
    if result is True:
        return Finding("met", evidence, notes=notes)
    if result is False:
        return Finding("not-met", evidence, _refusals(part, read, readings), notes)
    absent = [one for one in read.values() if one.value is None]
    missing = tuple(dict.fromkeys(why for one in absent for why in one.reasons))
    evidence = tuple(dict.fromkeys(index for one in absent for index in one.evidence))
    return Finding("unknown", evidence, missing or (reason("rule-undecided", rule=part.text),))


def _refusals(part: Part, read: Mapping[str, Reading], readings: Readings) -> tuple[Reason, ...]:
    """Why a part is false, told as simply as its form allows."""
    negated = _NEGATED.fullmatch(part.text)
    name = negated[1] if negated else part.text
    if name in read:
        own = read[name].reasons
        return own or (reason("stated-no", field=FIELDS[name].label),)
    compared = _COMPARED.fullmatch(part.text)
    if compared is not None and compared[1] in read:
        field, limit = FIELDS[compared[1]], compared[3].strip("\"'").removesuffix(".0")
        if field.refusal is not None:
            return (field.refusal(readings.facts, limit),)
        told = {"field": field.label, "value": show(read[field.name].value), "limit": limit}
        code = {"<": "value-above", "<=": "value-above", ">": "value-below", ">=": "value-below"}.get(compared[2])
        return (reason(code or "value-differs", **told),)
    return (reason("rule-not-met", rule=part.text),)


def show(value: Value | None) -> str:
    """A value as people write it."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "-"}[value]
    if isinstance(value, float):
        return f"{value:.10g}"
    if isinstance(value, tuple):
        return ", ".join(value)
    return str(value) if isinstance(value, int | str) else value.date().isoformat()


def explain(node: Node, readings: Readings) -> Explained:
    """Every part with its finding and the values that it read."""
    if isinstance(node, Part):
        values = tuple((name, readings.of(name).value) for name in node.fields)
        return Explained(node.text, judge(node, readings), values)
    parts = tuple(explain(one, readings) for one in node.parts)
    return Explained(
        "&&" if node.join == "all" else "||", joined(node.join, [one.finding for one in parts]), parts=parts
    )
