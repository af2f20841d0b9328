"""The codec on hostile bodies: an event or a refusal, never another error, never the value that was sent."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import jsonschema_rs
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.catalogue import BY_NAME
from passerelle.core.errors import CODES, Refused
from passerelle.events.codec import MAX_BODY, MAX_DEPTH, Event, check_data, parse_event, read_again, write_body
from passerelle.events.examples import EXAMPLES, NOW, Example
from passerelle.events.examples.model import nonce
from passerelle.events.schemas import body_schema

NAMES = sorted(EXAMPLES)
VALIDATORS = {
    name: jsonschema_rs.validator_for(body_schema(EXAMPLES[name].type), validate_formats=True) for name in NAMES
}
FAKE_NAME = "Zyxelda Quorblethwaite"
SECONDS = 2.0
"""Far above what any body takes, far below what a body that makes work explode would take."""


def outcome(example: Example, body: bytes) -> Event | Refused:
    """What becomes of ``body``; any other error than ``Refused`` fails the test."""
    started = time.monotonic()
    try:
        result: Event | Refused = parse_event(body, **example.statement(), now=NOW)
    except Refused as refused:
        result = refused
    assert isinstance(result, Refused) or result == read_again(body, result.member)
    assert isinstance(result, Event) or result.code in CODES
    assert time.monotonic() - started < SECONDS
    return result


def refused_code(name: str, body: bytes) -> str:
    """The code with which ``body`` is refused in place of the type's good example."""
    result = outcome(EXAMPLES[name], body)
    assert isinstance(result, Refused), "the body was accepted"
    return result.code


