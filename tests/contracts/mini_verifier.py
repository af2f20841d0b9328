"""A second reading of contracts/formats.md, written apart from the package: it imports nothing of it.

Only hashlib, the cryptography library and the standard library. It is also what an outsider needs to check a receipt:
about two hundred lines. Every check raises ``Bad`` with a reason.
"""

from __future__ import annotations

import base64
import hashlib
import json
import string
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

FAMILIES = {"credential", "recognition", "transfer", "reference", "member"}
LOWER_HEX = set("0123456789abcdef")
LOCAL = set(string.ascii_lowercase + string.digits + "-")


class Bad(Exception):
    """The bytes are malformed or prove nothing."""


ANSWER = sorted(
    [
        "format",
        "network",
        "issuer",
        "method",
        "question",
        "answer",
        "position",
        "checkpoint",
        "valid_on",
        "packs",
        "issued_at",
        "expires_at",
    ]
)


def need(condition: bool, reason: str) -> None:
    """Raise unless the condition holds."""
    if not condition:
        raise Bad(reason)


def sha256(data: bytes) -> bytes:
    """SHA-256 of the data."""
    return hashlib.sha256(data).digest()


def document(text: str, title: str, count: int) -> list[str]:
    """The lines of a document whose first line is its title."""
    need(text.isascii() and text.endswith("\n") and "\r" not in text, "lines")
    lines = text[:-1].split("\n")
    need(len(lines) == count and lines[0] == title, "number of lines or title")
    return lines


def number(text: str, least: int, most: int) -> int:
    """A decimal number in its one spelling."""
    need(0 < len(text) <= 19 and all(c in string.digits for c in text), "digits")
    value = int(text)
    need(str(value) == text and least <= value <= most, "range or leading zero")
    return value


def unhex(text: str, size: int) -> bytes:
    """Bytes of lower-case hex."""
    need(len(text) == 2 * size and set(text) <= LOWER_HEX, "hex")
    return bytes.fromhex(text)


def hashes(text: str) -> list[bytes]:
    """Hashes joined by one space."""
    return [unhex(item, 32) for item in text.split(" ")] if text else []


@dataclass
class Said:
    """What a statement says."""

    network: str
    member: str
    family: str
    sequence: int
    prev: bytes
    visibility: str
    body: bytes


def read_statement(text: str) -> Said:
    """Parse a statement."""
    _, network, member, family, sequence, prev, visibility, body = document(text, "passerelle.statement/v1", 8)
    need(0 < len(network) <= 255 and all("!" <= c <= "~" and c != "+" for c in network), "network")
    need(2 <= len(member) <= 40 and member[0] in string.ascii_lowercase and set(member) <= LOCAL, "member")
    need(family in FAMILIES and visibility in ("public", "party"), "family or visibility")
    return Said(network, member, family, number(sequence, 1, 2**63 - 1), unhex(prev, 32), visibility, unhex(body, 32))


def leaf(data: bytes) -> bytes:
    """RFC 9162 leaf hash."""
    return sha256(b"\0" + data)


def node(left: bytes, right: bytes) -> bytes:
    """RFC 9162 inner node."""
    return sha256(b"\1" + left + right)


def tree(leaves: list[bytes]) -> bytes:
    """RFC 9162, section 2.1.1, by its recursive definition."""
    if not leaves:
        return sha256(b"")
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node(tree(leaves[:split]), tree(leaves[split:]))


