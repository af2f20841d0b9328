"""Batches: one Ed25519 signature over 1 to 256 statements, and the Kafka headers that carry an event.

The statements released together are the leaves of an RFC 9162 tree (section 2.1.1); the signature covers five lines
that hold its root. Each event travels with its own path, so it proves itself alone, and a verifier that remembers the
outcome of one (key, message, signature) pays for one signature a batch. Source: contracts/formats.md, "Batch".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from passerelle.core.errors import FormatError, ProofError, SignatureInvalid
from passerelle.core.lines import hashes_text, parse_hashes, parse_hex, parse_number
from passerelle.core.merkle import all_inclusion_paths, leaf_hash, leaf_hashes, root_from_inclusion, root_from_leaves
from passerelle.core.signature import BATCH_TYPE, SIGNATURE_SIZE, Signer, key_id, pae, verify
from passerelle.core.statement import MAX_STATEMENT, TITLE, Statement, digest, parse_statement

BATCH_TITLE: Final = "passerelle.batch/v1"
MAX_BATCH: Final = 256
MAX_PATH: Final = 8
"""Hashes in the longest path: the depth of a tree of 256."""
MAX_HEADERS: Final = 32
"""Headers looked at in one record; a record with more is refused."""

CONTENT_TYPE: Final = b"application/cloudevents+json; charset=utf-8"
INGRESS_HEADERS: Final = (
    "content-type",
    "statement",
    "batch-size",
    "batch-index",
    "batch-path",
    "batch-signature",
    "key-id",
)

_CONTENT_TYPE: Final = re.compile(rb"application/cloudevents\+json(?: ?; ?charset=utf-8)?", re.IGNORECASE)
_KEY_ID: Final = re.compile(rb"[0-9a-f]{16}")
_HEADER_SET: Final = frozenset(INGRESS_HEADERS)


@dataclass(frozen=True, slots=True)
class SignedStatement:
    """A statement with its body and its share of a batch signature, as it travels.

    ``statement``, ``body``: exact bytes; ``batch_path``: 32-byte hashes from the leaf's sibling up;
    ``batch_signature``: 64 bytes; ``key_id``: 16 hex digits.
    """

    statement: bytes
    body: bytes
    batch_size: int
    batch_index: int
    batch_path: tuple[bytes, ...]
    batch_signature: bytes
    key_id: str

    @property
    def proof(self) -> bytes:
        """Lines 4 to 8 of the entry that these make."""
        _, _, size, index, path, signature, key = (value for _, value in self.headers())
        return proof_lines(key, size, index, path, signature)

    def headers(self) -> list[tuple[str, bytes]]:
        """The seven ingress headers, in the order of :data:`INGRESS_HEADERS`."""
        return [
            ("content-type", CONTENT_TYPE),
            ("statement", self.statement),
            ("batch-size", b"%d" % self.batch_size),
            ("batch-index", b"%d" % self.batch_index),
            ("batch-path", hashes_text(self.batch_path).encode("ascii")),
            ("batch-signature", self.batch_signature.hex().encode("ascii")),
            ("key-id", self.key_id.encode("ascii")),
        ]


def path_length(index: int, size: int) -> int:
    """Hashes in the inclusion path of leaf ``index`` in a tree of ``size`` (RFC 9162, section 2.1.3.1)."""
    # Below the point where the paths to this leaf and to the last one part, every level has a sibling; above it only
    # the levels at which this node is a right child have one.
    inner = (index ^ (size - 1)).bit_length()
    return inner + (index >> inner).bit_count()


def parse_place(size: bytes, index: bytes, code: str) -> tuple[int, int]:
    """Batch size and index from their text, as header or entry line. Raises FormatError ``code``."""
    batch_size = parse_number(size, code, "batch-size", MAX_BATCH)
    if batch_size == 0:
        raise FormatError(code, "A batch holds 1 to 256 statements.", where="batch-size")
    return batch_size, parse_number(index, code, "batch-index", batch_size - 1)


def parse_path(index: int, size: int, path: bytes, code: str = "header-malformed") -> tuple[bytes, ...]:
    """The path of leaf ``index`` from its text, 32 bytes each.

    Raises FormatError ``code`` for a wrong form, ``path-invalid`` for a path of the wrong length at this place.
    """
    hashes = parse_hashes(path, MAX_PATH, code, "batch-path")
    if len(hashes) != path_length(index, size):
        raise FormatError("path-invalid", "The path's length does not fit the index and size.", where="batch-path")
    return hashes


def proof_lines(key: bytes, size: bytes, index: bytes, path: bytes, signature: bytes) -> bytes:
    """Lines 4 to 8 of an entry, from the texts that stand in the headers too (contracts/formats.md, "Entry")."""
    return b"%b\n%b\n%b\n%b\n%b\n" % (key, size, index, path, signature)


class Arrived(NamedTuple):
    """The headers of a Kafka record, read but for the path.

    ``batch_path`` is its text, ``proof`` lines 4 to 8 of an entry, ``batch_signature`` 64 bytes; the rest
    as in :class:`SignedStatement`.
    """

    statement: bytes
    batch_size: int
    batch_index: int
    batch_path: bytes
    batch_signature: bytes
    key_id: str
    proof: bytes


def from_kafka(headers: Iterable[tuple[str, bytes | None]], value: bytes | None) -> SignedStatement:
    """The signed statement in a Kafka record: form only, no hash or signature is checked here.

    Unknown headers are ignored. Raises FormatError ``header-missing``, ``header-duplicate``, ``header-malformed`` or
    ``path-invalid``; a record without a value is ``body-absent``.
    """
    found = read_headers(headers)
    if value is None:
        raise FormatError("body-absent", "The record has no value.")
    path = parse_path(found.batch_index, found.batch_size, found.batch_path)
    return SignedStatement(
        found.statement, value, found.batch_size, found.batch_index, path, found.batch_signature, found.key_id
    )


def read_headers(headers: Iterable[tuple[str, bytes | None]]) -> Arrived:
    """The seven headers, each once. Raises as :func:`from_kafka`; the path's text is not looked at."""
    content_type, statement, size_text, index_text, path, signature_text, key = _seven(headers)
    # The canonical spelling is compared first: it is what every node of ours sends.
    if content_type != CONTENT_TYPE and not _CONTENT_TYPE.fullmatch(content_type):
        raise FormatError("header-malformed", "The content type is not CloudEvents JSON.", where="content-type")
    if not 0 < len(statement) <= MAX_STATEMENT:
        raise FormatError("header-malformed", f"A statement has 1 to {MAX_STATEMENT} bytes.", where="statement")
    size, index = parse_place(size_text, index_text, code="header-malformed")
    signature = parse_hex(signature_text, SIGNATURE_SIZE, "header-malformed", "batch-signature")
    if not _KEY_ID.fullmatch(key):
        raise FormatError("header-malformed", "A key id is 16 lower-case hex digits.", where="key-id")
    proof = proof_lines(key, size_text, index_text, path, signature_text)
    return Arrived(statement, size, index, path, signature, key.decode("ascii"), proof)


