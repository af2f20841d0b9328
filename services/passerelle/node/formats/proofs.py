"""Proofs of verifiable credentials that can be checked with nothing but the document.

Sources: Data Integrity EdDSA Cryptosuites 1.0 (W3C), section 3.3, eddsa-jcs-2022; JSON Canonicalization Scheme (RFC
8785); the did:key method; VC-JOSE-COSE and JWS (RFC 7515) with EdDSA and ES256. A key counts only where it is a
did:key, so that the document carries it. Nothing is fetched: any other proof is told as not checked, never as valid.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils

from passerelle.core.errors import FormatError
from passerelle.core.signature import Signer
from passerelle.node.formats.json_reading import parse_json

SUITE: Final = "eddsa-jcs-2022"
MAX_PROOFS: Final = 4
_ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_MAX_ENCODED: Final = 200
_ED25519: Final = b"\xed\x01"
_P256: Final = b"\x80\x24"


@dataclass(frozen=True, slots=True)
class Proof:
    """What is known of a document's proof: ``state`` is absent, valid, invalid or unchecked; ``key`` a did:key."""

    state: str
    why: str = ""
    key: str = ""

    def remark(self, issuer: str) -> str:
        """One line for a person; ``issuer`` is the id that the document gives its issuer."""
        if self.state == "absent":
            return "no proof"
        if self.state == "unchecked":
            return f"proof not checked: {self.why}"
        if self.state == "invalid":
            return f"proof does NOT verify: {self.why}"
        tied = "which is the issuer's id" if issuer == self.key else "which the document does not tie to its issuer"
        return f"proof verifies under {self.key}, {tied}"


class _Unchecked(Exception):
    """Why a proof is not checked."""


def base58(text: str) -> bytes:
    """Bytes of a base58 text (the Bitcoin alphabet of Multibase ``z``), at most 200 characters. Raises FormatError."""
    value = 0
    if len(text) > _MAX_ENCODED:
        raise FormatError("value-too-long", f"a base58 value has more than {_MAX_ENCODED} characters")
    for letter in text:
        place = _ALPHABET.find(letter)
        if place < 0:
            raise FormatError("field-malformed", "a value is not base58")
        value = value * 58 + place
    zeros = len(text) - len(text.lstrip("1"))
    return bytes(zeros) + value.to_bytes((value.bit_length() + 7) // 8, "big")


def to_base58(value: bytes) -> str:
    """Base58 of bytes."""
    number, found = int.from_bytes(value, "big"), ""
    while number:
        number, rest = divmod(number, 58)
        found = _ALPHABET[rest] + found
    return "1" * (len(value) - len(value.lstrip(b"\0"))) + found


def did_key(public_key: bytes) -> str:
    """The did:key of a raw Ed25519 public key of 32 bytes."""
    return f"did:key:z{to_base58(_ED25519 + public_key)}"


def _key_of(method: object) -> tuple[str, bytes]:
    """A did:key and its multicodec bytes, of a verification method."""
    did, _, fragment = method.partition("#") if isinstance(method, str) else ("", "", "")
    if not did.startswith("did:key:z"):
        raise _Unchecked("its key is not in the document (no did:key), and nothing is fetched")
    if fragment and fragment != did.removeprefix("did:key:"):
        raise _Unchecked("its key names another key than its did:key")
    try:
        return did, base58(did.removeprefix("did:key:z"))
    except FormatError as error:
        raise _Unchecked(error.what) from None


def _verifies(multicodec: bytes, signature: bytes, message: bytes) -> bool:
    try:
        if multicodec.startswith(_ED25519):
            ed25519.Ed25519PublicKey.from_public_bytes(multicodec[2:]).verify(signature, message)
            return True
        if multicodec.startswith(_P256):
            key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), multicodec[2:])
            pair = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
            key.verify(utils.encode_dss_signature(*pair), message, ec.ECDSA(hashes.SHA256()))
            return len(signature) == 64
    except InvalidSignature:
        return False
    except ValueError:
        raise _Unchecked("its key is malformed") from None
    raise _Unchecked("its key is neither Ed25519 nor P-256")


def canonical(value: Any) -> bytes:
    """The canonical JSON of a value (RFC 8785)."""
    try:
        return bytes(rfc8785.dumps(value))
    except rfc8785.CanonicalizationError:
        raise _Unchecked("a number of the document has no canonical form") from None


