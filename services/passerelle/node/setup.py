"""A new node's folder: keys, one commented configuration file, and what the operator needs to admit the member."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from passerelle.core.errors import ConfigError, FormatError
from passerelle.core.note import CosignatureSigner, NoteSigner
from passerelle.core.signature import SeedSigner, key_id
from passerelle.core.statement import check_member_id, check_network
from passerelle.core.witness import witness_name
from passerelle.events.codec import check_data
from passerelle.node.csv_cells import nearest
from passerelle.node.publishing import event_type
from passerelle.node.sealed import OwnSeal
from passerelle.runtime.config import read_public_key
from passerelle.runtime.ids import Ids
from passerelle.runtime.keys import create_seed

SEED: Final = 32
CONFIG: Final = "node.toml"
ADMISSION: Final = "admission.json"
WITNESS_KEY: Final = "witness.key"
SEAL_KEY: Final = "seal.key"
_FRENCH: Final = "CA-QC"

_TOML: Final = """\
# The node of {member}. Every setting can be overridden by a variable: PASSERELLE_KAFKA__BOOTSTRAP=broker:9092.
# Paths are relative to this file. Secrets are named by file, never written here.

member = {member_q}
# The log's origin: it names the network.
network = {network_q}
operator = {operator_q}
# The key at which trust in the network starts: compare it with what the operator published elsewhere.
root_public_key_file = "root.pub"

# Signs this member's events.
key_file = "signing.key"
# Wraps the learners' keys. Without it their details are lost: keep a copy in a safe place.
learner_key_file = "learners.key"
# Under this key your office's record ids are known. Keep a copy too.
record_key_file = "records.key"

# The query service: host:port.
query = {query_q}
# Language of tables and messages: en or fr.
language = "{language}"
# Seconds without a receipt after which events are sent again.
resend_after_s = 10.0
# Where evidence goes if the log ever contradicts itself.
evidence_folder = "evidence"
# Members that must have cosigned what release files are proved with.
witnesses_required = 0

[database]
# This node's own PostgreSQL database. The URL carries no password: name a file with password_file.
url = {database_q}
{password}pool_size = 4

[kafka]
bootstrap = {kafka_q}
# security = "scram" with username, password_file, ca_file; or "mtls" with certificate_file, key_file, ca_file.
security = "plaintext"

[telemetry]
log_format = "console"
log_level = "info"

[telemetry.health]
# /healthz, /readyz and /metrics; port 0 lets the system choose.
host = "127.0.0.1"
port = {health_port}
"""


@dataclass(frozen=True, slots=True)
class NewNode:
    """What a person states about a new node. ``names`` by language; ``root_public_key`` 32 bytes."""

    member: str
    kind: str
    names: Mapping[str, str]
    jurisdictions: Sequence[str]
    roles: Sequence[str]
    network: str
    database: str
    kafka: str
    query: str
    operator: str = "operator"
    password_file: str = ""
    health_port: int = 0
    sample: bool = False


def parse_names(items: Sequence[str]) -> dict[str, str]:
    """``en=Humber College`` pairs as a mapping. Raises FormatError ``argument-invalid``."""
    found = {}
    for item in items:
        language, equals, name = item.partition("=")
        if not equals or not name.strip():
            fix = "Write --name en='Humber College' --name fr='Collège Humber'."
            raise FormatError("argument-invalid", "a name is a language, '=' and the name", where="--name", fix=fix)
        found[language.strip()] = name.strip()
    return found


def _quoted(text: str) -> str:
    # A JSON string without control characters is a TOML basic string too.
    return orjson.dumps(text).decode()


def language_of(jurisdictions: Sequence[str]) -> str:
    """A node in Quebec starts in French."""
    return "fr" if _FRENCH in jurisdictions else "en"


def key_entry(signer: SeedSigner) -> dict[str, str]:
    """A signing key as a member event lists it."""
    return {"key_id": signer.key_id, "public_key": signer.public_key.hex(), "use": "sign"}


def admission(node: NewNode, signer: SeedSigner, *, log_vkey: str | None = None) -> dict[str, Any]:
    """The data of ``member.admitted`` for a new node. Raises Refused where a value does not have its form."""
    data: dict[str, Any] = {
        "member": check_member_id(node.member),
        "kind": node.kind,
        "names": dict(node.names),
        "jurisdictions": list(node.jurisdictions),
        "roles": list(node.roles),
        "keys": [key_entry(signer)],
    }
    if log_vkey is not None:
        data["log_vkey"] = log_vkey
    if node.sample:
        data["sample"] = True
    check_data(event_type("member.admitted"), data)
    return data


def write_config(folder: Path, node: NewNode) -> Path:
    """Write the commented configuration. An existing one is never overwritten. Raises ConfigError."""
    path = folder / CONFIG
    text = _TOML.format(
        member=node.member,
        member_q=_quoted(node.member),
        network_q=_quoted(check_network(node.network)),
        operator_q=_quoted(node.operator),
        query_q=_quoted(node.query),
        database_q=_quoted(node.database),
        kafka_q=_quoted(node.kafka),
        language=language_of(node.jurisdictions),
        password=f"password_file = {_quoted(node.password_file)}\n" if node.password_file else "",
        health_port=node.health_port,
    )
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ConfigError("config-invalid", "the folder holds a node already", where=str(path)) from None
    return path


def create_node(folder: Path, node: NewNode, root_key_file: Path, ids: Ids) -> dict[str, Any]:
    """Make the folder of a member's node: keys (mode 600), ``node.toml``, ``root.pub``, ``admission.json``.

    Returns the admission's data. Raises ConfigError, FormatError or Refused; nothing is written where a value is wrong.
    """
    root = read_public_key(root_key_file)
    signing = ids.random(SEED)
    data = admission(node, SeedSigner(signing))
    folder.mkdir(parents=True, exist_ok=True)
    write_config(folder, node)
    _write_keys(folder, signing, ids)
    (folder / "root.pub").write_text(root.hex() + "\n", encoding="ascii")
    (folder / ADMISSION).write_bytes(orjson.dumps(data, option=orjson.OPT_INDENT_2) + b"\n")
    return data


def _write_keys(folder: Path, signing: bytes, ids: Ids) -> None:
    create_seed(folder / "signing.key", signing)
    create_seed(folder / "learners.key", ids.random(SEED))
    create_seed(folder / "records.key", ids.random(SEED))


@dataclass(frozen=True, slots=True)
class Operator:
    """What :func:`create_operator` made: the operator's own admission and the root key that signs it."""

    admission: dict[str, Any]
    root: SeedSigner
    log_vkey: str


