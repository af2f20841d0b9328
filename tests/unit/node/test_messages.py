"""What comes in is believed only in its form."""

import base64
from typing import Any

import orjson
import pytest

from passerelle.core.errors import FormatError
from passerelle.node.messages import (
    Answer,
    InboxRecord,
    answers,
    checked,
    known_keys,
    party_body,
    read_feed,
    read_inbox,
    signing_keys,
)

ISSUED = "ca.passerelle.credential.issued.v1"
RECEIPT: list[dict[str, Any]] = [
    {
        "family": "credential",
        "from": 3,
        "outcomes": [
            {"sequence": 3, "index": 7, "outcome": "accepted"},
            {"sequence": 4, "index": 8, "outcome": "refused", "code": "step-illegal", "field": "type", "what": "w"},
        ],
    }
]
BODY = {"index": 4, "type": ISSUED, "member": "sfu", "subject": "x", "body": base64.b64encode(b"{}").decode()}
GOOD: list[tuple[str, Any]] = [
    ("receipts", RECEIPT),
    ("body", BODY),
    ("notice", {"about": "credential:x", "event": ISSUED, "index": 1, "member": "sfu", "affects": ["transfer:y"]}),
    ("resend-from", {"family": "credential", "sequence": 3}),
    (
        "problem",
        {"code": "sequence-conflict", "family": "credential", "sequence": 3, "what": "", "fix": "", "head": {}},
    ),
]
BAD: list[tuple[str, Any]] = [
    ("receipts", [{}]),
    ("receipts", [{"family": "other", "outcomes": []}]),
    ("receipts", [{"family": "credential", "outcomes": [{"sequence": 1, "index": 1, "outcome": "maybe"}]}]),
    ("body", BODY | {"body": "***"}),
    ("body", BODY | {"type": "other"}),
    ("notice", {"about": "x"}),
    ("resend-from", {"family": "credential", "sequence": 0}),
    ("problem", {"code": 3}),
    ("letter", {}),
]


@pytest.mark.parametrize(("kind", "value"), GOOD)
def test_records_of_every_kind_are_read(kind: str, value: Any) -> None:
    headers = [("inbox-number", b"12"), ("kind", kind.encode())]
    record = read_inbox(headers, orjson.dumps(value))
    assert checked(record) == InboxRecord(12, kind, value)


@pytest.mark.parametrize(("kind", "value"), BAD)
def test_records_without_their_form_are_refused(kind: str, value: Any) -> None:
    with pytest.raises(FormatError):
        checked(InboxRecord(1, kind, value))


@pytest.mark.parametrize("headers", [[], [("inbox-number", b"x"), ("kind", b"body")], [("inbox-number", b"1")]])
def test_records_without_their_headers_are_refused(headers: list[tuple[str, bytes]]) -> None:
    with pytest.raises(FormatError):
        read_inbox(headers, b"{}")


@pytest.mark.parametrize(("kind", "value"), [("receipts", b"{}"), ("body", b"[]"), ("body", b"nothing"), ("body", b"")])
def test_records_that_are_not_json_of_their_kind_are_refused(kind: str, value: bytes) -> None:
    with pytest.raises(FormatError):
        read_inbox([("inbox-number", b"1"), ("kind", kind.encode())], value)


def test_receipts_tell_the_outcome_of_each_event() -> None:
    assert answers(InboxRecord(1, "receipts", RECEIPT)) == [
        Answer("credential", 3, 7, True),
        Answer("credential", 4, 8, False, "step-illegal", "type", "w"),
    ]


def test_a_party_body_names_its_thing() -> None:
    found = party_body(InboxRecord(1, "body", BODY))
    assert found is not None
    assert found.thing == "credential:x"


def test_a_body_that_was_erased_meanwhile_is_none() -> None:
    assert party_body(InboxRecord(1, "body", BODY | {"body": None})) is None


def test_feed_records_without_a_body_name_no_thing() -> None:
    assert read_feed([("index", b"5")], b"").thing == ""


def test_only_keys_in_force_sign_and_all_are_known() -> None:
    def key(name: str, **changes: Any) -> dict[str, Any]:
        plain = {"valid_from": None, "valid_to": None, "removed_index": None, "use": "sign", "public_key": "00" * 32}
        return plain | {"key_id": name} | changes

    keys = [
        key("now"),
        key("gone", removed_index=4),
        key("later", valid_from=2000),
        key("past", valid_to=1000),
        key("seal", use="seal"),
    ]
    record = {"status": "active", "keys": keys}
    assert set(signing_keys(record, 1000)) == {"now"}
    assert set(known_keys(record)) == {"now", "gone", "later", "past"}
    assert signing_keys(record | {"status": "suspended"}, 1000) == {}
    assert signing_keys(None, 1000) == {}
