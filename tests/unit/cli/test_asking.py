"""The options that questions share: each command takes those that it names, and gets what was given or the default."""

import datetime as dt
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from passerelle.cli.articulation import target_day
from passerelle.cli.asking import Asking, asks
from passerelle.core.errors import FormatError


def run(decorate: Any, *words: str) -> tuple[int, list[tuple[str, Asking]]]:
    got: list[tuple[str, Asking]] = []

    def command(asking: Asking, name: Annotated[str, typer.Argument(help="A name.")]) -> None:
        """Do it."""
        got.append((name, asking))

    app = typer.Typer()
    app.command()(decorate(command))
    return CliRunner().invoke(app, list(words)).exit_code, got


def test_a_command_gets_what_was_given_and_defaults_for_the_rest() -> None:
    many = asks(12.0, valid_on=True, limit=20, most=30, sign=True)
    code, ((name, asking),) = run(many, "x", "--limit", "30", "--valid-on", "2025-06-01", "--known-at", "7", "--json")
    assert (code, name, asking.limit, asking.timeout, asking.json, asking.sign) == (0, "x", 30, 12.0, True, None)
    assert asking.moment() == {"known_at": {"size": 7}, "min_position": 0, "valid_on": "2025-06-01"}
    assert run(many, "x")[1][0][1].limit == 20


@pytest.mark.parametrize("option", [("--limit", "2"), ("--valid-on", "2025-06-01"), ("--min-position", "1"),
                                    ("--sign", "file")])  # fmt: skip
def test_an_option_that_a_command_does_not_name_is_not_there(option: tuple[str, str]) -> None:
    few = asks(12.0, min_position=False)
    code, got = run(few, "x", *option)
    assert (code, got) == (2, [])
    assert run(few, "x")[1][0][1].moment() == {"known_at": None}


def test_the_help_says_what_a_list_is_of() -> None:
    def command(asking: Asking) -> None:
        """Do it."""

    for decorate, said in ((asks(12.0, limit=20), "Most results shown."),
                           (asks(12.0, limit=20, shown="requests"), "Most requests shown.")):  # fmt: skip
        app = typer.Typer()
        app.command()(decorate(command))
        assert said in CliRunner().invoke(app, ["--help"], env={"COLUMNS": "120", "TERM": "dumb"}).output


def test_bounds_and_words_are_checked() -> None:
    assert run(asks(12.0, limit=20, most=30), "x", "--limit", "31")[0] == 2
    ((_, asking),) = run(asks(12.0), "x", "--lang", "de")[1]
    with pytest.raises(FormatError) as caught:
        _ = asking.language
    assert caught.value.code == "language-unknown"


def test_the_target_day_is_the_one_named_or_counted_from_today() -> None:
    assert target_day("2027-01-05", dt.date(2026, 11, 1), 30) == "2027-01-05"
    assert target_day("", dt.date(2026, 11, 15), 60) == "2027-01-14"
