"""Messages put together of bytes: forms with holes, made from what the protobuf library wrote.

A message whose texts are marks is serialized by the library once; its bytes with the marks cut out are a *form*. Filled
with other texts it gives the bytes that the library would write for them: only the lengths before the parts change, and
those are made here (Protocol Buffers encoding, "Length-Delimited Records"). Lengths depend on the lengths of the texts
alone, so that a form is laid out once for each set of lengths and then filled by one formatting of bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final, NamedTuple

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

MAX_FORMS: Final = 2_048
MAX_LAYOUTS: Final = 16_384
"""Layouts of all forms of a book together: about 8 MB."""
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5

Values = list[bytes | bytearray]
Node = bytes | int | tuple[Any, ...]
"""Bytes as they are, the number of a hole, or the nodes of a part that has its length before it."""


class Open(NamedTuple):
    """A part with open holes: its tag, the hole that its length is put into, and its nodes."""

    before: bytes
    length: int
    inner: tuple[Node, ...]


def varint(value: int) -> bytes:
    """A whole number in groups of seven bits, the lowest first."""
    if value < 0x80:
        return _SMALL[value]
    if value < 0x4000:
        return bytes((value & 0x7F | 0x80, value >> 7))
    if value < 0x200000:
        return bytes((value & 0x7F | 0x80, value >> 7 & 0x7F | 0x80, value >> 14))
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


_SMALL: Final = tuple(bytes((value,)) for value in range(0x80))


def tag(message: Any, field: str) -> bytes:
    """The bytes before a field of a message's descriptor: the library's two kinds of them have no common type."""
    found = message.fields_by_name[field]
    scalar = found.type in {FieldDescriptor.TYPE_UINT32, FieldDescriptor.TYPE_UINT64}
    return varint(found.number << 3 | (_VARINT if scalar else _LENGTH))


def part(before: bytes, content: bytes) -> bytes:
    """A field with its tag and its length."""
    return b"%b%b%b" % (before, varint(len(content)), content)


def cut(message: Message, marks: Mapping[bytes, int], whole: Mapping[bytes, int]) -> list[tuple[int, Node]]:
    """The nodes of a message's fields by number, in the order in which the library wrote them.

    ``marks`` are texts, or parts of texts, for which a hole stands. Where the text of a field is one of ``whole``, the
    hole stands for the field with its tag and its length.
    """
    return list(_fields(message.SerializeToString(), message.DESCRIPTOR, marks, whole))


def _fields(
    data: bytes, message: Any, marks: Mapping[bytes, int], whole: Mapping[bytes, int]
) -> Iterator[tuple[int, Node]]:
    place = 0
    while place < len(data):
        start = place
        key, place = _read(data, place)
        number, kind = key >> 3, key & 7
        if kind != _LENGTH:
            place = _read(data, place)[1] if kind == _VARINT else place + {_FIXED64: 8, _FIXED32: 4}[kind]
            yield number, data[start:place]
            continue
        before = data[start:place]
        length, place = _read(data, place)
        content = data[place : place + length]
        place += length
        field = message.fields_by_number[number]
        if content in whole:
            yield number, whole[content]
        elif field.message_type is not None:
            inner = tuple(node for _, node in _fields(content, field.message_type, marks, whole))
            yield number, (before, inner)
        elif field.type == FieldDescriptor.TYPE_STRING:
            yield number, (before, tuple(_pieces(content, marks)))
        else:
            yield number, data[start:place]


def _pieces(text: bytes, marks: Mapping[bytes, int]) -> Iterator[Node]:
    """A text cut at its marks; no mark is part of another."""
    while text:
        found = [(text.find(mark), mark) for mark in marks if mark in text]
        if not found:
            yield text
            return
        at, mark = min(found)
        if at:
            yield text[:at]
        yield marks[mark]
        text = text[at + len(mark) :]


def _read(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7


class Form:
    """Nodes, laid out anew for each set of lengths of what fills them.

    Pairs ``(before, inner)`` are parts with a length. A hole that stands outside of all parts is *open*: no layout
    depends on it. Among the nodes may be one open part.
    """

    __slots__ = ("_all", "_book", "_counted", "_layouts", "_length", "_nodes", "_opened", "_sized")

    def __init__(self, nodes: Sequence[Node | Open], book: Book) -> None:
        flat: list[Node] = []
        self._counted, self._length = range(0), -1
        self._opened: tuple[int, ...] = ()
        for node in nodes:
            if isinstance(node, Open):
                flat += (node.before, node.length)
                self._counted = range(len(flat), len(flat) + len(node.inner))
                self._length = node.length
                self._opened = tuple(hole for hole in node.inner if isinstance(hole, int))
                flat += node.inner
            else:
                flat.append(node)
        inside = dict.fromkeys(hole for node in flat if isinstance(node, tuple) for hole in _holes(node))
        self._nodes = flat
        self._book = book
        self._sized = _getter(tuple(inside))
        self._all = _getter(tuple(hole for node in flat for hole in _holes(node)))
        self._layouts: dict[tuple[int, ...], tuple[bytes, int]] = {}

    def fill(self, values: Values) -> bytes:
        """The bytes with the values, by their numbers, in the holes; the length of an open part is put in here."""
        sizes = tuple(map(len, self._sized(values)))
        found = self._layouts.get(sizes)
        layout, size = found or self._lay_out(sizes, values)
        if self._opened:
            for hole in self._opened:
                size += len(values[hole])
            values[self._length] = varint(size)
        return layout % self._all(values)

    def _lay_out(self, sizes: tuple[int, ...], values: Values) -> tuple[bytes, int]:
        """The nodes as a format of bytes, and the bytes of an open part that are no open hole."""
        self._book.make_room()
        laid = [_laid(node, values) for node in self._nodes]
        size = sum(laid[place][1] for place in self._counted if not isinstance(self._nodes[place], int))
        found = self._layouts[sizes] = b"".join(one for one, _ in laid), size
        return found

    def forget(self) -> None:
        """Drop every layout."""
        self._layouts.clear()


def _laid(node: Node, values: Values) -> tuple[bytes, int]:
    """A node as a format of bytes, and the number of bytes that it takes."""
    if isinstance(node, int):
        return b"%b", len(values[node])
    if isinstance(node, bytes):
        return node.replace(b"%", b"%%"), len(node)
    before, inner = node
    laid = [_laid(one, values) for one in inner]
    size = sum(length for _, length in laid)
    head = before + varint(size)
    return head.replace(b"%", b"%%") + b"".join(one for one, _ in laid), len(head) + size


def _holes(node: Node) -> Iterator[int]:
    if isinstance(node, int):
        yield node
    elif isinstance(node, tuple):
        for one in node[1]:
            yield from _holes(one)


def _getter(numbers: tuple[int, ...]) -> Callable[[Values], tuple[Any, ...]]:
    """The values with these numbers, as a tuple whatever their count."""
    if not numbers:
        return lambda _values: ()
    if len(numbers) == 1:
        (only,) = numbers
        return lambda values: (values[only],)
    return itemgetter(*numbers)


class Book:
    """Forms, each once, and a bound on their layouts."""

    def __init__(self, *, max_forms: int = MAX_FORMS, max_layouts: int = MAX_LAYOUTS) -> None:
        self._forms: dict[tuple[Node | Open, ...], Form] = {}
        self._max_forms = max_forms
        self._max_layouts = max_layouts
        self.layouts = 0
        """Layouts made since they were last dropped."""

    def __len__(self) -> int:
        return len(self._forms)

    @property
    def full(self) -> bool:
        """Another form is one too many: whoever holds forms must drop them, and :meth:`clear` the book."""
        return len(self._forms) >= self._max_forms

    def form(self, nodes: Sequence[Node | Open]) -> Form:
        """The form of these nodes."""
        key = tuple(nodes)
        found = self._forms.get(key)
        if found is None:
            found = self._forms[key] = Form(key, self)
        return found

    def make_room(self) -> None:
        """Count one more layout; where they are too many, all are dropped."""
        if self.layouts >= self._max_layouts:
            for form in self._forms.values():
                form.forget()
            self.layouts = 0
        self.layouts += 1

    def clear(self) -> None:
        """Drop all forms with their layouts."""
        self._forms.clear()
        self.layouts = 0
