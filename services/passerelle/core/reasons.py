"""Coded reasons: every answer says why in a code with parameters, and one table turns it into a sentence.

Codes are stable and kebab-case; parameters are short texts (ids, dates, exact quantities), never about a person.
"""

from __future__ import annotations

from dataclasses import dataclass
from string import Formatter
from typing import Final

# Each row: code | English sentence | French sentence. Rows are long on purpose: one code is one line.
# ruff: noqa: E501
_TABLE: Final = """
# Sending expressions
not-held | {achievement} is not among what is held. | {achievement} ne figure pas parmi les acquis.
version-outside | Version {version} of {achievement} is outside the versions that count ({first} to {last}). | La version {version} de {achievement} est hors des versions admises ({first} à {last}).
outside-validity | {achievement} was completed on {completed_on}, outside the dates of the rule ({valid_from} to {valid_to}). | {achievement} a été réussi le {completed_on}, hors des dates de la règle ({valid_from} à {valid_to}).
grade-too-low | The grade {held} ({held_scheme}) is below the minimum {minimum} ({scheme}). | La note {held} ({held_scheme}) est inférieure au minimum {minimum} ({scheme}).
grade-missing | No grade is given; the minimum is {minimum} ({scheme}). | Aucune note n'est fournie; le minimum est {minimum} ({scheme}).
grade-cannot-compare | The grade {held} ({held_scheme}) cannot be compared with the minimum {minimum} ({scheme}): no stated table joins them. | La note {held} ({held_scheme}) ne peut être comparée au minimum {minimum} ({scheme}) : aucune table publiée ne les relie.
too-old | Completed on {completed_on}; it must have been completed on or after {earliest} (within {years} years). | Réussi le {completed_on}; la réussite doit dater du {earliest} ou après ({years} ans au plus).
basis-not-allowed | Earned by {basis}; the rule accepts only: {allowed}. | Obtenu par {basis}; la règle n'accepte que : {allowed}.
level-too-low | The level {held} ({held_framework}) is below the minimum {minimum} ({framework}). | Le niveau {held} ({held_framework}) est inférieur au minimum {minimum} ({framework}).
level-missing | No level is given; the minimum is {minimum} ({framework}). | Aucun niveau n'est fourni; le minimum est {minimum} ({framework}).
level-cannot-compare | The level {held} ({held_framework}) cannot be compared with the minimum {minimum} ({framework}). | Le niveau {held} ({held_framework}) ne peut être comparé au minimum {minimum} ({framework}).
version-inside | Version {version} of {achievement} is one of those that count ({first} to {last}). | La version {version} de {achievement} est l'une des versions admises ({first} à {last}).
inside-validity | {achievement} was completed on {completed_on}, inside the dates of the rule ({valid_from} to {valid_to}). | {achievement} a été réussi le {completed_on}, dans les dates de la règle ({valid_from} à {valid_to}).
recent-enough | Completed on {completed_on}, on or after {earliest} (within {years} years). | Réussi le {completed_on}, soit le {earliest} ou après ({years} ans au plus).
basis-allowed | Earned by {basis}, one of: {allowed}. | Obtenu par {basis}, l'un de : {allowed}.
grade-reached | The grade {held} ({held_scheme}) reaches the minimum {minimum} ({scheme}). | La note {held} ({held_scheme}) atteint le minimum {minimum} ({scheme}).
level-reached | The level {held} ({held_framework}) reaches the minimum {minimum} ({framework}). | Le niveau {held} ({held_framework}) atteint le minimum {minimum} ({framework}).
credits-short | {missing} more {system} are needed to reach {needed}. | Il manque {missing} {system} pour atteindre {needed}.
credits-cannot-compare | Credits of {held} ({held_system}) cannot be counted in {system}: no stated conversion. | Les crédits de {held} ({held_system}) ne peuvent être comptés en {system} : aucune conversion publiée.
credits-missing | No credit value is given for {held}. | Aucune valeur en crédits n'est fournie pour {held}.
used-elsewhere | What is held of {achievement} already counts for another part of the rule. | Ce qui est détenu de {achievement} compte déjà pour une autre partie de la règle.
too-many-combinations | The rule allows more combinations than are tried here; a person must decide. | La règle permet plus de combinaisons qu'il n'en est essayé ici; une personne doit trancher.
# Look-ups and transcripts
agreement | {rule} of {receiver} grants it. | {rule} de {receiver} l'accorde.
needs-others | The rule also asks for: {achievements}. | La règle exige aussi : {achievements}.
no-credit-level | Evaluated, no credit: the level differs. | Évalué, aucun crédit : le niveau diffère.
no-credit-content | Evaluated, no credit: the content differs. | Évalué, aucun crédit : le contenu diffère.
no-credit-hours | Evaluated, no credit: too few hours. | Évalué, aucun crédit : nombre d'heures insuffisant.
no-credit-assessment | Evaluated, no credit: the assessment does not suffice. | Évalué, aucun crédit : l'évaluation ne suffit pas.
no-credit-duplicate | Evaluated, no credit: it repeats credit already given. | Évalué, aucun crédit : il répète des crédits déjà accordés.
no-credit-upper-year | Evaluated, no credit: upper-year credit is earned at the receiving institution. | Évalué, aucun crédit : les crédits de niveau supérieur s'obtiennent à l'établissement d'accueil.
no-credit-not-recognised | Evaluated, no credit: the award or its provider is not recognised. | Évalué, aucun crédit : le titre ou son fournisseur n'est pas reconnu.
no-credit-other | Evaluated, no credit; see the note of {rule}. | Évalué, aucun crédit; voir la note de {rule}.
case-by-case | {receiver} decides case by case. | {receiver} décide au cas par cas.
rule-not-in-dates | {rule} holds for completions from {valid_from} to {valid_to}, not on {valid_on}. | {rule} vaut pour les réussites du {valid_from} au {valid_to}, non le {valid_on}.
rule-superseded | {rule} is superseded by {by}. | {rule} est remplacée par {by}.
under-evaluation | {request} has been under evaluation since {since}. | {request} est à l'étude depuis le {since}.
never-evaluated | No receiving institution named has evaluated {achievement}. | Aucun établissement d'accueil visé n'a évalué {achievement}.
use-condition | To use the credit as {use}, the minimum grade is {minimum} ({scheme}): {outcome}. | Pour utiliser les crédits à titre de {use}, la note minimale est {minimum} ({scheme}) : {outcome}.
excluded-with | No credit together with {achievement}, which is also held. | Aucun crédit avec {achievement}, qui est aussi détenu.
used-by-other-line | {rule} counts {achievement} once; another line is used. | {rule} ne compte {achievement} qu'une fois; une autre ligne sert.
gives-way | {rule} would also match, but {others} already count what it needs; each line and each receiving course counts once. | {rule} conviendrait aussi, mais {others} comptent déjà ce qu'il lui faut; chaque ligne et chaque cours d'accueil ne compte qu'une fois.
more-may-be-possible | Not every combination was tried: more credit may be possible. | Toutes les combinaisons n'ont pas été essayées : plus de crédits sont peut-être possibles.
not-more-than | No combination gives more than {most} {system}. | Aucune combinaison ne donne plus de {most} {system}.
subject-to-admission | Credit is subject to admission. | Les crédits sont accordés sous réserve de l'admission.
# Portability and policy packs
not-stated | The achievement does not state {field}. | La réalisation n'indique pas {field}.
stated-no | The achievement states that {field} is not so. | La réalisation indique que {field} n'est pas assuré.
framework-alignment-missing | No alignment to a competency framework is stated. | Aucun rattachement à un référentiel de compétences n'est indiqué.
framework-unknown | The framework {framework} is not published on the network. | Le référentiel {framework} n'est pas publié sur le réseau.
framework-not-recognised | The framework {framework} is not stated to be recognised by employers or a profession. | Le référentiel {framework} n'est pas déclaré reconnu par des employeurs ou une profession.
framework-not-competency | The framework {framework} is not a competency framework. | Le référentiel {framework} n'est pas un référentiel de compétences.
endorsement-missing | No employer, nor a body that speaks for employers, endorses it for {jurisdictions}. | Aucun employeur, ni organisme qui parle en leur nom, ne l'appuie pour {jurisdictions}.
endorsement-kind-missing | No endorsement of the kind {kind} is in force. | Aucun appui du type {kind} n'est en vigueur.
endorsement-lapsed | The endorsement of {member} lapsed on {valid_until}. | L'appui de {member} a pris fin le {valid_until}.
endorsement-version | The endorsement of {member} is for version {version}. | L'appui de {member} vise la version {version}.
endorsement-capacity | {member} ({kind}) cannot speak as {capacity}. | {member} ({kind}) ne peut parler à titre de {capacity}.
demand-missing | No statement of demand is in force. | Aucune déclaration de besoin n'est en vigueur.
review-lapsed | The review due on {due} is overdue. | La révision prévue le {due} est en retard.
review-too-old | The last review, {last}, is more than {months} months ago. | La dernière révision, {last}, date de plus de {months} mois.
value-below | {field} is {value}, below {limit}. | {field} vaut {value}, moins que {limit}.
value-above | {field} is {value}; the limit is {limit}. | {field} vaut {value}; la limite est {limit}.
value-differs | {field} is {value}; {limit} is asked. | {field} vaut {value}; {limit} est demandé.
rule-not-met | What is stated does not meet: {rule}. | Ce qui est indiqué ne satisfait pas : {rule}.
rule-undecided | The rule has no answer on what is stated: {rule}. | La règle reste sans réponse d'après ce qui est indiqué : {rule}.
not-given | The question does not give {field}. | La question ne donne pas {field}.
no-difference-stated | Nobody has stated a substantial difference. | Personne n'a énoncé de différence substantielle.
difference-stated | {member} states a substantial difference: {kind} ({rule}). | {member} énonce une différence substantielle : {kind} ({rule}).
pack-built-in | {pack} is the service's own copy: the operator has published none that is in force. | {pack} est la copie du service : l'opérateur n'en a publié aucune qui soit en vigueur.
pack-sample | The values of {pack} are samples: nobody has adopted them. | Les valeurs de {pack} sont des exemples : personne ne les a adoptées.
pack-unusable | {pack} as published in entry {index} cannot be used ({where}); the last good version stays. | {pack}, publié à l'inscription {index}, est inutilisable ({where}); la dernière bonne version demeure.
level-reference-unknown | Nobody has published which level stands beside {framework} {level}: unknown, not unequal. | Personne n'a publié quel niveau correspond à {framework} {level} : inconnu, non inégal.
not-testable | What the clause asks is not stated in the network's data. | Ce que la clause demande ne figure pas dans les données du réseau.
law-red-seal | Accepted by law in every province and territory: Red Seal (Canadian Free Trade Agreement, chapter 7). | Accepté de droit dans toutes les provinces et tous les territoires : Sceau rouge (Accord de libre-échange canadien, chapitre 7).
law-claim-unsupported | Red Seal is claimed, but no apprenticeship authority awards it. | Le Sceau rouge est invoqué, mais aucune autorité d'apprentissage ne décerne le titre.
through-common-examination | Met through a validated common examination. | Satisfait par un examen commun validé.
stands-alone | It stands alone by design. | Elle est autonome par conception.
"""


