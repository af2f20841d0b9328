"""A log that fills every page: members in eight jurisdictions, achievements of many kinds, party events, refusals.

The achievements are those of the project's sources (a Revit micro-credential in Toronto, electric vehicles in Boréal,
aquaponics in Lethbridge, LMD certificates in Athabasca, climate adaptation in British Columbia, Red Seal); hours, costs
and everything else that the sources do not tell are invented and marked ``sample``.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from tests.unit.portal.builder import OPERATOR, START, Log

_HOUR = dt.timedelta(hours=1)

_MEMBERS: tuple[tuple[str, str, dict[str, str], list[str], list[str]], ...] = (
    ("humber", "polytechnic", {"en": "Humber Polytechnic"}, ["CA-ON"], ["issue", "recognise"]),
    ("boreal", "college", {"fr": "Collège Boréal"}, ["CA-ON"], ["issue", "recognise"]),
    (
        "queens",
        "university",
        {"en": "Queen’s University", "fr": "Université Queen’s"},
        ["CA-ON"],
        ["issue", "recognise"],
    ),
    ("rru", "university", {"en": "Royal Roads University"}, ["CA-BC"], ["issue", "recognise"]),
    ("bcit", "polytechnic", {"en": "British Columbia Institute of Technology"}, ["CA-BC"], ["issue", "recognise"]),
    ("skilledtrades", "apprenticeship-authority", {"en": "SkilledTradesBC"}, ["CA-BC"], ["issue", "recognise"]),
    ("athabasca", "university", {"en": "Athabasca University"}, ["CA-AB"], ["issue", "recognise"]),
    ("lethbridge", "college", {"en": "Lethbridge Polytechnic"}, ["CA-AB"], ["issue", "recognise"]),
    ("fnuniv", "indigenous-institute", {"en": "First Nations University of Canada"}, ["CA-SK"], ["issue", "recognise"]),
    ("nscc", "college", {"en": "Nova Scotia Community College"}, ["CA-NS"], ["issue", "recognise"]),
    ("limoilou", "cegep", {"fr": "Cégep Limoilou"}, ["CA-QC"], ["issue", "recognise"]),
    ("wellness", "professional-association", {"en": "Wellness Works Canada"}, ["CA"], ["issue", "endorse"]),
    ("cpsa", "professional-association", {"en": "Canadian Professional Sales Association"}, ["CA"], ["endorse"]),
    ("westbuild", "employer", {"en": "Westcoast Building Design (sample)"}, ["CA-BC"], ["endorse"]),
    ("atlantic", "sector-council", {"en": "Atlantic Construction Council (sample)"}, ["CA-NS", "CA-NB"], ["endorse"]),
)

_ASSESSMENT = {
    "methods": ["demonstration", "project"],
    "setting": "simulated",
    "performance": "direct",
    "task_analysis": True,
    "pass_standard": "70 % on a marked performance task",
    "assessor": "independent",
    "assessor_qualified": True,
    "identity_checked": True,
    "records_kept": True,
    "appeal": True,
    "evidence_visible_to_employers": True,
}


def _alignment(framework: str, code: str, name: str, kind: str = "skill") -> dict[str, str]:
    return {"kind": kind, "framework": framework, "code": code, "name": name}


def _data(member: str, kind: str, title: str, language: str = "en", **more: Any) -> dict[str, Any]:
    return {
        "version": 1,
        "kind": kind,
        "title": title,
        "language": language,
        "awarding_bodies": [f"urn:passerelle:member:{member}"],
        "credit_bearing": "credits" in more,
        "sample": True,
        **more,
    }


def _credits(value: str, system: str) -> list[dict[str, str]]:
    return [{"value": value, "system": system}]


_ACHIEVEMENTS: tuple[tuple[str, dict[str, Any]], ...] = (
    (
        "humber/revit",
        _data(
            "humber",
            "micro-credential",
            "Autodesk Revit",
            code="REVIT-1",
            translations={"fr": "Modélisation du bâtiment avec Autodesk Revit"},
            description="Model a building in Autodesk Revit, from a first sketch to a coordinated set of drawings.",
            alignments=[
                _alignment("esco", "S5.6.1", "Using computer-aided design and drawing tools"),
                _alignment("esco", "S1.12.3", "Reading technical drawings"),
            ],
            occupations=["22212"],
            outcomes=["Model a building to a stated level of detail", "Produce a coordinated set of drawings"],
            laddering={"design": "open"},
            assessment=_ASSESSMENT,
            delivery={
                "modes": ["online-synchronous", "hybrid"],
                "intake": "dates",
                "effort_hours": "42",
                "elapsed_weeks": "7",
                "languages": ["en"],
            },
            cost={"amount_cad": "495", "mandatory_fees_cad": "12.50", "student_aid_eligible": True},
            quality={"approval_body": "Academic council (sample)", "next_review": "2027-11-01"},
            transcriptable=True,
            validity_months=60,
        ),
    ),
    (
        "boreal/vehicules-electriques",
        _data(
            "boreal",
            "micro-credential",
            "Entretien des véhicules électriques à batterie",
            "fr",
            description="Diagnostic et entretien sécuritaires des véhicules électriques, avec Mayhew Performance.",
            alignments=[_alignment("esco", "S8.1.2", "Entretenir des véhicules électriques")],
            delivery={"modes": ["in-person"], "effort_hours": "60", "languages": ["fr"]},
            cost={"amount_cad": "0"},
            assessment={"methods": ["demonstration", "exam"], "assessor": "employer"},
        ),
    ),
    (
        "lethbridge/aquaponics",
        _data(
            "lethbridge",
            "micro-credential",
            "Aquaponics Design",
            delivery={"modes": ["in-person"], "intake": "weekly", "effort_hours": "24"},
            cost={"amount_cad": "649.95"},
        ),
    ),
    (
        "wellness/health-performance",
        _data(
            "wellness",
            "certificate",
            "Health and Performance Master",
            delivery={"modes": ["online-asynchronous"], "intake": "on-demand", "effort_hours": "120"},
        ),
    ),
    (
        "athabasca/lmd-leadership",
        _data(
            "athabasca",
            "certificate",
            "Leadership (LMD)",
            credits=_credits("6", "credit-hours"),
            laddering={"design": "designed", "into": ["athabasca/mba"]},
            delivery={"modes": ["online-asynchronous"], "effort_hours": "90", "languages": ["en"]},
            cost={"amount_cad": "2400"},
            alignments=[_alignment("skills-for-success", "collaboration", "Collaboration", "competency")],
        ),
    ),
    (
        "athabasca/mba",
        _data(
            "athabasca",
            "degree",
            "Master of Business Administration",
            credits=_credits("48", "credit-hours"),
            delivery={"modes": ["online-asynchronous"]},
        ),
    ),
    (
        "rru/adaptation-planning",
        _data(
            "rru",
            "module",
            "Climate Adaptation Planning",
            alignments=[_alignment("rru/climate-adaptation", "PLAN-2", "Planning and implementation", "competency")],
            delivery={"modes": ["online-synchronous"], "effort_hours": "15"},
            cost={"amount_cad": "225"},
        ),
    ),
    (
        "rru/climate-risk",
        _data(
            "rru",
            "module",
            "Climate Risk and Vulnerability",
            alignments=[_alignment("rru/climate-adaptation", "RISK-1", "Climate risk assessment", "competency")],
            delivery={"modes": ["online-asynchronous"], "effort_hours": "10"},
            cost={"amount_cad": "180"},
        ),
    ),
    (
        "rru/climate-adaptation",
        _data(
            "rru",
            "micro-credential",
            "Climate Adaptation Fundamentals",
            translations={"fr": "Notions d’adaptation aux changements climatiques"},
            components={
                "n_of": {
                    "n": 2,
                    "of": [{"achievement": "rru/adaptation-planning"}, {"achievement": "rru/climate-risk"}],
                }
            },
            alignments=[_alignment("rru/climate-adaptation", "PLAN-2", "Planning and implementation", "competency")],
            delivery={"modes": ["online-asynchronous", "online-synchronous"], "effort_hours": "75/2"},
        ),
    ),
    (
        "limoilou/420-aec",
        _data(
            "limoilou",
            "aec",
            "Développement Web (AEC)",
            "fr",
            code="LEA.3N",
            credits=_credits("80/3", "cegep-units"),
            delivery={"modes": ["in-person"], "effort_hours": "900", "languages": ["fr"]},
        ),
    ),
    (
        "skilledtrades/carpenter",
        _data(
            "skilledtrades",
            "trade-certificate",
            "Certificate of Qualification, Carpenter (Red Seal)",
            legal_basis="red-seal",
            assessment={"methods": ["exam"], "performance": "knowledge-only", "validated_common_examination": True},
            delivery={"modes": ["workplace", "in-person"]},
        ),
    ),
    (
        "fnuniv/indigenous-governance",
        _data(
            "fnuniv",
            "course",
            "Introduction to Indigenous Governance",
            code="INDG 201",
            credits=_credits("3", "credit-hours"),
            delivery={"modes": ["hybrid"], "languages": ["en", "cr"]},
        ),
    ),
    (
        "nscc/building-information",
        _data(
            "nscc",
            "course",
            "Building Information Modelling I",
            code="BIMM 1200",
            credits=_credits("3", "units"),
            delivery={"modes": ["in-person"], "effort_hours": "60"},
        ),
    ),
)


def build(start: dt.datetime = START) -> Log:
    """The log, from the operator's admission at ``start`` to a refused event some 22 hours later."""
    log = Log(now=start)
    log.admit(OPERATOR, "operator", {"en": "Operator of the network", "fr": "Opérateur du réseau"}, ["CA"], ["operate"])
    for member, kind, names, jurisdictions, roles in _MEMBERS:
        log.admit(member, kind, names, jurisdictions, roles, sample=True)
    _reference(log)
    for identifier, data in _ACHIEVEMENTS:
        log.add("credential.achievement-published", identifier.split("/")[0], identifier, data, after=_HOUR)
    _endorse(log)
    _recognise(log)
    _private(log)
    revised = {**_ACHIEVEMENTS[0][1], "version": 2}
    log.add("credential.achievement-revised", "humber", "humber/revit", revised, after=2 * _HOUR)
    log.add("credential.achievement-revised", "humber", "humber/revit", revised, code="version-stale")
    return log


