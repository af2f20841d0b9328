"""The question commands as people and scripts run them: processes of their own against a running service."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.integration.query_ledger import LedgerRows, add_case, uuid7
from tests.integration.query_running import Running, make_config, running
from tests.unit.query.world import NETWORK, ROOT, seed

from passerelle.runtime.keys import create_seed

SERVICES = Path(__file__).resolve().parents[2] / "services"
TRANSCRIPT = "achievement,completed_on,grade,grade_scheme,credits,credit_system,reference\n"


@dataclass
class Ran:
    """A command's exit code and output."""

    code: int
    out: str
    err: str

    @property
    def answer(self) -> Any:
        """The JSON document that it printed."""
        assert self.code == 0, self.err
        return json.loads(self.out)


async def passerelle(*words: str, live: Running | None = None, **variables: str) -> Ran:
    """Run the command line in a process of its own."""
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(SERVICES), "LANG": "C.UTF-8", "COLUMNS": "200", **variables}
    if live is not None:
        env["PASSERELLE_QUERY"] = live.address
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "passerelle",
        *words,
        env=env,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    return Ran(process.returncode or 0, out.decode(), err.decode())


@pytest.fixture
async def rows(database: str) -> AsyncIterator[LedgerRows]:
    made = await LedgerRows.create(database)
    yield made
    await made.close()


@pytest.fixture
async def case(rows: LedgerRows) -> str:
    return await add_case(rows)


@pytest.fixture
async def live(case: str, database: str, tmp_path: Path) -> AsyncIterator[Running]:
    async with running(make_config(tmp_path, database)) as service:
        yield service


def node_config(folder: Path, member: str, address: str) -> Path:
    """The configuration of a member's node, as far as asking needs it."""
    home = folder / member
    create_seed(home / "sign.key", seed(member))
    (home / "root.pub").write_text(ROOT.hex() + "\n", encoding="ascii")
    (home / "node.toml").write_text(
        f'network = "{NETWORK}"\nroot_public_key_file = "root.pub"\nmember = "{member}"\nkey_file = "sign.key"\n'
        'learner_key_file = "learner.key"\nrecord_key_file = "record.key"\n'
        f'query = "{address}"\n[database]\nurl = "postgresql://127.0.0.1:9/none"\n',
        encoding="utf-8",
    )
    return home / "node.toml"


async def test_find_and_reverse_for_scripts(live: Running) -> None:
    found = (await passerelle("equivalency", "find", "humber/design-1", "--to", "queens", "--json", live=live)).answer
    assert (found["achievement"], found["title"]) == ("humber/design-1", "Design 1")
    [answer] = found["answers"]
    assert (answer["verdict"], answer["receiver"], answer["subject_to_admission"]) == ("agreement", "queens", True)
    assert answer["rule"]["outcome"]["credits"] == {"value": "3", "system": "credit-hours"}
    assert answer["rule"]["sending"] == {
        "leaf": {
            "achievement": "humber/design-1",
            "title": "Design 1",
            "first_version": 1,
            "last_version": 0,
            "within_years": 0,
            "basis": [],
        }
    }
    assert [reason["code"] for reason in answer["reasons"]] == ["agreement"]
    back = (await passerelle("equivalency", "reverse", "queens/arch-101", "--json", live=live)).answer
    assert [one["rule"]["id"] for one in back["answers"]] == ["queens/r1"]
    assert back["position"] == found["position"]
    size = str(answer["rule"]["recorded_from"])
    early = await passerelle("equivalency", "find", "humber/design-1", "--known-at", size, "--json", live=live)
    assert [one["verdict"] for one in early.answer["answers"]] == ["never-evaluated"]


