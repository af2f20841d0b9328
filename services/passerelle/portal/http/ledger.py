"""Pages about the ledger: latest entries, one entry, the proof check, members, the live feed."""

from __future__ import annotations

import asyncio
from typing import Final
from urllib.parse import parse_qs

import orjson
from starlette.requests import Request
from starlette.responses import Response

from passerelle.core.checkpoint import parse_checkpoint
from passerelle.core.entry import parse_entry
from passerelle.core.errors import NotFound, PasserelleError
from passerelle.core.note import parse_note
from passerelle.core.receipt import MAX_RECEIPT, Receipt, parse_receipt
from passerelle.core.signature import key_id
from passerelle.core.tlogproof import parse_proof
from passerelle.portal.http.site import Page, Site, attempt, clean
from passerelle.portal.proofs import Known, Verification, verify
from passerelle.portal.views import PROVINCES

PAGE: Final = 50
LIVE: Final = 20
MAX_FORM: Final = 4 * MAX_RECEIPT
"""A pasted receipt may be percent-encoded to three times its size."""


async def home(site: Site, request: Request) -> Response:
    """What this is, what it holds, where to go."""
    page = Page(site, request)
    counts, newest, latest, checkpoint = await asyncio.gather(
        site.reader.counts(), site.reader.newest(6), site.reader.latest(2**62, 6, public=True), site.reader.checkpoint()
    )
    return page.render(
        "home.html",
        counts=counts,
        newest=newest,
        latest=latest,
        checkpoint=checkpoint,
        owners=await site.reader.names([*(row.member for row in newest), *(item.member for item in latest)]),
    )


async def ledger(site: Site, request: Request) -> Response:
    """The latest entries, newest first."""
    page = Page(site, request)
    head = await site.reader.head()
    before = page.number("before", head, 0, head)
    public = page.text("show") == "public"
    items = await site.reader.latest(before, PAGE, public=public)
    return page.render(
        "ledger.html",
        items=items,
        head=head,
        before=before,
        show="public" if public else "",
        older=items[-1].index if items and items[-1].index > 0 else None,
        newer=min(before + PAGE, head) if before < head and not public else None,
        owners=await site.reader.names({item.member for item in items}),
        checkpoint=await site.reader.checkpoint(),
    )


async def entry(site: Site, request: Request) -> Response:
    """One entry: its sixteen lines, its body where public, and its proof."""
    page = Page(site, request)
    index = request.path_params["index"]
    item = await site.reader.item(index) if index < 2**62 else None
    if item is None:
        raise NotFound("entry-absent", "The log has no entry at this index.", where="index")
    found, failed = await attempt(site.questions.proof(index))
    verification = None
    if found is not None:
        verification = await check(site, Receipt(found.entry, found.proof.encode(), found.body or None))
    return page.render(
        "entry.html",
        item=item,
        parsed=parse_entry(item.entry),
        statement=parse_entry(item.entry).parsed(),
        head=await site.reader.head(),
        owners=await site.reader.names([item.member]),
        verification=verification,
        problem=failed,
        pretty=pretty,
    )


def pretty(body: bytes) -> str:
    """A body as indented JSON for reading; the exact bytes are in the receipt and in ``/api/entries``."""
    return orjson.dumps(orjson.loads(body), option=orjson.OPT_INDENT_2).decode()


async def proof(site: Site, request: Request) -> Response:
    """The proof check: an index, or a pasted receipt (which is checked in memory and kept nowhere)."""
    page = Page(site, request)
    verification: Verification | None = None
    problem: PasserelleError | None = None
    pasted, index = "", page.text("index")
    try:
        if request.method == "POST":
            pasted = await _pasted(request)
            verification = await check(site, parse_receipt(pasted.encode("utf-8")))
        elif index:
            verification = await check(site, await _receipt_of(site, index))
    except PasserelleError as error:
        problem = error
    return page.render(
        "proof.html",
        index=index,
        pasted=pasted,
        verification=verification,
        problem=problem,
        head=await site.reader.head(),
        checkpoint=await site.reader.checkpoint(),
        log_keys=[str(key) for key in await site.trust.log_keys()],
    )


