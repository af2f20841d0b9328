"""``passerelle equivalency``: what counts for what, asked of the query service."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from passerelle.cli import answering
from passerelle.cli.answering import (
    QUERY_DEFAULT,
    KnownAtOption,
    LangOption,
    MinPositionOption,
    QueryOption,
    TimeoutOption,
)
from passerelle.cli.common import JsonOption, print_json

if TYPE_CHECKING:
    from rich.tree import Tree

app = typer.Typer(no_args_is_help=True)
MAX_SHOWN: Final = 10_000

AchievementArgument = Annotated[str, typer.Argument(help="Achievement id, for example humber/revit-architecture.")]
ToOption = Annotated[str, typer.Option("--to", help="Receiving member; all otherwise.")]
JurisdictionOption = Annotated[str, typer.Option("--jurisdiction", help="Receivers in one jurisdiction: CA-NS.")]
ValidOnOption = Annotated[str, typer.Option("--valid-on", help="Completion date, YYYY-MM-DD; today otherwise.")]
LimitOption = Annotated[int, typer.Option("--limit", min=1, max=MAX_SHOWN, help="Most answers shown.")]

VERDICTS: Final = {
    "agreement": ("agreement", "entente"),
    "no-credit": ("no credit", "aucun crédit"),
    "case-by-case": ("case by case", "au cas par cas"),
    "under-evaluation": ("under evaluation", "à l'étude"),
    "never-evaluated": ("never evaluated", "jamais évalué"),
    "match": ("match", "correspond"),
    "maybe": ("maybe", "peut-être"),
    "miss": ("no match", "ne correspond pas"),
}
ADMISSION: Final = ("Credit is subject to admission.", "Les crédits sont accordés sous réserve de l'admission.")


@app.callback()
def equivalency() -> None:
    """What counts for what: published rules, refusals, and whole transcripts."""


def _chosen(pair: tuple[str, str], lang: str) -> str:
    return pair[1] if lang == "fr" else pair[0]


@app.command()
def find(
    achievement: AchievementArgument,
    to: ToOption = "",
    jurisdiction: JurisdictionOption = "",
    valid_on: ValidOnOption = "",
    known_at: KnownAtOption = None,
    min_position: MinPositionOption = 0,
    limit: LimitOption = 1_000,
    query: QueryOption = QUERY_DEFAULT,
    lang: LangOption = None,
    timeout: TimeoutOption = 10.0,
    json: JsonOption = False,
) -> None:
    """What a sending achievement counts for, at one receiver or everywhere."""
    from passerelle.api.equivalency.v1 import equivalency_pb2 as pb
    from passerelle.api.equivalency.v1 import equivalency_pb2_grpc as stubs

    asked: dict[str, Any] = {
        "achievement": achievement,
        "receiver": to,
        "jurisdiction": jurisdiction,
        "valid_on": valid_on,
        "min_position": min_position,
        "known_at": answering.known_at(known_at) or None,
    }
    _look_up(query, "Find", stubs, pb.FindRequest, asked, limit, timeout, answering.language(lang), json)


@app.command()
def reverse(
    achievement: AchievementArgument,
    sender: Annotated[str, typer.Option("--from", help="Sending member; all otherwise.")] = "",
    valid_on: ValidOnOption = "",
    known_at: KnownAtOption = None,
    min_position: MinPositionOption = 0,
    limit: LimitOption = 1_000,
    query: QueryOption = QUERY_DEFAULT,
    lang: LangOption = None,
    timeout: TimeoutOption = 10.0,
    json: JsonOption = False,
) -> None:
    """What counts for a receiver's course or programme."""
    from passerelle.api.equivalency.v1 import equivalency_pb2 as pb
    from passerelle.api.equivalency.v1 import equivalency_pb2_grpc as stubs

    asked: dict[str, Any] = {
        "achievement": achievement,
        "sender": sender,
        "valid_on": valid_on,
        "min_position": min_position,
        "known_at": answering.known_at(known_at) or None,
    }
    _look_up(query, "Reverse", stubs, pb.ReverseRequest, asked, limit, timeout, answering.language(lang), json)


