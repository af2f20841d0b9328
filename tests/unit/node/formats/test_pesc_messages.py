"""PESC's requests, responses and acknowledgments."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree
from tests.unit.node.formats.documents import ISSUER, file

from passerelle.core.errors import FormatError
from passerelle.node.formats.pesc_messages import acknowledgment, read_answer, read_request, response

SAMPLES = Path(__file__).parents[4] / "samples/formats"
REQUEST = (SAMPLES / "transcript-request-1.4.xml").read_text()
WRAPPER = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"
 xmlns:AcRec="urn:org:pesc:sector:AcademicRecord:v1.9.0"
 targetNamespace="urn:org:pesc:message:TranscriptResponse:v1.4.0">
<xs:import namespace="urn:org:pesc:sector:AcademicRecord:v1.9.0" schemaLocation="{}"/>
<xs:element name="TranscriptResponse"><xs:complexType><xs:sequence>
<xs:element name="TransmissionData" type="AcRec:TransmissionDataType"/>
<xs:element name="Response" type="AcRec:ResponseType" maxOccurs="unbounded"/>
</xs:sequence></xs:complexType></xs:element></xs:schema>"""


def test_a_request_names_student_recipients_and_consent() -> None:
    found = read_request(SAMPLES / "transcript-request-1.4.xml")
    assert (found.version, found.authorised, found.person.student_number) == ("1.4", True, "S00001")
    assert [(one.tracking, one.name) for one in found.recipients] == [("SAMPLE-TRACK-1", "Sample University")]
    assert "Number1" not in repr(found)


def test_a_response_answers_in_the_requests_version_or_the_one_below(tmp_path: Path) -> None:
    for asked, answered in (("1.4", "1.4"), ("1.2", "1.1"), ("1.0", "1.0")):
        request = read_request(file(tmp_path, "a.xml", REQUEST.replace("v1.4.0", f"v{asked}.0")))
        found = read_answer(file(tmp_path, "b.xml", response(request, ["Hold"], ISSUER)))
        assert (found.version, found.statuses) == (answered, [("SAMPLE-TRACK-1", "Hold")])


def test_an_acknowledgment_counts_what_arrived(tmp_path: Path) -> None:
    content = acknowledgment(SAMPLES / "transcript-pesc-1.3.xml", ISSUER)
    found = read_answer(file(tmp_path, "a.xml", content))
    assert (found.awards, found.courses, found.tracking) == ("1", "2", "")
    assert b"L-20417" in content


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("v1.4.0", "v9.0.0", "format-unknown"),
        ("TranscriptRequest:", "CollegeTranscript:", "format-unknown"),
        ("<RequestTrackingID>SAMPLE-TRACK-1</RequestTrackingID>", "", "field-missing"),
        ("RequestedStudent>", "Else>", "field-missing"),
    ],
)
def test_a_request_that_cannot_be_answered_is_refused(tmp_path: Path, old: str, new: str, code: str) -> None:
    with pytest.raises(FormatError) as caught:
        read_request(file(tmp_path, "a.xml", REQUEST.replace(old, new)))
    assert caught.value.code == code


@pytest.mark.vectors
def test_a_response_is_valid_by_the_sector_library(shared_folder: Path) -> None:
    folder = shared_folder / "vectors/pesc/xsd"
    schema = etree.XMLSchema(etree.fromstring(WRAPPER.format((folder / "AcademicRecord_v1.9.0.xsd").as_uri())))
    request = read_request(SAMPLES / "transcript-request-1.4.xml")
    for status in ("TranscriptSent", "Hold", "NoRecord"):
        assert schema.validate(etree.fromstring(response(request, [status], ISSUER))), schema.error_log
