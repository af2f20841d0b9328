"""The topic table says what the design says; the AsyncAPI document is valid, whole and of the same content."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import jsonschema_rs
import pytest
import yaml
from pydantic import ValidationError

from passerelle.core import batch
from passerelle.core.batch import SignedStatement
from passerelle.core.catalogue import BY_NAME
from passerelle.core.errors import FormatError
from passerelle.core.statement import FAMILIES
from passerelle.events import topics
from passerelle.events.export import CONTRACTS
from passerelle.events.topics import DAY_MS, FOR_EVER, INBOX, INGRESS, TOPICS, inbox_spec, inbox_topic, ingress_topic

with warnings.catch_warnings():
    # The package names fields like attributes of its own base class; that is its own affair.
    warnings.simplefilter("ignore", UserWarning)
    from asyncapi3.models import AsyncAPI3

DOCUMENT: dict[str, Any] = yaml.safe_load((CONTRACTS / "asyncapi.yaml").read_text("utf-8"))

# name: partitions, retention in ms, cleanup policy; source: the project's architecture, topics.
SETTINGS = {
    "passerelle.credential.v1": (6, 30 * DAY_MS, "delete"),
    "passerelle.recognition.v1": (3, 30 * DAY_MS, "delete"),
    "passerelle.transfer.v1": (3, 30 * DAY_MS, "delete"),
    "passerelle.reference.v1": (1, 30 * DAY_MS, "delete"),
    "passerelle.member.v1": (1, FOR_EVER, "delete"),
    "passerelle.feed.v1": (1, FOR_EVER, "delete"),
    "passerelle.checkpoint.v1": (1, FOR_EVER, "delete"),
    "passerelle.registry.v1": (1, FOR_EVER, "compact"),
    "passerelle.insight.v1": (1, 30 * DAY_MS, "delete"),
    "passerelle.refused.v1": (1, 7 * DAY_MS, "delete"),
    "passerelle.summary.v1": (1, 7 * DAY_MS, "delete"),
}


def test_topics_are_those_of_the_design() -> None:
    found = {name: (spec.partitions, spec.retention_ms, spec.cleanup) for name, spec in TOPICS.items()}
    assert found == SETTINGS
    assert (INBOX.partitions, INBOX.retention_ms, INBOX.cleanup) == (1, 30 * DAY_MS, "delete")
    assert tuple(map(ingress_topic, FAMILIES)) == INGRESS


def test_settings_are_kafka_names() -> None:
    assert TOPICS[topics.REGISTRY].config == {
        "cleanup.policy": "compact",
        "max.message.bytes": "1048576",
        "retention.ms": "-1",
    }


def test_inbox_of_a_member() -> None:
    assert inbox_topic("humber") == "passerelle.inbox.humber.v1"
    assert inbox_spec("humber").partitions == 1
    assert inbox_spec("humber").name == "passerelle.inbox.humber.v1"


@pytest.mark.parametrize("member", ["", "Humber", "h", "a.b", "a/b", "humber\n", "x" * 41, "{member}"])
def test_no_inbox_for_what_is_no_member(member: str) -> None:
    with pytest.raises(FormatError, match="member-id-malformed"):
        inbox_topic(member)


def test_no_topic_for_what_is_no_family() -> None:
    with pytest.raises(FormatError, match="family-unknown"):
        ingress_topic("feed")


def test_header_forms_fit_what_is_sent() -> None:
    """The contract's patterns hold for the headers that the code writes, at both ends of their range."""
    specs = {header.name: header for header in topics.INGRESS_HEADER_SPECS}
    assert tuple(specs) == batch.INGRESS_HEADERS
    small = SignedStatement(b"statement\n", b"{}", 1, 0, (), bytes(64), "0" * 16)
    large = SignedStatement(b"statement\n", b"{}", 256, 255, (bytes(32),) * 8, bytes(64), "f" * 16)
    for sent in (small, large):
        for name, value in sent.headers():
            pattern = specs[name].pattern
            assert pattern is None or re.search(pattern, value.decode()), name


