"""docs/registrar.md is followed, command by command, by a new member of a running federation."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.conftest import run_here
from tests.e2e.support.newcomer import MEMBER, Newcomer
from tests.e2e.support.reading import Command, commands, real, shown_files, shown_table

from passerelle.testing.faults.network import Network

PAGE = Path(__file__).resolve().parents[2] / "docs" / "registrar.md"
FIRST_RECEIPT = "first.receipt.json"
FIRST_RECEIPT_S = 120.0
"""A new user has ten minutes; this much of them, at most, goes to waiting, selftest included, on a busy machine."""
PROGRAMS = ("export", "passerelle", "curl")
Doing = Callable[[Newcomer], Awaitable[None]]


@dataclass(frozen=True)
class Step:
    """What belongs to a command of the page beside the command itself."""

    before: tuple[Doing, ...] = ()
    """What the sentences before it say is to be done, or is there."""
    after: tuple[Doing, ...] = ()
    where: str = "office"
    """In which folder it is typed: of the office, of the node, of the receiver's office with the receiver's node."""


STEPS: Mapping[str, Step] = {
    "passerelle node init": Step(after=(Newcomer.be_admitted,)),
    "passerelle node learner rewrap": Step(before=(Newcomer.change_key,), where="node"),
    "passerelle node import achievements.csv": Step(before=(Newcomer.first_files,)),
    "passerelle node records": Step(after=(Newcomer.see_award,)),
    "passerelle node import awards.csv --dry-run": Step((Newcomer.more_awards,), (Newcomer.import_awards,)),
    "passerelle node drafts list": Step(before=(Newcomer.think_again,)),
    "curl": Step((Newcomer.another_award,), (Newcomer.see_job,)),
    "passerelle node import --source": Step(before=(Newcomer.student_system,)),
    "passerelle node map": Step(before=(Newcomer.own_export,)),
    "passerelle node reconcile": Step(before=(Newcomer.settle,)),
    "passerelle node publish recognition.ended": Step(before=(Newcomer.rule_to_end,)),
    "passerelle node transfer request": Step((Newcomer.learner_arrives,), (Newcomer.name_case,), "receiver"),
    "passerelle node evidence pdf transcript.pdf --trust roots --case": Step(where="receiver"),
    "passerelle node evidence pdf": Step(before=(Newcomer.transcript,), where="receiver"),
}
"""By the beginning of the command; of several that fit, the longest. Any other command is typed as it stands."""


def beginning(text: str) -> str | None:
    """Which row of the table a command has."""
    return max((start for start in STEPS if text.startswith(start)), key=len, default=None)


async def follow(newcomer: Newcomer, command: Command, patch: pytest.MonkeyPatch) -> None:
    """Do one command of the page, with what belongs to it; it must succeed."""
    assert command.text.split()[0] in PROGRAMS, f"docs/registrar.md:{command.line}: nothing here runs it"
    start = beginning(command.text)
    step = STEPS[start] if start is not None else Step()
    for doing in step.before:
        await doing(newcomer)
    if command.text.startswith("export "):
        name, _, value = newcomer.real(command.text).removeprefix("export ").partition("=")
        patch.setenv(name, value)
    elif command.text.startswith("passerelle node run"):
        await newcomer.run(command)
    else:
        folder = {"office": newcomer.office, "node": newcomer.node, "receiver": newcomer.receiver}[step.where]
        config = newcomer.receiving if step.where == "receiver" else None
        ran = await newcomer.type(command, folder=folder, config=config)
        assert ran.code == 0, f"docs/registrar.md:{command.line}: {command.text}\n{ran.out}{ran.err}"
    for doing in step.after:
        await doing(newcomer)


async def joining(newcomer: Newcomer, patch: pytest.MonkeyPatch) -> float:
    """Follow the page to its end; seconds from its first command to the first receipt."""
    await newcomer.arrive()
    began, first = time.monotonic(), 0.0
    try:
        for command in commands(newcomer.page):
            await follow(newcomer, command, patch)
            if FIRST_RECEIPT in command.text:
                first = time.monotonic() - began
        await outcome(newcomer)
    finally:
        await newcomer.stop()
    return first


async def outcome(newcomer: Newcomer) -> None:
    """What the page promised has come about."""
    await newcomer.settle()
    totals = (await newcomer.ask("node", "status", "--json")).json()["totals"]
    assert (totals["waiting"], totals["held"]) == (0, 0), totals
    assert totals["refused"] == newcomer.refused_by_selftest, await newcomer.ask("node", "refused")
    assert totals["accepted"] == totals["published"] - totals["refused"] > 0, totals
    assert (newcomer.office / f"{MEMBER}.selftest.jws").stat().st_size > 0
    first, last = (newcomer.office / name for name in (FIRST_RECEIPT, "award.receipt.json"))
    key = newcomer.signing_key()
    for receipt in (first, last):
        await newcomer.ask("proof", "verify", str(receipt), "--vkey", newcomer.network.operator.log_vkey, *key)
    taken = json.loads((newcomer.office / "learner.json").read_bytes())
    assert "Sample Learner" in json.dumps(taken)
    assert len((await newcomer.ask("node", "learner", "erased", "--json")).json()) == 1


@pytest.mark.timeout(300)
def test_the_page_is_followed_to_its_end(
    federation: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, say: Callable[[str], None]
) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is absent: docs/registrar.md is not followed")
    newcomer = Newcomer(federation, tmp_path, PAGE.read_text(encoding="utf-8"))
    first = run_here(joining(newcomer, monkeypatch))
    say(f"from 'node init' to the first receipt: {first:.1f} s")
    assert 0 < first < FIRST_RECEIPT_S


def test_a_page_that_does_not_work_is_found(
    federation: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newcomer = Newcomer(federation, tmp_path, "")
    for text in ("passerelle node import absent.csv --config absent.toml", "passerelle node no-such-command"):
        with pytest.raises(AssertionError, match=r"docs/registrar\.md:7"):
            run_here(follow(newcomer, Command(7, text), monkeypatch))
    with pytest.raises(AssertionError, match="nothing here runs it"):
        run_here(follow(newcomer, Command(7, "flower --now"), monkeypatch))


def test_every_row_of_the_table_has_its_command() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert not STEPS.keys() - {beginning(command.text) for command in commands(page)}
    # No command hides in a block that is not read: indented, or of another shell's name.
    fences = re.findall(r"^( *)```(\w+)$", page, re.MULTILINE)
    assert set(fences) == {("", name) for name in ("sh", "text", "toml", "csv")}


def test_a_page_is_read_as_it_is_typed() -> None:
    page = (
        "Text\n\n```sh\nexport A=b\n# a remark\ncurl x \\\n  y\npasserelle z\n```\n\n"
        "`a.csv`, then `b.csv`:\n```csv\nid\n1\n```\n```toml\n[push]\nport = 1\n```\n"
    )
    assert commands(page) == [Command(4, "export A=b"), Command(6, "curl x y"), Command(8, "passerelle z")]
    assert shown_files(page) == {"b.csv": "id\n1\n"}
    assert shown_table(page, "push") == "[push]\nport = 1\n"
    assert real("humber-node a:1 humberside", {"a:1": "humber:2"}, {"humber": "x"}) == "x-node humber:2 humberside"
