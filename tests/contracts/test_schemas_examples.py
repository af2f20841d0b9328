"""Every event type has model, schema and examples; codec and schema agree; contracts/ is as the code says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from passerelle.core.catalogue import BY_NAME
from passerelle.core.decide import Accepted, decide
from passerelle.core.errors import CODES, Refused
from passerelle.core.registry import Registry, apply
from passerelle.core.things import MemoryView, Occurrence
from passerelle.events import export
from passerelle.events.catalogue import DATA_MODELS
from passerelle.events.codec import Event, parse_event
from passerelle.events.examples import EXAMPLES, NOW, STORY, Example
from passerelle.events.examples.members import OPERATOR, OPERATOR_KEY
from passerelle.events.examples.transfers import REVOKED_AT_INDEX
from passerelle.events.statistics import SCHEMA_NAME

CONTRACTS = export.CONTRACTS
EXPECTED: dict[str, Any] = json.loads((CONTRACTS / "examples" / "expected.json").read_text("utf-8"))
NAMES = sorted(BY_NAME)


def good(name: str) -> bytes:
    """The bytes of a type's good example."""
    return (CONTRACTS / "examples" / f"{name}.good.json").read_bytes()


def bad(name: str) -> bytes:
    """The bytes of a type's bad example."""
    return (CONTRACTS / "examples" / f"{name}.bad.json").read_bytes()


def schema(name: str) -> dict[str, Any]:
    """A type's committed schema."""
    loaded: dict[str, Any] = json.loads((CONTRACTS / "schemas" / f"{name}.v1.json").read_text("utf-8"))
    return loaded


def validator(name: str) -> jsonschema_rs.Validator:
    """A validator of a type's committed schema, formats included."""
    return jsonschema_rs.validator_for(schema(name), validate_formats=True)


def parse(example: Example, body: bytes) -> Event:
    """Read ``body`` as the ledger would under the example's statement."""
    return parse_event(body, **example.statement(), now=NOW)


def refusal(example: Example, body: bytes, **statement: str) -> Refused:
    """What ``body`` is refused with."""
    with pytest.raises(Refused) as caught:
        parse_event(body, **{**example.statement(), **statement}, now=NOW)
    return caught.value


def test_every_type_has_all_its_parts() -> None:
    names = set(NAMES)
    assert set(EXAMPLES) == names
    assert {BY_NAME[name].full for name in names} == set(DATA_MODELS)
    schemas = {path.name for path in (CONTRACTS / "schemas").iterdir()}
    assert schemas == {f"{name}.v1.json" for name in names} | {SCHEMA_NAME}
    assert set(EXPECTED["bad"]) == names


def test_contracts_are_what_the_code_writes() -> None:
    assert list(export.differences(CONTRACTS, export.contract_files())) == []


def test_export_is_deterministic() -> None:
    first = export.contract_files()
    assert first == export.contract_files()
    assert list(first) == sorted(first)
    assert all(text.endswith("\n") and "\r" not in text for name, text in first.items() if name.endswith(".yaml"))


def test_check_names_what_is_absent_changed_or_unknown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = ["--contracts", str(tmp_path)]
    assert export.main(folder) == 0
    assert export.main([*folder, "--check"]) == 0
    (tmp_path / "topics" / "passerelle.feed.v1.yaml").unlink()
    (tmp_path / "schemas" / "old.json").write_text("{}")
    changed = tmp_path / "asyncapi.yaml"
    changed.write_text(changed.read_text("utf-8").replace("3.0.0", "3.0.1"), "utf-8")
    capsys.readouterr()
    assert export.main([*folder, "--check"]) == 1
    told = capsys.readouterr().err
    assert "passerelle.feed.v1.yaml: is absent" in told
    assert "old.json: no contract" in told
    assert "asyncapi.yaml: differs" in told
    assert "+asyncapi: 3.0.0" in told
    assert export.main(folder) == 0
    assert export.main([*folder, "--check"]) == 0