def paths(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The path of every value below ``value``."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in items:
        yield (*path, key)
        yield from paths(part, (*path, key))


def put(body: dict[str, Any], path: tuple[str | int, ...], change: Callable[[Any, Any], None]) -> bytes:
    """The body with ``change(holder, key)`` applied at ``path``."""
    spoilt: Any = copy.deepcopy(body)
    holder = spoilt
    for part in path[:-1]:
        holder = holder[part]
    change(holder, path[-1])
    return orjson.dumps(spoilt)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


@given(body=st.binary(max_size=400))
def test_arbitrary_bytes_are_refused(body: bytes) -> None:
    assert isinstance(outcome(EXAMPLES["credential.issued"], body), Refused)


@given(value=JSON, name=st.sampled_from(NAMES))
def test_arbitrary_json_is_refused(value: Any, name: str) -> None:
    assert isinstance(outcome(EXAMPLES[name], orjson.dumps(value)), Refused)


@given(data=st.data(), name=st.sampled_from(NAMES))
def test_mutated_examples_are_events_or_refused(data: st.DataObject, name: str) -> None:
    body = EXAMPLES[name].body()
    path = data.draw(st.sampled_from(list(paths(body))))
    value = data.draw(JSON)
    changes: list[Callable[[Any, Any], None]] = [
        lambda holder, key: holder.__setitem__(key, value),
        lambda holder, key: holder.__delitem__(key),
        lambda holder, key: holder.__setitem__(key, [holder[key]]),
        lambda holder, key: holder.__setitem__(key, {"of": holder[key]}),
    ]
    raw = put(body, path, data.draw(st.sampled_from(changes)))
    result = outcome(EXAMPLES[name], raw)
    assert isinstance(result, Event | Refused)
    # What the codec takes, the published schema takes: a sender that checks with the schema is never surprised.
    assert isinstance(result, Refused) or VALIDATORS[name].is_valid(json.loads(raw))


@given(name=st.sampled_from(NAMES), position=st.integers(0, 5000), byte=st.integers(0, 255))
def test_one_changed_byte_is_an_event_or_refused(name: str, position: int, byte: int) -> None:
    raw = bytearray(orjson.dumps(EXAMPLES[name].body()))
    raw[position % len(raw)] = byte
    assert isinstance(outcome(EXAMPLES[name], bytes(raw)), Event | Refused)


@given(name=st.sampled_from(NAMES), cut=st.integers(0, 5000))
def test_a_truncated_body_is_refused(name: str, cut: int) -> None:
    raw = orjson.dumps(EXAMPLES[name].body())
    assert isinstance(outcome(EXAMPLES[name], raw[: cut % len(raw)]), Refused)


@pytest.mark.parametrize("name", NAMES)
def test_a_value_is_never_repeated_in_the_refusal(name: str) -> None:
    """A name planted as any value, as any new field and in place of any key: no text of a refusal holds it."""
    body = EXAMPLES[name].body()
    plants: list[Callable[[Any, Any], None]] = [
        lambda holder, key: holder.__setitem__(key, FAKE_NAME),
        lambda holder, key: holder.__setitem__(key, {FAKE_NAME: FAKE_NAME}),
        lambda holder, key: holder.__setitem__(key, [FAKE_NAME]),
        lambda holder, key: holder.__setitem__(FAKE_NAME if isinstance(holder, dict) else key, FAKE_NAME),
        lambda holder, key: holder.__setitem__(FAKE_NAME if isinstance(holder, dict) else key, None),
    ]
    refused = 0
    for path in paths(body):
        for plant in plants:
            result = outcome(EXAMPLES[name], put(body, path, plant))
            if isinstance(result, Refused):
                refused += 1
                told = f"{result} {result.args} {result.as_dict()}"
                assert "Zyxelda" not in told, told
                assert "Quorble" not in told, told
    assert refused > 10


@pytest.mark.parametrize("name", NAMES)
def test_every_object_refuses_an_unknown_field(name: str) -> None:
    body = EXAMPLES[name].body()
    maps = {"names", "translations", "title", "message", "distrust_from"}
    places = [path for path in [("data",), *paths(body)] if isinstance(at(body, path), dict) and path[-1] not in maps]
    assert places
    for path in places:
        result = outcome(EXAMPLES[name], put(body, path, lambda holder, key: holder[key].__setitem__("x", 1)))
        assert isinstance(result, Refused), path
        assert result.code in {"field-unknown", "schema-invalid"}, path


def at(value: Any, path: tuple[str | int, ...]) -> Any:
    """The value at ``path``."""
    for part in path:
        value = value[part]
    return value


@pytest.mark.parametrize("name", NAMES)
def test_null_is_refused_everywhere(name: str) -> None:
    body = EXAMPLES[name].body()
    for path in paths(body):
        raw = put(body, path, lambda holder, key: holder.__setitem__(key, None))
        assert isinstance(outcome(EXAMPLES[name], raw), Refused), path


HOSTILE: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "body-not-json"),
    "not UTF-8": (b'{"a":"\xff"}', "body-not-json"),
    "byte order mark": (b"\xef\xbb\xbf{}", "body-not-json"),
    "UTF-16": ('{"specversion":"1.0"}'.encode("utf-16"), "body-not-json"),
    "no number": (b'{"a":NaN}', "body-not-json"),
    "endless number": (b'{"a":1e99999}', "body-not-json"),
    "60,000 digits": (b'{"a":' + b"9" * 60_000 + b"}", "body-not-json"),
    "NUL byte": (b'{"a":"\x00"}', "body-not-json"),
    "lone surrogate": (b'{"a":"\\ud800"}', "body-not-json"),
    "a list": (b"[]", "body-not-json"),
    "a number": (b"1", "body-not-json"),
    "deep lists": (b"[" * 60_000, "body-too-deep"),
    "deep objects": (b'{"a":' * 10_000, "body-too-deep"),
    "just too deep": (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), "body-too-deep"),
    "many quotes": (b'{"a":"' + b'\\"' * 30_000, "body-not-json"),
    "many backslashes": (b'{"a":"' + b"\\" * 60_001, "body-not-json"),
    "quotes behind brackets": (b"[" + b"[]," * 50 + b'"' + b'\\"' * 30_000, "body-not-json"),
    "backslashes behind brackets": (b"[" + b"[]," * 50 + b'"' + b"\\" * 60_001, "body-not-json"),
    "brackets in an open text": (b"[" + b"[]," * 50 + b'"' + b"[" * 60_000, "body-not-json"),
    "10 MB": (b'{"a":"' + b"x" * 10_000_000 + b'"}', "body-too-large"),
    "one byte too many": (b" " * MAX_BODY + b"1", "body-too-large"),
    "nothing in it": (b"{}", "field-missing"),
    "twice": (b'{"a":1,"a":2}', "body-duplicate-key"),
    "twice, escaped": (b'{"a":1,"\\u0061":2}', "body-duplicate-key"),
    "twice, far in": (b'{"data":{"b":[{"c":1},{"d":1, "d" :1}]}}', "body-duplicate-key"),
    "twice, beside a long number": (b'{"a":' + b"9" * 200 + b', "a":1}', "body-duplicate-key"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_bodies_are_refused_with_their_code(case: str) -> None:
    body, code = HOSTILE[case]
    assert refused_code("credential.issued", body) == code


@pytest.mark.parametrize("written", [json.dumps, lambda body: json.dumps(body, indent=3, ensure_ascii=True)])
def test_spaces_and_escapes_are_allowed(written: Callable[[Any], str]) -> None:
    example = EXAMPLES["reference.policy-published"]
    assert isinstance(outcome(example, written(example.body()).encode()), Event)


def test_brackets_in_text_are_not_depth() -> None:
    example = EXAMPLES["recognition.declined"]
    body = example.body()
    body["data"]["note"] = '[{"' * 60 + '\\"[['
    assert isinstance(outcome(example, orjson.dumps(body)), Event)


@pytest.mark.parametrize(
    "value",
    ["2026-02-30", "2026-13-01", "1699920000", "2026-1-1", "20260101", "2026-01-01T00:00:00Z", 20260101, "٢٠٢٦-٠١-٠١"],
)
def test_what_is_no_date_is_refused(value: object) -> None:
    body = EXAMPLES["transfer.posted"].body()
    body["data"]["posted_on"] = value
    assert refused_code("transfer.posted", orjson.dumps(body)) == "schema-invalid"


@pytest.mark.parametrize(
    "value",
    [
        "2026-01-01T00:00:00",
        "2026-01-01 00:00:00Z",
        "2026-W01-1T00:00:00Z",
        "20260101T000000Z",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
        "2026-02-30T00:00:00Z",
        "1767225600",
        1767225600,
        None,
    ],
)
def test_what_is_no_instant_is_refused(value: object) -> None:
    body = EXAMPLES["transfer.posted"].body()
    body["time"] = value
    assert refused_code("transfer.posted", orjson.dumps(body)) == "time-malformed"


@pytest.mark.parametrize("value", ["1٣", "1/0", "1.23456", "-1", "01", "1e3", "", 3, 2.5])
def test_what_is_no_exact_quantity_is_refused(value: object) -> None:
    body = EXAMPLES["recognition.assessed"].body()
    body["data"]["outcome"]["credits"]["value"] = value
    assert refused_code("recognition.assessed", orjson.dumps(body)) == "schema-invalid"


@pytest.mark.parametrize("value", ["", "A" * 42, "A" * 44, "A" * 42 + "B", "A" * 41 + "+A", "A" * 41 + " A", 43, ["A"]])
def test_what_is_no_nonce_is_refused(value: object) -> None:
    body = EXAMPLES["credential.issued"].body()
    body["nonce"] = value
    assert refused_code("credential.issued", orjson.dumps(body)) == "nonce-malformed"


def test_an_error_in_an_expression_is_told_of_its_own_form() -> None:
    body = EXAMPLES["recognition.granted"].body()
    body["data"]["sending"] = {"all_of": [{"any_of": [{"achievement": "humber/revit", "within_years": 0}]}]}
    result = outcome(EXAMPLES["recognition.granted"], orjson.dumps(body))
    assert isinstance(result, Refused)
    assert result.where == "data.sending.all_of[0].any_of[0].within_years"


def test_many_errors_in_nested_expressions_take_bounded_work() -> None:
    body = EXAMPLES["recognition.granted"].body()
    body["data"]["sending"] = {"all_of": [{"any_of": [{"n_of": {"n": 1, "of": [{}] * 20}}] * 20}] * 36}
    raw = orjson.dumps(body)
    assert 50_000 < len(raw) <= MAX_BODY
    assert refused_code("recognition.granted", raw) == "field-missing"


@pytest.mark.parametrize("name", NAMES)
def test_what_is_written_is_read_back(name: str) -> None:
    example = EXAMPLES[name]
    body = write_body(
        example.type,
        member=example.member,
        subject=example.subject,
        identifier=example.id,
        time=NOW,
        data=example.data,
        nonce=bytes(32),
    )
    event = parse_event(body, **example.statement(), now=NOW)
    assert event.data == example.data
    assert (b'"nonce"' in body) == (example.type.visibility == "party")


def test_a_party_body_is_not_written_without_nonce() -> None:
    example = EXAMPLES["credential.issued"]
    with pytest.raises(Refused) as caught:
        write_body(
            example.type,
            member=example.member,
            subject=example.subject,
            identifier=example.id,
            time=NOW,
            data=example.data,
            nonce=None,
        )
    assert caught.value.code == "nonce-missing"


def test_fixed_nonces_have_their_form() -> None:
    assert len(nonce("any")) == 43


def test_data_that_is_no_object_is_refused() -> None:
    with pytest.raises(Refused) as caught:
        check_data(BY_NAME["transfer.closed"], [FAKE_NAME])
    assert caught.value.code == "schema-invalid"
    assert caught.value.where == "data"


def test_an_expression_that_no_evaluator_reads_is_refused() -> None:
    found = BY_NAME["recognition.granted"]
    good = dict(EXAMPLES["recognition.granted"].data)
    leaf: dict[str, object] = {"achievement": "humber/x"}
    for _ in range(15):
        leaf = {"all_of": [leaf]}
    assert check_data(found, good | {"sending": leaf})
    with pytest.raises(Refused, match="nests deeper than 16"):
        check_data(found, good | {"sending": {"any_of": [leaf]}})
