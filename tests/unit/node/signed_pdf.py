"""Signed PDFs and certificates of their own for tests: nobody outside made them, and nobody's name is in them."""

from __future__ import annotations

import datetime as dt
import io
from dataclasses import dataclass
from functools import lru_cache

from asn1crypto import keys as asn1_keys
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.writer import PageObject, PdfFileWriter
from pyhanko.sign import signers
from pyhanko.sign.fields import MDPPerm
from pyhanko_certvalidator.registry import SimpleCertificateStore

DAY = dt.datetime(2026, 5, 1, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Party:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)


def _certificate(name: str, issuer: Party | None, *, days: int = 3650) -> Party:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Sample College"), x509.NameAttribute(NameOID.COMMON_NAME, name)]
    )
    usage = x509.KeyUsage(
        digital_signature=issuer is not None, content_commitment=issuer is not None, key_encipherment=False,
        data_encipherment=False, key_agreement=False, key_cert_sign=issuer is None, crl_sign=issuer is None,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip
    builder = x509.CertificateBuilder(
        issuer_name=issuer.certificate.subject if issuer else subject, subject_name=subject,
        public_key=key.public_key(), serial_number=x509.random_serial_number(),
        not_valid_before=DAY - dt.timedelta(days=3650), not_valid_after=DAY + dt.timedelta(days=days),
    )  # fmt: skip
    builder = builder.add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    builder = builder.add_extension(usage, critical=True)
    return Party(builder.sign(issuer.key if issuer else key, hashes.SHA256()), key)


@lru_cache
def _made(name: str, root: str, days: int) -> Party:
    return _certificate(name, _made(root, "", 3650) if root else None, days=days)


def authority(name: str = "Sample Root") -> Party:
    """A root of its own, the same at each call."""
    return _made(name, "", 3650)


def registrar(root: str = "Sample Root", days: int = 3650) -> Party:
    """A signer under a root, the same at each call."""
    return _made("Sample Registrar", root, days)


def revocation_list(*revoked: Party) -> bytes:
    """The root's revocation list, DER."""
    root = authority()
    builder = x509.CertificateRevocationListBuilder(
        issuer_name=root.certificate.subject, last_update=DAY - dt.timedelta(days=1), next_update=DAY.replace(year=2030)
    )
    for one in revoked:
        entry = x509.RevokedCertificateBuilder(one.certificate.serial_number, DAY - dt.timedelta(days=2)).build()
        builder = builder.add_revoked_certificate(entry)
    return builder.sign(root.key, hashes.SHA256()).public_bytes(Encoding.DER)


def plain_pdf(text: str = "Transcript") -> bytes:
    """One page with a line of text."""
    writer = PdfFileWriter()
    stream = generic.StreamObject(stream_data=f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET".encode())
    page = PageObject(
        contents=writer.add_object(stream), media_box=generic.ArrayObject(map(generic.NumberObject, (0, 0, 612, 792)))
    )
    writer.insert_page(page)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def signed_pdf(content: bytes | None = None, *, by: Party | None = None, field: str = "Signature1") -> bytes:
    """The document signed so that nothing may be changed after (a certifying signature, ISO 32000-2, 12.8.2.2)."""
    party = by or registrar()
    key = party.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    signer = signers.SimpleSigner(
        signing_cert=asn1_x509.Certificate.load(party.certificate.public_bytes(Encoding.DER)),
        signing_key=asn1_keys.PrivateKeyInfo.load(key), cert_registry=SimpleCertificateStore(),
    )  # fmt: skip
    certify = content is None
    meta = signers.PdfSignatureMetadata(
        field_name=field, md_algorithm="sha256", certify=certify, docmdp_permissions=MDPPerm.NO_CHANGES
    )
    writer = IncrementalPdfFileWriter(io.BytesIO(content or plain_pdf()))
    return bytes(signers.sign_pdf(writer, meta, signer=signer).getvalue())


def appended(content: bytes) -> bytes:
    """A revision after the signature that puts another text on the page."""
    writer = IncrementalPdfFileWriter(io.BytesIO(content))
    stream = generic.StreamObject(stream_data=b"BT /F1 12 Tf 72 720 Td (Better grades) Tj ET")
    page = writer.root["/Pages"]["/Kids"][0]
    page["/Contents"] = writer.add_object(stream)
    writer.update_container(page)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def encrypted_pdf() -> bytes:
    """A document under a password."""
    writer = PdfFileWriter()
    stream = generic.StreamObject(stream_data=b"BT ET")
    page = PageObject(
        contents=writer.add_object(stream), media_box=generic.ArrayObject(map(generic.NumberObject, (0, 0, 9, 9)))
    )
    writer.insert_page(page)
    writer.encrypt(owner_pass="owner", user_pass="user")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()
