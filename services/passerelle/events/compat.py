"""Breaking changes of the contracts: what was valid must stay valid, and what was promised must stay true.

``python -m passerelle.events.compat [--accept] [--contracts DIR]`` compares ``contracts/schemas`` and
``contracts/topics`` with ``contracts/baseline``. Additions are fine. ``--accept`` takes today's contracts as the
baseline and renews the image of the protos, where there are protos and buf.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from passerelle.core.errors import ConfigError
from passerelle.events.export import CONTRACTS, ROOT

Schema = Mapping[str, Any]

_ANNOTATIONS: Final = frozenset(
    {"$schema", "$id", "$defs", "$comment", "title", "description", "examples", "deprecated"}
)
_LOWER: Final = ("minLength", "minItems", "minProperties", "minimum", "exclusiveMinimum")
_UPPER: Final = ("maxLength", "maxItems", "maxProperties", "maximum", "exclusiveMaximum")
_HANDLED: Final = _ANNOTATIONS | {
    *_LOWER,
    *_UPPER,
    "$ref",
    "additionalProperties",
    "anyOf",
    "const",
    "default",
    "enum",
    "items",
    "oneOf",
    "properties",
    "propertyNames",
    "required",
    "type",
}
_BUF_SECONDS: Final = 120
PROTO_IMAGE: Final = "protos.binpb"


@dataclass(frozen=True, slots=True)
class Break:
    """One breaking change: the file, the place in it (``data.lines[].status``) and what changed."""

    file: str
    place: str
    what: str

    def __str__(self) -> str:
        return f"{self.file}: {self.place}: {self.what}"


def compare_schemas(old: Schema, new: Schema, file: str = "schema") -> list[Break]:
    """What was valid under ``old`` and may not be under ``new``; both are whole documents with their ``$defs``."""
    return [Break(file, place or "body", what) for place, what in _Comparison(old, new).schema(old, new, "")]


class _Comparison:
    """One walk through two documents. A pair of definitions is compared once: they may name themselves."""

    def __init__(self, old: Schema, new: Schema) -> None:
        self._old = old.get("$defs", {})
        self._new = new.get("$defs", {})
        self._seen: set[tuple[str, str]] = set()

    def schema(self, old: Any, new: Any, place: str) -> Iterator[tuple[str, str]]:
        if isinstance(old, bool) or isinstance(new, bool):
            if new is not True and new != old and old is not False:
                yield place, "what was open is now restricted"
            return
        pair = (old.get("$ref", ""), new.get("$ref", ""))
        if all(pair):
            if pair in self._seen:
                return
            self._seen.add(pair)
        old, new = _resolve(old, self._old), _resolve(new, self._new)
        yield from _defaults(old, new, place)
        before, after = _alternatives(old), _alternatives(new)
        if len(before) == len(after) == 1:
            yield from self._plain(old, new, place)
        else:
            for part in before:
                yield from self._covered(part, after, place)

    def _covered(self, part: Schema, after: list[Schema], place: str) -> Iterator[tuple[str, str]]:
        """An alternative of old fits one of the new ones; else what the nearest of them lacks."""
        nearest: list[tuple[str, str]] | None = None
        for candidate in after:
            seen = set(self._seen)
            found = list(self.schema(part, candidate, place))
            if not found:
                return
            self._seen = seen
            same = _name(part) == _name(candidate)
            if same:
                nearest = found
        yield from nearest if nearest is not None else [(place, f"the alternative {_name(part)} is removed")]

    def _plain(self, old: Schema, new: Schema, place: str) -> Iterator[tuple[str, str]]:
        yield from _types(old, new, place)
        yield from _values(old, new, place)
        yield from _bounds(old, new, place)
        for name in sorted(set(new) - _HANDLED):
            if name not in old:
                yield place, f"{name} is added"
            elif old[name] != new[name]:
                yield place, f"{name} is changed"
        yield from self._object(old, new, place)
        for name, suffix in (("items", "[]"), ("propertyNames", "{name}")):
            if name in old and name in new:
                yield from self.schema(old[name], new[name], place + suffix)
            elif name in new and new[name] is not True:
                yield place, f"{name} is restricted now"

    def _object(self, old: Schema, new: Schema, place: str) -> Iterator[tuple[str, str]]:
        before, after = old.get("properties", {}), new.get("properties", {})
        added = sorted(set(after) - set(before))
        for name in sorted(before):
            inner = f"{place}.{name}" if place else name
            if name in after:
                yield from self.schema(before[name], after[name], inner)
                continue
            twins = [other for other in added if after[other] == before[name]]
            yield inner, f"the property is renamed to {twins[0]}" if twins else "the property is removed"
        for name in sorted(set(new.get("required", ())) - set(old.get("required", ()))):
            yield (f"{place}.{name}" if place else name), "the property is required now"
        yield from self._others(old, new, place)

    def _others(self, old: Schema, new: Schema, place: str) -> Iterator[tuple[str, str]]:
        before, after = old.get("additionalProperties", True), new.get("additionalProperties", True)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            yield from self.schema(before, after, f"{place}{{}}")
        elif before is not False and after is not True and before != after:
            yield place, "other properties are restricted now"


def _resolve(schema: Schema, definitions: Schema) -> Schema:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    target = definitions.get(str(reference).removeprefix("#/$defs/"))
    if target is None:
        raise ConfigError("config-invalid", "A schema names a definition that it does not hold.", where=str(reference))
    return {**target, **{name: value for name, value in schema.items() if name != "$ref"}}


def _alternatives(schema: Schema) -> list[Schema]:
    return list(schema.get("anyOf") or schema.get("oneOf") or [schema])


def _name(schema: Schema) -> str:
    """How an alternative is told: its definition's name, or its type."""
    reference = schema.get("$ref")
    return str(reference).rpartition("/")[2] if reference else str(schema.get("type", "value"))


