"""A real Apache Kafka for one machine: the one that KAFKA_BOOTSTRAP_SERVERS names, or a child process on 127.0.0.1."""

import asyncio
import base64
import os
import secrets
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from passerelle.core.errors import PasserelleError
from passerelle.embedded import kafka_config
from passerelle.embedded.child import Child, tail
from passerelle.embedded.folder import scratch_folder
from passerelle.embedded.jars import Progress, cache_folder, ensure_jars, kafka_jars
from passerelle.embedded.java import Java, find_java
from passerelle.embedded.ports import LOOPBACK, free_port
from passerelle.embedded.readiness import tcp_ready
from passerelle.embedded.server import EmbeddedServer

_START_SECONDS = 90.0  # a broker that was killed reads its unfinished segments again
_METADATA_SECONDS = 5.0


class EmbeddedKafka(EmbeddedServer):
    """One broker and controller (KRaft) with its data below `data_dir`; start, stop, restart and kill it at will.

    It listens on 127.0.0.1 without log-in, creates no topic by itself, and replicates nothing. With
    KAFKA_BOOTSTRAP_SERVERS in `environ` (default: this process's) those brokers are used, and restart and kill are
    refused. The first start on a machine fetches 45 MB into the user's cache. Use it from the main thread, see `Child`.
    """

    VARIABLE = "KAFKA_BOOTSTRAP_SERVERS"
    NOT_OURS = "The brokers that KAFKA_BOOTSTRAP_SERVERS names are not ours to restart or kill."
    STOP_SIGNAL = signal.SIGTERM
    BIND_FAILED = "failed to bind"

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
        super().__init__(data_dir, port, environ)
        self._settings = dict(settings or {})
        self._heap = heap
        self._java_options = tuple(java_options)
        self._progress = progress
        self._origin = origin
        self._links = dict(links or {})
        self.java: Java | None = None

    @property
    def bootstrap(self) -> str:
        """Where clients begin: `host:port`, or several, separated by commas."""
        if self._given is not None:
            return self._given
        if self._port is None:
            raise RuntimeError("the embedded Kafka has not been started")
        return f"{LOOPBACK}:{self._port}"

    @property
    def log(self) -> Path:
        """The broker's log file; what the Java machine itself prints is in kafka.out beside it."""
        return self._data_dir / "kafka.log"

    # Internals

    async def _check_given(self, address: str) -> None:
        """Raise `broker-unavailable` unless a broker answers."""
        if not await _has_brokers(address):
            what = "No broker of KAFKA_BOOTSTRAP_SERVERS answers."
            raise PasserelleError("broker-unavailable", what, where=address)

    async def _start_child(self) -> None:
        self.java = await asyncio.to_thread(find_java, self._environ, origin=self._origin)
        cache = cache_folder(self._environ, self._data_dir / "cache") / "kafka"
        jars = await asyncio.to_thread(ensure_jars, cache, kafka_jars(), self._progress)
        command = self._command(jars)
        final = self._data_dir / "log"
        self._write("log4j2.properties", kafka_config.logging(self.log))
        if not (final / "meta.properties").exists():
            await asyncio.to_thread(self._format, command, final)

        async def launch(port: int) -> None:
            controller = free_port(taken={port})
            content = kafka_config.properties(final, port, controller, self._settings, self._links)
            path = self._write("server.properties", content)
            await self._launch([*command, "kafka.Kafka", str(path)])

        await self._on_a_port(launch)

    async def _launch(self, argv: list[str]) -> None:
        self.log.unlink(missing_ok=True)  # an error shows this start's lines only
        self._child = Child("Kafka", argv, self._data_dir / "kafka.out", death_signal=self.STOP_SIGNAL)
        try:
            await self._child.wait_ready(self._answers, _START_SECONDS)
        except PasserelleError as error:
            what = f"{_messages(error.what)}\n{_messages(tail(self.log, 60))}\n"
            raise PasserelleError(error.code, what, where=str(self.log), fix=error.fix) from None

    async def _answers(self) -> bool:
        assert self._port is not None
        # A bare connection first: the client would write an error to the log at every early try.
        return await tcp_ready(LOOPBACK, self._port)() and await _has_brokers(self.bootstrap)

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
