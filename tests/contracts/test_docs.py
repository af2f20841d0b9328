"""The documentation says what the code does: links, commands, settings, metrics, topics, codes, names of the code.

Each check is a function from a page to its findings, and is tried below on a small wrong page: a check that finds
nothing anywhere proves nothing.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer.main

from passerelle.cli.main import AREAS
from passerelle.core import errors
from passerelle.core.errors import CODES, PasserelleError
from passerelle.events.topics import FOR_EVER, INBOX_TEMPLATE, TOPICS
from passerelle.gateway.config import GatewayConfig
from passerelle.insight.config import InsightConfig
from passerelle.ledger.config import LedgerConfig
from passerelle.node.config import NodeConfig, WitnessConfig
from passerelle.portal.config import FeedLimits, PortalConfig
from passerelle.query.config import QueryConfig
from passerelle.runtime.config import DatabaseConfig, KafkaConfig, ServerConfig, ServiceConfig, TelemetryConfig

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "services" / "passerelle"
ERRORS = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, PasserelleError)}
DAY_MS = 24 * 60 * 60 * 1000
CONFIGS = (
    ServiceConfig, KafkaConfig, DatabaseConfig, ServerConfig, TelemetryConfig, LedgerConfig, NodeConfig, WitnessConfig,
    QueryConfig, GatewayConfig, PortalConfig, FeedLimits, InsightConfig,
)  # fmt: skip

_LINK = re.compile(r"!?\[[^\]\n]*\]\(([^)\s]+)(?: \"[^\"]*\")?\)")
_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>[\w-]*)\n(?P<text>.*?)^(?P=indent)```", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"`((?:[^`\n]|\n(?!\n))+)`")
_CODE_REFERENCE = re.compile(r"^((?:[a-z_]+/)+[a-z_0-9]+\.py)(?:: ([A-Za-z_]+)(?:\.([a-z_]+))?)?$")
_TABLE_REFERENCE = re.compile(r"^(ledger|read|node)\.(?!toml$)([a-z_]+)$")
_METRIC = re.compile(r"[(]\s*\"(passerelle_[a-z_]+)\"")
_MACHINE_PATH = re.compile(r"(?<![\w./-])/(?:wo" + r"rk|ro" + r"ot|home/\w+|Users/\w+)(?:/|\b)")
_SHELLS = frozenset({"sh", "bash", "console"})


@dataclass(frozen=True)
class Page:
    """One page: its path relative to the repository, and its text."""

    path: str
    text: str

    @property
    def prose(self) -> str:
        """The text without its code blocks."""
        return _FENCE.sub("", self.text)

    def inline(self) -> Iterator[str]:
        """What stands between single back-ticks outside code blocks."""
        for found in _INLINE.finditer(self.prose):
            yield " ".join(found[1].split())


def pages() -> list[Page]:
    """Every page that people are meant to read."""
    paths = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    for more in ("deploy", "contracts", "samples", "bench"):
        paths += (ROOT / more).rglob("*.md")
    return [Page(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")) for path in sorted(paths)]


# Links


def anchors(text: str) -> set[str]:
    """The anchors that headings get where Markdown is rendered on code hosts."""
    found = set()
    for line in _FENCE.sub("", text).splitlines():
        if line.startswith("#"):
            plain = re.sub(r"[^\w\- ]", "", line.lstrip("#").strip().lower())
            found.add(plain.replace(" ", "-"))
    return found


def broken_links(page: Page) -> Iterator[str]:
    for found in _LINK.finditer(page.prose):
        target, _, anchor = found[1].partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        path = ((ROOT / page.path).parent / target).resolve() if target else ROOT / page.path
        if not path.exists():
            yield f"{page.path}: {target} is not there"
        elif anchor and path.suffix == ".md" and anchor not in anchors(path.read_text(encoding="utf-8")):
            yield f"{page.path}: {found[1]} has no such heading"


# Commands


@cache
def command_of(area: str) -> Any | None:
    """The command tree of an area, None while its module is absent."""
    if importlib.util.find_spec(f"passerelle.cli.{area}") is None:
        return None
    return typer.main.get_command(importlib.import_module(f"passerelle.cli.{area}").app)


def shell_lines(text: str) -> Iterator[str]:
    """The commands of a page's shell blocks, continued lines joined, prompts and comments taken off."""
    for block in _FENCE.finditer(text):
        if block["language"] in _SHELLS:
            for line in block["text"].replace("\\\n", " ").splitlines():
                bare = line.strip().removeprefix("$ ")
                if bare and not bare.startswith("#"):
                    yield bare


def options_of(command: Any) -> dict[str, bool]:
    """The options of a command, each with whether it takes a value."""
    found = {"--help": False, "-h": False}
    for parameter in command.params:
        if parameter.param_type_name == "option":
            takes = not (parameter.is_flag or parameter.count)
            found.update(dict.fromkeys((*parameter.opts, *parameter.secondary_opts), takes))
    return found


