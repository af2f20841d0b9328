"""Reference events: grading scales, policy packs and delegations (frameworks and organisations: achievement.py)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from passerelle.events.base import (
    Code,
    Date,
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


class ScaleData(Model):
    """A grading scheme of an institution, level and period."""

    scheme: SchemeId
    version: Version
    title: ShortText
    language: Language
    valid_from: Date
    valid_to: Date | None = None
    steps: Annotated[tuple[ScaleStep, ...], Field(min_length=1, max_length=120)]


class PolicyClause(Model):
    """One clause of a pack: a named test of the engine, must or should, with messages for people."""

    id: Code
    test: Code
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
    clauses: Annotated[tuple[PolicyClause, ...], Field(min_length=1, max_length=100)]
    pack_sha256: Sha256 | None = None


class DelegationData(Model):
    """A receiver lets an agency answer articulation requests for it."""

    delegate: MemberId
    subjects: Annotated[tuple[Code, ...], Field(max_length=64)] = ()
    valid_from: Date
    valid_to: Date | None = None
