"""Reference events: grading scales, policy packs and delegations (frameworks and organisations: achievement.py)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from passerelle.events.base import (
    Code,
    Date,
    Jurisdiction,
    Language,
    LongText,
    MemberId,
    Model,
    Quantity,
    SchemeId,
    Sha256,
    ShortText,
    Version,
)


class ScaleStep(Model):
    """One grade of a scheme, from best to worst, with the lowest percentage it stands for if there is one."""

    grade: Code
    rank: Annotated[int, Field(ge=0, le=1000)]
    """Higher is better; equal ranks are equal grades."""
    percentage_from: Quantity | None = None
    passes: bool


class ConvertedGrade(Model):
    """A grade of another scheme, and the grade of this scale that it equals."""

    grade: Code
    """From a percentage scale: the lowest percentage that the row is for."""
    equals: Code


class ScaleConversion(Model):
    """A stated table from another scheme into this scale: nothing is ever computed in its place."""

    from_scheme: SchemeId
    grades: Annotated[tuple[ConvertedGrade, ...], Field(min_length=1, max_length=120)]
    source: ShortText | None = None


class ScaleData(Model):
    """A grading scheme of an institution, level and period."""

    scheme: SchemeId
    version: Version
    title: ShortText
    language: Language
    valid_from: Date
    valid_to: Date | None = None
    steps: Annotated[tuple[ScaleStep, ...], Field(min_length=1, max_length=120)]
    conversions: Annotated[tuple[ScaleConversion, ...], Field(max_length=16)] = ()
    """What grades of other schemes are in this one, as its owner states it."""


FieldName = Annotated[str, StringConstraints(pattern=r"^[a-z_]+(\.[a-z_]+)*$", max_length=80)]
"""A field that rules read, for example ``achievement.delivery.effort_hours``."""
FieldType = Literal["bool", "int", "double", "string", "timestamp", "list(string)"]


class PolicyClause(Model):
    """One clause of a pack: a rule, must or should, with messages for people.

    ``test`` says what the rule is written in: ``cel``, the Common Expression Language over the pack's fields.
    """

    id: Code
    test: Code
    rule: Annotated[str, Field(min_length=1, max_length=1000)] | None = None
    force: Literal["must", "should"]
    message: dict[Language, LongText] = Field(min_length=1, max_length=8)


class PolicyData(Model):
    """A policy pack: versioned and effective-dated clauses."""

    policy: Code
    version: Version
    title: dict[Language, ShortText] = Field(min_length=1, max_length=8)
    source: ShortText
    effective_from: Date
    effective_to: Date | None = None
    fields: dict[FieldName, FieldType] = Field(default={}, max_length=64)
    """What the rules read: fields of the engine with their types."""
    jurisdictions: Annotated[tuple[Jurisdiction, ...], Field(max_length=14)] = ()
    """Where the pack is the rule of the place; none: it is no place's."""
    sample: bool = False
    """Marks sample values, so that nobody takes them for a rule in force."""
    clauses: Annotated[tuple[PolicyClause, ...], Field(min_length=1, max_length=100)]
    pack_sha256: Sha256 | None = None


class DelegationData(Model):
    """A receiver lets an agency answer articulation requests for it."""

    delegate: MemberId
    subjects: Annotated[tuple[Code, ...], Field(max_length=64)] = ()
    valid_from: Date
    valid_to: Date | None = None
