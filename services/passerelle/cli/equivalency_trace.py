"""How traces look in a terminal, in English or French: rules tried, clauses with the values compared, tables read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from passerelle.cli import answering
from passerelle.cli.equivalency_show import VERDICTS, chosen, plain

if TYPE_CHECKING:
    from rich.tree import Tree

KINDS: Final = {
    "leaf": ("course", "cours"),
    "all_of": ("all of", "tous"),
    "any_of": ("any of", "au moins un de"),
    "n_of": ("so many of", "un certain nombre parmi"),
    "credits_from": ("credits from", "crédits parmi"),
}
TRIED: Final = ("Rules tried: {count}", "Règles essayées : {count}")
NONE_TRIED: Final = ("No rule names it.", "Aucune règle ne la nomme.")
TABLE: Final = ("table read", "table lue")


def show_line_traces(lines: Iterable[Any], lang: str) -> None:
    """The trace of each line of a transcript that has one."""
    out = answering.console()
    for line in lines:
        if line.HasField("trace"):
            out.print(_tree(line.trace, lang, f"{line.line}  "))


def show_tried(response: Any, lang: str) -> None:
    """The traces of a look-up, and the position that they are about."""
    out = answering.console()
    count = len(response.traces)
    out.print(chosen(TRIED, lang).format(count=count) if count else chosen(NONE_TRIED, lang))
    for trace in response.traces:
        out.print(_tree(trace, lang))
    out.print(answering.position_text(response.position, lang))


def _tree(trace: Any, lang: str, before: str = "") -> Tree:
    from rich.tree import Tree

    verdict = answering.word(trace.DESCRIPTOR.fields_by_name["match"].enum_type, trace.match)
    root = Tree(plain(f"{before}{trace.rule} v{trace.version}  {trace.receiver}  {chosen(VERDICTS[verdict], lang)}"))
    for reason in trace.reasons:
        root.add(plain(answering.reason_text(reason, lang)))
    if trace.HasField("root"):
        _grow_clause(root, trace.root, lang)
    for table in trace.tables:
        root.add(plain(f"{chosen(TABLE, lang)}: {table}"))
    return root


def _grow_clause(branch: Tree, clause: Any, lang: str) -> None:
    words = ["✓" if clause.met else "✗", chosen(KINDS[clause.kind], lang), clause.achievement]
    if clause.used_lines:
        words.append(f"({', '.join(str(number) for number in clause.used_lines)})")
    inner = branch.add(plain(" ".join(word for word in words if word)))
    for reason in (*clause.reasons, *clause.compared):
        inner.add(plain(answering.reason_text(reason, lang)))
    for part in clause.parts:
        _grow_clause(inner, part, lang)
