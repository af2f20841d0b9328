"""Running a command's work: what it logs is not part of its answer."""

from __future__ import annotations

import pytest
import structlog

from passerelle.cli.common import print_json, run_work


def test_logs_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    async def work() -> dict[str, int]:
        structlog.get_logger().warning("something was away", code="database-unavailable")
        return {"records": 3}

    before = structlog.get_config()
    try:
        print_json(run_work(work()))
    finally:
        structlog.configure(**before)
    shown = capsys.readouterr()
    assert shown.out == '{\n  "records": 3\n}\n'
    assert "something was away" in shown.err
