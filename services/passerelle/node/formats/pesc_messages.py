"""PESC's messages around a transcript: request, response and acknowledgment, read and written.

Sources: the types RequestType, ResponseType, RequestedStudentType and TransmissionDataType of PESC AcademicRecord
1.9.0; namespaces as application centres in Ontario and Alberta use them. A response repeats what the request says of
the student, as its type asks for, and nothing else that the node knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lxml import etree

from passerelle.core.errors import FormatError
from passerelle.node.export_documents import Issuer, add, maybe, written
from passerelle.node.formats.exchange import NONE
from passerelle.node.formats.pesc import learner
from passerelle.node.formats.pesc_xml import check_version, message_of
from passerelle.node.formats.xml_reading import Node, read_records
from passerelle.node.people import Person

MAX_RECIPIENTS: Final = 50
REQUESTS: Final = ("1.0", "1.1", "1.2", "1.4")
RESPONSES: Final = ("1.0", "1.1", "1.4")
ACKNOWLEDGMENTS: Final = ("1.1",)
STATUS: Final = (
    "TranscriptSent", "TranscriptRequestReceived", "Hold", "NoRecord", "MultipleMatch", "Canceled",
    "OfflineRecordSearch", "OfflineRecordSent", "Deceased",
)  # fmt: skip
"""ResponseStatusType of the sector library."""
_NAMESPACE: Final = "urn:org:pesc:message:{}:v{}.0"
_RECORDS: Final = frozenset(
    {"TransmissionData", "RequestedStudent", "Recipient", "Response", "Person", "AcademicAwardTotal", "CourseTotal"}
)


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whom a transcript is asked for: tracking ids and name."""

    tracking: str
    own_tracking: str
    name: str


@dataclass(frozen=True, slots=True)
class Request:
    """A TranscriptRequest. Its ``repr`` tells nothing of the student."""

    version: str
    source: Node
    student: Node
    person: Person
    authorised: bool
    recipients: Sequence[Recipient]

    def __repr__(self) -> str:
        return f"Request({self.version}, {len(self.recipients)} recipients)"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a response or an acknowledgment says: (tracking id, status), or totals of awards and courses."""

    message: str
    version: str
    statuses: Sequence[tuple[str, str]] = ()
    tracking: str = ""
    awards: str = ""
    courses: str = ""


def message(path: Path) -> tuple[str, str]:
    """Name and version of a PESC message. Raises FormatError."""
    root = next(read_records(path, frozenset()))
    return message_of(root.namespace, path)


def read_request(path: Path) -> Request:
    """A TranscriptRequest. Raises FormatError: ``format-unknown`` by version, ``field-missing``, ``too-many-items``."""
    name, version = message(path)
    if name != "TranscriptRequest":
        raise FormatError("format-unknown", f"a PESC {name} is no request for a transcript", where=path.name)
    check_version(name, version, REQUESTS, path)
    found = list(read_records(path, _RECORDS))
    student = _one(found, "RequestedStudent", path)
    data = _one(found, "TransmissionData", path)
    recipients = [_recipient(node) for node in found if node.name == "Recipient"]
    if len(recipients) > MAX_RECIPIENTS:
        what = f"the request names more than {MAX_RECIPIENTS} recipients"
        raise FormatError("too-many-items", what, where=path.name)
    if not recipients or not all(one.tracking for one in recipients):
        what = "the request names no recipient with a tracking id"
        raise FormatError("field-missing", what, where=path.name)
    cells = learner(student.find("Person") or Node("Person", 0), NONE)
    person = Person(
        cells.get("learner_name", ""), cells.get("learner_birth_date", ""), cells.get("learner_student_number", "")
    )
    source = data.find("Source", "Organization") or Node("Organization", 0)
    authorised = student.value("ReleaseAuthorizedIndicator") in {"true", "1"}
    return Request(version, source, student, person, authorised, recipients)


def read_answer(path: Path) -> Answer:
    """A TranscriptResponse or an acknowledgment. Raises FormatError."""
    name, version = message(path)
    found = list(read_records(path, _RECORDS))
    if name == "TranscriptResponse":
        check_version(name, version, RESPONSES, path)
        statuses = [
            (one.value("RequestTrackingID")[:35], one.value("ResponseStatus"))
            for one in found
            if one.name == "Response"
        ]
        if not statuses or any(status not in STATUS for _, status in statuses):
            raise FormatError("field-missing", "the response has no status of its list", where=path.name)
        return Answer(name, version, statuses[:MAX_RECIPIENTS])
    if name == "TranscriptAcknowledgment":
        check_version(name, version, ACKNOWLEDGMENTS, path)
        data = _one(found, "TransmissionData", path)
        totals = {one.name: one.text.strip()[:20] for one in found}
        return Answer(
            name, version, (), data.value("RequestTrackingID")[:35],
            totals.get("AcademicAwardTotal", ""), totals.get("CourseTotal", ""),
        )  # fmt: skip
    raise FormatError("format-unknown", f"a PESC {name} is no answer to a transcript", where=path.name)


def response(request: Request, statuses: Sequence[str], issuer: Issuer) -> bytes:
    """A TranscriptResponse with one status a recipient, in the request's version or the highest below it."""
    version = max(one for one in RESPONSES if one <= request.version)
    root = _root("TranscriptResponse", version)
    _transmission(root, issuer, "Response", request.source, "")
    for recipient, status in zip(request.recipients, statuses, strict=True):
        one = add(root, "Response")
        add(one, "CreatedDateTime", issuer.instant)
        add(one, "RequestTrackingID", recipient.tracking)
        maybe(one, "RecipientTrackingID", recipient.own_tracking, 35)
        add(one, "ResponseStatus", status)
        if status == "Hold":
            add(add(one, "ResponseHold"), "HoldReason", "RequestedAction")
        _copy(one, request.student)
    return written(root)


