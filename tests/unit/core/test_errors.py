"""The table of codes, the error classes, and that no code is used which the table does not list."""

from __future__ import annotations

import ast
import pickle
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from passerelle.core import errors
from passerelle.core.errors import CODES, PasserelleError, Refused

SOURCE = Path(errors.__file__).resolve().parents[1]
CLASSES = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}


def literals(node: ast.expr) -> Iterator[str]:
    """The texts that an expression for a code can give; of an f-string its constant start."""
    if isinstance(node, ast.IfExp):
        yield from literals(node.body)
        yield from literals(node.orelse)
    elif isinstance(node, ast.JoinedStr):
        yield from literals(node.values[0])
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.FormattedValue):
        yield "built from nothing constant"


def used_codes(source: str, classes: set[str]) -> Iterator[tuple[int, str]]:
    """Line and code of every error built, or demanded through ``require(condition, code, ...)``, with literal codes."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        place = 1 if name == "require" else 0
        code = node.args[place] if len(node.args) > place else None
        code = next((keyword.value for keyword in node.keywords if keyword.arg == "code"), code)
        if code is not None and (name in classes or (name == "require" and len(node.args) > 2)):
            yield from ((node.lineno, text) for text in literals(code))


def error_classes(sources: list[str]) -> set[str]:
    """Names of the error classes, with those that other modules derive from them."""
    names = set(CLASSES)
    for source in sources:
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ClassDef) and any(getattr(base, "id", "") in CLASSES for base in node.bases):
                own_constructor = any(
                    isinstance(item, ast.FunctionDef) and item.name == "__init__" for item in node.body
                )
                if not own_constructor:
                    names.add(node.name)
    return names


def is_listed(code: str) -> bool:
    """A listed code, or the constant start of a built one (``member-`` + status) under which codes are listed."""
    return code in CODES or (code.endswith("-") and any(known.startswith(code) for known in CODES))


def test_every_code_used_is_listed() -> None:
    paths = [path for path in sorted(SOURCE.rglob("*.py")) if "api" not in path.relative_to(SOURCE).parts]
    sources = {path: path.read_text("utf-8") for path in paths}
    classes = error_classes(list(sources.values()))
    found = [(path, line, code) for path, text in sources.items() for line, code in used_codes(text, classes)]
    assert len(found) > 50, "the search found next to nothing: it is broken"
    unlisted = [f"{path.relative_to(SOURCE)}:{line} {code}" for path, line, code in found if not is_listed(code)]
    assert unlisted == []


def test_search_finds_an_unlisted_code() -> None:
    source = "\n".join(
        (
            "raise errors.Refused('no-such-code', 'x')",
            "raise Refused(code='nor-this', what='x')",
            "raise Refused('a' if b == 'c' else 'd', 'x')",
            "raise Refused(f'member-{state}', 'x')",
            "context.require(True, 'e', 'x', 'y', 'z')",
            "print('neither')",
        )
    )
    found = [(1, "no-such-code"), (2, "nor-this"), (3, "a"), (3, "d"), (4, "member-"), (5, "e")]
    assert list(used_codes(source, CLASSES)) == found
    assert not is_listed("no-such-code")


def test_table_is_whole() -> None:
    for code, info in CODES.items():
        assert info.code == code
        assert re.fullmatch(r"[a-z][a-z0-9-]{1,39}", code), code
        assert all((info.title, info.title_fr, info.meaning, info.fix)), code
        assert info.meaning.endswith("."), code
        assert info.fix.endswith((".", "]")), code
        assert len(info.title) <= 60, code
        assert len(info.title_fr) <= 60, code
        assert 400 <= info.http <= 599, code
        assert info.grpc.isupper(), code


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_error_says_code_place_what_fix(name: str) -> None:
    error = getattr(errors, name)("time-ahead", "The time is 2 days ahead.", where="row 3")
    assert isinstance(error, PasserelleError)
    assert error.as_dict() == {
        "code": "time-ahead",
        "what": "The time is 2 days ahead.",
        "where": "row 3",
        "fix": CODES["time-ahead"].fix,
    }
    assert str(error).startswith("time-ahead at row 3: The time is 2 days ahead. ")
    assert error.info.http == 400


def test_own_fix_wins_and_error_survives_pickling() -> None:
    error = Refused("step-illegal", "Not now.", where="subject", fix="Wait.")
    copy = pickle.loads(pickle.dumps(error))
    assert isinstance(copy, Refused)
    assert copy.as_dict() == error.as_dict()
    assert error.as_dict()["fix"] == "Wait."


def test_unlisted_code_is_shown_as_internal() -> None:
    assert PasserelleError("no-such-code", "x").info is CODES["internal"]
