from passerelle.api.common.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetHeadRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetHeadResponse(_message.Message):
    __slots__ = ("position", "root", "checkpoint", "network")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    ROOT_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    position: _common_pb2.Position
    root: bytes
    checkpoint: str
    network: str
    def __init__(self, position: _Optional[_Union[_common_pb2.Position, _Mapping]] = ..., root: _Optional[bytes] = ..., checkpoint: _Optional[str] = ..., network: _Optional[str] = ...) -> None: ...

class GetEntryRequest(_message.Message):
    __slots__ = ("index", "stream", "event_id")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    index: int
    stream: StreamPosition
    event_id: str
    def __init__(self, index: _Optional[int] = ..., stream: _Optional[_Union[StreamPosition, _Mapping]] = ..., event_id: _Optional[str] = ...) -> None: ...

class StreamPosition(_message.Message):
    __slots__ = ("member", "family", "sequence")
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    FAMILY_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    member: str
    family: str
    sequence: int
    def __init__(self, member: _Optional[str] = ..., family: _Optional[str] = ..., sequence: _Optional[int] = ...) -> None: ...

class GetEntryResponse(_message.Message):
    __slots__ = ("index", "entry", "body", "type", "subject")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    index: int
    entry: bytes
    body: bytes
    type: str
    subject: str
    def __init__(self, index: _Optional[int] = ..., entry: _Optional[bytes] = ..., body: _Optional[bytes] = ..., type: _Optional[str] = ..., subject: _Optional[str] = ...) -> None: ...

class GetProofRequest(_message.Message):
    __slots__ = ("index", "stream", "witnesses")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    WITNESSES_FIELD_NUMBER: _ClassVar[int]
    index: int
    stream: StreamPosition
    witnesses: int
    def __init__(self, index: _Optional[int] = ..., stream: _Optional[_Union[StreamPosition, _Mapping]] = ..., witnesses: _Optional[int] = ...) -> None: ...

class GetProofResponse(_message.Message):
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

class GetConsistencyRequest(_message.Message):
    __slots__ = ("from_size", "to_size")
    FROM_SIZE_FIELD_NUMBER: _ClassVar[int]
    TO_SIZE_FIELD_NUMBER: _ClassVar[int]
    from_size: int
    to_size: int
    def __init__(self, from_size: _Optional[int] = ..., to_size: _Optional[int] = ...) -> None: ...

class GetConsistencyResponse(_message.Message):
    __slots__ = ("path",)
    PATH_FIELD_NUMBER: _ClassVar[int]
    path: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, path: _Optional[_Iterable[bytes]] = ...) -> None: ...

class GetStreamRequest(_message.Message):
    __slots__ = ("member", "family")
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    FAMILY_FIELD_NUMBER: _ClassVar[int]
    member: str
    family: str
    def __init__(self, member: _Optional[str] = ..., family: _Optional[str] = ...) -> None: ...

class GetStreamResponse(_message.Message):
    __slots__ = ("sequence", "digest", "waiting")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    digest: bytes
    waiting: int
    def __init__(self, sequence: _Optional[int] = ..., digest: _Optional[bytes] = ..., waiting: _Optional[int] = ...) -> None: ...

class ListStreamRequest(_message.Message):
    __slots__ = ("member", "family", "after", "page_size", "bodies")
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    FAMILY_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    BODIES_FIELD_NUMBER: _ClassVar[int]
    member: str
    family: str
    after: int
    page_size: int
    bodies: bool
    def __init__(self, member: _Optional[str] = ..., family: _Optional[str] = ..., after: _Optional[int] = ..., page_size: _Optional[int] = ..., bodies: _Optional[bool] = ...) -> None: ...

class ListStreamResponse(_message.Message):
    __slots__ = ("entries",)
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[StreamEntry]
    def __init__(self, entries: _Optional[_Iterable[_Union[StreamEntry, _Mapping]]] = ...) -> None: ...

class StreamEntry(_message.Message):
    __slots__ = ("index", "entry", "body", "type", "subject", "field", "what", "fix")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    WHAT_FIELD_NUMBER: _ClassVar[int]
    FIX_FIELD_NUMBER: _ClassVar[int]
    index: int
    entry: bytes
    body: bytes
    type: str
    subject: str
    field: str
    what: str
    fix: str
    def __init__(self, index: _Optional[int] = ..., entry: _Optional[bytes] = ..., body: _Optional[bytes] = ..., type: _Optional[str] = ..., subject: _Optional[str] = ..., field: _Optional[str] = ..., what: _Optional[str] = ..., fix: _Optional[str] = ...) -> None: ...

class ListInboxRequest(_message.Message):
    __slots__ = ("member", "after", "page_size")
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    member: str
    after: int
    page_size: int
    def __init__(self, member: _Optional[str] = ..., after: _Optional[int] = ..., page_size: _Optional[int] = ...) -> None: ...

class ListInboxResponse(_message.Message):
    __slots__ = ("records",)
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    records: _containers.RepeatedCompositeFieldContainer[InboxRecord]
    def __init__(self, records: _Optional[_Iterable[_Union[InboxRecord, _Mapping]]] = ...) -> None: ...

class InboxRecord(_message.Message):
    __slots__ = ("number", "kind", "value")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    number: int
    kind: str
    value: bytes
    def __init__(self, number: _Optional[int] = ..., kind: _Optional[str] = ..., value: _Optional[bytes] = ...) -> None: ...

