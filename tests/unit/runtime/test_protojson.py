"""Messages as JSON and back: the same message, or an error that names the field."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.api.common.v1 import common_pb2
from passerelle.api.equivalency.v1 import equivalency_pb2 as eq
from passerelle.api.ledger.v1 import ledger_pb2
from passerelle.api.portability.v1 import portability_pb2 as po
from passerelle.core.errors import PasserelleError
from passerelle.runtime.protojson import as_json, from_json

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)


@st.composite
def questions(draw: st.DrawFn) -> eq.EvaluateRequest:
    """Requests with lists, nested messages, a oneof, numbers and flags."""
    lines = [
        eq.TranscriptLine(
            achievement=draw(TEXT),
            version=draw(st.integers(0, 2**32 - 1)),
            grade=draw(st.none() | st.builds(common_pb2.Grade, scheme=TEXT, grade=TEXT)),
        )
        for _ in range(draw(st.integers(0, 3)))
    ]
    known_at = draw(
        st.none()
        | st.builds(common_pb2.KnownAt, size=st.integers(0, 2**53 - 1))
        | st.builds(common_pb2.KnownAt, instant_ms=st.integers(-(2**53) + 1, 2**53 - 1))
    )
    return eq.EvaluateRequest(lines=lines, receiver=draw(TEXT), explain=draw(st.booleans()), known_at=known_at)


@given(questions())
def test_there_and_back_is_the_same(message: eq.EvaluateRequest) -> None:
    assert from_json(eq.EvaluateRequest, as_json(message)) == message


@given(st.dictionaries(TEXT, st.floats(allow_nan=False, allow_infinity=False), max_size=3), st.binary(max_size=5))
def test_maps_enums_and_bytes_too(facts: dict[str, float], note: bytes) -> None:
    message = po.AssessRequest(given=facts)
    assert from_json(po.AssessRequest, as_json(message)) == message
    bytes_ = ledger_pb2.AddCosignatureRequest(note=note)
    assert from_json(ledger_pb2.AddCosignatureRequest, as_json(bytes_)) == bytes_
    answer = eq.Answer(verdict=eq.VERDICT_NO_CREDIT, receiver_names={"fr": "Nom"})
    assert as_json(answer)["verdict"] == "no-credit"
    assert from_json(eq.Answer, as_json(answer)) == answer


@pytest.mark.parametrize(
    ("kind", "value", "code", "where"),
    [
        (eq.FindRequest, [], "field-malformed", "body"),
        (eq.FindRequest, {"achievment": "x"}, "field-unknown", "achievment"),
        (eq.FindRequest, {"achievement": None}, "field-malformed", "achievement"),
        (eq.FindRequest, {"achievement": 3}, "field-malformed", "achievement"),
        (eq.FindRequest, {"achievement": "\ud800"}, "field-malformed", "achievement"),
        (eq.FindRequest, {"min_position": -1}, "field-malformed", "min_position"),
        (eq.FindRequest, {"min_position": 2**53}, "field-malformed", "min_position"),
        (eq.FindRequest, {"min_position": True}, "field-malformed", "min_position"),
        (eq.FindRequest, {"min_position": 1.0}, "field-malformed", "min_position"),
        (eq.FindRequest, {"known_at": 3}, "field-malformed", "known_at"),
        (eq.FindRequest, {"known_at": {"size": 1, "instant_ms": 2}}, "argument-conflict", "known_at.instant_ms"),
        (eq.EvaluateRequest, {"lines": {}}, "field-malformed", "lines"),
        (eq.EvaluateRequest, {"lines": [{}, {"grade": {"grade": 80}}]}, "field-malformed", "lines[1].grade.grade"),
        (eq.EvaluateRequest, {"explain": "true"}, "field-malformed", "explain"),
        (po.AssessRequest, {"given": []}, "field-malformed", "given"),
        (po.AssessRequest, {"given": {"a": "1"}}, "field-malformed", "given.a"),
        (po.AssessRequest, {"given": {"a": float("inf")}}, "field-malformed", "given.a"),
        (po.AssessRequest, {"jurisdictions": ["CA-ON", 1]}, "field-malformed", "jurisdictions[1]"),
        (eq.Answer, {"verdict": "perhaps"}, "field-malformed", "verdict"),
        (eq.Answer, {"verdict": 1}, "field-malformed", "verdict"),
        (ledger_pb2.AddCosignatureRequest, {"note": "xyz"}, "field-malformed", "note"),
        (ledger_pb2.AddCosignatureRequest, {"note": 7}, "field-malformed", "note"),
    ],
)
def test_what_does_not_fit_is_named(kind: Any, value: Any, code: str, where: str) -> None:
    with pytest.raises(PasserelleError) as caught:
        from_json(kind, value)
    assert (caught.value.code, caught.value.where) == (code, where)
    assert caught.value.fix