async def _pasted(request: Request) -> str:
    """The form's receipt. Raises PasserelleError ``message-too-large``, ``argument-missing``."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM:
            raise PasserelleError("message-too-large", "The receipt is larger than any that exists.", where="receipt")
    try:
        values = parse_qs(bytes(body).decode("ascii"), max_num_fields=4, errors="strict").get("receipt", [])
    except ValueError:
        raise PasserelleError("argument-invalid", "The form cannot be read.", where="receipt") from None
    text = values[0].strip() if values else ""
    if not text:
        raise PasserelleError("argument-missing", "Nothing was pasted.", where="receipt")
    return text


async def _receipt_of(site: Site, index: str) -> Receipt:
    """The entry at an index with its proof, from the ledger. Raises PasserelleError."""
    if not index.isascii() or not index.isdigit() or len(index) > 18:
        raise PasserelleError("argument-invalid", "An index is a whole number.", where="index")
    found = await site.questions.proof(int(index))
    return Receipt(found.entry, found.proof.encode(), found.body or None)


async def check(site: Site, receipt: Receipt) -> Verification:
    """Verify a receipt with everything that the portal knows from the feed."""
    network = site.config.network
    try:
        parsed = parse_entry(receipt.entry)
        proved = parse_proof(receipt.proof)
        size = parse_checkpoint(parse_note(proved.checkpoint).text).size
    except PasserelleError:
        # The first step says what is wrong with the form.
        return verify(receipt, Known(network))
    member_key = None
    if parsed.key_id == key_id(site.root_key):
        member_key = (site.config.operator, site.root_key)
    elif (row := await site.reader.key(parsed.key_id)) is not None:
        member_key = (row.member, row.public_key)
    own = await site.reader.item(proved.index) if proved.index < 2**62 else None
    return verify(
        receipt,
        Known(
            network,
            log_keys=await site.trust.log_keys(),
            member_key=member_key,
            own_entry=own.entry if own else None,
            own_root=await site.reader.root(size) if 0 < size < 2**62 else None,
        ),
    )


async def members(site: Site, request: Request) -> Response:
    """Who takes part, by province or territory."""
    page = Page(site, request)
    rows = await site.reader.members()
    kind, jurisdiction = page.text("kind"), page.text("jurisdiction")
    shown = [
        row
        for row in rows
        if (not kind or row.kind == kind) and (not jurisdiction or jurisdiction in row.jurisdictions)
    ]
    order = {code: number for number, code in enumerate(("CA", *PROVINCES))}
    groups: dict[str, list[object]] = {}
    for row in shown:
        groups.setdefault(min(row.jurisdictions, key=lambda code: order.get(code, 99)), []).append(row)
    return page.render(
        "members.html",
        groups=sorted(groups.items(), key=lambda group: order.get(group[0], 99)),
        total=len(shown),
        kinds=sorted({row.kind for row in rows}),
        jurisdictions=sorted({code for row in rows for code in row.jurisdictions}),
        kind=kind,
        jurisdiction=jurisdiction,
    )


async def member(site: Site, request: Request) -> Response:
    """One member: names, roles, keys, and what it published last."""
    page = Page(site, request)
    identifier = clean(request.path_params["member"], 60)
    row = await site.reader.member(identifier)
    if row is None:
        raise NotFound("member-unknown", "The registry has no such member.", where="member")
    keys, items = await asyncio.gather(site.reader.keys(identifier), site.reader.latest(2**62, 20, member=identifier))
    return page.render("member.html", row=row, keys=keys, items=items, owners={identifier: row.names})


async def live(site: Site, request: Request) -> Response:
    """The live feed and the hourly volume; the tables stand without JavaScript too."""
    page = Page(site, request)
    items = await site.reader.latest(2**62, LIVE)
    hour = 3_600_000
    now = site.clock.now_ms()
    return page.render(
        "live.html",
        items=items,
        next_index=items[0].index + 1 if items else 0,
        owners=await site.reader.names({item.member for item in items}),
        volume=list(reversed(await site.reader.volume(now - now % hour - 47 * hour))),
        limit=LIVE,
        member_names={row.id: page.catalogue.pick(row.names, row.id) for row in await site.reader.members()},
    )