def _look_up(
    query: str,
    method: str,
    stubs: Any,
    request: Any,
    asked: dict[str, Any],
    limit: int,
    timeout: float,
    lang: str,
    json: bool,
) -> None:
    async def call(channel: Any) -> Any:
        stub = stubs.EquivalencyServiceStub(channel)

        async def page(token: str) -> Any:
            return await getattr(stub, method)(request(**asked, page_token=token), timeout=timeout)

        return await answering.every_page(page, "answers", limit)

    first, answers = answering.ask(query, call)
    if json:
        shown = [answering.as_json(answer) for answer in answers]
        print_json({**answering.as_json(first), "answers": shown, "next_page_token": ""})
        return
    _show_answers(first, answers, lang, by_sending=method == "Reverse")


def _show_answers(first: Any, answers: list[Any], lang: str, *, by_sending: bool) -> None:
    from rich.tree import Tree

    root = Tree(f"[bold]{_plain(first.title)}[/bold]  {_plain(first.achievement)}")
    for answer in answers:
        rule = answer.rule
        verdict = answering.word(answer.DESCRIPTOR.fields_by_name["verdict"].enum_type, answer.verdict)
        place = ", ".join(answer.receiver_jurisdictions)
        who = answering.name_of(answer.receiver_names, lang, answer.receiver)
        branch = root.add(f"[bold]{_chosen(VERDICTS[verdict], lang)}[/bold]  {_plain(who)}  {_plain(place)}".rstrip())
        if rule.id:
            dates = f"{rule.valid_from} – {rule.valid_to or '…'}" if rule.valid_from else ""
            version = f" v{rule.version}" if rule.version else ""
            branch.add(f"{_plain(rule.id)}{version}  {_plain(rule.kind)}  {dates}".rstrip())
        if rule.HasField("sending") and (by_sending or rule.sending.WhichOneof("kind") != "leaf"):
            _grow(branch, rule.sending, lang)
        if rule.HasField("outcome"):
            _show_outcome(branch, rule.outcome)
        for reason in answer.reasons:
            branch.add(_plain(answering.reason_text(reason, lang)))
    out = answering.console()
    out.print(root)
    out.print(_chosen(ADMISSION, lang))
    out.print(answering.position_text(first.position, lang))


def _plain(text: str) -> str:
    """Published text is shown as it is: square brackets in it are no markup."""
    from rich.markup import escape

    return escape(text)


def _grow(branch: Tree, expression: Any, lang: str) -> None:
    """A sending expression as a tree."""
    kind = expression.WhichOneof("kind")
    if kind == "leaf":
        leaf = expression.leaf
        grade = f"  ≥ {leaf.minimum_grade.grade} ({leaf.minimum_grade.scheme})" if leaf.minimum_grade.grade else ""
        branch.add(_plain(f"{leaf.achievement}  {leaf.title}{grade}"))
        return
    labels = {
        "all_of": ("all of", "tous"),
        "any_of": ("any of", "au moins un de"),
        "n_of": (f"{expression.n_of.n} of", f"{expression.n_of.n} parmi"),
        "credits_from": (f"{answering.credit_text(expression.credits_from.credits)} from",) * 2,
    }
    inner = branch.add(_chosen(labels[kind], lang))
    for part in getattr(expression, kind).parts:
        _grow(inner, part, lang)


def _show_outcome(branch: Tree, outcome: Any) -> None:
    parts = [outcome.type, answering.credit_text(outcome.credits), outcome.achievement, outcome.title]
    parts += [outcome.subject, outcome.level, outcome.profession, outcome.reason, outcome.note]
    if outcome.entry_year:
        parts.append(f"year {outcome.entry_year}")
    if outcome.applicability not in {"", "any"}:
        parts.append(outcome.applicability)
    inner = branch.add(_plain("→ " + "  ".join(part for part in parts if part)))
    for part in outcome.of:
        _show_outcome(inner, part)


