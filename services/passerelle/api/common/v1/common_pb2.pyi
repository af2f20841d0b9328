from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Position(_message.Message):
    __slots__ = ("size", "accepted_at_ms", "floor_ms")
    SIZE_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    FLOOR_MS_FIELD_NUMBER: _ClassVar[int]
    size: int
    accepted_at_ms: int
    floor_ms: int
    def __init__(self, size: _Optional[int] = ..., accepted_at_ms: _Optional[int] = ..., floor_ms: _Optional[int] = ...) -> None: ...

class KnownAt(_message.Message):
    __slots__ = ("size", "instant_ms")
    SIZE_FIELD_NUMBER: _ClassVar[int]
    INSTANT_MS_FIELD_NUMBER: _ClassVar[int]
    size: int
    instant_ms: int
    def __init__(self, size: _Optional[int] = ..., instant_ms: _Optional[int] = ...) -> None: ...

class Reason(_message.Message):
    __slots__ = ("code", "parameters", "en", "fr")
    class ParametersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CODE_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    EN_FIELD_NUMBER: _ClassVar[int]
    FR_FIELD_NUMBER: _ClassVar[int]
    code: str
    parameters: _containers.ScalarMap[str, str]
    en: str
    fr: str
    def __init__(self, code: _Optional[str] = ..., parameters: _Optional[_Mapping[str, str]] = ..., en: _Optional[str] = ..., fr: _Optional[str] = ...) -> None: ...

class Evidence(_message.Message):
    __slots__ = ("index", "type", "member", "subject")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    index: int
    type: str
    member: str
    subject: str
    def __init__(self, index: _Optional[int] = ..., type: _Optional[str] = ..., member: _Optional[str] = ..., subject: _Optional[str] = ...) -> None: ...

class CreditValue(_message.Message):
    __slots__ = ("value", "system")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    SYSTEM_FIELD_NUMBER: _ClassVar[int]
    value: str
    system: str
    def __init__(self, value: _Optional[str] = ..., system: _Optional[str] = ...) -> None: ...

class Grade(_message.Message):
    __slots__ = ("scheme", "grade")
    SCHEME_FIELD_NUMBER: _ClassVar[int]
    GRADE_FIELD_NUMBER: _ClassVar[int]
    scheme: str
    grade: str
    def __init__(self, scheme: _Optional[str] = ..., grade: _Optional[str] = ...) -> None: ...

class LevelRef(_message.Message):
    __slots__ = ("framework", "level")
    FRAMEWORK_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    framework: str
    level: str
    def __init__(self, framework: _Optional[str] = ..., level: _Optional[str] = ...) -> None: ...

