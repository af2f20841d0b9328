"""Messages of the contract as JSON: field names as in protos/, enums as lower-case words, bytes in hexadecimal.

One form for the command line, for signed answers and for the gateway. It is not protobuf's own JSON mapping, which
writes 64-bit numbers as text: every number of this contract fits the doubles of JSON.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Final, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from passerelle.core.errors import FormatError

M = TypeVar("M", bound=Message)
_WHOLE: Final[Mapping[int, tuple[int, int]]] = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    # Beyond 2**53 readers with doubles would differ (RFC 8785, appendix D).
    FieldDescriptor.CPPTYPE_INT64: (-(2**53) + 1, 2**53 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**53 - 1),
}
_FLOATS: Final = frozenset({FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT})


def as_json(message: Message) -> dict[str, Any]:
    """A message as JSON values.

    Every field stands there, but for messages and members of a ``oneof`` that are not set.
    """
    shown: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        if field.has_presence and not message.HasField(field.name):
            continue
        shown[field.name] = _shown(field, getattr(message, field.name))
    return shown


def _shown(field: Any, value: Any) -> Any:
    if is_map(field):
        inner = field.message_type.fields_by_name["value"]
        return {name: _one_shown(inner, value[name]) for name in sorted(value)}
    if field.is_repeated:
        return [_one_shown(field, item) for item in value]
    return _one_shown(field, value)


def _one_shown(field: Any, value: Any) -> Any:
    if isinstance(value, Message):
        return as_json(value)
    if field.enum_type is not None:
        return word(field.enum_type, value)
    return value.hex() if isinstance(value, bytes) else value


def is_map(field: Any) -> bool:
    """Whether a field is a ``map``; the library's two kinds of descriptors have no common type."""
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)


def word(kind: Any, number: int) -> str:
    """``no-credit`` for ``VERDICT_NO_CREDIT`` of the enum ``Verdict``."""
    found = kind.values_by_number.get(number)
    return str(number) if found is None else _word(kind, found.name)


def words(kind: Any) -> dict[str, int]:
    """Every word of an enum with its number."""
    return {_word(kind, value.name): value.number for value in kind.values}


def _word(kind: Any, name: str) -> str:
    prefix = re.sub(r"(?<!^)(?=[A-Z])", "_", kind.name).upper() + "_"
    return name.removeprefix(prefix).lower().replace("_", "-")


def from_json(kind: type[M], value: Any) -> M:
    """A message from the values that :func:`as_json` shows; absent fields keep their defaults, null is refused.

    Raises FormatError ``field-unknown``, ``field-malformed`` and ``argument-conflict`` (two of a ``oneof``), with the
    path of the field as ``where``.
    """
    message = kind()
    _fill(message, value, "")
    return message


def _fill(message: Any, value: Any, where: str) -> None:
    if not isinstance(value, dict):
        raise _malformed(where or "body", "an object")
    fields = message.DESCRIPTOR.fields_by_name
    chosen: set[str] = set()
    for name, item in value.items():
        path = f"{where}.{name}" if where else str(name)
        field = fields.get(name)
        if field is None:
            raise FormatError("field-unknown", "The message has no such field.", where=path[:200])
        if field.containing_oneof is not None:
            if field.containing_oneof.name in chosen:
                raise FormatError("argument-conflict", "Only one of these fields can be given.", where=path)
            chosen.add(field.containing_oneof.name)
        _set(message, field, item, path)


def _set(message: Any, field: Any, item: Any, path: str) -> None:
    if is_map(field):
        if not isinstance(item, dict):
            raise _malformed(path, "an object")
        inner, target = field.message_type.fields_by_name["value"], getattr(message, field.name)
        for key, one in item.items():
            target[key] = _scalar(inner, one, f"{path}.{key}"[:200])
        return
    if field.is_repeated:
        if not isinstance(item, list):
            raise _malformed(path, "a list")
        target = getattr(message, field.name)
        for number, one in enumerate(item):
            if field.message_type is not None:
                _fill(target.add(), one, f"{path}[{number}]")
            else:
                target.append(_scalar(field, one, f"{path}[{number}]"))
        return
    if field.message_type is not None:
        target = getattr(message, field.name)
        target.SetInParent()
        _fill(target, item, path)
        return
    setattr(message, field.name, _scalar(field, item, path))


def _scalar(field: Any, item: Any, path: str) -> Any:
    """A value of the field's type. Raises FormatError ``field-malformed``."""
    if field.enum_type is not None:
        known = words(field.enum_type)
        if not isinstance(item, str) or item not in known:
            raise _malformed(path, f"one of {', '.join(known)}")
        return known[item]
    kind = field.cpp_type
    if kind in _WHOLE:
        low, high = _WHOLE[kind]
        if not isinstance(item, int) or isinstance(item, bool) or not low <= item <= high:
            raise _malformed(path, f"a whole number from {low} to {high}")
        return item
    if kind in _FLOATS:
        if not isinstance(item, int | float) or isinstance(item, bool) or not math.isfinite(item):
            raise _malformed(path, "a finite number")
        return float(item)
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        if not isinstance(item, bool):
            raise _malformed(path, "true or false")
        return item
    return _text(field, item, path)


def _text(field: Any, item: Any, path: str) -> str | bytes:
    if field.type == FieldDescriptor.TYPE_BYTES:
        try:
            return bytes.fromhex(item)
        except (TypeError, ValueError):
            raise _malformed(path, "hexadecimal text") from None
    # A lone surrogate is a Python string that no UTF-8 can hold.
    if not isinstance(item, str) or any("\ud800" <= one <= "\udfff" for one in item):
        raise _malformed(path, "text")
    return item


def _malformed(where: str, wanted: str) -> FormatError:
    return FormatError("field-malformed", f"It is not {wanted}.", where=where, fix=f"Give {wanted}.")
