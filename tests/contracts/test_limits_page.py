"""The table of limits is true: what it names exists, and where something is refused there is a metric to see it by.

And the code holds no queue or cache without a bound: what queues or caches is found here, and listed with its bound.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contracts.test_docs import _METRIC, CONFIGS, PACKAGE, read

from passerelle.core.errors import CODES
from passerelle.node.config import PushConfig, WatchConfig

_TICKED = re.compile(r"`([^`]+)`")
_HEAD = "| where | limit | setting | metric | at the limit |"
WORDS = {"resend-from", "failed", "row-left-out"}
"""Between back-ticks in the table, and neither a code nor a metric: a kind of letter, a folder, a label's value."""

BOUNDED = {
    "core/policycel.py": "lru_cache with a size",
    "ledger/check_run.py": "as many batches under way as there are processes",
    "ledger/recent.py": "rows and bytes, the oldest go first",
    "ledger/sequencer.py": "streams that have events waiting",
    "node/csv_codes.py": "lru_cache with a size",
    "node/csv_reader.py": "the lines of one row",
    "node/formats/schemas.py": "lru_cache with a size",
    "portal/hub.py": "capacity and bytes",
    "query/rpc/quick.py": "bytes of questions and answers, the longest unasked go first",
    "runtime/codelists.py": "lru_cache with a size: the bundled lists",
    "runtime/limits.py": "callers that are remembered",
}
"""Modules with something that queues or caches, each with its bound. A new one is listed here once it has one."""


def limits(text: str) -> list[list[str]]:
    """The rows of the table, five cells each."""
    _, _, rest = text.partition(_HEAD)
    rows = []
    for line in rest.splitlines()[2:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def settings() -> set[str]:
    """Every name that a configuration has, in whichever table."""
    return {name for config in (*CONFIGS, PushConfig, WatchConfig) for name in config.model_fields}


def metrics() -> set[str]:
    """Every metric of the code, as the page names it."""
    found = {name for path in PACKAGE.rglob("*.py") for name in _METRIC.findall(path.read_text(encoding="utf-8"))}
    return {name.removesuffix("_total") for name in found}


def wrong_rows(rows: list[list[str]], known: set[str], shown: set[str]) -> Iterator[str]:
    for row in rows:
        if len(row) != 5:
            yield f"{row[0]}: not five cells"
            continue
        where, limit, setting, metric, end = row
        if not (where and limit and end):
            yield f"{where}: limit and behaviour are stated"
        for name in _TICKED.findall(setting):
            if name.rpartition(".")[2] not in known:
                yield f"{where}: no configuration has {name}"
        for name in _TICKED.findall(metric):
            if name not in shown | WORDS:
                yield f"{where}: the code has no metric {name}"
        codes = [name.removeprefix("refused ") for name in _TICKED.findall(end)]
        for code in codes:
            if code not in CODES and code not in WORDS:
                yield f"{where}: there is no code {code}"
        if any(code in CODES for code in codes) and not metric:
            yield f"{where}: something is refused, and no metric says so"


def test_every_row_names_what_exists() -> None:
    rows = limits(read("operating.md"))
    assert len(rows) > 40
    assert not list(wrong_rows(rows, settings(), metrics()))


@pytest.mark.parametrize(
    "row",
    [
        "| a | 4 | `no_such_setting` | | waits |",
        "| a | 4 | | `passerelle_no_such_metric` | waits |",
        "| a | 4 | | | `no-such-code` |",
        "| a | 4 | | | `queue-full` |",
        "| a | 4 | | |  |",
        "| a | 4 | waits |",
    ],
)
def test_a_wrong_row_is_found(row: str) -> None:
    rows = limits(f"{_HEAD}\n|---|---|---|---|---|\n{row}\n")
    assert len(rows) == 1
    assert len(list(wrong_rows(rows, {"a_setting"}, {"passerelle_a_metric"}))) == 1


def test_every_bound_on_what_a_process_takes_is_a_setting_of_the_table() -> None:
    text = "\n".join("|".join(row) for row in limits(read("operating.md")))
    bounds = {name for name in settings() if re.search(r"_max(_mb|_kb)?$|^max_(?!wait)|_cached$|_burst$", name)}
    assert {"batch_max", "max_clients", "things_cached"} <= bounds
    assert not [name for name in sorted(bounds) if name not in text]


HOMES = {"collections", "functools", "queue", "asyncio"}


def growing(text: str) -> set[str]:
    """Which of the things that queue or cache a module makes."""
    names = {"deque", "Queue", "OrderedDict", "lru_cache", "cache", "SimpleQueue", "PriorityQueue", "LifoQueue"}
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.module in HOMES:
            found |= {one.name for one in node.names} & names
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            found |= {node.attr} & names if node.value.id in HOMES else set()
    return found


def modules() -> Iterator[tuple[str, set[str]]]:
    """What runs in services: not the doubles, the demonstration, or what is generated."""
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if not name.startswith(("testing/", "demo/", "embedded/", "api/", "cli/")):
            yield name, growing(Path(path).read_text(encoding="utf-8"))


def test_what_queues_or_caches_is_known_with_its_bound() -> None:
    found = {name for name, made in modules() if made}
    assert found == set(BOUNDED), "list each with what bounds it, and the limit in docs/operating.md"


def test_no_cache_is_without_a_size() -> None:
    assert growing("from functools import cache\nimport asyncio\nq = asyncio.Queue()\n") == {"cache", "Queue"}
    for name, made in modules():
        assert not made & {"cache", "Queue", "SimpleQueue", "PriorityQueue", "LifoQueue"}, name
        if "lru_cache" in made:
            text = (PACKAGE / name).read_text(encoding="utf-8")
            assert re.findall(r"@lru_cache\(maxsize=(?!None)", text), name
            assert "@lru_cache\n" not in text, name