def wrong_call(words: list[str], *, whole: bool) -> str | None:
    """Why a call `passerelle <words>` would not be understood; ``whole``: as typed, not as mentioned in a sentence."""
    if not words or words[0].isupper() or words[0] == "...":
        return None
    if words[0] not in AREAS:
        return f"there is no command {words[0]}"
    command, rest = command_of(words[0]), words[1:]
    if command is None:
        return f"the command {words[0]} is not there yet"
    while rest and hasattr(command, "commands") and not rest[0].startswith("-"):
        if rest[0] == "..." or rest[0].isupper():
            return None
        if rest[0] not in command.commands:
            return f"{words[0]} has no command {rest[0]}"
        command, rest = command.commands[rest[0]], rest[1:]
    return _wrong_rest(command, rest, whole=whole)


def _wrong_rest(command: Any, rest: list[str], *, whole: bool) -> str | None:
    known, given, at = options_of(command), 0, 0
    while at < len(rest):
        name, _, value = rest[at].partition("=")
        if not name.startswith("-") or name == "-":
            given += 1
        elif name not in known:
            return f"{command.name} has no option {name}"
        elif known[name] and not value:
            at += 1
        at += 1
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    least = sum(parameter.required for parameter in arguments)
    most = sum(parameter.nargs if parameter.nargs > 0 else 1000 for parameter in arguments)
    if whole and not least <= given <= most:
        return f"{command.name} takes {least} to {most} arguments, not {given}"
    absent = [
        parameter.opts[0]
        for parameter in command.params
        if parameter.param_type_name == "option" and parameter.required and not parameter.envvar
        if not any(word.partition("=")[0] in parameter.opts for word in rest)
    ]
    return f"{command.name} needs {absent[0]}" if whole and absent else None


def wrong_commands(page: Page) -> Iterator[str]:
    for line in shell_lines(page.text):
        words = shlex.split(line, comments=True)
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            words = words[1:]
        if words and words[0].rpartition("/")[2] == "passerelle":
            for end in ("|", ">", "&&", ";"):
                words = words[: words.index(end)] if end in words else words
            if (why := wrong_call(words[1:], whole=True)) is not None:
                yield f"{page.path}: {line}: {why}"
    for mention in page.inline():
        words = mention.split()
        if words[0] == "passerelle" and "|" not in mention:
            plain = [word.strip("[]") for word in words[1:]]
            if (why := wrong_call(plain, whole=False)) is not None:
                yield f"{page.path}: {mention}: {why}"


def make_targets() -> set[str]:
    """The targets of the Makefile."""
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def wrong_targets(page: Page) -> Iterator[str]:
    targets = make_targets()
    for line in (*shell_lines(page.text), *page.inline()):
        words = line.split()
        if words[0] == "make" and len(words) > 1 and re.fullmatch("[a-z-]+", words[1]) and words[1] not in targets:
            yield f"{page.path}: make has no target {words[1]}"


# Names of the code


def wrong_names(page: Page) -> Iterator[str]:
    for mention in page.inline():
        if (found := _CODE_REFERENCE.match(mention)) is not None:
            yield from _wrong_reference(page, mention, found)
        elif (table := _TABLE_REFERENCE.match(mention)) is not None and table[0] not in relations():
            yield f"{page.path}: there is no table or view {mention}"


def _wrong_reference(page: Page, mention: str, found: re.Match[str]) -> Iterator[str]:
    path, name, method = found.groups()
    places = [base / path for base in (PACKAGE, ROOT)]
    file = next((place for place in places if place.is_file()), None)
    if file is None:
        yield f"{page.path}: there is no file {path}"
        return
    text = file.read_text(encoding="utf-8")
    if name is not None and not re.search(rf"^(?:async def|def|class) {name}\b|^{name}(?::.*)? =", text, re.MULTILINE):
        yield f"{page.path}: {mention}: the file has no {name}"
    if method is not None and not re.search(rf"^    (?:async )?def {method}\b", text, re.MULTILINE):
        yield f"{page.path}: {mention}: the file has no method {method}"


@cache
def relations() -> frozenset[str]:
    """Every table and view that the migrations make."""
    found: set[str] = set()
    for script in PACKAGE.rglob("migrations/*.sql"):
        found.update(re.findall(r"^CREATE (?:TABLE|VIEW) (\w+\.\w+)", script.read_text(encoding="utf-8"), re.MULTILINE))
    return frozenset(found)


def wrong_codes(page: Page) -> Iterator[str]:
    """Codes told as `refused <code>` or listed as `code: <code>`: they must be in the table."""
    for mention in page.inline():
        if re.fullmatch(r"refused [a-z][a-z-]+", mention) and mention.split()[1] not in CODES:
            yield f"{page.path}: there is no code {mention.split()[1]}"


def machine_paths(page: Page) -> Iterator[str]:
    for number, line in enumerate(page.text.splitlines(), 1):
        if _MACHINE_PATH.search(line):
            yield f"{page.path}:{number}: a path of one machine"


