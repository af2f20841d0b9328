"""The AsyncAPI 3.0 document of the network: channels are topics, messages are events, made from the same tables."""

from __future__ import annotations

from typing import Any, Final

from passerelle.core.catalogue import BY_NAME, EventType
from passerelle.core.statement import FAMILIES
from passerelle.events.catalogue import DATA_MODELS
from passerelle.events.schemas import schema_name
from passerelle.events.statistics import SCHEMA_NAME
from passerelle.events.topics import FEED, INBOX, INBOX_KINDS, INSIGHT, REGISTRY, TOPICS, TopicSpec

Document = dict[str, Any]

SCHEMA_FORMAT: Final = "application/schema+json;version=draft-2020-12"
_KAFKA_BINDINGS: Final = "0.5.0"


def _object(text: str, required: Document, optional: Document | None = None) -> Document:
    properties = {**required, **(optional or {})}
    return {"description": text, "type": "object", "required": list(required), "properties": properties}


_INDEX: Final = {"type": "integer", "minimum": 0}
_SEQUENCE: Final = {"type": "integer", "minimum": 1}
_TEXT: Final = {"type": "string"}
_FAMILY: Final = {"enum": list(FAMILIES)}
_HASH: Final = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_BASE64: Final = {"type": "string", "contentEncoding": "base64"}
_OUTCOME: Final = _object(
    "What became of one statement.",
    {"sequence": _SEQUENCE, "index": _INDEX, "outcome": {"enum": ["accepted", "refused"]}},
    {"code": _TEXT, "field": _TEXT, "what": _TEXT, "fix": _TEXT},
)
_INBOX: Final[dict[str, Document]] = {
    "receipts": {
        "description": "One record a commit and member, published after the feed acknowledged the entries.",
        "type": "array",
        "items": _object(
            "A run of one stream.",
            {"family": _FAMILY, "from": _SEQUENCE, "outcomes": {"type": "array", "items": _OUTCOME}},
            {"digest": _HASH},
        ),
    },
    "resend-from": _object(
        "Waiting events of a stream were dropped: relay it again from this number.",
        {"family": _FAMILY, "sequence": _SEQUENCE},
    ),
    "notice": _object(
        "Something that the member rests on has changed.",
        {
            "about": _TEXT,
            "event": _TEXT,
            "index": _INDEX,
            "member": _TEXT,
            "affects": {"type": "array", "items": _TEXT},
        },
    ),
    "body": _object(
        "A party body, for a party of it; null once it was erased.",
        {
            "index": _INDEX,
            "type": _TEXT,
            "member": _TEXT,
            "subject": _TEXT,
            "body": {**_BASE64, "type": ["string", "null"]},
        },
    ),
    "problem": _object(
        "A record that could not be verified or placed.",
        {"code": _TEXT, "family": _FAMILY, "sequence": _SEQUENCE, "what": _TEXT, "fix": _TEXT},
        {"head": _object("The stream's head.", {"sequence": _INDEX, "digest": _HASH})},
    ),
}
"""Inbox records by kind; source: contracts/formats.md, "Inbox record"."""


def document() -> Document:
    """The whole document, in a fixed order of keys."""
    specs = (*TOPICS.values(), INBOX)
    return {
        "asyncapi": "3.0.0",
        "id": "urn:passerelle:network",
        "info": {
            "title": "Passerelle",
            "version": "1.0.0",
            "description": "Signed credential, recognition and credit-transfer events between institutions.",
        },
        "defaultContentType": "application/json",
        "servers": {
            "local": {
                "host": "127.0.0.1:9092",
                "protocol": "kafka",
                "description": "The embedded broker of one machine; deploy/ describes a cluster.",
            }
        },
        "channels": {channel_key(spec): _channel(spec) for spec in specs},
        "operations": dict(operation for spec in specs for operation in _operations(spec)),
        "components": {"messages": _components()},
    }


def channel_key(spec: TopicSpec) -> str:
    """The key of a topic's channel: AsyncAPI allows no dots and braces in it."""
    return spec.name.replace(".{member}", "").replace(".", "_")


