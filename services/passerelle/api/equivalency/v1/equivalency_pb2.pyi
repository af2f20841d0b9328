from google.protobuf import field_mask_pb2 as _field_mask_pb2
from passerelle.api.common.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Verdict(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VERDICT_UNSPECIFIED: _ClassVar[Verdict]
    VERDICT_AGREEMENT: _ClassVar[Verdict]
    VERDICT_NO_CREDIT: _ClassVar[Verdict]
    VERDICT_CASE_BY_CASE: _ClassVar[Verdict]
    VERDICT_UNDER_EVALUATION: _ClassVar[Verdict]
    VERDICT_NEVER_EVALUATED: _ClassVar[Verdict]

class Match(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MATCH_UNSPECIFIED: _ClassVar[Match]
    MATCH_MATCH: _ClassVar[Match]
    MATCH_MAYBE: _ClassVar[Match]
    MATCH_MISS: _ClassVar[Match]
VERDICT_UNSPECIFIED: Verdict
VERDICT_AGREEMENT: Verdict
VERDICT_NO_CREDIT: Verdict
VERDICT_CASE_BY_CASE: Verdict
VERDICT_UNDER_EVALUATION: Verdict
VERDICT_NEVER_EVALUATED: Verdict
MATCH_UNSPECIFIED: Match
MATCH_MATCH: Match
MATCH_MAYBE: Match
MATCH_MISS: Match

class FindRequest(_message.Message):
    __slots__ = ("achievement", "receiver", "jurisdiction", "valid_on", "known_at", "min_position", "page_size", "page_token", "fields", "signed", "explain")
    ACHIEVEMENT_FIELD_NUMBER: _ClassVar[int]
    RECEIVER_FIELD_NUMBER: _ClassVar[int]
    JURISDICTION_FIELD_NUMBER: _ClassVar[int]
    VALID_ON_FIELD_NUMBER: _ClassVar[int]
    KNOWN_AT_FIELD_NUMBER: _ClassVar[int]
    MIN_POSITION_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    SIGNED_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_FIELD_NUMBER: _ClassVar[int]
    achievement: str
    receiver: str
    jurisdiction: str
    valid_on: str
    known_at: _common_pb2.KnownAt
    min_position: int
    page_size: int
    page_token: str
    fields: _field_mask_pb2.FieldMask
    signed: bool
    explain: bool
    def __init__(self, achievement: _Optional[str] = ..., receiver: _Optional[str] = ..., jurisdiction: _Optional[str] = ..., valid_on: _Optional[str] = ..., known_at: _Optional[_Union[_common_pb2.KnownAt, _Mapping]] = ..., min_position: _Optional[int] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., fields: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., signed: _Optional[bool] = ..., explain: _Optional[bool] = ...) -> None: ...

class FindResponse(_message.Message):
    __slots__ = ("achievement", "title", "answers", "next_page_token", "position", "jws", "traces")
    ACHIEVEMENT_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    JWS_FIELD_NUMBER: _ClassVar[int]
    TRACES_FIELD_NUMBER: _ClassVar[int]
    achievement: str
    title: str
    answers: _containers.RepeatedCompositeFieldContainer[Answer]
    next_page_token: str
    position: _common_pb2.Position
    jws: str
    traces: _containers.RepeatedCompositeFieldContainer[Trace]
    def __init__(self, achievement: _Optional[str] = ..., title: _Optional[str] = ..., answers: _Optional[_Iterable[_Union[Answer, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., position: _Optional[_Union[_common_pb2.Position, _Mapping]] = ..., jws: _Optional[str] = ..., traces: _Optional[_Iterable[_Union[Trace, _Mapping]]] = ...) -> None: ...

class ReverseRequest(_message.Message):
    __slots__ = ("achievement", "sender", "valid_on", "known_at", "min_position", "page_size", "page_token", "fields", "signed", "explain")
    ACHIEVEMENT_FIELD_NUMBER: _ClassVar[int]
    SENDER_FIELD_NUMBER: _ClassVar[int]
    VALID_ON_FIELD_NUMBER: _ClassVar[int]
    KNOWN_AT_FIELD_NUMBER: _ClassVar[int]
    MIN_POSITION_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    SIGNED_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_FIELD_NUMBER: _ClassVar[int]
    achievement: str
    sender: str
    valid_on: str
    known_at: _common_pb2.KnownAt
    min_position: int
    page_size: int
    page_token: str
    fields: _field_mask_pb2.FieldMask
    signed: bool
    explain: bool
    def __init__(self, achievement: _Optional[str] = ..., sender: _Optional[str] = ..., valid_on: _Optional[str] = ..., known_at: _Optional[_Union[_common_pb2.KnownAt, _Mapping]] = ..., min_position: _Optional[int] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., fields: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., signed: _Optional[bool] = ..., explain: _Optional[bool] = ...) -> None: ...

class ReverseResponse(_message.Message):
    __slots__ = ("achievement", "title", "answers", "next_page_token", "position", "jws", "traces")
    ACHIEVEMENT_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    JWS_FIELD_NUMBER: _ClassVar[int]
    TRACES_FIELD_NUMBER: _ClassVar[int]
    achievement: str
    title: str
    answers: _containers.RepeatedCompositeFieldContainer[Answer]
    next_page_token: str
    position: _common_pb2.Position
    jws: str
    traces: _containers.RepeatedCompositeFieldContainer[Trace]
    def __init__(self, achievement: _Optional[str] = ..., title: _Optional[str] = ..., answers: _Optional[_Iterable[_Union[Answer, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., position: _Optional[_Union[_common_pb2.Position, _Mapping]] = ..., jws: _Optional[str] = ..., traces: _Optional[_Iterable[_Union[Trace, _Mapping]]] = ...) -> None: ...

class Answer(_message.Message):
    __slots__ = ("verdict", "receiver", "receiver_names", "receiver_jurisdictions", "rule", "since_index", "reasons", "subject_to_admission")
    class ReceiverNamesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    RECEIVER_FIELD_NUMBER: _ClassVar[int]
    RECEIVER_NAMES_FIELD_NUMBER: _ClassVar[int]
    RECEIVER_JURISDICTIONS_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    SINCE_INDEX_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_TO_ADMISSION_FIELD_NUMBER: _ClassVar[int]
    verdict: Verdict
    receiver: str
    receiver_names: _containers.ScalarMap[str, str]
    receiver_jurisdictions: _containers.RepeatedScalarFieldContainer[str]
    rule: Rule
    since_index: int
    reasons: _containers.RepeatedCompositeFieldContainer[_common_pb2.Reason]
    subject_to_admission: bool
    def __init__(self, verdict: _Optional[_Union[Verdict, str]] = ..., receiver: _Optional[str] = ..., receiver_names: _Optional[_Mapping[str, str]] = ..., receiver_jurisdictions: _Optional[_Iterable[str]] = ..., rule: _Optional[_Union[Rule, _Mapping]] = ..., since_index: _Optional[int] = ..., reasons: _Optional[_Iterable[_Union[_common_pb2.Reason, _Mapping]]] = ..., subject_to_admission: _Optional[bool] = ...) -> None: ...

class Rule(_message.Message):
    __slots__ = ("id", "version", "kind", "receiver", "sending", "outcome", "valid_from", "valid_to", "recorded_from", "recorded_to", "note", "source", "jurisdictions")
    ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    RECEIVER_FIELD_NUMBER: _ClassVar[int]
    SENDING_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    VALID_FROM_FIELD_NUMBER: _ClassVar[int]
    VALID_TO_FIELD_NUMBER: _ClassVar[int]
    RECORDED_FROM_FIELD_NUMBER: _ClassVar[int]
    RECORDED_TO_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    JURISDICTIONS_FIELD_NUMBER: _ClassVar[int]
    id: str
    version: int
    kind: str
    receiver: str
    sending: _common_pb2.Expression
    outcome: _common_pb2.Outcome
    valid_from: str
    valid_to: str
    recorded_from: int
    recorded_to: int
    note: str
    source: str
    jurisdictions: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, id: _Optional[str] = ..., version: _Optional[int] = ..., kind: _Optional[str] = ..., receiver: _Optional[str] = ..., sending: _Optional[_Union[_common_pb2.Expression, _Mapping]] = ..., outcome: _Optional[_Union[_common_pb2.Outcome, _Mapping]] = ..., valid_from: _Optional[str] = ..., valid_to: _Optional[str] = ..., recorded_from: _Optional[int] = ..., recorded_to: _Optional[int] = ..., note: _Optional[str] = ..., source: _Optional[str] = ..., jurisdictions: _Optional[_Iterable[str]] = ...) -> None: ...

class TranscriptLine(_message.Message):
    __slots__ = ("achievement", "version", "completed_on", "grade", "credits", "basis", "reference", "level")
    ACHIEVEMENT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    COMPLETED_ON_FIELD_NUMBER: _ClassVar[int]
    GRADE_FIELD_NUMBER: _ClassVar[int]
    CREDITS_FIELD_NUMBER: _ClassVar[int]
    BASIS_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    achievement: str
    version: int
    completed_on: str
    grade: _common_pb2.Grade
    credits: _common_pb2.CreditValue
    basis: str
    reference: str
    level: _common_pb2.LevelRef
    def __init__(self, achievement: _Optional[str] = ..., version: _Optional[int] = ..., completed_on: _Optional[str] = ..., grade: _Optional[_Union[_common_pb2.Grade, _Mapping]] = ..., credits: _Optional[_Union[_common_pb2.CreditValue, _Mapping]] = ..., basis: _Optional[str] = ..., reference: _Optional[str] = ..., level: _Optional[_Union[_common_pb2.LevelRef, _Mapping]] = ...) -> None: ...

class EvaluateRequest(_message.Message):
    __slots__ = ("lines", "receiver", "valid_on", "known_at", "min_position", "towards", "explain", "caps", "signed")
    LINES_FIELD_NUMBER: _ClassVar[int]
    RECEIVER_FIELD_NUMBER: _ClassVar[int]
    VALID_ON_FIELD_NUMBER: _ClassVar[int]
    KNOWN_AT_FIELD_NUMBER: _ClassVar[int]
    MIN_POSITION_FIELD_NUMBER: _ClassVar[int]
    TOWARDS_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_FIELD_NUMBER: _ClassVar[int]
    CAPS_FIELD_NUMBER: _ClassVar[int]
    SIGNED_FIELD_NUMBER: _ClassVar[int]
    lines: _containers.RepeatedCompositeFieldContainer[TranscriptLine]
    receiver: str
    valid_on: str
    known_at: _common_pb2.KnownAt
    min_position: int
    towards: str
    explain: bool
    caps: str
    signed: bool
    def __init__(self, lines: _Optional[_Iterable[_Union[TranscriptLine, _Mapping]]] = ..., receiver: _Optional[str] = ..., valid_on: _Optional[str] = ..., known_at: _Optional[_Union[_common_pb2.KnownAt, _Mapping]] = ..., min_position: _Optional[int] = ..., towards: _Optional[str] = ..., explain: _Optional[bool] = ..., caps: _Optional[str] = ..., signed: _Optional[bool] = ...) -> None: ...

class EvaluateResponse(_message.Message):
    __slots__ = ("reference", "line", "receiver", "match", "rule", "reasons", "smallest_fix", "summary", "position", "counted", "credits", "used_lines", "trace", "jws")
    class Summary(_message.Message):
        __slots__ = ("matched", "maybe", "missed", "credits", "receivers")
        MATCHED_FIELD_NUMBER: _ClassVar[int]
        MAYBE_FIELD_NUMBER: _ClassVar[int]
        MISSED_FIELD_NUMBER: _ClassVar[int]
        CREDITS_FIELD_NUMBER: _ClassVar[int]
        RECEIVERS_FIELD_NUMBER: _ClassVar[int]
        matched: int
        maybe: int
        missed: int
        credits: _containers.RepeatedCompositeFieldContainer[_common_pb2.CreditValue]
        receivers: _containers.RepeatedCompositeFieldContainer[EvaluateResponse.ReceiverTotal]
        def __init__(self, matched: _Optional[int] = ..., maybe: _Optional[int] = ..., missed: _Optional[int] = ..., credits: _Optional[_Iterable[_Union[_common_pb2.CreditValue, _Mapping]]] = ..., receivers: _Optional[_Iterable[_Union[EvaluateResponse.ReceiverTotal, _Mapping]]] = ...) -> None: ...
    class ReceiverTotal(_message.Message):
        __slots__ = ("receiver", "credits", "towards", "exact", "reasons", "rules", "caps", "within_caps", "over_caps")
        RECEIVER_FIELD_NUMBER: _ClassVar[int]
        CREDITS_FIELD_NUMBER: _ClassVar[int]
        TOWARDS_FIELD_NUMBER: _ClassVar[int]
        EXACT_FIELD_NUMBER: _ClassVar[int]
        REASONS_FIELD_NUMBER: _ClassVar[int]
        RULES_FIELD_NUMBER: _ClassVar[int]
        CAPS_FIELD_NUMBER: _ClassVar[int]
        WITHIN_CAPS_FIELD_NUMBER: _ClassVar[int]
        OVER_CAPS_FIELD_NUMBER: _ClassVar[int]
        receiver: str
        credits: _containers.RepeatedCompositeFieldContainer[_common_pb2.CreditValue]
        towards: _containers.RepeatedCompositeFieldContainer[_common_pb2.CreditValue]
        exact: bool
        reasons: _containers.RepeatedCompositeFieldContainer[_common_pb2.Reason]
        rules: _containers.RepeatedScalarFieldContainer[str]
        caps: _containers.RepeatedCompositeFieldContainer[EvaluateResponse.CapResult]
        within_caps: _containers.RepeatedCompositeFieldContainer[_common_pb2.CreditValue]
        over_caps: _containers.RepeatedScalarFieldContainer[str]
        def __init__(self, receiver: _Optional[str] = ..., credits: _Optional[_Iterable[_Union[_common_pb2.CreditValue, _Mapping]]] = ..., towards: _Optional[_Iterable[_Union[_common_pb2.CreditValue, _Mapping]]] = ..., exact: _Optional[bool] = ..., reasons: _Optional[_Iterable[_Union[_common_pb2.Reason, _Mapping]]] = ..., rules: _Optional[_Iterable[str]] = ..., caps: _Optional[_Iterable[_Union[EvaluateResponse.CapResult, _Mapping]]] = ..., within_caps: _Optional[_Iterable[_Union[_common_pb2.CreditValue, _Mapping]]] = ..., over_caps: _Optional[_Iterable[str]] = ...) -> None: ...
    class CapResult(_message.Message):
        __slots__ = ("pack", "pack_version", "clause", "force", "finding", "message", "reasons")
        class MessageEntry(_message.Message):
            __slots__ = ("key", "value")
            KEY_FIELD_NUMBER: _ClassVar[int]
            VALUE_FIELD_NUMBER: _ClassVar[int]
            key: str
            value: str
            def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
        PACK_FIELD_NUMBER: _ClassVar[int]
        PACK_VERSION_FIELD_NUMBER: _ClassVar[int]
        CLAUSE_FIELD_NUMBER: _ClassVar[int]
        FORCE_FIELD_NUMBER: _ClassVar[int]
        FINDING_FIELD_NUMBER: _ClassVar[int]
        MESSAGE_FIELD_NUMBER: _ClassVar[int]
        REASONS_FIELD_NUMBER: _ClassVar[int]
        pack: str
        pack_version: int
        clause: str
        force: str
        finding: str
        message: _containers.ScalarMap[str, str]
        reasons: _containers.RepeatedCompositeFieldContainer[_common_pb2.Reason]
        def __init__(self, pack: _Optional[str] = ..., pack_version: _Optional[int] = ..., clause: _Optional[str] = ..., force: _Optional[str] = ..., finding: _Optional[str] = ..., message: _Optional[_Mapping[str, str]] = ..., reasons: _Optional[_Iterable[_Union[_common_pb2.Reason, _Mapping]]] = ...) -> None: ...
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    LINE_FIELD_NUMBER: _ClassVar[int]
    RECEIVER_FIELD_NUMBER: _ClassVar[int]
    MATCH_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    SMALLEST_FIX_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    COUNTED_FIELD_NUMBER: _ClassVar[int]
    CREDITS_FIELD_NUMBER: _ClassVar[int]
    USED_LINES_FIELD_NUMBER: _ClassVar[int]
    TRACE_FIELD_NUMBER: _ClassVar[int]
    JWS_FIELD_NUMBER: _ClassVar[int]
    reference: str
    line: int
    receiver: str
    match: Match
    rule: Rule
    reasons: _containers.RepeatedCompositeFieldContainer[_common_pb2.Reason]
    smallest_fix: _containers.RepeatedScalarFieldContainer[str]
    summary: EvaluateResponse.Summary
    position: _common_pb2.Position
    counted: bool
    credits: _containers.RepeatedCompositeFieldContainer[_common_pb2.CreditValue]
    used_lines: _containers.RepeatedScalarFieldContainer[int]
    trace: Trace
    jws: str
    def __init__(self, reference: _Optional[str] = ..., line: _Optional[int] = ..., receiver: _Optional[str] = ..., match: _Optional[_Union[Match, str]] = ..., rule: _Optional[_Union[Rule, _Mapping]] = ..., reasons: _Optional[_Iterable[_Union[_common_pb2.Reason, _Mapping]]] = ..., smallest_fix: _Optional[_Iterable[str]] = ..., summary: _Optional[_Union[EvaluateResponse.Summary, _Mapping]] = ..., position: _Optional[_Union[_common_pb2.Position, _Mapping]] = ..., counted: _Optional[bool] = ..., credits: _Optional[_Iterable[_Union[_common_pb2.CreditValue, _Mapping]]] = ..., used_lines: _Optional[_Iterable[int]] = ..., trace: _Optional[_Union[Trace, _Mapping]] = ..., jws: _Optional[str] = ...) -> None: ...

class Trace(_message.Message):
    __slots__ = ("rule", "version", "match", "reasons", "root", "tables", "receiver")
    class Clause(_message.Message):
        __slots__ = ("path", "kind", "achievement", "met", "used_lines", "reasons", "parts", "compared")
        PATH_FIELD_NUMBER: _ClassVar[int]
        KIND_FIELD_NUMBER: _ClassVar[int]
        ACHIEVEMENT_FIELD_NUMBER: _ClassVar[int]
        MET_FIELD_NUMBER: _ClassVar[int]
        USED_LINES_FIELD_NUMBER: _ClassVar[int]
        REASONS_FIELD_NUMBER: _ClassVar[int]
        PARTS_FIELD_NUMBER: _ClassVar[int]
        COMPARED_FIELD_NUMBER: _ClassVar[int]
        path: str
        kind: str
        achievement: str
        met: bool
        used_lines: _containers.RepeatedScalarFieldContainer[int]
        reasons: _containers.RepeatedCompositeFieldContainer[_common_pb2.Reason]
        parts: _containers.RepeatedCompositeFieldContainer[Trace.Clause]
        compared: _containers.RepeatedCompositeFieldContainer[_common_pb2.Reason]
        def __init__(self, path: _Optional[str] = ..., kind: _Optional[str] = ..., achievement: _Optional[str] = ..., met: _Optional[bool] = ..., used_lines: _Optional[_Iterable[int]] = ..., reasons: _Optional[_Iterable[_Union[_common_pb2.Reason, _Mapping]]] = ..., parts: _Optional[_Iterable[_Union[Trace.Clause, _Mapping]]] = ..., compared: _Optional[_Iterable[_Union[_common_pb2.Reason, _Mapping]]] = ...) -> None: ...
    RULE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    MATCH_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    ROOT_FIELD_NUMBER: _ClassVar[int]
    TABLES_FIELD_NUMBER: _ClassVar[int]
    RECEIVER_FIELD_NUMBER: _ClassVar[int]
    rule: str
    version: int
    match: Match
    reasons: _containers.RepeatedCompositeFieldContainer[_common_pb2.Reason]
    root: Trace.Clause
    tables: _containers.RepeatedScalarFieldContainer[str]
    receiver: str
    def __init__(self, rule: _Optional[str] = ..., version: _Optional[int] = ..., match: _Optional[_Union[Match, str]] = ..., reasons: _Optional[_Iterable[_Union[_common_pb2.Reason, _Mapping]]] = ..., root: _Optional[_Union[Trace.Clause, _Mapping]] = ..., tables: _Optional[_Iterable[str]] = ..., receiver: _Optional[str] = ...) -> None: ...

class SearchRequest(_message.Message):
    __slots__ = ("words", "member", "kind", "jurisdiction", "delivery_mode", "framework", "occupation", "page_size", "page_token", "known_at", "fields", "min_position", "signed")
    WORDS_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    JURISDICTION_FIELD_NUMBER: _ClassVar[int]
    DELIVERY_MODE_FIELD_NUMBER: _ClassVar[int]
    FRAMEWORK_FIELD_NUMBER: _ClassVar[int]
    OCCUPATION_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    KNOWN_AT_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    MIN_POSITION_FIELD_NUMBER: _ClassVar[int]
    SIGNED_FIELD_NUMBER: _ClassVar[int]
    words: str
    member: str
    kind: str
    jurisdiction: str
    delivery_mode: str
    framework: str
    occupation: str
    page_size: int
    page_token: str
    known_at: _common_pb2.KnownAt
    fields: _field_mask_pb2.FieldMask
    min_position: int
    signed: bool
    def __init__(self, words: _Optional[str] = ..., member: _Optional[str] = ..., kind: _Optional[str] = ..., jurisdiction: _Optional[str] = ..., delivery_mode: _Optional[str] = ..., framework: _Optional[str] = ..., occupation: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., known_at: _Optional[_Union[_common_pb2.KnownAt, _Mapping]] = ..., fields: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., min_position: _Optional[int] = ..., signed: _Optional[bool] = ...) -> None: ...

class SearchResponse(_message.Message):
    __slots__ = ("achievements", "total", "next_page_token", "position", "jws")
    ACHIEVEMENTS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    JWS_FIELD_NUMBER: _ClassVar[int]
    achievements: _containers.RepeatedCompositeFieldContainer[Achievement]
    total: int
    next_page_token: str
    position: _common_pb2.Position
    jws: str
    def __init__(self, achievements: _Optional[_Iterable[_Union[Achievement, _Mapping]]] = ..., total: _Optional[int] = ..., next_page_token: _Optional[str] = ..., position: _Optional[_Union[_common_pb2.Position, _Mapping]] = ..., jws: _Optional[str] = ...) -> None: ...

class GetAchievementRequest(_message.Message):
    __slots__ = ("achievement", "known_at", "min_position", "fields", "signed")
    ACHIEVEMENT_FIELD_NUMBER: _ClassVar[int]
    KNOWN_AT_FIELD_NUMBER: _ClassVar[int]
    MIN_POSITION_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    SIGNED_FIELD_NUMBER: _ClassVar[int]
    achievement: str
    known_at: _common_pb2.KnownAt
    min_position: int
    fields: _field_mask_pb2.FieldMask
    signed: bool
    def __init__(self, achievement: _Optional[str] = ..., known_at: _Optional[_Union[_common_pb2.KnownAt, _Mapping]] = ..., min_position: _Optional[int] = ..., fields: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., signed: _Optional[bool] = ...) -> None: ...

class GetAchievementResponse(_message.Message):
    __slots__ = ("achievement", "endorsements", "evidence", "position", "jws")
    ACHIEVEMENT_FIELD_NUMBER: _ClassVar[int]
    ENDORSEMENTS_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    JWS_FIELD_NUMBER: _ClassVar[int]
    achievement: Achievement
    endorsements: _containers.RepeatedCompositeFieldContainer[Endorsement]
    evidence: _containers.RepeatedCompositeFieldContainer[_common_pb2.Evidence]
    position: _common_pb2.Position
    jws: str
    def __init__(self, achievement: _Optional[_Union[Achievement, _Mapping]] = ..., endorsements: _Optional[_Iterable[_Union[Endorsement, _Mapping]]] = ..., evidence: _Optional[_Iterable[_Union[_common_pb2.Evidence, _Mapping]]] = ..., position: _Optional[_Union[_common_pb2.Position, _Mapping]] = ..., jws: _Optional[str] = ...) -> None: ...

class ListRulesRequest(_message.Message):
    __slots__ = ("sender", "sender_jurisdiction", "receiver", "receiver_jurisdiction", "words", "achievement", "valid_on", "known_at", "min_position", "page_size", "page_token", "fields", "signed")
    SENDER_FIELD_NUMBER: _ClassVar[int]
    SENDER_JURISDICTION_FIELD_NUMBER: _ClassVar[int]
    RECEIVER_FIELD_NUMBER: _ClassVar[int]
    RECEIVER_JURISDICTION_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    ACHIEVEMENT_FIELD_NUMBER: _ClassVar[int]
    VALID_ON_FIELD_NUMBER: _ClassVar[int]
    KNOWN_AT_FIELD_NUMBER: _ClassVar[int]
    MIN_POSITION_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    SIGNED_FIELD_NUMBER: _ClassVar[int]
    sender: str
    sender_jurisdiction: str
    receiver: str
    receiver_jurisdiction: str
    words: str
    achievement: str
    valid_on: str
    known_at: _common_pb2.KnownAt
    min_position: int
    page_size: int
    page_token: str
    fields: _field_mask_pb2.FieldMask
    signed: bool
    def __init__(self, sender: _Optional[str] = ..., sender_jurisdiction: _Optional[str] = ..., receiver: _Optional[str] = ..., receiver_jurisdiction: _Optional[str] = ..., words: _Optional[str] = ..., achievement: _Optional[str] = ..., valid_on: _Optional[str] = ..., known_at: _Optional[_Union[_common_pb2.KnownAt, _Mapping]] = ..., min_position: _Optional[int] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., fields: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., signed: _Optional[bool] = ...) -> None: ...

class ListRulesResponse(_message.Message):
    __slots__ = ("rules", "next_page_token", "position", "jws")
    RULES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    JWS_FIELD_NUMBER: _ClassVar[int]
    rules: _containers.RepeatedCompositeFieldContainer[Rule]
    next_page_token: str
    position: _common_pb2.Position
    jws: str
    def __init__(self, rules: _Optional[_Iterable[_Union[Rule, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., position: _Optional[_Union[_common_pb2.Position, _Mapping]] = ..., jws: _Optional[str] = ...) -> None: ...

class PathwaysRequest(_message.Message):
    __slots__ = ("held", "target", "count", "valid_on", "known_at", "min_position", "signed")
    HELD_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    VALID_ON_FIELD_NUMBER: _ClassVar[int]
    KNOWN_AT_FIELD_NUMBER: _ClassVar[int]
    MIN_POSITION_FIELD_NUMBER: _ClassVar[int]
    SIGNED_FIELD_NUMBER: _ClassVar[int]
    held: _containers.RepeatedCompositeFieldContainer[TranscriptLine]
    target: str
    count: int
    valid_on: str
    known_at: _common_pb2.KnownAt
    min_position: int
    signed: bool
    def __init__(self, held: _Optional[_Iterable[_Union[TranscriptLine, _Mapping]]] = ..., target: _Optional[str] = ..., count: _Optional[int] = ..., valid_on: _Optional[str] = ..., known_at: _Optional[_Union[_common_pb2.KnownAt, _Mapping]] = ..., min_position: _Optional[int] = ..., signed: _Optional[bool] = ...) -> None: ...

class PathwaysResponse(_message.Message):
    __slots__ = ("target", "title", "pathways", "complete", "position", "jws")
    TARGET_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    PATHWAYS_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    JWS_FIELD_NUMBER: _ClassVar[int]
    target: str
    title: str
    pathways: _containers.RepeatedCompositeFieldContainer[Pathway]
    complete: bool
    position: _common_pb2.Position
    jws: str
    def __init__(self, target: _Optional[str] = ..., title: _Optional[str] = ..., pathways: _Optional[_Iterable[_Union[Pathway, _Mapping]]] = ..., complete: _Optional[bool] = ..., position: _Optional[_Union[_common_pb2.Position, _Mapping]] = ..., jws: _Optional[str] = ...) -> None: ...

class Pathway(_message.Message):
    __slots__ = ("steps", "credits_lost", "effort_hours", "cost_cad", "reasons")
    class Step(_message.Message):
        __slots__ = ("kind", "rule", "achievement", "title", "uses", "credits")
        KIND_FIELD_NUMBER: _ClassVar[int]
        RULE_FIELD_NUMBER: _ClassVar[int]
        ACHIEVEMENT_FIELD_NUMBER: _ClassVar[int]
        TITLE_FIELD_NUMBER: _ClassVar[int]
        USES_FIELD_NUMBER: _ClassVar[int]
        CREDITS_FIELD_NUMBER: _ClassVar[int]
        kind: str
        rule: Rule
        achievement: str
        title: str
        uses: _containers.RepeatedScalarFieldContainer[str]
        credits: _containers.RepeatedCompositeFieldContainer[_common_pb2.CreditValue]
        def __init__(self, kind: _Optional[str] = ..., rule: _Optional[_Union[Rule, _Mapping]] = ..., achievement: _Optional[str] = ..., title: _Optional[str] = ..., uses: _Optional[_Iterable[str]] = ..., credits: _Optional[_Iterable[_Union[_common_pb2.CreditValue, _Mapping]]] = ...) -> None: ...
    STEPS_FIELD_NUMBER: _ClassVar[int]
    CREDITS_LOST_FIELD_NUMBER: _ClassVar[int]
    EFFORT_HOURS_FIELD_NUMBER: _ClassVar[int]
    COST_CAD_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    steps: _containers.RepeatedCompositeFieldContainer[Pathway.Step]
    credits_lost: _containers.RepeatedCompositeFieldContainer[_common_pb2.CreditValue]
    effort_hours: str
    cost_cad: str
    reasons: _containers.RepeatedCompositeFieldContainer[_common_pb2.Reason]
    def __init__(self, steps: _Optional[_Iterable[_Union[Pathway.Step, _Mapping]]] = ..., credits_lost: _Optional[_Iterable[_Union[_common_pb2.CreditValue, _Mapping]]] = ..., effort_hours: _Optional[str] = ..., cost_cad: _Optional[str] = ..., reasons: _Optional[_Iterable[_Union[_common_pb2.Reason, _Mapping]]] = ...) -> None: ...

class Endorsement(_message.Message):
    __slots__ = ("member", "names", "kinds", "capacity", "jurisdictions", "index", "valid_until", "statement")
    class NamesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    KINDS_FIELD_NUMBER: _ClassVar[int]
    CAPACITY_FIELD_NUMBER: _ClassVar[int]
    JURISDICTIONS_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    VALID_UNTIL_FIELD_NUMBER: _ClassVar[int]
    STATEMENT_FIELD_NUMBER: _ClassVar[int]
    member: str
    names: _containers.ScalarMap[str, str]
    kinds: _containers.RepeatedScalarFieldContainer[str]
    capacity: str
    jurisdictions: _containers.RepeatedScalarFieldContainer[str]
    index: int
    valid_until: str
    statement: str
    def __init__(self, member: _Optional[str] = ..., names: _Optional[_Mapping[str, str]] = ..., kinds: _Optional[_Iterable[str]] = ..., capacity: _Optional[str] = ..., jurisdictions: _Optional[_Iterable[str]] = ..., index: _Optional[int] = ..., valid_until: _Optional[str] = ..., statement: _Optional[str] = ...) -> None: ...

class Achievement(_message.Message):
    __slots__ = ("id", "version", "kind", "code", "title", "language", "translations", "owner", "awarding_bodies", "retired", "credits", "delivery_modes", "effort_hours", "cost_cad", "data_json", "index")
    class TranslationsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    TRANSLATIONS_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    AWARDING_BODIES_FIELD_NUMBER: _ClassVar[int]
    RETIRED_FIELD_NUMBER: _ClassVar[int]
    CREDITS_FIELD_NUMBER: _ClassVar[int]
    DELIVERY_MODES_FIELD_NUMBER: _ClassVar[int]
    EFFORT_HOURS_FIELD_NUMBER: _ClassVar[int]
    COST_CAD_FIELD_NUMBER: _ClassVar[int]
    DATA_JSON_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    id: str
    version: int
    kind: str
    code: str
    title: str
    language: str
    translations: _containers.ScalarMap[str, str]
    owner: str
    awarding_bodies: _containers.RepeatedScalarFieldContainer[str]
    retired: bool
    credits: _containers.RepeatedCompositeFieldContainer[_common_pb2.CreditValue]
    delivery_modes: _containers.RepeatedScalarFieldContainer[str]
    effort_hours: str
    cost_cad: str
    data_json: str
    index: int
    def __init__(self, id: _Optional[str] = ..., version: _Optional[int] = ..., kind: _Optional[str] = ..., code: _Optional[str] = ..., title: _Optional[str] = ..., language: _Optional[str] = ..., translations: _Optional[_Mapping[str, str]] = ..., owner: _Optional[str] = ..., awarding_bodies: _Optional[_Iterable[str]] = ..., retired: _Optional[bool] = ..., credits: _Optional[_Iterable[_Union[_common_pb2.CreditValue, _Mapping]]] = ..., delivery_modes: _Optional[_Iterable[str]] = ..., effort_hours: _Optional[str] = ..., cost_cad: _Optional[str] = ..., data_json: _Optional[str] = ..., index: _Optional[int] = ...) -> None: ...
