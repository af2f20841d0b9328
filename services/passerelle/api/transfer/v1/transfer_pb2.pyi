from passerelle.api.common.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ShowRequest(_message.Message):
    __slots__ = ("case", "min_position", "signed")
    CASE_FIELD_NUMBER: _ClassVar[int]
    MIN_POSITION_FIELD_NUMBER: _ClassVar[int]
    SIGNED_FIELD_NUMBER: _ClassVar[int]
    case: str
    min_position: int
    signed: bool
    def __init__(self, case: _Optional[str] = ..., min_position: _Optional[int] = ..., signed: _Optional[bool] = ...) -> None: ...

class ShowResponse(_message.Message):
    __slots__ = ("case", "position", "jws")
    CASE_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    JWS_FIELD_NUMBER: _ClassVar[int]
    case: Case
    position: _common_pb2.Position
    jws: str
    def __init__(self, case: _Optional[_Union[Case, _Mapping]] = ..., position: _Optional[_Union[_common_pb2.Position, _Mapping]] = ..., jws: _Optional[str] = ...) -> None: ...

class ListRequest(_message.Message):
    __slots__ = ("role", "state", "page_size", "page_token", "min_position", "signed")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    MIN_POSITION_FIELD_NUMBER: _ClassVar[int]
    SIGNED_FIELD_NUMBER: _ClassVar[int]
    role: str
    state: str
    page_size: int
    page_token: str
    min_position: int
    signed: bool
    def __init__(self, role: _Optional[str] = ..., state: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., min_position: _Optional[int] = ..., signed: _Optional[bool] = ...) -> None: ...

