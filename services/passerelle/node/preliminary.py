"""Preliminary transfer assessments: unofficial, signed, with an end, bound to the log's position and policy versions.

The file is a JWS as signed answers are (:mod:`passerelle.core.jws`), signed with the member's signing key. It holds
course facts and no person. Within its time it is honoured when a case is decided, also where a rule has changed since:
the proposal says so.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from passerelle.core import jws
from passerelle.core.errors import FormatError, PasserelleError, Refused
from passerelle.core.signature import Signer
from passerelle.node.files import read_bounded
from passerelle.node.messages import known_keys
from passerelle.node.ports import CaseStore, OutboxStore
from passerelle.node.rules_asked import Ruled, Rules
from passerelle.runtime.clock import Clock, as_date
from passerelle.runtime.ids import Ids

FORMAT: Final = "passerelle.preliminary/v1"
KIND: Final = "vnd.passerelle.preliminary.v1"
MAX_FILE: Final = 1024 * 1024
MAX_LINES: Final = 500
MAX_DAYS: Final = 730
MAX_LISTED: Final = 10_000
NOTICE: Final = {
    "en": "Unofficial. Credit is subject to admission and to the final transcript.",
    "fr": "Non officiel. Les crédits sont accordés sous réserve de l'admission et du relevé de notes final.",
}
_FACTS: Final = ("achievement", "version", "completed_on", "grade", "credits", "basis")


class PromiseStore(CaseStore, OutboxStore, Protocol):
    """Preliminary assessments, own events, the registry's records."""

    async def save_preliminary(self, identifier: str, expires_on: str, envelope: bytes, now_ms: int) -> None:
        """Keep what was given out."""

    async def preliminaries(self, today: str, limit: int) -> list[bytes]:
        """The files that have not ended on this day (UTC), soonest end first."""

    async def versions_seen(self, keys: Sequence[str]) -> dict[str, int]:
        """The latest versions seen on the feed of these things."""

    async def policy_versions(self, limit: int) -> dict[str, int]:
        """Every policy seen on the feed with its latest version."""


