"""The examples of docs/client.md, run as they stand there: against the services of a small world."""

from __future__ import annotations

import asyncio
import contextlib
import io
import re
from pathlib import Path

import httpx
import pytest
from tests.unit.client.serving import serving

from passerelle.client import Client
from passerelle.gateway.http import Gateway, build_app
from passerelle.runtime.clock import SystemClock
from passerelle.runtime.limits import RateLimit

TEXT = (Path(__file__).resolve().parents[3] / "docs" / "client.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", TEXT, re.DOTALL)
REQUESTS = re.findall(r"^curl 'http://127\.0\.0\.1:8082(\S+)'$", TEXT, re.MULTILINE)


def test_there_are_examples() -> None:
    assert len(EXAMPLES) == TEXT.count("```python") == 3
    assert len(REQUESTS) == TEXT.count("curl ") == 4


def printed(code: str, address: str) -> str:
    """What an example prints when the service is at another address."""
    assert "127.0.0.1:8443" in code
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code.replace("127.0.0.1:8443", address), "docs/client.md", "exec"), {"__name__": "example"})
    return out.getvalue()


@pytest.mark.parametrize(("code", "output"), EXAMPLES, ids=range(len(EXAMPLES)))
async def test_an_example_prints_what_stands_below_it(tmp_path: Path, code: str, output: str) -> None:
    async with serving(tmp_path) as at:
        assert await asyncio.to_thread(printed, code, at.address) == output


@pytest.mark.parametrize("path", REQUESTS)
async def test_a_request_is_answered(tmp_path: Path, path: str) -> None:
    async with serving(tmp_path) as at, Client(at.address) as client:
        app = build_app(Gateway(client, RateLimit(1, 10, SystemClock()), 5.0, 4_096))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway.test") as http:
            answer = await http.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.json()["position"]["size"] <= at.world.size
