"""Watched folders and pushes beside relay and intake: what is configured of them, wired and run."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from passerelle.core.errors import ConfigError
from passerelle.node.config import NodeConfig
from passerelle.node.jobs import ImportDesk, JobRunner, JobStore, threaded
from passerelle.node.watching import Watcher
from passerelle.runtime.clock import Clock
from passerelle.runtime.ids import Ids
from passerelle.runtime.process import run_together
from passerelle.runtime.telemetry import serve_http


@dataclass(slots=True)
class ImportsPart:
    """See :class:`passerelle.node.service.Snapshot`. ``address`` is that of the push API, empty without one."""

    watchers: list[Watcher]
    runner: JobRunner | None
    stopping: threading.Event
    address: str = ""

    @property
    def states(self) -> Mapping[str, str]:
        """What each folder, by its name, and the queue of pushes are doing."""
        found = {f"watch {watcher.config.folder.name}": watcher.state for watcher in self.watchers}
        return found | ({"push": self.runner.state} if self.runner is not None else {})

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop``; an import in hand ends at its next chunk."""
        workers: list[Watcher | JobRunner] = [*self.watchers, *([self.runner] if self.runner is not None else [])]
        await run_together(stop, lambda: self._tell(stop), *(partial(worker.run, stop) for worker in workers))

    async def _tell(self, stop: asyncio.Event) -> None:
        try:
            await stop.wait()
        finally:
            self.stopping.set()


async def open_imports(
    stack: AsyncExitStack, config: NodeConfig, store: JobStore, clock: Clock, ids: Ids, mappings: Path
) -> ImportsPart | None:
    """What the configuration asks for; None where it asks for neither. Raises ConfigError."""
    if not config.watch and config.push is None:
        return None
    stopping = threading.Event()
    desk = ImportDesk(threaded(config, mappings, stopping))
    for watched in config.watch:
        if not watched.folder.is_dir():
            raise ConfigError("config-invalid", "the folder is not there", where=f"watch: {watched.folder}")
    watchers = [Watcher(watched, store, desk, clock, ids) for watched in config.watch]
    part = ImportsPart(watchers, None, stopping)
    if (push := config.push) is not None:
        from passerelle.node.http import PushApi, read_token

        token = read_token(push.token_file)
        push.spool_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        part.runner = JobRunner(store, desk, push.spool_folder, clock)
        api = PushApi(push, store, part.runner, clock, ids, token)
        port = await stack.enter_async_context(serve_http(api.app(), push))
        part.address = f"{push.host}:{port}"
    return part