@pytest.mark.parametrize(("name", "value"), [("batch-size", "257"), ("batch-size", "0"), ("batch-index", "256")])
def test_header_forms_refuse_what_is_out_of_range(name: str, value: str) -> None:
    specs = {header.name: header for header in topics.INGRESS_HEADER_SPECS}
    assert not re.search(specs[name].pattern or "", value)


def test_each_topic_has_its_file() -> None:
    files = {path.name for path in (CONTRACTS / "topics").iterdir()}
    assert files == {f"{name}.yaml" for name in TOPICS} | {"passerelle.inbox.member.v1.yaml"}
    listed = []
    for name in INGRESS:
        loaded = yaml.safe_load((CONTRACTS / "topics" / f"{name}.yaml").read_text("utf-8"))
        listed += [event["type"] for event in loaded["value"]["events"]]
        assert all((CONTRACTS / event["schema"]).is_file() for event in loaded["value"]["events"])
    assert sorted(listed) == sorted(found.full for found in BY_NAME.values())


def test_the_document_is_asyncapi_3() -> None:
    assert AsyncAPI3.model_validate(DOCUMENT).asyncapi == "3.0.0"


BROKEN: dict[str, Callable[[dict[str, Any]], object]] = {
    "version": lambda d: d.__setitem__("asyncapi", "2.6.0"),
    "no info": lambda d: d.pop("info"),
    "unknown field": lambda d: d.__setitem__("topics", {}),
    "action": lambda d: next(iter(d["operations"].values())).__setitem__("action", "publish"),
    "parameters of a plain address": lambda d: d["channels"]["passerelle_feed_v1"].__setitem__("parameters", {"m": {}}),
    "partitions": lambda d: d["channels"]["passerelle_feed_v1"]["bindings"]["kafka"].__setitem__("partitions", 0),
    "key of a channel": lambda d: d["channels"].__setitem__("a b", d["channels"]["passerelle_feed_v1"]),
}


@pytest.mark.parametrize("case", BROKEN)
def test_the_validator_refuses_a_broken_document(case: str) -> None:
    broken = json.loads(json.dumps(DOCUMENT))
    BROKEN[case](broken)
    with pytest.raises(ValidationError):
        AsyncAPI3.model_validate(broken)


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for part in value.values():
            yield from _references(part)
    elif isinstance(value, list):
        for part in value:
            yield from _references(part)


def test_every_reference_leads_somewhere() -> None:
    found = list(_references(DOCUMENT))
    assert len(found) > len(BY_NAME)
    for reference in found:
        if reference.startswith("#/"):
            place: Any = DOCUMENT
            for part in reference.removeprefix("#/").split("/"):
                place = place[part]
        else:
            assert (CONTRACTS / reference).is_file(), reference


def test_channels_are_the_topics() -> None:
    addresses = {channel["address"] for channel in DOCUMENT["channels"].values()}
    assert addresses == {*TOPICS, INBOX.name}
    used = {
        reference.rpartition("/")[2] for c in DOCUMENT["channels"].values() for reference in _references(c["messages"])
    }
    assert used == set(DOCUMENT["components"]["messages"])
    acted = {operation["channel"]["$ref"].rpartition("/")[2] for operation in DOCUMENT["operations"].values()}
    assert acted == set(DOCUMENT["channels"])


def test_schemas_inside_the_document_are_json_schemas() -> None:
    inline = 0
    for message in DOCUMENT["components"]["messages"].values():
        jsonschema_rs.meta.validate(
            {"$schema": "https://json-schema.org/draft/2020-12/schema", **message["payload"]["schema"]}
        )
        jsonschema_rs.meta.validate(message.get("headers", {}))
        inline += "$ref" not in message["payload"]["schema"]
    assert inline


def test_receipts_of_the_document_hold_a_real_record() -> None:
    schema = DOCUMENT["components"]["messages"]["inbox_receipts"]["payload"]["schema"]
    validator = jsonschema_rs.validator_for(schema)
    outcome = {"sequence": 7, "index": 41, "outcome": "refused", "code": "step-illegal", "field": "type", "fix": "x"}
    assert validator.is_valid([{"family": "credential", "from": 7, "outcomes": [outcome]}])
    assert not validator.is_valid([{"family": "credential", "from": 0, "outcomes": [outcome]}])
