"""``passerelle portability leads-to`` and ``levels``: questions about published frameworks."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from passerelle.cli import answering
from passerelle.cli.asking import Asking, asks
from passerelle.cli.common import print_json
from passerelle.core.errors import FormatError

SHORT_NAMES: Final = {
    "NOC": "noc-2021",
    "CNP": "noc-2021",
    "ESCO": "esco",
    "EQF": "eqf",
    "AQF": "aqf",
    "NZQCF": "nzqcf",
}
WORDS: Final = {
    "occupation": ("names the occupation (an indication)", "nomme la profession (à titre indicatif)"),
    "alignment": ("is aligned", "s'y rattache"),
    "ladders": ("leads into", "mène à"),
    "sufficient": ("sufficient for employment, says", "suffisante à l'emploi, selon"),
    "demand": ("Demand", "Besoin"),
    "none": ("Nothing published leads there.", "Rien de publié n'y mène."),
    "official": ("official", "officiel"),
    "published": ("published by one body", "publié par un organisme"),
    "indicative": ("indicative", "indicatif"),
}
Term = Annotated[str, typer.Argument(help="FRAMEWORK:CODE, for example NOC:22212 or eqf:5.")]


def _word(name: str, lang: str) -> str:
    return WORDS[name][lang == "fr"]


def read_term(text: str) -> tuple[str, str]:
    """Framework and code of ``NOC:22212``. Raises FormatError ``argument-invalid``."""
    name, _, code = text.partition(":")
    if not name or not code:
        raise FormatError(
            "argument-invalid", "This is not a framework and a code.", where="TERM", fix="Write NOC:22212."
        )
    return SHORT_NAMES.get(name.upper(), name), code


@asks(10.0, min_position=False)
def leads_to(
    asking: Asking,
    term: Term,
    jurisdiction: Annotated[str, typer.Option("--jurisdiction", help="Offered by members of: CA-NS.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most so many achievements.")] = 100,
) -> None:
    """Which credentials lead to an occupation or to a term of a framework, nearest first, and on whose word."""
    from passerelle.api.portability.v1 import portability_pb2 as pb
    from passerelle.client import Portability

    framework, code = read_term(term)
    request = pb.LeadsToRequest(
        framework=framework,
        code=code,
        jurisdiction=jurisdiction,
        page_size=min(limit, 1000),
        **asking.moment(),
    )
    first, leads = answering.ask_pages(asking.query, Portability.LEADS_TO, request, "leads", limit, asking.timeout)
    if asking.json:
        shown = answering.as_json(first)
        shown["leads"] = [answering.as_json(one) for one in leads]
        shown.pop("next_page_token")
        print_json(shown)
        return
    _show_leads(term, first, leads, asking.language)


def _show_leads(term: str, first: Any, leads: list[Any], lang: str) -> None:
    from rich.markup import escape
    from rich.tree import Tree

    root = Tree(f"[bold]{escape(term)}[/bold] {escape(first.title)}")
    for one in leads:
        who = answering.name_of(one.names, lang, one.member)
        branch = root.add(escape(f"{one.title}  {one.achievement}  {who}"))
        for ground in one.grounds:
            more = " ".join(filter(None, (ground.code, ground.strength, ground.level, ground.through)))
            branch.add(escape(f"{_word(ground.how, lang)}: {more} ({ground.evidence.index})"))
        if one.sufficient_for:
            branch.add(escape(f"{_word('sufficient', lang)}: {', '.join(one.sufficient_for)}"))
    for stated in first.demand:
        told = f"{_word('demand', lang)}: {stated.size}, {stated.region}, {stated.source} ({stated.stated_on})"
        root.add(escape(told))
    if not leads:
        root.add(_word("none", lang))
    out = answering.console()
    out.print(root)
    out.print(answering.position_text(first.position, lang))


@asks(10.0, min_position=False)
def levels(asking: Asking, term: Term) -> None:
    """Which levels of other frameworks stand beside a level, with the source that says so. Nothing is inferred."""
    from passerelle.api.portability.v1 import portability_pb2 as pb
    from passerelle.client import Portability

    framework, level = read_term(term)
    request = pb.CompareLevelRequest(framework=framework, level=level, **asking.moment())
    response = asking.one(Portability.COMPARE_LEVEL, request)
    if asking.json:
        print_json(answering.as_json(response))
        return
    chosen = asking.language
    for one in response.levels:
        print(f"{one.framework} {one.level}: {_word(one.confidence, chosen)}; {one.source} ({one.evidence.index})")
    for reason in response.reasons:
        print(answering.reason_text(reason, chosen))
    print(answering.position_text(response.position, chosen))