CHECKS = (broken_links, wrong_commands, wrong_targets, wrong_names, wrong_codes, machine_paths)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: str(check.__name__))
def test_every_page_is_true(check: Any) -> None:
    found = [finding for page in pages() for finding in check(page)]
    assert not found, "\n".join(found)


WRONG_PAGES = {
    broken_links: "See [there](no-such-file.md) and [here](#no-such-heading).",
    wrong_commands: "```sh\npasserelle ledger run --no-such-option x --config a.toml\n```\nand `passerelle flower`\n",
    wrong_targets: "Run `make flowers`.",
    wrong_names: "In `core/errors.py: NoSuchName`, `core/nothing.py` and `ledger.flowers`.",
    wrong_codes: "It is `refused no-such-code`.",
    machine_paths: "It lies in /" + "root/x.",
}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: str(check.__name__))
def test_a_wrong_page_is_found(check: Any) -> None:
    findings = list(check(Page("docs/wrong.md", WRONG_PAGES[check])))
    expected = {wrong_names: 3, broken_links: 2, wrong_commands: 2}.get(check, 1)
    assert len(findings) == expected, findings


def test_arguments_and_required_options_are_counted() -> None:
    assert wrong_call(["ledger", "run", "surplus", "--config", "ledger.toml"], whole=True)
    assert wrong_call(["ledger", "run", "--config", "ledger.toml"], whole=True) is None
    assert wrong_call(["feed", "verify", "--kafka", "127.0.0.1:9092"], whole=True)


# Whole pages that must be complete


def read(name: str) -> str:
    """One page of docs/."""
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def test_error_page_is_the_table_of_the_code() -> None:
    spec = importlib.util.spec_from_file_location("errors_doc", ROOT / "tools" / "errors_doc.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert read("errors.md") == module.render(CODES), "run python tools/errors_doc.py"


def raised_codes(text: str) -> Iterator[tuple[int, str]]:
    """Line and code of each error that is made with a code written out."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            name = node.func.id if isinstance(node.func, ast.Name) else ""
            if name in ERRORS and isinstance(node.args[0].value, str):
                yield node.lineno, node.args[0].value


def test_every_code_that_is_raised_is_in_the_table() -> None:
    assert list(raised_codes("raise Fatal('no-such-code', 'text')")) == [(1, "no-such-code")]
    unknown = [
        f"{path.relative_to(ROOT)}:{line}: {code}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for line, code in raised_codes(path.read_text(encoding="utf-8"))
        if code not in CODES
    ]
    assert not unknown, unknown


def missing(names: Iterable[str], text: str) -> list[str]:
    """The names that the text does not hold between back-ticks."""
    return sorted(name for name in names if f"`{name}`" not in text)


def test_operating_page_names_every_setting() -> None:
    text = read("operating.md")
    for config in CONFIGS:
        assert not missing(config.model_fields, text), config.__name__


def test_operating_page_names_every_metric() -> None:
    metrics = {
        name
        for path in PACKAGE.rglob("*.py")
        if "prometheus_client" in (source := path.read_text(encoding="utf-8"))
        for name in _METRIC.findall(source)
    }
    assert metrics, "no metric was found in the code"
    assert not missing((name.removesuffix("_total") for name in metrics), read("operating.md"))


def kept(retention_ms: int) -> str:
    """How long records are kept, as the page says it."""
    return "for ever" if retention_ms == FOR_EVER else f"{retention_ms // DAY_MS} days"


def test_operating_page_lists_every_topic() -> None:
    rows = {
        line.split("|")[1].strip(" `"): line for line in read("operating.md").splitlines() if line.startswith("| `")
    }
    for name, spec in TOPICS.items():
        cells = [cell.strip() for cell in rows[name].split("|")]
        assert cells[2] == str(spec.partitions), name
        assert cells[3] == ("compacted" if spec.cleanup == "compact" else kept(spec.retention_ms)), name
    assert INBOX_TEMPLATE.format(member="<member>") in rows


def test_decisions_are_numbered_and_whole() -> None:
    files = sorted(path for path in (ROOT / "docs" / "adr").glob("*.md") if path.name != "README.md")
    assert [path.name[:4] for path in files] == [f"{number:04}" for number in range(1, len(files) + 1)]
    index = read("adr/README.md")
    for path in files:
        text = path.read_text(encoding="utf-8")
        title = text.splitlines()[0]
        assert title.startswith(f"# {path.name[:4]} "), path.name
        headings = [line for line in text.splitlines() if line.startswith("## ")]
        assert headings == ["## Context", "## Decision", "## Consequences", "## Measured"], path.name
        assert f"| [{path.name[:4]}]({path.name}) | {title[7:]} |" in index, path.name


def test_pictures_have_words() -> None:
    for picture in (ROOT / "docs" / "images").glob("*.svg"):
        text = picture.read_text(encoding="utf-8")
        assert "<title" in text, picture.name
        assert "<desc" in text, picture.name
        assert "prefers-color-scheme: dark" in text, picture.name
