"""``passerelle node evidence``: what a document proves, before it is attached."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from passerelle.cli import node_show
from passerelle.cli.common import ConfigOption, JsonOption, print_json
from passerelle.cli.node_office import WaitOption, with_office

if TYPE_CHECKING:
    from passerelle.node.main import Office

app = typer.Typer(no_args_is_help=True, help="Documents as evidence: checked, and attached by hash.")


@app.callback()
def evidence() -> None:
    """Documents as evidence: checked, and attached by hash."""


@app.command()
def pdf(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The signed PDF.")],
    config: ConfigOption,
    trust: Annotated[
        Path | None, typer.Option("--trust", help="Folder of root certificates; default: trust_folder of node.toml.")
    ] = None,
    case: Annotated[str, typer.Option("--case", help="Attach it to this transfer case, where it is verified.")] = "",
    out: Annotated[Path | None, typer.Option("--out", help="Write the report; it may name a person.")] = None,
    wait: WaitOption = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Check a PDF's signatures, off line. Exit code 0: verified; 2: not; nothing is read out of its pages."""
    from passerelle.node.evidence_pdf import PdfEvidence, Trust, check_pdf, read_trust

    async def work(office: Office) -> tuple[Any, dict[str, Any]]:
        folder = trust or office.config.trust_folder
        trusted = Trust() if folder is None else read_trust(folder)
        report = await check_pdf(file, trusted, office.clock.now_ms(), case=case)
        if out is not None:
            out.touch(mode=0o600)
            out.write_bytes(report.as_content.content)
        if not case or report.verdict != "verified":
            return report, {}
        event = await PdfEvidence(office.transfers(), office.casework().documents).attach(report)
        if event is None:
            return report, {"type": "transfer.evidence-added", "subject": case, "state": "attached already"}
        return report, (await office.publish([event], wait_s=wait))[0]

    report, attached = with_office(config, work)
    cells = report.cells if report.verdict == "verified" else ""
    found = {**report.as_dict(), "evidence": cells, "attached": attached or None}
    if as_json:
        print_json(found)
    else:
        print(f"{file}: {report.verdict}")
        columns = ("signer", "organisation", "issuer", "stamped_at", "claimed_at", "covers", "changed_after", "trusted")
        node_show.rows([*map(dict, report.signatures)], columns)
        if cells:
            print(f"evidence: {cells}")
        if attached:
            node_show.answer(attached, as_json)
    if report.verdict != "verified":
        raise typer.Exit(2)
