"""``passerelle operator accept-selftest``: is this member's node ready, by what its signed report proves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from passerelle.cli.common import ConfigOption, JsonOption, print_json
from passerelle.cli.node_office import with_office

if TYPE_CHECKING:
    from passerelle.node.main import Office


def accept(
    report: Annotated[Path, typer.Argument(help="The member's report, MEMBER.selftest.jws.")],
    config: ConfigOption,
    max_age: Annotated[int, typer.Option("--max-age-days", min=1, max=365, help="Older runs are refused.")] = 30,
    witness: Annotated[bool, typer.Option("--witness", help="The node must have cosigned a checkpoint.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="Where the acceptance is kept; default: accepted/ beside --config.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check a selftest's report against the sandbox's registry and log, and keep that it was accepted."""
    from passerelle.core.jws import MAX_SIZE
    from passerelle.node.files import read_bounded
    from passerelle.node.selftest_acceptance import judge, write_note

    data = read_bounded(report, MAX_SIZE)

    async def work(office: Office) -> dict[str, Any]:
        return judge(
            data, await office.store.all_records(), network=office.config.network, operator=office.config.operator,
            now_ms=office.clock.now_ms(), max_age_days=max_age, witnessed=witness,
        )  # fmt: skip

    note = with_office(config, work)
    path = out or config.parent / "accepted" / f"{note['member']}-{note['run']}.json"
    write_note(path, note)
    if as_json:
        print_json({**note, "file": str(path)})
        return
    print(f"{note['member']} passed in {note['network']}: version {note['software']}, run of {note['finished_at']}.")
    print(f"Signed by its listed key {note['key_id']}; the log holds its {len(note['entries'])} entries.")
    if note["left_out"]:
        print(f"Left out, as it may be: {', '.join(note['left_out'])}.")
    print(f"To admit: {note['kind']}, {', '.join(note['jurisdictions'])}, roles {', '.join(note['roles'])}.")
    print("In the real network it is admitted by the admission.json of its node there: other keys, compared anew.")
    print(f"{path}: the acceptance is kept here.")