@dataclass(frozen=True, slots=True)
class Reason:
    """A code of :data:`REASONS` with its parameters, all text, in order of name; made by :func:`reason`."""

    code: str
    args: tuple[tuple[str, str], ...] = ()

    @property
    def params(self) -> dict[str, str]:
        """The parameters by name."""
        return dict(self.args)

    def text(self, language: str) -> str:
        """The sentence in French for ``fr`` and its regional tags, otherwise in English."""
        sentences = REASONS[self.code]
        return sentences["fr" if language.partition("-")[0] == "fr" else "en"].format_map(self.params)

    def as_data(self) -> dict[str, object]:
        """``{"code", "params"}`` as JSON values."""
        return {"code": self.code, "params": self.params}


def reason(code: str, **params: object) -> Reason:
    """Make a reason; a parameter that the table does not know, or one that is absent, is a defect of the caller."""
    if _PARAMETERS[code] != params.keys():
        raise ValueError(f"reason {code} takes the parameters {sorted(_PARAMETERS[code])}, not {sorted(params)}")
    return Reason(code, tuple((name, str(params[name])) for name in sorted(params)))


def parameters(sentence: str) -> frozenset[str]:
    """The parameters that a sentence of the table uses."""
    return frozenset(name for _, name, _, _ in Formatter().parse(sentence) if name)


def _parse(table: str) -> dict[str, dict[str, str]]:
    reasons: dict[str, dict[str, str]] = {}
    for row in table.splitlines():
        if not row or row.startswith("#"):
            continue
        code, english, french = (cell.strip() for cell in row.split(" | "))
        if code in reasons:
            raise ValueError(f"reason listed twice: {code}")
        reasons[code] = {"en": english, "fr": french}
    return reasons


REASONS: Final[dict[str, dict[str, str]]] = _parse(_TABLE)
"""Sentences in English and French by code, with ``{parameter}`` in the form of :meth:`str.format`."""

_PARAMETERS: Final = {code: parameters(sentences["en"]) for code, sentences in REASONS.items()}