def create_operator(folder: Path, node: NewNode, ids: Ids) -> Operator:
    """Make the operator's folder: as a node's, with ``root.key``, ``log.key`` and ``log.vkey``.

    The root key signs the operator's own admission and nothing else; keep it off line afterwards. The log key is the
    ledger's. Raises as :func:`create_node`.
    """
    root, log, signing = (ids.random(SEED) for _ in range(3))
    vkey = str(NoteSigner(check_network(node.network), log).verifier)
    data = admission(node, SeedSigner(signing), log_vkey=vkey)
    folder.mkdir(parents=True, exist_ok=True)
    write_config(folder, node)
    _write_keys(folder, signing, ids)
    create_seed(folder / "root.key", root)
    create_seed(folder / "log.key", log)
    signer = SeedSigner(root)
    (folder / "root.pub").write_text(signer.public_key.hex() + "\n", encoding="ascii")
    (folder / "log.vkey").write_text(vkey + "\n", encoding="utf-8")
    (folder / ADMISSION).write_bytes(orjson.dumps(data, option=orjson.OPT_INDENT_2) + b"\n")
    return Operator(data, signer, vkey)


def known(value: str, allowed: Sequence[str], where: str) -> str:
    """The value where it is one of those allowed. Raises FormatError ``argument-invalid`` with the nearest one."""
    if value in allowed:
        return value
    guess = nearest(value, allowed)
    fix = f"Did you mean '{guess}'?" if guess else f"Use one of: {', '.join(allowed)}."
    raise FormatError("argument-invalid", "the value is not one of those allowed", where=where, fix=fix)


def public_key_entry(path: Path, use: str = "sign") -> dict[str, str]:
    """A public key file as a member event lists it. Raises ConfigError."""
    key = read_public_key(path)
    return {"key_id": key_id(key), "public_key": key.hex(), "use": use}


def create_witness_key(folder: Path, network: str, member: str, ids: Ids) -> str:
    """Make a witness's key in a node's folder: ``witness.key`` (mode 600) and ``witness.pub``; its verifier key.

    Raises ConfigError ``key-file-unusable`` where there is one already, FormatError ``note-key-malformed``.
    """
    seed = ids.random(SEED)
    signer = CosignatureSigner(witness_name(network, member), seed)
    create_seed(folder / WITNESS_KEY, seed)
    (folder / "witness.pub").write_text(signer.verifier.public_key.hex() + "\n", encoding="ascii")
    return str(signer.verifier)


def create_seal_key(folder: Path, member: str, ids: Ids) -> str:
    """Make the key that opens documents sealed to a member: ``seal.key`` (mode 600) and ``seal.pub``; its key id.

    Raises ConfigError ``key-file-unusable`` where there is one already.
    """
    own = OwnSeal(member, ids.random(SEED))
    create_seed(folder / SEAL_KEY, own.secret)
    (folder / "seal.pub").write_text(own.public.public_key.hex() + "\n", encoding="ascii")
    return own.public.key_id


def removals(key_ids: Sequence[str], distrust: Sequence[str]) -> list[dict[str, Any]]:
    """Keys that end; ``distrust`` items are ``family=sequence``. Raises FormatError ``argument-invalid``."""
    starts: dict[str, int] = {}
    for item in distrust:
        family, _, sequence = item.partition("=")
        if not sequence.isdigit():
            fix = "Write for example --distrust-from credential=120."
            raise FormatError("argument-invalid", "not a family and a sequence", where="--distrust-from", fix=fix)
        starts[family] = int(sequence)
    return [{"key_id": one, **({"distrust_from": starts} if starts else {})} for one in key_ids]
