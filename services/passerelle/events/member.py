"""Member events: the trust registry's own, published by the operator only and kept for ever."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from passerelle.events.base import (
    Instant,
    Jurisdiction,
    KeyId,
    Language,
    MemberId,
    Model,
    PublicKey,
    ShortText,
)

MemberKind = Literal[
    "university",
    "college",
    "polytechnic",
    "cegep",
    "indigenous-institute",
    "private-institution",
    "apprenticeship-authority",
    "regulator",
    "professional-association",
    "sector-council",
    "employer",
    "transfer-agency",
    "quality-agency",
    "application-centre",
    "assessment-provider",
    "government",
    "portal",
    "operator",
]
Role = Literal["issue", "recognise", "articulate", "endorse", "read", "operate"]
Family = Literal["credential", "recognition", "transfer", "reference", "member"]


class Key(Model):
    """A public key (Ed25519 to sign, log, witness, answer; X25519 to seal) with its use and validity."""

    key_id: KeyId
    public_key: PublicKey
    use: Literal["sign", "witness", "seal", "answer"]
    valid_from: Instant | None = None
    valid_to: Instant | None = None


class AdmittedData(Model):
    """A member joins, with names in the languages it uses, jurisdictions, roles and first keys."""

    member: MemberId
    kind: MemberKind
    names: dict[Language, ShortText] = Field(min_length=1, max_length=8)
    jurisdictions: Annotated[tuple[Jurisdiction, ...], Field(min_length=1, max_length=14)]
    roles: Annotated[tuple[Role, ...], Field(min_length=1, max_length=6)]
    authority: ShortText | None = None
    """The authority to grant, as the statute or charter is cited."""
    parent: MemberId | None = None
    relation: Literal["federated", "affiliated"] | None = None
    keys: Annotated[tuple[Key, ...], Field(min_length=1, max_length=16)]
    log_vkey: Annotated[str, Field(max_length=300)] | None = None
    """The log's verifier key (C2SP signed-note form): in the operator's own admission only."""
    sample: bool = False


class KeyRemoval(Model):
    """A key that ends; ``distrust_from`` marks a stolen key's events from these sequences on."""

    key_id: KeyId
    distrust_from: dict[Family, Annotated[int, Field(ge=1)]] = Field(default={}, max_length=5)


class KeysChangedData(Model):
    """Keys added and removed; acts from the next log index."""

    member: MemberId
    add: Annotated[tuple[Key, ...], Field(max_length=16)] = ()
    remove: Annotated[tuple[KeyRemoval, ...], Field(max_length=16)] = ()


class RolesChangedData(Model):
    """The member's roles from the next log index on."""

    member: MemberId
    roles: Annotated[tuple[Role, ...], Field(max_length=6)]


class MemberSuspendedData(Model):
    """The member's events are refused until its roles are stated again (``roles-changed``)."""

    member: MemberId
    reason: ShortText


class MemberRemovedData(Model):
    """Final. What the member published stays."""

    member: MemberId
    reason: ShortText
