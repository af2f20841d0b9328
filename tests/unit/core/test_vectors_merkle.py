"""Merkle proofs held against the published vectors of transparency-dev/merkle (testdata, Apache-2.0), if present.

They lie beside the repository in ../shared/vectors/merkle; nothing of them is in the repository.
"""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from passerelle.core import merkle
from passerelle.core.errors import ProofError

VECTORS = Path(__file__).resolve().parents[4] / "shared" / "vectors" / "merkle"
INCLUSION = sorted(VECTORS.glob("inclusion/*/*.json"))
CONSISTENCY = sorted(VECTORS.glob("consistency/*/*.json"))

pytestmark = [
    pytest.mark.vectors,
    pytest.mark.skipif(
        not INCLUSION or not CONSISTENCY, reason="absent: ../shared/vectors/merkle (transparency-dev/merkle testdata)"
    ),
]


def label(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def load(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def hashes(values: list[str] | None) -> list[bytes]:
    return [base64.b64decode(value or "") for value in values or []]


@pytest.mark.parametrize("path", INCLUSION, ids=label)
def test_inclusion(path: Path) -> None:
    case = load(path)
    leaf, root = hashes([case["leafHash"], case["root"]])
    arguments = (leaf, case["leafIdx"], case["treeSize"], hashes(case["proof"]), root)
    if case["wantErr"]:
        with pytest.raises(ProofError):
            merkle.verify_inclusion(*arguments)
    else:
        merkle.verify_inclusion(*arguments)


@pytest.mark.parametrize("path", CONSISTENCY, ids=label)
def test_consistency(path: Path) -> None:
    case = load(path)
    root1, root2 = hashes([case["root1"], case["root2"]])
    arguments = (case["size1"], root1, case["size2"], root2, hashes(case["proof"]))
    if case["wantErr"]:
        with pytest.raises(ProofError):
            merkle.verify_consistency(*arguments)
    else:
        merkle.verify_consistency(*arguments)


def test_both_outcomes_were_seen() -> None:
    outcomes = {(path.parts[-3], load(path)["wantErr"]) for path in (*INCLUSION, *CONSISTENCY)}
    assert outcomes == {(kind, wanted) for kind in ("inclusion", "consistency") for wanted in (True, False)}
