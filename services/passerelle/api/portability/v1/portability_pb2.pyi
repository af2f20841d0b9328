from passerelle.api.common.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PortabilityVerdict(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PORTABILITY_VERDICT_UNSPECIFIED: _ClassVar[PortabilityVerdict]
    PORTABILITY_VERDICT_PORTABLE: _ClassVar[PortabilityVerdict]
    PORTABILITY_VERDICT_NOT_PORTABLE: _ClassVar[PortabilityVerdict]
    PORTABILITY_VERDICT_UNKNOWN: _ClassVar[PortabilityVerdict]

class Finding(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FINDING_UNSPECIFIED: _ClassVar[Finding]
    FINDING_MET: _ClassVar[Finding]
    FINDING_NOT_MET: _ClassVar[Finding]
    FINDING_UNKNOWN: _ClassVar[Finding]
PORTABILITY_VERDICT_UNSPECIFIED: PortabilityVerdict
PORTABILITY_VERDICT_PORTABLE: PortabilityVerdict
PORTABILITY_VERDICT_NOT_PORTABLE: PortabilityVerdict
PORTABILITY_VERDICT_UNKNOWN: PortabilityVerdict
FINDING_UNSPECIFIED: Finding
FINDING_MET: Finding
FINDING_NOT_MET: Finding
FINDING_UNKNOWN: Finding

class AssessRequest(_message.Message):
    __slots__ = ("achievement", "pack", "asked_on", "jurisdictions", "known_at", "min_position", "given", "signed", "with_proofs")
    class GivenEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    ACHIEVEMENT_FIELD_NUMBER: _ClassVar[int]
    PACK_FIELD_NUMBER: _ClassVar[int]
    ASKED_ON_FIELD_NUMBER: _ClassVar[int]
    JURISDICTIONS_FIELD_NUMBER: _ClassVar[int]
    KNOWN_AT_FIELD_NUMBER: _ClassVar[int]
    MIN_POSITION_FIELD_NUMBER: _ClassVar[int]
    GIVEN_FIELD_NUMBER: _ClassVar[int]
    SIGNED_FIELD_NUMBER: _ClassVar[int]
    WITH_PROOFS_FIELD_NUMBER: _ClassVar[int]
    achievement: str
    pack: str
    asked_on: str
    jurisdictions: _containers.RepeatedScalarFieldContainer[str]
    known_at: _common_pb2.KnownAt
    min_position: int
    given: _containers.ScalarMap[str, float]
    signed: bool
    with_proofs: bool
    def __init__(self, achievement: _Optional[str] = ..., pack: _Optional[str] = ..., asked_on: _Optional[str] = ..., jurisdictions: _Optional[_Iterable[str]] = ..., known_at: _Optional[_Union[_common_pb2.KnownAt, _Mapping]] = ..., min_position: _Optional[int] = ..., given: _Optional[_Mapping[str, float]] = ..., signed: _Optional[bool] = ..., with_proofs: _Optional[bool] = ...) -> None: ...

class AssessResponse(_message.Message):
    __slots__ = ("achievement", "title", "verdict", "criteria", "jurisdictions", "grounds_in_law", "missing", "pack", "pack_version", "position", "pack_used", "clauses", "jws", "proofs", "proofs_left_out")
    ACHIEVEMENT_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    CRITERIA_FIELD_NUMBER: _ClassVar[int]
    JURISDICTIONS_FIELD_NUMBER: _ClassVar[int]
    GROUNDS_IN_LAW_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    PACK_FIELD_NUMBER: _ClassVar[int]
    PACK_VERSION_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    PACK_USED_FIELD_NUMBER: _ClassVar[int]
    CLAUSES_FIELD_NUMBER: _ClassVar[int]
    JWS_FIELD_NUMBER: _ClassVar[int]
    PROOFS_FIELD_NUMBER: _ClassVar[int]
    PROOFS_LEFT_OUT_FIELD_NUMBER: _ClassVar[int]
    achievement: str
    title: str
    verdict: PortabilityVerdict
    criteria: _containers.RepeatedCompositeFieldContainer[Criterion]
    jurisdictions: _containers.RepeatedCompositeFieldContainer[JurisdictionVerdict]
    grounds_in_law: _containers.RepeatedCompositeFieldContainer[Ground]
    missing: _containers.RepeatedCompositeFieldContainer[_common_pb2.Reason]
    pack: str
    pack_version: int
    position: _common_pb2.Position
    pack_used: PackUsed
    clauses: _containers.RepeatedCompositeFieldContainer[ClauseFinding]
    jws: str
    proofs: _containers.RepeatedCompositeFieldContainer[EntryProof]
    proofs_left_out: int
    def __init__(self, achievement: _Optional[str] = ..., title: _Optional[str] = ..., verdict: _Optional[_Union[PortabilityVerdict, str]] = ..., criteria: _Optional[_Iterable[_Union[Criterion, _Mapping]]] = ..., jurisdictions: _Optional[_Iterable[_Union[JurisdictionVerdict, _Mapping]]] = ..., grounds_in_law: _Optional[_Iterable[_Union[Ground, _Mapping]]] = ..., missing: _Optional[_Iterable[_Union[_common_pb2.Reason, _Mapping]]] = ..., pack: _Optional[str] = ..., pack_version: _Optional[int] = ..., position: _Optional[_Union[_common_pb2.Position, _Mapping]] = ..., pack_used: _Optional[_Union[PackUsed, _Mapping]] = ..., clauses: _Optional[_Iterable[_Union[ClauseFinding, _Mapping]]] = ..., jws: _Optional[str] = ..., proofs: _Optional[_Iterable[_Union[EntryProof, _Mapping]]] = ..., proofs_left_out: _Optional[int] = ...) -> None: ...

class EntryProof(_message.Message):
    __slots__ = ("index", "entry", "proof", "body")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    PROOF_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    index: int
    entry: bytes
    proof: str
    body: bytes
    def __init__(self, index: _Optional[int] = ..., entry: _Optional[bytes] = ..., proof: _Optional[str] = ..., body: _Optional[bytes] = ...) -> None: ...

class PackUsed(_message.Message):
    __slots__ = ("origin", "evidence", "notes")
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    origin: str
    evidence: _common_pb2.Evidence
    notes: _containers.RepeatedCompositeFieldContainer[_common_pb2.Reason]
    def __init__(self, origin: _Optional[str] = ..., evidence: _Optional[_Union[_common_pb2.Evidence, _Mapping]] = ..., notes: _Optional[_Iterable[_Union[_common_pb2.Reason, _Mapping]]] = ...) -> None: ...

class ClauseFinding(_message.Message):
    __slots__ = ("id", "force", "finding", "message", "rule", "reasons", "evidence", "explained")
    class MessageEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    FINDING_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    EXPLAINED_FIELD_NUMBER: _ClassVar[int]
    id: str
    force: str
    finding: Finding
    message: _containers.ScalarMap[str, str]
    rule: str
    reasons: _containers.RepeatedCompositeFieldContainer[_common_pb2.Reason]
    evidence: _containers.RepeatedCompositeFieldContainer[_common_pb2.Evidence]
    explained: RulePart
    def __init__(self, id: _Optional[str] = ..., force: _Optional[str] = ..., finding: _Optional[_Union[Finding, str]] = ..., message: _Optional[_Mapping[str, str]] = ..., rule: _Optional[str] = ..., reasons: _Optional[_Iterable[_Union[_common_pb2.Reason, _Mapping]]] = ..., evidence: _Optional[_Iterable[_Union[_common_pb2.Evidence, _Mapping]]] = ..., explained: _Optional[_Union[RulePart, _Mapping]] = ...) -> None: ...

class RulePart(_message.Message):
    __slots__ = ("text", "finding", "fields", "parts")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    FINDING_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    text: str
    finding: Finding
    fields: _containers.RepeatedCompositeFieldContainer[FieldRead]
    parts: _containers.RepeatedCompositeFieldContainer[RulePart]
    def __init__(self, text: _Optional[str] = ..., finding: _Optional[_Union[Finding, str]] = ..., fields: _Optional[_Iterable[_Union[FieldRead, _Mapping]]] = ..., parts: _Optional[_Iterable[_Union[RulePart, _Mapping]]] = ...) -> None: ...

class FieldRead(_message.Message):
    __slots__ = ("name", "value", "absent", "says")
    class SaysEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    ABSENT_FIELD_NUMBER: _ClassVar[int]
    SAYS_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: str
    absent: bool
    says: _containers.ScalarMap[str, str]
    def __init__(self, name: _Optional[str] = ..., value: _Optional[str] = ..., absent: _Optional[bool] = ..., says: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Criterion(_message.Message):
    __slots__ = ("id", "force", "finding", "reasons", "evidence", "message")
    class MessageEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    FINDING_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    id: str
    force: str
    finding: Finding
    reasons: _containers.RepeatedCompositeFieldContainer[_common_pb2.Reason]
    evidence: _containers.RepeatedCompositeFieldContainer[_common_pb2.Evidence]
    message: _containers.ScalarMap[str, str]
    def __init__(self, id: _Optional[str] = ..., force: _Optional[str] = ..., finding: _Optional[_Union[Finding, str]] = ..., reasons: _Optional[_Iterable[_Union[_common_pb2.Reason, _Mapping]]] = ..., evidence: _Optional[_Iterable[_Union[_common_pb2.Evidence, _Mapping]]] = ..., message: _Optional[_Mapping[str, str]] = ...) -> None: ...

class JurisdictionVerdict(_message.Message):
    __slots__ = ("jurisdiction", "verdict", "recognised_by", "missing")
    JURISDICTION_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    RECOGNISED_BY_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    jurisdiction: str
    verdict: PortabilityVerdict
    recognised_by: _containers.RepeatedCompositeFieldContainer[Recogniser]
    missing: _containers.RepeatedCompositeFieldContainer[_common_pb2.Reason]
    def __init__(self, jurisdiction: _Optional[str] = ..., verdict: _Optional[_Union[PortabilityVerdict, str]] = ..., recognised_by: _Optional[_Iterable[_Union[Recogniser, _Mapping]]] = ..., missing: _Optional[_Iterable[_Union[_common_pb2.Reason, _Mapping]]] = ...) -> None: ...

class Recogniser(_message.Message):
    __slots__ = ("member", "names", "kind", "ground", "subject", "index")
    class NamesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    GROUND_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    member: str
    names: _containers.ScalarMap[str, str]
    kind: str
    ground: str
    subject: str
    index: int
    def __init__(self, member: _Optional[str] = ..., names: _Optional[_Mapping[str, str]] = ..., kind: _Optional[str] = ..., ground: _Optional[str] = ..., subject: _Optional[str] = ..., index: _Optional[int] = ...) -> None: ...

class Ground(_message.Message):
    __slots__ = ("code", "message", "evidence")
    class MessageEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    code: str
    message: _containers.ScalarMap[str, str]
    evidence: _containers.RepeatedCompositeFieldContainer[_common_pb2.Evidence]
    def __init__(self, code: _Optional[str] = ..., message: _Optional[_Mapping[str, str]] = ..., evidence: _Optional[_Iterable[_Union[_common_pb2.Evidence, _Mapping]]] = ...) -> None: ...

class ListPacksRequest(_message.Message):
    __slots__ = ("known_at", "min_position", "asked_on", "signed")
    KNOWN_AT_FIELD_NUMBER: _ClassVar[int]
    MIN_POSITION_FIELD_NUMBER: _ClassVar[int]
    ASKED_ON_FIELD_NUMBER: _ClassVar[int]
    SIGNED_FIELD_NUMBER: _ClassVar[int]
    known_at: _common_pb2.KnownAt
    min_position: int
    asked_on: str
    signed: bool
    def __init__(self, known_at: _Optional[_Union[_common_pb2.KnownAt, _Mapping]] = ..., min_position: _Optional[int] = ..., asked_on: _Optional[str] = ..., signed: _Optional[bool] = ...) -> None: ...

class ListPacksResponse(_message.Message):
    __slots__ = ("packs", "position", "jws")
    PACKS_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    JWS_FIELD_NUMBER: _ClassVar[int]
    packs: _containers.RepeatedCompositeFieldContainer[Pack]
    position: _common_pb2.Position
    jws: str
    def __init__(self, packs: _Optional[_Iterable[_Union[Pack, _Mapping]]] = ..., position: _Optional[_Union[_common_pb2.Position, _Mapping]] = ..., jws: _Optional[str] = ...) -> None: ...

class Pack(_message.Message):
    __slots__ = ("id", "version", "title", "source", "effective_from", "effective_to", "jurisdictions", "sample", "used")
    class TitleEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_FROM_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_TO_FIELD_NUMBER: _ClassVar[int]
    JURISDICTIONS_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_FIELD_NUMBER: _ClassVar[int]
    USED_FIELD_NUMBER: _ClassVar[int]
    id: str
    version: int
    title: _containers.ScalarMap[str, str]
    source: str
    effective_from: str
    effective_to: str
    jurisdictions: _containers.RepeatedScalarFieldContainer[str]
    sample: bool
    used: PackUsed
    def __init__(self, id: _Optional[str] = ..., version: _Optional[int] = ..., title: _Optional[_Mapping[str, str]] = ..., source: _Optional[str] = ..., effective_from: _Optional[str] = ..., effective_to: _Optional[str] = ..., jurisdictions: _Optional[_Iterable[str]] = ..., sample: _Optional[bool] = ..., used: _Optional[_Union[PackUsed, _Mapping]] = ...) -> None: ...

class ProfileRequest(_message.Message):
    __slots__ = ("achievement", "packs", "asked_on", "known_at", "min_position", "signed")
    ACHIEVEMENT_FIELD_NUMBER: _ClassVar[int]
    PACKS_FIELD_NUMBER: _ClassVar[int]
    ASKED_ON_FIELD_NUMBER: _ClassVar[int]
    KNOWN_AT_FIELD_NUMBER: _ClassVar[int]
    MIN_POSITION_FIELD_NUMBER: _ClassVar[int]
    SIGNED_FIELD_NUMBER: _ClassVar[int]
    achievement: str
    packs: _containers.RepeatedScalarFieldContainer[str]
    asked_on: str
    known_at: _common_pb2.KnownAt
    min_position: int
    signed: bool
    def __init__(self, achievement: _Optional[str] = ..., packs: _Optional[_Iterable[str]] = ..., asked_on: _Optional[str] = ..., known_at: _Optional[_Union[_common_pb2.KnownAt, _Mapping]] = ..., min_position: _Optional[int] = ..., signed: _Optional[bool] = ...) -> None: ...

class ProfileResponse(_message.Message):
    __slots__ = ("achievement", "title", "packs", "position", "jws")
    ACHIEVEMENT_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    PACKS_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    JWS_FIELD_NUMBER: _ClassVar[int]
    achievement: str
    title: str
    packs: _containers.RepeatedCompositeFieldContainer[PackFinding]
    position: _common_pb2.Position
    jws: str
    def __init__(self, achievement: _Optional[str] = ..., title: _Optional[str] = ..., packs: _Optional[_Iterable[_Union[PackFinding, _Mapping]]] = ..., position: _Optional[_Union[_common_pb2.Position, _Mapping]] = ..., jws: _Optional[str] = ...) -> None: ...

class PackFinding(_message.Message):
    __slots__ = ("pack", "finding", "clauses")
    PACK_FIELD_NUMBER: _ClassVar[int]
    FINDING_FIELD_NUMBER: _ClassVar[int]
    CLAUSES_FIELD_NUMBER: _ClassVar[int]
    pack: Pack
    finding: Finding
    clauses: _containers.RepeatedCompositeFieldContainer[ClauseFinding]
    def __init__(self, pack: _Optional[_Union[Pack, _Mapping]] = ..., finding: _Optional[_Union[Finding, str]] = ..., clauses: _Optional[_Iterable[_Union[ClauseFinding, _Mapping]]] = ...) -> None: ...

class LeadsToRequest(_message.Message):
    __slots__ = ("framework", "code", "jurisdiction", "known_at", "min_position", "page_size", "page_token", "signed")
    FRAMEWORK_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    JURISDICTION_FIELD_NUMBER: _ClassVar[int]
    KNOWN_AT_FIELD_NUMBER: _ClassVar[int]
    MIN_POSITION_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SIGNED_FIELD_NUMBER: _ClassVar[int]
    framework: str
    code: str
    jurisdiction: str
    known_at: _common_pb2.KnownAt
    min_position: int
    page_size: int
    page_token: str
    signed: bool
    def __init__(self, framework: _Optional[str] = ..., code: _Optional[str] = ..., jurisdiction: _Optional[str] = ..., known_at: _Optional[_Union[_common_pb2.KnownAt, _Mapping]] = ..., min_position: _Optional[int] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., signed: _Optional[bool] = ...) -> None: ...

class LeadsToResponse(_message.Message):
    __slots__ = ("title", "leads", "demand", "position", "next_page_token", "jws")
    TITLE_FIELD_NUMBER: _ClassVar[int]
    LEADS_FIELD_NUMBER: _ClassVar[int]
    DEMAND_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    JWS_FIELD_NUMBER: _ClassVar[int]
    title: str
    leads: _containers.RepeatedCompositeFieldContainer[Lead]
    demand: _containers.RepeatedCompositeFieldContainer[StatedDemand]
    position: _common_pb2.Position
    next_page_token: str
    jws: str
    def __init__(self, title: _Optional[str] = ..., leads: _Optional[_Iterable[_Union[Lead, _Mapping]]] = ..., demand: _Optional[_Iterable[_Union[StatedDemand, _Mapping]]] = ..., position: _Optional[_Union[_common_pb2.Position, _Mapping]] = ..., next_page_token: _Optional[str] = ..., jws: _Optional[str] = ...) -> None: ...

class Lead(_message.Message):
    __slots__ = ("achievement", "title", "member", "names", "kind", "grounds", "sufficient_for")
    class NamesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ACHIEVEMENT_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    GROUNDS_FIELD_NUMBER: _ClassVar[int]
    SUFFICIENT_FOR_FIELD_NUMBER: _ClassVar[int]
    achievement: str
    title: str
    member: str
    names: _containers.ScalarMap[str, str]
    kind: str
    grounds: _containers.RepeatedCompositeFieldContainer[LeadGround]
    sufficient_for: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, achievement: _Optional[str] = ..., title: _Optional[str] = ..., member: _Optional[str] = ..., names: _Optional[_Mapping[str, str]] = ..., kind: _Optional[str] = ..., grounds: _Optional[_Iterable[_Union[LeadGround, _Mapping]]] = ..., sufficient_for: _Optional[_Iterable[str]] = ...) -> None: ...

class LeadGround(_message.Message):
    __slots__ = ("how", "code", "strength", "level", "through", "evidence")
    HOW_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    STRENGTH_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    THROUGH_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    how: str
    code: str
    strength: str
    level: str
    through: str
    evidence: _common_pb2.Evidence
    def __init__(self, how: _Optional[str] = ..., code: _Optional[str] = ..., strength: _Optional[str] = ..., level: _Optional[str] = ..., through: _Optional[str] = ..., evidence: _Optional[_Union[_common_pb2.Evidence, _Mapping]] = ...) -> None: ...

class StatedDemand(_message.Message):
    __slots__ = ("region", "size", "source", "stated_on", "evidence")
    REGION_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    STATED_ON_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    region: str
    size: int
    source: str
    stated_on: str
    evidence: _common_pb2.Evidence
    def __init__(self, region: _Optional[str] = ..., size: _Optional[int] = ..., source: _Optional[str] = ..., stated_on: _Optional[str] = ..., evidence: _Optional[_Union[_common_pb2.Evidence, _Mapping]] = ...) -> None: ...

class CompareLevelRequest(_message.Message):
    __slots__ = ("framework", "level", "known_at", "min_position", "signed")
    FRAMEWORK_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    KNOWN_AT_FIELD_NUMBER: _ClassVar[int]
    MIN_POSITION_FIELD_NUMBER: _ClassVar[int]
    SIGNED_FIELD_NUMBER: _ClassVar[int]
    framework: str
    level: str
    known_at: _common_pb2.KnownAt
    min_position: int
    signed: bool
    def __init__(self, framework: _Optional[str] = ..., level: _Optional[str] = ..., known_at: _Optional[_Union[_common_pb2.KnownAt, _Mapping]] = ..., min_position: _Optional[int] = ..., signed: _Optional[bool] = ...) -> None: ...

class CompareLevelResponse(_message.Message):
    __slots__ = ("levels", "reasons", "position", "jws")
    LEVELS_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    JWS_FIELD_NUMBER: _ClassVar[int]
    levels: _containers.RepeatedCompositeFieldContainer[ComparedLevel]
    reasons: _containers.RepeatedCompositeFieldContainer[_common_pb2.Reason]
    position: _common_pb2.Position
    jws: str
    def __init__(self, levels: _Optional[_Iterable[_Union[ComparedLevel, _Mapping]]] = ..., reasons: _Optional[_Iterable[_Union[_common_pb2.Reason, _Mapping]]] = ..., position: _Optional[_Union[_common_pb2.Position, _Mapping]] = ..., jws: _Optional[str] = ...) -> None: ...

class ComparedLevel(_message.Message):
    __slots__ = ("framework", "level", "source", "confidence", "evidence")
    FRAMEWORK_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    framework: str
    level: str
    source: str
    confidence: str
    evidence: _common_pb2.Evidence
    def __init__(self, framework: _Optional[str] = ..., level: _Optional[str] = ..., source: _Optional[str] = ..., confidence: _Optional[str] = ..., evidence: _Optional[_Union[_common_pb2.Evidence, _Mapping]] = ...) -> None: ...
