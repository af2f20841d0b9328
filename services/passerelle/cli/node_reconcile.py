"""``passerelle node reconcile``: this node's records beside the ledger's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from passerelle.cli import node_show
from passerelle.cli.common import ConfigOption, JsonOption, print_json
from passerelle.cli.node_office import with_office

if TYPE_CHECKING:
    from passerelle.node.main import Office
    from passerelle.node.reconcile import Finding

LIMIT: Final = 1000


def reconcile(
    config: ConfigOption,
    fix: Annotated[
        bool, typer.Option("--fix", help="Take from the ledger what is missing or damaged here, then compare.")
    ] = False,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=100_000, help="At most so many findings are shown.")
    ] = LIMIT,
    as_json: JsonOption = False,
) -> None:
    """Compare all local events and records with the ledger. Exit code 1 where they differ."""
    shown: list[Finding] = []

    def hear(finding: Finding) -> None:
        # What differs comes first where not everything can be shown.
        if len(shown) < limit:
            shown.append(finding)
        elif (
            finding.differs and (place := next((n for n, one in enumerate(shown) if not one.differs), None)) is not None
        ):
            shown[place] = finding

    async def work(office: Office) -> dict[str, Any]:
        reconciler = office.reconciler(hear)
        if fix:
            await reconciler.fix()
        report = await reconciler.run()
        if fix:
            await reconciler.settle()
        found = [finding.as_dict() for finding in shown]
        return {**report.as_dict(), "findings": found, "left_out": report.counts.total() - len(found)}

    answer = with_office(config, work)
    if as_json:
        print_json(answer)
    else:
        _show(answer)
    if answer["differences"]:
        raise typer.Exit(1)


def _show(answer: dict[str, Any]) -> None:
    streams = [one for one in answer["streams"] if one["here"] or one["ledger"]]
    node_show.rows(streams, ("family", "here", "ledger", "proved_by"))
    if answer["findings"]:
        node_show.rows(answer["findings"], ("kind", "family", "sequence", "type", "subject", "what", "fix"))
    if answer["left_out"]:
        print(f"{answer['left_out']} findings more")
    count = answer["differences"]
    print(f"{count} differences" if count else "No difference.")
