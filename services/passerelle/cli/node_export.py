"""``passerelle node export``: selected records out of a node, in the formats that others read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from passerelle.cli.common import ConfigOption, JsonOption, print_json
from passerelle.cli.node_office import with_office

if TYPE_CHECKING:
    from passerelle.node.main import Office

FORMATS = ("csv", "xlsx", "pesc-xml", "elmo", "clr", "open-badges")


def export(
    config: ConfigOption,
    out: Annotated[Path, typer.Option("--out", help="The new file (csv, xlsx), or the new folder: a file a learner.")],
    format_name: Annotated[str, typer.Option("--format", help=", ".join(FORMATS))] = "csv",
    kind: Annotated[list[str] | None, typer.Option("--kind", help="achievements, credentials, results.")] = None,
    achievement: Annotated[
        list[str] | None, typer.Option("--achievement", help="Only of this id; may come again.")
    ] = None,
    since: Annotated[str, typer.Option("--from", help="Conferred, or completed, on or after this date.")] = "",
    until: Annotated[str, typer.Option("--to", help="Conferred, or completed, on or before this date.")] = "",
    ids: Annotated[Path | None, typer.Option("--ids", help="File of your office's record ids, one a line.")] = None,
    learners: Annotated[Path | None, typer.Option("--learners", help="File of student numbers, one a line.")] = None,
    receiver: Annotated[str, typer.Option("--receiver", help="Who will get it, as documents name them.")] = "",
    request: Annotated[str, typer.Option("--request", help="Tracking id of the PESC request that is answered.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Export records. Learners' details leave the node here: who exported whose is kept in the node's access log."""
    from passerelle.node.export_run import Order, check_order, run

    order = Order(
        out, format_name, tuple(kind or ()), tuple(achievement or ()), since, until, ids, learners, receiver, request
    )
    check_order(order)

    async def work(office: Office) -> dict[str, Any]:
        return (await run(office, order)).as_dict()

    found = with_office(config, work)
    if as_json:
        print_json(found)
        return
    print(f"{found['out']}: {found['rows']} records of {found['learners']} learners, {found['files']} files")
    for remark in found["remarks"]:
        print(f"  {remark}")


def pesc(
    file: Annotated[
        Path, typer.Argument(help="A PESC request, response, acknowledgment, or a transcript that came in.")
    ],
    config: ConfigOption,
    out: Annotated[Path | None, typer.Option("--out", help="The new folder for what answers it.")] = None,
    send: Annotated[bool, typer.Option("--send", help="Answer a request with the transcript itself.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Answer a PESC message: a request gets its response and transcript, a transcript its acknowledgment."""
    from passerelle.node.pesc_desk import handle_message

    async def work(office: Office) -> dict[str, Any]:
        return (await handle_message(office, file, out, send=send)).as_dict()

    found = with_office(config, work)
    if as_json:
        print_json(found)
        return
    print(f"PESC {found['message']} {found['version']}")
    for one in found["statuses"]:
        print(f"  {one['tracking']}: {one['status']}")
    for line in (*found["files"], *found["remarks"]):
        print(f"  {line}")
