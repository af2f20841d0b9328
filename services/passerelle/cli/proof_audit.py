"""``passerelle proof audit``: the whole log, read over HTTP and verified from what it serves alone."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from passerelle.cli.common import JsonOption, print_json, run_work, text_or_file

if TYPE_CHECKING:
    import httpx

    from passerelle.core.audit import AuditReport, LogAudit
    from passerelle.core.checkpoint import Checkpoint
    from passerelle.core.note import VerifierKey
    from passerelle.core.tiles import BundleCoord, Tile

TIMEOUT_S = 20.0
AHEAD = 4
"""Bundles that are fetched while one is verified."""
MAX_BODY = 65_536


def audit(
    log: Annotated[str, typer.Option("--log", help="Address of the log over HTTP.")],
    vkey: Annotated[str, typer.Option("--vkey", help="The log's verifier key, or a file that holds it.")],
    root_key: Annotated[
        str,
        typer.Option("--root-key", help="The network's root public key (hex), or a file of it; default: the log's."),
    ] = "",
    since: Annotated[
        list[Path] | None, typer.Option("--since", help="An older checkpoint of the log, which must be a prefix.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Read every entry and tile of a log, and verify signers, streams, links and the root. Exit code 1 on a fault."""
    from passerelle.core.note import VerifierKey
    from passerelle.runtime.clock import SystemClock

    key, clock = VerifierKey.parse(text_or_file(vkey)), SystemClock()
    started = clock.monotonic()
    older = [_open(path.read_bytes(), key) for path in since or ()]
    report = run_work(_audit(log, key, _key(root_key), older, _say if sys.stderr.isatty() else None))
    seconds = clock.monotonic() - started
    if as_json:
        print_json(_answer(report, seconds))
    else:
        _tell(report, seconds)
    raise typer.Exit(0 if report.sound else 1)


def _key(value: str) -> bytes | None:
    from passerelle.core.errors import FormatError
    from passerelle.core.lines import parse_hex

    text = text_or_file(value)
    try:
        return parse_hex(text.encode(), 32, "key-malformed") if text else None
    except FormatError:
        raise FormatError("key-malformed", "the root key is not 64 lower-case hex digits", where="--root-key") from None


def _open(note: bytes, key: VerifierKey) -> Checkpoint:
    from passerelle.core.checkpoint import open_checkpoint

    return open_checkpoint(note, [key], origin=key.name).checkpoint


async def _audit(
    log: str,
    key: VerifierKey,
    root_key: bytes | None,
    older: list[Checkpoint],
    progress: Callable[[int, int], None] | None,
) -> AuditReport:
    """Read the log; raises PasserelleError where it does not answer, or its checkpoint does not verify."""
    import httpx

    from passerelle.core.audit import LogAudit, bundles
    from passerelle.core.note import MAX_NOTE_SIZE

    async with httpx.AsyncClient(base_url=log.rstrip("/"), timeout=TIMEOUT_S, follow_redirects=False) as client:
        checkpoint = _open(await _get(client, "checkpoint", MAX_NOTE_SIZE), key)
        found = LogAudit(checkpoint, root_key, older)
        waiting = bundles(checkpoint.size)
        fetching: list[asyncio.Task[bytes]] = []
        try:
            for number, coord in enumerate(waiting):
                for further in waiting[number + len(fetching) : number + AHEAD]:
                    fetching.append(asyncio.create_task(_bundle(client, further)))
                await _take(client, found, coord, await fetching.pop(0))
                await _compare(client, found, found.tiles())
                if progress is not None:
                    progress(found.size, checkpoint.size)
        finally:
            for task in fetching:
                task.cancel()
            await asyncio.gather(*fetching, return_exceptions=True)
        await _compare(client, found, [*found.finish(), *found.tiles()])
    return found.report


async def _take(client: httpx.AsyncClient, found: LogAudit, coord: BundleCoord, data: bytes) -> None:
    from passerelle.core.audit import open_entry
    from passerelle.core.errors import NotFound
    from passerelle.core.tiles import decode_bundle

    for entry in decode_bundle(data, coord.width):
        opened = open_entry(entry)
        body: bytes | None = None
        if opened.body_sha256 is not None:
            try:
                body = await _get(client, f"body/{opened.body_sha256.hex()}", MAX_BODY)
            except NotFound:
                body = None
        found.take(opened, body)


async def _compare(client: httpx.AsyncClient, found: LogAudit, tiles: list[Tile]) -> None:
    for tile in tiles:
        found.compare(tile, await _get(client, tile.coord.path, len(tile.hashes)))


async def _bundle(client: httpx.AsyncClient, coord: BundleCoord) -> bytes:
    from passerelle.core.tiles import MAX_ENTRY

    return await _get(client, coord.path, coord.width * (MAX_ENTRY + 2))


async def _get(client: httpx.AsyncClient, path: str, limit: int) -> bytes:
    """The bytes at a path, at most ``limit``. Raises Unavailable, NotFound, FormatError ``tile-malformed``."""
    import httpx

    from passerelle.core.errors import FormatError, NotFound, Unavailable

    data = bytearray()
    try:
        async with client.stream("GET", f"/{path}") as response:
            if response.status_code in (404, 410):
                raise NotFound("not-found", "the log does not serve this", where=path)
            if response.status_code != 200:
                raise Unavailable("service-unavailable", f"the log answered {response.status_code}", where=path)
            async for part in response.aiter_bytes():
                data += part
                if len(data) > limit:
                    raise FormatError("tile-malformed", f"the log sent more than {limit} bytes", where=path)
    except httpx.HTTPError as error:
        what = f"the log does not answer: {type(error).__name__}"
        raise Unavailable("service-unavailable", what, where=path) from None
    return bytes(data)


def _say(done: int, size: int) -> None:
    sys.stderr.write(f"\r{done:,} of {size:,} entries")
    if done == size:
        sys.stderr.write("\n")
    sys.stderr.flush()


def _answer(report: AuditReport, seconds: float) -> dict[str, Any]:
    checkpoint = report.checkpoint
    return {
        "sound": report.sound,
        "checkpoint": {"origin": checkpoint.origin, "size": checkpoint.size, "root": checkpoint.root.hex()},
        "root_key": {"key": report.root_key, "given": report.root_key_given},
        "counts": report.counts,
        "seconds": round(seconds, 3),
        "fault_count": report.fault_count,
        "faults": [{"code": fault.code, "where": fault.where, "what": fault.what} for fault in report.faults],
    }


def _tell(report: AuditReport, seconds: float) -> None:
    checkpoint = report.checkpoint
    print(f"{checkpoint.origin}: {checkpoint.size} entries, root {checkpoint.root.hex()}")
    for what, count in report.counts.items():
        print(f"  {count:>12,}  {what}")
    if not report.root_key_given:
        print(f"  root key {report.root_key}: taken from the log itself, compare it or name it with --root-key")
    print(f"checked in {seconds:.2f} s, from what the log serves alone")
    if report.sound:
        print("sound: every entry is signed, in its place, and under the checkpoint's root")
        return
    print(f"{report.fault_count} faults, the first:", file=sys.stderr)
    for fault in report.faults:
        print(f"  {fault.code} at {fault.where}: {fault.what}", file=sys.stderr)
