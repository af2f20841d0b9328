"""Apache Kafka through aiokafka: producers, assigned consumers, topics. No consumer groups, no transactions."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Iterable, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka import TopicPartition as TopicPartition  # noqa: PLC0414 - others import it from here
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaConnectionError, KafkaError, TopicAlreadyExistsError, for_code

from passerelle.core.errors import ConfigError, Unavailable
from passerelle.events.topics import TopicSpec
from passerelle.runtime.config import KafkaConfig, read_secret

_LOG = logging.getLogger(__name__)
LINGER_MS = 5
BATCH_BYTES = 128 * 1024
REQUEST_TIMEOUT_MS = 30_000
START_TIMEOUT_S = 20.0
"""A client that reaches a broker which has not joined its cluster yet looks for a node for ever: it must start anew."""
CLOSE_TIMEOUT_S = 5.0
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
        request_timeout_ms=REQUEST_TIMEOUT_MS,
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
