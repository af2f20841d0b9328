"""Pages about achievements: the search, one achievement, and the equivalency explorer."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Iterable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from passerelle.api.equivalency.v1 import equivalency_pb2
from passerelle.core.errors import NotFound, PasserelleError
from passerelle.portal import views
from passerelle.portal.http.site import Page, Site, attempt
from passerelle.portal.ports import AchievementRow, MemberRow, Search
from passerelle.portal.postgres.catalogue import COST, CREDIT, HOURS, MAX_PAGE, PAGE

_FILTERS = ("delivery", "hours", "cost", "credit", "kind", "jurisdiction", "framework", "competency", "member")
_ORGANISATION = "urn:passerelle:organisation:"
_MEMBER = "urn:passerelle:member:"


def question(page: Page) -> Search:
    """The search that a request asks for."""
    filters = {name: page.text(name) for name in _FILTERS}
    return Search(words=page.text("q"), page=page.number("page", 1, 1, MAX_PAGE), **filters)


async def achievements(site: Site, request: Request) -> Response:
    """Search with filters, counts and pages."""
    page = Page(site, request)
    asked = question(page)
    result = await site.reader.search(asked)
    owners = await site.reader.names(
        [row.member for row in result.rows] + [facet.value for facet in result.facets["member"]]
    )
    frameworks = await site.reader.frameworks(facet.value for facet in result.facets["framework"])
    chosen = {name: getattr(asked, name) for name in _FILTERS if getattr(asked, name)}
    pages = max(1, -(-result.total // PAGE))
    return page.render(
        "achievements.html",
        asked=asked,
        result=result,
        owners=owners,
        chosen=chosen,
        # Buckets keep their natural order; the others come by count.
        orders={"hours": list(HOURS), "cost": list(COST), "credit": list(CREDIT)},
        framework_titles={name: _title(row, page) for name, row in frameworks.items()},
        pages=min(pages, MAX_PAGE),
        query={"q": asked.words, **chosen},
    )


def _title(row: Any, page: Page) -> str:
    translated = row["translations"].get(page.language)
    return str(translated or row["title"])


async def achievement(site: Site, request: Request) -> Response:
    """One achievement: what it is, where it counts and why, whether it is portable, who endorses it."""
    page = Page(site, request)
    identifier = f"{request.path_params['member']}/{request.path_params['local']}"
    row = await site.reader.achievement(identifier)
    if row is None:
        raise NotFound("not-found", "There is no achievement with this id.", where="achievement")
    found, assessed, profiled, remarks = await asyncio.gather(
        attempt(site.questions.find(identifier, "", "")),
        attempt(site.questions.assess(identifier)),
        attempt(site.questions.profile(identifier)),
        site.reader.remarks(identifier),
    )
    answers = views.answers(found[0].answers, page.catalogue) if found[0] else []
    portability = views.portability(assessed[0], page.catalogue) if assessed[0] else None
    components = row.data.get("components")
    tree = views.expression_of_data(components) if components else None
    into = list((row.data.get("laddering") or {}).get("into", ()))
    return page.render(
        "achievement.html",
        row=row,
        data=row.data,
        names=await _names(site, row, [remark.member for remark in remarks]),
        frameworks={
            name: _title(value, page)
            for name, value in (
                await site.reader.frameworks(a["framework"] for a in row.data.get("alignments", ()))
            ).items()
        },
        remarks=remarks,
        components=tree,
        titles=await site.reader.titles([*into, *views.leaves(tree), *_leaves_of(answers), *_granted(answers)]),
        answers=answers,
        answers_at=views.position(found[0].position) if found[0] else None,
        answers_problem=found[1],
        portability=portability,
        portability_problem=assessed[1],
        packs=views.packs(profiled[0].packs, page.catalogue) if profiled[0] else [],
        packs_problem=profiled[1],
    )


async def _names(site: Site, row: AchievementRow, others: Iterable[str]) -> dict[str, Any]:
    """Names of everybody that the page mentions, by URN and by member id."""
    urns = [*row.data["awarding_bodies"], *row.data.get("partners", ())]
    members = [urn.removeprefix(_MEMBER) for urn in urns if urn.startswith(_MEMBER)]
    listed = [urn.removeprefix(_ORGANISATION) for urn in urns if urn.startswith(_ORGANISATION)]
    return dict(await site.reader.names([row.member, *members, *others], listed))


def _leaves_of(answers: Iterable[dict[str, Any]]) -> list[str]:
    return [name for answer in answers if answer["rule"] for name in views.leaves(answer["rule"]["sending"])]


def _granted(answers: Iterable[dict[str, Any]]) -> list[str]:
    """Achievements that outcomes grant, the parts of choices and sums included."""
    names: list[str] = []
    pending = [answer["rule"]["outcome"] for answer in answers if answer["rule"] and answer["rule"]["outcome"]]
    while pending:
        outcome = pending.pop()
        names.append(outcome["achievement"])
        pending.extend(outcome["of"])
    return [name for name in names if name]


async def equivalencies(site: Site, request: Request) -> Response:
    """The explorer: from an achievement to receivers, or back from what it would count for."""
    page = Page(site, request)
    source, target, receiver = page.text("from"), page.text("to"), page.text("receiver")
    valid_on, wrong_date = _date(page.text("valid_on"))
    call: Awaitable[Any] | None = None
    problem: PasserelleError | None = None
    if wrong_date:
        problem = PasserelleError("date-impossible", "The date is not one of the calendar.", where="valid_on")
    elif "/" in source:
        call = site.questions.find(source, receiver, valid_on)
    elif not source and "/" in target:
        call = site.questions.reverse(target, "", valid_on)
    found, failed = await attempt(call) if call is not None else (None, None)
    problem = problem or failed
    answers = views.answers(found.answers, page.catalogue) if found else []
    if isinstance(found, equivalency_pb2.FindResponse) and "/" in target:
        answers = [answer for answer in answers if target in _granted([answer])]
    suggestions = await _suggest(site, source if "/" not in source else "")
    targets = await _suggest(site, target if "/" not in target else "")
    members = [row for row in await site.reader.members() if _receives(row)]
    return page.render(
        "equivalencies.html",
        asked={"from": source, "to": target, "receiver": receiver, "valid_on": page.text("valid_on")},
        direction="find" if "/" in source else "reverse" if call is not None else "",
        found=found,
        answers=answers,
        answers_at=views.position(found.position) if found else None,
        problem=problem,
        suggestions=suggestions,
        targets=targets,
        members=members,
        titles=await site.reader.titles([source, target, *_leaves_of(answers), *_granted(answers)]),
        names=await site.reader.names({row.member for row in [*suggestions, *targets]}),
    )


async def _suggest(site: Site, words: str) -> list[AchievementRow]:
    if not words:
        return []
    return list((await site.reader.search(Search(words=words))).rows)


def _receives(row: MemberRow) -> bool:
    return row.status == "active" and bool({"recognise", "articulate", "endorse"} & set(row.roles))


def _date(text: str) -> tuple[str, bool]:
    """The date as it goes into the question, and whether what was given is none."""
    if not text:
        return "", False
    try:
        return dt.date.fromisoformat(text).isoformat(), False
    except ValueError:
        return "", True
