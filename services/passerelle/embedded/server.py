"""What the embedded servers share: a locked folder, a port and a child process, or a given server in place of them."""

import os
import signal
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from passerelle.core.errors import PasserelleError
from passerelle.embedded.child import Child
from passerelle.embedded.folder import FolderLock
from passerelle.embedded.ports import free_port

STOP_SECONDS = 20.0
_PORT_TRIES = 5


class EmbeddedServer(ABC):
    """One server with its data below `data_dir`; start, stop, restart and kill it as often as needed.

    Where `environ` (default: this process's) names a server, that one is used, and restart and kill are refused. Use it
    from the main thread, see `Child`.
    """

    VARIABLE: ClassVar[str]
    """The name in the environment that gives a server."""
    NOT_OURS: ClassVar[str]
    """Why a given server is not restarted or killed."""
    STOP_SIGNAL: ClassVar[signal.Signals]
    """What asks the child to end; it comes also when this process dies."""
    BIND_FAILED: ClassVar[str]
    """What the child's log says, in lower case, where its port is in use."""

    def __init__(self, data_dir: Path, port: int | None, environ: Mapping[str, str] | None) -> None:
        """Take a preferred `port`; when it is in use the next free one is taken at the start."""
        self._environ = os.environ if environ is None else environ
        self._given = self._environ.get(self.VARIABLE) or None
        self._data_dir = data_dir.resolve()
        self._wanted_port = port
        self._port: int | None = None
        self._child: Child | None = None
        self._lock = FolderLock(self._data_dir)

    @property
    def external(self) -> bool:
        """Whether the environment's server is used."""
        return self._given is not None

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs as a child of this process."""
        return self._child.pid if self._child is not None and self._child.running() else None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start the server, making its data folder if need be, and wait until it answers.

        Raises `PasserelleError`: `runtime-missing`, `lease-held`, `port-taken`, `child-failed` (with the log's tail),
        and for a given server `broker-unavailable`, `database-unavailable` or, where it is too old, `runtime-missing`.
        """
        if self._given is not None:
            await self._check_given(self._given)
            return
        if self.pid is not None:
            return
        self._lock.acquire()
        try:
            await self._start_child()
        except BaseException:
            await self._end_child(kill=True)
            self._lock.release()
            raise

    async def stop(self) -> None:
        """Stop in an orderly way; after a bounded wait, kill. Twice is allowed."""
        await self._end_child(kill=False)
        self._lock.release()

    async def restart(self) -> None:
        """Stop and start on the same port; start again after a kill."""
        self._must_be_child()
        await self._end_child(kill=False)
        await self.start()

    async def kill(self) -> None:
        """End the server with SIGKILL, as a crash would; `restart` recovers it."""
        self._must_be_child()
        await self._end_child(kill=True)

    @abstractmethod
    async def _check_given(self, address: str) -> None:
        """Raise a typed error unless the server at `address`, the variable's value, can be used."""

    @abstractmethod
    async def _start_child(self) -> None:
        """Prepare the data folder, then make `_child` and wait until it answers, by way of `_on_a_port`."""

    async def _on_a_port(self, launch: Callable[[int], Awaitable[None]]) -> None:
        """Choose `_port` and launch the child on it: that of the last start, the preferred one, or the next free."""
        for attempt in range(_PORT_TRIES):
            self._port = free_port(self._port or self._wanted_port)
            try:
                await launch(self._port)
                return
            except PasserelleError as error:
                # Somebody was quicker between the choice of the port and its use.
                if attempt == _PORT_TRIES - 1 or self.BIND_FAILED not in error.what.lower():
                    raise

    def _must_be_child(self) -> None:
        if self._given is not None:
            raise PasserelleError("config-mismatch", self.NOT_OURS, where=self.VARIABLE, fix="Unset it.")

    async def _end_child(self, *, kill: bool) -> None:
        if self._child is None:
            return
        child, self._child = self._child, None
        if kill:
            await child.kill()
        else:
            await child.stop(STOP_SECONDS, self.STOP_SIGNAL)
