"""Write ``contracts/`` from the catalogue, the models, the topic table and the examples, or check that it is written.

``python -m passerelle.events.export [--check] [--contracts DIR]``. The output depends on nothing but the code: keys are
in a fixed order, lines end in LF. ``--check`` writes nothing and fails with the name of each file that differs.
"""

from __future__ import annotations

import argparse
import difflib
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from passerelle.core.catalogue import BY_NAME, EventType
from passerelle.core.errors import ConfigError
from passerelle.events.asyncapi import document
from passerelle.events.examples import EXAMPLES, NOW, Example, spoil
from passerelle.events.schemas import body_schema, record_schema, schema_name
from passerelle.events.statistics import EXAMPLE, SCHEMA_NAME, SPOILT, StatisticsRecord
from passerelle.events.topics import INBOX, TOPICS, TopicSpec

ROOT: Final = Path(__file__).resolve().parents[3]
CONTRACTS: Final = ROOT / "contracts"
OWNED: Final = ("examples", "schemas", "topics")
"""The folders of ``contracts/`` that hold nothing but what is written here."""

_DIFF_LINES: Final = 20
_COMPATIBILITY: Final = (
    "Additions only within a version: new optional fields, new event types. A removed or narrower field, or another "
    "partition count, is a new version beside the old one. Checked by passerelle.events.compat against baseline/."
)
_NOTICE: Final = "# Written by python -m passerelle.events.export: change the code, not this file.\n"


class _Dumper(yaml.SafeDumper):
    """Writes repeated values out: anchors would make a contract hard to read."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def to_json(value: object) -> str:
    """Indented JSON with sorted keys and a final LF."""
    return json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def to_yaml(value: object) -> str:
    """Block-style YAML in the order of the keys given, with a notice that it is generated."""
    text = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120, default_flow_style=False)
    return _NOTICE + text


def topic_contract(spec: TopicSpec) -> dict[str, Any]:
    """One topic as ``contracts/topics`` shows it."""
    value: dict[str, Any] = {"content_type": spec.content_type, "description": spec.value}
    if spec.family:
        value["events"] = [
            {"type": found.full, "visibility": found.visibility, "schema": f"schemas/{schema_name(found)}"}
            for found in BY_NAME.values()
            if found.family == spec.family
        ]
    headers = []
    for header in spec.headers:
        entry: dict[str, Any] = {"name": header.name, "required": header.required, "description": header.text}
        if header.pattern:
            entry["pattern"] = header.pattern
        headers.append(entry)
    return {
        "name": spec.name,
        "description": spec.text,
        "access": spec.access,
        "producers": list(spec.producers),
        "consumers": list(spec.consumers),
        "key": spec.key,
        "partitions": spec.partitions,
        "retention_ms": spec.retention_ms,
        "cleanup_policy": spec.cleanup,
        "max_message_bytes": spec.max_message_bytes,
        "value": value,
        "headers": headers,
        "compatibility": _COMPATIBILITY,
    }


def bad_text(example: Example) -> str:
    """The text of a type's bad example: the good one, spoilt."""
    bad = example.bad
    if bad is None:
        raise ConfigError("config-invalid", "This event is not the example of its type.", where=example.name)
    text = to_json(spoil(example.body(), bad))
    return bad.text(text) if bad.text else text


def expectations() -> dict[str, Any]:
    """What each bad example is refused with: code and field, under which statement, at which instant."""
    table = {}
    for name, example in EXAMPLES.items():
        if example.bad is not None:
            table[name] = {
                "code": example.bad.code,
                "field": example.bad.where,
                "refused_by_schema": example.bad.by_schema,
                "statement": {**example.statement(), **example.bad.statement},
            }
    return {"now": NOW.isoformat().replace("+00:00", "Z"), "bad": table}


def contract_files() -> dict[str, str]:
    """Every file that is written, by its path below ``contracts/``."""
    files = {"asyncapi.yaml": to_yaml(document()), "examples/expected.json": to_json(expectations())}
    for spec in (*TOPICS.values(), INBOX):
        files[f"topics/{spec.name.replace('{member}', 'member')}.yaml"] = to_yaml(topic_contract(spec))
    for found in BY_NAME.values():
        files.update(_event_files(found))
    files[f"schemas/{SCHEMA_NAME}"] = to_json(record_schema(SCHEMA_NAME, StatisticsRecord))
    files["examples/insight.statistics.good.json"] = to_json(EXAMPLE)
    files["examples/insight.statistics.bad.json"] = to_json(SPOILT)
    return dict(sorted(files.items()))


def _event_files(found: EventType) -> Iterator[tuple[str, str]]:
    example = EXAMPLES[found.name]
    yield f"schemas/{schema_name(found)}", to_json(body_schema(found))
    yield f"examples/{found.name}.good.json", to_json(example.body())
    yield f"examples/{found.name}.bad.json", bad_text(example)


def differences(contracts: Path, files: Mapping[str, str]) -> Iterator[str]:
    """One message for each file that is absent, differs, or lies in an owned folder without being written here."""
    for name, text in files.items():
        path = contracts / name
        if not path.is_file():
            yield f"{path}: is absent"
        elif (found := path.read_bytes()) != text.encode():
            lines = difflib.unified_diff(
                found.decode("utf-8", "replace").splitlines(),
                text.splitlines(),
                "in the tree",
                "as the code says",
                "",
                "",
                1,
            )
            shown = list(lines)
            more = f"\n... {len(shown) - _DIFF_LINES} more lines" if len(shown) > _DIFF_LINES else ""
            yield f"{path}: differs\n" + "\n".join(shown[:_DIFF_LINES]) + more
    for path in _strangers(contracts, files):
        yield f"{path}: no contract of today has this file"


def _strangers(contracts: Path, files: Mapping[str, str]) -> list[Path]:
    found = [path for folder in OWNED for path in sorted((contracts / folder).rglob("*")) if path.is_file()]
    return [path for path in found if path.relative_to(contracts).as_posix() not in files]


def write(contracts: Path, files: Mapping[str, str]) -> int:
    """Write what differs, remove what is no longer written; the number of files touched."""
    touched = 0
    for name, text in files.items():
        path = contracts / name
        if not path.is_file() or path.read_bytes() != text.encode():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
            touched += 1
    for path in _strangers(contracts, files):
        path.unlink()
        touched += 1
    return touched


def main(arguments: list[str] | None = None) -> int:
    """The command line; 0 when all is well, 1 when ``--check`` found a difference."""
    parser = argparse.ArgumentParser(prog="python -m passerelle.events.export", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file differs")
    parser.add_argument("--contracts", type=Path, default=CONTRACTS, help="the folder (default: the repository's)")
    options = parser.parse_args(arguments)
    files = contract_files()
    if not options.check:
        touched = write(options.contracts, files)
        print(f"{len(files)} contract files, {touched} written or removed, in {options.contracts}")
        return 0
    found = list(differences(options.contracts, files))
    for message in found:
        print(message, file=sys.stderr)
    if found:
        print(f"{len(found)} of {len(files)} files differ: run make contracts", file=sys.stderr)
        return 1
    print(f"{len(files)} contract files are as the code says")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
