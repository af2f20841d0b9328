"""``passerelle node witness``: the witness's key, its promise, and the alarms of any node."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from passerelle.cli import node_show
from passerelle.cli.common import ConfigOption, JsonOption, print_json
from passerelle.cli.node_office import with_office

if TYPE_CHECKING:
    from passerelle.node.main import Office

app = typer.Typer(no_args_is_help=True, help="Witnessing the log, and its alarms.")
AlarmArgument = Annotated[str, typer.Argument(metavar="ALARM", help="The alarm's name, as status shows it.")]


@app.command()
def init(config: ConfigOption, as_json: JsonOption = False) -> None:
    """Make the key that cosigns checkpoints, beside the configuration."""
    from passerelle.node.config import NodeConfig
    from passerelle.node.setup import WITNESS_KEY, create_witness_key
    from passerelle.runtime.clock import SystemClock
    from passerelle.runtime.ids import SystemIds

    settings = NodeConfig.load(config)
    folder = config.parent
    vkey = create_witness_key(folder, settings.network, settings.member, SystemIds(SystemClock()))
    made = {"key": str(folder / WITNESS_KEY), "public_key": str(folder / "witness.pub"), "vkey": vkey}
    if as_json:
        print_json(made)
        return
    print(f"{made['key']}: cosigns checkpoints and is used for nothing else. Keep it secret.")
    print(f"{made['public_key']}: send this to the operator, who lists it with 'operator keys --add-witness'.")
    print(f"{vkey}: the verifier key, for those who ask for witnesses.")
    print(
        f'Then write into {config}: a table [witness] with key_file = "{WITNESS_KEY}" and log_url = the log over HTTP.'
    )


@app.command()
def status(config: ConfigOption, as_json: JsonOption = False) -> None:
    """What this node cosigned last, and every alarm. Exit code 1 while an alarm is open."""

    async def work(office: Office) -> dict[str, Any]:
        held = await office.store.cosigned()
        alarms = await office.store.alarms(open_only=False)
        promise = {"size": held.size, "root": held.root.hex(), "delivered": held.delivered} if held else None
        return {"cosigned": promise, "alarms": [alarm.as_dict() for alarm in alarms]}

    found = with_office(config, work)
    if as_json:
        print_json(found)
    else:
        held = found["cosigned"]
        print(f"cosigned: {held['size']} entries, root {held['root']}" if held else "cosigned: nothing yet")
        if found["alarms"]:
            node_show.rows(found["alarms"], ("alarm", "code", "size", "raised_at", "cleared_at", "reason"))
    if any(alarm["cleared_at"] is None for alarm in found["alarms"]):
        raise typer.Exit(1)


@app.command("list")
def list_(config: ConfigOption, as_json: JsonOption = False) -> None:
    """Verifier keys of the members that the registry shows as witnesses now, one a line, without the operator's."""
    from passerelle.core.witness import registry_quorum

    async def work(office: Office) -> list[str]:
        settings = office.config
        records = await office.store.all_records()
        policy = registry_quorum(0, records, settings.network, settings.operator, office.clock.now_ms())
        return [str(key) for key in policy.keys]

    found = with_office(config, work)
    if as_json:
        print_json(found)
    else:
        for vkey in found:
            print(vkey)


@app.command()
def evidence(
    alarm: AlarmArgument,
    config: ConfigOption,
    out: Annotated[Path, typer.Option("--out", help="The evidence file to write, *.evidence.json.")],
) -> None:
    """Write an alarm's evidence file, for 'passerelle proof judge'."""
    from passerelle.core.errors import NotFound

    async def work(office: Office) -> bytes:
        for found in await office.store.alarms(open_only=False):
            if found.name == alarm:
                return found.evidence
        raise NotFound("not-found", "there is no such alarm", where="ALARM")

    out.write_bytes(with_office(config, work))
    print(f"{out}: judge it with 'passerelle proof judge'")


@app.command()
def clear(
    alarm: AlarmArgument,
    config: ConfigOption,
    reason: Annotated[str, typer.Option("--reason", help="Who decided what; it is kept with the alarm.")],
) -> None:
    """Close an alarm, once a person has dealt with it. Cosigning goes on when no alarm is open."""
    from passerelle.core.errors import NotFound, PasserelleError

    if not reason.strip() or len(reason) > 1000:
        raise PasserelleError("argument-invalid", "the reason is 1 to 1000 characters", where="--reason")

    async def work(office: Office) -> None:
        if not await office.store.clear_alarm(alarm, reason.strip(), office.clock.now_ms()):
            raise NotFound("not-found", "no alarm of this name is open", where="ALARM")

    with_office(config, work)
    print(f"alarm {alarm} is closed")