class ListMembersRequest(_message.Message):
    __slots__ = ("min_position",)
    MIN_POSITION_FIELD_NUMBER: _ClassVar[int]
    min_position: int
    def __init__(self, min_position: _Optional[int] = ...) -> None: ...

class ListMembersResponse(_message.Message):
    __slots__ = ("members", "position")
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    members: _containers.RepeatedCompositeFieldContainer[Member]
    position: _common_pb2.Position
    def __init__(self, members: _Optional[_Iterable[_Union[Member, _Mapping]]] = ..., position: _Optional[_Union[_common_pb2.Position, _Mapping]] = ...) -> None: ...

class Member(_message.Message):
    __slots__ = ("id", "kind", "names", "jurisdictions", "roles", "status", "keys", "admitted_index")
    class NamesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class Key(_message.Message):
        __slots__ = ("key_id", "public_key", "use", "removed")
        KEY_ID_FIELD_NUMBER: _ClassVar[int]
        PUBLIC_KEY_FIELD_NUMBER: _ClassVar[int]
        USE_FIELD_NUMBER: _ClassVar[int]
        REMOVED_FIELD_NUMBER: _ClassVar[int]
        key_id: str
        public_key: bytes
        use: str
        removed: bool
        def __init__(self, key_id: _Optional[str] = ..., public_key: _Optional[bytes] = ..., use: _Optional[str] = ..., removed: _Optional[bool] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    JURISDICTIONS_FIELD_NUMBER: _ClassVar[int]
    ROLES_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    ADMITTED_INDEX_FIELD_NUMBER: _ClassVar[int]
    id: str
    kind: str
    names: _containers.ScalarMap[str, str]
    jurisdictions: _containers.RepeatedScalarFieldContainer[str]
    roles: _containers.RepeatedScalarFieldContainer[str]
    status: str
    keys: _containers.RepeatedCompositeFieldContainer[Member.Key]
    admitted_index: int
    def __init__(self, id: _Optional[str] = ..., kind: _Optional[str] = ..., names: _Optional[_Mapping[str, str]] = ..., jurisdictions: _Optional[_Iterable[str]] = ..., roles: _Optional[_Iterable[str]] = ..., status: _Optional[str] = ..., keys: _Optional[_Iterable[_Union[Member.Key, _Mapping]]] = ..., admitted_index: _Optional[int] = ...) -> None: ...

class WatchRequest(_message.Message):
    __slots__ = ("from_index",)
    FROM_INDEX_FIELD_NUMBER: _ClassVar[int]
    from_index: int
    def __init__(self, from_index: _Optional[int] = ...) -> None: ...

class WatchResponse(_message.Message):
    __slots__ = ("index", "entry", "type", "subject")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    index: int
    entry: bytes
    type: str
    subject: str
    def __init__(self, index: _Optional[int] = ..., entry: _Optional[bytes] = ..., type: _Optional[str] = ..., subject: _Optional[str] = ...) -> None: ...

class GetVolumeRequest(_message.Message):
    __slots__ = ("hours",)
    HOURS_FIELD_NUMBER: _ClassVar[int]
    hours: int
    def __init__(self, hours: _Optional[int] = ...) -> None: ...

class GetVolumeResponse(_message.Message):
    __slots__ = ("buckets", "position")
    class Bucket(_message.Message):
        __slots__ = ("hour_ms", "family", "accepted", "refused")
        HOUR_MS_FIELD_NUMBER: _ClassVar[int]
        FAMILY_FIELD_NUMBER: _ClassVar[int]
        ACCEPTED_FIELD_NUMBER: _ClassVar[int]
        REFUSED_FIELD_NUMBER: _ClassVar[int]
        hour_ms: int
        family: str
        accepted: int
        refused: int
        def __init__(self, hour_ms: _Optional[int] = ..., family: _Optional[str] = ..., accepted: _Optional[int] = ..., refused: _Optional[int] = ...) -> None: ...
    BUCKETS_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    buckets: _containers.RepeatedCompositeFieldContainer[GetVolumeResponse.Bucket]
    position: _common_pb2.Position
    def __init__(self, buckets: _Optional[_Iterable[_Union[GetVolumeResponse.Bucket, _Mapping]]] = ..., position: _Optional[_Union[_common_pb2.Position, _Mapping]] = ...) -> None: ...

class GetCheckpointRequest(_message.Message):
    __slots__ = ("size", "witnesses")
    SIZE_FIELD_NUMBER: _ClassVar[int]
    WITNESSES_FIELD_NUMBER: _ClassVar[int]
    size: int
    witnesses: int
    def __init__(self, size: _Optional[int] = ..., witnesses: _Optional[int] = ...) -> None: ...

class GetCheckpointResponse(_message.Message):
    __slots__ = ("size", "note")
    SIZE_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    size: int
    note: str
    def __init__(self, size: _Optional[int] = ..., note: _Optional[str] = ...) -> None: ...

class AddCosignatureRequest(_message.Message):
    __slots__ = ("note",)
    NOTE_FIELD_NUMBER: _ClassVar[int]
    note: bytes
    def __init__(self, note: _Optional[bytes] = ...) -> None: ...

class AddCosignatureResponse(_message.Message):
    __slots__ = ("size", "cosignatures")
    SIZE_FIELD_NUMBER: _ClassVar[int]
    COSIGNATURES_FIELD_NUMBER: _ClassVar[int]
    size: int
    cosignatures: int
    def __init__(self, size: _Optional[int] = ..., cosignatures: _Optional[int] = ...) -> None: ...
