"""Field masks: what of an answer is wanted. Paths go through lists, which the protobuf library's own masks do not."""

from __future__ import annotations

from typing import Any, Final

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from passerelle.core.errors import FormatError

MAX_PATHS: Final = 64
_Tree = dict[str, "_Tree"]


def keep_only(message: Message, mask: FieldMask) -> None:
    """Clear every field that no path of the mask names; an empty mask keeps all.

    Raises FormatError ``argument-invalid`` for a path that the message does not have, or too many paths.
    """
    if not mask.paths:
        return
    if len(mask.paths) > MAX_PATHS:
        raise FormatError("argument-invalid", f"At most {MAX_PATHS} paths are named.", where="fields")
    tree: _Tree = {}
    for path in mask.paths:
        names = path.split(".")
        _check(message.DESCRIPTOR, names, path)
        here = tree
        for name in names[:-1]:
            here = here.setdefault(name, {})
        # A path to the whole of a field wins over one to a part of it.
        here[names[-1]] = {}
    _prune(message, tree)


def _check(descriptor: Any, names: list[str], path: str) -> None:
    here: Any = descriptor
    for name in names:
        field = None if here is None else here.fields_by_name.get(name)
        if field is None:
            raise FormatError(
                "argument-invalid",
                "A path names a field that the answer does not have.",
                where="fields",
                fix="Use the names of the contract in protos/, joined by points.",
            )
        here = field.message_type if not _is_map(field) else None


def _is_map(field: Any) -> bool:
    """The library's two kinds of descriptors have no common type."""
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)


def _prune(message: Any, tree: _Tree) -> None:
    for field, value in message.ListFields():
        wanted = tree.get(field.name)
        if wanted is None:
            message.ClearField(field.name)
        elif wanted and field.message_type is not None and not _is_map(field):
            for part in value if field.is_repeated else (value,):
                _prune(part, wanted)
