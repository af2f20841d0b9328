"""Party events about one learner's credential, and the releases that join them (W3C: Verifiable Credential).

No learner identifier is in any of these: the credential id (UUIDv7) is the only handle.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from passerelle.events.base import (
    AchievementId,
    CredentialId,
    Date,
    MemberId,
    Model,
    PartyUrn,
    Sha256,
    ShortText,
    Uuid,
    Version,
)
from passerelle.events.values import MAX_ITEMS, AssessmentRecord, Basis, CreditValue, Document, Grade

ReasonText = ShortText


class CredentialData(Model):
    """An award conferred on one learner."""

    achievement: AchievementId
    achievement_version: Version
    awarding_bodies: Annotated[tuple[PartyUrn, ...], Field(min_length=1, max_length=16)]
    registration: MemberId
    """The institution of registration."""
    conferred_on: Date
    result: Grade | None = None
    credits: CreditValue | None = None
    basis: Basis
    assessment: AssessmentRecord | None = None
    evidence: Annotated[tuple[Document, ...], Field(max_length=32)] = ()
    verified_by: MemberId | None = None
    """The member that vouches for a listed organisation's award that stands behind this one."""
    releases: Annotated[tuple[Uuid, ...], Field(max_length=16)] = ()
    components: Annotated[tuple[CredentialId, ...], Field(max_length=MAX_ITEMS)] = ()
    """A stack: the credentials it is made of, covered by ``releases``."""
    expires_on: Date | None = None
    record: Sha256
    """Keyed hash (HMAC-SHA-256 under a key of the node) of the office's record id."""


class AmendedData(Model):
    """The corrected facts; absent ones stay as they are."""

    reason: Literal["clerical-error", "grade-change", "title-change", "date-change", "other"]
    note: ReasonText | None = None
    result: Grade | None = None
    credits: CreditValue | None = None
    conferred_on: Date | None = None
    achievement_version: Version | None = None
    expires_on: Date | None = None


class CoAwardedData(Model):
    """The co-signature of another awarding body of a joint award."""

    confirmed_on: Date


class SuspendedData(Model):
    """Out of force until reinstated or revoked."""

    reason: Literal["investigation", "fees", "administrative", "other"]
    note: ReasonText | None = None


class ReinstatedData(Model):
    """In force again."""

    note: ReasonText | None = None


class RevokedData(Model):
    """Final."""

    reason: Literal["issued-in-error", "academic-misconduct", "fraud", "superseded", "other"]
    note: ReasonText | None = None
    effective_on: Date


class ErasedData(Model):
    """The learner's key is destroyed; the ledger deletes the bodies of this credential."""

    ground: Literal["learner-request", "retention-ended", "legal-order"]


class ReleaseGrantedData(Model):
    """At the learner's wish: these credentials, to this receiver, for this purpose, until this date."""

    credentials: Annotated[tuple[CredentialId, ...], Field(min_length=1, max_length=MAX_ITEMS)]
    receiver: MemberId
    purpose: Literal["transfer", "admission", "stack", "employment", "assessment"]
    ends_on: Date


class ReleaseWithdrawnData(Model):
    """Stops new use; undoes no decision."""

    note: ReasonText | None = None
