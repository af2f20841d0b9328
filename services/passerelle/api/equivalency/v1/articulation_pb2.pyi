from passerelle.api.common.v1 import common_pb2 as _common_pb2
from passerelle.api.equivalency.v1 import equivalency_pb2 as _equivalency_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RequestState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REQUEST_STATE_UNSPECIFIED: _ClassVar[RequestState]
    REQUEST_STATE_REQUESTED: _ClassVar[RequestState]
    REQUEST_STATE_RETURNED: _ClassVar[RequestState]
    REQUEST_STATE_ANSWERED: _ClassVar[RequestState]
    REQUEST_STATE_DECLINED: _ClassVar[RequestState]
REQUEST_STATE_UNSPECIFIED: RequestState
REQUEST_STATE_REQUESTED: RequestState
REQUEST_STATE_RETURNED: RequestState
REQUEST_STATE_ANSWERED: RequestState
REQUEST_STATE_DECLINED: RequestState

class ListRequestsRequest(_message.Message):
    __slots__ = ("receiver", "evaluator", "sender", "subject", "state", "all_states", "overdue", "min_age_days", "known_at", "min_position", "page_size", "page_token", "signed")
    RECEIVER_FIELD_NUMBER: _ClassVar[int]
    EVALUATOR_FIELD_NUMBER: _ClassVar[int]
    SENDER_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    ALL_STATES_FIELD_NUMBER: _ClassVar[int]
    OVERDUE_FIELD_NUMBER: _ClassVar[int]
    MIN_AGE_DAYS_FIELD_NUMBER: _ClassVar[int]
    KNOWN_AT_FIELD_NUMBER: _ClassVar[int]
    MIN_POSITION_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SIGNED_FIELD_NUMBER: _ClassVar[int]
    receiver: str
    evaluator: str
    sender: str
    subject: str
    state: RequestState
    all_states: bool
    overdue: bool
    min_age_days: int
    known_at: _common_pb2.KnownAt
    min_position: int
    page_size: int
    page_token: str
    signed: bool
    def __init__(self, receiver: _Optional[str] = ..., evaluator: _Optional[str] = ..., sender: _Optional[str] = ..., subject: _Optional[str] = ..., state: _Optional[_Union[RequestState, str]] = ..., all_states: _Optional[bool] = ..., overdue: _Optional[bool] = ..., min_age_days: _Optional[int] = ..., known_at: _Optional[_Union[_common_pb2.KnownAt, _Mapping]] = ..., min_position: _Optional[int] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., signed: _Optional[bool] = ...) -> None: ...

class ListRequestsResponse(_message.Message):
    __slots__ = ("requests", "total", "next_page_token", "position", "jws")
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    JWS_FIELD_NUMBER: _ClassVar[int]
    requests: _containers.RepeatedCompositeFieldContainer[ArticulationRequest]
    total: int
    next_page_token: str
    position: _common_pb2.Position
    jws: str
    def __init__(self, requests: _Optional[_Iterable[_Union[ArticulationRequest, _Mapping]]] = ..., total: _Optional[int] = ..., next_page_token: _Optional[str] = ..., position: _Optional[_Union[_common_pb2.Position, _Mapping]] = ..., jws: _Optional[str] = ...) -> None: ...

class GetRequestRequest(_message.Message):
    __slots__ = ("request", "known_at", "min_position", "signed")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    KNOWN_AT_FIELD_NUMBER: _ClassVar[int]
    MIN_POSITION_FIELD_NUMBER: _ClassVar[int]
    SIGNED_FIELD_NUMBER: _ClassVar[int]
    request: str
    known_at: _common_pb2.KnownAt
    min_position: int
    signed: bool
    def __init__(self, request: _Optional[str] = ..., known_at: _Optional[_Union[_common_pb2.KnownAt, _Mapping]] = ..., min_position: _Optional[int] = ..., signed: _Optional[bool] = ...) -> None: ...

class GetRequestResponse(_message.Message):
    __slots__ = ("request", "position", "jws")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    JWS_FIELD_NUMBER: _ClassVar[int]
    request: ArticulationRequest
    position: _common_pb2.Position
    jws: str
    def __init__(self, request: _Optional[_Union[ArticulationRequest, _Mapping]] = ..., position: _Optional[_Union[_common_pb2.Position, _Mapping]] = ..., jws: _Optional[str] = ...) -> None: ...