def _seven(headers: Iterable[tuple[str, bytes | None]]) -> list[bytes]:
    """The values in the order of :data:`INGRESS_HEADERS`."""
    found: dict[str, bytes] = {}
    for count, (name, content) in enumerate(headers):
        if count >= MAX_HEADERS:
            raise FormatError("header-malformed", f"The record has more than {MAX_HEADERS} headers.")
        if name not in _HEADER_SET:
            continue
        if name in found:
            raise FormatError("header-duplicate", "The header stands more than once.", where=name)
        found[name] = content or b""
    if len(found) != len(INGRESS_HEADERS):
        missing = next(name for name in INGRESS_HEADERS if name not in found)
        raise FormatError("header-missing", "The header is absent.", where=missing)
    return [found[name] for name in INGRESS_HEADERS]


def batch_root(statement: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """Root of the batch that ``path`` gives for this statement, 32 bytes. Raises SignatureInvalid ``path-invalid``."""
    try:
        return root_from_inclusion(leaf_hash(statement), index, size, path)
    except ProofError as error:
        raise SignatureInvalid("path-invalid", error.what, where="batch-path") from error


def batch_message(network: str, member: str, size: int, root: bytes) -> bytes:
    """The bytes that are signed for a batch: the DSSE encoding of its five lines."""
    return pae(BATCH_TYPE, f"{BATCH_TITLE}\n{network}\n{member}\n{size}\n{root.hex()}\n".encode("ascii"))


def sign_batches(
    network: str, member: str, statements_and_bodies: Sequence[tuple[bytes, bytes]], signer: Signer
) -> list[SignedStatement]:
    """Sign statements (each with its body) in release order, as batches of at most 256, and return them in order.

    Raises FormatError ``statement-malformed`` when a statement does not begin with this network and member.
    """
    start = f"{TITLE}\n{network}\n{member}\n".encode("ascii")
    signed: list[SignedStatement] = []
    for first in range(0, len(statements_and_bodies), MAX_BATCH):
        batch = statements_and_bodies[first : first + MAX_BATCH]
        if not all(statement.startswith(start) for statement, _ in batch):
            raise FormatError("statement-malformed", "A statement is of another network or member than its batch.")
        leaves = leaf_hashes(statement for statement, _ in batch)
        size = len(leaves)
        signature = signer.sign(batch_message(network, member, size, root_from_leaves(leaves)))
        for index, ((statement, body), path) in enumerate(zip(batch, all_inclusion_paths(leaves), strict=True)):
            signed.append(SignedStatement(statement, body, size, index, path, signature, signer.key_id))
    return signed


def verify_place(
    statement: bytes, parsed: Statement, size: int, index: int, path: Sequence[bytes], signature: bytes, key: bytes
) -> None:
    """Check path and signature of one statement under the raw public key ``key``.

    Raises SignatureInvalid ``path-invalid`` or ``signature-invalid``.
    """
    root = batch_root(statement, index, size, path)
    if not verify(key, batch_message(parsed.network, parsed.member, size, root), signature):
        raise SignatureInvalid("signature-invalid", "The batch signature does not verify under the key.")


def verify_signed(signed: SignedStatement, public_key: bytes) -> Statement:
    """Check one event alone: form, body hash, key id, path and signature; return its statement.

    Raises FormatError ``statement-malformed``, SignatureInvalid ``body-hash-mismatch``, ``key-unknown`` (the key is not
    the one named), ``path-invalid`` or ``signature-invalid``.
    """
    parsed = parse_statement(signed.statement)
    if digest(signed.body) != parsed.body_sha256:
        raise SignatureInvalid("body-hash-mismatch", "The body is not the one that the statement names.")
    if key_id(public_key) != signed.key_id:
        raise SignatureInvalid("key-unknown", "The key given is not the one that the event names.")
    verify_place(
        signed.statement,
        parsed,
        signed.batch_size,
        signed.batch_index,
        signed.batch_path,
        signed.batch_signature,
        public_key,
    )
    return parsed
