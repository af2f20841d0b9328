"""Vectors of signed answers: good ones, and altered ones that must not verify."""

from __future__ import annotations

from typing import Any

from tests.contracts.witness_vectors import LEAVES, LOG, NETWORK, STRANGER, code_of, note

from passerelle.core.answer import KIND, Asked, sign_answer, verify_answer
from passerelle.core.jws import canonical, sign
from passerelle.core.signature import SeedSigner

ISSUER = SeedSigner(b"\x06" * 32)
NOW_MS = 1_790_000_000_000
DAY_S = 86_400


def answer(**more: Any) -> str:
    """An answer about six entries, under a checkpoint of nine."""
    asked = Asked(
        method="passerelle.api.equivalency.v1.EquivalencyService/Find",
        question={"achievement": "humber/revit", "receiver": "", "min_position": 0},
        answer={"title": "Architecture assist\u00e9e", "answers": [{"verdict": "agreement", "receiver": "bcit"}]},
        position={"size": 6, "accepted_at_ms": NOW_MS - 5, "floor_ms": NOW_MS},
        valid_on="2026-09-21",
        packs={"portability-national": 3},
    )
    given: dict[str, Any] = {
        "network": NETWORK,
        "member": "operator",
        "checkpoint": note(LEAVES).decode(),
        "now_ms": NOW_MS,
        "lifetime_s": 30 * DAY_S,
    }
    return sign_answer(ISSUER, asked, **(given | more))


def check(text: str) -> None:
    """Verify as of the moment of the vectors."""
    verify_answer(
        text.encode(), {ISSUER.key_id: ISSUER.public_key}, [LOG.verifier], network=NETWORK, now_ms=NOW_MS + 1_000
    )


def build() -> dict[str, Any]:
    """The content of ``answer.json``."""
    good = answer()
    header, payload, signature = good.split(".")
    invalid = {
        "the payload of another": f"{header}.{answer(member='york').split('.')[1]}.{signature}",
        "padded": f"{header}.{payload}=.{signature}",
        "a part is absent": f"{header}.{payload}",
        "another type, signed by the issuer": sign(ISSUER, "vnd.passerelle.preliminary.v1", {"format": KIND}),
        "members are absent, signed by the issuer": sign(ISSUER, KIND, {"format": "passerelle.answer/v1"}),
        "another network": answer(network="other.example/log"),
        "a checkpoint that does not cover it": answer(checkpoint=note(LEAVES[:5]).decode()),
        "a checkpoint that the log did not sign": answer(checkpoint=note(LEAVES, STRANGER).decode()),
        "its time is over": answer(now_ms=NOW_MS - 31 * DAY_S * 1000),
        "its time has not begun": answer(now_ms=NOW_MS + DAY_S * 1000),
    }
    return {
        "network": NETWORK,
        "log_public_key": LOG.verifier.public_key.hex(),
        "issuer_public_key": ISSUER.public_key.hex(),
        "now": "2026-09-21T14:13:21Z",
        "canonical": [
            {"value": value, "text": canonical(value).decode()}
            for value in ({"b": 1, "a": [True, None, "\u00e9\n"], "\u20ac": {"z": 0, "A": -1}}, {})
        ],
        "valid": [{"jws": good, "size": 6}, {"jws": answer(checkpoint=note(LEAVES[:6]).decode()), "size": 6}],
        "invalid": [{"why": why, "jws": text, "code": code_of(check, text)} for why, text in invalid.items()],
    }
