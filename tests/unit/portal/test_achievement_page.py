"""The page of an achievement with the definitions' answers, as the query service gives them, in both languages."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any, cast

import pytest
from starlette.requests import Request
from tests.unit.query.world import World, achievement_data

from passerelle.api.portability.v1 import portability_pb2 as pb
from passerelle.portal import views
from passerelle.portal.http.site import Page, Site, environment
from passerelle.portal.i18n import load
from passerelle.portal.ports import AchievementRow
from passerelle.query.packs import default_folder, load_packs
from passerelle.query.portability import Portability

COURSE = "humber/short"
MORE: dict[str, Any] = {
    "kind": "micro-credential",
    "delivery": {"modes": ["hybrid"], "elapsed_weeks": "13"},
    "laddering": {"design": "stand-alone"},
}


async def shown(language: str) -> str:
    """The page, rendered from real answers of the query service's code."""
    world = World()
    index = world.course(COURSE, "A course <of> 13 weeks", **MORE)
    service = Portability(world.index, load_packs(default_folder()))
    assessed = await service.assess(pb.AssessRequest(achievement=COURSE), 0.05)
    profiled = await service.profile(pb.ProfileRequest(achievement=COURSE), 0.05)
    catalogues = load()
    site = SimpleNamespace(
        catalogues=catalogues,
        templates=environment(),
        status=SimpleNamespace(diverged=False),
        config=SimpleNamespace(network="n", log_url="https://log.example"),
        clock=SimpleNamespace(now_ms=lambda: 0),
    )
    scope = {"type": "http", "path": f"/{language}/achievements/{COURSE}", "query_string": b"", "headers": [],
             "scheme": "http", "server": ("t", 80), "method": "GET"}  # fmt: skip
    page = Page(cast(Site, site), Request(scope))
    data = achievement_data("humber", "A course <of> 13 weeks", **MORE)
    row = AchievementRow(COURSE, "humber", 1, "micro-credential", data["title"], "en", False, index, index, data)
    answer = page.render(
        "achievement.html",
        row=row,
        data=data,
        names={},
        frameworks={},
        remarks=[],
        components=None,
        titles={},
        answers=[],
        answers_at=None,
        answers_problem=None,
        portability=views.portability(assessed, page.catalogue),
        portability_problem=None,
        packs=views.packs(profiled.packs, page.catalogue),
        packs_problem=None,
    )
    return bytes(answer.body).decode()


def definition(html: str, pack: str, clause: str) -> str:
    """The part of the page about one clause of a pack."""
    block = re.search(rf'data-pack="{pack}">(.*?)</details>', html, re.DOTALL)
    assert block is not None
    part = re.search(rf'data-clause="{clause}">(.*?)</li>', block[1], re.DOTALL)
    assert part is not None
    return part[1]


@pytest.mark.parametrize(
    ("language", "found", "says", "why"),
    [
        ("en", "Not met", "It lasts less than 12 weeks.", "delivery.elapsed_weeks is 13; the limit is 12."),
        ("fr", "Non satisfait", "Elle dure moins de 12 semaines.", "delivery.elapsed_weeks vaut 13; la limite est 12."),
    ],
)
async def test_each_clause_stands_with_its_finding_and_its_reason(
    language: str, found: str, says: str, why: str
) -> None:
    html = await shown(language)
    part = definition(html, "ontario-student-aid", "duration")
    assert found in part
    assert says in part
    assert why in part
    assert not re.search(r"Undefined|&lt;[a-z_.]+ object|\{[a-z_]+\}", html)
    assert "<of>" not in html


async def test_standing_alone_is_met_and_what_is_not_stated_is_unknown() -> None:
    html = await shown("en")
    assert "Met" in definition(html, "cican", "relation")
    assert "Unknown" in definition(html, "nzqa", "need")
    assert "the operator has published none that is in force" in html
    assert "sample-caps" not in html
