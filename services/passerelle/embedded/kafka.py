"""A real Apache Kafka for one machine: the one that KAFKA_BOOTSTRAP_SERVERS names, or a child process on 127.0.0.1."""

import asyncio
import base64
import os
import secrets
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from passerelle.core.errors import PasserelleError
from passerelle.embedded import kafka_config
from passerelle.embedded.child import Child, tail
from passerelle.embedded.folder import FolderLock, scratch_folder
from passerelle.embedded.jars import Progress, cache_folder, ensure_jars, kafka_jars
from passerelle.embedded.java import Java, find_java
from passerelle.embedded.ports import LOOPBACK, free_port
from passerelle.embedded.readiness import tcp_ready

_START_SECONDS = 90.0  # a broker that was killed reads its unfinished segments again
_STOP_SECONDS = 20.0
_METADATA_SECONDS = 5.0
_PORT_TRIES = 5


class EmbeddedKafka:
    """One broker and controller (KRaft) with its data below `data_dir`; start, stop, restart and kill it at will.

    It listens on 127.0.0.1 without log-in, creates no topic by itself, and replicates nothing. With
    KAFKA_BOOTSTRAP_SERVERS in `environ` (default: this process's) those brokers are used, and restart and kill are
    refused. The first start on a machine fetches 45 MB into the user's cache. Use it from the main thread, see `Child`.
    """

    def __init__(
        self,
        data_dir: Path,
        port: int | None = None,
        *,
        settings: Mapping[str, str] | None = None,
        heap: str = "512m",
        java_options: Sequence[str] = (),
        progress: Progress | None = None,
        environ: Mapping[str, str] | None = None,
        origin: str | None = None,
        links: Mapping[int, int] | None = None,
    ) -> None:
        """Take a preferred `port`; when it is in use the next free one is taken, see `bootstrap` after the start.

        `settings` are added to the broker's, `java_options` to the Java machine's; `progress` is told of downloads,
        `origin` (system, wheel) picks a Java. `links` are further ports to listen on, each with the port that clients
        which come by it are told to go on with: that of a proxy before it.
        """
        environ = os.environ if environ is None else environ
        self._environ = environ
        self._data_dir = data_dir.resolve()
        self._servers = environ.get("KAFKA_BOOTSTRAP_SERVERS") or None
        self._wanted_port = port
        self._port: int | None = None
        self._settings = dict(settings or {})
        self._heap = heap
        self._java_options = tuple(java_options)
        self._progress = progress
        self._origin = origin
        self._links = dict(links or {})
        self._child: Child | None = None
        self._lock = FolderLock(self._data_dir)
        self.java: Java | None = None

    @property
    def external(self) -> bool:
        """Whether the brokers of KAFKA_BOOTSTRAP_SERVERS are used."""
        return self._servers is not None

    @property
    def bootstrap(self) -> str:
        """Where clients begin: `host:port`, or several, separated by commas."""
        if self._servers is not None:
            return self._servers
        if self._port is None:
            raise RuntimeError("the embedded Kafka has not been started")
        return f"{LOOPBACK}:{self._port}"

    @property
    def log(self) -> Path:
        """The broker's log file; what the Java machine itself prints is in kafka.out beside it."""
        return self._data_dir / "kafka.log"

    @property
    def pid(self) -> int | None:
        """The broker's process id while it runs as a child of this process."""
        return self._child.pid if self._child is not None and self._child.running() else None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start the broker, making its data folder if need be, and wait until it answers a metadata request.

        Raises `PasserelleError`: `runtime-missing`, `lease-held`, `port-taken`, `child-failed` (with the log's tail),
        and for external brokers `broker-unavailable`.
        """
        if self._servers is not None:
            if not await _has_brokers(self._servers):
                what = "No broker of KAFKA_BOOTSTRAP_SERVERS answers."
                raise PasserelleError("broker-unavailable", what, where=self._servers)
            return
        if self._child is not None and self._child.running():
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
        """End the broker with SIGKILL, as a crash would; `restart` recovers it."""
        self._must_be_child()
        await self._end_child(kill=True)

    # Internals

    def _must_be_child(self) -> None:
        if self._servers is not None:
            what = "The brokers that KAFKA_BOOTSTRAP_SERVERS names are not ours to restart or kill."
            raise PasserelleError("config-mismatch", what, where="KAFKA_BOOTSTRAP_SERVERS", fix="Unset it.")

    async def _start_child(self) -> None:
        self.java = await asyncio.to_thread(find_java, self._environ, origin=self._origin)
        cache = cache_folder(self._environ, self._data_dir / "cache") / "kafka"
        jars = await asyncio.to_thread(ensure_jars, cache, kafka_jars(), self._progress)
        command = self._command(jars)
        final = self._data_dir / "log"
        self._write("log4j2.properties", kafka_config.logging(self.log))
        if not (final / "meta.properties").exists():
            await asyncio.to_thread(self._format, command, final)
        for attempt in range(_PORT_TRIES):
            self._port = free_port(self._port or self._wanted_port)
            controller = free_port(taken={self._port})
            content = kafka_config.properties(final, self._port, controller, self._settings, self._links)
            path = self._write("server.properties", content)
            try:
                await self._launch([*command, "kafka.Kafka", str(path)])
                return
            except PasserelleError as error:
                # Somebody was quicker between the choice of the port and its use.
                if attempt == _PORT_TRIES - 1 or "failed to bind" not in error.what.lower():
                    raise

    async def _launch(self, argv: list[str]) -> None:
        self.log.unlink(missing_ok=True)  # an error shows this start's lines only
        self._child = Child("Kafka", argv, self._data_dir / "kafka.out", death_signal=signal.SIGTERM)
        try:
            await self._child.wait_ready(self._answers, _START_SECONDS)
        except PasserelleError as error:
            what = f"{_messages(error.what)}\n{_messages(tail(self.log, 60))}\n"
            raise PasserelleError(error.code, what, where=str(self.log), fix=error.fix) from None

    async def _answers(self) -> bool:
        assert self._port is not None
        # A bare connection first: the client would write an error to the log at every early try.
        return await tcp_ready(LOOPBACK, self._port)() and await _has_brokers(self.bootstrap)

    async def _end_child(self, *, kill: bool) -> None:
        if self._child is None:
            return
        child, self._child = self._child, None
        if kill:
            await child.kill()
        else:
            await child.stop(_STOP_SECONDS)

    def _command(self, jars: list[Path]) -> list[str]:
        assert self.java is not None
        options = [
            "-Xms128m",
            f"-Xmx{self._heap}",
            "-XX:+UseG1GC",
            "-XX:MaxGCPauseMillis=20",
            "-Djava.awt.headless=true",
        ]
        options += ["-XX:+ExitOnOutOfMemoryError", "-Dfile.encoding=UTF-8"]
        options += [f"-Dlog4j2.configurationFile={self._data_dir / 'log4j2.properties'}"]
        options += self._java_options
        return [str(self.java.program), *options, "-cp", os.pathsep.join(map(str, jars))]

    def _format(self, command: list[str], final: Path) -> None:
        """Make the data folder beside its place and rename it, so that a half-made one is never taken for whole."""
        if final.exists():
            # A folder without meta.properties was never used by a broker.
            final.rename(scratch_folder(final.with_name("log.unusable")))
        scratch = scratch_folder(final)
        ports = free_port(), free_port()
        path = self._write("format.properties", kafka_config.properties(scratch, *ports, self._settings))
        cluster = base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")
        # An id that begins with a hyphen would be read as an option.
        # The quick compiler only: this program runs for a second.
        quick = [command[0], "-XX:TieredStopAtLevel=1", *command[1:]]
        argv = [*quick, "kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "-c", str(path)]
        answer = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)
        if answer.returncode != 0:
            end = _messages(answer.stdout + answer.stderr)
            raise PasserelleError("child-failed", f"Kafka could not format its folder.\n{end}", where=str(final))
        scratch.rename(final)

    def _write(self, name: str, content: str) -> Path:
        path = self._data_dir / name
        path.write_text(content, encoding="utf-8")
        return path


def _messages(text: str) -> str:
    """Return the last lines of a log without the stack traces between them."""
    return "\n".join([line for line in text.splitlines() if not line.startswith(("\tat ", "\t... "))][-15:])


async def _has_brokers(servers: str) -> bool:
    """Ask for metadata; say whether at least one broker is in the answer."""
    client = AIOKafkaClient(bootstrap_servers=servers, request_timeout_ms=int(_METADATA_SECONDS * 1000))
    try:
        async with asyncio.timeout(_METADATA_SECONDS):
            await client.bootstrap()
        return len(client.cluster.brokers()) > 0
    except (KafkaError, OSError, TimeoutError):
        return False
    finally:
        await client.close()
