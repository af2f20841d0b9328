"""The log's verifier keys on the command line: an empty file is told as such, by every command that takes them."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from passerelle.cli.proof import app
from passerelle.core.errors import FormatError


@pytest.mark.parametrize("command", [("verify", "--member-key", "00"), ("judge",)])
def test_a_file_without_a_key_is_refused(command: tuple[str, ...], tmp_path: Path) -> None:
    for name in ("file", "keys"):
        (tmp_path / name).write_text("\n")
    result = CliRunner().invoke(app, [*command, str(tmp_path / "file"), "--vkey", str(tmp_path / "keys")])
    assert result.exit_code == 1
    assert isinstance(result.exception, FormatError)
    assert (result.exception.code, result.exception.where) == ("argument-missing", "--vkey")