async def test_find_for_people_in_both_languages(live: Running) -> None:
    english = await passerelle("equivalency", "find", "humber/design-1", live=live)
    assert english.code == 0
    for part in ("agreement", "Queen's University", "queens/r1", "Architecture 101", "subject to admission"):
        assert part in english.out
    french = await passerelle("equivalency", "find", "humber/design-1", live=live, LANG="fr_CA.UTF-8")
    for part in ("entente", "queens/r1", "sous réserve de l'admission", "Position du registre"):
        assert part in french.out
    assert (await passerelle("equivalency", "find", "humber/design-1", "--lang", "fr", live=live)).out == french.out


async def test_a_look_up_is_explained_as_json_and_in_both_languages(live: Running) -> None:
    asked = ("equivalency", "find", "humber/design-1", "--valid-on", "2025-05-01", "--explain")
    answer = (await passerelle(*asked, "--json", live=live)).answer
    [trace] = answer["traces"]
    assert (trace["rule"], trace["receiver"], trace["match"]) == ("queens/r1", "queens", "match")
    assert trace["root"]["met"]
    [compared] = trace["root"]["compared"]
    assert (compared["code"], compared["parameters"]["completed_on"]) == ("inside-validity", "2025-05-01")
    shown = await passerelle(*asked, "--lang", "fr", live=live)
    for part in ("Règles essayées : 1", "queens/r1 v1", "✓ cours humber/design-1", "réussi le 2025-05-01"):
        assert part in shown.out
    back = ("equivalency", "reverse", "queens/arch-101", "--valid-on", "2025-05-01", "--explain")
    shown = await passerelle(*back, live=live)
    for part in ("Rules tried: 1", "✓ course humber/design-1", "Ledger position"):
        assert part in shown.out


async def test_search_and_show(live: Running) -> None:
    found = (await passerelle("equivalency", "search", "architecture", "--json", live=live)).answer
    assert [one["id"] for one in found["achievements"]] == ["queens/arch-101"]
    assert (await passerelle("equivalency", "search", "design", live=live)).out.count("humber/design-1") == 1
    one = (await passerelle("equivalency", "show", "queens/beng", "--json", live=live)).answer
    assert (one["achievement"]["kind"], one["achievement"]["retired"]) == ("degree", False)


async def test_a_transcript_from_csv_and_from_json(live: Running, tmp_path: Path) -> None:
    csv = tmp_path / "transcript.csv"
    csv.write_text(TRANSCRIPT + "humber/design-1,2025-05-01,,,3,credit-hours,1\nhumber/unheard,2025-05-01,,,,,2\n")
    answer = (await passerelle("equivalency", "evaluate", str(csv), "--to", "queens", "--json", live=live)).answer
    assert [(one["reference"], one["match"]) for one in answer["lines"]] == [("1", "match"), ("2", "miss")]
    (total,) = answer["summary"].pop("receivers")
    assert (total["receiver"], total["exact"], len(total["rules"])) == ("queens", True, 1)
    assert answer["summary"] == {
        "matched": 1,
        "maybe": 0,
        "missed": 1,
        "credits": [{"value": "3", "system": "credit-hours"}],
    }
    items = [{"achievement": "humber/design-1", "completed_on": "2025-05-01", "reference": "1"}]
    document = tmp_path / "transcript.json"
    document.write_text(json.dumps(items))
    again = (await passerelle("equivalency", "evaluate", str(document), "--json", live=live)).answer
    assert [(one["receiver"], one["match"]) for one in again["lines"]] == [("queens", "match")]
    shown = await passerelle("equivalency", "evaluate", str(csv), "--to", "queens", live=live)
    assert "match" in shown.out
    assert "no match: 1" in shown.out


async def test_portability(live: Running) -> None:
    words = ("portability", "assess", "humber/design-1", "--jurisdiction", "CA-BC", "--jurisdiction", "CA-ON")
    answer = (await passerelle(*words, "--json", live=live)).answer
    assert answer["verdict"] == "unknown"
    assert {one["id"]: one["finding"] for one in answer["criteria"]} == {
        "framework": "unknown",
        "employers": "unknown",
        "assessment": "unknown",
    }
    places = {one["jurisdiction"]: one["recognised_by"] for one in answer["jurisdictions"]}
    assert [(one["member"], one["ground"]) for one in places["CA-ON"]] == [("queens", "rule")]
    assert places["CA-BC"] == []
    shown = await passerelle(*words, "--lang", "fr", live=live)
    assert "Ce qui manque" in shown.out
    packs = (await passerelle("portability", "packs", "--json", live=live)).answer
    assert "portability-national" in {pack["id"] for pack in packs["packs"]}


