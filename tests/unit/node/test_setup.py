"""A new node's folder: what is in it, who may read it, and that the operator can admit the member with it."""

import stat
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from tests.unit.node.office import CountingIds

from passerelle.core.errors import PasserelleError
from passerelle.core.note import VerifierKey
from passerelle.core.registry import ADMITTED, KEYS_CHANGED, Registry, apply
from passerelle.core.signature import SeedSigner
from passerelle.core.witness import witness_keys
from passerelle.node.config import NodeConfig
from passerelle.node.setup import (
    NewNode,
    create_node,
    create_operator,
    create_witness_key,
    known,
    parse_names,
    public_key_entry,
    removals,
)
from passerelle.runtime.keys import read_seed

NODE = NewNode(
    member="cegep-garneau",
    kind="cegep",
    names={"fr": 'Cégep "Garneau"'},
    jurisdictions=["CA-QC"],
    roles=["issue", "recognise"],
    network="unit.example/1",
    database="postgresql://garneau@127.0.0.1:5432/garneau",
    kafka="127.0.0.1:9092",
    query="127.0.0.1:8443",
)
OPERATOR = replace(NODE, member="operator", kind="operator", roles=["operate"], jurisdictions=["CA"])


def root_file(folder: Path) -> Path:
    path = folder / "root.pub"
    path.write_text(SeedSigner(bytes(32)).public_key.hex() + "\n", encoding="ascii")
    return path


def test_a_nodes_folder_holds_its_configuration_and_keys_that_only_the_owner_reads(tmp_path: Path) -> None:
    create_node(tmp_path / "node", NODE, root_file(tmp_path), CountingIds())
    config = NodeConfig.load(tmp_path / "node" / "node.toml")
    assert (config.member, config.language, config.network) == ("cegep-garneau", "fr", "unit.example/1")
    assert config.database.url == NODE.database
    assert config.root_public_key() == SeedSigner(bytes(32)).public_key
    assert config.learner_key_file is not None
    for path in (config.key_file, config.learner_key_file, config.record_key_file):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert len(read_seed(path)) == 32
    assert len({path.read_text() for path in (config.key_file, config.learner_key_file, config.record_key_file)}) == 3


def test_an_existing_node_is_never_overwritten(tmp_path: Path) -> None:
    create_node(tmp_path / "node", NODE, root_file(tmp_path), CountingIds())
    before = {path.name: path.read_bytes() for path in (tmp_path / "node").iterdir()}
    with pytest.raises(PasserelleError) as caught:
        create_node(tmp_path / "node", NODE, root_file(tmp_path), CountingIds())
    assert caught.value.code == "config-invalid"
    assert {path.name: path.read_bytes() for path in (tmp_path / "node").iterdir()} == before


@pytest.mark.parametrize(
    "wrong", [{"member": "Garneau"}, {"jurisdictions": ["CA-XX"]}, {"names": {}}, {"network": "a b"}]
)
def test_a_wrong_value_leaves_no_key_behind(tmp_path: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(PasserelleError):
        create_node(tmp_path / "node", replace(NODE, **wrong), root_file(tmp_path), CountingIds())  # type: ignore[arg-type]
    assert not list(tmp_path.glob("node/*.key"))


def test_operator_and_member_are_admitted_with_what_init_wrote(tmp_path: Path) -> None:
    made = create_operator(tmp_path / "op", OPERATOR, CountingIds())
    registry = Registry("unit.example/1", "operator", made.root.public_key)
    apply(registry, 0, ADMITTED, made.admission)
    create_node(tmp_path / "node", NODE, tmp_path / "op" / "root.pub", CountingIds())
    data = orjson.loads((tmp_path / "node" / "admission.json").read_bytes())
    # Both were made from the same counting identifiers, so the member gets a key of its own here.
    signer = SeedSigner(bytes(31) + b"\xee")
    data["keys"] = [{"key_id": signer.key_id, "public_key": signer.public_key.hex(), "use": "sign"}]
    apply(registry, 1, ADMITTED, data)
    assert registry.member("cegep-garneau").names == {"fr": 'Cégep "Garneau"'}


def test_the_operators_admission_names_the_key_of_the_log(tmp_path: Path) -> None:
    made = create_operator(tmp_path / "op", OPERATOR, CountingIds())
    vkey = VerifierKey.parse(made.admission["log_vkey"])
    log = SeedSigner(read_seed(tmp_path / "op" / "log.key"))
    assert (vkey.name, vkey.public_key) == ("unit.example/1", log.public_key)
    assert made.root.key_id not in {key["key_id"] for key in made.admission["keys"]}
    assert stat.S_IMODE((tmp_path / "op" / "root.key").stat().st_mode) == 0o600


def test_names_and_codes_are_explained(tmp_path: Path) -> None:
    assert parse_names(["en=Humber College", "fr=Collège Humber"]) == {"en": "Humber College", "fr": "Collège Humber"}
    with pytest.raises(PasserelleError):
        parse_names(["Humber"])
    with pytest.raises(PasserelleError) as caught:
        known("colege", ("college", "cegep"), "--kind")
    assert "'college'" in caught.value.fix
    assert public_key_entry(root_file(tmp_path))["key_id"] == SeedSigner(bytes(32)).key_id
    assert removals(["a"], ["credential=7"]) == [{"key_id": "a", "distrust_from": {"credential": 7}}]
    with pytest.raises(PasserelleError):
        removals(["a"], ["credential"])


def test_a_witness_has_a_key_of_its_own_that_the_registry_lists_for_that_alone(tmp_path: Path) -> None:
    create_node(tmp_path, NODE, root_file(tmp_path), CountingIds())
    ids = CountingIds()
    ids.random(32)
    vkey = VerifierKey.parse(create_witness_key(tmp_path, NODE.network, NODE.member, ids))
    assert stat.S_IMODE((tmp_path / "witness.key").stat().st_mode) == 0o600
    made = create_operator(tmp_path / "op", OPERATOR, CountingIds())
    registry = Registry("unit.example/1", "operator", made.root.public_key)
    apply(registry, 0, ADMITTED, made.admission)
    entry = public_key_entry(tmp_path / "witness.pub", "witness")
    apply(registry, 1, KEYS_CHANGED, {"member": "operator", "add": [entry]})
    (key,) = witness_keys(NODE.network, registry.members["operator"].as_dict(), 0)
    assert (key.public_key, key.name) == (vkey.public_key, "unit.example/1/witness/operator")
    assert vkey.name == "unit.example/1/witness/cegep-garneau"
    with pytest.raises(PasserelleError) as caught:
        create_witness_key(tmp_path, NODE.network, NODE.member, CountingIds())
    assert caught.value.code == "key-file-unusable"
