"""Both catalogues say the same things, and every word that a page may need is there."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter
from typing import Any, get_args

import pytest
from pydantic.fields import FieldInfo

from passerelle.core.catalogue import BY_NAME
from passerelle.core.quantity import CREDIT_SYSTEMS
from passerelle.core.registry import Status
from passerelle.core.statement import FAMILIES
from passerelle.events import achievement, member, recognition, values
from passerelle.events.statistics import AppealOutcome
from passerelle.portal import views
from passerelle.portal.i18n import load
from passerelle.portal.postgres.catalogue import COST, CREDIT, HOURS
from passerelle.runtime.language import LANGUAGES, preferred

CATALOGUES = load()
TEMPLATES = Path(__file__).parents[3] / "services/passerelle/portal/templates"
STEPS = ("form", "body", "signature", "path", "checkpoint", "own")


def words(annotation: Any) -> set[str]:
    """The values of a Literal, wherever it stands in an annotation."""
    if isinstance(annotation, FieldInfo):
        return words(annotation.annotation)
    found: set[str] = set()
    for part in get_args(annotation):
        found |= {part} if isinstance(part, str) else words(part)
    return found


def outcome_words() -> set[str]:
    return {"assigned", "unassigned", "block", "exemption", "admission", "standing", "no-credit", "choice", "sum"}


GROUPS: dict[str, set[str]] = {
    "mode": words(achievement.DeliveryMode),
    "kind": words(achievement.AchievementKind),
    "intake": words(achievement.Delivery.model_fields["intake"]),
    "setting": words(achievement.Assessment.model_fields["setting"]),
    "performance": words(achievement.Assessment.model_fields["performance"]),
    "assessor": words(achievement.Assessment.model_fields["assessor"]),
    "laddering": words(achievement.Laddering.model_fields["design"]),
    "endorsement": words(achievement.EndorsedData.model_fields["kinds"]),
    "capacity": words(achievement.EndorsedData.model_fields["capacity"]),
    "alignment": words(values.Alignment.model_fields["kind"]),
    "method": words(values.AssessmentMethod),
    "system": set(CREDIT_SYSTEMS),
    "system-one": set(CREDIT_SYSTEMS),
    "basis": words(values.Basis),
    "no-credit": words(values.NoCreditReason),
    "use": words(values.OutcomeCondition.model_fields["use"]),
    "applicability": words(values.Assigned.model_fields["applicability"]),
    "outcome": outcome_words(),
    "rule-kind": words(recognition.RecognitionKind),
    "member-kind": words(member.MemberKind),
    "member-status": {status.value for status in Status},
    "role": words(member.Role),
    "family": set(FAMILIES),
    "key-use": words(member.Key.model_fields["use"]),
    "type": set(BY_NAME),
    "verdict": set(views.VERDICTS),
    "portability": set(views.PORTABILITY),
    "finding": set(views.FINDINGS),
    "jurisdiction": {"CA", *views.PROVINCES},
    "hours": set(HOURS),
    "cost": set(COST),
    "credit": set(CREDIT),
    "visibility": {"public", "party"},
    "appeal-outcome": set(get_args(AppealOutcome)),
}


def test_the_two_languages_have_the_same_messages_with_the_same_parts() -> None:
    english, french = (CATALOGUES[language].messages for language in LANGUAGES)
    assert english.keys() == french.keys()
    for key, text in english.items():
        assert text.strip(), key
        assert french[key].strip(), key
        assert {name for _, name, _, _ in Formatter().parse(text) if name} == {
            name for _, name, _, _ in Formatter().parse(french[key]) if name
        }, key


@pytest.mark.parametrize("group", GROUPS)
def test_every_coded_value_has_a_word(group: str) -> None:
    assert GROUPS[group], f"no values were found for {group}: the test would prove nothing"
    missing = {value for value in GROUPS[group] if f"{group}.{value}" not in CATALOGUES["en"].messages}
    assert not missing


def test_every_message_that_a_template_names_exists() -> None:
    messages = CATALOGUES["en"].messages
    used: set[str] = set()
    for path in TEMPLATES.glob("*.html"):
        text = path.read_text(encoding="utf-8")
        used |= set(re.findall(r"\bt\('([a-z][\w.-]*[\w])'", text))
        for name in re.findall(r"\bn\('([\w.-]+)'", text):
            used |= {f"{name}.one", f"{name}.other"}
    assert len(used) > 200
    assert not {key for key in used if key not in messages}


@pytest.mark.parametrize("step", STEPS)
def test_every_step_has_its_sentences(step: str) -> None:
    for key in (f"step.{step}", f"step.{step}.ok", f"step.{step}.skipped"):
        assert key in CATALOGUES["fr"].messages


def test_french_is_french() -> None:
    """A sentence that is the same in both languages was forgotten, but for words that are the same."""
    english, french = (CATALOGUES[language].messages for language in LANGUAGES)
    same = {key for key in english if english[key] == french[key] and len(english[key].split()) > 3}
    assert not same


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("fr", "fr"),
        ("fr-CA,fr;q=0.9,en;q=0.8", "fr"),
        ("en-CA,en;q=0.9,fr;q=0.8", "en"),
        ("de, fr;q=0.4", "fr"),
        ("en;q=0.2, fr;q=0.3", "fr"),
        ("iu;q=1, *", "en"),
        ("fr;q=nonsense", "en"),
        ("," * 5000, "en"),
    ],
)
def test_the_language_that_is_asked_for(header: str, language: str) -> None:
    assert preferred(header) == language


def test_numbers_money_and_dates_in_both_languages() -> None:
    english, french = CATALOGUES["en"], CATALOGUES["fr"]
    assert (english.money("495"), english.money("12.50")) == ("$495", "$12.50")
    assert (french.money("1495"), french.money("12.50")) == ("1\u00a0495\u00a0$", "12,50\u00a0$")
    assert (english.quantity("37.5"), french.quantity("37.5"), french.quantity("7/3")) == ("37.5", "37,5", "7/3")
    assert (english.date("2026-11-02"), french.date("2026-11-02")) == ("2 November 2026", "2 novembre 2026")
    assert french.date("2026-12-01") == "1er décembre 2026"
    assert english.date("soon") == "soon"
    assert english.instant(1_793_628_300_000) == "2 Nov 2026, 14:05:00 UTC"


def test_amounts_take_the_singular_of_their_language() -> None:
    english, french = CATALOGUES["en"], CATALOGUES["fr"]
    one, third = {"value": "1", "system": "cegep-units"}, {"value": "4/3", "system": "cegep-units"}
    assert (english.credits(one), english.credits(third)) == ("1 cegep unit", "4/3 cegep units")
    assert (french.credits(one), french.credits(third)) == ("1 unité de cégep", "4/3 unité de cégep")
    assert (english.hours("1"), english.hours("37.5"), french.hours("1.5")) == ("1 hour", "37.5 hours", "1,5 heure")


def test_plurals_follow_the_language() -> None:
    assert CATALOGUES["en"].n("members.found", 0).startswith("0 members")
    assert CATALOGUES["fr"].n("members.found", 0) == "0 membre"
    assert CATALOGUES["fr"].n("members.found", 2) == "2 membres"
