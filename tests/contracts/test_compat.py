"""Each kind of breaking change is found and named; additions are not; the tree breaks nothing of its baseline."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from passerelle.events import compat
from passerelle.events.compat import compare_folders, compare_schemas, compare_topics
from passerelle.events.examples import EXAMPLES
from passerelle.events.export import CONTRACTS, topic_contract, write
from passerelle.events.schemas import body_schema
from passerelle.events.topics import TOPICS, ingress_topic

Change = Callable[[dict[str, Any]], object]

OLD: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["id"],
    "properties": {
        "id": {"type": "string", "pattern": "^[a-z]+$", "minLength": 2, "maxLength": 9},
        "kind": {"enum": ["a", "b"]},
        "count": {"type": "integer", "minimum": 1, "maximum": 9},
        "share": {"type": "number"},
        "on": {"type": "string", "format": "date"},
        "free": {"type": "string"},
        "flag": {"type": "boolean", "default": False},
        "list": {"type": "array", "items": {"type": "string", "maxLength": 5}, "minItems": 0, "maxItems": 4},
        "names": {
            "type": "object",
            "propertyNames": {"pattern": "^[a-z]{2}$"},
            "additionalProperties": {"type": "string", "maxLength": 9},
        },
        "what": {"$ref": "#/$defs/What"},
        "either": {"anyOf": [{"$ref": "#/$defs/Leaf"}, {"$ref": "#/$defs/Many"}]},
    },
    "$defs": {
        "What": {"type": "object", "properties": {"x": {"type": "integer"}}, "additionalProperties": False},
        "Leaf": {
            "type": "object",
            "properties": {"leaf": {"type": "string"}},
            "required": ["leaf"],
            "additionalProperties": False,
        },
        "Many": {
            "type": "object",
            "properties": {
                "of": {"type": "array", "items": {"anyOf": [{"$ref": "#/$defs/Leaf"}, {"$ref": "#/$defs/Many"}]}}
            },
            "required": ["of"],
            "additionalProperties": False,
        },
    },
}


def of(name: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Pick a property's schema."""
    return lambda schema: schema["properties"][name]


def setting(name: str, key: str, value: object) -> Change:
    """A change that sets a keyword of a property."""
    return lambda schema: of(name)(schema).__setitem__(key, value)


def renamed(schema: dict[str, Any]) -> None:
    schema["properties"]["key"] = schema["properties"].pop("id")


