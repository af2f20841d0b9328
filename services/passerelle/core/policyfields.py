"""The typed fields that rules of policy packs may read: of the achievement, of its evidence, and of one case.

Every field is read from :class:`~passerelle.core.facts.Facts` as a value or as nothing. Nothing is not false: a rule
that needs an absent field is unknown. Types are those of the Common Expression Language: ``bool``, ``int``, ``double``,
``string``, ``timestamp`` (a date, midnight UTC) and ``list(string)``. Quantities of events are exact fractions of at
most four decimals or five-digit denominators; as ``double`` they keep their order and their equality.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from passerelle.core.clauses import EVIDENCE, Scope, Test, as_day, review_age, stated
from passerelle.core.facts import Facts
from passerelle.core.quantity import parse_quantity
from passerelle.core.reasons import Reason, reason

Value = bool | int | float | str | dt.datetime | tuple[str, ...]
TYPES: Final = ("bool", "int", "double", "string", "timestamp", "list(string)")
MAX_LIST: Final = 64
"""Items of a list that a rule sees; the event's models allow no more."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A field's value, None where it is absent, with the log indices behind it.

    ``reasons`` say why it is absent, or why a yes-or-no field is what it is; ``notes`` how it came about.
    """

    value: Value | None
    evidence: tuple[int, ...] = ()
    reasons: tuple[Reason, ...] = ()
    notes: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its name, its type, what it says for people, how it is read.

    ``refusal`` makes the reason for a comparison that fails: from the facts and the other side's text.
    """

    name: str
    type: str
    says: Mapping[str, str]
    read: Callable[[Facts, Scope], Reading]
    refusal: Callable[[Facts, str], Reason] | None = None

    @property
    def label(self) -> str:
        """The name in reasons: fields of the achievement go by their place in the event's data."""
        return self.name.removeprefix("achievement.")


def _convert(kind: str, value: Any, where: str) -> Value | None:
    if kind == "double":
        return float(parse_quantity(value, where=where))
    if kind == "timestamp":
        day = as_day(value)
        return dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC)
    if kind == "list(string)":
        return tuple(str(one) for one in list(value)[:MAX_LIST]) or None
    if kind == "string":
        return str(value) or None
    return bool(value) if kind == "bool" else int(value)


def _of_achievement(name: str, kind: str) -> Callable[[Facts, Scope], Reading]:
    path = name.removeprefix("achievement.")

    def read(facts: Facts, scope: Scope) -> Reading:
        found = stated(facts, path)
        value = None if found is None else _convert(kind, found, path)
        if value is None:
            return Reading(None, reasons=(reason("not-stated", field=path),))
        return Reading(value, (facts.index,))

    return read


def _frameworks(facts: Facts, scope: Scope) -> Reading:
    names = tuple(dict.fromkeys(str(one["framework"]) for one in stated(facts, "alignments") or ()))
    if not names:
        return Reading(None, reasons=(reason("not-stated", field="alignments"),))
    return Reading(names[:MAX_LIST], (facts.index,))


def _judged(test: Test) -> Callable[[Facts, Scope], Reading]:
    def read(facts: Facts, scope: Scope) -> Reading:
        found = test(facts, scope)
        value = {"met": True, "not-met": False, "unknown": None}[found.outcome]
        return Reading(value, found.evidence, found.missing, found.notes)

    return read


def _review_age(facts: Facts, scope: Scope) -> Reading:
    months = review_age(facts)
    if months is None:
        return Reading(None, reasons=(reason("not-stated", field="quality.last_review"),))
    return Reading(months, (facts.index,))


def _given(name: str) -> Callable[[Facts, Scope], Reading]:
    def read(facts: Facts, scope: Scope) -> Reading:
        value = facts.given.get(name)
        return Reading(None, reasons=(reason("not-given", field=name),)) if value is None else Reading(float(value))

    return read


def _asked_on(facts: Facts, scope: Scope) -> Reading:
    return Reading(_convert("timestamp", facts.asked_on, "asked_on"))


def _review_lapsed(facts: Facts, limit: str) -> Reason:
    return reason("review-lapsed", due=stated(facts, "quality.next_review"))


def _review_too_old(facts: Facts, limit: str) -> Reason:
    return reason("review-too-old", last=stated(facts, "quality.last_review"), months=limit)