class ListResponse(_message.Message):
    __slots__ = ("cases", "next_page_token", "position", "jws")
    CASES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    JWS_FIELD_NUMBER: _ClassVar[int]
    cases: _containers.RepeatedCompositeFieldContainer[Case]
    next_page_token: str
    position: _common_pb2.Position
    jws: str
    def __init__(self, cases: _Optional[_Iterable[_Union[Case, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., position: _Optional[_Union[_common_pb2.Position, _Mapping]] = ..., jws: _Optional[str] = ...) -> None: ...

class WatchRequest(_message.Message):
    __slots__ = ("from_index",)
    FROM_INDEX_FIELD_NUMBER: _ClassVar[int]
    from_index: int
    def __init__(self, from_index: _Optional[int] = ...) -> None: ...

class WatchResponse(_message.Message):
    __slots__ = ("case", "position")
    CASE_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    case: Case
    position: _common_pb2.Position
    def __init__(self, case: _Optional[_Union[Case, _Mapping]] = ..., position: _Optional[_Union[_common_pb2.Position, _Mapping]] = ...) -> None: ...

class Case(_message.Message):
    __slots__ = ("id", "state", "version", "sender", "receiver", "release", "programme", "credentials", "lines", "steps", "changed_index", "appeal_by", "final", "level", "uses", "due_on")
    ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SENDER_FIELD_NUMBER: _ClassVar[int]
    RECEIVER_FIELD_NUMBER: _ClassVar[int]
    RELEASE_FIELD_NUMBER: _ClassVar[int]
    PROGRAMME_FIELD_NUMBER: _ClassVar[int]
    CREDENTIALS_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    CHANGED_INDEX_FIELD_NUMBER: _ClassVar[int]
    APPEAL_BY_FIELD_NUMBER: _ClassVar[int]
    FINAL_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    USES_FIELD_NUMBER: _ClassVar[int]
    DUE_ON_FIELD_NUMBER: _ClassVar[int]
    id: str
    state: str
    version: int
    sender: str
    receiver: str
    release: str
    programme: str
    credentials: _containers.RepeatedScalarFieldContainer[str]
    lines: _containers.RepeatedCompositeFieldContainer[Line]
    steps: _containers.RepeatedCompositeFieldContainer[Step]
    changed_index: int
    appeal_by: str
    final: bool
    level: int
    uses: _containers.RepeatedCompositeFieldContainer[Use]
    due_on: str
    def __init__(self, id: _Optional[str] = ..., state: _Optional[str] = ..., version: _Optional[int] = ..., sender: _Optional[str] = ..., receiver: _Optional[str] = ..., release: _Optional[str] = ..., programme: _Optional[str] = ..., credentials: _Optional[_Iterable[str]] = ..., lines: _Optional[_Iterable[_Union[Line, _Mapping]]] = ..., steps: _Optional[_Iterable[_Union[Step, _Mapping]]] = ..., changed_index: _Optional[int] = ..., appeal_by: _Optional[str] = ..., final: _Optional[bool] = ..., level: _Optional[int] = ..., uses: _Optional[_Iterable[_Union[Use, _Mapping]]] = ..., due_on: _Optional[str] = ...) -> None: ...

class Use(_message.Message):
    __slots__ = ("credential", "receiver", "programme", "state", "changed_index")
    CREDENTIAL_FIELD_NUMBER: _ClassVar[int]
    RECEIVER_FIELD_NUMBER: _ClassVar[int]
    PROGRAMME_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CHANGED_INDEX_FIELD_NUMBER: _ClassVar[int]
    credential: str
    receiver: str
    programme: str
    state: str
    changed_index: int
    def __init__(self, credential: _Optional[str] = ..., receiver: _Optional[str] = ..., programme: _Optional[str] = ..., state: _Optional[str] = ..., changed_index: _Optional[int] = ...) -> None: ...

class Line(_message.Message):
    __slots__ = ("line", "credential", "status", "recognition", "individual_reason", "outcome", "reason", "waits_for", "recognition_index")
    LINE_FIELD_NUMBER: _ClassVar[int]
    CREDENTIAL_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    RECOGNITION_FIELD_NUMBER: _ClassVar[int]
    INDIVIDUAL_REASON_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    WAITS_FOR_FIELD_NUMBER: _ClassVar[int]
    RECOGNITION_INDEX_FIELD_NUMBER: _ClassVar[int]
    line: int
    credential: str
    status: str
    recognition: str
    individual_reason: str
    outcome: _common_pb2.Outcome
    reason: str
    waits_for: str
    recognition_index: int
    def __init__(self, line: _Optional[int] = ..., credential: _Optional[str] = ..., status: _Optional[str] = ..., recognition: _Optional[str] = ..., individual_reason: _Optional[str] = ..., outcome: _Optional[_Union[_common_pb2.Outcome, _Mapping]] = ..., reason: _Optional[str] = ..., waits_for: _Optional[str] = ..., recognition_index: _Optional[int] = ...) -> None: ...

class Step(_message.Message):
    __slots__ = ("event", "member", "index", "accepted_at_ms", "note", "reason", "cause_index", "earlier_index", "documents")
    EVENT_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    CAUSE_INDEX_FIELD_NUMBER: _ClassVar[int]
    EARLIER_INDEX_FIELD_NUMBER: _ClassVar[int]
    DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    event: str
    member: str
    index: int
    accepted_at_ms: int
    note: str
    reason: str
    cause_index: int
    earlier_index: int
    documents: _containers.RepeatedCompositeFieldContainer[Document]
    def __init__(self, event: _Optional[str] = ..., member: _Optional[str] = ..., index: _Optional[int] = ..., accepted_at_ms: _Optional[int] = ..., note: _Optional[str] = ..., reason: _Optional[str] = ..., cause_index: _Optional[int] = ..., earlier_index: _Optional[int] = ..., documents: _Optional[_Iterable[_Union[Document, _Mapping]]] = ...) -> None: ...

class Document(_message.Message):
    __slots__ = ("sha256", "media_type", "size", "role")
    SHA256_FIELD_NUMBER: _ClassVar[int]
    MEDIA_TYPE_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    sha256: str
    media_type: str
    size: int
    role: str
    def __init__(self, sha256: _Optional[str] = ..., media_type: _Optional[str] = ..., size: _Optional[int] = ..., role: _Optional[str] = ...) -> None: ...

class DependentsRequest(_message.Message):
    __slots__ = ("on", "signed")
    ON_FIELD_NUMBER: _ClassVar[int]
    SIGNED_FIELD_NUMBER: _ClassVar[int]
    on: str
    signed: bool
    def __init__(self, on: _Optional[str] = ..., signed: _Optional[bool] = ...) -> None: ...

class DependentsResponse(_message.Message):
    __slots__ = ("dependents", "position", "jws")
    DEPENDENTS_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    JWS_FIELD_NUMBER: _ClassVar[int]
    dependents: _containers.RepeatedCompositeFieldContainer[Dependent]
    position: _common_pb2.Position
    jws: str
    def __init__(self, dependents: _Optional[_Iterable[_Union[Dependent, _Mapping]]] = ..., position: _Optional[_Union[_common_pb2.Position, _Mapping]] = ..., jws: _Optional[str] = ...) -> None: ...

class Dependent(_message.Message):
    __slots__ = ("key", "member", "state")
    KEY_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    key: str
    member: str
    state: str
    def __init__(self, key: _Optional[str] = ..., member: _Optional[str] = ..., state: _Optional[str] = ...) -> None: ...

class ShowPermissionRequest(_message.Message):
    __slots__ = ("permission", "min_position", "signed")
    PERMISSION_FIELD_NUMBER: _ClassVar[int]
    MIN_POSITION_FIELD_NUMBER: _ClassVar[int]
    SIGNED_FIELD_NUMBER: _ClassVar[int]
    permission: str
    min_position: int
    signed: bool
    def __init__(self, permission: _Optional[str] = ..., min_position: _Optional[int] = ..., signed: _Optional[bool] = ...) -> None: ...

class ShowPermissionResponse(_message.Message):
    __slots__ = ("permission", "position", "jws")
    PERMISSION_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    JWS_FIELD_NUMBER: _ClassVar[int]
    permission: Permission
    position: _common_pb2.Position
    jws: str
    def __init__(self, permission: _Optional[_Union[Permission, _Mapping]] = ..., position: _Optional[_Union[_common_pb2.Position, _Mapping]] = ..., jws: _Optional[str] = ...) -> None: ...

class ListPermissionsRequest(_message.Message):
    __slots__ = ("role", "state", "page_size", "page_token", "min_position", "signed")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    MIN_POSITION_FIELD_NUMBER: _ClassVar[int]
    SIGNED_FIELD_NUMBER: _ClassVar[int]
    role: str
    state: str
    page_size: int
    page_token: str
    min_position: int
    signed: bool
    def __init__(self, role: _Optional[str] = ..., state: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., min_position: _Optional[int] = ..., signed: _Optional[bool] = ...) -> None: ...

class ListPermissionsResponse(_message.Message):
    __slots__ = ("permissions", "next_page_token", "position", "jws")
    PERMISSIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    JWS_FIELD_NUMBER: _ClassVar[int]
    permissions: _containers.RepeatedCompositeFieldContainer[Permission]
    next_page_token: str
    position: _common_pb2.Position
    jws: str
    def __init__(self, permissions: _Optional[_Iterable[_Union[Permission, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., position: _Optional[_Union[_common_pb2.Position, _Mapping]] = ..., jws: _Optional[str] = ...) -> None: ...

class Permission(_message.Message):
    __slots__ = ("id", "state", "version", "home", "host", "programme", "term", "starts_on", "ends_on", "expires_on", "rules_position", "policies", "courses", "maximum_credits", "note", "case", "entry_index", "changed_index", "steps")
    ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    HOME_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    PROGRAMME_FIELD_NUMBER: _ClassVar[int]
    TERM_FIELD_NUMBER: _ClassVar[int]
    STARTS_ON_FIELD_NUMBER: _ClassVar[int]
    ENDS_ON_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_ON_FIELD_NUMBER: _ClassVar[int]
    RULES_POSITION_FIELD_NUMBER: _ClassVar[int]
    POLICIES_FIELD_NUMBER: _ClassVar[int]
    COURSES_FIELD_NUMBER: _ClassVar[int]
    MAXIMUM_CREDITS_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    CASE_FIELD_NUMBER: _ClassVar[int]
    ENTRY_INDEX_FIELD_NUMBER: _ClassVar[int]
    CHANGED_INDEX_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    id: str
    state: str
    version: int
    home: str
    host: str
    programme: str
    term: str
    starts_on: str
    ends_on: str
    expires_on: str
    rules_position: int
    policies: _containers.RepeatedCompositeFieldContainer[PolicyVersion]
    courses: _containers.RepeatedCompositeFieldContainer[PermissionCourse]
    maximum_credits: _common_pb2.CreditValue
    note: str
    case: str
    entry_index: int
    changed_index: int
    steps: _containers.RepeatedCompositeFieldContainer[Step]
    def __init__(self, id: _Optional[str] = ..., state: _Optional[str] = ..., version: _Optional[int] = ..., home: _Optional[str] = ..., host: _Optional[str] = ..., programme: _Optional[str] = ..., term: _Optional[str] = ..., starts_on: _Optional[str] = ..., ends_on: _Optional[str] = ..., expires_on: _Optional[str] = ..., rules_position: _Optional[int] = ..., policies: _Optional[_Iterable[_Union[PolicyVersion, _Mapping]]] = ..., courses: _Optional[_Iterable[_Union[PermissionCourse, _Mapping]]] = ..., maximum_credits: _Optional[_Union[_common_pb2.CreditValue, _Mapping]] = ..., note: _Optional[str] = ..., case: _Optional[str] = ..., entry_index: _Optional[int] = ..., changed_index: _Optional[int] = ..., steps: _Optional[_Iterable[_Union[Step, _Mapping]]] = ...) -> None: ...

class PolicyVersion(_message.Message):
    __slots__ = ("policy", "version")
    POLICY_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    policy: str
    version: int
    def __init__(self, policy: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class PermissionCourse(_message.Message):
    __slots__ = ("line", "achievement", "title", "outcome", "recognition", "recognition_index", "individual_reason", "minimum_grade", "reason", "fix")
    LINE_FIELD_NUMBER: _ClassVar[int]
    ACHIEVEMENT_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    RECOGNITION_FIELD_NUMBER: _ClassVar[int]
    RECOGNITION_INDEX_FIELD_NUMBER: _ClassVar[int]
    INDIVIDUAL_REASON_FIELD_NUMBER: _ClassVar[int]
    MINIMUM_GRADE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    FIX_FIELD_NUMBER: _ClassVar[int]
    line: int
    achievement: str
    title: str
    outcome: _common_pb2.Outcome
    recognition: str
    recognition_index: int
    individual_reason: str
    minimum_grade: _common_pb2.Grade
    reason: str
    fix: str
    def __init__(self, line: _Optional[int] = ..., achievement: _Optional[str] = ..., title: _Optional[str] = ..., outcome: _Optional[_Union[_common_pb2.Outcome, _Mapping]] = ..., recognition: _Optional[str] = ..., recognition_index: _Optional[int] = ..., individual_reason: _Optional[str] = ..., minimum_grade: _Optional[_Union[_common_pb2.Grade, _Mapping]] = ..., reason: _Optional[str] = ..., fix: _Optional[str] = ...) -> None: ...
