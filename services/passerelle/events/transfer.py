"""Credit transfer: a case about one learner between the sending and the receiving institution.

Every step after the first names the version of the case that it was decided on (``expected_version``): a stale
one is a conflict, never an overwrite.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from passerelle.events.base import AchievementId, CredentialId, Date, MemberId, Model, RecognitionId, ShortText, Uuid
from passerelle.events.values import MAX_ITEMS, Document, Outcome

CaseVersion = Annotated[int, Field(ge=1, le=100_000)]
LineNumber = Annotated[int, Field(ge=1, le=500)]


class CaseRequestedData(Model):
    """Opens the case under one release, so with one sender. Published by the receiver."""

    release: Uuid
    sender: MemberId
    receiver: MemberId
    programme: AchievementId | None = None
    credentials: Annotated[tuple[CredentialId, ...], Field(min_length=1, max_length=MAX_ITEMS)]
    documents: Annotated[tuple[Document, ...], Field(max_length=32)] = ()
    due_on: Date | None = None
    permission: Uuid | None = None
    """The receiver's letter of permission that the learner returns under: its credit is honoured as promised."""


class _Step(Model):
    expected_version: CaseVersion
    note: ShortText | None = None


class EvidenceAddedData(_Step):
    """Evidence for the case, by hash."""

    documents: Annotated[tuple[Document, ...], Field(min_length=1, max_length=32)]


class InformationRequestedData(_Step):
    """What the assessor needs before deciding."""

    needed: Annotated[tuple[ShortText, ...], Field(min_length=1, max_length=16)]


class DecisionLine(Model):
    """One line of a decision: rests on a recognition, or on an individual assessment with its reason."""

    line: LineNumber
    credential: CredentialId
    status: Literal["pending", "credited", "no-credit", "conditional"]
    recognition: RecognitionId | None = None
    recognition_index: Annotated[int, Field(ge=0)] | None = None
    """Log index of the entry that recorded the version of the rule which was applied."""
    individual_reason: ShortText | None = None
    outcome: Outcome | None = None
    waits_for: Literal["final-grade", "admission", "enrolment", "department"] | None = None
    reason: (
        Literal["level", "content", "hours", "assessment", "duplicate", "upper-year", "not-recognised", "other"] | None
    ) = None

    @model_validator(mode="after")
    def _complete(self) -> DecisionLine:
        if self.status in {"credited", "conditional"}:
            if self.outcome is None:
                raise ValueError("a credited or conditional line states its outcome")
            if self.recognition is None and self.individual_reason is None:
                raise ValueError("the line names a recognition or an individual_reason")
        if self.status == "no-credit" and self.reason is None:
            raise ValueError("a no-credit line states its reason")
        if self.status in {"pending", "conditional"} and self.waits_for is None:
            raise ValueError("a pending or conditional line states what it waits for")
        if self.recognition_index is not None and self.recognition is None:
            raise ValueError("recognition_index stands beside the recognition that it belongs to")
        return self


class DecidedData(_Step):
    """The decision, line by line."""

    lines: Annotated[tuple[DecisionLine, ...], Field(min_length=1, max_length=500)]
    final: bool = False
    """The last level of appeal is spent."""
    appeal_by: Date | None = None
    """Last day (UTC) on which the receiver takes an appeal of this decision; no limit when absent."""

    @model_validator(mode="after")
    def _distinct(self) -> DecidedData:
        if len({line.line for line in self.lines}) != len(self.lines):
            raise ValueError("two lines have the same number")
        return self


class PostedData(_Step):
    """The credit is on the learner's record, towards one programme (transfer credit carries no grade)."""

    programme: AchievementId
    posted_on: Date


class AdjustedLine(Model):
    """What became of a posted line."""

    line: LineNumber
    outcome: Literal["changed", "removed", "kept"]
    new_outcome: Outcome | None = None

    @model_validator(mode="after")
    def _complete(self) -> AdjustedLine:
        if (self.outcome == "changed") != (self.new_outcome is not None):
            raise ValueError("new_outcome is stated exactly when the outcome is changed")
        return self


class AdjustedData(_Step):
    """The answer to a change of what the case rests on, or the mending of an error."""

    reason: Literal["source-revoked", "source-amended", "error", "programme-change"]
    cause: Annotated[int, Field(ge=0)] | None = None
    """Log index of the entry that this answers."""
    earlier: Annotated[int, Field(ge=0)] | None = None
    """Log index of the posting that this adjusts."""
    lines: Annotated[tuple[AdjustedLine, ...], Field(min_length=1, max_length=500)]


class AppealedData(_Step):
    """The learner appeals, within the receiver's limit."""

    ground: Literal["new-evidence", "error-of-fact", "procedure", "other"]
    documents: Annotated[tuple[Document, ...], Field(max_length=32)] = ()


class WithdrawnData(_Step):
    """Before posting only."""

    by: Literal["learner", "receiver"]
    reason: Literal["learner-request", "unmatched", "duplicate", "other"] | None = None
    """``unmatched``: the receiver could not tell who the learner is."""


class ClosedData(_Step):
    """Nothing more is to come."""
