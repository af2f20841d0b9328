"""``passerelle node learner`` and ``passerelle node access``: what the node holds of a learner, and its end."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from passerelle.cli import node_show
from passerelle.cli.common import ConfigOption, JsonOption, print_json
from passerelle.cli.node_office import with_office

if TYPE_CHECKING:
    from passerelle.node.main import Office

app = typer.Typer(no_args_is_help=True, help="One learner's details: export everything, or erase them for good.")
LearnerOption = Annotated[str, typer.Option("--learner", help="The node's own id of the learner.")]
RecordOption = Annotated[str, typer.Option("--record", help="One of your office's record ids about them.")]
NumberOption = Annotated[
    Path | None, typer.Option("--number-file", help="File with the student number; - reads standard input.")
]


def _number(path: Path | None) -> str:
    """The student number: never an argument, which other users of the machine could read."""
    from passerelle.core.errors import FormatError

    if path is None:
        return ""
    try:
        with sys.stdin if str(path) == "-" else path.open(encoding="utf-8-sig") as stream:
            number = stream.readline(1000).strip()
    except (OSError, UnicodeDecodeError):
        raise FormatError("file-unreadable", "the file cannot be read", where="--number-file") from None
    if not number:
        raise FormatError("file-empty", "the file holds no student number", where="--number-file")
    return number


async def _find(office: Office, learner: str, record: str, number: str) -> str:
    from passerelle.node.learners import find

    return await find(office.store, office.keys, learner=learner, record=record, number=number)


@app.command()
def export(
    config: ConfigOption,
    out: Annotated[Path, typer.Option("--out", help="The new JSON file: personal data in the clear.")],
    learner: LearnerOption = "",
    record: RecordOption = "",
    number_file: NumberOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write everything that the node holds of a learner. Who exported whom is kept in the node's access log."""
    import getpass

    from passerelle.node.learner_export import export_learner

    number = _number(number_file)

    async def work(office: Office) -> dict[str, Any]:
        found = await _find(office, learner, record, number)
        counts = await export_learner(
            office.store, office.vault, office.clock,
            member=office.config.member, learner=found, out=out, account=getpass.getuser(),
        )  # fmt: skip
        return {"learner": found, "out": str(out), **counts}

    told = with_office(config, work)
    if as_json:
        print_json(told)
        return
    print(f"{told['out']}: {', '.join(f'{count} {name}' for name, count in told.items() if isinstance(count, int))}")


@app.command()
def erase(
    config: ConfigOption,
    learner: LearnerOption = "",
    record: RecordOption = "",
    number_file: NumberOption = None,
    legal_ground: Annotated[
        str, typer.Option("--legal-ground", help="learner-request or legal-order: also what is under retention.")
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen; change nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Destroy a learner's key, for good, and have the ledger delete what it holds of their credentials."""
    import getpass

    from passerelle.node.learners import LEGAL_GROUNDS, Eraser
    from passerelle.node.setup import known
    from passerelle.node.texts import say

    if legal_ground:
        known(legal_ground, LEGAL_GROUNDS, "--legal-ground")
    number = _number(number_file)

    async def work(office: Office) -> Any:
        found = await _find(office, learner, record, number)
        eraser = Eraser(office.store, office.author, office.vault, office.clock, office.config.retention_years)
        account = getpass.getuser()
        told = await eraser.erase(found, legal_ground=legal_ground, account=account, dry_run=dry_run)
        if not dry_run:
            await office.release()
        return told, office.config.language

    told, language = with_office(config, work)
    if as_json:
        print_json({**told.as_dict(), "dry_run": dry_run})
        return
    counts = {"events": told.events, "taken": told.taken_back, "results": told.results}
    print(say("would-erase" if dry_run else "erased", language, learner=told.learner, ground=told.ground))
    print(say("erased-counts", language, **counts))


@app.command()
def erased(
    config: ConfigOption,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="At most so many.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """Learners who were erased: when, by whom, on which ground; the ids name nobody any more."""

    async def work(office: Office) -> Any:
        return await office.store.erasures(limit)

    found = with_office(config, work)
    if as_json:
        print_json(found)
        return
    node_show.rows([{**row, "at": _when(row["at"])} for row in found], ("at", "account", "ground", "learner"))


def _when(at_ms: int) -> str:
    from passerelle.runtime.clock import as_datetime

    return as_datetime(at_ms).strftime("%Y-%m-%d %H:%M:%S")


@app.command()
def unfinished(config: ConfigOption, as_json: JsonOption = False) -> None:
    """Learners whose key is here though all their credentials were erased: a restored backup brings keys back."""

    async def work(office: Office) -> list[str]:
        return await office.store.unfinished_erasures(100_000)

    found = with_office(config, work)
    if as_json:
        print_json(list(found))
        return
    for one in found:
        print(one)


@app.command()
def rewrap(
    config: ConfigOption,
    old: Annotated[Path, typer.Option("--old", help="The configuration as it was, which names the old key.")],
    as_json: JsonOption = False,
) -> None:
    """Wrap every learner's key by the key that --config names now. The node must not run; a run cut short goes on."""
    from passerelle.core.errors import PasserelleError
    from passerelle.node.config import NodeConfig
    from passerelle.node.key_encryption import open_key
    from passerelle.node.rewrapping import Rewrapped, rewrap_all

    before = NodeConfig.load(old)

    async def work(office: Office) -> Rewrapped:
        if await office.store.sessions(f"passerelle-node-{office.config.member}"):
            fix = "Stop the node, and start it again afterwards."
            raise PasserelleError("lease-held", "the node runs and holds the old key", where="node run", fix=fix)
        keys = open_key(before, office.ids), open_key(office.config, office.ids)
        return await rewrap_all(office.store, *keys, office.ids)

    found = with_office(config, work)
    if as_json:
        print_json(found.as_dict())
        return
    print(f"{found.done} learners' keys were wrapped anew, {found.already} were already.")
    print("Backups made before open with the old key only: keep it as long as you keep them.")


def access(
    config: ConfigOption,
    learner: Annotated[str, typer.Option("--learner", help="Only exports that held this learner (the id).")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="At most so many entries.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """The access log: who took learners' details out of this node, when, in what form, of how many learners."""

    async def work(office: Office) -> Any:
        found = await _find(office, learner, "", "") if learner else ""
        return await office.store.accesses(found, limit)

    found = [dict(row) for row in with_office(config, work)]
    if as_json:
        print_json(found)
        return
    node_show.rows(
        [{**row, "at": _when(row["at"])} for row in found], ("at", "account", "format", "learners", "sha256")
    )
