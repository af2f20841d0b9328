"""The limits of the code base, as a ratchet: sizes, hidden time and chance, swallowed errors, unfinished work.

Each rule is a function from one parsed file to its findings, so that the rules themselves are tested below on small
pieces of bad code: a rule that finds nothing anywhere proves nothing.
"""

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MAX_FUNCTION_LINES = 70
MAX_FILE_LINES = 500
GENERATED = ROOT / "services" / "passerelle" / "api"
SKIPPED_PARTS = frozenset({"__pycache__", ".venv", "node_modules"})

# Where time and chance may be asked for: everything else is handed them.
IMPURE_FOLDERS = ("services/passerelle/runtime/", "services/passerelle/embedded/", "services/passerelle/testing/")
IMPURE_NAMES = frozenset(
    {
        "time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "datetime.today", "date.today",
        "datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today", "datetime.date.today",
        "uuid.uuid1", "uuid.uuid4", "uuid4", "uuid1", "os.urandom", "urandom", "nacl.utils.random",
    }
)  # fmt: skip
IMPURE_MODULES = frozenset({"random", "secrets"})
# The words are joined here so that this file does not find itself.
UNFINISHED = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X"]) + r")\b")
UNFINISHED_NAME = "NotImplemented" + "Error"
MACHINE_PATHS = re.compile(r"(?<![\w.])/(?:wo" + r"rk|ro" + r"ot|home/\w+|Users/\w+)(?:/|\b)")


@dataclass(frozen=True)
class Source:
    """One file: its path relative to the repository, its text and, for Python, its tree."""

    path: str
    text: str

    def tree(self) -> ast.Module:
        """Parse the text; a syntax error names the file."""
        return ast.parse(self.text, self.path)


Rule = Callable[[Source], Iterator[str]]


def dotted(node: ast.expr) -> str:
    """Return `a.b.c` for a chain of names, or an empty string."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        base = dotted(node.value)
        return f"{base}.{node.attr}" if base else ""
    return ""


def functions(source: Source) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield every function of the file, methods and inner ones too."""
    for node in ast.walk(source.tree()):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def long_functions(source: Source) -> Iterator[str]:
    for node in functions(source):
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        if lines > MAX_FUNCTION_LINES:
            yield f"{source.path}:{node.lineno}: {node.name} has {lines} lines, the limit is {MAX_FUNCTION_LINES}"


def long_files(source: Source) -> Iterator[str]:
    lines = source.text.count("\n")
    if lines > MAX_FILE_LINES:
        yield f"{source.path}: {lines} lines, the limit is {MAX_FILE_LINES}"


def is_broad(kind: ast.expr | None) -> bool:
    """Say whether an except clause takes every error."""
    if kind is None:
        return True
    names = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    return any(dotted(name) in {"Exception", "BaseException"} for name in names)


def swallowed_errors(source: Source) -> Iterator[str]:
    for node in ast.walk(source.tree()):
        if isinstance(node, ast.ExceptHandler):
            where = f"{source.path}:{node.lineno}"
            if node.type is None:
                yield f"{where}: a bare except"
            elif is_broad(node.type) and all(isinstance(line, ast.Pass | ast.Continue) for line in node.body):
                yield f"{where}: every error is swallowed"
        elif isinstance(node, ast.Call) and dotted(node.func).endswith("suppress") and any(map(is_broad, node.args)):
            yield f"{source.path}:{node.lineno}: suppress() of every error"


def hidden_inputs(source: Source) -> Iterator[str]:
    """Wall clock and chance outside the folders that may ask for them."""
    if not source.path.startswith("services/") or source.path.startswith(IMPURE_FOLDERS):
        return
    for node in ast.walk(source.tree()):
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = {alias.name.split(".")[0] for alias in node.names}
            if isinstance(node, ast.ImportFrom):
                modules = {(node.module or "").split(".")[0]} if node.level == 0 else set()
                names = {f"{node.module}.{alias.name}" for alias in node.names}
                for name in sorted(names & IMPURE_NAMES):
                    yield f"{source.path}:{node.lineno}: {name} is for runtime/ only"
            for module in sorted(modules & IMPURE_MODULES):
                yield f"{source.path}:{node.lineno}: {module} is for runtime/ only"
        elif isinstance(node, ast.Attribute) and dotted(node) in IMPURE_NAMES:
            yield f"{source.path}:{node.lineno}: {dotted(node)} is for runtime/ only"


def sleeping_tests(source: Source) -> Iterator[str]:
    if not source.path.startswith("tests/"):
        return
    for node in ast.walk(source.tree()):
        if isinstance(node, ast.Call) and dotted(node.func) in {"time.sleep", "asyncio.sleep", "sleep", "anyio.sleep"}:
            zero = node.args and isinstance(node.args[0], ast.Constant) and node.args[0].value == 0
            if not zero:  # sleep(0) only lets other tasks run: it waits for nothing
                yield f"{source.path}:{node.lineno}: wait for a condition instead of sleeping"


def unfinished_work(source: Source) -> Iterator[str]:
    for number, line in enumerate(source.text.splitlines(), 1):
        if UNFINISHED.search(line) or UNFINISHED_NAME in line:
            yield f"{source.path}:{number}: unfinished: {line.strip()}"


def machine_paths(source: Source) -> Iterator[str]:
    for number, line in enumerate(source.text.splitlines(), 1):
        if MACHINE_PATHS.search(line):
            yield f"{source.path}:{number}: a path of one machine: {line.strip()[:100]}"


