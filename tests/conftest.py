"""Fixtures that every test may use: one PostgreSQL and one Kafka for the whole session, a fresh database for each test.

Isolation on the shared servers is up to the tests: `database` is new each time, topics and groups need unique names
(`unique_name`).
"""

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterator
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings

from passerelle.embedded import EmbeddedKafka, EmbeddedPostgres

# Time limits on single examples fail on busy machines and say nothing about the code.
settings.register_profile("ci", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("thorough", deadline=None, max_examples=2000, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

SHARED = Path(__file__).resolve().parent.parent.parent / "shared"
_numbers = count(1)
T = TypeVar("T")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by what they ask for and where they stand, so that quick runs can leave the servers out."""
    for item in items:
        names = set(getattr(item, "fixturenames", ()))
        if names & {"postgres", "kafka", "database"} or "/integration/" in item.path.as_posix():
            item.add_marker(pytest.mark.integration)
        if "/e2e/" in item.path.as_posix():
            item.add_marker(pytest.mark.e2e)


def run_here(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in its own loop, in this thread: children die with the thread that starts them."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


@pytest.fixture(scope="session")
def say(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Print a line past pytest's capture, for what takes longer than two seconds."""
    reporter = request.config.pluginmanager.get_plugin("terminalreporter")

    def write(line: str) -> None:
        if reporter is not None:
            reporter.ensure_newline()
            reporter.write_line(line)

    return write


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory, say: Callable[[str], None]) -> Iterator[EmbeddedPostgres]:
    """A running PostgreSQL, shared by the session: DATABASE_URL's, or one with its data in a temporary folder."""
    say("starting PostgreSQL")
    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres"))
    run_here(server.start())
    yield server
    run_here(server.stop())


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory, say: Callable[[str], None]) -> Iterator[EmbeddedKafka]:
    """A running Kafka, shared by the session: KAFKA_BOOTSTRAP_SERVERS's, or one with its data in a temporary folder."""
    say("starting Kafka (its first use on a machine fetches 45 MB)")
    tenths = [0]

    def progress(what: str, done: int, total: int) -> None:
        if done * 10 // total > tenths[0]:
            tenths[0] = done * 10 // total
            say(f"{what}: {done * 100 // total} %")

    server = EmbeddedKafka(tmp_path_factory.mktemp("kafka"), progress=progress)
    run_here(server.start())
    yield server
    run_here(server.stop())


@pytest.fixture
def unique_name() -> Callable[[str], str]:
    """Make names that no other test of any run against the same servers uses: letters, digits and underscores."""
    run = os.urandom(4).hex()
    return lambda stem: f"{stem}_{run}_{next(_numbers)}"


@pytest.fixture
def database(postgres: EmbeddedPostgres, unique_name: Callable[[str], str]) -> Iterator[str]:
    """The DSN of a fresh, empty database, dropped after the test."""
    name = unique_name("test")
    yield run_here(postgres.create_database(name))
    run_here(postgres.drop_database(name))


@pytest.fixture(scope="session")
def shared_folder() -> Path:
    """The folder of published vectors and data beside the repository; the test is skipped, aloud, without it."""
    if not SHARED.is_dir():
        pytest.skip("../shared is absent: published vectors and catalogues are not checked here")
    return SHARED
