"""``passerelle portability``: is an achievement portable, where, and on whose word."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from passerelle.cli import answering, portability_frameworks
from passerelle.cli.answering import (
    QUERY_DEFAULT,
    KnownAtOption,
    LangOption,
    MinPositionOption,
    QueryOption,
    SignOption,
    TimeoutOption,
)
from passerelle.cli.asking import AchievementArgument, AskedOnOption, Asking, GivenOption, asks
from passerelle.cli.common import JsonOption, print_json
from passerelle.core.errors import FormatError

app = typer.Typer(no_args_is_help=True)
app.command("leads-to")(portability_frameworks.leads_to)
app.command("levels")(portability_frameworks.levels)

WORDS: Final = {
    "portable": ("portable", "transférable"),
    "not-portable": ("not portable", "non transférable"),
    "unknown": ("unknown", "inconnu"),
    "met": ("met", "satisfait"),
    "not-met": ("not met", "non satisfait"),
    "missing": ("What is missing", "Ce qui manque"),
    "recognised": ("recognised by", "reconnu par"),
    "law": ("Grounds in law", "Fondement en droit"),
    "portable-with": ("To be portable", "Pour être transférable"),
    "proof": (
        "Proof of an entry: passerelle proof get --index N.",
        "Preuve d'une inscription : passerelle proof get --index N.",
    ),
    "proofs": ("Entries proved: {}; left out: {}.", "Inscriptions prouvées : {}; omises : {}."),
    "absent": ("not stated", "non indiqué"),
    "built-in": ("built in", "intégrée"),
    "ledger": ("ledger entry", "inscription du registre"),
}
GROUNDS: Final = {
    "endorsement": ("endorses it", "l'appuie"),
    "rule": ("a published rule", "une règle publiée"),
    "block": ("block transfer", "transfert en bloc"),
    "standing": ("professional standing", "reconnaissance professionnelle"),
    "law": ("by law", "de droit"),
}


@app.callback()
def portability() -> None:
    """Is an achievement portable across provinces."""


def _word(name: str, lang: str) -> str:
    return WORDS[name][lang == "fr"]


@app.command()
def assess(
    achievement: AchievementArgument,
    jurisdiction: Annotated[
        list[str] | None, typer.Option("--jurisdiction", help="Where: CA-NS; again for more; all provinces otherwise.")
    ] = None,
    pack: Annotated[str, typer.Option("--pack", help="Policy pack; portability-national otherwise.")] = "",
    asked_on: AskedOnOption = "",
    known_at: KnownAtOption = None,
    min_position: MinPositionOption = 0,
    query: QueryOption = QUERY_DEFAULT,
    given: GivenOption = None,
    lisbon: Annotated[
        bool, typer.Option("--lisbon", help="Recognised unless a receiver states a substantial difference.")
    ] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Show each clause's rule, part by part.")] = False,
    proofs: Annotated[
        bool, typer.Option("--proofs", help="With the proofs of the named entries; they go into --sign and --json.")
    ] = False,
    lang: LangOption = None,
    timeout: TimeoutOption = 10.0,
    sign: SignOption = None,
    json: JsonOption = False,
) -> None:
    """Judge one achievement by a policy pack, with the evidence, and say who recognises it where."""
    from passerelle.api.portability.v1 import portability_pb2 as pb
    from passerelle.client import Portability

    if lisbon and pack:
        raise FormatError(
            "argument-invalid", "--lisbon asks by a pack of its own.", where="--pack", fix="Leave one out."
        )
    request = pb.AssessRequest(
        achievement=achievement,
        pack="lisbon" if lisbon else pack,
        given=given_facts(given),
        asked_on=asked_on,
        jurisdictions=jurisdiction or (),
        min_position=min_position,
        known_at=answering.known_at(known_at) or None,
        signed=sign is not None,
        with_proofs=proofs,
    )
    response = answering.ask_one(query, Portability.ASSESS, request, timeout)
    answering.keep_signed(sign, response)
    if json:
        print_json(answering.as_json(response))
        return
    _show(response, answering.language(lang))
    if explain:
        show_clauses(response, answering.language(lang))
    if proofs:
        counts = _word("proofs", answering.language(lang)).format(len(response.proofs), response.proofs_left_out)
        answering.console().print(counts)


def given_facts(rows: list[str] | None) -> dict[str, float]:
    """``NAME=NUMBER`` as facts of a case. Raises FormatError ``argument-invalid``."""
    facts = {}
    for row in rows or ():
        name, _, value = row.partition("=")
        try:
            facts[name] = float(value)
        except ValueError:
            raise FormatError(
                "argument-invalid",
                "This is not a name and a number.",
                where="--given",
                fix="Write case.plar_share=0.4.",
            ) from None
    return facts


@app.command()
@asks(10.0, min_position=False)
def packs(
    asking: Asking,
    asked_on: Annotated[str, typer.Option("--asked-on", help="In force on this date, YYYY-MM-DD.")] = "",
) -> None:
    """The policy packs that the service knows: those in force, and where they come from."""
    from passerelle.api.portability.v1 import portability_pb2 as pb
    from passerelle.client import Portability

    response = asking.one(Portability.LIST_PACKS, pb.ListPacksRequest(asked_on=asked_on, **asking.moment()))
    if asking.json:
        print_json(answering.as_json(response))
        return
    from rich.table import Table

    chosen = asking.language
    table = Table(
        "id", "v", "titre" if chosen == "fr" else "title", "source", "origine" if chosen == "fr" else "origin"
    )
    for one in response.packs:
        title = answering.name_of(one.title, chosen, one.id)
        table.add_row(one.id, str(one.version), title, one.source, _origin(one.used, chosen))
    answering.console().print(table)


def _show(response: Any, lang: str) -> None:
    from rich.markup import escape
    from rich.tree import Tree

    verdict = answering.word(response.DESCRIPTOR.fields_by_name["verdict"].enum_type, response.verdict)
    root = Tree(f"[bold]{escape(response.title)}[/bold]  {response.achievement}: [bold]{_word(verdict, lang)}[/bold]")
    for one in response.criteria:
        finding = answering.word(one.DESCRIPTOR.fields_by_name["finding"].enum_type, one.finding)
        branch = root.add(f"{one.id} ({one.force}): [bold]{_word(finding, lang)}[/bold]")
        for proof in one.evidence:
            branch.add(escape(f"{proof.index}  {proof.member}  {proof.subject}"))
        for reason in one.reasons:
            branch.add(escape(answering.reason_text(reason, lang)))
    if response.grounds_in_law:
        branch = root.add(_word("law", lang))
        for ground in response.grounds_in_law:
            branch.add(escape(answering.name_of(ground.message, lang, ground.code)))
    for place in response.jurisdictions:
        verdict = answering.word(place.DESCRIPTOR.fields_by_name["verdict"].enum_type, place.verdict)
        branch = root.add(f"{place.jurisdiction}: [bold]{_word(verdict, lang)}[/bold]")
        for body in place.recognised_by:
            who = answering.name_of(body.names, lang, body.member)
            ground = GROUNDS.get(body.ground, (body.ground, body.ground))[lang == "fr"]
            branch.add(escape(f"{_word('recognised', lang)} {who}: {ground} ({body.subject}, {body.index})"))
        if place.missing:
            why = branch.add(_word("portable-with", lang))
            for reason in place.missing:
                why.add(escape(answering.reason_text(reason, lang)))
    if response.missing:
        branch = root.add(_word("missing", lang))
        for reason in response.missing:
            branch.add(escape(answering.reason_text(reason, lang)))
    out = answering.console()
    out.print(root)
    out.print(f"{response.pack} v{response.pack_version} ({_origin(response.pack_used, lang)})")
    for note in response.pack_used.notes:
        out.print(escape(answering.reason_text(note, lang)))
    out.print(answering.position_text(response.position, lang))


def _origin(used: Any, lang: str) -> str:
    """Where a pack comes from."""
    if used.origin == "ledger":
        return f"{_word('ledger', lang)} {used.evidence.index}, {used.evidence.member}"
    return _word("built-in", lang)


def show_clauses(response: Any, lang: str) -> None:
    """Every clause of an answer with the parts of its rule, what they read, and the entries behind them."""
    from rich.markup import escape
    from rich.tree import Tree

    root = Tree(f"[bold]{escape(response.pack)}[/bold] v{response.pack_version} ({_origin(response.pack_used, lang)})")
    for one in response.clauses:
        _add_clause(root, one, lang)
    out = answering.console()
    out.print(root)
    out.print(_word("proof", lang))


def _add_clause(root: Any, one: Any, lang: str) -> None:
    from rich.markup import escape

    branch = root.add(f"{one.id} ({one.force}): [bold]{_finding(one, lang)}[/bold]")
    branch.add(escape(answering.name_of(one.message, lang, one.id)))
    _add_part(branch, one.explained, lang)
    for reason in one.reasons:
        branch.add(escape(answering.reason_text(reason, lang)))
    for proof in one.evidence:
        branch.add(escape(f"{proof.index}  {proof.member}  {proof.subject}"))


def _finding(one: Any, lang: str) -> str:
    return _word(answering.word(one.DESCRIPTOR.fields_by_name["finding"].enum_type, one.finding), lang)


def _add_part(branch: Any, part: Any, lang: str) -> None:
    from rich.markup import escape

    inner = branch.add(f"{escape(part.text)}: [bold]{_finding(part, lang)}[/bold]")
    for field in part.fields:
        value = _word("absent", lang) if field.absent else field.value
        inner.add(escape(f"{answering.name_of(field.says, lang, field.name)}: {value}"))
    for one in part.parts:
        _add_part(inner, one, lang)


@app.command()
@asks(10.0, min_position=False, sign=True)
def profile(
    asking: Asking,
    achievement: AchievementArgument,
    pack: Annotated[list[str] | None, typer.Option("--pack", help="A pack; again for more; all otherwise.")] = None,
    asked_on: AskedOnOption = "",
) -> None:
    """One achievement by every definition in force: what each asks, and what is met, not met or unknown."""
    from passerelle.api.portability.v1 import portability_pb2 as pb
    from passerelle.client import Portability

    request = pb.ProfileRequest(
        achievement=achievement,
        packs=pack or (),
        asked_on=asked_on,
        **asking.moment(),
        signed=asking.sign is not None,
    )
    response = asking.one(Portability.PROFILE, request)
    answering.keep_signed(asking.sign, response)
    if asking.json:
        print_json(answering.as_json(response))
        return
    from rich.markup import escape
    from rich.tree import Tree

    chosen = asking.language
    root = Tree(f"[bold]{escape(response.title)}[/bold]  {response.achievement}")
    for one in response.packs:
        title = escape(answering.name_of(one.pack.title, chosen, one.pack.id))
        branch = root.add(f"{title}: [bold]{_finding(one, chosen)}[/bold] ({_origin(one.pack.used, chosen)})")
        for clause in one.clauses:
            text = escape(answering.name_of(clause.message, chosen, clause.id))
            branch.add(f"{text} ({clause.force}): [bold]{_finding(clause, chosen)}[/bold]")
    out = answering.console()
    out.print(root)
    out.print(answering.position_text(response.position, chosen))
