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
    __slots__ = ("achievement", "pack", "asked_on", "jurisdictions", "known_at", "min_position")
    ACHIEVEMENT_FIELD_NUMBER: _ClassVar[int]
    PACK_FIELD_NUMBER: _ClassVar[int]
    ASKED_ON_FIELD_NUMBER: _ClassVar[int]
    JURISDICTIONS_FIELD_NUMBER: _ClassVar[int]
    KNOWN_AT_FIELD_NUMBER: _ClassVar[int]
    MIN_POSITION_FIELD_NUMBER: _ClassVar[int]
    achievement: str
    pack: str
    asked_on: str
    jurisdictions: _containers.RepeatedScalarFieldContainer[str]
    known_at: _common_pb2.KnownAt
    min_position: int
    def __init__(self, achievement: _Optional[str] = ..., pack: _Optional[str] = ..., asked_on: _Optional[str] = ..., jurisdictions: _Optional[_Iterable[str]] = ..., known_at: _Optional[_Union[_common_pb2.KnownAt, _Mapping]] = ..., min_position: _Optional[int] = ...) -> None: ...

class AssessResponse(_message.Message):
    __slots__ = ("achievement", "title", "verdict", "criteria", "jurisdictions", "grounds_in_law", "missing", "pack", "pack_version", "position")
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
    def __init__(self, achievement: _Optional[str] = ..., title: _Optional[str] = ..., verdict: _Optional[_Union[PortabilityVerdict, str]] = ..., criteria: _Optional[_Iterable[_Union[Criterion, _Mapping]]] = ..., jurisdictions: _Optional[_Iterable[_Union[JurisdictionVerdict, _Mapping]]] = ..., grounds_in_law: _Optional[_Iterable[_Union[Ground, _Mapping]]] = ..., missing: _Optional[_Iterable[_Union[_common_pb2.Reason, _Mapping]]] = ..., pack: _Optional[str] = ..., pack_version: _Optional[int] = ..., position: _Optional[_Union[_common_pb2.Position, _Mapping]] = ...) -> None: ...

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
    __slots__ = ("jurisdiction", "verdict", "recognised_by")
    JURISDICTION_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    RECOGNISED_BY_FIELD_NUMBER: _ClassVar[int]
    jurisdiction: str
    verdict: PortabilityVerdict
    recognised_by: _containers.RepeatedCompositeFieldContainer[Recogniser]
    def __init__(self, jurisdiction: _Optional[str] = ..., verdict: _Optional[_Union[PortabilityVerdict, str]] = ..., recognised_by: _Optional[_Iterable[_Union[Recogniser, _Mapping]]] = ...) -> None: ...

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
    __slots__ = ()
    def __init__(self) -> None: ...

class ListPacksResponse(_message.Message):
    __slots__ = ("packs",)
    PACKS_FIELD_NUMBER: _ClassVar[int]
    packs: _containers.RepeatedCompositeFieldContainer[Pack]
    def __init__(self, packs: _Optional[_Iterable[_Union[Pack, _Mapping]]] = ...) -> None: ...

class Pack(_message.Message):
    __slots__ = ("id", "version", "title", "source")
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
    id: str
    version: int
    title: _containers.ScalarMap[str, str]
    source: str
    def __init__(self, id: _Optional[str] = ..., version: _Optional[int] = ..., title: _Optional[_Mapping[str, str]] = ..., source: _Optional[str] = ...) -> None: ...
