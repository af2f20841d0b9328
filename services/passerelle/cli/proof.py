"""``passerelle proof``: fetch the proof of an entry, and check one without asking anybody."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from passerelle.cli.common import JsonOption, log_keys, print_json, run_work, text_or_file, verifier_keys
from passerelle.cli.proof_audit import audit

if TYPE_CHECKING:
    from passerelle.core.receipt import Receipt, VerifiedReceipt

app = typer.Typer(help="Receipts and proofs.", no_args_is_help=True)
app.command()(audit)
TIMEOUT_S = 15.0

VkeysOption = Annotated[list[str], typer.Option("--vkey", help="The log's verifier key, or a file that holds it.")]
NetworkOption = Annotated[str | None, typer.Option("--network", help="The log's origin; default: the key's name.")]
WitnessOption = Annotated[
    list[str] | None, typer.Option("--witness", help="A witness's verifier key, or a file of such, one a line.")
]
WitnessesOption = Annotated[
    int, typer.Option("--witnesses", min=0, help="So many of the witnesses must have cosigned.")
]
OperatorOption = Annotated[str, typer.Option("--operator", help="Whose cosignature does not count.")]


@app.callback()
def main() -> None:
    """Receipts: an entry, the proof that the log holds it and, where its holder wishes, the body."""


@app.command()
def get(
    query: Annotated[str, typer.Option("--query", envvar="PASSERELLE_QUERY", help="host:port of the gRPC services.")],
    index: Annotated[int | None, typer.Option("--index", min=0, help="Index in the log.")] = None,
    stream: Annotated[str | None, typer.Option("--stream", help="MEMBER/FAMILY/SEQUENCE.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="The receipt file to write, *.receipt.json.")] = None,
    member: Annotated[str, typer.Option("--as", help="The member that asks, to receive a party body.")] = "",
    key_file: Annotated[Path | None, typer.Option("--key-file", help="Its signing key; goes with --as.")] = None,
    no_body: Annotated[bool, typer.Option("--no-body", help="Leave the body out of the receipt.")] = False,
    witnesses: Annotated[
        int, typer.Option("--witnesses", min=0, max=64, help="Under a checkpoint that so many members cosigned.")
    ] = 0,
    as_json: JsonOption = False,
) -> None:
    """Fetch an entry with its proof under the latest checkpoint, as a receipt file."""
    from passerelle.core.entry import parse_entry
    from passerelle.core.errors import PasserelleError
    from passerelle.core.receipt import Receipt, build_receipt

    if (index is None) == (stream is None):
        raise PasserelleError("argument-conflict", "name either an index or a stream", where="--index, --stream")
    if bool(member) != (key_file is not None):
        raise PasserelleError("argument-conflict", "--as and --key-file go together", where="--as")
    found, public_key = run_work(_fetch(query, _request(index, stream, witnesses), member, key_file))
    body = None if no_body or not found["body"] else found["body"]
    receipt = Receipt(found["entry"], found["proof"].encode(), body)
    data = build_receipt(receipt)
    if out is not None:
        out.write_bytes(data)
    statement = parse_entry(receipt.entry).parsed()
    place = f"{statement.member}/{statement.family}/{statement.sequence}"
    answer = {"index": found["index"], "stream": place, "member_key": public_key, "receipt": receipt.as_dict()}
    if as_json:
        print_json(answer)
    elif out is None:
        typer.echo(data.decode(), nl=False)
    else:
        typer.echo(f"index {found['index']}, {place}: written to {out}")
        typer.echo(f"member key as the registry shows it: {public_key or 'not listed'}")


async def _fetch(query: str, request: Any, member: str, key_file: Path | None) -> tuple[dict[str, Any], str]:
    """Entry, proof and body, and the public key that the entry names, in hex."""
    from passerelle.api.ledger.v1 import ledger_pb2
    from passerelle.client import Client, Ledger, MemberIdentity
    from passerelle.core.entry import parse_entry

    async with Client(query, timeout_s=TIMEOUT_S) as client:
        token = None
        if key_file is not None:
            head = await client.call(Ledger.GET_HEAD, ledger_pb2.GetHeadRequest())
            token = MemberIdentity.from_file(key_file, member=member, network=head.network).token()
        response = await client.call(Ledger.GET_PROOF, request, token=token)
        members = await client.call(Ledger.LIST_MEMBERS, ledger_pb2.ListMembersRequest())
    key_id = parse_entry(response.entry).key_id
    keys = [key.public_key.hex() for item in members.members for key in item.keys if key.key_id == key_id]
    found = {"index": response.index, "entry": response.entry, "proof": response.proof, "body": response.body}
    return found, keys[0] if keys else ""


def _request(index: int | None, stream: str | None, witnesses: int) -> Any:
    from passerelle.api.ledger.v1 import ledger_pb2
    from passerelle.core.errors import PasserelleError

    if stream is None:
        return ledger_pb2.GetProofRequest(index=index, witnesses=witnesses)
    parts = stream.split("/")
    if len(parts) != 3 or not (parts[2].isascii() and parts[2].isdecimal()):
        raise PasserelleError("argument-invalid", "a stream is written MEMBER/FAMILY/SEQUENCE", where="--stream")
    place = ledger_pb2.StreamPosition(member=parts[0], family=parts[1], sequence=int(parts[2]))
    return ledger_pb2.GetProofRequest(stream=place, witnesses=witnesses)


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="A receipt file.", exists=True, dir_okay=False)],
    vkey: VkeysOption,
    member_key: Annotated[str, typer.Option("--member-key", help="The member's public key, or a file of it (hex).")],
    network: NetworkOption = None,
    allow_refused: Annotated[bool, typer.Option("--allow-refused", help="A recorded refusal verifies too.")] = False,
    witness: WitnessOption = None,
    witnesses: WitnessesOption = 0,
    operator: OperatorOption = "operator",
    as_json: JsonOption = False,
) -> None:
    """Check a receipt offline: body, batch, the member's signature, inclusion, checkpoint, witnesses."""
    from passerelle.core.errors import PasserelleError
    from passerelle.core.receipt import parse_receipt, verify_receipt
    from passerelle.core.witness import quorum_without

    keys = log_keys(vkey)
    origin = network or keys[0].name
    policy = quorum_without(witnesses, verifier_keys(witness or []), origin, operator)
    try:
        public_key = bytes.fromhex(text_or_file(member_key))
    except ValueError:
        raise PasserelleError("key-malformed", "the member's key is not 64 hex digits", where="--member-key") from None
    receipt = parse_receipt(file.read_bytes())
    verified = verify_receipt(receipt, public_key, keys, origin, witnesses=policy, allow_refused=allow_refused)
    if as_json:
        print_json(_answer(verified, receipt))
    else:
        _tell(verified)


