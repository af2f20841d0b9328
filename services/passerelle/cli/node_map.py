"""``passerelle node map``: from the columns of an office's own export to ours, proposed and saved by name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from passerelle.cli import node_show
from passerelle.cli.common import ConfigOption, JsonOption, print_json
from passerelle.cli.node_source import KeyOption, PasswordOption, QueryOption, SourceOption, file_of, query_of


def map_(
    config: ConfigOption,
    file: Annotated[Path | None, typer.Argument(help="The office's own export, CSV or XLSX.")] = None,
    source: SourceOption = "",
    query: QueryOption = None,
    password_file: PasswordOption = None,
    key: KeyOption = "",
    kind: Annotated[str, typer.Option("--kind", help="Kind of file; the one that fits best by default.")] = "",
    name: Annotated[str, typer.Option("--name", help="The mapping's name; by default after the file.")] = "",
    start: Annotated[str, typer.Option("--start", help="A starting mapping, for example banner-awards.")] = "",
    sheet: Annotated[str, typer.Option("--sheet", help="The sheet of a workbook; the first by default.")] = "",
    encoding: Annotated[str, typer.Option("--encoding", help="Of a CSV file: utf-8, windows-1252, ...")] = "utf-8",
    replace: Annotated[bool, typer.Option("--replace", help="Replace a mapping of this name.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the proposal; save nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Propose a mapping from the header and a sample, show what it would publish, and save it as commented TOML."""
    from passerelle.node.config import NodeConfig
    from passerelle.node.csv_forms import FORMS
    from passerelle.node.mapping import MappingFolder, starting_point
    from passerelle.node.mapping_propose import mapping_name, proposal_text, propose
    from passerelle.node.mapping_sample import read_sample, shown
    from passerelle.node.setup import known

    if kind:
        known(kind, tuple(FORMS), "--kind")
    settings = NodeConfig.load(config)
    path = file_of(file, source, query)
    with query_of(source, password_file, key) as asked:
        sample = read_sample(path, sheet=sheet or None, encoding=encoding, query=asked)
    proposal = propose(
        sample, name=name or mapping_name(path.stem), kind=kind or None, start=starting_point(start) if start else None
    )
    rows = shown(sample, proposal.mapping, settings.member)
    folder = MappingFolder(config.parent / "mappings")
    saved = None if dry_run else folder.save(proposal.mapping, proposal_text(proposal), replace=replace)
    found: dict[str, Any] = {**proposal.as_dict(), "rows": rows, "saved": None if saved is None else str(saved)}
    if as_json:
        print_json(found)
    else:
        node_show.mapping(found, settings.language)
    if proposal.missing:
        raise typer.Exit(2)
