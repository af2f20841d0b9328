"""A node whose key encryption key lies in a PKCS #11 token: imports, reads again, and is examined."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from tests.conformance.test_key_encryption import TOKEN, Token, token
from tests.integration.node_desk import ACHIEVEMENTS, CREDENTIALS, credential_rows, node_config
from typer.testing import CliRunner

from passerelle.cli.node_learner import app
from passerelle.node.config import NodeConfig
from passerelle.node.doctor import examine
from passerelle.node.key_encryption import open_key
from passerelle.node.main import Office, open_office
from passerelle.node.rewrapping import rewrap_all
from passerelle.runtime.clock import SystemClock
from passerelle.runtime.config import KafkaConfig

__all__ = ["token"]


async def take(office: Office, folder: Path, text: str) -> int:
    (folder / "in.csv").write_text(text)
    return (await office.importer().run(folder / "in.csv")).new


async def names(config: NodeConfig) -> list[str]:
    async with open_office(config) as office:
        return [office.vault.person(one).name for one in await office.store.export_learners("", 100)]


async def findings(config: NodeConfig) -> dict[str, str]:
    """The codes of what the doctor says of the key, by check."""
    found = await examine(config, SystemClock())
    return {one.check: one.code for one in found if one.check.startswith("learner key")}


async def rewrapped(before: NodeConfig, after: NodeConfig) -> dict[str, int]:
    async with open_office(after) as office:
        keys = open_key(before, office.ids), open_key(after, office.ids)
        return (await rewrap_all(office.store, *keys, office.ids)).as_dict()


async def test_learners_are_kept_under_the_key_of_a_token(database: str, tmp_path: Path, token: Token) -> None:
    plain = node_config(
        tmp_path, database, member="humber", query="127.0.0.1:1",
        kafka=KafkaConfig(bootstrap="127.0.0.1:1", request_timeout_s=1),
    )  # fmt: skip
    config = plain.model_copy(update={"learner_key_file": None, "key_encryption": token.settings()})
    async with open_office(config) as office:
        assert await take(office, tmp_path, ACHIEVEMENTS) == 1
        assert await take(office, tmp_path, CREDENTIALS + credential_rows(range(3))) == 3
        # The same rows again: the details are known, nothing is new.
        assert await take(office, tmp_path, CREDENTIALS + credential_rows(range(3))) == 0
    assert sorted(await names(config)) == [f"Person Number{n}" for n in range(3)]
    assert await findings(config) == {"learner key token": "", "learner key opens the database": ""}

    other = config.model_copy(update={"key_encryption": token.settings(key_label="others")})
    assert await findings(other) == {"learner key token": "", "learner key opens the database": "key-file-unusable"}
    gone = config.model_copy(update={"key_encryption": token.settings(module=tmp_path / "none.so")})
    assert set((await findings(gone)).values()) == {"key-token-unavailable"}
    # A file with another key than the token's opens nothing either.
    assert (await findings(plain))["learner key opens the database"] == "key-file-unusable"

    # From one key of the token to the other, and from there into the file.
    for before, after in ((config, other), (other, plain)):
        assert await rewrapped(before, after) == {"done": 3, "already": 0}
        assert await rewrapped(before, after) == {"done": 0, "already": 3}
        assert sorted(await names(after)) == [f"Person Number{n}" for n in range(3)]
    assert (await findings(config))["learner key opens the database"] == "key-file-unusable"

    # By the command, from the file into the token again.
    old, new = write_toml(plain, "old"), write_toml(plain, "new", token)
    words = ["rewrap", "--old", str(old), "--config", str(new), "--json"]
    ran = await asyncio.to_thread(CliRunner().invoke, app, words)
    assert json.loads(ran.stdout) == {"done": 3, "already": 0}
    assert sorted(await names(NodeConfig.load(new))) == [f"Person Number{n}" for n in range(3)]


def write_toml(config: NodeConfig, name: str, token: Token | None = None) -> Path:
    """The configuration as the command line reads it."""
    lines = ['root_public_key_file = "root.pub"', 'key_file = "signing.key"', 'record_key_file = "records.key"']
    lines += [f'member = "{config.member}"', f'network = "{config.network}"']
    table = 'learner_key_file = "learners.key"'
    if token is not None:
        names = {"module": token.module, "token_label": TOKEN, "key_label": "learners", "pin_file": token.pin_file}
        table = "key_encryption = { " + ", ".join(f'{key} = "{value}"' for key, value in names.items()) + " }"
    path = config.key_file.parent / f"{name}.toml"
    path.write_text("\n".join([*lines, table, f'[database]\nurl = "{config.database.url}"']) + "\n", encoding="utf-8")
    return path
