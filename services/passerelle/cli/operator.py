"""``passerelle operator``: the federation's registry, written through an ordinary node's outbox."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from passerelle.cli import node_show, operator_selftest
from passerelle.cli.common import ConfigOption, JsonOption, print_json
from passerelle.cli.node_office import WaitOption, with_office

if TYPE_CHECKING:
    from passerelle.node.main import Office

app = typer.Typer(no_args_is_help=True, help="The operator: who is a member, with which keys and roles.")
app.command("accept-selftest")(operator_selftest.accept)
MemberArgument = Annotated[str, typer.Argument(metavar="MEMBER", help="The member's id.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; it is public.")]


@app.command()
def init(
    folder: Annotated[Path, typer.Option("--folder", help="The operator's new folder.")],
    network: Annotated[str, typer.Option("--network", help="The log's origin; it names the network for ever.")],
    name: Annotated[list[str], typer.Option("--name", help="en='The operator'; once a language.")],
    database: Annotated[str, typer.Option("--database", help="URL of the operator's own PostgreSQL database.")],
    kafka: Annotated[str, typer.Option("--kafka", help="Brokers: host:port,host:port.")],
    query: Annotated[str, typer.Option("--query", help="The query service: host:port.")],
    member: Annotated[str, typer.Option("--member")] = "operator",
    jurisdiction: Annotated[list[str] | None, typer.Option("--jurisdiction")] = None,
    password_file: Annotated[str, typer.Option("--database-password-file")] = "",
    health_port: Annotated[int, typer.Option("--health-port")] = 0,
    sample: Annotated[bool, typer.Option("--sample")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make the network: root key, log key, the operator's node, and its own admission, signed by the root key."""
    from passerelle.core.catalogue import BY_NAME
    from passerelle.node.plan import NewEvent
    from passerelle.node.setup import NewNode, create_operator, parse_names
    from passerelle.runtime.clock import SystemClock
    from passerelle.runtime.ids import SystemIds

    node = NewNode(
        member, "operator", parse_names(name), jurisdiction or ["CA"], ["operate"], network, database, kafka, query,
        member, password_file, health_port, sample,
    )  # fmt: skip
    made = create_operator(folder, node, SystemIds(SystemClock()))

    async def work(office: Office) -> None:
        draft = office.author.draft(NewEvent(BY_NAME["member.admitted"], member, made.admission))
        await office.store.add_drafts([draft], office.clock.now_ms())
        await office.store.release_ready(made.root, network=network, member=member, now_ms=office.clock.now_ms())

    with_office(folder / "node.toml", work)
    files = {
        "config": str(folder / "node.toml"),
        "root_key": str(folder / "root.key"),
        "root_public_key": str(folder / "root.pub"),
        "log_key": str(folder / "log.key"),
        "log_vkey": made.log_vkey,
    }
    if as_json:
        print_json(files)
        return
    print(f"{files['root_public_key']}: publish this widely; trust in the network starts here.")
    print(f"{files['root_key']}: signed the operator's own admission. Take it off line now.")
    print(f"{files['log_key']}: the ledger's own; move it to the ledger (log_key_file).")


def _publish(config: Path, name: str, member: str, data: dict[str, Any], wait: float, as_json: bool) -> None:
    from passerelle.core.catalogue import BY_NAME
    from passerelle.node.plan import NewEvent

    async def work(office: Office) -> dict[str, Any]:
        event = NewEvent(BY_NAME[f"member.{name}"], member, data)
        return (await office.publish([event], wait_s=wait))[0]

    node_show.answer(with_office(config, work), as_json)


@app.command()
def admit(
    file: Annotated[Path, typer.Argument(help="The member's admission.json.")],
    config: ConfigOption,
    wait: WaitOption = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Admit a member as its admission.json states it. Compare its key id with the member first, by another way."""
    from passerelle.core.errors import FormatError
    from passerelle.node.publishing import read_json

    data = read_json(file)
    if not isinstance(data, dict) or not isinstance(data.get("member"), str):
        raise FormatError("schema-invalid", "the file is no admission", where=str(file))
    _publish(config, "admitted", data["member"], data, wait, as_json)


@app.command()
def keys(
    member: MemberArgument,
    config: ConfigOption,
    add: Annotated[list[Path] | None, typer.Option("--add", help="Public key file, 64 hex digits.")] = None,
    add_witness: Annotated[
        list[Path] | None, typer.Option("--add-witness", help="Public key file of a key that cosigns checkpoints.")
    ] = None,
    add_seal: Annotated[
        list[Path] | None, typer.Option("--add-seal", help="Public key file of a key to which documents are sealed.")
    ] = None,
    add_answer: Annotated[
        list[Path] | None, typer.Option("--add-answer", help="Public key file of a key that signs answers.")
    ] = None,
    remove: Annotated[list[str] | None, typer.Option("--remove", help="Key id that ends.")] = None,
    distrust: Annotated[
        list[str] | None, typer.Option("--distrust-from", help="FAMILY=SEQUENCE: events from there on are distrusted.")
    ] = None,
    wait: WaitOption = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Change a member's keys; it acts from the next index of the log."""
    from passerelle.node.setup import public_key_entry, removals

    data: dict[str, Any] = {"member": member}
    given = (("sign", add), ("witness", add_witness), ("seal", add_seal), ("answer", add_answer))
    if added := [public_key_entry(path, use) for use, paths in given for path in paths or ()]:
        data["add"] = added
    if remove:
        data["remove"] = removals(remove, distrust or [])
    _publish(config, "keys-changed", member, data, wait, as_json)


@app.command()
def roles(
    member: MemberArgument,
    config: ConfigOption,
    role: Annotated[list[str], typer.Option("--role", help="The roles from now on; stating them ends a suspension.")],
    wait: WaitOption = 0.0,
    as_json: JsonOption = False,
) -> None:
    """State a member's roles."""
    from passerelle.events.member import Role
    from passerelle.node.setup import known

    for one in role:
        known(one, get_args(Role), "--role")
    _publish(config, "roles-changed", member, {"member": member, "roles": role}, wait, as_json)


@app.command()
def suspend(
    member: MemberArgument, config: ConfigOption, reason: ReasonOption, wait: WaitOption = 0.0,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Suspend a member: its events are refused until its roles are stated again."""
    _publish(config, "suspended", member, {"member": member, "reason": reason}, wait, as_json)


@app.command()
def remove(
    member: MemberArgument, config: ConfigOption, reason: ReasonOption, wait: WaitOption = 0.0,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Remove a member, for ever. What it published stays."""
    _publish(config, "removed", member, {"member": member, "reason": reason}, wait, as_json)