def _knowledge_only(facts: Facts, limit: str) -> Reason:
    return reason("stated-no", field="assessment.performance")


# Field | type | English | French. Rows are long on purpose: one field is one line.
# ruff: noqa: E501
_TABLE: Final = """
achievement.kind | string | kind of achievement | genre de réalisation
achievement.language | string | language of award | langue du titre
achievement.credit_bearing | bool | it bears credit | elle donne des crédits
achievement.award | string | single, joint, dual or collaborative award | titre simple, conjoint, double ou en collaboration
achievement.outcomes | list(string) | learning outcomes | résultats d'apprentissage
achievement.occupations | list(string) | occupations, NOC 2021 unit groups | professions, groupes de base de la CNP 2021
achievement.level.framework | string | qualifications framework of its level | cadre de qualifications de son niveau
achievement.level.level | string | level | niveau
achievement.laddering.design | string | designed to ladder, open or stand-alone | conçue pour mener plus loin, ouverte ou autonome
achievement.laddering.into | list(string) | achievements that it leads into | réalisations auxquelles elle mène
achievement.assessment.methods | list(string) | methods of assessment | méthodes d'évaluation
achievement.assessment.setting | string | setting of the assessment | cadre de l'évaluation
achievement.assessment.performance | string | direct performance or knowledge only | performance directe ou connaissances seules
achievement.assessment.task_analysis | bool | the assessment rests on a task analysis | l'évaluation repose sur une analyse des tâches
achievement.assessment.pass_standard | string | pass standard | norme de réussite
achievement.assessment.attempts | int | attempts allowed | tentatives permises
achievement.assessment.pre_test | bool | there is a pre-test | il y a un test préalable
achievement.assessment.post_test | bool | there is a post-test | il y a un test final
achievement.assessment.assessor | string | who assesses | qui évalue
achievement.assessment.assessor_qualified | bool | the assessor is qualified | l'évaluateur est qualifié
achievement.assessment.identity_checked | bool | identity is checked | l'identité est vérifiée
achievement.assessment.records_kept | bool | records are kept | les dossiers sont conservés
achievement.assessment.appeal | bool | a result can be appealed | le résultat peut être porté en appel
achievement.assessment.accommodation | bool | candidates are accommodated | des mesures d'adaptation sont offertes
achievement.assessment.evidence_visible_to_employers | bool | evidence is visible to employers | les preuves sont visibles pour les employeurs
achievement.assessment.validated_common_examination | bool | validated common examination | examen commun validé
achievement.delivery.modes | list(string) | modes of delivery | modes de prestation
achievement.delivery.intake | string | intake | admission
achievement.delivery.effort_hours | double | effort in hours | effort en heures
achievement.delivery.elapsed_weeks | double | elapsed time in weeks | durée en semaines
achievement.delivery.languages | list(string) | languages of delivery | langues de prestation
achievement.cost.amount_cad | double | cost in Canadian dollars | coût en dollars canadiens
achievement.cost.mandatory_fees_cad | double | mandatory fees in Canadian dollars | frais obligatoires en dollars canadiens
achievement.cost.student_aid_eligible | bool | eligible for student aid | admissible à l'aide financière
achievement.quality.approval_body | string | body that approved it | organisme qui l'a approuvée
achievement.quality.last_review | timestamp | last review | dernière révision
achievement.quality.next_review | timestamp | next review | prochaine révision
achievement.transcriptable | bool | it can stand on a transcript | elle peut figurer au relevé de notes
achievement.validity_months | int | months of validity | mois de validité
achievement.legal_basis | string | ground in law | fondement en droit
achievement.frameworks | list(string) | frameworks of its alignments | référentiels de ses rattachements
evidence.awarded_by_member | bool | an awarding body is a member of the federation | un organisme certificateur est membre de la fédération
evidence.framework_recognised | bool | a recognised competency framework is published | un référentiel de compétences reconnu est publié
evidence.framework_published | bool | a framework that it is aligned to is published | un référentiel auquel elle se rattache est publié
evidence.employers_involved | bool | employers, or the body that speaks for them, endorse it | des employeurs, ou l'organisme qui parle en leur nom, l'appuient
evidence.endorsed.co_designed | bool | an external body designed it too | un organisme externe l'a conçue aussi
evidence.endorsed.advisory | bool | an external body advises on it | un organisme externe la conseille
evidence.endorsed.demand_confirmed | bool | an external body confirms the demand | un organisme externe confirme le besoin
evidence.endorsed.assessment_reflects_job | bool | an external body confirms that the assessment reflects the job | un organisme externe confirme que l'évaluation correspond à l'emploi
evidence.endorsed.sufficient_for_employment | bool | an employer takes it as sufficient for employment | un employeur la tient pour suffisante à l'emploi
evidence.demand_stated | bool | a statement of demand is in force | une déclaration de besoin est en vigueur
evidence.review_age_months | int | months within which the last review lies | mois depuis la dernière révision, entamés compris
evidence.assessment.task_analysis | bool | task analysis, stated or by common examination | analyse des tâches, indiquée ou par examen commun
evidence.assessment.pass_standard | bool | pass standard, stated or by common examination | norme de réussite, indiquée ou par examen commun
evidence.assessment.assessor_qualified | bool | qualified assessor, stated or by common examination | évaluateur qualifié, indiqué ou par examen commun
evidence.assessment.identity_checked | bool | identity checked, stated or by common examination | identité vérifiée, indiquée ou par examen commun
evidence.assessment.records_kept | bool | records kept, stated or by common examination | dossiers conservés, indiqués ou par examen commun
evidence.assessment.appeal | bool | appeal, stated or by common examination | appel, indiqué ou par examen commun
evidence.assessment.accommodation | bool | accommodation, stated or by common examination | adaptation, indiquée ou par examen commun
evidence.relation_stated | bool | it is stated that it ladders, is open or stands alone | il est indiqué qu'elle mène plus loin, est ouverte ou est autonome
evidence.substantial_difference_stated | bool | a receiver states a substantial difference | un établissement d'accueil énonce une différence substantielle
evidence.not_recorded | bool | what the network's data do not record | ce que les données du réseau ne consignent pas
case.residency_share | double | share of the programme earned at the receiving institution, 0 to 1 | part du programme acquise à l'établissement d'accueil, de 0 à 1
case.plar_share | double | share of the programme by prior-learning assessment, 0 to 1 | part du programme par reconnaissance des acquis, de 0 à 1
case.years_since_completion | double | years since completion | années depuis la réussite
asked_on | timestamp | date of the question | date de la question
"""

