"""Apache Kafka through aiokafka: producers, assigned consumers, topics. No consumer groups, no transactions."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka import TopicPartition as TopicPartition  # noqa: PLC0414 - others import it from here
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaConnectionError, KafkaError, TopicAlreadyExistsError, for_code

from passerelle.core.errors import ConfigError, Unavailable
from passerelle.events.topics import TopicSpec
from passerelle.runtime.config import KafkaConfig, read_secret
from passerelle.runtime.watchdog import Watchdog

_LOG = logging.getLogger(__name__)
LINGER_MS = 5
BATCH_BYTES = 128 * 1024
START_TIMEOUT_S = 20.0
"""A client that reaches a broker which has not joined its cluster yet looks for a node for ever: it must start anew."""
CLOSE_TIMEOUT_S = 1.5
LOOK_TIMEOUT_S = 5.0
CLIENT_ERRORS = (KafkaError, OSError, TimeoutError)
"""What the client raises when a broker is away, refuses, or a request runs out of time."""


def client_options(config: KafkaConfig) -> dict[str, Any]:
    """The connection part of every client's arguments."""
    options: dict[str, Any] = {"bootstrap_servers": config.bootstrap.split(",")}
    if config.security == "plaintext":
        return options
    context = ssl.create_default_context(cafile=str(config.ca_file) if config.ca_file else None)
    if config.security == "mtls":
        if config.certificate_file is None or config.key_file is None:
            raise ConfigError("config-invalid", "mtls needs certificate_file and key_file", where="kafka")
        context.load_cert_chain(str(config.certificate_file), str(config.key_file))
        return options | {"security_protocol": "SSL", "ssl_context": context}
    if config.username is None or config.password_file is None:
        raise ConfigError("config-invalid", "scram needs username and password_file", where="kafka")
    return options | {
        "security_protocol": "SASL_SSL",
        "ssl_context": context,
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": config.username,
        "sasl_plain_password": read_secret(config.password_file),
    }


def unreachable(config: KafkaConfig, error: BaseException) -> Unavailable:
    """Say what a failed connection means: aiokafka reports a bad password as a connection error only."""
    where = config.bootstrap
    if config.security != "plaintext" and isinstance(error, KafkaConnectionError):
        return Unavailable(
            "broker-credentials",
            "the broker closed the connection: the user name, password or certificate may be wrong",
            where=where,
        )
    return Unavailable("broker-unavailable", f"Kafka does not answer: {type(error).__name__}", where=where)


async def start_producer(config: KafkaConfig, *, client_id: str, linger_ms: int = LINGER_MS) -> AIOKafkaProducer:
    """A started idempotent producer, acks=all. Raises Unavailable."""
    producer = AIOKafkaProducer(
        **client_options(config),
        client_id=client_id,
        enable_idempotence=True,
        acks="all",
        linger_ms=linger_ms,
        max_batch_size=BATCH_BYTES,
        request_timeout_ms=int(config.request_timeout_s * 1000),
    )
    started = False
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            await producer.start()
        started = True
    except CLIENT_ERRORS as error:
        raise unreachable(config, error) from None
    finally:
        if not started:
            await producer.stop()
    return producer


async def abandon(producer: AIOKafkaProducer) -> None:
    """End a producer at once, without delivering what it still holds: after an error the caller sends it all anew.

    ``stop`` would first wait for every ack. The client has no public way to do less.
    """
    sender = producer._sender.sender_task
    if sender is not None:
        sender.cancel()
    producer._closed = True
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await producer.client.close()
    except CLIENT_ERRORS as error:
        _LOG.warning("a producer did not end in order: %s", type(error).__name__)


async def all_acked(sent: Sequence[asyncio.Future[Any]], timeout_s: float) -> None:
    """Wait until the broker has acknowledged everything. Raises one of CLIENT_ERRORS, TimeoutError after ``timeout_s``.

    The client gives up no batch of an idempotent producer while a partition has no leader: without a bound here the
    wait would be as long as that. Whatever is raised, every outcome was heard; the producer is then to be abandoned.
    """
    done, late = await asyncio.wait(sent, timeout=timeout_s) if sent else (set(), set())
    for one in late:
        one.cancel()
    errors = [error for one in done if not one.cancelled() and (error := one.exception()) is not None]
    if errors:
        raise errors[0]
    if late or any(one.cancelled() for one in done):
        raise TimeoutError(f"{len(late)} batches were not acknowledged")


