"""PESC, ELMO and badges as rows: what each part of a document becomes, and what is told where it has no place."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from tests.unit.node.formats.documents import HOME, SIGNER, codes, file, read_back

from passerelle.core.errors import FormatError
from passerelle.node.formats.badges import Badges, OldBadges
from passerelle.node.formats.elmo import Elmo
from passerelle.node.formats.exchange import Settings, Unclear, course_id, number, slug
from passerelle.node.formats.pesc_json import PescJson
from passerelle.node.formats.pesc_xml import PescXml
from passerelle.node.formats.ports import Reading
from passerelle.node.formats.proofs import base58, check_proof, did_key, sign, to_base58
from passerelle.node.formats.standards import standard_formats

SAMPLES = Path(__file__).parents[4] / "samples/formats"
LAKESIDE = {"awarding_bodies": "organisation:humber/lakeside-sample-college", "verified_by": "humber"}
MAYA = {"learner_student_number": "L-20417", "learner_name": "Maya Rose Sample", "learner_birth_date": "2001-03-14"}


def badge(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SAMPLES / "open-badge-3.0.json").read_text())
    return {**found, **changes}


def of_kind(reading: Reading, kind: str) -> list[dict[str, str]]:
    return [cells for one, cells in read_back(reading) if one == kind]


@pytest.mark.parametrize("name", ["transcript-pesc-1.6.xml", "transcript-pesc-1.3.xml", "transcript-pesc.json"])
def test_a_transcript_gives_awards_courses_and_the_courses_of_others(name: str) -> None:
    path = SAMPLES / name
    reading = (PescJson() if name.endswith("json") else PescXml()).open(path, home=HOME)
    award = of_kind(reading, "credentials")[0]
    assert {key: award[key] for key in award if key != "record_id"} == {
        "achievement": "lakeside-sample-college.certificate-in-building-technology",
        "conferred_on": "2025-06-13",
        **LAKESIDE,
        **MAYA,
    }
    passed, withdrawn = of_kind(reading, "results")
    assert {key: passed[key] for key in passed if key != "record_id"} == {
        "course": "lakeside-sample-college.MATH-101",
        "status": "final",
        "term": "Fall 2024",
        "started_on": "2024-09-03",
        "completed_on": "2024-12-13",
        "grade": "B+",
        "grade_scheme": "pesc.lakeside-sample-college.unstated",
        "credits_attempted": "3 credit-hours",
        "credits_earned": "3 credit-hours",
        **MAYA,
    }
    assert (withdrawn["status"], withdrawn["basis"]) == ("withdrawn", "challenge")
    assert "credits_attempted" not in withdrawn
    assert "credits in units that the network has no system for were left out" in reading.remarks
    course = of_kind(reading, "achievements")[0]
    assert (course["id"], course["language"], course["credits"]) == (passed["course"], "en", "3 credit-hours")


def test_sections_are_the_same_at_every_reading_and_name_the_line() -> None:
    section = PescXml().open(SAMPLES / "transcript-pesc-1.6.xml", home=HOME).sections[-1]
    first = list(section.rows())
    assert first == list(section.rows())
    assert [row.number for row in first] == [1, 48, 62]


def test_another_version_is_refused_by_its_number(tmp_path: Path) -> None:
    text = (SAMPLES / "transcript-pesc-1.6.xml").read_text().replace("v1.6.0", "v1.8.0")
    with pytest.raises(FormatError) as caught:
        PescXml().open(file(tmp_path, "a.xml", text), home=HOME)
    assert caught.value.code == "format-unknown"
    assert "1.8" in caught.value.what
    assert "1.3, 1.4, 1.5, 1.6" in caught.value.what


def test_what_the_node_is_told_takes_the_place_of_what_a_document_says() -> None:
    settings = Settings(
        organisations={"lakeside sample college": "organisation:rru/lakeside"},
        learner={"learner_student_number": "H-1"},
    )
    award = of_kind(PescXml(settings).open(SAMPLES / "transcript-pesc-1.6.xml", home=HOME), "credentials")[0]
    assert award["awarding_bodies"] == "organisation:rru/lakeside"
    assert award["achievement"] == "lakeside.certificate-in-building-technology"
    assert award["learner_student_number"] == "H-1"


def test_an_award_of_another_member_is_refused_and_its_courses_are_named_as_that_member_does() -> None:
    settings = Settings(organisations={"Lakeside Sample College": "bcit"})
    reading = PescXml(settings).open(SAMPLES / "transcript-pesc-1.6.xml", home=HOME)
    assert codes(reading) == ["not-awarding-body"]
    results = next(section for section in reading.sections if section.kind == "results")
    rows = list(results.rows())
    assert rows[1].cells[rows[0].cells.index("course")] == "bcit/MATH-101"


def test_elmo_gives_programmes_courses_and_what_they_are() -> None:
    reading = Elmo().open(SAMPLES / "elmo.xml", home=HOME)
    assert reading.remarks[1] == "not signed"
    award = of_kind(reading, "credentials")[0]
    assert award["achievement"] == "northern-sample-university.MSC-WOOD"
    assert (award["conferred_on"], award["credits"], award["verified_by"]) == ("2025-06-10", "120 ects", "humber")
    assert (award["learner_student_number"], award["learner_name"]) == ("F-881", "Aino Sample")
    course = of_kind(reading, "results")[0]
    assert (course["grade"], course["grade_scheme"]) == ("4", "elmo.northern-sample-university.0-5")
    kinds = {cells["id"]: cells for cells in of_kind(reading, "achievements")}
    programme = kinds["northern-sample-university.MSC-WOOD"]
    assert (programme["kind"], programme["level"], programme["title_fr"]) == (
        "programme", "eqf 7", "Maîtrise en construction en bois",
    )  # fmt: skip
    assert "never-read" not in repr(read_back(reading))


def test_a_badge_is_evidence_that_the_member_verified() -> None:
    reading = Badges().open(SAMPLES / "open-badge-3.0.json", home=HOME)
    assert reading.remarks[:2] == ("Open Badges 3.0", "no proof")
    award = of_kind(reading, "credentials")[0]
    assert award["awarding_bodies"] == "organisation:humber/sample-builders-association"
    assert (award["verified_by"], award["expires_on"], award["result_grade"]) == ("humber", "2028-02-03", "92")
    assert of_kind(reading, "achievements")[0]["kind"] == "micro-credential"


def test_a_badge_that_claims_to_be_the_members_own_must_be_signed_by_it(tmp_path: Path) -> None:
    own = badge(issuer={"id": "urn:passerelle:member:humber", "type": ["Profile"], "name": "Humber"})
    path = file(tmp_path, "a.json", json.dumps(own))
    keys = Settings(own_keys=frozenset({did_key(SIGNER.public_key)}))
    assert codes(Badges(keys).open(path, home=HOME)) == ["signature-invalid"]
    signed = sign(own, SIGNER, "2026-05-01T10:00:00Z")
    path.write_text(json.dumps(signed))
    assert codes(Badges(keys).open(path, home=HOME)) == []
    assert codes(Badges().open(path, home=HOME)) == ["signature-invalid"]
    path.write_text(json.dumps({**signed, "validUntil": "2099-01-01T00:00:00Z"}))
    assert codes(Badges(keys).open(path, home=HOME)) == ["signature-invalid"]


def token(document: dict[str, Any], **header: Any) -> bytes:
    def part(value: Any) -> bytes:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")

    message = part({"alg": "EdDSA", **header}) + b"." + part(document)
    return message + b"." + base64.urlsafe_b64encode(SIGNER.sign(message)).rstrip(b"=")


@pytest.mark.parametrize("nested", [False, True])
def test_a_token_is_checked_under_its_did_key(tmp_path: Path, nested: bool) -> None:
    content = token({"vc": badge()} if nested else badge(), kid=did_key(SIGNER.public_key))
    path = file(tmp_path, "a.jwt", content)
    assert Badges().recognises(path, content)
    assert "verifies under did:key:" in Badges().open(path, home=HOME).remarks[1]
    changed = content[:-8] + (b"AAAAAAAA" if content[-8:] != b"AAAAAAAA" else b"BBBBBBBB")
    assert "does NOT verify" in Badges().open(file(tmp_path, "b.jwt", changed), home=HOME).remarks[1]


def test_a_key_that_is_not_in_the_document_is_told_as_not_checked(tmp_path: Path) -> None:
    path = file(tmp_path, "a.jwt", token(badge(), kid="https://sample.example/keys/1"))
    assert "proof not checked: its key is not in the document" in Badges().open(path, home=HOME).remarks[1]
    proof = {"type": "DataIntegrityProof", "cryptosuite": "eddsa-rdfc-2022", "proofPurpose": "assertionMethod"}
    path = file(tmp_path, "a.json", json.dumps(badge(proof=proof)))
    assert "proof not checked: eddsa-rdfc-2022" in Badges().open(path, home=HOME).remarks[1]


def test_open_badges_2_are_read_and_never_called_valid(tmp_path: Path) -> None:
    old = {
        "@context": "https://w3id.org/openbadges/v2", "type": "Assertion", "id": "https://sample.example/a/1",
        "recipient": {"type": "email", "hashed": True, "identity": "sha256$00"}, "issuedOn": "2020-01-02T00:00:00Z",
        "verification": {"type": "hosted"},
        "badge": {"type": "BadgeClass", "id": "https://sample.example/b/1", "name": "Welding",
                  "issuer": {"id": "https://sample.example", "name": "Sample Welders"}},
    }  # fmt: skip
    path = file(tmp_path, "a.json", json.dumps(old))
    reading = OldBadges().open(path, home=HOME)
    assert "hosted at its issuer: not checked" in reading.remarks[1]
    assert of_kind(reading, "credentials")[0]["conferred_on"] == "2020-01-02"
    with pytest.raises(FormatError, match="not fetched"):
        OldBadges().open(
            file(tmp_path, "b.json", json.dumps({**old, "badge": "https://sample.example/b/1"})), home=HOME
        )


def test_every_sample_is_recognised_by_one_format_only() -> None:
    samples = [path for path in sorted(SAMPLES.iterdir()) if path.suffix in {".xml", ".json"}]
    found = [[one.name for one in standard_formats() if one.recognises(path, path.read_bytes())] for path in samples]
    assert found == [["elmo"], ["open-badges"], ["pesc-xml"], ["pesc-xml"], ["pesc-json"], ["pesc-xml"]]
    with pytest.raises(FormatError, match="node pesc"):
        PescXml().open(samples[-1], home=HOME)


@pytest.mark.parametrize("text", ["MАTH 101", "COMP‐1", "ΑΒΓ 1"])
def test_a_code_in_look_alike_letters_is_refused(text: str) -> None:
    with pytest.raises(Unclear) as caught:
        course_id(text)
    assert caught.value.code == "field-malformed"


def test_titles_become_ids() -> None:
    assert slug("Baccalauréat en génie – Œuvres", "award") == "baccalaureat-en-genie-oeuvres"
    assert slug("ᐃᓄᒃᑎᑐᑦ", "award").startswith("award-")
    with pytest.raises(Unclear):
        slug("Аssociate of Arts", "award")


@pytest.mark.parametrize(
    ("text", "expected"), [("3.00", "3"), ("007.50", "7.5"), ("7/3", "7/3"), ("x", "x"), ("1e9", "1e9")]
)
def test_numbers_keep_their_exact_value(text: str, expected: str) -> None:
    assert number(text) == expected


@pytest.mark.parametrize("text", ["9" * 41, "12345678", "1.00001", "1/0" + "0" * 50])
def test_numbers_beyond_any_record_are_refused(text: str) -> None:
    with pytest.raises(Unclear):
        number(text)


def test_base58_goes_both_ways() -> None:
    for value in (b"", b"\0\0a", bytes(range(34)), SIGNER.public_key):
        assert base58(to_base58(value)) == value
    with pytest.raises(FormatError):
        base58("0OIl")


@pytest.mark.vectors
def test_the_published_vector_of_eddsa_jcs_2022(shared_folder: Path) -> None:
    text = (shared_folder / "vectors/vc-di-eddsa/eddsa-jcs-2022/signedJCS.json").read_text()
    document = json.loads(text)
    assert check_proof(document).state == "valid"
    assert check_proof({**document, "name": "Other"}).state == "invalid"


@pytest.mark.vectors
def test_published_documents_are_read(shared_folder: Path) -> None:
    vectors = shared_folder / "vectors"
    assert len(of_kind(PescJson().open(vectors / "pesc/college-transcript.json", home=HOME), "results")) == 47
    assert len(of_kind(Elmo().open(vectors / "elmo/example.xml", home=HOME), "results")) == 3
    badges = sorted((vectors / "openbadges3/educredentials/_data/credentials").glob("*.json"))
    assert len([Badges().open(path, home=HOME) for path in badges]) > 20