class ArticulationRequest(_message.Message):
    __slots__ = ("id", "asked_by", "achievement", "title", "achievement_version", "receiver", "receiver_names", "evaluator", "towards", "replaces", "outline_url", "outline_sha256", "due_on", "note", "state", "since", "since_index", "age_days", "overdue", "answer", "needed", "steps")
    class ReceiverNamesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class Step(_message.Message):
        __slots__ = ("index", "on", "member", "event", "note")
        INDEX_FIELD_NUMBER: _ClassVar[int]
        ON_FIELD_NUMBER: _ClassVar[int]
        MEMBER_FIELD_NUMBER: _ClassVar[int]
        EVENT_FIELD_NUMBER: _ClassVar[int]
        NOTE_FIELD_NUMBER: _ClassVar[int]
        index: int
        on: str
        member: str
        event: str
        note: str
        def __init__(self, index: _Optional[int] = ..., on: _Optional[str] = ..., member: _Optional[str] = ..., event: _Optional[str] = ..., note: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    ASKED_BY_FIELD_NUMBER: _ClassVar[int]
    ACHIEVEMENT_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    ACHIEVEMENT_VERSION_FIELD_NUMBER: _ClassVar[int]
    RECEIVER_FIELD_NUMBER: _ClassVar[int]
    RECEIVER_NAMES_FIELD_NUMBER: _ClassVar[int]
    EVALUATOR_FIELD_NUMBER: _ClassVar[int]
    TOWARDS_FIELD_NUMBER: _ClassVar[int]
    REPLACES_FIELD_NUMBER: _ClassVar[int]
    OUTLINE_URL_FIELD_NUMBER: _ClassVar[int]
    OUTLINE_SHA256_FIELD_NUMBER: _ClassVar[int]
    DUE_ON_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    SINCE_INDEX_FIELD_NUMBER: _ClassVar[int]
    AGE_DAYS_FIELD_NUMBER: _ClassVar[int]
    OVERDUE_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    NEEDED_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    id: str
    asked_by: str
    achievement: str
    title: str
    achievement_version: int
    receiver: str
    receiver_names: _containers.ScalarMap[str, str]
    evaluator: str
    towards: str
    replaces: str
    outline_url: str
    outline_sha256: str
    due_on: str
    note: str
    state: RequestState
    since: str
    since_index: int
    age_days: int
    overdue: bool
    answer: str
    needed: _containers.RepeatedScalarFieldContainer[str]
    steps: _containers.RepeatedCompositeFieldContainer[ArticulationRequest.Step]
    def __init__(self, id: _Optional[str] = ..., asked_by: _Optional[str] = ..., achievement: _Optional[str] = ..., title: _Optional[str] = ..., achievement_version: _Optional[int] = ..., receiver: _Optional[str] = ..., receiver_names: _Optional[_Mapping[str, str]] = ..., evaluator: _Optional[str] = ..., towards: _Optional[str] = ..., replaces: _Optional[str] = ..., outline_url: _Optional[str] = ..., outline_sha256: _Optional[str] = ..., due_on: _Optional[str] = ..., note: _Optional[str] = ..., state: _Optional[_Union[RequestState, str]] = ..., since: _Optional[str] = ..., since_index: _Optional[int] = ..., age_days: _Optional[int] = ..., overdue: _Optional[bool] = ..., answer: _Optional[str] = ..., needed: _Optional[_Iterable[str]] = ..., steps: _Optional[_Iterable[_Union[ArticulationRequest.Step, _Mapping]]] = ...) -> None: ...

class SummariseRequestsRequest(_message.Message):
    __slots__ = ("receiver", "sender", "known_at", "min_position", "signed")
    RECEIVER_FIELD_NUMBER: _ClassVar[int]
    SENDER_FIELD_NUMBER: _ClassVar[int]
    KNOWN_AT_FIELD_NUMBER: _ClassVar[int]
    MIN_POSITION_FIELD_NUMBER: _ClassVar[int]
    SIGNED_FIELD_NUMBER: _ClassVar[int]
    receiver: str
    sender: str
    known_at: _common_pb2.KnownAt
    min_position: int
    signed: bool
    def __init__(self, receiver: _Optional[str] = ..., sender: _Optional[str] = ..., known_at: _Optional[_Union[_common_pb2.KnownAt, _Mapping]] = ..., min_position: _Optional[int] = ..., signed: _Optional[bool] = ...) -> None: ...

class SummariseRequestsResponse(_message.Message):
    __slots__ = ("receivers", "position", "jws")
    class Summary(_message.Message):
        __slots__ = ("receiver", "open", "overdue", "answered", "declined", "median_days", "oldest_days")
        RECEIVER_FIELD_NUMBER: _ClassVar[int]
        OPEN_FIELD_NUMBER: _ClassVar[int]
        OVERDUE_FIELD_NUMBER: _ClassVar[int]
        ANSWERED_FIELD_NUMBER: _ClassVar[int]
        DECLINED_FIELD_NUMBER: _ClassVar[int]
        MEDIAN_DAYS_FIELD_NUMBER: _ClassVar[int]
        OLDEST_DAYS_FIELD_NUMBER: _ClassVar[int]
        receiver: str
        open: int
        overdue: int
        answered: int
        declined: int
        median_days: str
        oldest_days: int
        def __init__(self, receiver: _Optional[str] = ..., open: _Optional[int] = ..., overdue: _Optional[int] = ..., answered: _Optional[int] = ..., declined: _Optional[int] = ..., median_days: _Optional[str] = ..., oldest_days: _Optional[int] = ...) -> None: ...
    RECEIVERS_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    JWS_FIELD_NUMBER: _ClassVar[int]
    receivers: _containers.RepeatedCompositeFieldContainer[SummariseRequestsResponse.Summary]
    position: _common_pb2.Position
    jws: str
    def __init__(self, receivers: _Optional[_Iterable[_Union[SummariseRequestsResponse.Summary, _Mapping]]] = ..., position: _Optional[_Union[_common_pb2.Position, _Mapping]] = ..., jws: _Optional[str] = ...) -> None: ...

class ListPrecedentsRequest(_message.Message):
    __slots__ = ("achievement", "receiver", "valid_on", "known_at", "min_position", "signed")
    ACHIEVEMENT_FIELD_NUMBER: _ClassVar[int]
    RECEIVER_FIELD_NUMBER: _ClassVar[int]
    VALID_ON_FIELD_NUMBER: _ClassVar[int]
    KNOWN_AT_FIELD_NUMBER: _ClassVar[int]
    MIN_POSITION_FIELD_NUMBER: _ClassVar[int]
    SIGNED_FIELD_NUMBER: _ClassVar[int]
    achievement: str
    receiver: str
    valid_on: str
    known_at: _common_pb2.KnownAt
    min_position: int
    signed: bool
    def __init__(self, achievement: _Optional[str] = ..., receiver: _Optional[str] = ..., valid_on: _Optional[str] = ..., known_at: _Optional[_Union[_common_pb2.KnownAt, _Mapping]] = ..., min_position: _Optional[int] = ..., signed: _Optional[bool] = ...) -> None: ...

class ListPrecedentsResponse(_message.Message):
    __slots__ = ("achievement", "title", "precedents", "binding", "position", "jws")
    class Precedent(_message.Message):
        __slots__ = ("answer", "through")
        ANSWER_FIELD_NUMBER: _ClassVar[int]
        THROUGH_FIELD_NUMBER: _ClassVar[int]
        answer: _equivalency_pb2.Answer
        through: str
        def __init__(self, answer: _Optional[_Union[_equivalency_pb2.Answer, _Mapping]] = ..., through: _Optional[str] = ...) -> None: ...
    ACHIEVEMENT_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    PRECEDENTS_FIELD_NUMBER: _ClassVar[int]
    BINDING_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    JWS_FIELD_NUMBER: _ClassVar[int]
    achievement: str
    title: str
    precedents: _containers.RepeatedCompositeFieldContainer[ListPrecedentsResponse.Precedent]
    binding: bool
    position: _common_pb2.Position
    jws: str
    def __init__(self, achievement: _Optional[str] = ..., title: _Optional[str] = ..., precedents: _Optional[_Iterable[_Union[ListPrecedentsResponse.Precedent, _Mapping]]] = ..., binding: _Optional[bool] = ..., position: _Optional[_Union[_common_pb2.Position, _Mapping]] = ..., jws: _Optional[str] = ...) -> None: ...

class ListContradictionsRequest(_message.Message):
    __slots__ = ("receiver", "sender", "known_at", "min_position", "page_size", "page_token", "signed")
    RECEIVER_FIELD_NUMBER: _ClassVar[int]
    SENDER_FIELD_NUMBER: _ClassVar[int]
    KNOWN_AT_FIELD_NUMBER: _ClassVar[int]
    MIN_POSITION_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SIGNED_FIELD_NUMBER: _ClassVar[int]
    receiver: str
    sender: str
    known_at: _common_pb2.KnownAt
    min_position: int
    page_size: int
    page_token: str
    signed: bool
    def __init__(self, receiver: _Optional[str] = ..., sender: _Optional[str] = ..., known_at: _Optional[_Union[_common_pb2.KnownAt, _Mapping]] = ..., min_position: _Optional[int] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., signed: _Optional[bool] = ...) -> None: ...

class ListContradictionsResponse(_message.Message):
    __slots__ = ("contradictions", "next_page_token", "position", "jws")
    class Contradiction(_message.Message):
        __slots__ = ("first", "second", "cause", "from_date", "until_date")
        FIRST_FIELD_NUMBER: _ClassVar[int]
        SECOND_FIELD_NUMBER: _ClassVar[int]
        CAUSE_FIELD_NUMBER: _ClassVar[int]
        FROM_DATE_FIELD_NUMBER: _ClassVar[int]
        UNTIL_DATE_FIELD_NUMBER: _ClassVar[int]
        first: _equivalency_pb2.Rule
        second: _equivalency_pb2.Rule
        cause: str
        from_date: str
        until_date: str
        def __init__(self, first: _Optional[_Union[_equivalency_pb2.Rule, _Mapping]] = ..., second: _Optional[_Union[_equivalency_pb2.Rule, _Mapping]] = ..., cause: _Optional[str] = ..., from_date: _Optional[str] = ..., until_date: _Optional[str] = ...) -> None: ...
    CONTRADICTIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    JWS_FIELD_NUMBER: _ClassVar[int]
    contradictions: _containers.RepeatedCompositeFieldContainer[ListContradictionsResponse.Contradiction]
    next_page_token: str
    position: _common_pb2.Position
    jws: str
    def __init__(self, contradictions: _Optional[_Iterable[_Union[ListContradictionsResponse.Contradiction, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., position: _Optional[_Union[_common_pb2.Position, _Mapping]] = ..., jws: _Optional[str] = ...) -> None: ...

class ListNonReciprocalRequest(_message.Message):
    __slots__ = ("receiver", "sender", "valid_on", "known_at", "min_position", "page_size", "page_token", "signed")
    RECEIVER_FIELD_NUMBER: _ClassVar[int]
    SENDER_FIELD_NUMBER: _ClassVar[int]
    VALID_ON_FIELD_NUMBER: _ClassVar[int]
    KNOWN_AT_FIELD_NUMBER: _ClassVar[int]
    MIN_POSITION_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SIGNED_FIELD_NUMBER: _ClassVar[int]
    receiver: str
    sender: str
    valid_on: str
    known_at: _common_pb2.KnownAt
    min_position: int
    page_size: int
    page_token: str
    signed: bool
    def __init__(self, receiver: _Optional[str] = ..., sender: _Optional[str] = ..., valid_on: _Optional[str] = ..., known_at: _Optional[_Union[_common_pb2.KnownAt, _Mapping]] = ..., min_position: _Optional[int] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., signed: _Optional[bool] = ...) -> None: ...

class ListNonReciprocalResponse(_message.Message):
    __slots__ = ("rules", "next_page_token", "position", "jws")
    RULES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    JWS_FIELD_NUMBER: _ClassVar[int]
    rules: _containers.RepeatedCompositeFieldContainer[_equivalency_pb2.Rule]
    next_page_token: str
    position: _common_pb2.Position
    jws: str
    def __init__(self, rules: _Optional[_Iterable[_Union[_equivalency_pb2.Rule, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., position: _Optional[_Union[_common_pb2.Position, _Mapping]] = ..., jws: _Optional[str] = ...) -> None: ...

class ListOrphansRequest(_message.Message):
    __slots__ = ("receiver", "sender", "valid_on", "known_at", "min_position", "page_size", "page_token", "signed")
    RECEIVER_FIELD_NUMBER: _ClassVar[int]
    SENDER_FIELD_NUMBER: _ClassVar[int]
    VALID_ON_FIELD_NUMBER: _ClassVar[int]
    KNOWN_AT_FIELD_NUMBER: _ClassVar[int]
    MIN_POSITION_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SIGNED_FIELD_NUMBER: _ClassVar[int]
    receiver: str
    sender: str
    valid_on: str
    known_at: _common_pb2.KnownAt
    min_position: int
    page_size: int
    page_token: str
    signed: bool
    def __init__(self, receiver: _Optional[str] = ..., sender: _Optional[str] = ..., valid_on: _Optional[str] = ..., known_at: _Optional[_Union[_common_pb2.KnownAt, _Mapping]] = ..., min_position: _Optional[int] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., signed: _Optional[bool] = ...) -> None: ...

class ListOrphansResponse(_message.Message):
    __slots__ = ("orphans", "next_page_token", "position", "jws")
    class Orphan(_message.Message):
        __slots__ = ("rule", "achievement", "title", "cause", "replaced_by", "changed_index", "effective_on")
        RULE_FIELD_NUMBER: _ClassVar[int]
        ACHIEVEMENT_FIELD_NUMBER: _ClassVar[int]
        TITLE_FIELD_NUMBER: _ClassVar[int]
        CAUSE_FIELD_NUMBER: _ClassVar[int]
        REPLACED_BY_FIELD_NUMBER: _ClassVar[int]
        CHANGED_INDEX_FIELD_NUMBER: _ClassVar[int]
        EFFECTIVE_ON_FIELD_NUMBER: _ClassVar[int]
        rule: _equivalency_pb2.Rule
        achievement: str
        title: str
        cause: str
        replaced_by: str
        changed_index: int
        effective_on: str
        def __init__(self, rule: _Optional[_Union[_equivalency_pb2.Rule, _Mapping]] = ..., achievement: _Optional[str] = ..., title: _Optional[str] = ..., cause: _Optional[str] = ..., replaced_by: _Optional[str] = ..., changed_index: _Optional[int] = ..., effective_on: _Optional[str] = ...) -> None: ...
    ORPHANS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    JWS_FIELD_NUMBER: _ClassVar[int]
    orphans: _containers.RepeatedCompositeFieldContainer[ListOrphansResponse.Orphan]
    next_page_token: str
    position: _common_pb2.Position
    jws: str
    def __init__(self, orphans: _Optional[_Iterable[_Union[ListOrphansResponse.Orphan, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., position: _Optional[_Union[_common_pb2.Position, _Mapping]] = ..., jws: _Optional[str] = ...) -> None: ...

class ListEndingRequest(_message.Message):
    __slots__ = ("receiver", "sender", "within_days", "valid_on", "known_at", "min_position", "page_size", "page_token", "signed")
    RECEIVER_FIELD_NUMBER: _ClassVar[int]
    SENDER_FIELD_NUMBER: _ClassVar[int]
    WITHIN_DAYS_FIELD_NUMBER: _ClassVar[int]
    VALID_ON_FIELD_NUMBER: _ClassVar[int]
    KNOWN_AT_FIELD_NUMBER: _ClassVar[int]
    MIN_POSITION_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SIGNED_FIELD_NUMBER: _ClassVar[int]
    receiver: str
    sender: str
    within_days: int
    valid_on: str
    known_at: _common_pb2.KnownAt
    min_position: int
    page_size: int
    page_token: str
    signed: bool
    def __init__(self, receiver: _Optional[str] = ..., sender: _Optional[str] = ..., within_days: _Optional[int] = ..., valid_on: _Optional[str] = ..., known_at: _Optional[_Union[_common_pb2.KnownAt, _Mapping]] = ..., min_position: _Optional[int] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., signed: _Optional[bool] = ...) -> None: ...

class ListEndingResponse(_message.Message):
    __slots__ = ("rules", "next_page_token", "position", "jws")
    RULES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    JWS_FIELD_NUMBER: _ClassVar[int]
    rules: _containers.RepeatedCompositeFieldContainer[_equivalency_pb2.Rule]
    next_page_token: str
    position: _common_pb2.Position
    jws: str
    def __init__(self, rules: _Optional[_Iterable[_Union[_equivalency_pb2.Rule, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., position: _Optional[_Union[_common_pb2.Position, _Mapping]] = ..., jws: _Optional[str] = ...) -> None: ...

class GetCoverageRequest(_message.Message):
    __slots__ = ("sender", "receiver", "valid_on", "known_at", "min_position", "limit", "signed")
    SENDER_FIELD_NUMBER: _ClassVar[int]
    RECEIVER_FIELD_NUMBER: _ClassVar[int]
    VALID_ON_FIELD_NUMBER: _ClassVar[int]
    KNOWN_AT_FIELD_NUMBER: _ClassVar[int]
    MIN_POSITION_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    SIGNED_FIELD_NUMBER: _ClassVar[int]
    sender: str
    receiver: str
    valid_on: str
    known_at: _common_pb2.KnownAt
    min_position: int
    limit: int
    signed: bool
    def __init__(self, sender: _Optional[str] = ..., receiver: _Optional[str] = ..., valid_on: _Optional[str] = ..., known_at: _Optional[_Union[_common_pb2.KnownAt, _Mapping]] = ..., min_position: _Optional[int] = ..., limit: _Optional[int] = ..., signed: _Optional[bool] = ...) -> None: ...

class GetCoverageResponse(_message.Message):
    __slots__ = ("achievements", "counts", "never_evaluated", "position", "jws")
    class Count(_message.Message):
        __slots__ = ("verdict", "achievements")
        VERDICT_FIELD_NUMBER: _ClassVar[int]
        ACHIEVEMENTS_FIELD_NUMBER: _ClassVar[int]
        verdict: _equivalency_pb2.Verdict
        achievements: int
        def __init__(self, verdict: _Optional[_Union[_equivalency_pb2.Verdict, str]] = ..., achievements: _Optional[int] = ...) -> None: ...
    ACHIEVEMENTS_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    NEVER_EVALUATED_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    JWS_FIELD_NUMBER: _ClassVar[int]
    achievements: int
    counts: _containers.RepeatedCompositeFieldContainer[GetCoverageResponse.Count]
    never_evaluated: _containers.RepeatedScalarFieldContainer[str]
    position: _common_pb2.Position
    jws: str
    def __init__(self, achievements: _Optional[int] = ..., counts: _Optional[_Iterable[_Union[GetCoverageResponse.Count, _Mapping]]] = ..., never_evaluated: _Optional[_Iterable[str]] = ..., position: _Optional[_Union[_common_pb2.Position, _Mapping]] = ..., jws: _Optional[str] = ...) -> None: ...

class WhatIfRequest(_message.Message):
    __slots__ = ("receiver", "transcripts", "rules", "valid_on", "known_at", "min_position", "signed")
    class Transcript(_message.Message):
        __slots__ = ("reference", "lines")
        REFERENCE_FIELD_NUMBER: _ClassVar[int]
        LINES_FIELD_NUMBER: _ClassVar[int]
        reference: str
        lines: _containers.RepeatedCompositeFieldContainer[_equivalency_pb2.TranscriptLine]
        def __init__(self, reference: _Optional[str] = ..., lines: _Optional[_Iterable[_Union[_equivalency_pb2.TranscriptLine, _Mapping]]] = ...) -> None: ...
    class DraftRule(_message.Message):
        __slots__ = ("id", "data_json")
        ID_FIELD_NUMBER: _ClassVar[int]
        DATA_JSON_FIELD_NUMBER: _ClassVar[int]
        id: str
        data_json: str
        def __init__(self, id: _Optional[str] = ..., data_json: _Optional[str] = ...) -> None: ...
    RECEIVER_FIELD_NUMBER: _ClassVar[int]
    TRANSCRIPTS_FIELD_NUMBER: _ClassVar[int]
    RULES_FIELD_NUMBER: _ClassVar[int]
    VALID_ON_FIELD_NUMBER: _ClassVar[int]
    KNOWN_AT_FIELD_NUMBER: _ClassVar[int]
    MIN_POSITION_FIELD_NUMBER: _ClassVar[int]
    SIGNED_FIELD_NUMBER: _ClassVar[int]
    receiver: str
    transcripts: _containers.RepeatedCompositeFieldContainer[WhatIfRequest.Transcript]
    rules: _containers.RepeatedCompositeFieldContainer[WhatIfRequest.DraftRule]
    valid_on: str
    known_at: _common_pb2.KnownAt
    min_position: int
    signed: bool
    def __init__(self, receiver: _Optional[str] = ..., transcripts: _Optional[_Iterable[_Union[WhatIfRequest.Transcript, _Mapping]]] = ..., rules: _Optional[_Iterable[_Union[WhatIfRequest.DraftRule, _Mapping]]] = ..., valid_on: _Optional[str] = ..., known_at: _Optional[_Union[_common_pb2.KnownAt, _Mapping]] = ..., min_position: _Optional[int] = ..., signed: _Optional[bool] = ...) -> None: ...

class WhatIfResponse(_message.Message):
    __slots__ = ("transcripts", "gain", "lose", "same", "position", "jws")
    class Change(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        CHANGE_UNSPECIFIED: _ClassVar[WhatIfResponse.Change]
        CHANGE_GAINS: _ClassVar[WhatIfResponse.Change]
        CHANGE_LOSES: _ClassVar[WhatIfResponse.Change]
        CHANGE_SAME: _ClassVar[WhatIfResponse.Change]
        CHANGE_MIXED: _ClassVar[WhatIfResponse.Change]
    CHANGE_UNSPECIFIED: WhatIfResponse.Change
    CHANGE_GAINS: WhatIfResponse.Change
    CHANGE_LOSES: WhatIfResponse.Change
    CHANGE_SAME: WhatIfResponse.Change
    CHANGE_MIXED: WhatIfResponse.Change
    class Outcome(_message.Message):
        __slots__ = ("reference", "change", "credits_before", "credits_after", "lines")
        REFERENCE_FIELD_NUMBER: _ClassVar[int]
        CHANGE_FIELD_NUMBER: _ClassVar[int]
        CREDITS_BEFORE_FIELD_NUMBER: _ClassVar[int]
        CREDITS_AFTER_FIELD_NUMBER: _ClassVar[int]
        LINES_FIELD_NUMBER: _ClassVar[int]
        reference: str
        change: WhatIfResponse.Change
        credits_before: _containers.RepeatedCompositeFieldContainer[_common_pb2.CreditValue]
        credits_after: _containers.RepeatedCompositeFieldContainer[_common_pb2.CreditValue]
        lines: _containers.RepeatedCompositeFieldContainer[WhatIfResponse.Line]
        def __init__(self, reference: _Optional[str] = ..., change: _Optional[_Union[WhatIfResponse.Change, str]] = ..., credits_before: _Optional[_Iterable[_Union[_common_pb2.CreditValue, _Mapping]]] = ..., credits_after: _Optional[_Iterable[_Union[_common_pb2.CreditValue, _Mapping]]] = ..., lines: _Optional[_Iterable[_Union[WhatIfResponse.Line, _Mapping]]] = ...) -> None: ...
    class Line(_message.Message):
        __slots__ = ("line", "achievement", "before", "after", "rule_before", "rule_after")
        LINE_FIELD_NUMBER: _ClassVar[int]
        ACHIEVEMENT_FIELD_NUMBER: _ClassVar[int]
        BEFORE_FIELD_NUMBER: _ClassVar[int]
        AFTER_FIELD_NUMBER: _ClassVar[int]
        RULE_BEFORE_FIELD_NUMBER: _ClassVar[int]
        RULE_AFTER_FIELD_NUMBER: _ClassVar[int]
        line: int
        achievement: str
        before: _equivalency_pb2.Match
        after: _equivalency_pb2.Match
        rule_before: str
        rule_after: str
        def __init__(self, line: _Optional[int] = ..., achievement: _Optional[str] = ..., before: _Optional[_Union[_equivalency_pb2.Match, str]] = ..., after: _Optional[_Union[_equivalency_pb2.Match, str]] = ..., rule_before: _Optional[str] = ..., rule_after: _Optional[str] = ...) -> None: ...
    TRANSCRIPTS_FIELD_NUMBER: _ClassVar[int]
    GAIN_FIELD_NUMBER: _ClassVar[int]
    LOSE_FIELD_NUMBER: _ClassVar[int]
    SAME_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    JWS_FIELD_NUMBER: _ClassVar[int]
    transcripts: _containers.RepeatedCompositeFieldContainer[WhatIfResponse.Outcome]
    gain: int
    lose: int
    same: int
    position: _common_pb2.Position
    jws: str
    def __init__(self, transcripts: _Optional[_Iterable[_Union[WhatIfResponse.Outcome, _Mapping]]] = ..., gain: _Optional[int] = ..., lose: _Optional[int] = ..., same: _Optional[int] = ..., position: _Optional[_Union[_common_pb2.Position, _Mapping]] = ..., jws: _Optional[str] = ...) -> None: ...
