"""Letters of permission: an enrolled learner may take named courses elsewhere, and the credit is promised beforehand.

In Quebec: autorisation d'études hors établissement (AEHE). The home institution publishes; the host is the other party.
Nobody is named: the id of the permission is its only handle, as a case's is. The return is an ordinary transfer case
that names the permission.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from passerelle.events.base import AchievementId, Date, MemberId, Model, RecognitionId, ShortText, Version
from passerelle.events.transfer import CaseVersion, LineNumber
from passerelle.events.values import CreditValue, Grade, Outcome

MAX_COURSES = 64
MAX_POLICIES = 64


class Term(Model):
    """When the courses are taken, both days included."""

    starts_on: Date
    ends_on: Date
    name: ShortText | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Term:
        if self.ends_on < self.starts_on:
            raise ValueError("the term ends before it begins")
        return self


class PolicyVersion(Model):
    """A policy of the home institution, in the version that the permission was assessed under."""

    policy: AchievementId
    version: Version


class PermittedCourse(Model):
    """A course of the host, and what it will count as: by a rule of the home institution, or for a stated reason."""

    line: LineNumber
    achievement: AchievementId
    recognition: RecognitionId | None = None
    recognition_index: Annotated[int, Field(ge=0)] | None = None
    """Log index of the entry that recorded the version of the rule which was applied."""
    individual_reason: ShortText | None = None
    minimum_grade: Grade | None = None
    """The grade to be reached at the host, beside what the rule asks."""
    outcome: Outcome

    @model_validator(mode="after")
    def _complete(self) -> PermittedCourse:
        if self.outcome.type == "no-credit":
            raise ValueError("a course that gives no credit is not permitted")
        if self.recognition is None and self.individual_reason is None:
            raise ValueError("the course names a recognition or an individual_reason")
        if (self.recognition is None) != (self.recognition_index is None):
            raise ValueError("recognition and recognition_index stand together")
        return self


class PermissionGrantedData(Model):
    """The permission. Its credit is honoured until ``expires_on`` by the rules as of ``position``."""

    host: MemberId
    programme: AchievementId | None = None
    term: Term
    expires_on: Date
    """Last day (UTC) on which the home institution opens the case of the return."""
    position: Annotated[int, Field(ge=0)]
    """How many entries the log had when the rules were asked."""
    policies: Annotated[tuple[PolicyVersion, ...], Field(max_length=MAX_POLICIES)] = ()
    courses: Annotated[tuple[PermittedCourse, ...], Field(min_length=1, max_length=MAX_COURSES)]
    maximum_credits: CreditValue | None = None
    """Of the home institution's credit; what goes beyond is not promised."""
    note: ShortText | None = None

    @model_validator(mode="after")
    def _distinct(self) -> PermissionGrantedData:
        if len({course.line for course in self.courses}) != len(self.courses):
            raise ValueError("two courses have the same number")
        if len({course.achievement for course in self.courses}) != len(self.courses):
            raise ValueError("a course is permitted once")
        if self.expires_on < self.term.ends_on:
            raise ValueError("the permission ends before its term does")
        return self


class PermissionAmendedData(PermissionGrantedData):
    """The whole permission as it stands from now on; before the term begins only."""

    expected_version: CaseVersion


class RefusedCourse(Model):
    """A course that is not permitted."""

    line: LineNumber
    achievement: AchievementId
    reason: Literal[
        "level",
        "content",
        "hours",
        "assessment",
        "duplicate",
        "upper-year",
        "not-recognised",
        "offered-here",
        "residency",
        "standing",
        "late",
        "other",
    ]
    fix: ShortText
    """What would make it permissible; never about the person."""


class PermissionRefusedData(Model):
    """What was asked and is not permitted. It goes to no other member."""

    host: MemberId
    term: Term
    position: Annotated[int, Field(ge=0)]
    courses: Annotated[tuple[RefusedCourse, ...], Field(min_length=1, max_length=MAX_COURSES)]
    note: ShortText | None = None


class PermissionWithdrawnData(Model):
    """Before the term begins only: what was promised stands once the course has begun."""

    expected_version: CaseVersion
    reason: Literal["learner-request", "course-cancelled", "standing", "error", "other"]
    note: ShortText | None = None
