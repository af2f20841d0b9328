"""``passerelle verify``: check what a service signed, without asking anybody."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from passerelle.cli.answering import LangOption, known_at, language
from passerelle.cli.common import JsonOption, log_keys, print_json, text_or_file, verifier_keys
from passerelle.cli.proof import NetworkOption, OperatorOption, VkeysOption, WitnessesOption, WitnessOption
from passerelle.core.errors import FormatError

if TYPE_CHECKING:
    from passerelle.core.answer import VerifiedAnswer
    from passerelle.core.answerproofs import Proved

app = typer.Typer(no_args_is_help=True)


@app.callback()
def main() -> None:
    """Signed answers: check them offline, and put them on paper."""


@app.command()
def answer(
    file: Annotated[Path, typer.Argument(help="A signed answer, *.answer.jws.", exists=True, dir_okay=False)],
    vkey: VkeysOption,
    issuer_key: Annotated[
        list[str], typer.Option("--issuer-key", help="Public key of the answering service, or a file of it (hex).")
    ],
    network: NetworkOption = None,
    at: Annotated[str | None, typer.Option("--at", help="Judge as of 2026-11-02T14:05:00Z; now otherwise.")] = None,
    witness: WitnessOption = None,
    witnesses: WitnessesOption = 0,
    operator: OperatorOption = "operator",
    paper: Annotated[Path | None, typer.Option("--print", help="Write the answer as a page for print, *.html.")] = None,
    lang: LangOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check a signed answer offline: signature, checkpoint, position, time, proofs; --print writes it as a page."""
    from passerelle.core.answer import verify_answer
    from passerelle.core.answerproofs import verify_answer_proofs
    from passerelle.core.jws import MAX_SIZE
    from passerelle.core.witness import quorum_without

    keys = log_keys(vkey)
    origin = network or keys[0].name
    policy = quorum_without(witnesses, verifier_keys(witness or []), origin, operator)
    with file.open("rb") as stream:
        data = stream.read(MAX_SIZE + 1)
    found = verify_answer(data, _issuers(issuer_key), keys, network=origin, now_ms=_instant(at), witnesses=policy)
    proved = verify_answer_proofs(found, keys, witnesses=policy)
    if paper is not None:
        from passerelle.cli.answer_page import page

        paper.write_text(page(found, data, language(lang)), encoding="utf-8")
    if as_json:
        print_json(_answer(found, proved))
    else:
        _tell(found, proved, paper)


def _issuers(values: list[str]) -> dict[str, bytes]:
    from passerelle.core.signature import key_id

    found = {}
    for value in values:
        try:
            public_key = bytes.fromhex(text_or_file(value))
            found[key_id(public_key)] = public_key
        except (ValueError, FormatError):
            raise FormatError("key-malformed", "An issuer's key is 64 hex digits.", where="--issuer-key") from None
    return found


def _instant(text: str | None) -> int:
    """Unix ms. Raises FormatError ``argument-invalid``."""
    from passerelle.runtime.clock import SystemClock

    if text is None:
        return SystemClock().now_ms()
    found = known_at(text)
    if "instant_ms" not in found:
        raise FormatError("argument-invalid", "This is no instant.", where="--at", fix="Write 2026-11-02T14:05:00Z.")
    return found["instant_ms"]


def _answer(found: VerifiedAnswer, proved: Proved | None) -> dict[str, Any]:
    checkpoint = found.checkpoint
    shown: dict[str, Any] = {} if proved is None else {"proved": _proved(proved)}
    return {
        "valid": True,
        **shown,
        **{name: value for name, value in found.content.items() if name != "checkpoint"},
        "checkpoint": {"size": checkpoint.size, "root": checkpoint.root.hex()},
        "witnesses": list(found.witnesses),
    }


def _proved(proved: Proved) -> dict[str, Any]:
    return {
        "entries": [{"index": index, "body_checked": body} for index, body in sorted(proved.entries.items())],
        "criteria": {
            name: {"proved": [at for at in named if at in proved.entries], "not_proved": _without(named, proved)}
            for name, named in proved.criteria.items()
        },
        "not_proved": list(proved.left_out),
    }


def _without(named: Iterable[int], proved: Proved) -> list[int]:
    return [index for index in named if index not in proved.entries]


def _tell_proved(proved: Proved) -> None:
    typer.echo(f"  proofs      {len(proved.entries)} of {len(proved.named)} named entries are in the log")
    for name, named in proved.criteria.items():
        shown = ", ".join(_entry(index, proved) for index in named) or "names no entry"
        typer.echo(f"    {name}: {shown}")


def _entry(index: int, proved: Proved) -> str:
    if index not in proved.entries:
        return f"entry {index} NOT proved"
    return f"entry {index} proved" + ("" if proved.entries[index] else " without its body")


def _tell(found: VerifiedAnswer, proved: Proved | None, paper: Path | None) -> None:
    content, checkpoint = found.content, found.checkpoint
    typer.echo("valid: checked offline, nobody was asked")
    typer.echo(f"  question    {content['method']}")
    typer.echo(f"  signed by   {content['issuer']['member']}, key {found.key_id}")
    typer.echo(f"  holds       from {content['issued_at']} until {content['expires_at']}")
    typer.echo(f"  position    {found.size} entries of {content['network']}")
    typer.echo(f"  checkpoint  {checkpoint.size} entries, root {checkpoint.root.hex()}, signed by the log")
    for name in found.witnesses:
        typer.echo(f"  witness     {name}")
    for name, version in sorted(content["packs"].items()):
        typer.echo(f"  policy      {name} v{version}")
    if proved is not None:
        _tell_proved(proved)
    if paper is not None:
        typer.echo(f"  page        {paper}")
    typer.echo("Whether the key is the one that this member lists for answers is told by the registry.")
