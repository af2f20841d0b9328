"""Writes ``contracts/vectors/*.json``: what an independent implementation of contracts/formats.md must agree with.

Run ``python -m tests.contracts.make_vectors`` from the repository's root (``services`` on the path) after a change of
the formats; a changed vector is a breaking change and needs a new version in the first line of the format.
All keys in the vectors come from published seeds: they are for tests only.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.contracts import answer_vectors, witness_vectors

from passerelle.core import registry as reg
from passerelle.core.batch import SignedStatement, batch_message, batch_root, from_kafka, sign_batches
from passerelle.core.checkpoint import Checkpoint, sign_checkpoint
from passerelle.core.entry import Entry, parse_entry, verify_entry
from passerelle.core.errors import PasserelleError
from passerelle.core.merkle import inclusion_path, leaf_hashes, root_from_leaves
from passerelle.core.note import NoteSigner
from passerelle.core.receipt import Receipt, parse_receipt, verify_receipt
from passerelle.core.registry import Registry, apply
from passerelle.core.signature import SeedSigner
from passerelle.core.statement import ZERO, Statement, digest, parse_statement
from passerelle.core.streams import StreamHead, advance, place
from passerelle.core.tlogproof import TlogProof

FOLDER = Path(__file__).resolve().parents[2] / "contracts" / "vectors"
NETWORK = "passerelle.example/log"
SEED = b"\x01" * 32
OTHER_SEED = b"\x02" * 32
LOG_SEED = b"\x03" * 32
ROOT_SEED = b"\x04" * 32
SIGNER = SeedSigner(SEED)
OTHER = SeedSigner(OTHER_SEED)
LOG = NoteSigner(NETWORK, LOG_SEED)


def body_of(number: int) -> bytes:
    """A small CloudEvent; its fields do not matter here, its bytes do."""
    event = {
        "specversion": "1.0",
        "id": f"01900000-0000-7000-8000-{number:012x}",
        "source": "urn:passerelle:member:humber",
        "type": "ca.passerelle.credential.achievement-published.v1",
        "subject": f"humber/sample-{number}",
        "data": {"title": f"Échantillon {number}"},
    }
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


def release(count: int, member: str = "humber") -> list[tuple[bytes, bytes]]:
    """A stream of ``count`` linked statements with their bodies."""
    made, prev = [], ZERO
    for number in range(1, count + 1):
        body = body_of(number)
        data = Statement(NETWORK, member, "credential", number, prev, "public", digest(body)).encode()
        made.append((data, body))
        prev = digest(data)
    return made


def code_of(call: Any, *arguments: Any) -> str:
    """The code with which ``call`` fails; a vector that should fail and does not stops the generator."""
    try:
        call(*arguments)
    except PasserelleError as error:
        return error.code
    raise AssertionError(f"an invalid vector was accepted: {arguments!r}")


def statement_vectors() -> dict[str, Any]:
    """Valid statements with their parts and digest; texts that must be refused."""
    parts = [
        Statement(NETWORK, "humber", "credential", 1, ZERO, "public", digest(b"{}")),
        Statement(NETWORK, "humber", "credential", 2, digest(b"x"), "party", digest("é".encode())),
        Statement("n", "a0", "member", 10, bytes(range(32)), "public", ZERO),
        Statement("n" * 255, "m" * 40, "recognition", 2**63 - 1, b"\xff" * 32, "public", b"\xff" * 32),
    ]
    good = parts[0].encode().decode()
    invalid = {
        "no last line feed": good[:-1],
        "surplus line": good + "\n",
        "carriage return": good.replace("\n", "\r\n"),
        "other version": good.replace("/v1", "/v2"),
        "space in network": good.replace("example/", "example "),
        "plus in network": good.replace("example/", "example+"),
        "network not ASCII": good.replace("example/", "exémple/"),
        "upper case in member": good.replace("humber", "Humber"),
        "member of one character": good.replace("humber", "h"),
        "member of 41 characters": good.replace("humber", "h" * 41),
        "unknown family": good.replace("credential", "grade"),
        "sequence zero": good.replace("\n1\n", "\n0\n"),
        "leading zero": good.replace("\n1\n", "\n01\n"),
        "signed number": good.replace("\n1\n", "\n+1\n"),
        "sequence beyond 2^63 - 1": good.replace("\n1\n", f"\n{2**63}\n"),
        "short prev": good.replace("0" * 64, "0" * 63),
        "upper-case hex": good.replace("0" * 64, "A" * 64),
        "unknown visibility": good.replace("public", "private"),
        "empty": "",
    }
    return {
        "valid": [
            {
                "network": part.network,
                "member": part.member,
                "family": part.family,
                "sequence": str(part.sequence),
                "prev": part.prev.hex(),
                "visibility": part.visibility,
                "body_sha256": part.body_sha256.hex(),
                "statement": part.encode().decode(),
                "sha256": digest(part.encode()).hex(),
            }
            for part in parts
        ],
        "invalid": [
            {"why": why, "statement": text, "code": code_of(parse_statement, text.encode())}
            for why, text in invalid.items()
        ],
    }


def event_of(signed: SignedStatement) -> dict[str, Any]:
    """A Kafka record: headers and value as text."""
    return {"headers": {name: value.decode() for name, value in signed.headers()}, "value": signed.body.decode()}


def batch_vectors() -> dict[str, Any]:
    """Whole small batches with every intermediate value, and single events out of a batch of 256."""
    whole = []
    for size in (1, 2, 3, 7):
        signed = sign_batches(NETWORK, "humber", release(size), SIGNER)
        root = batch_root(signed[0].statement, 0, size, signed[0].batch_path)
        whole.append(
            {
                "size": size,
                "leaf_hashes": [leaf.hex() for leaf in leaf_hashes(one.statement for one in signed)],
                "root": root.hex(),
                "signed_message_hex": batch_message(NETWORK, "humber", size, root).hex(),
                "signature": signed[0].batch_signature.hex(),
                "events": [event_of(one) for one in signed],
            }
        )
    large = sign_batches(NETWORK, "humber", release(257), SIGNER)
    return {
        "seed": SEED.hex(),
        "public_key": SIGNER.public_key.hex(),
        "key_id": SIGNER.key_id,
        "network": NETWORK,
        "member": "humber",
        "batches": whole,
        "events_of_a_release_of_257": [event_of(large[index]) for index in (0, 1, 127, 128, 255, 256)],
        "invalid": invalid_events(),
    }


def invalid_events() -> list[dict[str, Any]]:
    """Events that must be refused, with the code: by their headers alone, or when path and signature are checked."""
    good = sign_batches(NETWORK, "humber", release(3), SIGNER)[1]
    stolen = release(3, "seneca")
    borrowed = sign_batches(NETWORK, "seneca", stolen, SIGNER)[1]
    headers = {
        "size zero": {"batch-size": "0"},
        "size 257": {"batch-size": "257"},
        "index not below size": {"batch-index": "3"},
        "path too short": {"batch-path": "00" * 32},
        "path with two spaces": {"batch-path": ("00" * 32) + "  " + "00" * 32},
        "path in upper case": {"batch-path": " ".join(h.hex().upper() for h in good.batch_path)},
        "signature too short": {"batch-signature": "00" * 63},
        "signature of zeros": {"batch-signature": "00" * 64},
        "another path of the right length": {"batch-path": ("00" * 32) + " " + "00" * 32},
        "index of a neighbour": {"batch-index": "0"},
        "key id of another key": {"key-id": OTHER.key_id},
        "key id malformed": {"key-id": "0123"},
        "content type": {"content-type": "text/plain"},
        "statement of another place": {"statement": release(3)[2][0].decode()},
        "statement of another member": {"statement": borrowed.statement.decode()},
    }
    made = []
    for why, change in headers.items():
        event = event_of(good)
        event["headers"] = event["headers"] | change
        made.append({"why": why, **event, "code": code_of(check_event, event)})
    for name in event_of(good)["headers"]:
        event = event_of(good)
        del event["headers"][name]
        made.append({"why": f"{name} absent", **event, "code": code_of(check_event, event)})
    changed = event_of(good) | {"value": good.body.decode() + " "}
    return [*made, {"why": "body changed", **changed, "code": code_of(check_event, changed)}]


def check_event(event: dict[str, Any]) -> None:
    """Read a vector's event and check it under the vectors' key."""
    from passerelle.core.batch import verify_signed

    headers = [(name, value.encode()) for name, value in event["headers"].items()]
    verify_signed(from_kafka(headers, event["value"].encode()), SIGNER.public_key)


def log_entries() -> list[bytes]:
    """A log of nine entries: a batch of seven, a refusal among them, and two lone events."""
    released = release(9)
    signed = sign_batches(NETWORK, "humber", released[:7], SIGNER)
    for lone in released[7:]:
        signed += sign_batches(NETWORK, "humber", [lone], SIGNER)
    outcomes = {4: "refused step-illegal"}
    return [
        Entry.of(1_790_000_000_000 + 40 * number, outcomes.get(number, "accepted"), one).encode()
        for number, one in enumerate(signed)
    ]


def entry_vectors() -> dict[str, Any]:
    """A small log: its entries, leaf hashes and root; entries that must be refused by form or by signature."""
    entries = log_entries()
    good = entries[1].decode()
    invalid = {
        "other version": good.replace("entry/v1", "entry/v2"),
        "leading zero in accepted_at": good.replace("\n1790", "\n01790"),
        "outcome unknown": good.replace("\naccepted\n", "\npending\n"),
        "refused without a code": good.replace("\naccepted\n", "\nrefused\n"),
        "surplus line": good + "\n",
        "last line feed missing": good[:-1],
        "member malformed": good.replace("\nhumber\n", "\nHumber\n"),
        "path too long": good.replace("\n7\n1\n", "\n1\n0\n"),
        "index of a neighbour": good.replace("\n7\n1\n", "\n7\n0\n"),
        "signature of another event": good.replace("\npublic\n", "\nparty\n"),
    }
    return {
        "public_key": SIGNER.public_key.hex(),
        "entries": [
            {"index": number, "entry": entry.decode(), "leaf_hash": leaf.hex()}
            for number, (entry, leaf) in enumerate(zip(entries, leaf_hashes(entries), strict=True))
        ],
        "root": root_from_leaves(leaf_hashes(entries)).hex(),
        "invalid": [{"why": why, "entry": text, "code": code_of(check_entry, text)} for why, text in invalid.items()],
    }


def check_entry(text: str) -> None:
    """Read an entry and check its signature under the vectors' key."""
    verify_entry(parse_entry(text.encode()), SIGNER.public_key)