@app.command()
def evaluate(
    file: Annotated[Path, typer.Argument(help="A transcript: CSV or JSON; docs/agency.md gives the columns.")],
    to: ToOption = "",
    valid_on: Annotated[str, typer.Option("--valid-on", help="Date that ages count back from; today otherwise.")] = "",
    known_at: KnownAtOption = None,
    min_position: MinPositionOption = 0,
    query: QueryOption = QUERY_DEFAULT,
    lang: LangOption = None,
    timeout: TimeoutOption = 30.0,
    json: JsonOption = False,
) -> None:
    """A whole transcript, line by line, against the rules of one receiver or of all. It is not stored."""
    from passerelle.api.equivalency.v1 import equivalency_pb2 as pb
    from passerelle.api.equivalency.v1 import equivalency_pb2_grpc as stubs
    from passerelle.cli.transcript_file import read_transcript

    request = pb.EvaluateRequest(
        lines=[pb.TranscriptLine(**line) for line in read_transcript(file)],
        receiver=to,
        valid_on=valid_on,
        min_position=min_position,
        known_at=answering.known_at(known_at) or None,
    )

    async def call(channel: Any) -> list[Any]:
        stub: Any = stubs.EquivalencyServiceStub(channel)
        return [response async for response in stub.Evaluate(request, timeout=timeout)]

    *lines, last = answering.ask(query, call)
    if json:
        total = answering.as_json(last)
        shown = [answering.as_json(line) for line in lines]
        print_json({"lines": shown, "summary": total["summary"], "position": total["position"]})
        return
    _show_lines(request, lines, last, answering.language(lang))


def _show_lines(request: Any, lines: list[Any], last: Any, lang: str) -> None:
    from rich.table import Table

    heads = (("line", "ligne"), ("achievement", "réalisation"), ("receiver", "accueil"), ("answer", "réponse"))
    table = Table(*(_chosen(head, lang) for head in heads), _chosen(("why, and what is missing", "motifs"), lang))
    for line in lines:
        verdict = answering.word(line.DESCRIPTOR.fields_by_name["match"].enum_type, line.match)
        why = [answering.reason_text(reason, lang) for reason in line.reasons]
        if line.smallest_fix:
            why.append("+ " + ", ".join(line.smallest_fix))
        asked = request.lines[line.line - 1].achievement
        answer = _chosen(VERDICTS[verdict], lang)
        table.add_row(str(line.line), _plain(asked), _plain(line.receiver), answer, _plain("\n".join(why)))
    out = answering.console()
    out.print(table)
    summary = last.summary
    counts = (("match", summary.matched), ("maybe", summary.maybe), ("miss", summary.missed))
    out.print("  ".join(f"{_chosen(VERDICTS[name], lang)}: {number}" for name, number in counts))
    if summary.credits:
        out.print(", ".join(answering.credit_text(amount) for amount in summary.credits))
    out.print(_chosen(ADMISSION, lang))
    out.print(answering.position_text(last.position, lang))