BREAKING: dict[str, tuple[Change, str, str]] = {
    "property removed": (lambda s: s["properties"].pop("count"), "count", "removed"),
    "property renamed": (renamed, "id", "renamed to key"),
    "newly required": (lambda s: s["required"].append("kind"), "kind", "required now"),
    "type changed": (setting("count", "type", "string"), "count", "type"),
    "type narrowed": (setting("share", "type", "integer"), "share", "narrowed"),
    "value removed": (setting("kind", "enum", ["a"]), "kind", '"b"'),
    "value fixed": (lambda s: s["properties"].__setitem__("kind", {"const": "a"}), "kind", '"b"'),
    "values listed": (setting("free", "enum", ["x"]), "free", "only these values"),
    "pattern changed": (setting("id", "pattern", "^[a-y]+$"), "id", "pattern is changed"),
    "pattern added": (setting("free", "pattern", "^x"), "free", "pattern is added"),
    "format changed": (setting("on", "format", "date-time"), "on", "format is changed"),
    "format added": (setting("free", "format", "uri"), "free", "format is added"),
    "longer at least": (setting("id", "minLength", 3), "id", "minLength is raised"),
    "shorter at most": (setting("id", "maxLength", 8), "id", "maxLength is lowered"),
    "length limited": (setting("free", "maxLength", 5), "free", "maxLength 5 is added"),
    "higher minimum": (setting("count", "minimum", 2), "count", "minimum is raised"),
    "lower maximum": (setting("count", "maximum", 8), "count", "maximum is lowered"),
    "more items": (setting("list", "minItems", 1), "list", "minItems is raised"),
    "fewer items": (setting("list", "maxItems", 3), "list", "maxItems is lowered"),
    "items narrowed": (lambda s: s["properties"]["list"]["items"].update(maxLength=4), "list[]", "lowered"),
    "keys narrowed": (
        lambda s: s["properties"]["names"]["propertyNames"].update(pattern="^e"),
        "names{name}",
        "changed",
    ),
    "map values narrowed": (
        lambda s: s["properties"]["names"]["additionalProperties"].update(maxLength=8),
        "names{}",
        "lowered",
    ),
    "map closed": (setting("names", "additionalProperties", False), "names", "other properties"),
    "default changed": (setting("flag", "default", True), "flag", "absence"),
    "restriction of another kind": (setting("list", "uniqueItems", True), "list", "uniqueItems is added"),
    "exclusion added": (setting("free", "not", {"const": "x"}), "free", "not is added"),
    "definition narrowed": (lambda s: s["$defs"]["What"]["properties"].pop("x"), "what.x", "removed"),
    "alternative removed": (lambda s: of("either")(s)["anyOf"].pop(0), "either", "Leaf is removed"),
    "alternative narrowed": (
        lambda s: s["$defs"]["Leaf"]["properties"]["leaf"].update(minLength=1),
        "either.leaf",
        "minLength 1 is added",
    ),
    "recursive definition narrowed": (
        lambda s: s["$defs"]["Many"]["properties"]["of"].update(maxItems=3),
        "either.of",
        "maxItems 3 is added",
    ),
}


def added(schema: dict[str, Any]) -> None:
    schema["properties"]["more"] = {"type": "string"}


def definition_renamed(schema: dict[str, Any]) -> None:
    schema["$defs"]["Which"] = schema["$defs"].pop("What")
    schema["properties"]["what"] = {"$ref": "#/$defs/Which"}


FINE: dict[str, Change] = {
    "nothing": lambda s: None,
    "optional property": added,
    "no longer required": lambda s: s["required"].clear(),
    "value added": setting("kind", "enum", ["c", "a", "b"]),
    "any value": lambda s: of("kind")(s).pop("enum"),
    "type widened": setting("count", "type", "number"),
    "types added": setting("free", "type", ["string", "integer"]),
    "pattern removed": lambda s: of("id")(s).pop("pattern"),
    "bounds widened": lambda s: of("id")(s).update(minLength=1, maxLength=99),
    "bounds removed": lambda s: of("count")(s).pop("maximum"),
    "description": setting("id", "description", "other words"),
    "opened": lambda s: s.__setitem__("additionalProperties", True),
    "alternative added": lambda s: of("either")(s)["anyOf"].append({"type": "string"}),
    "definition renamed": definition_renamed,
    "definition written out": lambda s: s["properties"].__setitem__("what", s["$defs"].pop("What")),
    "single made one of several": lambda s: s["properties"].__setitem__(
        "free", {"oneOf": [{"type": "string"}, {"type": "integer"}]}
    ),
}


def changed(change: Change) -> dict[str, Any]:
    """The old schema with a change."""
    new = copy.deepcopy(OLD)
    change(new)
    return new


@pytest.mark.parametrize("case", BREAKING)
def test_breaking_changes_are_found(case: str) -> None:
    change, place, words = BREAKING[case]
    found = compare_schemas(OLD, changed(change), "x.json")
    assert any(item.place == place and words in item.what for item in found), [str(item) for item in found]


@pytest.mark.parametrize("case", FINE)
def test_additions_are_fine(case: str) -> None:
    assert compare_schemas(OLD, changed(FINE[case])) == []


