"""Rules of policy packs: what may stand in one, its bounds, three values, reasons, and evidence."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.core.errors import FormatError
from passerelle.core.facts import Facts
from passerelle.core.policyfields import FIELDS, MAX_LIST, TYPES, Readings
from passerelle.core.policyrule import Rule, compile_rule, explain
from passerelle.core.policyscan import MAX_TEXT

ALL = {name: field.type for name, field in FIELDS.items()}
APPEAL, RECORDS = "achievement.assessment.appeal", "achievement.assessment.records_kept"
WEEKS, MODES = "achievement.delivery.elapsed_weeks", "achievement.delivery.modes"


def readings(achievement: dict[str, Any], **more: Any) -> Readings:
    return Readings(Facts("a/x", achievement, 7, dt.date(2026, 9, 1), **more), ())


def outcome(rule: str, achievement: dict[str, Any]) -> str:
    return compile_rule(rule, ALL).judge(readings(achievement)).outcome


def told(rule: str, achievement: dict[str, Any]) -> list[tuple[str, dict[str, str]]]:
    return [(why.code, why.params) for why in compile_rule(rule, ALL).judge(readings(achievement)).missing]


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("", 1),
        ("achievement.colour == 'red'", 1),
        (f"{APPEAL} && (", 33 + 2),
        (f"{APPEAL})", 30),
        (f"{WEEKS}.matches('(a+)+$')", 1),
        ("now() < asked_on", 1),
        ("asked_on < timestamp(now)", 22),
        (f"{MODES}.map(x, x).size() > 0", 1),
        (f"{MODES}.exists(x, {MODES}.all(y, x == y))", 68),
        (f"{MODES}.exists('x', true)", 34),
        (f"{MODES}.exists(true, true)", 35),
        (f"{MODES}.exists(x, x == 'a') && x == 'b'", 51),
        ("exists(x, true)", 1),
        (f"{APPEAL} ? true : false", 31),
        (f"{APPEAL}; {RECORDS}", 30),
        ("{'a': 1}['a'] == 1", 1),
        (f"{WEEKS} < 'x'", 36),
        ("1 + 1", 1),
        ("b'x' == b'x'", 1),
        ("(" * 17 + "true" + ")" * 17, 17),
        (" && ".join([APPEAL] * 101), None),
        ("true || " * 200 + "true", None),
        ("'" + "a" * MAX_TEXT + "' == ''", None),
        ("'\ud800' == ''", 1),
        ("'a\tb' == ''", 1),
        ("99999999999999999999 > 1", 1),
    ],
)
def test_what_is_no_rule_is_refused_with_its_place(text: str, column: int | None) -> None:
    with pytest.raises(FormatError) as caught:
        compile_rule(text, ALL)
    assert caught.value.code == "policy-invalid"
    assert caught.value.where.startswith("line 1, column ")
    if column is not None:
        assert caught.value.where == f"line 1, column {column}"


def test_the_deepest_rule_that_the_bounds_let_in_is_judged() -> None:
    assert outcome("!" * 198 + APPEAL, {"assessment": {"appeal": True}}) == "met"
    assert outcome("(" * 16 + APPEAL + ")" * 16, {"assessment": {"appeal": False}}) == "not-met"
    assert outcome(" && ".join(["achievement.transcriptable"] * 30), {"transcriptable": True}) == "met"
    with pytest.raises(FormatError, match="nests deeper"):
        compile_rule(" + ".join(["1"] * 99) + " == 99", ALL)


def test_a_rule_reads_declared_fields_only() -> None:
    with pytest.raises(FormatError, match="not declared"):
        compile_rule(APPEAL, {RECORDS: "bool"})
    assert compile_rule(f"{APPEAL} || {RECORDS} || {APPEAL}", ALL).fields == (APPEAL, RECORDS)


VALUES = {"met": True, "not-met": False, "unknown": None}
TABLE = [
    (left, right, "not-met" if "not-met" in (left, right) else "unknown" if "unknown" in (left, right) else "met")
    for left in VALUES
    for right in VALUES
]


@pytest.mark.parametrize(("left", "right", "both"), TABLE)
@pytest.mark.parametrize("form", ["{0} && {1}", "({0}) && (({1}))", "!(!{0} || !{1})", "!(!({0} && {1}))"])
def test_unknown_is_kleenes(form: str, left: str, right: str, both: str) -> None:
    stated = {"appeal": VALUES[left], "records_kept": VALUES[right]}
    assert outcome(form.format(APPEAL, RECORDS), {"assessment": stated}) == both


def test_lists_and_macros() -> None:
    rule = f"{MODES}.exists(m, m.startsWith('online')) && size({MODES}) <= 2 && 'hybrid' in {MODES}"
    assert outcome(rule, {"delivery": {"modes": ["hybrid", "online-synchronous"]}}) == "met"
    assert outcome(rule, {"delivery": {"modes": ["hybrid"]}}) == "not-met"
    assert outcome(rule, {"delivery": {"modes": []}}) == "unknown"
    long = {"delivery": {"modes": [f"m{number}" for number in range(MAX_LIST + 50)]}}
    assert outcome(f"size({MODES}) == {MAX_LIST}", long) == "met"


def test_an_error_of_the_engine_is_unknown_and_says_so() -> None:
    rule = "1 / (achievement.assessment.attempts - 2) == 1"
    assert outcome(rule, {"assessment": {"attempts": 3}}) == "met"
    assert told(rule, {"assessment": {"attempts": 2}}) == [("rule-undecided", {"rule": rule})]


@pytest.mark.parametrize(
    ("rule", "achievement", "expected"),
    [
        (APPEAL, {"assessment": {"appeal": False}}, [("stated-no", {"field": "assessment.appeal"})]),
        (f"!{APPEAL}", {"assessment": {"appeal": True}}, [("stated-no", {"field": "assessment.appeal"})]),
        (
            f"{WEEKS} < 12.0",
            {"delivery": {"elapsed_weeks": "12.5"}},
            [("value-above", {"field": "delivery.elapsed_weeks", "value": "12.5", "limit": "12"})],
        ),
        (
            "achievement.kind == 'course'",
            {"kind": "degree"},
            [("value-differs", {"field": "kind", "value": "degree", "limit": "course"})],
        ),
        (
            f"{WEEKS} * 2.0 < 12.0",
            {"delivery": {"elapsed_weeks": "12"}},
            [("rule-not-met", {"rule": f"{WEEKS} * 2.0 < 12.0"})],
        ),
        (
            f"{APPEAL} && {RECORDS} && {WEEKS} < 12.0",
            {"assessment": {"appeal": True, "records_kept": False}},
            [("stated-no", {"field": "assessment.records_kept"})],
        ),
        (
            f"({APPEAL} && {RECORDS}) || {WEEKS} < 12.0",
            {},
            [("not-stated", {"field": "delivery.elapsed_weeks"})],
        ),
    ],
)
def test_reasons_name_what_decides(rule: str, achievement: dict[str, Any], expected: list[Any]) -> None:
    assert told(rule, achievement) == expected


def test_evidence_is_of_the_parts_that_hold() -> None:
    found = compile_rule(f"{APPEAL} || evidence.demand_stated", ALL).judge(readings({"assessment": {"appeal": True}}))
    assert (found.outcome, found.evidence) == ("met", (7,))


def test_the_explanation_shows_every_part_and_what_it_read() -> None:
    rule = compile_rule(f"{APPEAL} && ({RECORDS} || {WEEKS} < 12.0)", ALL)
    shown = explain(rule.root, readings({"assessment": {"appeal": True}, "delivery": {"elapsed_weeks": "35/3"}}))
    assert (shown.text, shown.finding.outcome) == ("&&", "met")
    assert [one.text for one in shown.parts] == [APPEAL, "||"]
    assert shown.parts[0].values == ((APPEAL, True),)
    assert [one.finding.outcome for one in shown.parts[1].parts] == ["unknown", "met"]
    assert shown.parts[1].parts[0].values == ((RECORDS, None),)


def test_every_field_has_a_type_and_a_name_in_both_languages_and_reads_nothing_as_nothing() -> None:
    bare = readings({})
    for name, field in FIELDS.items():
        assert field.type in TYPES
        assert field.says.keys() == {"en", "fr"}
        if name not in {"asked_on", "evidence.substantial_difference_stated"}:
            assert bare.of(name).value is None
            assert bare.of(name).reasons


def test_the_page_about_policy_lists_every_field() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "policy.md").read_text(encoding="utf-8")
    rows = [f"| `{one.name}` | {one.type} | {one.says['en']} | {one.says['fr']} |" for one in FIELDS.values()]
    assert [row for row in rows if row not in page] == []
    assert page.count("\n| `") == len(rows)


def test_quantities_keep_their_order_as_doubles() -> None:
    rule = compile_rule(f"{WEEKS} <= 0.3", ALL)
    assert rule.judge(readings({"delivery": {"elapsed_weeks": "3/10"}})).outcome == "met"
    assert rule.judge(readings({"delivery": {"elapsed_weeks": "0.3001"}})).outcome == "not-met"


def compiled(text: str) -> Rule | FormatError:
    try:
        return compile_rule(text, ALL)
    except FormatError as error:
        return error


@settings(max_examples=120, deadline=None)
@given(st.text(alphabet="aehinmtv.()[]&|!<>='\" 0123,+", max_size=60) | st.text(max_size=30))
def test_no_text_makes_the_reader_fail_otherwise(text: str) -> None:
    found = compiled(text)
    if isinstance(found, FormatError):
        assert (found.code, found.where.startswith("line ")) == ("policy-invalid", True)
    else:
        assert found.judge(readings({})).outcome in VALUES


flags = st.sampled_from([APPEAL, RECORDS, "achievement.transcriptable"])
rules = st.recursive(
    flags,
    lambda inner: (
        st.tuples(inner, st.sampled_from(["&&", "||"]), inner).map(lambda row: f"({' '.join(row)})")
        | inner.map(lambda one: f"!{one}" if one.startswith("(") else f"!({one})")
    ),
    max_leaves=8,
)
answers = st.sampled_from([True, False, None])


@settings(max_examples=60, deadline=None)
@given(rules, answers, answers, answers)
def test_what_is_decided_stays_decided_when_more_is_known(
    rule: str, appeal: bool | None, records: bool | None, more: bool | None
) -> None:
    """Kleene's logic is monotone: a fact more never turns a yes into a no."""
    before = outcome(rule, {"assessment": {"appeal": appeal, "records_kept": records}})
    after = outcome(rule, {"assessment": {"appeal": appeal, "records_kept": records}, "transcriptable": more})
    assert before in {"unknown", after}
