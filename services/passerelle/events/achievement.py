"""Public events about achievements: what can be earned, who endorses it, who asks for it (1EdTech: Achievement)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from passerelle.events.base import (
    AchievementId,
    Code,
    Date,
    FrameworkId,
    Jurisdiction,
    Language,
    LongText,
    MemberId,
    MinimumAggregate,
    Model,
    Noc,
    PartyUrn,
    Quantity,
    ShortText,
    Translations,
    Version,
)
from passerelle.events.values import (
    MAX_ITEMS,
    Alignment,
    AssessmentMethod,
    CreditValue,
    LevelRef,
    Outline,
    SendingExpression,
)

AchievementKind = Literal[
    "micro-credential",
    "course",
    "module",
    "certificate",
    "diploma",
    "degree",
    "programme",
    "dec",
    "aec",
    "trade-certificate",
    "apprenticeship-level",
    "assessment-only",
    "work-based-training",
]
DeliveryMode = Literal["in-person", "online-synchronous", "online-asynchronous", "hybrid", "workplace"]


class Laddering(Model):
    """How the achievement leads on: designed into something, open, or stand-alone."""

    design: Literal["designed", "open", "stand-alone"]
    into: Annotated[tuple[AchievementId, ...], Field(max_length=MAX_ITEMS)] = ()
    level: LevelRef | None = None


class Delivery(Model):
    """How, when and in which language it is offered; effort in hours, elapsed time in weeks."""

    modes: Annotated[tuple[DeliveryMode, ...], Field(min_length=1, max_length=5)]
    intake: Literal["on-demand", "weekly", "dates"] | None = None
    effort_hours: Quantity | None = None
    elapsed_weeks: Quantity | None = None
    languages: Annotated[tuple[Language, ...], Field(max_length=8)] = ()


class Cost(Model):
    """Cost in Canadian dollars, mandatory fees apart."""

    amount_cad: Quantity
    mandatory_fees_cad: Quantity | None = None
    student_aid_eligible: bool | None = None


class Assessment(Model):
    """How it is assessed. An absent value is unknown, never no: criterion (c) of portability reads these."""

    methods: Annotated[tuple[AssessmentMethod, ...], Field(max_length=8)] = ()
    setting: Literal["workplace", "simulated", "classroom", "online"] | None = None
    performance: Literal["direct", "knowledge-only"] | None = None
    task_analysis: bool | None = None
    pass_standard: ShortText | None = None
    attempts: Annotated[int, Field(ge=1, le=99)] | None = None
    pre_test: bool | None = None
    post_test: bool | None = None
    assessor: Literal["instructor", "employer", "independent"] | None = None
    assessor_qualified: bool | None = None
    identity_checked: bool | None = None
    records_kept: bool | None = None
    appeal: bool | None = None
    accommodation: bool | None = None
    evidence_visible_to_employers: bool | None = None
    validated_common_examination: bool | None = None
    """A common, psychometrically validated examination, as the Red Seal's interprovincial one."""


class Quality(Model):
    """Who approved it, and when it was and will be reviewed."""

    approval_body: ShortText | None = None
    last_review: Date | None = None
    next_review: Date | None = None


class AchievementData(Model):
    """One version of an achievement; the official title stays in the language of award."""

    version: Version
    kind: AchievementKind
    code: Code | None = None
    title: ShortText
    language: Language
    translations: Translations = Field(default={}, max_length=8)
    description: LongText | None = None
    awarding_bodies: Annotated[tuple[PartyUrn, ...], Field(min_length=1, max_length=MAX_ITEMS)]
    award: Literal["single", "joint", "dual", "collaborative"] = "single"
    partners: Annotated[tuple[PartyUrn, ...], Field(max_length=MAX_ITEMS)] = ()
    components: SendingExpression | None = None
    credit_bearing: bool
    credits: Annotated[tuple[CreditValue, ...], Field(max_length=4)] = ()
    level: LevelRef | None = None
    laddering: Laddering | None = None
    alignments: Annotated[tuple[Alignment, ...], Field(max_length=MAX_ITEMS)] = ()
    occupations: Annotated[tuple[Noc, ...], Field(max_length=16)] = ()
    """NOC 2021 unit groups, an indication only."""
    outcomes: Annotated[tuple[ShortText, ...], Field(max_length=MAX_ITEMS)] = ()
    outline: Outline | None = None
    assessment: Assessment | None = None
    delivery: Delivery | None = None
    cost: Cost | None = None
    quality: Quality | None = None
    transcriptable: bool | None = None
    validity_months: Annotated[int, Field(ge=1, le=600)] | None = None
    renewal: ShortText | None = None
    legal_basis: Literal["red-seal"] | None = None
    """A ground in law for recognition everywhere: Red Seal under the CFTA, chapter 7."""
    sample: bool = False
    """Marks sample data, so that nobody takes an invented detail for a fact."""