@app.command()
def judge(
    file: Annotated[Path, typer.Argument(help="An evidence file, *.evidence.json.", exists=True, dir_okay=False)],
    vkey: VkeysOption,
    network: NetworkOption = None,
    as_json: JsonOption = False,
) -> None:
    """Judge evidence against the log offline: what two checkpoints that it signed prove."""
    from passerelle.core import evidence

    keys = log_keys(vkey)
    verdict = evidence.judge(evidence.parse_evidence(file.read_bytes()), keys, network or keys[0].name)
    first, second = verdict.first, verdict.second
    if as_json:
        heads = {
            name: {"size": head.size, "root": head.root.hex()} for name, head in (("first", first), ("second", second))
        }
        print_json({"proves": verdict.code, "network": first.origin, **heads, "root_found": verdict.root.hex()})
        return
    typer.echo(f"proved: {verdict.code}, against the log {first.origin}; nobody was asked")
    typer.echo(f"  first   {first.size} entries, root {first.root.hex()}, signed by the log")
    typer.echo(f"  second  {second.size} entries, root {second.root.hex()}, signed by the log")
    if verdict.code == evidence.EQUIVOCATION:
        typer.echo("The log signed two roots for one size: it told different members different things.")
    else:
        typer.echo(
            f"The second tree has the root {verdict.root.hex()} at {first.size} entries: the log changed its past."
        )


def _answer(verified: VerifiedReceipt, receipt: Receipt) -> dict[str, Any]:
    statement, checkpoint = verified.statement, verified.checkpoint.checkpoint
    return {
        "valid": True,
        "index": verified.index,
        "outcome": verified.entry.outcome,
        "accepted_at": verified.entry.accepted_at,
        "network": statement.network,
        "member": statement.member,
        "family": statement.family,
        "sequence": statement.sequence,
        "visibility": statement.visibility,
        "body_sha256": statement.body_sha256.hex(),
        "body_checked": receipt.body is not None,
        "key_id": verified.entry.key_id,
        "checkpoint": {"size": checkpoint.size, "root": checkpoint.root.hex()},
        "witnesses": [signed.key.name for signed in verified.checkpoint.witnesses],
    }


def _tell(verified: VerifiedReceipt) -> None:
    from passerelle.runtime.clock import as_datetime

    statement, checkpoint = verified.statement, verified.checkpoint.checkpoint
    accepted_at = as_datetime(verified.entry.accepted_at).isoformat(timespec="seconds")
    typer.echo("valid: checked offline, nobody was asked")
    typer.echo(f"  entry       index {verified.index}, {verified.entry.outcome} at {accepted_at}")
    typer.echo(f"  signed by   {statement.member}, key {verified.entry.key_id}")
    typer.echo(f"  stream      {statement.member}/{statement.family}/{statement.sequence}, {statement.visibility}")
    typer.echo(f"  body        {'the one that was signed' if verified.body is not None else 'not in the receipt'}")
    typer.echo(f"  checkpoint  {checkpoint.origin}, {checkpoint.size} entries, root {checkpoint.root.hex()}")
    for signed in verified.checkpoint.witnesses:
        typer.echo(f"  witness     {signed.key.name}, {as_datetime((signed.timestamp or 0) * 1000).isoformat()}")
    typer.echo("Whether the key was the member's at this index is told by the registry (passerelle ledger check).")
