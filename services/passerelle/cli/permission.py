"""``passerelle permission``: letters of permission, as one of their parties. Asking and granting is the node's work."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from passerelle.cli import answering
from passerelle.cli.answering import LangOption, MinPositionOption, SignOption, TimeoutOption
from passerelle.cli.common import ConfigOption, JsonOption, print_json
from passerelle.cli.transfer import MAX_SHOWN, AddressOption

app = typer.Typer(no_args_is_help=True)
OWN_TEXTS: Final = {
    "state": ("State", "État"),
    "from": ("From", "Du"),
    "to": ("To", "Au"),
    "case": ("Case", "Dossier"),
    "not-permitted": ("not permitted:", "non permis :"),
    "granted": ("granted", "accordée"),
    "refused": ("refused", "refusée"),
    "withdrawn": ("withdrawn", "retirée"),
}
"""What the letter has no words for."""
HEADS: Final = ("reference", "state", "home", "host", "from", "to", "until", "case")


@app.callback()
def permission() -> None:
    """Letters of permission (AEHE), to their parties only: the node's configuration says who asks."""


@app.command()
def show(
    permission: Annotated[str, typer.Argument(help="The permission's id: the reference on the letter.")],
    config: ConfigOption,
    min_position: MinPositionOption = 0,
    query: AddressOption = None,
    lang: LangOption = None,
    timeout: TimeoutOption = 10.0,
    sign: SignOption = None,
    json: JsonOption = False,
) -> None:
    """One permission with its courses and steps."""
    from passerelle.api.transfer.v1 import transfer_pb2 as pb
    from passerelle.client import Transfer

    who = answering.Identity(config, query)
    signed = sign is not None
    request = pb.ShowPermissionRequest(permission=permission, min_position=min_position, signed=signed)
    response = answering.ask_one(who.address, Transfer.SHOW_PERMISSION, request, timeout, who.member)
    answering.keep_signed(sign, response)
    if json:
        print_json(answering.as_json(response))
        return
    chosen = answering.language(lang)
    _show(response.permission, chosen)
    answering.console().print(answering.position_text(response.position, chosen))


@app.command(name="list")
def list_permissions(
    config: ConfigOption,
    role: Annotated[str, typer.Option("--role", help="home or host; either otherwise.")] = "",
    state: Annotated[str, typer.Option("--state", help="granted, refused or withdrawn; all otherwise.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=MAX_SHOWN, help="Most permissions shown.")] = 100,
    min_position: MinPositionOption = 0,
    query: AddressOption = None,
    lang: LangOption = None,
    timeout: TimeoutOption = 10.0,
    json: JsonOption = False,
) -> None:
    """The member's permissions, newest change first."""
    from passerelle.api.transfer.v1 import transfer_pb2 as pb
    from passerelle.client import Transfer

    who = answering.Identity(config, query)
    size = min(limit, 1_000)
    request = pb.ListPermissionsRequest(role=role, state=state, page_size=size, min_position=min_position)
    first, found = answering.ask_pages(
        who.address, Transfer.LIST_PERMISSIONS, request, "permissions", limit, timeout, who.member
    )
    if json:
        shown = [answering.as_json(one) for one in found]
        print_json({"permissions": shown, "position": answering.as_json(first.position)})
        return
    _show_all(found, first.position, answering.language(lang))


def _say(name: str, lang: str) -> str:
    """A text of the letter, or one of our own."""
    from passerelle.node.permission_texts import LETTER

    return (OWN_TEXTS.get(name) or LETTER[name])[lang == "fr"]


def _show(one: Any, lang: str) -> None:
    from rich.markup import escape
    from rich.tree import Tree

    root = Tree(f"{one.id}  [bold]{_say(one.state, lang)}[/bold] v{one.version}  {one.home} → {one.host}")
    term = "  ".join(part for part in (one.term, f"{one.starts_on} – {one.ends_on}", one.programme) if part)
    root.add(escape(term))
    for course in one.courses:
        root.add(escape(_course(course, lang)))
    if one.maximum_credits.value:
        root.add(escape(f"{_say('maximum', lang)} {answering.credit_text(one.maximum_credits)}"))
    if one.expires_on:
        root.add(escape(f"{_say('until', lang)} {one.expires_on}"))
    if one.case:
        root.add(escape(f"{_say('case', lang)} {one.case}"))
    for step in one.steps:
        root.add(escape("  ".join(p for p in (str(step.index), step.event, step.member, step.reason, step.note) if p)))
    answering.console().print(root)


def _course(course: Any, lang: str) -> str:
    parts = [f"{course.line}  {course.achievement}", course.title]
    if course.reason:
        from passerelle.node.permission_texts import REFUSALS

        why = REFUSALS[course.reason][lang == "fr"]
        return "  ".join([*parts, f"{_say('not-permitted', lang)} {why}", course.fix])
    outcome = course.outcome
    what = (outcome.achievement or outcome.subject or outcome.type, answering.credit_text(outcome.credits))
    parts.append(f"→ {', '.join(part for part in what if part)}")
    if course.recognition or course.individual_reason:
        parts.append(course.recognition or course.individual_reason)
    if course.minimum_grade.grade:
        parts.append(f"{_say('minimum', lang)} {course.minimum_grade.grade} ({course.minimum_grade.scheme})")
    return "  ".join(part for part in parts if part)


def _show_all(found: list[Any], position: Any, lang: str) -> None:
    from rich.table import Table

    table = Table(*(_say(name, lang) for name in HEADS))
    for one in found:
        table.add_row(
            one.id, _say(one.state, lang), one.home, one.host, one.starts_on, one.ends_on, one.expires_on, one.case
        )
    out = answering.console()
    out.print(table)
    out.print(answering.position_text(position, lang))
