"""Walks every page of the portal in a real Chromium, in both languages, wide and narrow, light and dark.

With PASSERELLE_PORTAL_URL it walks a running portal instead, which it only reads. Screenshots: test-results/portal/.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, Request, Response, expect
from tests.browser.conftest import SHOTS, Walked

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
CHECKS = (Path(__file__).parent / "checks.js").read_text(encoding="utf-8")
FIXED = {
    "home": "/",
    "achievements": "/achievements",
    "equivalencies": "/equivalencies",
    "ledger": "/ledger",
    "proof": "/proof",
    "members": "/members",
    "live": "/live",
    "statistics": "/statistics",
}
Scheme = Literal["light", "dark"]
VIEWS: list[tuple[str, int, Scheme]] = [
    ("en", 1280, "light"),
    ("fr", 1280, "dark"),
    ("en", 390, "dark"),
    ("fr", 390, "light"),
]


@dataclass
class Tab:
    """A page with everything that went wrong in it, and every request that it made."""

    page: Page
    origin: str
    language: str
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.problems.append(f"page error: {error}"))
        self.page.on("request", self._request)
        self.page.on("response", self._response)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(f"console {message.type}: {message.text}")

    def _request(self, request: Request) -> None:
        if f"{urlsplit(request.url).scheme}://{urlsplit(request.url).netloc}" != self.origin:
            self.problems.append(f"a request elsewhere: {request.url}")

    def _response(self, response: Response) -> None:
        if response.status >= 400:
            self.problems.append(f"{response.status} for {response.url}")

    async def go(self, path: str) -> None:
        """Open a page of the language and judge it."""
        await self.page.goto(f"{self.origin}/{self.language}{path}", wait_until="load")
        await self.judge()

    async def judge(self) -> None:
        """The checks that hold for every page."""
        assert await self.page.evaluate("document.documentElement.lang") == self.language
        findings = await self.page.evaluate(CHECKS)
        assert not findings, f"{self.page.url}: {findings}"
        assert not self.problems, f"{self.page.url}: {self.problems}"

    async def shoot(self, name: str) -> None:
        """Keep a picture of the whole page."""
        await self.page.screenshot(path=SHOTS / f"{name}.png", full_page=True)


@asynccontextmanager
async def tab(
    browser: Browser, walked: Walked, language: str, width: int = 1280, scheme: Scheme = "light", script: bool = True
) -> AsyncIterator[Tab]:
    context = await browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme=scheme,
        reduced_motion="reduce",
        locale=f"{language}-CA",
        java_script_enabled=script,
    )
    try:
        yield Tab(await context.new_page(), walked.url, language)
    finally:
        await context.close()


async def discover(here: Tab) -> dict[str, str]:
    """One page of each kind that has an id in its address, found as a visitor finds them: by following links."""
    found: dict[str, str] = {}
    for name, start, pattern in (
        ("achievement", "/achievements?kind=micro-credential&hours=40-120", r"/achievements/[^/?]+/[^/?]+$"),
        ("entry", "/ledger", r"/ledger/\d+$"),
        ("member", "/members", r"/members/[^/?]+$"),
    ):
        await here.go(start)
        for link in await here.page.locator("main a[href]").all():
            address = await link.get_attribute("href") or ""
            if re.search(pattern, address):
                found[name] = address.removeprefix(f"/{here.language}")
                break
        assert name in found, f"no link to a page of the kind {name} on {start}"
    return found


@pytest.mark.parametrize(("language", "width", "scheme"), VIEWS)
async def test_every_page_in_sight(browser: Browser, walked: Walked, language: str, width: int, scheme: Scheme) -> None:
    async with tab(browser, walked, language, width, scheme) as here:
        pages = {**FIXED, **await discover(here)}
        pages["search"] = "/achievements?q=climate"
        pages["checked"] = "/proof?index=0"
        pages["explored"] = "/equivalencies?from=" + pages["achievement"].removeprefix("/achievements/")
        for name, path in pages.items():
            await here.go(path)
            if name == "live":
                await expect(here.page.locator(".live-state")).to_have_attribute("data-state", "connected")
                await expect(here.page.locator("#chart canvas")).to_be_visible()
                await here.judge()
            await here.shoot(f"{name}-{language}-{width}-{scheme}")
        if walked.own:
            # Nobody answers questions here, and the pages say so while showing all that they have.
            await here.go(pages["achievement"])
            await expect(here.page.locator(".notice")).to_have_count(3)
            await expect(here.page.locator(".badges").first).to_be_visible()


@pytest.mark.parametrize(("language", "width", "scheme"), VIEWS)
async def test_statistics_with_plots(
    browser: Browser, walked: Walked, language: str, width: int, scheme: Scheme
) -> None:
    """The page is reached from the home page, and its plots stand beside their tables, without any script."""
    async with tab(browser, walked, language, width, scheme, script=False) as here:
        page = here.page
        await page.goto(f"{walked.url}/{language}/")
        await page.locator("main a[href$='/statistics']").click()
        await expect(page.locator("h1")).to_be_visible()
        for value in ("day", "week", "month"):
            await page.locator("#window").select_option(value)
            await page.locator("main form button").click()
            await expect(page.locator("#window")).to_have_value(value)
            await here.shoot(f"statistics-{value}-{language}-{width}-{scheme}")
        if walked.own:
            plots = page.locator("svg.plot")
            await expect(plots).to_have_count(5)
            for plot in await plots.all():
                box = await plot.bounding_box()
                assert box is not None
                assert 200 < box["width"] <= width
            await expect(page.locator("table")).to_have_count(7)
        download = await page.request.get(f"{walked.url}/api/statistics.csv")
        assert (await download.text()).startswith("measure,window,start")
        assert not here.problems


BAD = """
<html lang="de"><title></title><body style="background:#fff;margin:0"><h1>One</h1><main><h1></h1><h3>Three</h3>
<p style="color:#999">pale</p><img src="data:,"><input><a href="/"></a><svg></svg><i id="a"></i><b id="a"></b>
<nav></nav><table><tr><th>x</th></tr></table><span class="chip"></span><p aria-labelledby="nothing">y</p>
<div style="width:5000px">wide</div></main></body></html>
"""
FOUND = (
    "no language", "not one h1", "no title", "no landmark header", "no landmark footer", "a landmark without a name",
    "a heading level is left out", "an empty heading", "contrast 2.8", "no alt", "a field without a label",
    "nothing to read on it", "a picture without a name", "an id stands twice", "a table without a caption",
    "a header cell without scope", "colour only", "a reference to nothing", "wider than the window",
)  # fmt: skip


async def test_the_checks_find_what_is_wrong(browser: Browser) -> None:
    page = await browser.new_page()
    await page.set_content(BAD)
    findings = await page.evaluate(CHECKS)
    assert not [wanted for wanted in FOUND if not any(found.startswith(wanted) for found in findings)], findings
    await page.close()


async def test_the_switch_keeps_the_page(browser: Browser, walked: Walked) -> None:
    async with tab(browser, walked, "en") as here:
        await here.go("/achievements?q=climate&credit=no")
        await here.page.get_by_role("link", name="Français").click()
        await here.page.wait_for_url("**/fr/achievements?q=climate&credit=no")
        here.language = "fr"
        await here.judge()
        await expect(here.page.get_by_role("link", name="English")).to_be_visible()


async def test_with_the_keyboard_alone(browser: Browser, walked: Walked) -> None:
    async with tab(browser, walked, "fr") as here:
        await here.go("/")
        await here.page.keyboard.press("Tab")
        skip = here.page.locator(".skip")
        await expect(skip).to_be_focused()
        await expect(skip).to_be_in_viewport()
        await here.page.keyboard.press("Enter")
        await expect(here.page.locator("main")).to_be_focused()
        await here.page.locator("#q").focus()
        await here.page.keyboard.type("climat")
        await here.page.keyboard.press("Enter")
        await here.page.wait_for_url("**/fr/achievements?q=climat")
        await here.judge()
        await expect(here.page.locator("main .card").first).to_be_visible()


async def test_everything_but_the_live_feed_works_without_scripts(browser: Browser, walked: Walked) -> None:
    async with tab(browser, walked, "en", script=False) as here:
        page = here.page
        await page.goto(f"{walked.url}/en/achievements")
        await page.locator("details.filter a").first.click()
        await expect(page.locator(".chosen li").first).to_be_visible()
        await page.locator(".chosen .clear").click()
        await page.locator("#q").fill("climate")
        await page.get_by_role("button", name="Search").click()
        await page.locator("main .card a").first.click()
        await expect(page.locator("h1")).to_be_visible()
        await page.get_by_role("link", name="Explore its equivalencies").click()
        await expect(page.locator("#from")).not_to_have_value("")
        await page.goto(f"{walked.url}/en/live")
        await expect(page.locator("noscript p")).to_be_visible()
        await expect(page.locator("#live-bar")).to_be_hidden()
        await expect(page.locator("#live-table tbody tr").first).to_be_visible()
        assert not here.problems


async def test_a_new_entry_appears_and_the_reader_can_pause(browser: Browser, walked: Walked) -> None:
    if walked.log is None or walked.topic is None:
        pytest.skip("the portal walked is somebody else's: nothing is written to its feed")
    async with tab(browser, walked, "en") as here:
        await here.go("/live")
        state, rows = here.page.locator(".live-state"), here.page.locator("#live-table tbody tr")
        await expect(state).to_have_attribute("data-state", "connected")
        await _grow(walked)
        await expect(rows.first).to_contain_text("Newly admitted 1")
        await expect(rows.first).to_contain_text("Member admitted")
        await here.page.get_by_role("button", name="Pause").click()
        await expect(state).to_have_attribute("data-state", "paused")
        await _grow(walked)
        # The chart's own request proves that the page is alive while the table stands still.
        await expect(here.page.get_by_role("button", name="Continue")).to_have_attribute("aria-pressed", "true")
        await expect(rows.first).to_contain_text("Newly admitted 1")
        await here.page.get_by_role("button", name="Continue").click()
        await expect(rows.first).to_contain_text("Newly admitted 2")
        await expect(rows).to_have_count(20)
        await here.judge()


async def _grow(walked: Walked) -> None:
    assert walked.log is not None
    assert walked.topic is not None
    number = sum(b"Newly admitted" in (body or b"") for body in walked.log.bodies) + 1
    names = {"en": f"Newly admitted {number}"}
    index = walked.log.admit(f"new-{number}", "college", names, ["CA-MB"], ["issue"])
    await walked.topic.write(walked.log, [index])