async def test_packs_are_explained_and_frameworks_are_asked(live: Running) -> None:
    explained = ("policy", "explain", "nzqa", "humber/design-1")
    answer = (await passerelle(*explained, "--json", live=live)).answer
    assert (answer["pack"], answer["pack_used"]["origin"]) == ("nzqa", "built-in")
    size = next(one for one in answer["clauses"] if one["id"] == "size")
    assert (size["explained"]["text"], size["finding"]) == ("&&", "unknown")
    assert size["explained"]["parts"][0]["fields"][0]["absent"]
    shown = await passerelle(*explained, "--lang", "fr", live=live)
    assert "non indiqué" in shown.out
    assert "achievement.delivery.effort_hours >= 50.0: inconnu" in shown.out
    leads = (await passerelle("portability", "leads-to", "NOC:22212", "--json", live=live)).answer
    assert leads["leads"] == []
    levels = await passerelle("portability", "levels", "nzqcf:7", "--lang", "fr", live=live)
    assert "inconnu, non inégal" in levels.out


async def test_cases_as_a_party_and_as_a_stranger(live: Running, case: str, tmp_path: Path) -> None:
    queens = str(node_config(tmp_path, "queens", live.address))
    shown = (await passerelle("transfer", "show", case, "--config", queens, "--json")).answer
    assert (shown["case"]["state"], shown["case"]["lines"][0]["outcome"]["achievement"]) == (
        "posted",
        "queens/arch-101",
    )
    listed = (await passerelle("transfer", "list", "-c", queens, "--role", "receiver", "--json")).answer
    assert [one["id"] for one in listed["cases"]] == [case]
    rests = (await passerelle("transfer", "dependents", f"credential:{uuid7(1)}", "-c", queens, "--json")).answer
    assert rests["dependents"] == [{"key": f"transfer:{case}", "member": "queens", "state": "posted"}]
    watched = await passerelle("transfer", "watch", "-c", queens, "--count", "1", "--json")
    assert watched.answer["case"]["id"] == case
    assert case in (await passerelle("transfer", "show", case, "-c", queens)).out
    stranger = await passerelle("transfer", "show", case, "-c", str(node_config(tmp_path, "bcit", live.address)))
    assert (stranger.code, stranger.out) == (1, "")
    assert "error not-a-party" in stranger.err


async def test_what_goes_wrong_is_told_with_its_code(live: Running, tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text(TRANSCRIPT + "humber/design-1,2025-05-01,A,,,,Ana Exemple\n")
    for words, code, where in (
        (("equivalency", "find", "humber/none"), "not-found", "achievement"),
        (("equivalency", "find", "humber/design-1", "--valid-on", "soon"), "argument-invalid", "valid_on"),
        (("equivalency", "find", "humber/design-1", "--known-at", "soon"), "argument-invalid", "--known-at"),
        (("equivalency", "find", "humber/design-1", "--lang", "la"), "language-unknown", "--lang"),
        (("equivalency", "evaluate", str(bad)), "value-missing", "row 2: grade_scheme"),
        (("equivalency", "evaluate", str(tmp_path / "none.csv")), "file-unreadable", "none.csv"),
        (("equivalency", "find", "x", "--query", "127.0.0.1:9"), "service-unavailable", ""),
    ):
        ran = await passerelle(*words, live=live)
        assert (ran.code, ran.out) == (1, ""), words
        assert f"error {code}" in ran.err
        assert where in ran.err
        assert "Traceback" not in ran.err
        assert "Ana" not in ran.err
