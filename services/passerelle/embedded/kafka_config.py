"""The files that one broker needs: server.properties and the logging configuration."""

from collections.abc import Mapping
from pathlib import Path

from passerelle.embedded.ports import LOOPBACK

NODE_ID = 1

SETTINGS: Mapping[str, str] = {
    "process.roles": "broker,controller",
    "node.id": str(NODE_ID),
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "auto.create.topics.enable": "false",
    "num.partitions": "1",
    "default.replication.factor": "1",
    "min.insync.replicas": "1",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    # One machine: few threads, and a cleaner that fits the small heap.
    "num.network.threads": "2",
    "num.io.threads": "4",
    "num.recovery.threads.per.data.dir": "2",
    "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
    "controlled.shutdown.max.retries": "1",
    # After a kill the controller waits for the dead broker's session to end before it takes the new one.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "1000",
}


def properties(
    log_dir: Path, port: int, controller_port: int, extra: Mapping[str, str], links: Mapping[int, int] | None = None
) -> str:
    """Return server.properties for a broker on 127.0.0.1 that keeps its data in `log_dir`.

    `links`: further ports to listen on, each with the port that its clients are told: that of what stands between.
    """
    names = {f"LINK{place}": ports for place, ports in enumerate((links or {}).items())}
    listens = [("PLAINTEXT", port), ("CONTROLLER", controller_port), *((name, one[0]) for name, one in names.items())]
    told = [("PLAINTEXT", port), *((name, one[1]) for name, one in names.items())]
    protocols = [SETTINGS["listener.security.protocol.map"], *(f"{name}:PLAINTEXT" for name in names)]
    values = {
        **SETTINGS,
        "listener.security.protocol.map": ",".join(protocols),
        "listeners": ",".join(f"{name}://{LOOPBACK}:{number}" for name, number in listens),
        "advertised.listeners": ",".join(f"{name}://{LOOPBACK}:{number}" for name, number in told),
        "controller.quorum.voters": f"{NODE_ID}@{LOOPBACK}:{controller_port}",
        "log.dirs": str(log_dir),
        **extra,
    }
    return "".join(f"{name}={_escape(value)}\n" for name, value in values.items())


def logging(log: Path) -> str:
    """Return a Log4j 2 configuration that writes warnings, and the broker's milestones, to `log` (2 files of 10 MB)."""
    lines = {
        "status": "error",
        "appender.file.type": "RollingFile",
        "appender.file.name": "file",
        "appender.file.fileName": str(log),
        "appender.file.filePattern": f"{log}.%i",
        "appender.file.layout.type": "PatternLayout",
        "appender.file.layout.pattern": "%d{ISO8601} %p %c{1}: %m%n",
        "appender.file.policies.type": "Policies",
        "appender.file.policies.size.type": "SizeBasedTriggeringPolicy",
        "appender.file.policies.size.size": "10MB",
        "appender.file.strategy.type": "DefaultRolloverStrategy",
        "appender.file.strategy.max": "1",
        "rootLogger.level": "warn",
        "rootLogger.appenderRef.file.ref": "file",
        "logger.server.name": "kafka.server.KafkaRaftServer",
        "logger.server.level": "info",
    }
    return "".join(f"{name}={_escape(value)}\n" for name, value in lines.items())


def _escape(value: str) -> str:
    """Escape what a Java properties file would read otherwise: backslashes and letters beyond ASCII."""
    return value.replace("\\", "\\\\").encode("ascii", "backslashreplace").decode("ascii")
