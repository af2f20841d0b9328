"""Every public question by its address: what comes back, in the promised form, and what wrong questions are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from tests.unit.client.serving import REVIT, world_of_rules
from tests.unit.gateway.bench import DOCUMENT, Bench, fits, gateway, pick, problem, promised
from tests.unit.query.test_articulation import Log
from tests.unit.query.world import World, achievement_data, rule_data

from passerelle.gateway.asking import Operation
from passerelle.gateway.operations import OPERATIONS

HISTORY, ART = "humber/hist-1", "humber/art"
PUBLIC = {"equivalency", "portability", "articulation"}
LINE = {"achievement": REVIT, "completed_on": "2025-05-01"}
DRAFT = {"id": "bcit/new", "data_json": orjson.dumps(rule_data("bcit", HISTORY, "bcit/bim-1")).decode()}
WHAT_IF = {
    "receiver": "bcit",
    "transcripts": [{"reference": "t", "lines": [{"achievement": HISTORY, "completed_on": "2026-05-01"}]}],
    "rules": [DRAFT],
}
CASE = {"achievement": REVIT, "pack": "sample-caps-on", "given": {"case.residency_share": 0.5, "case.plar_share": 0.8}}
OCCUPATION = {"framework": "noc-2021", "code": "22212"}
QUESTIONS: dict[str, tuple[str, Any, str, Any]] = {
    "findEquivalency": ("", {"achievement": REVIT}, "answers.*.rule.id", ["bcit/r1"]),
    "reverseEquivalency": ("", {"achievement": "bcit/bim-1"}, "answers.*.rule.id", ["bcit/r1"]),
    "evaluateTranscript": ("", {"lines": [LINE]}, "summary.matched", 1),
    "searchAchievements": ("", {"words": "revit", "kind": "micro-credential"}, "achievements.*.id", [REVIT]),
    "getAchievement": (REVIT, {}, "achievement.title", "Revit Architecture"),
    "listRules": ("", {"sender": "humber", "receiver_jurisdiction": "CA-BC", "words": "art"}, "rules.*.id",
                  ["bcit/r3", "bcit/d3"]),
    "findPathways": ("", {"held": [LINE], "target": "bcit/bim-1"}, "pathways.*.steps.*.rule.id", [["bcit/r1"]]),
    "assessPortability": ("", {"achievement": REVIT}, "verdict", "unknown"),
    "assessCase": ("", CASE, "criteria.*.finding", ["met", "not-met", "unknown"]),
    "profileAchievement": ("", {"achievement": REVIT, "packs": ["heqco"]}, "packs.*.pack.id",
                           ["heqco"]),
    "listPacks": ("", {"asked_on": "1900-01-01"}, "packs", []),
    "listLeads": ("", OCCUPATION, "leads.*.achievement", [REVIT]),
    "compareLevel": ("", {"framework": "ontario", "level": "7"}, "reasons.*.code", ["level-reference-unknown"]),
    "listArticulationRequests": ("", {"receiver": "nscc", "state": "returned"}, "requests.*.id", ["humber/a"]),
    "getArticulationRequest": ("humber/a", {}, "request.steps.*.event", ["requested", "returned"]),
    "summariseArticulationRequests": ("", {"sender": "humber"}, "receivers.*.open", [1]),
    "listPrecedents": ("", {"achievement": REVIT, "receiver": "nscc"}, "precedents.*.answer.receiver", ["bcit"]),
    "listContradictions": ("", {"receiver": "bcit"}, "contradictions.*.cause", ["credit-and-no-credit"]),
    "listNonReciprocalRules": ("", {"receiver": "bcit", "sender": "humber", "valid_on": "2030-01-01"}, "rules.*.id",
                               ["bcit/r1", "bcit/r3"]),
    "listOrphans": ("", {"receiver": "bcit"}, "orphans.*.achievement", [REVIT, HISTORY]),
    "listEndingRules": ("", {"receiver": "bcit", "within_days": 90}, "rules.*.valid_to", ["2026-03-01"]),
    "getCoverage": ("", {"sender": "humber", "receiver": "nscc", "limit": 1}, "never_evaluated", [REVIT]),
    "askWhatIf": ("", WHAT_IF, "transcripts.*.change", ["gains"]),
}  # fmt: skip
"""By name: what stands in the path, parameters or body, a path into the answer and what stands there."""
NAMED = {one.name: one for one in OPERATIONS}


@pytest.fixture
def world() -> World:
    """One of everything that is asked for."""
    made = world_of_rules()
    revised = achievement_data("humber", "Revit Architecture", kind="micro-credential", occupations=["22212"])
    made.add("credential.achievement-revised", "humber", REVIT, {**revised, "version": 2})
    for course in (HISTORY, ART, "bcit/bim-2"):
        made.course(course, course.partition("/")[2])
    made.rule("bcit/r2", HISTORY, "bcit/bim-2", valid_to="2026-03-01")
    made.rule("bcit/r3", ART, "bcit/bim-2")
    made.deny("bcit/d3", ART)
    made.add("credential.achievement-revised", "humber", HISTORY, achievement_data("humber", "History", version=2))
    made.add("recognition.requested", "humber", "humber/a", {"achievement": HISTORY, "receiver": "nscc"})
    made.add("recognition.returned", "nscc", "humber/a", {"needed": ["Hours"]})
    return made


async def ask(bench: Bench, name: str, held: str, given: Any) -> Any:
    """Ask by name; ``held``: what stands in the path, as it is."""
    operation = NAMED[name]
    url = operation.path
    for field in operation.in_path:
        url = url.replace(f"{{{field}}}", held)
    return await (bench.http.get(url, params=given) if operation.verb == "GET" else bench.http.post(url, json=given))


def test_every_public_question_is_asked_below() -> None:
    assert set(QUESTIONS) == {one.name for one in OPERATIONS if one.area in PUBLIC}


async def test_every_public_question_is_answered_as_promised(tmp_path: Path, world: World) -> None:
    found = {}
    async with gateway(tmp_path, world=world, store=Log(world)) as bench:
        for name, (held, given, path, _) in QUESTIONS.items():
            response = await ask(bench, name, held, given)
            answer = response.json()
            assert response.status_code == 200, (name, answer)
            assert fits(answer, promised(NAMED[name].verb, NAMED[name].path)), (name, answer)
            found[name] = pick(answer, path)
    assert found == {name: expected for name, (_, _, _, expected) in QUESTIONS.items()}


async def test_every_public_answer_can_be_had_signed(tmp_path: Path, world: World) -> None:
    async with gateway(tmp_path, world=world, store=Log(world)) as bench:
        for name, (held, given, _, _) in QUESTIONS.items():
            answer = (await ask(bench, name, held, {**given, "signed": True})).json()
            assert answer["jws"].count(".") == 2, name


async def test_a_slash_in_an_id_may_be_encoded(tmp_path: Path, world: World) -> None:
    async with gateway(tmp_path, world=world, store=Log(world)) as bench:
        for held in (REVIT, REVIT.replace("/", "%2F")):
            answer = await ask(bench, "getAchievement", held, {"fields": "achievement.id"})
            assert answer.json()["achievement"]["id"] == REVIT
        for held in ("humber%2Fa", "humber/a"):
            answer = await ask(bench, "getArticulationRequest", held, {"known_at": world.size - 1})
            assert answer.json()["request"]["state"] == "requested"
        assert problem(await ask(bench, "getAchievement", "", {})) == (400, "argument-missing", "achievement")
        assert problem(await ask(bench, "getAchievement", "humber/no/such", {}))[:2] == (404, "not-found")


async def test_a_page_goes_on_with_its_own_question_only(tmp_path: Path, world: World) -> None:
    async with gateway(tmp_path, world=world, store=Log(world)) as bench:
        asked = {"receiver": "bcit", "page_size": 2}
        first = (await ask(bench, "listRules", "", asked)).json()
        token = first["next_page_token"]
        second = (await ask(bench, "listRules", "", {**asked, "page_token": token})).json()
        found = [rule["id"] for page in (first, second) for rule in page["rules"]]
        assert (len(first["rules"]), sorted(set(found))) == (2, sorted(found))
        for name, other in (
            ("listRules", {**asked, "sender": "humber"}),
            ("searchAchievements", {"member": "bcit"}),
            ("listOrphans", asked),
            ("listArticulationRequests", {"receiver": "nscc"}),
            ("listLeads", OCCUPATION),
        ):
            wrong = await ask(bench, name, "", {**other, "page_token": token})
            assert problem(wrong) == (400, "page-token-invalid", "page_token"), name


def needed(operation: Operation) -> tuple[str, ...]:
    """What the document requires of a request, beside what stands in the path."""
    told = DOCUMENT["paths"][operation.path][operation.verb.lower()]
    if operation.verb == "GET":
        required = [one["name"] for one in told["parameters"] if one["required"]]
        assert required[: len(operation.in_path)] == list(operation.in_path)
        return tuple(required[len(operation.in_path) :])
    schema = told["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    return tuple(DOCUMENT["components"]["schemas"][schema]["required"])


async def test_what_a_question_needs_is_what_the_document_says(tmp_path: Path, world: World) -> None:
    async with gateway(tmp_path, world=world, store=Log(world)) as bench:
        for one in OPERATIONS:
            if one.area not in PUBLIC:
                continue
            held, given, _, _ = QUESTIONS[one.name]
            assert needed(one) == one.needs, one.name
            for name in one.needs:
                rest = {key: value for key, value in given.items() if key != name}
                # The service asks for it too: the gateway forbids nothing that could be answered.
                empty = type(given[name])()
                for without in (rest, {**rest, name: empty}):
                    assert problem(await ask(bench, one.name, held, without)) == (400, "argument-missing", name)
            answered = await ask(bench, one.name, held, {name: given[name] for name in one.needs})
            # Of the six places and words of rules one is enough, whichever it is.
            assert answered.status_code == (400 if one.name == "listRules" else 200), one.name


async def test_wrong_questions_name_the_place(tmp_path: Path, world: World) -> None:
    line = {"achievement": REVIT, "completed_on": "2025-05-01"}
    async with gateway(tmp_path, world=world, store=Log(world)) as bench:
        for name, given, expected in (
            ("searchAchievements", {"word": "x"}, (400, "field-unknown", "word")),
            ("searchAchievements", {"page_size": 1_001}, (400, "argument-invalid", "page_size")),
            ("searchAchievements", {"fields": "achievements.nothing"}, (400, "argument-invalid", "fields")),
            ("listRules", {}, (400, "argument-missing", "receiver")),
            ("listRules", {"receiver": "nobody"}, (404, "not-found", "receiver")),
            ("listArticulationRequests", {"state": "lost"}, (400, "field-malformed", "state")),
            ("listArticulationRequests", {"overdue": "yes"}, (400, "argument-invalid", "overdue")),
            ("listArticulationRequests", {"state": ["returned", "declined"]}, (400, "argument-invalid", "state")),
            ("listPacks", {"asked_on": "soon"}, (400, "argument-invalid", "asked_on")),
            ("listEndingRules", {"receiver": "bcit", "within_days": -1}, (400, "argument-invalid", "within_days")),
            ("getCoverage", {"sender": "humber", "receiver": "x"}, (404, "not-found", "receiver")),
            ("findPathways", {"held": [{**line, "grades": 1}]}, (400, "field-unknown", "held[0].grades")),
            ("findPathways", {"held": line, "target": "bcit/bim-1"}, (400, "field-malformed", "held")),
            ("findPathways", {"held": [line], "target": "bcit/bim-1", "count": 21}, (400, "argument-invalid", "count")),
            ("assessCase", {"achievement": REVIT, "given": {"case.plar_share": "half"}},
             (400, "field-malformed", "given.case.plar_share")),
            ("askWhatIf", {**WHAT_IF, "rules": []}, (400, "argument-missing", "rules")),
            ("askWhatIf", {**WHAT_IF, "known_at": {"size": 1, "instant_ms": 2}},
             (400, "argument-conflict", "known_at.instant_ms")),
            ("askWhatIf", {**WHAT_IF, "transcripts": [{"reference": "t", "lines": [line] * 30}] * 70},
             (413, "message-too-large", "body")),
        ):  # fmt: skip
            assert problem(await ask(bench, name, "", given)) == expected, (name, given)


async def test_a_body_is_all_that_a_post_takes(tmp_path: Path, world: World) -> None:
    async with gateway(tmp_path, world=world, store=Log(world)) as bench:
        url = "/v1/articulation/what-if"
        assert problem(await bench.http.post(f"{url}?receiver=bcit", json=WHAT_IF)) == (
            400,
            "field-unknown",
            "receiver",
        )
        assert problem(await bench.http.get(url))[0] == 405
        before = bench.behind.world.size
        assert (await bench.http.post(url, json=WHAT_IF)).json()["gain"] == 1
        # Nothing was published: the next look-up does not know the draft.
        found = (await ask(bench, "listRules", "", {"achievement": HISTORY, "valid_on": "2026-05-01"})).json()
        assert (found["rules"], found["position"]["size"]) == ([], before)