@app.command()
def search(
    words: Annotated[list[str] | None, typer.Argument(help="Words, or a course code.")] = None,
    member: Annotated[str, typer.Option("--member", help="Offered or awarded by.")] = "",
    kind: Annotated[str, typer.Option("--kind", help="micro-credential, course, ...")] = "",
    jurisdiction: Annotated[str, typer.Option("--jurisdiction", help="Where its member is: CA-ON.")] = "",
    delivery: Annotated[str, typer.Option("--delivery", help="in-person, online-asynchronous, ...")] = "",
    framework: Annotated[str, typer.Option("--framework", help="Aligned to this framework.")] = "",
    occupation: Annotated[str, typer.Option("--occupation", help="NOC 2021 unit group, five digits.")] = "",
    known_at: KnownAtOption = None,
    limit: LimitOption = 50,
    query: QueryOption = QUERY_DEFAULT,
    lang: LangOption = None,
    timeout: TimeoutOption = 10.0,
    json: JsonOption = False,
) -> None:
    """Achievements by words, code and facets."""
    from passerelle.api.equivalency.v1 import equivalency_pb2 as pb
    from passerelle.api.equivalency.v1 import equivalency_pb2_grpc as stubs

    asked: dict[str, Any] = {
        "words": " ".join(words or ()),
        "member": member,
        "kind": kind,
        "jurisdiction": jurisdiction,
        "delivery_mode": delivery,
        "framework": framework,
        "occupation": occupation,
        "known_at": answering.known_at(known_at) or None,
    }

    async def call(channel: Any) -> Any:
        stub: Any = stubs.EquivalencyServiceStub(channel)

        async def page(token: str) -> Any:
            request = pb.SearchRequest(**asked, page_size=min(limit, 1_000), page_token=token)
            return await stub.Search(request, timeout=timeout)

        return await answering.every_page(page, "achievements", limit)

    first, found = answering.ask(query, call)
    if json:
        shown = [answering.as_json(one) for one in found]
        print_json({**answering.as_json(first), "achievements": shown, "next_page_token": ""})
        return
    _show_found(first, found, answering.language(lang))


def _show_found(first: Any, found: list[Any], lang: str) -> None:
    from rich.table import Column, Table

    heads = (("id", "id"), ("title", "titre"), ("kind", "type"), ("credits", "crédits"), ("delivery", "prestation"))
    more = (("hours", "heures"), ("cost (CAD)", "coût (CAD)"))
    # Ids are copied into other commands: they are folded rather than cut.
    table = Table(*(Column(_chosen(head, lang), overflow="fold") for head in (*heads, *more)))
    for one in found:
        title = one.translations.get(lang) if one.language != lang else None
        table.add_row(
            _plain(one.id),
            _plain(title or one.title),
            one.kind,
            ", ".join(answering.credit_text(amount) for amount in one.credits),
            ", ".join(one.delivery_modes),
            one.effort_hours,
            one.cost_cad,
        )
    out = answering.console()
    out.print(table)
    out.print(_chosen((f"{first.total} found", f"{first.total} trouvées"), lang))
    out.print(answering.position_text(first.position, lang))


@app.command()
def show(
    achievement: AchievementArgument,
    known_at: KnownAtOption = None,
    min_position: MinPositionOption = 0,
    query: QueryOption = QUERY_DEFAULT,
    lang: LangOption = None,
    timeout: TimeoutOption = 10.0,
    json: JsonOption = False,
) -> None:
    """One achievement: what was published about it, and who endorses it."""
    from passerelle.api.equivalency.v1 import equivalency_pb2 as pb
    from passerelle.api.equivalency.v1 import equivalency_pb2_grpc as stubs

    request = pb.GetAchievementRequest(
        achievement=achievement,
        min_position=min_position,
        known_at=answering.known_at(known_at) or None,
    )

    async def call(channel: Any) -> Any:
        stub: Any = stubs.EquivalencyServiceStub(channel)
        return await stub.GetAchievement(request, timeout=timeout)

    response = answering.ask(query, call)
    if json:
        print_json(answering.as_json(response))
        return
    _show_one(response, answering.language(lang))


def _show_one(response: Any, lang: str) -> None:
    from rich.tree import Tree

    one = response.achievement
    root = Tree(f"[bold]{_plain(one.title)}[/bold]  {_plain(one.id)} v{one.version}  {one.kind}")
    facts = [", ".join(one.delivery_modes), f"{one.effort_hours} h" if one.effort_hours else ""]
    facts += [f"{one.cost_cad} CAD" if one.cost_cad else "", *(answering.credit_text(amount) for amount in one.credits)]
    if any(facts):
        root.add(_plain("  ".join(fact for fact in facts if fact)))
    for mark in response.endorsements:
        who = answering.name_of(mark.names, lang, mark.member)
        root.add(_plain(f"✓ {who} ({mark.capacity}): {', '.join(mark.kinds)}  {', '.join(mark.jurisdictions)}"))
    out = answering.console()
    out.print(root)
    out.print(answering.position_text(response.position, lang))