def asserts(node: ast.AST, helpers: frozenset[str] = frozenset()) -> bool:
    """Say whether this code can fail: by assert, raise, pytest.raises/fail/warns, or a call of one of `helpers`."""
    for part in ast.walk(node):
        if isinstance(part, ast.Assert | ast.Raise):
            return True
        if isinstance(part, ast.Call):
            name = part.func.attr if isinstance(part.func, ast.Attribute) else dotted(part.func)
            if name in {"raises", "fail", "warns"} or name in helpers:
                return True
    return False


def asserting_helpers(sources: Iterable[Source]) -> frozenset[str]:
    """Return the names of the tests' own helper functions that assert something, by themselves or by another one."""
    bodies = [
        (node.name, node)
        for source in sources
        if source.path.startswith("tests/")
        for node in functions(source)
        if not node.name.startswith("test_")
    ]
    found: frozenset[str] = frozenset()
    while True:
        grown = frozenset(name for name, node in bodies if asserts(node, found))
        if grown == found:
            return found
        found = grown


def idle_tests(source: Source) -> Iterator[str]:
    if not Path(source.path).name.startswith("test_"):
        return
    for node in functions(source):
        if node.name.startswith("test_") and not asserts(node, HELPERS):
            yield f"{source.path}:{node.lineno}: {node.name} asserts nothing"


RULES: dict[str, Rule] = {
    rule.__name__: rule
    for rule in (
        long_functions,
        long_files,
        swallowed_errors,
        hidden_inputs,
        sleeping_tests,
        unfinished_work,
        machine_paths,
        idle_tests,
    )
}


def python_sources() -> list[Source]:
    """Read every Python file that we wrote."""
    paths = [
        path
        for folder in ("services", "tests", "bench", "tools")
        for path in sorted((ROOT / folder).rglob("*.py"))
        if not SKIPPED_PARTS & set(path.parts) and GENERATED not in path.parents
    ]
    return [Source(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")) for path in paths]


SOURCES = python_sources()
HELPERS = asserting_helpers(SOURCES)


def test_there_are_files_to_judge() -> None:
    assert any(source.path == "tests/test_tidy.py" for source in SOURCES)
    assert any(source.path.startswith("services/passerelle/") for source in SOURCES)


@pytest.mark.parametrize("name", RULES)
def test_the_code_is_tidy(name: str) -> None:
    findings = [finding for source in SOURCES for finding in RULES[name](source)]
    assert not findings, "\n".join(findings)


def test_texts_name_no_machine() -> None:
    """Other texts of the project: no path of one machine, no registry address in a lock."""
    kinds = {".md", ".yaml", ".yml", ".toml", ".sh", ".proto", ".sql", ".in", ".lock", ".html", ".json"}
    roots = [
        ROOT / name
        for name in ("docs", "contracts", "deploy", "protos", "requirements", "samples", "services", "tools", ".ci")
    ]
    paths = [path for root in roots for path in root.rglob("*") if path.suffix in kinds]
    paths += [path for path in ROOT.iterdir() if path.suffix in kinds or path.name == "Makefile"]
    paths.append(ROOT / ".ci" / "run")
    assert any(path.name == "pyproject.toml" for path in paths)
    findings: list[str] = []
    for path in paths:
        source = Source(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
        findings += machine_paths(source)
        if path.suffix == ".lock" and re.search(r"https?://|--index-url|--find-links", source.text):
            findings.append(f"{source.path}: a registry address")
    assert not findings, "\n".join(findings)


BAD_CODE = {
    "long_functions": ("services/a.py", "def f() -> None:\n" + "    x = 1\n" * MAX_FUNCTION_LINES),
    "long_files": ("services/a.py", "\n" * (MAX_FILE_LINES + 1)),
    "swallowed_errors": ("services/a.py", "try:\n    f()\nexcept Exception:\n    pass\n"),
    "hidden_inputs": ("services/passerelle/core/a.py", "import time\nnow = time.time\n"),
    "sleeping_tests": ("tests/a.py", "import time\ntime.sleep(1)\n"),
    "unfinished_work": ("services/a.py", "# TO" + "DO: later\n"),
    "machine_paths": ("services/a.py", 'x = "/ho' + 'me/ana/data"\n'),
    "idle_tests": ("tests/test_a.py", "def test_nothing() -> None:\n    f()\n"),
}


@pytest.mark.parametrize("name", RULES)
def test_each_rule_finds_bad_code(name: str) -> None:
    path, text = BAD_CODE[name]
    assert list(RULES[name](Source(path, text)))


@pytest.mark.parametrize(
    "text",
    [
        "from secrets import token_bytes\n",
        "import random\n",
        "from uuid import uuid4\n",
        "import datetime\nx = datetime.datetime.now(datetime.UTC)\n",
        "from datetime import datetime\nx = datetime.now()\n",
    ],
)
def test_hidden_inputs_are_found_in_every_spelling(text: str) -> None:
    assert list(hidden_inputs(Source("services/passerelle/ledger/a.py", text)))
    assert not list(hidden_inputs(Source("services/passerelle/runtime/a.py", text)))


@pytest.mark.parametrize("text", ["try:\n    f()\nexcept:\n    g()\n", "with suppress(Exception):\n    f()\n"])
def test_swallowing_is_found_in_every_spelling(text: str) -> None:
    assert list(swallowed_errors(Source("services/a.py", text)))