def _reference(log: Log) -> None:
    framework = {
        "framework": "rru/climate-adaptation",
        "version": 1,
        "title": "Climate Adaptation Competency Framework",
        "language": "en",
        "translations": {"fr": "Référentiel de compétences en adaptation climatique"},
        "kind": "competency",
        "owner": "Adaptation Learning Network",
        "recognised": True,
    }
    log.add("reference.framework-published", "rru", "rru/climate-adaptation", framework)
    listed = {
        "names": {"en": "Massachusetts Institute of Technology"},
        "jurisdictions": ["US"],
        "kind": "university",
        "answered_for_by": "queens",
    }
    log.add("reference.organisation-listed", "queens", "queens/mit", listed)


def _endorse(log: Log) -> None:
    west = {
        "version": 1,
        "kinds": ["co-designed", "assessment-reflects-job"],
        "capacity": "employer",
        "jurisdictions": ["CA-BC"],
        "statement": "Our technologists helped to write the performance task; it is what we ask on the first day.",
        "valid_until": "2028-06-30",
    }
    east = {
        "version": 1,
        "kinds": ["demand-confirmed", "sufficient-for-employment"],
        "capacity": "body-for-employers",
        "jurisdictions": ["CA-NS", "CA-NB"],
    }
    log.add("credential.achievement-endorsed", "westbuild", "humber/revit", west)
    log.add("credential.achievement-endorsed", "atlantic", "humber/revit", east)
    demand = {
        "achievement": "humber/revit",
        "region": "CA-NS",
        "size": 120,
        "source": "Survey of members (sample)",
        "stated_on": "2026-10-01",
    }
    log.add("credential.demand-stated", "atlantic", "atlantic/demand-1", demand)


def _recognise(log: Log) -> None:
    assigned = {
        "receiver": "nscc",
        "sending": {"achievement": "humber/revit"},
        "valid_from": "2026-09-01",
        "kind": "equivalency",
        "outcome": {
            "type": "assigned",
            "achievement": "nscc/building-information",
            "credits": {"value": "3", "system": "units"},
        },
    }
    log.add("recognition.granted", "nscc", "nscc/revit-1", assigned, after=3 * _HOUR)
    denied = {
        "receiver": "queens",
        "sending": {"achievement": "lethbridge/aquaponics"},
        "valid_from": "2026-09-01",
        "reason": "level",
    }
    log.add("recognition.denied", "queens", "queens/aquaponics-1", denied)


def _private(log: Log) -> None:
    """Events about learners: the feed carries their entries and never their bodies."""
    for _ in range(3):
        credential = {
            "achievement": "humber/revit",
            "achievement_version": 1,
            "awarding_bodies": ["urn:passerelle:member:humber"],
            "registration": "humber",
            "conferred_on": "2026-11-02",
            "basis": "completed",
            "record": "cd" * 32,
        }
        log.add("credential.issued", "humber", log.uuid7(), credential)
