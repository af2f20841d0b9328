"""Recognition: that a sending expression counts for a receiving outcome, as a rule or for one learner."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from passerelle.events.base import (
    AchievementId,
    CredentialId,
    Date,
    Jurisdiction,
    LongText,
    MemberId,
    Model,
    RecognitionId,
    ShortText,
    Uuid,
    Version,
)
from passerelle.events.values import (
    MAX_ITEMS,
    AssessmentRecord,
    NoCreditReason,
    Outcome,
    Outline,
    SendingExpression,
    Supersession,
)

RecognitionKind = Literal[
    "equivalency",
    "articulation-agreement",
    "block-transfer",
    "laddering",
    "work-based",
    "professional",
]


class RequestedData(Model):
    """An articulation request: please evaluate this course or programme."""

    achievement: AchievementId
    achievement_version: Version | None = None
    receiver: MemberId
    towards: AchievementId | None = None
    outline: Outline | None = None
    due_on: Date | None = None
    note: ShortText | None = None
    replaces: AchievementId | None = None
    """The sender's course that this one replaces: its rules are carried over only by the receiver's answer."""


class ReturnedData(Model):
    """Sent back for information."""

    needed: Annotated[tuple[ShortText, ...], Field(min_length=1, max_length=16)]
    delegation: AchievementId | None = None
    """Where an agency signs: the evaluator's published delegation."""


class ResubmittedData(Model):
    """The information asked for."""

    outline: Outline | None = None
    note: ShortText | None = None


class ForwardedData(Model):
    """The request stays open with another evaluator."""

    evaluator: MemberId
    note: ShortText | None = None
    delegation: AchievementId | None = None
    """Where an agency signs: the present evaluator's published delegation."""


class DeclinedData(Model):
    """No general rule: case by case."""

    note: ShortText | None = None
    delegation: AchievementId | None = None
    """Where an agency signs: the evaluator's published delegation."""


class _Rule(Model):
    receiver: MemberId
    delegation: AchievementId | None = None
    """Where an agency signs: the receiver's published delegation."""
    sending: SendingExpression
    valid_from: Date
    """A course counts when completed on or after this date."""
    valid_to: Date | None = None
    """Last completion date that counts; open when absent."""
    note: LongText | None = None
    source: ShortText | None = None
    """Where the rule is published, as the office would cite it."""
    sample: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> _Rule:
        if self.valid_to is not None and self.valid_to < self.valid_from:
            raise ValueError("valid_to is before valid_from")
        return self


class GrantedData(_Rule):
    """A published rule: the sending expression counts for the outcome."""

    version: Version = 1
    kind: RecognitionKind
    outcome: Outcome
    jurisdictions: Annotated[tuple[Jurisdiction, ...], Field(max_length=14)] = ()
    """Professional and employers' recognition: where it holds. Institutions: their own jurisdiction."""
    supersedes: Supersession | None = None
    request: RecognitionId | None = None
    """The articulation request that this answers."""


class RevisedData(GrantedData):
    """The whole rule again, with the next version."""


class ConfirmedData(Model):
    """Reviewed, no change."""

    reviewed_on: Date
    next_review: Date | None = None
    request: RecognitionId | None = None


class EndedData(Model):
    """The rule no longer holds for completions after ``effective_on``; the record stays."""

    effective_on: Date
    reason: ShortText | None = None


class DeniedData(_Rule):
    """Evaluated: no credit, with a coded reason."""

    reason: NoCreditReason
    request: RecognitionId | None = None


class AssessedData(Model):
    """The outcome of one learner's assessment (PLAR; in Quebec RAC), which another province can accept."""

    receiver: MemberId
    achievement: AchievementId | None = None
    credential: CredentialId | None = None
    assessment: AssessmentRecord
    outcome: Outcome
    parties: Annotated[tuple[MemberId, ...], Field(max_length=8)] = ()
    """Members beyond the signer that read the body."""


class DeniedIndividuallyData(Model):
    """One learner's evaluation without credit."""

    receiver: MemberId
    credentials: Annotated[tuple[Uuid, ...], Field(max_length=MAX_ITEMS)] = ()
    reason: NoCreditReason
    note: ShortText | None = None
    parties: Annotated[tuple[MemberId, ...], Field(max_length=8)] = ()