class ReaderWatch:
    """Notices a reader that gets nothing although its partitions hold more.

    aiokafka's consumers can stop without an error (aiokafka #625, #1037): the position stands while the end moves on.
    """

    def __init__(self, name: str, config: KafkaConfig) -> None:
        self._config = config
        self._dog = Watchdog(name, config.stalled_s)

    def due(self) -> bool:
        """Whether it is time to ask the brokers: five times in the limit."""
        return self._dog.due(asyncio.get_running_loop().time())

    async def still(
        self, consumer: AIOKafkaConsumer, positions: Mapping[TopicPartition, int], *, idle: bool = True
    ) -> tuple[TopicPartition, ...]:
        """The partitions whose position (the next offset to be given out) stands below their end for the limit.

        Raises Unavailable where the brokers do not answer and the reader is ``idle``: while records come, a partition
        without a leader must not hold up the others.
        """
        try:
            async with asyncio.timeout(LOOK_TIMEOUT_S):
                ends = await consumer.end_offsets(list(positions))
        except CLIENT_ERRORS as error:
            if idle:
                raise unreachable(self._config, error) from None
            _LOG.warning("the ends of topics cannot be read: %s", type(error).__name__)
            ends = {}
        behind = {partition: at for partition, at in positions.items() if at < ends.get(partition, 0)}
        return self._dog.look(behind, asyncio.get_running_loop().time())

    def stalled(self, still: Iterable[TopicPartition]) -> Unavailable:
        """What to raise for them: the reader is then opened anew."""
        places = [f"{item.topic}/{item.partition}" for item in still]
        self._dog.acted(places, "open the reader anew")
        what = f"the reader got nothing for {self._dog.limit_s:g} seconds although there is more"
        return Unavailable("reader-stalled", what, where=", ".join(places))

    def rest(self) -> None:
        """The reader was opened anew."""
        self._dog.rest()


async def start_consumer(
    config: KafkaConfig, *, client_id: str, positions: Mapping[TopicPartition, int], **options: Any
) -> AIOKafkaConsumer:
    """A consumer that is assigned exactly ``positions`` and starts at them; out of range is an error, never a skip.

    Raises Unavailable.
    """
    consumer = AIOKafkaConsumer(
        **client_options(config),
        client_id=client_id,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="none",
        # A broker that is cut off without a word is noticed by this alone.
        request_timeout_ms=int(config.request_timeout_s * 1000),
        **options,
    )
    started = False
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            await consumer.start()
        consumer.assign(list(positions))
        for partition, offset in positions.items():
            consumer.seek(partition, offset)
        started = True
    except CLIENT_ERRORS as error:
        raise unreachable(config, error) from None
    finally:
        if not started:
            await stop_consumer(consumer)
    return consumer


async def stop_consumer(consumer: AIOKafkaConsumer) -> None:
    """Stop a consumer within a bounded time, whatever state its broker is in. Never raises what the client does.

    While a broker is away the client waits between its fetches, and when it then cancels them in order to stop, their
    CancelledError comes out of ``stop`` as if the caller had been cancelled: so it is called in a task of its own.
    """
    stopping = asyncio.ensure_future(consumer.stop())
    await asyncio.wait({stopping}, timeout=CLOSE_TIMEOUT_S)
    if stopping.done() and not stopping.cancelled() and stopping.exception() is None:
        return
    stopping.cancel()
    _LOG.warning("a consumer did not stop in order; its connections are closed")
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await consumer._client.close()
    except CLIENT_ERRORS as error:
        _LOG.warning("a consumer's connections did not close: %s", type(error).__name__)


async def end_offsets(config: KafkaConfig, topic: str, partitions: Iterable[int], *, client_id: str) -> dict[int, int]:
    """The next offset to be written of each partition. Raises Unavailable."""
    wanted = [TopicPartition(topic, number) for number in partitions]
    consumer = await start_consumer(config, client_id=client_id, positions={})
    try:
        found = await consumer.end_offsets(wanted)
    except (KafkaError, OSError, TimeoutError) as error:
        raise unreachable(config, error) from None
    finally:
        await stop_consumer(consumer)
    return {partition.partition: offset for partition, offset in found.items()}


async def ensure_topics(config: KafkaConfig, specs: Iterable[TopicSpec], *, replication: int = 1) -> None:
    """Create the topics that do not exist yet, with the settings of their contract. Raises Unavailable."""
    admin = AIOKafkaAdminClient(**client_options(config), client_id="passerelle-topics")
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            await admin.start()
            present = set(await admin.list_topics())
        missing = [spec for spec in specs if spec.name not in present]
        if not missing:
            return
        topics = [NewTopic(spec.name, spec.partitions, replication, topic_configs=spec.config) for spec in missing]
        response = await admin.create_topics(topics)
        for name, code, *_ in response.topic_errors:
            if code and for_code(code) is not TopicAlreadyExistsError:
                raise Unavailable(
                    "topic-missing", f"the broker did not create the topic: {for_code(code).__name__}", where=name
                )
    except (KafkaError, OSError, TimeoutError) as error:
        raise unreachable(config, error) from None
    finally:
        await admin.close()
    await _await_leaders(config, [spec.name for spec in missing])


async def _await_leaders(config: KafkaConfig, names: list[str], timeout_s: float = 20.0) -> None:
    """Wait until every new topic can be written to."""
    deadline = asyncio.get_running_loop().time() + timeout_s
    consumer = await start_consumer(config, client_id="passerelle-topics", positions={})
    try:
        while True:
            known = await consumer.topics()
            if set(names) <= known:
                return
            if asyncio.get_running_loop().time() >= deadline:
                raise Unavailable("topic-missing", "the new topics did not appear in time", where=names[0])
            await asyncio.sleep(0.1)
    finally:
        await stop_consumer(consumer)
