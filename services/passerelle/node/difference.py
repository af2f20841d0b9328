"""What a changed row changes, column by column, against what was published of its record. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from passerelle.node.csv_forms import Form
from passerelle.node.csv_rows import shape
from passerelle.node.people import Person

MAX_SHOWN: Final = 120
_GIVEN_BY_NODE: Final = frozenset({"achievement_version", "version", "course_version"})
"""Columns that the node fills where the row leaves them empty."""
_PERSON: Final = {
    "learner_student_number": "student_number",
    "learner_name": "name",
    "learner_birth_date": "birth_date",
    "learner_email": "email",
}


@dataclass(frozen=True, slots=True)
class Change:
    """A column of a changed row. Personal values are shown by their shape; an empty text: not stated."""

    row: int
    column: str
    before: str
    after: str

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {"row": self.row, "column": self.column, "before": self.before, "after": self.after}


def published(bodies: Sequence[tuple[str, bytes]]) -> Mapping[str, Any] | None:
    """What events of one record, oldest first, say together; None where no body is held.

    An amendment changes what it names; any other event says everything anew.
    """
    content: dict[str, Any] | None = None
    for name, body in bodies:
        if not body:
            continue
        data = orjson.loads(body)["data"]
        if name.endswith((".suspended.v1", ".reinstated.v1", ".revoked.v1", ".co-awarded.v1")):
            continue
        if name.endswith(".amended.v1"):
            content = {
                **(content or {}),
                **{key: value for key, value in data.items() if key not in ("reason", "note")},
            }
        else:
            content = data
    return content


def _at(content: Mapping[str, Any], path: str) -> Any:
    found: Any = content
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _leaves(form: Form, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    whole = {column.path for column in form.columns if column.name == "outcome_json"}
    for column in form.columns:
        if not column.path or column.path in whole:
            continue
        old, new = _at(before, column.path), _at(after, column.path)
        if not column.is_prefix:
            yield column.name, old, new
            continue
        olds, news = old or {}, new or {}
        for language in sorted({*olds, *news}):
            yield f"{column.name[:-1]}{language}", olds.get(language), news.get(language)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str | int):
        return str(value)[:MAX_SHOWN]
    if isinstance(value, Mapping) and value.keys() == {"value", "system"}:
        return f"{value['value']} {value['system']}"
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return "; ".join(value)[:MAX_SHOWN]
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()[:MAX_SHOWN]


def content_changes(
    form: Form, row: int, before: Mapping[str, Any] | None, after: Mapping[str, Any], *, masked: bool
) -> list[Change]:
    """Columns whose value differs; ``masked`` where the content itself is about a learner and stays in the node."""
    if before is None:
        return [Change(row, "", "not held", "")]
    found = []
    for name, old, new in _leaves(form, before, after):
        if old == new or (new is None and name in _GIVEN_BY_NODE):
            continue
        texts = (_text(old), _text(new))
        found.append(Change(row, name, *(shape(text) if masked else text for text in texts)))
    return found


def person_changes(form: Form, row: int, before: Person | None, after: Person) -> list[Change]:
    """Columns of the learner whose value differs, by shape."""
    old, new = before.as_dict() if before is not None else {}, after.as_dict()
    return [
        Change(row, name, shape(old.get(key, "")), shape(new.get(key, "")))
        for name, key in _PERSON.items()
        if name in form.by_name and old.get(key) != new.get(key)
    ]