class Expression(_message.Message):
    __slots__ = ("leaf", "all_of", "any_of", "n_of", "credits_from")
    class Leaf(_message.Message):
        __slots__ = ("achievement", "title", "first_version", "last_version", "minimum_grade", "minimum_level", "within_years", "basis")
        ACHIEVEMENT_FIELD_NUMBER: _ClassVar[int]
        TITLE_FIELD_NUMBER: _ClassVar[int]
        FIRST_VERSION_FIELD_NUMBER: _ClassVar[int]
        LAST_VERSION_FIELD_NUMBER: _ClassVar[int]
        MINIMUM_GRADE_FIELD_NUMBER: _ClassVar[int]
        MINIMUM_LEVEL_FIELD_NUMBER: _ClassVar[int]
        WITHIN_YEARS_FIELD_NUMBER: _ClassVar[int]
        BASIS_FIELD_NUMBER: _ClassVar[int]
        achievement: str
        title: str
        first_version: int
        last_version: int
        minimum_grade: Grade
        minimum_level: LevelRef
        within_years: int
        basis: _containers.RepeatedScalarFieldContainer[str]
        def __init__(self, achievement: _Optional[str] = ..., title: _Optional[str] = ..., first_version: _Optional[int] = ..., last_version: _Optional[int] = ..., minimum_grade: _Optional[_Union[Grade, _Mapping]] = ..., minimum_level: _Optional[_Union[LevelRef, _Mapping]] = ..., within_years: _Optional[int] = ..., basis: _Optional[_Iterable[str]] = ...) -> None: ...
    class Parts(_message.Message):
        __slots__ = ("parts",)
        PARTS_FIELD_NUMBER: _ClassVar[int]
        parts: _containers.RepeatedCompositeFieldContainer[Expression]
        def __init__(self, parts: _Optional[_Iterable[_Union[Expression, _Mapping]]] = ...) -> None: ...
    class Choose(_message.Message):
        __slots__ = ("n", "parts")
        N_FIELD_NUMBER: _ClassVar[int]
        PARTS_FIELD_NUMBER: _ClassVar[int]
        n: int
        parts: _containers.RepeatedCompositeFieldContainer[Expression]
        def __init__(self, n: _Optional[int] = ..., parts: _Optional[_Iterable[_Union[Expression, _Mapping]]] = ...) -> None: ...
    class CreditPool(_message.Message):
        __slots__ = ("credits", "parts")
        CREDITS_FIELD_NUMBER: _ClassVar[int]
        PARTS_FIELD_NUMBER: _ClassVar[int]
        credits: CreditValue
        parts: _containers.RepeatedCompositeFieldContainer[Expression]
        def __init__(self, credits: _Optional[_Union[CreditValue, _Mapping]] = ..., parts: _Optional[_Iterable[_Union[Expression, _Mapping]]] = ...) -> None: ...
    LEAF_FIELD_NUMBER: _ClassVar[int]
    ALL_OF_FIELD_NUMBER: _ClassVar[int]
    ANY_OF_FIELD_NUMBER: _ClassVar[int]
    N_OF_FIELD_NUMBER: _ClassVar[int]
    CREDITS_FROM_FIELD_NUMBER: _ClassVar[int]
    leaf: Expression.Leaf
    all_of: Expression.Parts
    any_of: Expression.Parts
    n_of: Expression.Choose
    credits_from: Expression.CreditPool
    def __init__(self, leaf: _Optional[_Union[Expression.Leaf, _Mapping]] = ..., all_of: _Optional[_Union[Expression.Parts, _Mapping]] = ..., any_of: _Optional[_Union[Expression.Parts, _Mapping]] = ..., n_of: _Optional[_Union[Expression.Choose, _Mapping]] = ..., credits_from: _Optional[_Union[Expression.CreditPool, _Mapping]] = ...) -> None: ...

class Outcome(_message.Message):
    __slots__ = ("type", "achievement", "title", "credits", "subject", "level", "entry_year", "profession", "reason", "note", "attributes", "conditions", "applicability", "exclusions", "of")
    class Condition(_message.Message):
        __slots__ = ("use", "minimum_grade")
        USE_FIELD_NUMBER: _ClassVar[int]
        MINIMUM_GRADE_FIELD_NUMBER: _ClassVar[int]
        use: str
        minimum_grade: Grade
        def __init__(self, use: _Optional[str] = ..., minimum_grade: _Optional[_Union[Grade, _Mapping]] = ...) -> None: ...
    TYPE_FIELD_NUMBER: _ClassVar[int]
    ACHIEVEMENT_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    CREDITS_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    ENTRY_YEAR_FIELD_NUMBER: _ClassVar[int]
    PROFESSION_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    CONDITIONS_FIELD_NUMBER: _ClassVar[int]
    APPLICABILITY_FIELD_NUMBER: _ClassVar[int]
    EXCLUSIONS_FIELD_NUMBER: _ClassVar[int]
    OF_FIELD_NUMBER: _ClassVar[int]
    type: str
    achievement: str
    title: str
    credits: CreditValue
    subject: str
    level: str
    entry_year: int
    profession: str
    reason: str
    note: str
    attributes: _containers.RepeatedScalarFieldContainer[str]
    conditions: _containers.RepeatedCompositeFieldContainer[Outcome.Condition]
    applicability: str
    exclusions: _containers.RepeatedScalarFieldContainer[str]
    of: _containers.RepeatedCompositeFieldContainer[Outcome]
    def __init__(self, type: _Optional[str] = ..., achievement: _Optional[str] = ..., title: _Optional[str] = ..., credits: _Optional[_Union[CreditValue, _Mapping]] = ..., subject: _Optional[str] = ..., level: _Optional[str] = ..., entry_year: _Optional[int] = ..., profession: _Optional[str] = ..., reason: _Optional[str] = ..., note: _Optional[str] = ..., attributes: _Optional[_Iterable[str]] = ..., conditions: _Optional[_Iterable[_Union[Outcome.Condition, _Mapping]]] = ..., applicability: _Optional[str] = ..., exclusions: _Optional[_Iterable[str]] = ..., of: _Optional[_Iterable[_Union[Outcome, _Mapping]]] = ...) -> None: ...
