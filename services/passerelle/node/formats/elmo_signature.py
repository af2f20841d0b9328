"""The enveloped XML signature of a document: present, by whom, verified or not and why.

Source: XML Signature Syntax and Processing 1.1 (W3C), Canonical XML 1.0 and Exclusive XML Canonicalization. Exactly one
form is checked: one reference to the whole document, an enveloped signature, digests and signatures of SHA-2, the key
in an X.509 certificate of the document. Everything else is told as not checked, never as valid. No certificate is
trusted here: who stands behind it is for a person to know.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from lxml import etree

from passerelle.node.formats.xml_reading import MAX_DEPTH

MAX_SIGNED: Final = 32 * 1024 * 1024
"""Bytes of the largest document whose signature is checked: all of it is held in memory."""
_DS: Final = "{http://www.w3.org/2000/09/xmldsig#}"
_ENVELOPED: Final = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
_C14N: Final = {
    "http://www.w3.org/TR/2001/REC-xml-c14n-20010315": (False, False),
    "http://www.w3.org/TR/2001/REC-xml-c14n-20010315#WithComments": (False, True),
    "http://www.w3.org/2001/10/xml-exc-c14n#": (True, False),
    "http://www.w3.org/2001/10/xml-exc-c14n#WithComments": (True, True),
}
_DIGESTS: Final = {
    "http://www.w3.org/2001/04/xmlenc#sha256": "sha256",
    "http://www.w3.org/2001/04/xmldsig-more#sha384": "sha384",
    "http://www.w3.org/2001/04/xmlenc#sha512": "sha512",
}
_MORE: Final = "http://www.w3.org/2001/04/xmldsig-more#"
_HASHES: Final = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}


class _NotChecked(Exception):
    """Why a signature is not checked."""


def signature_remark(path: Path) -> str:
    """One line about the signature of a document that was read already, with nothing of the learner's."""
    if path.stat().st_size > MAX_SIGNED:
        return f"signature not checked: the document has more than {MAX_SIGNED} bytes"
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.parse(str(path), parser).getroot()
    except (etree.XMLSyntaxError, OSError):
        return "signature not checked: the document could not be read a second time"
    found = root.findall(f"{_DS}Signature")
    if not found:
        return "not signed"
    if len(found) > 1 or sum(1 for _ in root.iter(f"{_DS}SignedInfo")) > MAX_DEPTH:
        return "signature not checked: the document has several"
    try:
        return _check(root, found[0])
    except _NotChecked as reason:
        return f"signature not checked: {reason}"


def _algorithm(element: Any, name: str) -> str:
    found = element.find(f"{_DS}{name}")
    return "" if found is None else str(found.get("Algorithm", ""))


def _bytes(element: Any, path: str) -> bytes:
    found = element.findtext(path)
    try:
        return base64.b64decode("".join((found or "").split()), validate=True)
    except (binascii.Error, ValueError):
        raise _NotChecked("a value of it is not base64") from None


def _check(root: Any, signature: Any) -> str:
    info = signature.find(f"{_DS}SignedInfo")
    references = [] if info is None else info.findall(f"{_DS}Reference")
    if len(references) != 1 or references[0].get("URI") != "":
        raise _NotChecked("it does not cover the whole document by one reference")
    digest = _DIGESTS.get(_algorithm(references[0], "DigestMethod"))
    if digest is None:
        raise _NotChecked("its digest is not of SHA-2; SHA-1 proves nothing any more")
    canonical = _C14N.get(_algorithm(info, "CanonicalizationMethod"))
    if canonical is None:
        raise _NotChecked("its canonicalisation is not one that is read here")
    certificate = _certificate(signature)
    signed = etree.tostring(info, method="c14n", exclusive=canonical[0], with_comments=canonical[1])
    who = _subject(certificate)
    if not _verifies(
        certificate, _algorithm(info, "SignatureMethod"), _bytes(signature, f"{_DS}SignatureValue"), signed
    ):
        return f"signature does NOT verify under the certificate in the document ({who})"
    expected = _bytes(references[0], f"{_DS}DigestValue")
    if hashlib.new(digest, _without(root, signature, references[0])).digest() != expected:
        return f"signature does NOT verify: the document is not the one that was signed ({who})"
    return f"signature verifies under the certificate in the document ({who}); nobody here vouches for that certificate"


def _without(root: Any, signature: Any, reference: Any) -> bytes:
    """The document as it was signed: canonical, without the signature itself."""
    exclusive, enveloped = False, False
    for transform in reference.iterfind(f"{_DS}Transforms/{_DS}Transform"):
        algorithm = str(transform.get("Algorithm", ""))
        if algorithm == _ENVELOPED:
            enveloped = True
        elif algorithm in _C14N:
            exclusive = _C14N[algorithm][0]
        else:
            raise _NotChecked("a transform of it is not one that is read here")
    if not enveloped:
        raise _NotChecked("it is not enveloped")
    before, parent, tail = signature.getprevious(), signature.getparent(), signature.tail or ""
    if before is not None:
        before.tail = (before.tail or "") + tail
    else:
        parent.text = (parent.text or "") + tail
    signature.tail = None
    parent.remove(signature)
    # An empty URI stands for the document without its comments (XML Signature 1.1, section 4.4.3.3).
    return bytes(etree.tostring(root.getroottree(), method="c14n", exclusive=exclusive, with_comments=False))


def _certificate(signature: Any) -> x509.Certificate:
    path = f"{_DS}KeyInfo/{_DS}X509Data/{_DS}X509Certificate"
    if signature.find(path) is None:
        raise _NotChecked("the document carries no certificate")
    try:
        return x509.load_der_x509_certificate(_bytes(signature, path))
    except ValueError:
        raise _NotChecked("its certificate cannot be read") from None


def _subject(certificate: x509.Certificate) -> str:
    """The organisation that a certificate names, and the certificate's hash; never a person's name."""
    names = certificate.subject.get_attributes_for_oid(x509.NameOID.ORGANIZATION_NAME)
    stated = str(names[0].value)[:80] if names else "no organisation named"
    shown = "".join(letter if letter.isprintable() else " " for letter in stated)
    return f"{shown}, SHA-256 {certificate.fingerprint(hashes.SHA256()).hex()[:16]}"


def _verifies(certificate: x509.Certificate, algorithm: str, value: bytes, signed: bytes) -> bool:
    family, _, name = algorithm.removeprefix(_MORE).partition("-")
    method = _HASHES.get(name)
    key = certificate.public_key()
    if not algorithm.startswith(_MORE) or method is None:
        raise _NotChecked("its algorithm is not RSA or ECDSA with SHA-2; SHA-1 proves nothing any more")
    try:
        if family == "rsa" and isinstance(key, rsa.RSAPublicKey):
            key.verify(value, signed, padding.PKCS1v15(), method)
            return True
        if family == "ecdsa" and isinstance(key, ec.EllipticCurvePublicKey):
            half = len(value) // 2
            pair = int.from_bytes(value[:half], "big"), int.from_bytes(value[half:], "big")
            key.verify(utils.encode_dss_signature(*pair), signed, ec.ECDSA(method))
            return True
    except InvalidSignature:
        return False
    raise _NotChecked("its key is not of the kind that its algorithm asks for")
