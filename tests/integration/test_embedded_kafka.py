"""The embedded Kafka: fresh, stopped, restarted, killed, half formatted, in the way; its jars and their cache."""

import asyncio
import os
import socket
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

from passerelle.core.errors import PasserelleError
from passerelle.embedded import EmbeddedKafka
from passerelle.embedded import jars as jars_module
from passerelle.embedded import server as server_module
from passerelle.embedded.jars import Jar, cache_folder, ensure_jars, kafka_jars, read_coordinates
from passerelle.embedded.java import find_java
from passerelle.embedded.ports import LOOPBACK, free_port

NOTHING = {name: os.environ[name] for name in ("PATH", "HOME", "XDG_CACHE_HOME", "JAVA_HOME") if name in os.environ}


def make(folder: Path, **options: object) -> EmbeddedKafka:
    return EmbeddedKafka(folder, environ=NOTHING, **options)  # type: ignore[arg-type]


async def create_topic(server: EmbeddedKafka, name: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=server.bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, 1, 1)])
    finally:
        await admin.close()


async def send(server: EmbeddedKafka, topic: str, *values: bytes) -> None:
    async with AIOKafkaProducer(bootstrap_servers=server.bootstrap, acks="all", enable_idempotence=True) as producer:
        for content in values:
            await producer.send_and_wait(topic, content, partition=0)


async def read(server: EmbeddedKafka, topic: str, number: int) -> list[bytes]:
    async with AIOKafkaConsumer(bootstrap_servers=server.bootstrap) as consumer:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        consumer.seek(partition, 0)
        async with asyncio.timeout(20):
            return [(await consumer.getone()).value for _ in range(number)]


async def test_data_outlives_stop_restart_and_kill(tmp_path: Path) -> None:
    server = make(tmp_path)
    await server.start()
    address = server.bootstrap
    assert address.startswith(f"{LOOPBACK}:")
    await create_topic(server, "kept")
    await send(server, "kept", b"one")
    await server.restart()
    assert server.bootstrap == address
    await send(server, "kept", b"two")
    await server.kill()
    assert server.pid is None
    await server.restart()
    assert server.bootstrap == address
    assert await read(server, "kept", 2) == [b"one", b"two"]
    await server.stop()
    assert server.pid is None
    assert not (tmp_path / "cache").exists()


async def test_a_half_formatted_folder_is_made_anew_on_the_wheels_java(tmp_path: Path) -> None:
    half = tmp_path / "log.new"
    half.mkdir()
    (half / "meta.properties").write_text("version=1\n", encoding="ascii")
    (tmp_path / "log").mkdir()  # and one that was never formatted
    with socket.socket() as other:
        other.bind((LOOPBACK, 0))
        other.listen()
        taken = other.getsockname()[1]
        async with EmbeddedKafka(tmp_path, taken, environ={**NOTHING, "PATH": ""}, origin="wheel") as server:
            assert server.java is not None
            assert server.java.origin == "wheel"
            assert server.bootstrap != f"{LOOPBACK}:{taken}"
            await create_topic(server, "fresh")
            assert (tmp_path / "log" / "meta.properties").exists()
            assert not half.exists()
            with pytest.raises(PasserelleError) as caught:
                await make(tmp_path).start()
            assert caught.value.code == "lease-held"


async def test_a_port_lost_between_choice_and_use_is_chosen_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as other:
        other.bind((LOOPBACK, 0))
        other.listen()
        taken = other.getsockname()[1]
        offered = [taken, free_port()]
        server = make(tmp_path)
        await asyncio.to_thread(prepare, server, tmp_path)
        monkeypatch.setattr(server_module, "free_port", lambda preferred: offered.pop(0))
        async with server:
            assert server.bootstrap != f"{LOOPBACK}:{taken}"
    assert not offered


def prepare(server: EmbeddedKafka, folder: Path) -> None:
    """Format the folder, so that the start under test asks for the broker's ports first."""
    java = find_java(NOTHING)
    jars = ensure_jars(cache_folder(NOTHING, folder / "cache") / "kafka", kafka_jars())
    server.java = java
    (folder / "log4j2.properties").write_text("status=error\n", encoding="ascii")
    server._format(server._command(jars), folder / "log")


async def test_a_broker_that_cannot_start_shows_its_log(tmp_path: Path) -> None:
    server = make(tmp_path)
    await asyncio.to_thread(prepare, server, tmp_path)
    meta = tmp_path / "log" / "meta.properties"
    meta.write_text(meta.read_text(encoding="ascii").replace("node.id=1", "node.id=7"), encoding="ascii")
    with pytest.raises(PasserelleError) as caught:
        await server.start()
    assert caught.value.code == "child-failed"
    assert "node" in caught.value.what.lower()
    assert "ended with exit code 1" in caught.value.what
    assert caught.value.where == str(server.log)


