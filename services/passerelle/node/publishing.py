"""Publishing one event of the catalogue from a JSON file: its type, its subject, its data, checked before anything."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from passerelle.core.catalogue import BY_NAME, EVENT_TYPES, EventType
from passerelle.core.errors import FormatError, PasserelleError, Refused
from passerelle.core.policy import load_pack
from passerelle.events.codec import check_data
from passerelle.node import files
from passerelle.node.csv_cells import nearest
from passerelle.node.needs import creates
from passerelle.node.plan import NewEvent
from passerelle.runtime.ids import Ids

MAX_FILE: Final = 256 * 1024
_OWN_NAME: Final = {
    "reference.framework-published": "framework",
    "reference.scale-published": "scheme",
    "member.admitted": "member",
    "member.keys-changed": "member",
    "member.roles-changed": "member",
    "member.suspended": "member",
    "member.removed": "member",
}
"""Types whose data name their own subject."""


def event_type(name: str) -> EventType:
    """The type of ``credential.issued`` or its full CloudEvents name. Raises FormatError ``type-unknown``."""
    found = BY_NAME.get(name) or EVENT_TYPES.get(name)
    if found is None:
        guess = nearest(name, tuple(BY_NAME))
        fix = f"Did you mean '{guess}'?" if guess else f"Use one of: {', '.join(sorted(BY_NAME))}."
        raise FormatError("type-unknown", "there is no such event type", where="TYPE", fix=fix)
    return found


def read_json(path: Path) -> Any:
    """The JSON value of a file. Raises FormatError ``file-unreadable``, ``file-too-large`` or ``body-not-json``."""
    return files.read_json(path, MAX_FILE)


def compose(found: EventType, value: Any, *, subject: str | None, member: str, ids: Ids) -> NewEvent:
    """The event that a file states: its data, or ``{"subject", "data"}``.

    A new credential, assessment, release or case without a subject gets an id. Raises FormatError or Refused with the
    field that is wrong.
    """
    data = value
    if isinstance(value, Mapping) and set(value) == {"subject", "data"}:
        data = value["data"]
        subject = subject or str(value["subject"])
    if not isinstance(data, Mapping):
        raise FormatError("schema-invalid", "the data is not a JSON object", where="data")
    check_data(found, data)
    if found.name == "reference.policy-published":
        # A pack that cannot be used never leaves the node: the last good one stays in force.
        load_pack(data)
    return NewEvent(found, _subject(found, data, subject, member, ids), data)


def _subject(found: EventType, data: Mapping[str, Any], subject: str | None, member: str, ids: Ids) -> str:
    own = data.get(_OWN_NAME.get(found.name, ""))
    if subject is None and isinstance(own, str):
        return own
    if subject is None and found.subject == "uuid" and creates(found):
        return ids.uuid4() if found.kind == "release" else ids.uuid7()
    if subject is None:
        fix = f"Give --subject, of the form '{found.subject}'."
        raise FormatError("argument-missing", "this type needs the id of its subject", where="--subject", fix=fix)
    return f"{member}/{subject}" if found.subject == "owned" and "/" not in subject else subject


def explain(error: PasserelleError, path: Path) -> PasserelleError:
    """A schema error with the file in which it stands."""
    where = f"{path}: {error.where}" if isinstance(error, Refused) else error.where
    return type(error)(error.code, error.what, where=where, fix=error.fix)
