"""Every command of docs/agency.md is one that the command line takes, and every option named there exists."""

import importlib
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from passerelle.cli.transcript_file import COLUMNS
from passerelle.query.evaluation import MAX_LINES

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "agency.md").read_text(encoding="utf-8")
COMMANDS = [
    line
    for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
    if line.startswith("passerelle ")
]


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_of_the_page_can_be_given(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _, area, name, *words = shlex.split(line)
    monkeypatch.setenv("PASSERELLE_QUERY", "127.0.0.1:8443")
    group: Any = get_command(importlib.import_module(f"passerelle.cli.{area}").app)
    context = group.commands[name].make_context(name, words)
    assert context.args == []


def test_the_page_has_commands_of_every_kind() -> None:
    given = {tuple(line.split()[1:3]) for line in COMMANDS}
    for area, names in {
        "equivalency": ("find", "reverse", "evaluate", "search", "show"),
        "portability": ("assess", "packs"),
        "transfer": ("show", "list", "watch", "dependents"),
    }.items():
        assert {(area, name) for name in names} <= given


def test_the_options_and_columns_of_its_tables_exist() -> None:
    group: Any = get_command(importlib.import_module("passerelle.cli.equivalency").app)
    known = {option for parameter in group.commands["find"].params for option in parameter.opts}
    named = set(re.findall(r"^\| `(--[a-z-]+)", PAGE, re.MULTILINE))
    assert named
    assert named <= known
    columns = re.findall(r"^\| ((?:`[a-z_]+`(?:, )?)+) \|", PAGE, re.MULTILINE)
    assert sorted(name for cell in columns for name in re.findall(r"[a-z_]+", cell)) == sorted(COLUMNS)
    assert f"At most {MAX_LINES} lines" in PAGE
