"""The commands about packs that need no server: check, test, diff, fields, and what publish refuses before it sends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.node.office import CountingIds
from typer.testing import CliRunner

from passerelle.cli.policy import app, as_json_values
from passerelle.cli.policy_published import read_published
from passerelle.cli.portability import given_facts
from passerelle.cli.portability_frameworks import read_term
from passerelle.core.catalogue import BY_NAME
from passerelle.core.entry import Entry
from passerelle.core.errors import PasserelleError
from passerelle.node.publishing import compose
from passerelle.query.packs import read_yaml
from passerelle.testing.federation import Federation

POLICIES = Path(__file__).resolve().parents[3] / "contracts" / "policies"
AID = POLICIES / "ontario-student-aid.yaml"


def run(*words: str | Path) -> Any:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def changed(tmp_path: Path) -> Any:
    """A copy of a pack with one text in the place of another, beside a copy of its cases."""

    def make(old: str, new: str) -> Path:
        path = tmp_path / AID.name
        text = AID.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")
        (tmp_path / "cases").mkdir(exist_ok=True)
        cases = (POLICIES / "cases" / AID.name).read_text(encoding="utf-8")
        (tmp_path / "cases" / AID.name).write_text(cases, encoding="utf-8")
        return path

    return make


def test_check_names_the_place_and_the_fix_and_goes_on(changed: Any) -> None:
    broken = changed("elapsed_weeks < 12.0", "elapsed_weeks < 12")
    found = run("check", broken, AID, "--json")
    assert found.exit_code == 1
    rows = json.loads(found.stdout)
    assert rows[0]["error"]["code"] == "policy-invalid"
    assert rows[0]["error"]["where"].endswith("clauses[0] (duration), line 1, column 36")
    assert "12.0" in rows[0]["error"]["fix"]
    assert rows[1] == {"file": str(AID), "policy": "ontario-student-aid", "version": 1, "clauses": 1}
    assert run("check", AID).exit_code == 0


def test_the_cases_of_a_pack_catch_a_changed_rule(changed: Any) -> None:
    assert run("test", *sorted(POLICIES.glob("*.yaml"))).exit_code == 0
    found = run("test", changed("< 12.0", "< 8.0"), "--json")
    assert found.exit_code == 1
    (row,) = json.loads(found.stdout)
    assert {(one["clause"], one["expected"], one["found"]) for one in row["wrong"]} == {
        ("duration", "met", "not-met"),
        ("", "met", "not-met"),
    }
    other = run("test", AID, "--cases", POLICIES / "cases" / "nzqa.yaml", "--json")
    assert other.exit_code == 1
    assert "cases of nzqa" in json.loads(other.stdout)[0]["error"]["what"]


def test_diff_shows_rules_and_the_cases_that_move(changed: Any) -> None:
    found = json.loads(run("diff", AID, changed("< 12.0", "< 8.0"), "--json").stdout)
    assert [one["place"] for one in found["changes"]] == ["duration.rule"]
    assert found["outcomes"] == [{"case": "just below twelve weeks", "before": "met", "after": "not-met"}]
    assert "no difference" in run("diff", AID, AID).stdout


def test_a_published_pack_is_the_body_that_its_entry_names() -> None:
    data = as_json_values(read_yaml(AID))
    member, _ = Federation().admit("york")
    event = member.event("reference.policy-published", "york/ontario-student-aid", data)
    entry = Entry.of(1, "accepted", event).encode()
    assert read_published(entry, event.body, "entry 1").id == "ontario-student-aid"
    for body, code in ((event.body + b" ", "body-hash-mismatch"), (b"", "body-hash-mismatch")):
        with pytest.raises(PasserelleError) as caught:
            read_published(entry, body, "entry 1")
        assert (caught.value.code, caught.value.where) == (code, "entry 1")
    other = member.achievement("course")
    with pytest.raises(PasserelleError) as caught:
        read_published(Entry.of(1, "accepted", other).encode(), other.body, "entry 2")
    assert caught.value.code == "policy-invalid"


def test_fields_are_told_in_both_languages() -> None:
    assert "effort in hours" in run("fields", "--lang", "en").stdout
    assert "effort en heures" in run("fields", "--lang", "fr").stdout
    names = {row["name"] for row in json.loads(run("fields", "--json").stdout)}
    assert {"asked_on", "evidence.employers_involved", "case.plar_share"} <= names


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [("elapsed_weeks < 12.0", "elapsed_week < 12.0", "not declared"), ("< 12.0", "< 8.0", "the case expects")],
)
def test_publish_refuses_before_anything_is_opened(changed: Any, tmp_path: Path, old: str, new: str, what: str) -> None:
    found = run("publish", changed(old, new), "--config", tmp_path / "absent.toml")
    assert isinstance(found.exception, PasserelleError)
    assert found.exception.code == "policy-invalid"
    assert what in found.exception.what
    assert str(tmp_path) in found.exception.where


def test_no_broken_pack_leaves_a_node_by_another_command() -> None:
    data = {**yaml.safe_load(AID.read_text(encoding="utf-8")), "effective_from": "2022-01-01"}
    found = BY_NAME["reference.policy-published"]
    good = compose(found, data, subject="ontario-student-aid", member="humber", ids=CountingIds())
    assert good.subject == "humber/ontario-student-aid"
    data["clauses"][0]["rule"] = "true"
    with pytest.raises(PasserelleError) as caught:
        compose(found, data, subject="ontario-student-aid", member="humber", ids=CountingIds())
    assert caught.value.code == "policy-invalid"


def test_facts_and_terms_are_read_strictly() -> None:
    assert given_facts(["case.plar_share=0.4"]) == {"case.plar_share": 0.4}
    assert (read_term("NOC:22212"), read_term("rru/climate:S1.1")) == (("noc-2021", "22212"), ("rru/climate", "S1.1"))
    for call in (lambda: given_facts(["plar"]), lambda: read_term("22212"), lambda: read_term("NOC:")):
        with pytest.raises(PasserelleError) as caught:
            call()
        assert caught.value.code == "argument-invalid"