def message_key(found: EventType) -> str:
    """The key of an event's message."""
    return f"{found.family}_{found.event}"


def _channel(spec: TopicSpec) -> Document:
    channel: Document = {
        "address": spec.name,
        "title": channel_key(spec),
        "description": spec.text,
        "messages": {key: {"$ref": f"#/components/messages/{key}"} for key in _message_keys(spec)},
    }
    if spec is INBOX:
        channel["parameters"] = {"member": {"description": "The member's id.", "examples": ["humber"]}}
    channel["bindings"] = {
        "kafka": {
            "partitions": spec.partitions,
            "topicConfiguration": {
                "cleanup.policy": [spec.cleanup],
                "retention.ms": spec.retention_ms,
                "max.message.bytes": spec.max_message_bytes,
            },
            "bindingVersion": _KAFKA_BINDINGS,
        }
    }
    channel["x-access"] = spec.access
    return channel


def _operations(spec: TopicSpec) -> list[tuple[str, Document]]:
    key = channel_key(spec)
    short = key.removeprefix("passerelle_").removesuffix("_v1")
    channel = {"$ref": f"#/channels/{key}"}
    sends = [
        (f"{who}_sends_{short}", {"action": "send", "channel": channel, "summary": f"{who} writes {spec.name}"})
        for who in spec.producers
    ]
    reads = [
        (f"{who}_receives_{short}", {"action": "receive", "channel": channel, "summary": f"{who} reads {spec.name}"})
        for who in spec.consumers
    ]
    return [*sends, *reads]


def _message_keys(spec: TopicSpec) -> list[str]:
    if spec.family:
        return [message_key(found) for found in BY_NAME.values() if found.family == spec.family]
    if spec is INBOX:
        return [f"inbox_{kind}" for kind in INBOX_KINDS]
    return [channel_key(spec).removeprefix("passerelle_").removesuffix("_v1") + "_record"]


def _components() -> dict[str, Document]:
    messages: dict[str, Document] = {}
    for found in BY_NAME.values():
        spec = TOPICS[f"passerelle.{found.family}.v1"]
        text = " ".join((DATA_MODELS[found.full].__doc__ or "").replace("``", "`").split())
        payload = {"$ref": f"schemas/{schema_name(found)}"}
        messages[message_key(found)] = _message(spec, found.full, text, payload)
        messages[message_key(found)]["x-visibility"] = found.visibility
    for spec in TOPICS.values():
        if not spec.family:
            (key,) = _message_keys(spec)
            messages[key] = _message(spec, key, spec.text, _payload(spec))
    for kind, schema in _INBOX.items():
        messages[f"inbox_{kind}"] = _message(INBOX, f"inbox {kind}", schema["description"], schema)
    return messages


def _payload(spec: TopicSpec) -> Document:
    if spec.name == FEED:
        public = [found for found in BY_NAME.values() if found.visibility == "public"]
        return {"description": spec.value, "anyOf": [{"$ref": f"schemas/{schema_name(found)}"} for found in public]}
    if spec.name == INSIGHT:
        return {"$ref": f"schemas/{SCHEMA_NAME}"}
    kind = "object" if spec.content_type == "application/json" else "string"
    return {"description": spec.value, "type": kind}


def _message(spec: TopicSpec, name: str, text: str, payload: Document) -> Document:
    message: Document = {
        "name": name,
        "title": name,
        "summary": text,
        "contentType": spec.content_type,
        "payload": {"schemaFormat": SCHEMA_FORMAT, "schema": payload},
    }
    if spec.headers:
        properties = {}
        for header in spec.headers:
            properties[header.name] = {"type": "string", "description": header.text}
            if header.pattern:
                properties[header.name]["pattern"] = header.pattern
        required = [header.name for header in spec.headers if header.required]
        message["headers"] = {"type": "object", "properties": properties, "required": required}
    key: Document = {"description": spec.key}
    if spec.family or spec.name == REGISTRY:
        key["type"] = "string"
    message["bindings"] = {"kafka": {"key": key, "bindingVersion": _KAFKA_BINDINGS}}
    return message
