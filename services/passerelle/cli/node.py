"""``passerelle node``: an institution's node."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from passerelle.cli import (
    node_doctor,
    node_evidence,
    node_export,
    node_import,
    node_init,
    node_learner,
    node_map,
    node_permission,
    node_reconcile,
    node_release,
    node_selftest,
    node_show,
    node_transfer,
    node_witness,
)
from passerelle.cli.common import ConfigOption, JsonOption, ReadyOption, print_json
from passerelle.cli.node_office import WaitOption, with_office

if TYPE_CHECKING:
    from passerelle.node.main import Office

app = typer.Typer(no_args_is_help=True, help="An institution's node.")
app.add_typer(node_release.app, name="release")
app.add_typer(node_transfer.app, name="transfer")
app.add_typer(node_permission.app, name="permission")
app.add_typer(node_witness.app, name="witness")
app.add_typer(node_import.drafts, name="drafts")
app.add_typer(node_learner.app, name="learner")
app.add_typer(node_evidence.app, name="evidence")
app.command("access")(node_learner.access)
app.command("init")(node_init.init)
app.command("doctor")(node_doctor.doctor)
app.command("selftest")(node_selftest.selftest)
app.command("reconcile")(node_reconcile.reconcile)
app.command("import")(node_import.import_)
app.command("map")(node_map.map_)
app.command("export")(node_export.export)
app.command("pesc")(node_export.pesc)


@app.command()
def run(config: ConfigOption, ready_file: ReadyOption = None) -> None:
    """Run the node: relay what was published, take in receipts, notices and the feed."""
    from passerelle.node.config import NodeConfig
    from passerelle.node.main import build
    from passerelle.runtime.process import run_process

    settings = NodeConfig.load(config)
    raise typer.Exit(
        run_process(
            lambda: build(settings, config.parent / "mappings"),
            ready_file=ready_file,
            loop_blocked_s=settings.loop_blocked_s,
        )
    )


@app.command()
def publish(
    type_name: Annotated[str, typer.Argument(metavar="TYPE", help="For example recognition.ended.")],
    file: Annotated[Path, typer.Argument(help="The event's data as JSON, or an object of subject and data.")],
    config: ConfigOption,
    subject: Annotated[str, typer.Option("--subject", help="The id of what the event is about.")] = "",
    wait: WaitOption = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Publish one event of the catalogue, checked first."""
    from passerelle.core.errors import PasserelleError
    from passerelle.node.publishing import compose, event_type, explain, read_json

    found = event_type(type_name)
    value = read_json(file)

    async def work(office: Office) -> dict[str, Any]:
        try:
            event = compose(found, value, subject=subject or None, member=office.config.member, ids=office.ids)
        except PasserelleError as error:
            raise explain(error, file) from None
        answers = await office.publish([event], wait_s=wait)
        return dict(answers[0])

    node_show.answer(with_office(config, work), as_json)


@app.command()
def status(
    config: ConfigOption,
    wait: Annotated[float, typer.Option("--wait", help="Seconds to wait until everything was answered.")] = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Published, accepted, waiting, refused. With --wait the exit code is 1 where something still waits."""
    from passerelle.node.status import node_status, settled
    from passerelle.runtime.process import wait_for

    async def work(office: Office) -> tuple[dict[str, Any], str]:
        async def look() -> dict[str, Any]:
            return await node_status(
                office.store,
                member=office.config.member,
                key_id=office.signer.key_id,
                now_ms=office.clock.now_ms(),
                watched=[one.folder for one in office.config.watch],
            )

        async def done() -> bool:
            return settled(await look())

        if wait > 0:
            await wait_for(done, timeout_s=wait, every_s=0.1)
        return await look(), office.config.language

    found, language = with_office(config, work)
    if as_json:
        print_json(found)
    else:
        node_show.status(found, language)
    if wait > 0 and not settled(found):
        raise typer.Exit(1)


Limit = Annotated[int, typer.Option("--limit", min=1, max=100_000, help="At most so many rows.")]


@app.command()
def refused(
    config: ConfigOption,
    limit: Limit = 100,
    rows: Annotated[bool, typer.Option("--rows", help="Rows of files that the imports refused.")] = False,
    as_json: JsonOption = False,
) -> None:
    """What the ledger refused, and with --rows which rows the latest imports refused: where, why, what to do."""

    async def work(office: Office) -> Any:
        found = await office.store.refused_rows(limit) if rows else await office.store.refused(limit)
        return found, office.config.language

    found, language = with_office(config, work)
    if as_json:
        print_json([{**row, "import": str(row["import"])} if rows else dict(row) for row in found])
    elif rows:
        node_show.rows(found, ("kind", "row", "column", "code", "what", "fix"))
    else:
        node_show.refused(found, language)


@app.command()
def records(
    config: ConfigOption,
    record: Annotated[list[str] | None, typer.Option("--record", help="Only these office record ids.")] = None,
    limit: Limit = 1000,
    as_json: JsonOption = False,
) -> None:
    """The office's records that were published: kind, thing, version, state."""
    from passerelle.node.status import find_records

    async def work(office: Office) -> Any:
        if record:
            return await find_records(office.store, office.keys, record, member=office.config.member)
        return await office.store.records(limit)

    found = [dict(row) for row in with_office(config, work)]
    if as_json:
        print_json(found)
    else:
        columns = ("kind", "thing", "version", "status", "state")
        node_show.rows(found, ("record", *columns) if record else columns)


@app.command()
def notices(config: ConfigOption, limit: Limit = 100, as_json: JsonOption = False) -> None:
    """What happened to things on which something of this member rests."""

    async def work(office: Office) -> Any:
        return await office.store.notices(limit)

    found = [dict(row) for row in with_office(config, work)]
    if as_json:
        print_json(found)
    else:
        node_show.rows(found, ("index", "event", "about", "affects", "member"))