def _defaults(old: Schema, new: Schema, place: str) -> Iterator[tuple[str, str]]:
    if old.get("default") != new.get("default"):
        yield place, f"the meaning of its absence changes from {old.get('default')!r} to {new.get('default')!r}"


def _type_set(schema: Schema) -> set[str]:
    value = schema.get("type")
    return set() if value is None else {value} if isinstance(value, str) else set(value)


def _types(old: Schema, new: Schema, place: str) -> Iterator[tuple[str, str]]:
    before, after = _type_set(old), _type_set(new)
    if "number" in after:
        after = after | {"integer"}
    if after and not before and "const" not in old and "enum" not in old:
        yield place, f"the type is narrowed to {_listed(after)}"
    elif after and before - after:
        yield place, f"the type is narrowed or changed from {_listed(before)} to {_listed(after)}"


def _value_set(schema: Schema) -> set[str] | None:
    """The allowed values as JSON text, None where any value is allowed."""
    if "const" in schema:
        return {json.dumps(schema["const"])}
    return {json.dumps(value) for value in schema["enum"]} if "enum" in schema else None


def _values(old: Schema, new: Schema, place: str) -> Iterator[tuple[str, str]]:
    before, after = _value_set(old), _value_set(new)
    if after is None:
        return
    if before is None:
        yield place, f"only these values are allowed now: {_listed(after)}"
    elif before - after:
        yield place, f"no longer allowed: {_listed(before - after)}"


def _bounds(old: Schema, new: Schema, place: str) -> Iterator[tuple[str, str]]:
    for names, sign, verb in ((_LOWER, 1, "raised"), (_UPPER, -1, "lowered")):
        for name in names:
            if name not in new:
                continue
            if name not in old:
                yield place, f"{name} {new[name]} is added"
            elif sign * (new[name] - old[name]) > 0:
                yield place, f"{name} is {verb} from {old[name]} to {new[name]}"


def _listed(values: set[str]) -> str:
    return ", ".join(sorted(values))


def compare_topics(old: Mapping[str, Any], new: Mapping[str, Any], file: str = "topic") -> list[Break]:
    """What readers and writers of a topic could rely on, and can no longer."""
    found = []
    for name in ("name", "key", "partitions", "cleanup_policy", "access"):
        if old.get(name) != new.get(name):
            found.append((name, f"changed from {old.get(name)} to {new.get(name)} within a version"))
    before, after = old["retention_ms"], new["retention_ms"]
    if after >= 0 and (before < 0 or after < before):
        found.append(("retention_ms", f"shortened from {before} to {after}"))
    if new["max_message_bytes"] < old["max_message_bytes"]:
        found.append(("max_message_bytes", f"lowered from {old['max_message_bytes']} to {new['max_message_bytes']}"))
    found += _headers(old, new)
    types = {event["type"]: event["visibility"] for event in new["value"].get("events", ())}
    for event in old["value"].get("events", ()):
        if event["type"] not in types:
            found.append(("value.events", f"the type {event['type']} is removed"))
        elif types[event["type"]] != event["visibility"]:
            found.append(("value.events", f"the visibility of {event['type']} is changed"))
    return [Break(file, place, what) for place, what in found]