def stream_vectors() -> dict[str, Any]:
    """One stream with head at 3, and what becomes of each statement that comes then."""
    chain = [data for data, _ in release(5)]
    spent = {number: digest(data) for number, data in enumerate(chain[:3], start=1)}
    head = advance(parse_statement(chain[2]), spent[3])
    unlinked = parse_statement(chain[3])
    other = parse_statement(chain[1])
    cases = {
        "next number, linked": chain[3],
        "next number, wrong link": Statement(
            NETWORK, "humber", "credential", 4, ZERO, "public", unlinked.body_sha256
        ).encode(),
        "beyond the next number": chain[4],
        "same statement at the head": chain[2],
        "same statement below the head": chain[0],
        "other statement at a spent number": Statement(
            NETWORK, "humber", "credential", 2, other.prev, "public", ZERO
        ).encode(),
    }
    return {
        "log": [data.decode() for data in chain[:3]],
        "head": {"sequence": head.sequence, "sha256": head.digest.hex()},
        "cases": [
            {"why": why, "statement": data.decode(), "place": _placed(head, data, spent)} for why, data in cases.items()
        ],
    }


def _placed(head: StreamHead, data: bytes, spent: dict[int, bytes]) -> str:
    return place(head, parse_statement(data), digest(data), spent.get).place.value