@pytest.mark.parametrize("name", NAMES)
def test_schema_is_valid_and_named(name: str) -> None:
    found = schema(name)
    jsonschema_rs.meta.validate(found)
    assert found["$id"] == f"urn:passerelle:schema:{name}.v1"
    assert found["properties"]["type"]["const"] == BY_NAME[name].full
    party = BY_NAME[name].visibility == "party"
    assert ("nonce" in found["properties"]) == party
    assert ("nonce" in found["required"]) == party
    assert found["additionalProperties"] is False
    assert found["properties"]["data"]["description"]


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if value.get("type") == "object":
            yield value
        for part in value.values():
            yield from _objects(part)
    elif isinstance(value, list):
        for part in value:
            yield from _objects(part)


@pytest.mark.parametrize("name", NAMES)
def test_no_object_of_a_schema_is_open(name: str) -> None:
    found = list(_objects(schema(name)))
    assert found
    for part in found:
        closed = part.get("additionalProperties") is False
        keyed = isinstance(part.get("additionalProperties"), dict) and "propertyNames" in part
        assert closed or keyed, part
    assert '"null"' not in json.dumps(schema(name))


@pytest.mark.parametrize("name", NAMES)
def test_good_example_is_good_for_codec_and_schema(name: str) -> None:
    example = EXAMPLES[name]
    event = parse(example, good(name))
    assert (event.type.name, event.member, event.subject, event.id) == (
        name,
        example.member,
        example.subject,
        example.id,
    )
    assert event.data == example.data
    validator(name).validate(json.loads(good(name)))


@pytest.mark.parametrize("name", NAMES)
def test_bad_example_is_refused_as_told(name: str) -> None:
    expected = EXPECTED["bad"][name]
    refused = refusal(EXAMPLES[name], bad(name), **expected["statement"])
    assert (refused.code, refused.where) == (expected["code"], expected["field"])
    assert refused.code in CODES
    assert refused.what
    assert refused.fix


@pytest.mark.parametrize("name", NAMES)
def test_bad_example_is_refused_by_the_schema_where_it_can_tell(name: str) -> None:
    expected = EXPECTED["bad"][name]["refused_by_schema"]
    try:
        body = json.loads(bad(name))
    except ValueError:
        assert EXPECTED["bad"][name]["code"] == "body-not-json"
        return
    assert validator(name).is_valid(body) is not expected


def test_bad_examples_cover_the_codes_of_a_body() -> None:
    covered = {row["code"] for row in EXPECTED["bad"].values()}
    assert covered >= {
        "body-not-json",
        "body-too-deep",
        "body-duplicate-key",
        "schema-invalid",
        "field-missing",
        "field-unknown",
        "field-malformed",
        "type-unknown",
        "type-family-mismatch",
        "visibility-mismatch",
        "source-mismatch",
        "event-id-malformed",
        "time-ahead",
        "time-malformed",
        "nonce-missing",
        "nonce-unexpected",
        "nonce-malformed",
    }


def test_good_examples_are_cloudevents(shared_folder: Path) -> None:
    path = shared_folder / "vectors/cloudevents/spec/cloudevents/formats/cloudevents.json"
    if not path.is_file():
        pytest.skip(f"{path.name}, the CloudEvents JSON schema, is absent: examples are not checked against it")
    official = jsonschema_rs.validator_for(json.loads(path.read_text("utf-8")), validate_formats=True)
    for name in NAMES:
        official.validate(json.loads(good(name)))
    assert not official.is_valid({"specversion": "1.0", "type": "x", "id": ""})


def test_the_examples_tell_one_story_that_the_ledger_accepts() -> None:
    """From an empty log, every event in order: nothing is refused and nothing waits."""
    registry = Registry("passerelle.example/log", OPERATOR, bytes.fromhex(OPERATOR_KEY))
    view = MemoryView()
    for index, example in enumerate(STORY):
        event = parse(example, json.dumps(example.body()).encode())
        if example.type.family == "member":
            apply(registry, index, example.type.full, event.data)
            continue
        occurrence = Occurrence(example.member, example.type.full, example.subject, event.data, index, example.at[:10])
        verdict = decide(occurrence, view, registry)
        assert isinstance(verdict, Accepted), (index, example.name, verdict)
        view.apply(verdict.effects)
        if example.name == "credential.revoked":
            assert index == REVOKED_AT_INDEX
            assert [notice.member for notice in verdict.effects.notices] == ["bcit", "humber"]


def test_ids_of_the_story_are_distinct() -> None:
    assert len({example.id for example in STORY}) == len(STORY)