@dataclass(frozen=True, slots=True)
class Promise:
    """A file that was proved to be this member's and has not ended."""

    data: Mapping[str, Any]

    def line_for(self, fact: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """What was said of these very facts: achievement, version, completion, grade; None where nothing was."""
        return next((line for line in self.data["lines"] if line["match"] == "match" and _same(line, fact)), None)

    def told(self, line: Mapping[str, Any], now: Ruled) -> dict[str, Any]:
        """How a promise stands against the rules of today."""
        changed = now.match != "match" or now.outcome != line["outcome"] or _rule(now.rule) != _rule(line["rule"])
        return {
            "id": self.data["id"],
            "made_on": self.data["made_on"],
            "expires_on": self.data["expires_on"],
            "position": self.data["position"],
            "grandfathered": changed,
        }


def _same(line: Mapping[str, Any], fact: Mapping[str, Any]) -> bool:
    named = {name: line.get(name) for name in ("achievement", "completed_on", "grade")}
    version = line.get("version")
    return named == {name: fact.get(name) for name in named} and version in {None, fact.get("version")}


def _rule(rule: Mapping[str, Any]) -> tuple[Any, Any]:
    return rule.get("id"), rule.get("recorded_from")


@dataclass(frozen=True, slots=True)
class Preliminaries:
    """The use cases."""

    store: PromiseStore
    rules: Rules
    signer: Signer
    clock: Clock
    ids: Ids
    member: str
    network: str

    async def make(
        self, lines: Sequence[Mapping[str, Any]], target: Path, *, programme: str, days: int
    ) -> dict[str, Any]:
        """Assess course facts by this member's rules and write the signed file; what it says.

        ``lines`` as :func:`passerelle.node.rules_asked.transcript_line` takes them, at most 500. Raises Refused
        ``too-many-items``, FormatError ``argument-invalid``, ``argument-missing``, Unavailable.
        """
        if not 1 <= days <= MAX_DAYS:
            raise FormatError("argument-invalid", f"it holds for 1 to {MAX_DAYS} days", where="--days")
        if not lines:
            raise FormatError("argument-missing", "no line is given", where="lines")
        if len(lines) > MAX_LINES:
            raise Refused("too-many-items", f"at most {MAX_LINES} lines are assessed at once", where="lines")
        now_ms = self.clock.now_ms()
        best: dict[int, Ruled] = {}
        for answer in await self.rules.evaluate(lines, self.member):
            best.setdefault(answer.number, answer)
        today = as_date(now_ms)
        data: dict[str, Any] = {
            "format": FORMAT,
            "id": self.ids.uuid4(),
            "network": self.network,
            "receiver": self.member,
            "programme": programme,
            "made_on": today,
            "expires_on": (dt.date.fromisoformat(today) + dt.timedelta(days=days)).isoformat(),
            "position": max((answer.position for answer in best.values()), default=0),
            "policies": await self.store.policy_versions(MAX_LISTED),
            "official": False,
            "notice": NOTICE,
            "lines": [_line(line, best.get(number)) for number, line in enumerate(lines, 1)],
        }
        envelope = jws.sign(self.signer, KIND, data).encode() + b"\n"
        await self.store.save_preliminary(data["id"], data["expires_on"], envelope, now_ms)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(envelope)
        return data

    async def read(self, path: Path) -> Promise:
        """A file that this member gave out and that still holds.

        Raises FormatError ``answer-malformed``, ``file-unreadable``, ``file-too-large``, SignatureInvalid
        ``answer-signature-invalid``, Refused ``not-receiver``, ``preliminary-expired``.
        """
        keys = known_keys(await self.store.own_record(self.member))
        # Signed by this member: its form is the one that was written here.
        data = jws.read(read_bounded(path, MAX_FILE), KIND, keys.get).payload
        if data["receiver"] != self.member or data["network"] != self.network:
            raise Refused("not-receiver", "the assessment is another receiver's", where=str(path))
        if data["expires_on"] < as_date(self.clock.now_ms()):
            raise Refused("preliminary-expired", f"the assessment held until {data['expires_on']}", where=str(path))
        return Promise(data)

    async def listed(self) -> list[dict[str, Any]]:
        """What was given out and still holds, with the rules and policies that have changed since."""
        # What is kept here was signed here, also before the registry showed the key.
        own = {self.signer.key_id: self.signer.public_key}
        keys, found = known_keys(await self.store.own_record(self.member)) | own, []
        for envelope in await self.store.preliminaries(as_date(self.clock.now_ms()), MAX_LISTED):
            data = jws.read(envelope, KIND, keys.get).payload
            rules = {line["rule"]["id"]: line["rule"] for line in data["lines"] if line["rule"]}
            changed = [name for name, rule in sorted(rules.items()) if await self._changed(rule)]
            seen = await self.store.versions_seen([f"policy:{name}" for name in data["policies"]])
            policies = [name for name, version in sorted(data["policies"].items()) if _newer(seen, name, version)]
            said = {name: data[name] for name in ("id", "made_on", "expires_on", "position", "programme")}
            found.append({**said, "rules_changed": changed, "policies_changed": policies, "honoured": True})
        return found

    async def _changed(self, rule: Mapping[str, Any]) -> bool:
        key = f"recognition:{rule['id']}"
        if (await self.store.versions_seen([key])).get(key, 0) > int(rule["version"]):
            return True
        # An end has no version; it is this member's own event.
        events = await self.store.events_of(key)
        return any(row.outcome == "accepted" and (row.index or 0) > rule["recorded_from"] for row in events)


def _newer(seen: Mapping[str, int], policy: str, version: int) -> bool:
    return seen.get(f"policy:{policy}", version) > version


def _line(given: Mapping[str, Any], ruled: Ruled | None) -> dict[str, Any]:
    facts = {name: given[name] for name in _FACTS if given.get(name)}
    if ruled is None:
        raise PasserelleError("service-unavailable", "the query service left a line unanswered", where="lines")
    return {
        **facts,
        "match": ruled.match,
        "rule": dict(ruled.rule),
        "outcome": ruled.outcome,
        "reasons": [dict(reason) for reason in ruled.reasons],
        "smallest_fix": list(ruled.fix),
    }