@pytest.mark.parametrize("case", ["type widened", "value added", "optional property", "alternative added"])
def test_taking_an_addition_back_breaks(case: str) -> None:
    assert compare_schemas(changed(FINE[case]), OLD) != []


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_a_schema_is_compatible_with_itself(name: str) -> None:
    schema = body_schema(EXAMPLES[name].type)
    assert compare_schemas(schema, copy.deepcopy(schema)) == []


def test_a_break_deep_in_a_real_schema_is_found() -> None:
    old = body_schema(EXAMPLES["recognition.granted"].type)
    new = copy.deepcopy(old)
    new["$defs"]["Leaf"]["properties"]["within_years"]["maximum"] = 10
    found = [str(item) for item in compare_schemas(old, new, "granted")]
    assert any("within_years" in text and "lowered from 50 to 10" in text for text in found), found


TOPIC_BREAKS: dict[str, tuple[Change, str]] = {
    "partitions": (lambda t: t.__setitem__("partitions", 12), "partitions"),
    "key": (lambda t: t.__setitem__("key", "subject"), "key"),
    "cleanup": (lambda t: t.__setitem__("cleanup_policy", "compact"), "cleanup_policy"),
    "retention": (lambda t: t.__setitem__("retention_ms", 1000), "retention_ms"),
    "smaller messages": (lambda t: t.__setitem__("max_message_bytes", 10), "max_message_bytes"),
    "header removed": (lambda t: t["headers"].pop(), "headers.key-id"),
    "header narrowed": (lambda t: t["headers"][0].__setitem__("pattern", "^x$"), "headers.content-type"),
    "header optional": (lambda t: t["headers"][1].__setitem__("required", False), "headers.statement"),
    "header required": (lambda t: t["headers"].append({"name": "new", "required": True}), "headers.new"),
    "type removed": (lambda t: t["value"]["events"].pop(), "value.events"),
    "visibility": (lambda t: t["value"]["events"][0].__setitem__("visibility", "party"), "value.events"),
}


@pytest.mark.parametrize("case", TOPIC_BREAKS)
def test_breaks_of_a_topic_are_found(case: str) -> None:
    old = topic_contract(TOPICS[ingress_topic("credential")])
    new = copy.deepcopy(old)
    change, place = TOPIC_BREAKS[case]
    change(new)
    assert place in {item.place for item in compare_topics(old, new)}
    assert compare_topics(old, old) == []


def test_for_ever_may_not_become_a_while() -> None:
    old = topic_contract(TOPICS[ingress_topic("member")])
    assert compare_topics(old, {**old, "retention_ms": 10**15}) != []
    assert compare_topics({**old, "retention_ms": 10**15}, old) == []


def test_the_tree_breaks_nothing_of_its_baseline() -> None:
    found = compare_folders(CONTRACTS / "baseline", CONTRACTS)
    assert not found, "\n".join(map(str, found))


def test_the_command_line_accepts_compares_and_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compat, "ROOT", tmp_path)  # no protos here: the image is left alone
    contracts = tmp_path / "contracts"
    schema = body_schema(EXAMPLES["transfer.posted"].type)
    topic = topic_contract(TOPICS[ingress_topic("transfer")])
    write(contracts, {"schemas/a.json": json.dumps(schema), "schemas/b.json": "{}", "topics/t.yaml": yaml.dump(topic)})
    arguments = ["--contracts", str(contracts)]
    assert compat.main(arguments) == 1
    assert "no baseline" in capsys.readouterr().err
    assert compat.main([*arguments, "--accept"]) == 0
    assert "protos/ is absent" in capsys.readouterr().out
    assert compat.main(arguments) == 0
    (contracts / "schemas" / "b.json").unlink()
    (contracts / "topics" / "t.yaml").unlink()
    schema["required"].append("extra")
    (contracts / "schemas" / "a.json").write_text(json.dumps(schema))
    assert compat.main(arguments) == 1
    told = capsys.readouterr().err
    assert "a.json: extra: the property is required now" in told
    assert "b.json: body: the event type is removed" in told
    assert "t.yaml: topic: the topic is removed" in told