def acknowledgment(path: Path, issuer: Issuer) -> bytes:
    """An acknowledgment of a College Transcript that came in: whose it was, and how much of it arrived.

    Raises FormatError where the file is no transcript.
    """
    name, _ = message(path)
    if name != "CollegeTranscript":
        raise FormatError("format-unknown", f"a PESC {name} is not acknowledged", where=path.name)
    data = person = None
    awards = courses = 0
    for node in read_records(path, frozenset({"TransmissionData", "Person", "AcademicAward", "Course"})):
        awards += node.name == "AcademicAward"
        courses += node.name == "Course"
        data = node if node.name == "TransmissionData" else data
        person = node if node.name == "Person" else person
    if data is None or person is None:
        raise FormatError("field-missing", "the transcript has no transmission data or no person", where=path.name)
    root = _root("TranscriptAcknowledgment", ACKNOWLEDGMENTS[-1], "Acknowledgment")
    source = data.find("Source", "Organization") or Node("Organization", 0)
    _transmission(root, issuer, "Acknowledgment", source, data.value("RequestTrackingID"))
    who = add(root, "Person")
    for child in person.children:
        if child.name in {"SchoolAssignedPersonID", "AgencyAssignedID", "AgencyIdentifier", "Birth", "Name"}:
            _copy(who, child)
    add(root, "AcademicAwardTotal", str(awards))
    add(root, "CourseTotal", str(courses))
    return written(root)


def _one(found: Sequence[Node], name: str, path: Path) -> Node:
    node = next((one for one in found if one.name == name), None)
    if node is None:
        raise FormatError("field-missing", f"the message has no {name}", where=path.name)
    return node


def _recipient(node: Node) -> Recipient:
    receiver = node.find("Receiver") or Node("Receiver", 0)
    name = receiver.value("RequestorReceiverOrganization", "OrganizationName")
    return Recipient(node.value("RequestTrackingID")[:35], node.value("RecipientTrackingID")[:35], name[:60])


def _root(name: str, version: str, tag: str = "") -> Any:
    namespace = _NAMESPACE.format(name, version)
    return etree.Element(f"{{{namespace}}}{tag or name}", nsmap={"msg": namespace})


def _transmission(root: Any, issuer: Issuer, kind: str, to: Node, tracking: str) -> None:
    data = add(root, "TransmissionData")
    add(data, "DocumentID", issuer.document.replace("-", ""))
    add(data, "CreatedDateTime", issuer.instant)
    add(data, "DocumentTypeCode", kind)
    add(data, "TransmissionType", "Original")
    own = add(add(data, "Source"), "Organization")
    add(own, "MutuallyDefined", issuer.member)
    add(own, "OrganizationName", issuer.name[:60])
    destination = add(data, "Destination")
    if to.children:
        _copy(destination, to)
    else:
        add(add(destination, "Organization"), "OrganizationName", "Not stated")
    maybe(data, "RequestTrackingID", tracking, 35)


def _copy(parent: Any, node: Node) -> None:
    """An element and what is in it, as it came."""
    found = add(parent, node.name, "" if node.children else node.text)
    for child in node.children:
        _copy(found, child)