def _key(seed: bytes, use: str = "sign", **more: str) -> dict[str, str]:
    signer = SeedSigner(seed)
    return {"key_id": signer.key_id, "public_key": signer.public_key.hex(), "use": use, **more}


def _admission(member: str, kind: str, roles: list[str], keys: list[dict[str, str]], **more: Any) -> dict[str, Any]:
    return {
        "member": member,
        "kind": kind,
        "names": {"en": member},
        "jurisdictions": ["CA-ON"],
        "roles": roles,
        "keys": keys,
        **more,
    }


def registry_vectors() -> dict[str, Any]:
    """Member events at their indices, the refusals among them, and key verdicts at positions of the log."""
    root = SeedSigner(ROOT_SEED)
    first, second, third = _key(SEED), _key(OTHER_SEED, valid_from="2026-09-21T16:00:00Z"), _key(b"\x05" * 32, "seal")
    operator_key = _key(b"\x06" * 32)
    events: list[tuple[int, str, dict[str, Any]]] = [
        (0, reg.ADMITTED, _admission("operator", "operator", ["operate"], [operator_key], log_vkey=str(LOG.verifier))),
        (1, reg.ADMITTED, _admission("humber", "college", ["issue", "recognise"], [first, third])),
        (2, reg.ADMITTED, _admission("humber", "college", ["issue"], [second])),
        (5, reg.KEYS_CHANGED, {"member": "humber", "add": [second]}),
        (6, reg.KEYS_CHANGED, {"member": "humber", "add": [first]}),
        (
            8,
            reg.KEYS_CHANGED,
            {"member": "humber", "remove": [{"key_id": first["key_id"], "distrust_from": {"credential": 3}}]},
        ),
        (10, reg.SUSPENDED, {"member": "humber", "reason": "sample"}),
        (11, reg.ROLES_CHANGED, {"member": "humber", "roles": ["read"]}),
        (12, reg.REMOVED, {"member": "humber", "reason": "sample"}),
        (13, reg.ROLES_CHANGED, {"member": "humber", "roles": ["issue"]}),
    ]
    registry = Registry(NETWORK, "operator", root.public_key)
    recorded = []
    for index, event_type, data in events:
        outcome = "accepted"
        try:
            apply(registry, index, event_type, data)
        except PasserelleError as error:
            outcome = f"refused {error.code}"
        recorded.append({"index": index, "type": event_type, "data": data, "outcome": outcome})
    questions = [
        ("operator", root.key_id, "member", 1, 0),
        ("operator", operator_key["key_id"], "member", 1, 0),
        ("operator", operator_key["key_id"], "member", 2, 1),
        ("operator", root.key_id, "member", 2, 1),
        ("humber", first["key_id"], "credential", 1, 1),
        ("humber", first["key_id"], "credential", 1, 2),
        ("seneca", first["key_id"], "credential", 1, 2),
        ("humber", first["key_id"], "credential", 3, 7),
        ("humber", first["key_id"], "recognition", 3, 7),
        ("humber", first["key_id"], "credential", 4, 9),
        ("humber", third["key_id"], "credential", 1, 7),
        ("humber", second["key_id"], "credential", 5, 5),
        ("humber", second["key_id"], "credential", 5, 6),
        ("humber", second["key_id"], "credential", 6, 13),
    ]
    at = 1_790_006_400_000
    return {
        "network": NETWORK,
        "operator": "operator",
        "root_public_key": root.public_key.hex(),
        "events": recorded,
        "verdicts": [
            {
                "member": member,
                "key_id": key,
                "family": family,
                "sequence": sequence,
                "index": index,
                "accepted_at": moment,
                "verdict": registry.key_valid(member, key, moment, family, sequence, index).value,
            }
            for member, key, family, sequence, index in questions
            for moment in ((at - 1, at) if key == second["key_id"] else (at,))
        ],
        "registry": registry.snapshot(),
    }


