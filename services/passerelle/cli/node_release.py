"""``passerelle node release``: one learner's credentials, at their wish, to one receiver."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from passerelle.cli import node_show
from passerelle.cli.common import ConfigOption, JsonOption, print_json
from passerelle.cli.node_office import ConfirmOption, NoteOption, WaitOption, with_office

if TYPE_CHECKING:
    from passerelle.node.main import Office

app = typer.Typer(no_args_is_help=True, help="Releases: which credentials, to whom, for what, until when.")

PURPOSES = ("transfer", "admission", "stack", "employment", "assessment")
OutOption = Annotated[Path | None, typer.Option("--out", help="Where the learner's file goes: NAME.release.json.")]
ResultsOption = Annotated[bool, typer.Option("--results", help="Put the learner's course results into the file.")]
SealedOption = Annotated[
    bool, typer.Option("--sealed", help="Person and results can be read by the receiver's node alone.")
]
ReleaseArgument = Annotated[str, typer.Argument(metavar="RELEASE", help="The release's id.")]


@app.command()
def create(
    config: ConfigOption,
    receiver: Annotated[str, typer.Option("--receiver", help="The member that may use it.")],
    ends: Annotated[str, typer.Option("--ends", help="Last day, YYYY-MM-DD.")],
    credential: Annotated[list[str] | None, typer.Option("--credential", help="Credential id; may come again.")] = None,
    record: Annotated[list[str] | None, typer.Option("--record", help="Your office's record id instead.")] = None,
    purpose: Annotated[str, typer.Option("--purpose", help=", ".join(PURPOSES))] = "transfer",
    out: OutOption = None,
    results: ResultsOption = False,
    sealed: SealedOption = False,
    wait: WaitOption = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Publish a release and, with --out, write the learner's file once everything in it is proved."""
    from passerelle.core.errors import FormatError
    from passerelle.node.setup import known

    known(purpose, PURPOSES, "--purpose")
    if not credential and not record:
        raise FormatError("argument-missing", "no credential is named", where="--credential or --record")

    async def work(office: Office) -> dict[str, Any]:
        releases = office.releases()
        ids = await releases.credential_ids(credential or [], record or [])
        release = await releases.create(ids, receiver=receiver, purpose=purpose, ends_on=ends)
        await office.release()
        if out is not None:
            await releases.write_file(release, out, results=results, wait_s=wait, sealed=sealed)
        return {"release": release, "credentials": ids, "receiver": receiver, "file": str(out) if out else None}

    _tell(with_office(config, work), as_json)


@app.command()
def show(
    release: ReleaseArgument,
    config: ConfigOption,
    out: OutOption = None,
    results: ResultsOption = False,
    sealed: SealedOption = False,
    wait: WaitOption = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Show a release; with --out, write the learner's file."""

    async def work(office: Office) -> dict[str, Any]:
        releases = office.releases()
        if out is not None:
            await releases.write_file(release, out, results=results, wait_s=wait, sealed=sealed)
        return await releases.show(release)

    _tell(with_office(config, work), as_json)


@app.command()
def withdraw(
    release: ReleaseArgument,
    config: ConfigOption,
    note: NoteOption = "",
    wait: WaitOption = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Withdraw a release: no new use; decisions made stay."""

    async def work(office: Office) -> dict[str, Any]:
        event = await office.releases().withdrawal(release, note)
        return (await office.publish([event], wait_s=wait))[0]

    node_show.answer(with_office(config, work), as_json)


@app.command()
def accept(
    file: Annotated[Path, typer.Argument(help="The learner's file.")],
    config: ConfigOption,
    confirm: ConfirmOption = "",
    as_json: JsonOption = False,
) -> None:
    """Take a learner's file in without opening a case: check it, match the person (a stack names the credentials)."""

    async def work(office: Office) -> dict[str, Any]:
        proved, learner = await office.releases().accept(file, confirm=confirm)
        await office.release()
        return {
            "release": proved.release,
            "sender": proved.sender,
            "credentials": list(proved.credentials),
            "purpose": proved.purpose,
            "ends_on": proved.ends_on,
            "learner": learner,
        }

    _tell(with_office(config, work), as_json)


def _tell(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    for name, value in found.items():
        if isinstance(value, list):
            print(f"{name}: {', '.join(str(item) for item in value)}")
        elif value is not None:
            print(f"{name}: {value}")
