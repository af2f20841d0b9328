"""From the core's findings to messages: clauses with the parts of their rules, packs with their origin, evidence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from passerelle.api.common.v1 import common_pb2
from passerelle.api.portability.v1 import portability_pb2 as pb
from passerelle.core.catalogue import BY_NAME
from passerelle.core.facts import Facts
from passerelle.core.policy import Clause, ClauseResult, PackResult
from passerelle.core.policyfields import FIELDS, Readings
from passerelle.core.policyrule import Explained, explain, show
from passerelle.query import messages
from passerelle.query.index import Index
from passerelle.query.packs import Chosen
from passerelle.query.records import AchievementHistory, Said

FINDINGS: Final = {"met": pb.FINDING_MET, "not-met": pb.FINDING_NOT_MET, "unknown": pb.FINDING_UNKNOWN}

DENIED: Final = BY_NAME["recognition.denied"].full


class Evidence:
    """The log entries that findings about one achievement may name, with what each is about."""

    def __init__(self, index: Index, history: AchievementHistory, facts: Facts, size: int) -> None:
        self._entries = {
            at: messages.evidence_message(at, said, name) for at, said, name in _behind(index, history, facts, size)
        }
        for one in facts.differences:
            self._entries[one.index] = common_pb2.Evidence(
                index=one.index, type=DENIED, member=one.member, subject=one.rule
            )

    def at(self, index: int) -> common_pb2.Evidence:
        """The entry at an index."""
        return self._entries.get(index) or common_pb2.Evidence(index=index)

    def all(self, indices: Iterable[int]) -> list[common_pb2.Evidence]:
        """The entries at some indices."""
        return [self.at(index) for index in indices]


def _behind(index: Index, history: AchievementHistory, facts: Facts, size: int) -> Iterator[tuple[int, Said, str]]:
    for at, version in history.versions.upto(size):
        yield at, version.said, history.id
    for at, said in history.endorsements.upto(size):
        yield at, said, history.id
    named = [("framework", name) for name in facts.frameworks]
    demand = {name for _, name in history.demand.upto(size)}
    for occupation in facts.achievement.get("occupations") or ():
        demand.update(index.demand_for.get(occupation, {}))
    for kind, name in (*named, *(("demand", name) for name in demand)):
        found = index.reference(kind, name, size)
        if found is not None:
            yield found[0], found[1], name


def clause_message(result: ClauseResult, readings: Readings, evidence: Evidence) -> pb.ClauseFinding:
    """One clause with its reasons, its entries and the parts of its rule."""
    clause, finding = result.clause, result.finding
    return pb.ClauseFinding(
        id=clause.id,
        force=clause.force,
        finding=FINDINGS[finding.outcome],
        message=said(clause),
        rule=clause.rule.text,
        reasons=messages.reason_messages((*finding.missing, *finding.notes)),
        evidence=evidence.all(finding.evidence),
        explained=_part(explain(clause.rule.root, readings)),
    )


def clause_messages(
    result: PackResult, facts: Facts, scope: tuple[str, ...], evidence: Evidence
) -> list[pb.ClauseFinding]:
    """Every clause of a pack."""
    readings = Readings(facts, scope)
    return [clause_message(one, readings, evidence) for one in result.clauses]


def _part(one: Explained) -> pb.RulePart:
    return pb.RulePart(
        text=one.text,
        finding=FINDINGS[one.finding.outcome],
        fields=[
            pb.FieldRead(
                name=name, value="" if value is None else show(value), absent=value is None, says=FIELDS[name].says
            )
            for name, value in one.values
        ],
        parts=[_part(inner) for inner in one.parts],
    )


def said(clause: Clause) -> dict[str, str]:
    """What a clause asks, in both languages."""
    return {language: clause.message[language] for language in messages.LANGUAGES}


def used_message(chosen: Chosen) -> pb.PackUsed:
    """Where a pack comes from."""
    used = pb.PackUsed(
        origin="built-in" if chosen.index is None else "ledger", notes=messages.reason_messages(chosen.notes)
    )
    if chosen.index is not None and chosen.said is not None:
        used.evidence.CopyFrom(messages.evidence_message(chosen.index, chosen.said, chosen.subject))
    return used


def pack_message(chosen: Chosen) -> pb.Pack:
    """A pack with its dates and its origin."""
    pack = chosen.pack
    return pb.Pack(
        id=chosen.name,
        version=pack.version,
        title=pack.title,
        source=pack.source,
        effective_from=messages.date_text(pack.effective_from),
        effective_to=messages.date_text(pack.effective_to),
        jurisdictions=pack.jurisdictions,
        sample=pack.sample,
        used=used_message(chosen),
    )