def receipt_vectors() -> dict[str, Any]:
    """Receipt files of the log in entry.json, and altered ones that must not verify."""
    entries = log_entries()
    leaves = leaf_hashes(entries)
    note = sign_checkpoint(Checkpoint(NETWORK, len(entries), root_from_leaves(leaves)), [LOG])
    files = [
        Receipt(entry, TlogProof(number, inclusion_path(leaves, number), note).serialise(), body).as_dict()
        for number, (entry, (_, body)) in enumerate(zip(entries, release(9), strict=True))
    ]
    good = files[0]
    other_log = sign_checkpoint(
        Checkpoint(NETWORK, len(entries), root_from_leaves(leaves)), [NoteSigner(NETWORK, OTHER_SEED)]
    )
    invalid = {
        "entry of a refused event": files[4],
        "entry of another index": {**good, "entry": files[1]["entry"], "body": files[1]["body"]},
        "outcome altered": {**good, "entry": good["entry"].replace("\naccepted\n", "\nrefused time-ahead\n")},
        "statement altered": {**good, "entry": good["entry"].replace("\npublic\n", "\nparty\n")},
        "body of another event": {**good, "body": files[1]["body"]},
        "checkpoint of another log": {
            **good,
            "proof": TlogProof(0, inclusion_path(leaves, 0), other_log).serialise().decode(),
        },
        "body not base64": {**good, "body": "?"},
        "proof absent": {"entry": good["entry"]},
        "unknown part": {**good, "more": ""},
    }
    return {
        "network": NETWORK,
        "member_public_key": SIGNER.public_key.hex(),
        "log_vkey": str(LOG.verifier),
        "log_public_key": LOG.verifier.public_key.hex(),
        "valid": [files[0], files[8], {name: text for name, text in files[3].items() if name != "body"}],
        "invalid": [
            {"why": why, "receipt": value, "code": code_of(check_receipt, value)} for why, value in invalid.items()
        ],
    }


def check_receipt(value: dict[str, str]) -> None:
    """Read a receipt and check it under the vectors' keys."""
    verify_receipt(parse_receipt(json.dumps(value).encode()), SIGNER.public_key, [LOG.verifier], NETWORK)


def build() -> dict[str, str]:
    """File name to content of every vector file."""
    made = {
        "statement.json": statement_vectors(),
        "batch.json": batch_vectors(),
        "entry.json": entry_vectors(),
        "stream.json": stream_vectors(),
        "registry.json": registry_vectors(),
        "receipt.json": receipt_vectors(),
        "witness.json": witness_vectors.build(),
        "answer.json": answer_vectors.build(),
    }
    return {name: json.dumps(value, ensure_ascii=False, indent=1) + "\n" for name, value in made.items()}


def main() -> None:
    """Write the files."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in build().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
