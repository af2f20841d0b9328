"""Writes the code lists of core/tables from the published files, or checks them: code_lists.py FOLDER [--check].

FOLDER holds ``noc2021_unit_groups_en.csv`` (columns code, title_en) and ``<collection>SkillsCollection_en.csv`` for the
ESCO collections digital, green and transversal (columns conceptUri, preferredLabel, status).
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from passerelle.core.tables.codelist import Coded, CodeList, render_code_list

TABLES: Final = Path(__file__).resolve().parents[1] / "services" / "passerelle" / "core" / "tables"
COLLECTIONS: Final = ("digital", "green", "transversal")
SKILL: Final = "http://data.europa.eu/esco/skill/"


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        yield from csv.DictReader(file)


def noc(folder: Path) -> CodeList:
    """The unit groups of NOC 2021."""
    rows = _rows(folder / "noc2021_unit_groups_en.csv")
    return CodeList(
        "National Occupational Classification, unit groups, English titles",
        "NOC 2021 version 1.0",
        "Statistics Canada, correspondence table, by way of github.com/bcgov/onet-noc2021-crosswalk",
        "Apache-2.0 (the crosswalk); adapted from Statistics Canada, which does not endorse this product",
        {row["code"]: Coded(row["code"], row["title_en"].strip()) for row in rows},
    )


def esco(folder: Path) -> CodeList:
    """The released skills of three collections, by the UUID at the end of their URI; some are in several of them."""
    found: dict[str, Coded] = {}
    for collection in COLLECTIONS:
        for row in _rows(folder / f"{collection}SkillsCollection_en.csv"):
            if row["status"] != "released":
                continue
            uuid = row["conceptUri"].removeprefix(SKILL)
            groups = found[uuid].groups if uuid in found else ()
            found[uuid] = Coded(uuid, row["preferredLabel"].strip(), (*groups, collection))
    return CodeList(
        "ESCO, skills of the digital, green and transversal collections, English labels",
        "ESCO v1.1.1",
        "European Commission, ESCO classification, by way of github.com/tabiya-tech/tabiya-esco-datasets-and-tools",
        "reuse with attribution, Commission Decision 2011/833/EU",
        found,
    )


def main(arguments: list[str]) -> int:
    """Write or check; the exit code is 1 where a list differs from its source."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--check", action="store_true", help="write nothing, fail where a list differs")
    given = parser.parse_args(arguments)
    differs = 0
    for name, made in (("noc2021.txt", noc(given.folder)), ("esco.txt", esco(given.folder))):
        wanted, target = render_code_list(made), TABLES / name
        if not given.check:
            target.write_text(wanted, encoding="utf-8")
        elif not target.exists() or target.read_text(encoding="utf-8") != wanted:
            print(f"{name} differs from its source: run python tools/code_lists.py FOLDER", file=sys.stderr)
            differs = 1
    return differs


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
