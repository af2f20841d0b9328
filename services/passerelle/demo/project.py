"""From messages of the services to what an expected answer names: codes, titles, ids, fractions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from passerelle.api.common.v1 import common_pb2
from passerelle.api.equivalency.v1 import equivalency_pb2
from passerelle.api.portability.v1 import portability_pb2

_NAMED: Final = {"block": "programme", "admission": "programme"}


def enum_word(enum: Any, value: int, prefix: str) -> str:
    """``no-credit`` for ``VERDICT_NO_CREDIT``."""
    return str(enum.Name(value)).removeprefix(prefix).lower().replace("_", "-")


def verdict(value: int) -> str:
    """An equivalency verdict as a word."""
    return enum_word(equivalency_pb2.Verdict, value, "VERDICT_")


def match(value: int) -> str:
    """How a transcript line stands to a rule, as a word."""
    return enum_word(equivalency_pb2.Match, value, "MATCH_")


def portability(value: int) -> str:
    """A portability verdict as a word."""
    return enum_word(portability_pb2.PortabilityVerdict, value, "PORTABILITY_VERDICT_")


def finding(value: int) -> str:
    """A criterion's finding as a word."""
    return enum_word(portability_pb2.Finding, value, "FINDING_")


def credits_pair(amount: common_pb2.CreditValue) -> list[str]:
    """``["7/3", "cegep-units"]``."""
    return [amount.value, amount.system]


def outcome(message: common_pb2.Outcome) -> dict[str, Any]:
    """What is granted, or why nothing is."""
    found: dict[str, Any] = {"type": message.type}
    if message.achievement:
        found[_NAMED.get(message.type, "achievement")] = message.achievement
        found["title"] = message.title
    for name in ("subject", "level", "profession", "reason"):
        if value := getattr(message, name):
            found[name] = value
    if message.HasField("credits"):
        found["credits"] = credits_pair(message.credits)
    if message.applicability:
        found["applicability"] = message.applicability
    return found


def reason(message: common_pb2.Reason) -> dict[str, str]:
    """A reason by its code and parameters."""
    return {"code": message.code, **dict(sorted(message.parameters.items()))}


class Reasons:
    """The reasons met in one answer, each once: as codes to compare and as sentences to read."""

    def __init__(self) -> None:
        self._found: dict[tuple[tuple[str, str], ...], str] = {}

    def add(self, messages: Iterable[common_pb2.Reason]) -> None:
        """Take reasons of the services."""
        for message in messages:
            self.say(reason(message), message.en)

    def say(self, code: Mapping[str, str], sentence: str) -> None:
        """Take one reason."""
        self._found.setdefault(tuple(sorted(code.items())), sentence)

    @property
    def codes(self) -> list[dict[str, str]]:
        """For comparing."""
        return [dict(items) for items in self._found]

    @property
    def sentences(self) -> list[str]:
        """For reading."""
        return list(self._found.values())


def rule_answer(message: equivalency_pb2.Answer) -> dict[str, Any]:
    """One receiver's answer to a look-up."""
    return {
        "receiver": message.receiver,
        "verdict": verdict(message.verdict),
        "rule": message.rule.id,
        "kind": message.rule.kind,
        "outcome": outcome(message.rule.outcome),
        "subject_to_admission": message.subject_to_admission,
    }


def event_word(event_type: str) -> str:
    """``revoked`` for ``ca.passerelle.credential.revoked.v1`` and for ``credential.revoked``."""
    return event_type.removeprefix("ca.passerelle.").removesuffix(".v1").partition(".")[2]
