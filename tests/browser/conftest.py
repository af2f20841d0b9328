"""A real Chromium, and the portal that it walks: the one at PASSERELLE_PORTAL_URL, or one made here."""

from __future__ import annotations

import datetime as dt
import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Browser, async_playwright
from tests.browser.story import build
from tests.unit.portal.builder import Log
from tests.unit.portal.rig import Topic, config_for, feed_topic, portal, statistics_topic
from tests.unit.portal.statistics_sample import sample

from passerelle.embedded import EmbeddedKafka, EmbeddedPostgres

ADDRESS = "PASSERELLE_PORTAL_URL"
SHOTS = Path(__file__).resolve().parents[2] / "test-results" / "portal"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-dev-shm-usage",
    "--disable-sync",
    "--no-first-run",
]


@dataclass
class Walked:
    """The portal under test; ``log`` and ``topic`` only where it was made here."""

    url: str
    log: Log | None = None
    topic: Topic | None = None

    @property
    def own(self) -> bool:
        """Whether the portal was made here: then nobody answers its questions."""
        return self.log is not None


def chromium() -> str | None:
    """Where a Chromium is on this machine."""
    named = os.environ.get("CHROMIUM")
    return named or next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """A Chromium without a profile."""
    path = chromium()
    if path is None:
        pytest.skip("no chromium on this machine: THE PORTAL IS NOT WALKED (install it, or name it in CHROMIUM)")
    async with async_playwright() as playwright:
        found = await playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield found
        await found.close()


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest) -> tuple[EmbeddedPostgres, EmbeddedKafka] | None:
    """The shared servers; None where a running portal is walked, so that none is started then."""
    if ADDRESS in os.environ:
        return None
    return request.getfixturevalue("postgres"), request.getfixturevalue("kafka")


@pytest.fixture
async def walked(
    servers: tuple[EmbeddedPostgres, EmbeddedKafka] | None, unique_name: Callable[[str], str], tmp_path: Path
) -> AsyncIterator[Walked]:
    """A portal with a full ledger."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    if servers is None:
        yield Walked(os.environ[ADDRESS].rstrip("/"))
        return
    postgres, kafka = servers
    # The story takes some 22 hours, so that the chart of the last 48 has something to show.
    log = build(dt.datetime.now(dt.UTC).replace(microsecond=0) - dt.timedelta(hours=25))
    database = unique_name("portal")
    async with AsyncExitStack() as stack:
        # Owned by an account of its own, as in the demo: it must suffice for the extensions.
        dsn = await postgres.create_database(database, owner=database)
        stack.push_async_callback(postgres.drop_database, database)
        topic = await stack.enter_async_context(feed_topic(kafka.bootstrap, unique_name("feed")))
        await topic.write(log, range(len(log.entries)))
        config = config_for(log, tmp_path, dsn, topic.config)
        statistics = unique_name("statistics")
        producer = await stack.enter_async_context(statistics_topic(topic.config, statistics))
        records = list(sample())
        for record in records:
            await producer.send_and_wait(statistics, record.write())
        here = await stack.enter_async_context(portal(config, topic.name, statistics))
        await here.reached(len(log.entries))
        await here.counted(len(records))
        yield Walked(here.url, log, topic)
