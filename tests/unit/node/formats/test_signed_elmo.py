"""XML signatures of documents: what verifies is said to, what does not is not, and the rest is not checked."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from lxml import etree
from tests.unit.node.formats.documents import HOME, file

from passerelle.core.errors import FormatError
from passerelle.node.formats.elmo import Elmo
from passerelle.node.formats.elmo_signature import signature_remark
from passerelle.node.formats.exchange import Settings

SAMPLE = Path(__file__).parents[4] / "samples/formats/elmo.xml"
DS = "http://www.w3.org/2000/09/xmldsig#"
C14N = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
RSA = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
ECDSA = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
Key = RSAPrivateKey | ec.EllipticCurvePrivateKey


@pytest.fixture(scope="module")
def keys() -> dict[str, Key]:
    return {RSA: generate_private_key(65537, 2048), ECDSA: ec.generate_private_key(ec.SECP256R1())}


def certificate(key: Key) -> str:
    name = x509.Name(
        [
            x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Northern Sample University"),
            x509.NameAttribute(x509.NameOID.COMMON_NAME, "Person Planted"),
        ]
    )
    start = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
    built = x509.CertificateBuilder(name, name, key.public_key(), 1, start, start + dt.timedelta(days=9000))
    return base64.b64encode(built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)).decode()


def signature(key: Key, algorithm: str, info: bytes) -> bytes:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        pair = utils.decode_dss_signature(key.sign(info, ec.ECDSA(hashes.SHA256())))
        return b"".join(part.to_bytes(32, "big") for part in pair)
    return key.sign(info, padding.PKCS1v15(), hashes.SHA256())


def signed(key: Key, algorithm: str, *, digest: str = SHA256, uri: str = "", extra: str = "") -> bytes:
    """The sample with an enveloped signature."""
    root: Any = etree.fromstring(SAMPLE.read_bytes())
    value = base64.b64encode(
        hashlib.sha256(etree.tostring(root.getroottree(), method="c14n", with_comments=False)).digest()
    )
    root.append(
        etree.fromstring(
            f'<Signature xmlns="{DS}"><SignedInfo><CanonicalizationMethod Algorithm="{C14N}"/>'
            f'<SignatureMethod Algorithm="{algorithm}"/><Reference URI="{uri}"><Transforms>'
            f'<Transform Algorithm="{DS}enveloped-signature"/>{extra}</Transforms><DigestMethod Algorithm="{digest}"/>'
            f"<DigestValue>{value.decode()}</DigestValue></Reference></SignedInfo><SignatureValue/><KeyInfo><X509Data>"
            f"<X509Certificate>{certificate(key)}</X509Certificate></X509Data></KeyInfo></Signature>"
        )
    )
    info = root.find(f"{{{DS}}}Signature/{{{DS}}}SignedInfo")
    stated = signature(key, algorithm, etree.tostring(info, method="c14n"))
    root.find(f"{{{DS}}}Signature/{{{DS}}}SignatureValue").text = base64.b64encode(stated).decode()
    found: bytes = etree.tostring(root.getroottree())
    return found


@pytest.mark.parametrize("algorithm", [RSA, ECDSA])
def test_a_good_signature_verifies_and_a_changed_document_does_not(
    tmp_path: Path, keys: dict[str, Key], algorithm: str
) -> None:
    content = signed(keys[algorithm], algorithm)
    remark = Elmo().open(file(tmp_path, "a.xml", content), home=HOME).remarks[1]
    assert remark.startswith(
        "signature verifies under the certificate in the document (Northern Sample University, SHA-256"
    )
    assert "Person Planted" not in remark
    changed = content.replace(b"<resultLabel>4<", b"<resultLabel>5<")
    assert "does NOT verify: the document" in signature_remark(file(tmp_path, "b.xml", changed))
    forged = content.replace(b"<DigestValue>", b"<DigestValue>AA")
    assert "does NOT verify under" in signature_remark(file(tmp_path, "c.xml", forged))


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"digest": f"{DS}sha1"}, "SHA-1 proves nothing"),
        ({"uri": "#part"}, "whole document"),
        ({"extra": '<Transform Algorithm="http://www.w3.org/TR/1999/REC-xslt-19991116"/>'}, "a transform of it"),
    ],
)
def test_any_other_form_is_told_as_not_checked(
    tmp_path: Path, keys: dict[str, Key], options: dict[str, str], why: str
) -> None:
    remark = signature_remark(file(tmp_path, "a.xml", signed(keys[RSA], RSA, **options)))
    assert remark.startswith("signature not checked")
    assert why in remark


def test_a_certificate_of_another_kind_is_not_checked(tmp_path: Path, keys: dict[str, Key]) -> None:
    assert "not of the kind" in signature_remark(file(tmp_path, "a.xml", signed(keys[ECDSA], RSA)))
    content = signed(keys[RSA], RSA).replace(b"<X509Certificate>", b"<X509Certificate>QUJD")
    assert "certificate cannot be read" in signature_remark(file(tmp_path, "b.xml", content))


@pytest.mark.vectors
def test_a_document_that_its_schema_does_not_allow_is_refused_by_the_element(
    tmp_path: Path, shared_folder: Path
) -> None:
    path = file(tmp_path, "a.xml", SAMPLE.read_text().replace("<status>passed<", "<status>Sample-Planted<"))
    with pytest.raises(FormatError) as caught:
        Elmo(Settings(schemas=shared_folder / "vectors/elmo")).open(path, home=HOME)
    assert caught.value.code == "xml-schema"
    assert "an element status, rule cvc-enumeration-valid" in caught.value.what
    assert "Planted" not in str(caught.value)