_SPECIAL: Final[dict[str, Callable[[Facts, Scope], Reading]]] = {
    "achievement.frameworks": _frameworks,
    "evidence.review_age_months": _review_age,
    "asked_on": _asked_on,
}
_REFUSALS: Final[dict[str, Callable[[Facts, str], Reason]]] = {
    "achievement.quality.next_review": _review_lapsed,
    "evidence.review_age_months": _review_too_old,
    "achievement.assessment.performance": _knowledge_only,
}


def _reader(name: str, kind: str) -> Callable[[Facts, Scope], Reading]:
    if name in _SPECIAL:
        return _SPECIAL[name]
    if name in EVIDENCE:
        return _judged(EVIDENCE[name])
    return _given(name) if name.startswith("case.") else _of_achievement(name, kind)


def _parse(table: str) -> dict[str, Field]:
    fields: dict[str, Field] = {}
    for row in filter(None, table.splitlines()):
        name, kind, english, french = (cell.strip() for cell in row.split(" | "))
        says = {"en": english, "fr": french}
        fields[name] = Field(name, kind, says, _reader(name, kind), _REFUSALS.get(name))
    return fields


FIELDS: Final[dict[str, Field]] = _parse(_TABLE)
"""Every field by name."""
CASE_FIELDS: Final = tuple(name for name in FIELDS if name.startswith("case."))
"""Fields of one case, which the question gives."""


@dataclass(slots=True)
class Readings:
    """Readings of one question, each field read once."""

    facts: Facts
    scope: Scope
    _read: dict[str, Reading] = field(default_factory=dict)

    def of(self, name: str) -> Reading:
        """The reading of a field of :data:`FIELDS`."""
        found = self._read.get(name)
        if found is None:
            found = self._read[name] = FIELDS[name].read(self.facts, self.scope)
        return found
