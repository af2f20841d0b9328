"""Pushes over HTTP without a database: who may push, how much, and what is answered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.unit.node.office import CountingIds, FixedClock
from tests.unit.node.test_watching import Importing

from passerelle.core.errors import ConfigError, FormatError, Unavailable
from passerelle.node.config import PushConfig
from passerelle.node.http import PushApi, read_token
from passerelle.node.jobs import ImportDesk, Job, JobRunner, Later

TOKEN = "t" * 40
AUTH = {"authorization": f"Bearer {TOKEN}"}


class Queue:
    """Jobs in memory, as the database keeps them."""

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}

    def _open(self, *states: str) -> list[Job]:
        return [job for job in self.jobs.values() if job.source == "push" and job.state in states]

    async def add_job(self, job: Job, most: int) -> bool:
        if len(self._open("waiting", "running")) >= most:
            return False
        self.jobs[job.id] = job
        return True

    async def job(self, job: str) -> Job | None:
        return self.jobs.get(job)

    async def begin_jobs(self) -> list[str]:
        for job in self._open("running"):
            await self.wait_again(job.id)
        return [job.id for job in self._open("waiting")]

    async def next_job(self) -> Job | None:
        for job in self._open("waiting"):
            self.jobs[job.id] = replace(job, state="running")
            return self.jobs[job.id]
        return None

    async def wait_again(self, job: str) -> None:
        self.jobs[job] = replace(self.jobs[job], state="waiting")

    async def end_job(self, job: Job) -> None:
        self.jobs[job.id] = job

    async def open_jobs(self) -> int:
        return len(self._open("waiting", "running"))

    async def latest_jobs(self, limit: int) -> list[Job]:
        return list(self.jobs.values())[:limit]


class Counter:
    """The office's side of the HTTP interface."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        spool = folder / "spool"
        spool.mkdir()
        config = PushConfig(token_file=folder / "token", spool_folder=spool, **settings)
        self.spool, self.queue, self.take = spool, Queue(), Importing()
        self.runner = JobRunner(self.queue, ImportDesk(self.take), spool, FixedClock())
        self.api = PushApi(config, self.queue, self.runner, FixedClock(), CountingIds(), TOKEN.encode())
        transport = httpx.ASGITransport(self.api.app(), raise_app_exceptions=False)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://node.test", headers=AUTH)

    def files(self) -> list[str]:
        return sorted(path.name for path in self.spool.iterdir())


@pytest.fixture
def counter(tmp_path: Path) -> Counter:
    return Counter(tmp_path, max_bytes=64, max_waiting=2)


async def test_a_push_is_stored_answered_imported_and_told(counter: Counter) -> None:
    answer = await counter.http.post("/v1/imports?kind=credentials&mapping=m", content=b"a,b\n1,2\n")
    assert answer.status_code == 202, answer.text
    job = answer.json()
    assert (job["state"], job["asked"]) == ("waiting", {"kind": "credentials", "mapping": "m"})
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
    assert counter.files() == [f"{job['id']}.file"]
    assert (counter.spool / counter.files()[0]).stat().st_mode & 0o077 == 0
    assert await counter.runner.step()
    assert counter.take.content == [b"a,b\n1,2\n"]
    told = (await counter.http.get(answer.headers["location"])).json()
    assert (told["state"], told["report"]["new"], told["report"]["errors_in_all"]) == ("done", 1, 1)
    assert "changes" not in told["report"]
    assert counter.files() == []
    assert not await counter.runner.step()


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer x"}, {"authorization": f"Basic {TOKEN}"}])
async def test_without_the_token_nothing_is_told_or_taken(counter: Counter, headers: dict[str, str]) -> None:
    counter.http.headers.pop("authorization")
    for method, path in (("POST", "/v1/imports"), ("GET", "/v1/jobs/x")):
        answer = await counter.http.request(method, path, content=b"x", headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] in {"unauthenticated", "token-invalid"}
    assert counter.files() == []


