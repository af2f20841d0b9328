"""The operator's side of a selftest: whose keys the registry shows, and the note that a report was accepted."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import orjson

from passerelle.core.errors import ConfigError, FormatError
from passerelle.core.note import VerifierKey
from passerelle.node.messages import signing_keys
from passerelle.node.selftest_report import OK, Accepted, check_report, instant

DAY_MS = 86_400_000


def keys_in_force(records: Iterable[Mapping[str, Any]], now_ms: int) -> dict[str, tuple[str, bytes]]:
    """Member and public key of every key that may sign now, by key id, as the registry's records show them."""
    return {
        name: (str(record["member"]), public_key)
        for record in records
        for name, public_key in signing_keys(record, now_ms).items()
    }


def judge(
    data: bytes,
    records: Iterable[Mapping[str, Any]],
    *,
    network: str,
    operator: str,
    now_ms: int,
    max_age_days: int,
    witnessed: bool,
) -> dict[str, Any]:
    """Check a report by the registry's records; what is accepted, as JSON values.

    Raises as :func:`passerelle.node.selftest_report.check_report`, and ConfigError ``config-mismatch`` where the
    registry does not tell the log's key.
    """
    known = {str(record["member"]): record for record in records}
    vkey = known.get(operator, {}).get("details", {}).get("log_vkey")
    if vkey is None:
        what = "the registry, as this node last saw it, does not tell the log's verifier key"
        raise ConfigError("config-mismatch", what, where="operator", fix="Run the operator's node, then try again.")
    accepted = check_report(
        data,
        keys_in_force(known.values(), now_ms),
        [VerifierKey.parse(str(vkey))],
        network=network,
        now_ms=now_ms,
        max_age_ms=max_age_days * DAY_MS,
        witnessed=witnessed,
    )
    return _note(accepted, data, known[accepted.content["member"]], now_ms)


def _note(accepted: Accepted, data: bytes, record: Mapping[str, Any], now_ms: int) -> dict[str, Any]:
    content = accepted.content
    return {
        **{name: content[name] for name in ("member", "network", "key_id", "run", "software", "schema")},
        **{name: record[name] for name in ("kind", "names", "jurisdictions", "roles")},
        "finished_at": content["finished_at"],
        "accepted_at": instant(now_ms),
        "left_out": [step["name"] for step in content["steps"] if step["state"] != OK],
        "entries": sorted(one.index for one in accepted.entries),
        "log": dict(content["log"]),
        "report_sha256": hashlib.sha256(data).hexdigest(),
    }


def write_note(path: Path, note: Mapping[str, Any]) -> None:
    """Keep an acceptance; one that is there is never overwritten. Raises FormatError ``argument-invalid``."""
    text = orjson.dumps(note, option=orjson.OPT_INDENT_2) + b"\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(text)
    except FileExistsError:
        raise FormatError("argument-invalid", "this run was accepted before", where=str(path)) from None
    except OSError as error:
        raise FormatError("file-unreadable", f"the file cannot be written: {error.strerror}", where=str(path)) from None
