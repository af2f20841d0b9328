"""Value objects that several event families share: credits, levels, sending expressions, outcomes.

Terms follow the ARUCC/PCCAT Transcript and Transfer Guide (assigned, unassigned, block credit, PLAR).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from passerelle.core.sending import MAX_DEPTH, MAX_NODES
from passerelle.events.base import (
    AchievementId,
    Code,
    Date,
    FrameworkId,
    Language,
    LongText,
    MemberId,
    Model,
    Quantity,
    SchemeId,
    Sha256,
    ShortText,
    Url,
    Version,
)

CreditSystem = Literal[
    "credit-hours",
    "units",
    "course-weights",
    "quebec-university-credits",
    "cegep-units",
    "apprenticeship-level",
    "contact-hours",
    "ceu",
    "ects",
]
Basis = Literal["completed", "challenge", "plar", "transfer"]
"""How an award was earned. Rules test the basis, never the delivery."""

MAX_ITEMS = 64


class CreditValue(Model):
    """An amount of credit in its own system; ``apprenticeship-level`` counts levels, ``ceu`` ten contact hours."""

    value: Quantity
    system: CreditSystem


class LevelRef(Model):
    """A level of a qualifications framework, for example ``{"framework": "eqf", "level": "5"}``."""

    framework: FrameworkId
    level: Code


class Grade(Model):
    """A grade in a named scheme."""

    scheme: SchemeId
    grade: Code


class VersionRange(Model):
    """Versions of an achievement, both ends included; an absent end is open."""

    first: Version = 1
    last: Version | None = None


class Leaf(Model):
    """An achievement that must be held, with the conditions on how it was earned."""

    achievement: AchievementId
    versions: VersionRange | None = None
    minimum_grade: Grade | None = None
    minimum_level: LevelRef | None = None
    within_years: Annotated[int, Field(ge=1, le=50)] | None = None
    """Stale-dating: completed at most this many years before the date asked about."""
    basis: Annotated[tuple[Basis, ...], Field(min_length=1, max_length=4)] | None = None
    """Bases allowed; absent: all."""


Expressions = Annotated[tuple["Expression", ...], Field(min_length=1, max_length=MAX_ITEMS)]


class AllOf(Model):
    """A cluster: every part must be met."""

    all_of: Expressions


class AnyOf(Model):
    """Any one part suffices."""

    any_of: Expressions


class Choose(Model):
    """The body of ``n_of``."""

    n: Annotated[int, Field(ge=1, le=MAX_ITEMS)]
    of: Expressions

    @model_validator(mode="after")
    def _reachable(self) -> Choose:
        if self.n > len(self.of):
            raise ValueError("n is larger than the number of parts")
        return self


class NOf(Model):
    """At least n of the parts."""

    n_of: Choose


class CreditPool(Model):
    """The body of ``credits_from``: the credits of the parts met must reach ``credits``."""

    credits: CreditValue
    of: Expressions


class CreditsFrom(Model):
    """Parts that together carry a stated amount of credit."""

    credits_from: CreditPool


_JOINS = ("all_of", "any_of", "n_of", "credits_from")


def _expression_form(value: object) -> str:
    """The form that a value means to have, so that an error is about that form and not about all five."""
    names = value if isinstance(value, dict) else type(value).model_fields if isinstance(value, Model) else ()
    return next((name for name in _JOINS if name in names), "leaf")


Expression = Annotated[
    Annotated[Leaf, Tag("leaf")]
    | Annotated[AllOf, Tag("all_of")]
    | Annotated[AnyOf, Tag("any_of")]
    | Annotated[NOf, Tag("n_of")]
    | Annotated[CreditsFrom, Tag("credits_from")],
    Discriminator(_expression_form),
]
"""What is sent: leaves joined by ``all_of``, ``any_of``, ``n_of`` and ``credits_from``."""


def _bounded(expression: Any) -> Any:
    """Refuse what no evaluator would read: the log holds no rule that cannot be applied."""
    level, nodes, depth = [expression], 0, 0
    while level:
        depth, nodes = depth + 1, nodes + len(level)
        if depth > MAX_DEPTH or nodes > MAX_NODES:
            raise ValueError(f"the expression nests deeper than {MAX_DEPTH} or has more than {MAX_NODES} parts")
        level = [part for item in level for part in _parts(item)]
    return expression


def _parts(expression: Any) -> Sequence[Any]:
    match expression:
        case AllOf(all_of=parts) | AnyOf(any_of=parts):
            return parts
        case NOf(n_of=body) | CreditsFrom(credits_from=body):
            return body.of
    return ()


SendingExpression = Annotated[Expression, AfterValidator(_bounded)]
"""A whole sending expression, within the bounds of :mod:`passerelle.core.sending`."""

NoCreditReason = Literal[
    "level", "content", "hours", "assessment", "duplicate", "upper-year", "not-recognised", "other"
]


class _OutcomeTerms(Model):
    attributes: Annotated[tuple[Code, ...], Field(max_length=16)] = ()
    """What the credit satisfies: ``breadth``, ``writing``, ``quantitative`` and the like."""
    conditions: Annotated[tuple[OutcomeCondition, ...], Field(max_length=8)] = ()
    applicability: Literal["any", "major", "elective"] = "any"
    exclusions: Annotated[tuple[AchievementId, ...], Field(max_length=MAX_ITEMS)] = ()
    """No credit together with these."""


class OutcomeCondition(Model):
    """A minimum grade for using the credit in one way."""

    use: Literal["credit", "prerequisite", "programme"]
    minimum_grade: Grade


class Assigned(_OutcomeTerms):
    """Assigned credit: an equivalent course of the receiver."""

    type: Literal["assigned"]
    achievement: AchievementId
    credits: CreditValue


class Unassigned(_OutcomeTerms):
    """Unassigned credit (Alberta: unspecified): subject and level without a course."""

    type: Literal["unassigned"]
    subject: Code
    level: Code | None = None
    credits: CreditValue


class Block(_OutcomeTerms):
    """Block credit towards a programme, in credits or as a year of entry."""

    type: Literal["block"]
    programme: AchievementId
    credits: CreditValue | None = None
    entry_year: Annotated[int, Field(ge=1, le=8)] | None = None

    @model_validator(mode="after")
    def _one(self) -> Block:
        if (self.credits is None) == (self.entry_year is None):
            raise ValueError("a block states either credits or entry_year")
        return self


class Exemption(_OutcomeTerms):
    """Exemption from a course without credit."""

    type: Literal["exemption"]
    achievement: AchievementId


class Admission(_OutcomeTerms):
    """A basis of admission to a programme."""

    type: Literal["admission"]
    programme: AchievementId
    note: ShortText | None = None


class Standing(_OutcomeTerms):
    """Professional standing or acceptance for employment."""

    type: Literal["standing"]
    profession: ShortText
    note: ShortText | None = None


class NoCredit(Model):
    """Evaluated, and no credit is given."""

    type: Literal["no-credit"]
    reason: NoCreditReason
    note: ShortText | None = None

    @model_validator(mode="after")
    def _noted(self) -> NoCredit:
        if self.reason == "other" and not self.note:
            raise ValueError("the reason 'other' needs a note")
        return self


class Choice(Model):
    """One of these outcomes, at the learner's or the programme's choice."""

    type: Literal["choice"]
    of: Annotated[tuple[Outcome, ...], Field(min_length=2, max_length=8)]


class Sum(Model):
    """All of these outcomes together."""

    type: Literal["sum"]
    of: Annotated[tuple[Outcome, ...], Field(min_length=2, max_length=8)]


Outcome = Annotated[
    Assigned | Unassigned | Block | Exemption | Admission | Standing | NoCredit | Choice | Sum,
    Field(discriminator="type"),
]


class Document(Model):
    """A document that goes node to node, sealed: the network holds hash, type and size (bytes) only."""

    sha256: Sha256
    media_type: Annotated[str, Field(pattern=r"^[a-z]+/[a-z0-9.+-]{1,80}$")]
    size: Annotated[int, Field(ge=0, le=1_000_000_000)]
    role: Literal["transcript", "outline", "portfolio", "rubric", "evidence", "letter", "other"] = "other"


class Outline(Model):
    """The course outline of the version taken: address and SHA-256 of the document."""

    url: Url
    sha256: Sha256


class Alignment(Model):
    """A tag to a framework: what the achievement develops or certifies."""

    kind: Literal["skill", "competency", "knowledge"]
    framework: FrameworkId
    code: Code
    name: ShortText | None = None
    level: Code | None = None
    strength: Literal["exact", "close", "broad", "narrow", "related"] | None = None
    """How near the tag is, in the words of SKOS mapping relations (SKOS Reference, section 10)."""


class AssessmentRecord(Model):
    """How one learner was assessed (PLAR, challenge, work-based): evidence by hash, never the person."""

    methods: Annotated[tuple[AssessmentMethod, ...], Field(min_length=1, max_length=8)]
    evidence: Annotated[tuple[Document, ...], Field(max_length=32)] = ()
    assessor: Literal["instructor", "employer", "independent"]
    provider: ShortText | None = None
    """The organisation that assessed, for example an assessment platform; never a person's name."""
    rubric: Outline | None = None
    identity_checked: bool | None = None
    assessed_on: Date


AssessmentMethod = Literal[
    "exam",
    "quiz",
    "employer-assessment",
    "simulation",
    "case",
    "reflection",
    "video",
    "demonstration",
    "virtual-lab",
    "written",
    "portfolio",
    "project",
    "interview",
    "challenge-exam",
]


class Supersession(Model):
    """How a new rule stands to an older one."""

    recognition: AchievementId
    mode: Literal["replaces-all", "replaces-from", "in-addition"]
    from_date: Date | None = None


class LocalText(Model):
    """A text in one language."""

    language: Language
    text: LongText


class Actor(Model):
    """A member acting for another under the other's published delegation."""

    member: MemberId
    delegation: AchievementId


for _model in (AllOf, AnyOf, Choose, NOf, CreditPool, CreditsFrom, _OutcomeTerms, Choice, Sum, AssessmentRecord):
    _model.model_rebuild()