def _headers(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = []
    after = {header["name"]: header for header in new["headers"]}
    for header in old["headers"]:
        name = header["name"]
        if name not in after:
            found.append((f"headers.{name}", "the header is removed"))
        elif header.get("pattern") != after[name].get("pattern"):
            found.append((f"headers.{name}", "its pattern is changed"))
        elif after[name]["required"] != header["required"]:
            found.append((f"headers.{name}", "whether it is required is changed"))
    known = {header["name"] for header in old["headers"]}
    found += [
        (f"headers.{name}", "a required header is added")
        for name, header in after.items()
        if header["required"] and name not in known
    ]
    return found


def compare_folders(baseline: Path, contracts: Path) -> list[Break]:
    """Every breaking change from ``baseline`` to ``contracts``. Raises ConfigError where there is no baseline."""
    if not (baseline / "schemas").is_dir():
        raise ConfigError(
            "config-invalid", "There is no baseline to compare with.", where=str(baseline), fix="Run with --accept."
        )
    found: list[Break] = []
    for old in sorted((baseline / "schemas").glob("*.json")):
        new = contracts / "schemas" / old.name
        if new.is_file():
            found += compare_schemas(json.loads(old.read_text("utf-8")), json.loads(new.read_text("utf-8")), old.name)
        else:
            found.append(Break(old.name, "body", "the event type is removed"))
    for old in sorted((baseline / "topics").glob("*.yaml")):
        new = contracts / "topics" / old.name
        if new.is_file():
            before, after = (yaml.safe_load(path.read_text("utf-8")) for path in (old, new))
            found += compare_topics(before, after, old.name)
        else:
            found.append(Break(old.name, "topic", "the topic is removed"))
    return found


def accept(contracts: Path, root: Path) -> list[str]:
    """Copy schemas and topics into the baseline and build the image of the protos; what was done, line by line."""
    baseline = contracts / "baseline"
    done = []
    for name in ("schemas", "topics"):
        shutil.rmtree(baseline / name, ignore_errors=True)
        shutil.copytree(contracts / name, baseline / name)
        done.append(f"{baseline / name} is today's {name}")
    buf = _buf()
    if not (root / "protos").is_dir() or buf is None:
        done.append(f"{baseline / PROTO_IMAGE} is left as it is: {'buf' if buf is None else 'protos/'} is absent")
        return done
    command = [buf, "build", "-o", str(baseline / PROTO_IMAGE)]
    subprocess.run(command, cwd=root, check=True, timeout=_BUF_SECONDS)
    done.append(f"{baseline / PROTO_IMAGE} is today's image of the protos")
    return done


def _buf() -> str | None:
    beside = Path(sys.executable).with_name("buf")
    return str(beside) if beside.is_file() else shutil.which("buf")


def main(arguments: list[str] | None = None) -> int:
    """The command line; 0 when nothing breaks, 1 when something does or there is no baseline."""
    parser = argparse.ArgumentParser(prog="python -m passerelle.events.compat", description=__doc__)
    parser.add_argument("--accept", action="store_true", help="take today's contracts as the baseline")
    parser.add_argument("--contracts", type=Path, default=CONTRACTS, help="the folder (default: the repository's)")
    options = parser.parse_args(arguments)
    if options.accept:
        for line in accept(options.contracts, ROOT):
            print(line)
        return 0
    try:
        found = compare_folders(options.contracts / "baseline", options.contracts)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 1
    for item in found:
        print(item, file=sys.stderr)
    if found:
        print(f"{len(found)} breaking changes: add a new version instead, or accept on purpose", file=sys.stderr)
        return 1
    print("no breaking change since the baseline")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
