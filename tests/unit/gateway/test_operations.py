"""The table of addresses: complete against the methods of the contract, and the same as in the documentation."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from google.protobuf.descriptor import FieldDescriptor
from hypothesis import given
from hypothesis import strategies as st

from passerelle.client import Ledger, Stream, Unary, methods
from passerelle.core.errors import FormatError
from passerelle.gateway.asking import Operation, asked, parameters
from passerelle.gateway.operations import LEFT_OUT, OPERATIONS
from passerelle.runtime.protojson import from_json

DOCS = (Path(__file__).resolve().parents[3] / "docs" / "client.md").read_text(encoding="utf-8")
NAMED = {one.name: one for one in OPERATIONS}
GETS = [one for one in OPERATIONS if one.verb == "GET"]
CARRIED = {
    FieldDescriptor.CPPTYPE_STRING,
    FieldDescriptor.CPPTYPE_BOOL,
    FieldDescriptor.CPPTYPE_ENUM,
    FieldDescriptor.CPPTYPE_UINT32,
    FieldDescriptor.CPPTYPE_UINT64,
}
"""What a parameter can hold."""


def declared() -> set[str]:
    """The gRPC path of every method that the client declares."""
    kinds = [one for one in vars(methods).values() if isinstance(one, type) and hasattr(one, "SERVICE")]
    return {one.path for kind in kinds for one in vars(kind).values() if isinstance(one, Unary | Stream)}


def test_every_method_is_offered_or_left_out_for_a_reason() -> None:
    offered = {one.method.path for one in OPERATIONS}
    assert len(declared()) > 35
    assert offered | set(LEFT_OUT) == declared()
    assert not offered & set(LEFT_OUT)
    assert all(reason.endswith(".") for reason in LEFT_OUT.values())


def test_the_client_declares_every_method_of_the_contract() -> None:
    services = {one.SERVICE for one in vars(methods).values() if isinstance(one, type) and hasattr(one, "SERVICE")}
    assert declared() == {f"/{one.full_name}/{each.name}" for one in services for each in one.methods}


def test_names_and_addresses_are_one_each() -> None:
    assert len(NAMED) == len(OPERATIONS) == len({(one.verb, one.path) for one in OPERATIONS})
    for one in OPERATIONS:
        assert re.fullmatch(r"/v1(/([a-z]+(-[a-z]+)*|\{[a-z_]+\}))+", one.path), one.path
        assert one.identity == (one.area == "transfer" or one.method is Ledger.LIST_INBOX)


@pytest.mark.parametrize("operation", GETS, ids=lambda one: one.name)
def test_a_get_carries_every_field_of_its_request(operation: Operation) -> None:
    """Only a map, and the other ways to name an entry, cannot be parameters: they have an address of their own."""
    held = parameters(operation)
    every = {field.name for field in operation.method.request.DESCRIPTOR.fields}
    left = every - set(held) - {operation.under}
    if operation.method in (Ledger.GET_ENTRY, Ledger.GET_PROOF):
        assert left <= {"index", "stream", "event_id"}
        assert "index" in held or operation.under == "stream"
    else:
        assert left <= {"given"}
        posts = {one.method.path for one in OPERATIONS if one.verb == "POST"}
        assert not left or operation.method.path in posts
    assert set(operation.needs) <= set(held)
    assert {field.cpp_type for name, field in held.items() if name not in ("known_at", "fields")} <= CARRIED


def test_the_documentation_has_every_address() -> None:
    table = re.findall(r"^\| `(GET|POST) (/v1/[^`]*)` \| [^|]+ \|(.*)\|$", DOCS, re.MULTILINE)
    told = {(verb, path): set(re.findall(r"`([a-z_]+)`", needs)) for verb, path, needs in table}
    assert len(told) == len(table)
    assert told.pop(("GET", "/v1/openapi.json")) == set()
    assert told == {(one.verb, one.path): set(one.needs) for one in OPERATIONS}
    for path in LEFT_OUT:
        assert path.rpartition(".")[2].replace("/", ".") in DOCS.replace("`", ""), path


def question(name: str, path: dict[str, Any], query: str) -> Any:
    operation = NAMED[name]
    return from_json(operation.method.request, asked(operation, path, parse_qs(query)))


def test_an_entry_is_named_by_its_stream() -> None:
    place = {"member": "humber", "family": "credential", "sequence": "7"}
    proof = question("getStreamProof", place, "witnesses=2")
    assert (proof.stream.member, proof.stream.family, proof.stream.sequence) == ("humber", "credential", 7)
    assert (proof.WhichOneof("by"), proof.witnesses) == ("stream", 2)
    for query, code, where in (
        ("index=4", "field-unknown", "index"),
        ("stream=x", "field-unknown", "stream"),
        ("member=x", "argument-conflict", "member"),
    ):
        with pytest.raises(FormatError) as caught:
            question("getStreamProof", place, query)
        assert (caught.value.code, caught.value.where) == (code, where)
    with pytest.raises(FormatError) as caught:
        question("getStreamEntry", {**place, "sequence": "seven"}, "")
    assert (caught.value.code, caught.value.where) == ("argument-invalid", "sequence")


@given(first=st.integers(0, 2**53 - 1), second=st.integers(0, 2**53 - 1), text=st.text(max_size=30))
def test_numbers_and_texts_arrive_as_they_were_written(first: int, second: int, text: str) -> None:
    sizes = question("getConsistency", {}, f"from_size={first}&to_size={second}")
    assert (sizes.from_size, sizes.to_size) == (first, second)
    operation = NAMED["searchAchievements"]
    found = from_json(operation.method.request, asked(operation, {}, {"words": [text]}))
    assert found.words == text