def _message(document: Mapping[str, Any], options: Mapping[str, Any]) -> bytes:
    unsecured = {name: value for name, value in document.items() if name != "proof"}
    context = options.get("@context")
    if context is not None:
        stated, own = (one if isinstance(one, list) else [one] for one in (context, document.get("@context")))
        if own[: len(stated)] != stated:
            raise _Unchecked("its contexts are not those that the document begins with")
        unsecured["@context"] = context
    return hashlib.sha256(canonical(options)).digest() + hashlib.sha256(canonical(unsecured)).digest()


def _check_one(document: Mapping[str, Any], proof: Any) -> Proof:
    if not isinstance(proof, dict):
        raise _Unchecked("it is not an object")
    suite = proof.get("cryptosuite")
    if proof.get("type") != "DataIntegrityProof" or suite != SUITE:
        if suite == "eddsa-rdfc-2022":
            raise _Unchecked("eddsa-rdfc-2022 canonicalises the document as RDF, which is not done here")
        raise _Unchecked(f"its suite is not {SUITE}, the one that is read here")
    if proof.get("proofPurpose") != "assertionMethod":
        raise _Unchecked("its purpose is not assertionMethod")
    key, multicodec = _key_of(proof.get("verificationMethod"))
    value = proof.get("proofValue")
    if not isinstance(value, str) or not value.startswith("z"):
        raise _Unchecked("its value is not base58")
    if not multicodec.startswith(_ED25519):
        raise _Unchecked("its key is not Ed25519, which its suite asks for")
    try:
        signature = base58(value[1:])
    except FormatError as error:
        raise _Unchecked(error.what) from None
    options = {name: one for name, one in proof.items() if name != "proofValue"}
    if _verifies(multicodec, signature, _message(document, options)):
        return Proof("valid", key=key)
    return Proof("invalid", "the document or the proof was changed", key)


def check_proof(document: Mapping[str, Any]) -> Proof:
    """What the embedded proofs of a document are worth: the first one that can be checked counts."""
    stated = document.get("proof")
    proofs = stated if isinstance(stated, list) else [stated] if stated is not None else []
    if not proofs:
        return Proof("absent")
    why = f"it has more than {MAX_PROOFS} proofs"
    for proof in proofs[:MAX_PROOFS]:
        try:
            return _check_one(document, proof)
        except _Unchecked as reason:
            why = str(reason)
    return Proof("unchecked", why)


def _part(text: str, where: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise FormatError("field-malformed", "a part of the token is not base64url", where=where) from None


def read_token(token: str, where: str) -> tuple[dict[str, Any], Proof]:
    """The payload of a compact JWS and what its signature is worth. Raises FormatError for one that cannot be read."""
    head, _, rest = token.partition(".")
    body, _, tail = rest.partition(".")
    header = parse_json(_part(head, where), where)
    payload, signature = parse_json(_part(body, where), where), _part(tail, where)
    try:
        if header.get("crit") is not None or header.get("b64") is not None:
            raise _Unchecked("its header asks for what is not done here")
        kid = header.get("kid")
        method = kid if isinstance(kid, str) and kid.startswith("did:key:") else payload.get("iss", kid)
        key, multicodec = _key_of(method)
        wanted = {"EdDSA": _ED25519, "Ed25519": _ED25519, "ES256": _P256}.get(str(header.get("alg")))
        if wanted is None or not multicodec.startswith(wanted):
            raise _Unchecked("its algorithm is not EdDSA or ES256 with a key of that kind")
        valid = _verifies(multicodec, signature, f"{head}.{body}".encode("ascii"))
    except _Unchecked as reason:
        return payload, Proof("unchecked", str(reason))
    return payload, Proof("valid", key=key) if valid else Proof("invalid", "the token was changed", key)


def sign(document: Mapping[str, Any], signer: Signer, created: str) -> dict[str, Any]:
    """The document with a proof of the member's key; ``created`` is an instant, RFC 3339 in UTC."""
    key = did_key(signer.public_key)
    options = {
        "type": "DataIntegrityProof",
        "cryptosuite": SUITE,
        "created": created,
        "verificationMethod": f"{key}#{key.removeprefix('did:key:')}",
        "proofPurpose": "assertionMethod",
        "@context": document["@context"],
    }
    value = f"z{to_base58(signer.sign(_message(document, options)))}"
    return {**document, "proof": [{**options, "proofValue": value}]}
