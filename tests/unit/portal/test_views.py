"""Answers of the query services as the pages show them."""

from __future__ import annotations

from passerelle.api.common.v1 import common_pb2
from passerelle.api.equivalency.v1 import equivalency_pb2
from passerelle.api.portability.v1 import portability_pb2
from passerelle.portal import views
from passerelle.portal.i18n import load

CATALOGUES = load()
Leaf = common_pb2.Expression.Leaf


def leaf(name: str) -> common_pb2.Expression:
    return common_pb2.Expression(leaf=Leaf(achievement=name))


def test_agreements_come_first_and_names_are_in_the_pages_language() -> None:
    answers = [
        equivalency_pb2.Answer(verdict=equivalency_pb2.VERDICT_NO_CREDIT, receiver="queens"),
        equivalency_pb2.Answer(
            verdict=equivalency_pb2.VERDICT_AGREEMENT,
            receiver="rru",
            receiver_names={"en": "Royal Roads University", "fr": "Université Royal Roads"},
        ),
    ]
    shown = views.answers(answers, CATALOGUES["fr"])
    assert [view["verdict"] for view in shown] == ["agreement", "no-credit"]
    assert shown[0]["receiver_name"] == "Université Royal Roads"
    assert shown[1]["receiver_name"] == "queens"
    assert shown[1]["rule"] is None


def test_a_verdict_newer_than_this_portal_is_told_as_none() -> None:
    answer = equivalency_pb2.Answer(receiver="x")
    answer.verdict = 77  # type: ignore[assignment]
    assert views.answers([answer], CATALOGUES["en"])[0]["verdict"] == "unspecified"


def test_both_forms_of_an_expression_give_one_tree() -> None:
    message = common_pb2.Expression(
        n_of=common_pb2.Expression.Choose(
            n=2,
            parts=[
                leaf("a/x"),
                common_pb2.Expression(all_of=common_pb2.Expression.Parts(parts=[leaf("b/y"), leaf("c/z")])),
            ],
        )
    )
    published = {
        "n_of": {
            "n": 2,
            "of": [{"achievement": "a/x"}, {"all_of": [{"achievement": "b/y"}, {"achievement": "c/z"}]}],
        }
    }
    assert views.expression(message) == views.expression_of_data(published)
    assert views.leaves(views.expression(message)) == ["a/x", "b/y", "c/z"]
    assert views.leaves(None) == []


def test_a_reason_is_told_in_the_pages_language_or_by_its_code() -> None:
    given = common_pb2.Reason(code="subject-to-admission", en="English words.", fr="Mots français.")
    assert views.sentence(given, "fr")["text"] == "Mots français."
    bare = common_pb2.Reason(code="subject-to-admission")
    assert views.sentence(bare, "en")["text"] == "Credit is subject to admission."
    assert views.sentence(common_pb2.Reason(code="unheard-of"), "en")["text"] == "unheard-of"
    without = common_pb2.Reason(code="not-stated")
    assert "{field}" in views.sentence(without, "en")["text"]


def test_outcomes_keep_exact_values_and_their_parts() -> None:
    message = common_pb2.Outcome(
        type="sum",
        of=[
            common_pb2.Outcome(type="assigned", credits=common_pb2.CreditValue(value="7/3", system="cegep-units")),
            common_pb2.Outcome(type="exemption", achievement="a/x"),
        ],
    )
    shown = views.outcome(message)
    assert shown["of"][0]["credits"] == {"value": "7/3", "system": "cegep-units"}
    assert shown["of"][1]["credits"] is None


def test_portability_is_told_from_west_to_east_with_its_evidence() -> None:
    portable = portability_pb2.PORTABILITY_VERDICT_PORTABLE
    answer = portability_pb2.AssessResponse(
        verdict=portable,
        criteria=[
            portability_pb2.Criterion(
                id="framework",
                force="must",
                finding=portability_pb2.FINDING_MET,
                message={"en": "Framework", "fr": "Référentiel"},
                evidence=[common_pb2.Evidence(index=4, type="t", member="m", subject="s")],
            )
        ],
        jurisdictions=[
            portability_pb2.JurisdictionVerdict(jurisdiction=code, verdict=portable) for code in ("CA-NS", "CA-BC")
        ],
        pack="portability-national",
        pack_version=3,
    )
    shown = views.portability(answer, CATALOGUES["fr"])
    assert [item["jurisdiction"] for item in shown.provinces] == ["CA-BC", "CA-NS"]
    assert shown.criteria[0]["message"] == "Référentiel"
    assert shown.criteria[0]["finding"] == "met"
    assert shown.criteria[0]["evidence"][0]["index"] == 4


def test_definitions_are_told_clause_by_clause_in_the_pages_language() -> None:
    clause = portability_pb2.ClauseFinding(
        id="short",
        force="must",
        finding=portability_pb2.FINDING_NOT_MET,
        message={"en": "It is short.", "fr": "Elle est courte."},
        reasons=[common_pb2.Reason(code="value-above", en="Too long.", fr="Trop longue.")],
    )
    used = portability_pb2.PackUsed(origin="ledger", evidence=common_pb2.Evidence(index=9, type="t", member="operator"))
    pack = portability_pb2.Pack(id="heqco", version=2, title={"en": "HEQCO", "fr": "COQES"}, source="S", used=used)
    found = portability_pb2.PackFinding(pack=pack, finding=portability_pb2.FINDING_NOT_MET, clauses=[clause])
    (shown,) = views.packs([found], CATALOGUES["fr"])
    assert (shown["title"], shown["finding"], shown["published"][0]["index"]) == ("COQES", "not-met", 9)
    assert shown["clauses"][0]["message"] == "Elle est courte."
    assert shown["clauses"][0]["reasons"][0]["text"] == "Trop longue."