async def test_settings_that_the_broker_refuses_are_shown_from_its_log(tmp_path: Path) -> None:
    with pytest.raises(PasserelleError) as caught:
        await make(tmp_path, settings={"num.io.threads": "0"}).start()
    assert caught.value.code == "child-failed"
    assert "num.io.threads" in caught.value.what
    assert "\tat " not in caught.value.what  # what is wrong, not where in Java it was found


async def test_the_shared_broker_makes_no_topic_by_itself(kafka: EmbeddedKafka) -> None:
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, request_timeout_ms=1500) as producer:
        with pytest.raises(KafkaError):
            await producer.send_and_wait("never-created", b"x")
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    try:
        assert "never-created" not in await admin.list_topics()
    finally:
        await admin.close()


async def test_given_brokers_are_used_and_left_alone(tmp_path: Path, kafka: EmbeddedKafka) -> None:
    given = EmbeddedKafka(tmp_path, environ={"KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap})
    async with given:
        assert given.bootstrap == kafka.bootstrap
        with pytest.raises(PasserelleError, match="not ours"):
            await given.kill()
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap) as producer:
        assert producer.client.cluster.brokers()


async def test_no_broker_at_a_given_address_is_said(tmp_path: Path) -> None:
    given = EmbeddedKafka(tmp_path, environ={"KAFKA_BOOTSTRAP_SERVERS": f"{LOOPBACK}:{free_port()}"})
    with pytest.raises(PasserelleError) as caught:
        await given.start()
    assert caught.value.code == "broker-unavailable"


def test_the_list_of_jars_is_whole() -> None:
    jars = kafka_jars()
    names = {jar.name for jar in jars}
    assert {"kafka_2.13", "kafka-clients", "log4j-slf4j-impl", "scala-library"} <= names
    assert len(names) == len(jars) == 46
    assert {jar.version for jar in jars if jar.group == "org.apache.kafka"} == {"4.3.1"}
    assert 40_000_000 < sum(jar.size for jar in jars) < 50_000_000


def test_a_damaged_jar_is_fetched_again(tmp_path: Path, kafka: EmbeddedKafka) -> None:
    smallest = min(kafka_jars(), key=lambda jar: jar.size)
    damaged = tmp_path / smallest.filename
    damaged.write_bytes(b"\0" * smallest.size)
    seen: list[tuple[int, int]] = []
    paths = ensure_jars(tmp_path, [smallest], lambda what, done, total: seen.append((done, total)))
    assert paths == [damaged]
    assert smallest.matches(damaged)
    assert seen == [(smallest.size, smallest.size)]
    assert [path.name for path in tmp_path.iterdir()] == [smallest.filename]


def test_a_jar_that_is_not_the_listed_one_never_enters_the_cache(tmp_path: Path) -> None:
    smallest = min(kafka_jars(), key=lambda jar: jar.size)
    other = Jar(smallest.group, smallest.name, smallest.version, smallest.size, "0" * 64)
    with pytest.raises(PasserelleError, match="SHA-256 differ") as caught:
        ensure_jars(tmp_path, [other])
    assert caught.value.code == "runtime-missing"
    assert not list(tmp_path.iterdir())


def test_no_way_to_the_artifacts_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise ConnectionError

    monkeypatch.setattr("requests.request", refuse)
    monkeypatch.setattr(jars_module, "_TRIES", 2)
    with pytest.raises(PasserelleError, match="could not be fetched: ConnectionError"):
        ensure_jars(tmp_path, kafka_jars()[:1])


def test_coordinates_are_read_with_comments() -> None:
    jars = read_coordinates("# a comment\n\ng.h:name:1.2 34 abcd\n")
    assert jars == [Jar("g.h", "name", "1.2", 34, "abcd")]
    assert jars[0].filename == "g.h_name-1.2.jar"


def test_the_cache_moves_where_it_can_write(tmp_path: Path) -> None:
    fallback = tmp_path / "fallback"
    assert cache_folder({"HOME": "", "XDG_CACHE_HOME": "relative"}, fallback) == fallback
    assert cache_folder({"HOME": "/proc/nowhere"}, fallback) == fallback
    assert cache_folder({"HOME": str(tmp_path)}, fallback) == tmp_path / ".cache" / "passerelle"
    both = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "x")}
    assert cache_folder(both, fallback) == tmp_path / "x" / "passerelle"