class RetiredData(Model):
    """The achievement is no longer offered; awards made stay valid."""

    effective_on: Date
    reason: ShortText | None = None
    replaced_by: AchievementId | None = None


class EndorsedData(Model):
    """An endorsement by kind; it names the jurisdictions that the endorsing body speaks for."""

    version: Version
    kinds: Annotated[
        tuple[
            Literal[
                "co-designed",
                "advisory",
                "demand-confirmed",
                "assessment-reflects-job",
                "sufficient-for-employment",
            ],
            ...,
        ],
        Field(min_length=1, max_length=5),
    ]
    capacity: Literal["employer", "body-for-employers", "regulator", "quality-agency", "other"]
    jurisdictions: Annotated[tuple[Jurisdiction, ...], Field(min_length=1, max_length=14)]
    statement: LongText | None = None
    valid_until: Date | None = None


class DemandData(Model):
    """Demand for a skill or an occupation in a region, with its source and date."""

    achievement: AchievementId | None = None
    occupation: Noc | None = None
    skill: ShortText | None = None
    region: Jurisdiction
    size: Annotated[int, Field(ge=MinimumAggregate, le=10_000_000)]
    source: ShortText
    stated_on: Date
    valid_until: Date | None = None


class OutcomesReportedData(Model):
    """Aggregate outcomes of a cohort; counts below ten are not published."""

    version: Version
    period_from: Date
    period_to: Date
    completed: Annotated[int, Field(ge=MinimumAggregate, le=10_000_000)]
    employed: Annotated[int, Field(ge=MinimumAggregate, le=10_000_000)] | None = None
    laddered: Annotated[int, Field(ge=MinimumAggregate, le=10_000_000)] | None = None


class FrameworkTerm(Model):
    """One entry of a published framework."""

    code: Code
    title: ShortText
    level: Code | None = None
    broader: Code | None = None


class LevelReference(Model):
    """A level of this framework beside one of another, with the source that says so.

    ``confidence``: ``official``, both frameworks' bodies published it together; ``published``, one of them did;
    ``indicative``, a reading of both descriptors. A level without a reference is unknown, not unequal.
    """

    level: Code
    framework: FrameworkId
    to_level: Code
    source: ShortText
    confidence: Literal["official", "published", "indicative"]


class FrameworkData(Model):
    """A competency, occupation or qualifications framework as a versioned record."""

    framework: FrameworkId
    version: Version
    title: ShortText
    language: Language
    translations: Translations = Field(default={}, max_length=8)
    kind: Literal["competency", "occupation", "qualifications"]
    owner: ShortText
    recognised: bool
    """Stated by the publishing member: a framework that employers or a profession recognise."""
    url: str | None = Field(default=None, pattern=r"^https://[\x21-\x7e]{3,500}$")
    terms: Annotated[tuple[FrameworkTerm, ...], Field(max_length=500)] = ()
    references: Annotated[tuple[LevelReference, ...], Field(max_length=200)] = ()
    """Of a qualifications framework: its levels beside those of others."""
    source: ShortText | None = None
    """Where the terms were taken from, and of which date."""
    sample: bool = False
    """Marks sample terms, so that nobody takes an invented detail for a fact."""


class OrganisationData(Model):
    """A listed organisation: not a member, signs nothing, described by the member that answers for it."""

    names: dict[Language, ShortText] = Field(min_length=1, max_length=8)
    jurisdictions: Annotated[tuple[Jurisdiction, ...], Field(min_length=1, max_length=14)]
    kind: Literal["university", "college", "company", "association", "government", "other"]
    answered_for_by: MemberId
    url: str | None = Field(default=None, pattern=r"^https://[\x21-\x7e]{3,500}$")