async def stream(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def test_bodies_are_bounded_whatever_they_say_of_their_length(counter: Counter) -> None:
    known = await counter.http.post("/v1/imports", content=b"x" * 65)
    streamed = await counter.http.post("/v1/imports", content=stream(*[b"x" * 40] * 3))
    assert [one.json()["code"] for one in (known, streamed)] == ["message-too-large"] * 2
    assert known.status_code == streamed.status_code == 413
    empty = await counter.http.post("/v1/imports", content=b"")
    assert (empty.status_code, empty.json()["code"]) == (400, "file-empty")
    assert counter.files() == []
    assert counter.queue.jobs == {}


async def test_no_more_files_wait_than_allowed(counter: Counter) -> None:
    codes = [(await counter.http.post("/v1/imports", content=b"x")).status_code for _ in range(3)]
    assert codes == [202, 202, 429]
    full = await counter.http.post("/v1/imports", content=b"x")
    assert full.json()["code"] == "queue-full"
    assert full.headers["retry-after"]
    await counter.runner.step()
    assert (await counter.http.post("/v1/imports", content=b"x")).status_code == 202
    assert len(counter.files()) == 2


async def test_uploads_at_the_same_time_count_too(counter: Counter) -> None:
    held = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"x"
        await held.wait()

    first = [asyncio.create_task(counter.http.post("/v1/imports", content=slow())) for _ in range(2)]
    while len(counter.files()) < 2:
        await asyncio.sleep(0)
    assert (await counter.http.post("/v1/imports", content=b"x")).status_code == 429
    held.set()
    assert [(await one).status_code for one in first] == [202, 202]


@pytest.mark.parametrize(
    ("query", "where"), [("kindd=x", "query"), ("kind=credential", "kind"), (f"mapping={'x' * 101}", "mapping")]
)
async def test_a_wrong_parameter_is_named(counter: Counter, query: str, where: str) -> None:
    answer = await counter.http.post(f"/v1/imports?{query}", content=b"x")
    assert (answer.status_code, answer.json()["code"], answer.json()["where"]) == (400, "argument-invalid", where)
    assert answer.json()["fix"]


async def test_jobs_pages_and_methods_that_are_not_there(counter: Counter) -> None:
    for path in ("/v1/jobs/x", "/v1/jobs/01990000-0000-7000-8000-000000000001", "/nowhere"):
        answer = await counter.http.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
    answer = await counter.http.get("/v1/imports")
    assert (answer.status_code, answer.json()["code"]) == (405, "argument-invalid")


async def test_what_failed_says_so_and_what_must_wait_waits(counter: Counter) -> None:
    job = (await counter.http.post("/v1/imports", content=b"x")).json()["id"]
    where = str(counter.spool / f"{job}.file")
    counter.take.answers = [
        Unavailable("database-unavailable", "away"),
        FormatError("file-empty", "no row", where=where),
    ]
    with pytest.raises(Later):
        await counter.runner.step()
    assert counter.queue.jobs[job].state == "waiting"
    assert await counter.runner.step()
    told = (await counter.http.get(f"/v1/jobs/{job}")).json()
    assert (told["state"], told["error"]["code"], told["error"]["where"]) == ("failed", "file-empty", "body")


async def test_after_a_restart_what_was_being_taken_is_taken_again(counter: Counter) -> None:
    job = (await counter.http.post("/v1/imports", content=b"x")).json()["id"]
    await counter.queue.next_job()
    (counter.spool / "orphan.part").write_text("x")
    (counter.spool / "0199.file").write_text("x")
    stop = asyncio.Event()
    running = asyncio.create_task(counter.runner.run(stop))
    while counter.queue.jobs[job].state != "done":
        await asyncio.sleep(0)
    stop.set()
    await running
    assert counter.take.content == [b"x"]
    assert counter.files() == []


async def test_the_document_says_what_is_served(counter: Counter) -> None:
    counter.http.headers.pop("authorization")
    document = (await counter.http.get("/openapi.json")).json()
    assert document["openapi"] == "3.1.0"
    routes = {route.path: route.methods for route in counter.api.app().routes}  # type: ignore[attr-defined]
    for path, methods in document["paths"].items():
        assert {name.upper() for name in methods} <= routes[path]
    assert set(routes) == {*document["paths"], "/openapi.json"}
    counter.http.headers.update(AUTH)
    job = (await counter.http.post("/v1/imports", content=b"x")).json()
    schema = document["components"]["schemas"]["Job"]
    assert set(job) == set(schema["properties"]) == set(schema["required"])
    names = {"/".join(one["$ref"].split("/")[-1:]) for one in _references(document)}
    assert names <= set(document["components"]["schemas"])


def _references(value: Any) -> Iterator[dict[str, str]]:
    if isinstance(value, dict):
        if "$ref" in value:
            yield value
        value = list(value.values())
    for one in value if isinstance(value, list) else ():
        yield from _references(one)


def test_a_token_file_is_secret_and_long_enough(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="read by others"):
        read_token(path)
    path.chmod(0o600)
    assert read_token(path) == TOKEN.encode()
    path.write_text("short")
    with pytest.raises(ConfigError, match="fewer than 32"):
        read_token(path)
    assert "short" not in json.dumps(_error(path))


def _error(path: Path) -> dict[str, str]:
    with pytest.raises(ConfigError) as raised:
        read_token(path)
    return raised.value.as_dict()