def climb(start: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """Root that a path gives, by the recursive definition: the last hash of the path is the other half's."""
    need(0 <= index < size, "index")
    if size == 1:
        need(not path, "path too long")
        return start
    need(bool(path), "path too short")
    split = 1
    while split * 2 < size:
        split *= 2
    if index < split:
        return node(climb(start, index, split, path[:-1]), path[-1])
    return node(path[-1], climb(start, index - split, size - split, path[:-1]))


def signed_by(public_key: bytes, message: bytes, signature: bytes) -> None:
    """Ed25519."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except InvalidSignature:
        raise Bad("signature") from None


def check_batch(
    statement: str, size: str, index: str, path: str, signature: str, key_id: str, public_key: bytes
) -> bytes:
    """Check path and signature of one statement; return the batch's root."""
    said = read_statement(statement)
    count = number(size, 1, 256)
    root = climb(leaf(statement.encode()), number(index, 0, count - 1), count, hashes(path))
    need(sha256(public_key)[:8].hex() == key_id, "key id")
    lines = f"passerelle.batch/v1\n{said.network}\n{said.member}\n{count}\n{root.hex()}\n"
    kind = "application/vnd.passerelle.batch.v1"
    signed_by(public_key, f"DSSEv1 {len(kind)} {kind} {len(lines)} {lines}".encode(), unhex(signature, 64))
    return root


def check_event(headers: dict[str, str], value: str, public_key: bytes) -> bytes:
    """Check a Kafka record of an ingress topic; return the batch's root."""
    names = {"content-type", "statement", "batch-size", "batch-index", "batch-path", "batch-signature", "key-id"}
    need(names <= set(headers), "headers")
    need(headers["content-type"].lower().startswith("application/cloudevents+json"), "content type")
    need(sha256(value.encode()) == read_statement(headers["statement"]).body, "body")
    place = (headers["batch-size"], headers["batch-index"], headers["batch-path"])
    return check_batch(headers["statement"], *place, headers["batch-signature"], headers["key-id"], public_key)


@dataclass
class Logged:
    """What an entry says."""

    accepted_at: int
    outcome: str
    statement: str


def check_entry(text: str, public_key: bytes) -> Logged:
    """Parse an entry and check its batch signature."""
    lines = document(text, "passerelle.entry/v1", 16)
    _, accepted_at, outcome, key_id, size, index, path, signature = lines[:8]
    word, _, code = outcome.partition(" ")
    need(outcome == "accepted" or (word == "refused" and code != "" and set(code) <= LOCAL), "outcome")
    statement = "\n".join(lines[8:]) + "\n"
    check_batch(statement, size, index, path, signature, key_id, public_key)
    return Logged(number(accepted_at, 0, 10**15 - 1), outcome, statement)


def check_checkpoint(note: str, origin: str, log_key: bytes) -> tuple[int, bytes]:
    """Check a C2SP checkpoint under the log's key; return size and root."""
    text, gap, signatures = note.partition("\n\n")
    need(bool(gap), "note")
    text += "\n"
    lines = text.split("\n")
    need(lines[0] == origin, "origin")
    key_id = sha256(origin.encode() + b"\n\1" + log_key)[:4]
    for line in signatures.splitlines():
        dash, name, encoded = line.split(" ")
        raw = base64.b64decode(encoded, validate=True)
        if dash == "\u2014" and name == origin and raw[:4] == key_id:
            signed_by(log_key, text.encode(), raw[4:])
            return number(lines[1], 0, 2**63 - 1), base64.b64decode(lines[2], validate=True)
    raise Bad("not signed by the log")


def check_receipt(receipt: dict[str, Any], network: str, public_key: bytes, log_key: bytes) -> int:
    """Check a receipt file's object offline; return the entry's index."""
    need({"entry", "proof"} <= set(receipt) <= {"entry", "proof", "body"}, "parts")
    logged = check_entry(receipt["entry"], public_key)
    said = read_statement(logged.statement)
    need(said.network == network, "network")
    if "body" in receipt:
        try:
            body = base64.b64decode(receipt["body"], validate=True)
        except ValueError:
            raise Bad("base64") from None
        need(sha256(body) == said.body, "body")
    head, _, note = receipt["proof"].partition("\n\n")
    magic, index_line, *path = head.split("\n")
    need(magic == "c2sp.org/tlog-proof@v1" and index_line.startswith("index "), "proof")
    index = number(index_line.removeprefix("index "), 0, 2**63 - 2)
    size, root = check_checkpoint(note, network, log_key)
    siblings = [base64.b64decode(line, validate=True) for line in path]
    need(climb(leaf(receipt["entry"].encode()), index, size, siblings) == root, "inclusion")
    need(logged.outcome == "accepted", "a refusal proves no award")
    return index


def check_cosignature(note: str, network: str, member: str, public_key: bytes) -> int:
    """Check a member's cosignature of a checkpoint; return its time."""
    text, _, signatures = note.partition("\n\n")
    text += "\n"
    name = f"{network}/witness/{member}"
    key_id = sha256(name.encode() + b"\n\4" + public_key)[:4]
    for line in signatures.splitlines():
        dash, signer, encoded = line.split(" ")
        raw = base64.b64decode(encoded, validate=True)
        if dash == "\u2014" and signer == name and raw[:4] == key_id:
            time = int.from_bytes(raw[4:12], "big")
            signed_by(public_key, f"cosignature/v1\ntime {time}\n{text}".encode(), raw[12:])
            return time
    raise Bad("not cosigned by the member")


def both_roots(first: int, second: int, path: list[bytes]) -> tuple[bytes, bytes]:
    """Roots of both trees from a consistency proof with its beginning first: RFC 9162, section 2.1.4.1, upside down."""
    if first == second:
        need(len(path) == 1, "length")
        return path[0], path[0]
    need(len(path) > 1, "length")
    split = 1 << ((second - 1).bit_length() - 1)
    if first <= split:
        old, new = both_roots(first, split, path[:-1])
        return old, node(new, path[-1])
    old, new = both_roots(first - split, second - split, path[:-1])
    return node(path[-1], old), node(path[-1], new)


def judge(evidence: dict[str, Any], network: str, log_key: bytes) -> str:
    """What an evidence file's object proves."""
    need(set(evidence) == {"format", "first", "second", "hashes"}, "parts")
    need(evidence["format"] == "passerelle.evidence/v1", "format")
    size, root = check_checkpoint(evidence["first"], network, log_key)
    size2, root2 = check_checkpoint(evidence["second"], network, log_key)
    path = [unhex(item, 32) for item in evidence["hashes"]]
    if size == size2:
        need(not path and root != root2, "nothing is proved")
        return "equivocation"
    need(0 < size < size2, "sizes")
    old, new = both_roots(size, size2, path)
    need(new == root2 and old != root, "nothing is proved")
    return "inconsistency"


def canonical(value: Any) -> str:
    """RFC 8785 for values without fractions and names without surrogates: sorted, no spaces, UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def unpadded(part: str) -> bytes:
    """Base64url without padding, one spelling."""
    need("=" not in part, "padding")
    raw = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    need(base64.urlsafe_b64encode(raw).decode().rstrip("=") == part, "base64url")
    return raw


def check_answer(jws: str, network: str, log_key: bytes, issuer_key: bytes, now: str) -> int:
    """Check a signed answer at an instant; return the size that it is about."""
    parts = jws.split(".")
    need(len(parts) == 3, "three parts")
    key_id = sha256(issuer_key)[:8].hex()
    header = {"alg": "EdDSA", "kid": key_id, "typ": "vnd.passerelle.answer.v1"}
    need(unpadded(parts[0]).decode() == canonical(header), "header")
    signed_by(issuer_key, f"{parts[0]}.{parts[1]}".encode(), unpadded(parts[2]))
    text = unpadded(parts[1]).decode()
    said = json.loads(text)
    need(canonical(said) == text, "canonical")
    need(sorted(said) == ANSWER, "members")
    need(said["format"] == "passerelle.answer/v1" and said["network"] == network, "format or network")
    need(said["issuer"]["key_id"] == key_id, "issuer")
    size, _root = check_checkpoint(said["checkpoint"], network, log_key)
    need(size >= said["position"]["size"], "not covered")
    # Instants are written one way, so they compare as text; the vectors leave the clocks' difference out.
    need(said["issued_at"] <= now <= said["expires_at"], "time")
    return int(said["position"]["size"])
