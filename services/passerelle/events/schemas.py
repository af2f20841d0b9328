"""The JSON Schema (2020-12) of each event's whole body: CloudEvents attributes and data, from catalogue and models."""

from __future__ import annotations

from typing import Any, Final

from passerelle.core.catalogue import EventType
from passerelle.core.statement import MEMBER_PATTERN, URN_PREFIX
from passerelle.events.base import INSTANT_PATTERN, Model
from passerelle.events.catalogue import DATA_MODELS
from passerelle.events.codec import NONCE_PATTERN, SUBJECT_PATTERNS, UUID7_PATTERN

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]

_SUBJECT_TEXT: Final = {
    "owned": "The id of the thing: the member that owns it, a slash, and its local id.",
    "uuid": "The id of the thing: a UUID that says nothing about a person.",
    "member": "The id of the member.",
}


def schema_name(found: EventType) -> str:
    """The file name of a type's schema: ``<family>.<event>.v1.json``."""
    return f"{found.name}.v1.json"


def body_schema(found: EventType) -> Schema:
    """The schema of a type's body. What it cannot express (order of dates, sums) the models refuse beyond it."""
    data = tidy(DATA_MODELS[found.full].model_json_schema(mode="validation"))
    definitions = data.pop("$defs", {})
    properties: Schema = {
        "specversion": {"const": "1.0"},
        "type": {"const": found.full},
        "source": {
            "description": "The URN of the member that signs.",
            "type": "string",
            "pattern": f"^{URN_PREFIX}{MEMBER_PATTERN}$",
        },
        "subject": {
            "description": _SUBJECT_TEXT[found.subject],
            "type": "string",
            "pattern": f"^{SUBJECT_PATTERNS[found.subject]}$",
        },
        "id": {"description": "A UUIDv7 (RFC 9562).", "type": "string", "pattern": f"^{UUID7_PATTERN}$"},
        "time": {
            "description": "By the sender's clock (RFC 3339). Over 24 hours ahead is refused; it decides nothing else.",
            "type": "string",
            "format": "date-time",
            "pattern": f"^{INSTANT_PATTERN}$",
        },
        "datacontenttype": {"const": "application/json"},
        "data": data,
    }
    required = ["data", "id", "source", "specversion", "subject", "time", "type"]
    if found.visibility == "party":
        properties["nonce"] = {
            "description": "32 random bytes in base64url without padding, so that the body's hash cannot be guessed.",
            "type": "string",
            "pattern": f"^{NONCE_PATTERN}$",
        }
        required = sorted([*required, "nonce"])
    schema: Schema = {
        "$schema": DIALECT,
        "$id": f"urn:passerelle:schema:{found.name}.v1",
        "title": found.full,
        "description": f"{data['description']} Visibility: {found.visibility}.",
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }
    if definitions:
        schema["$defs"] = definitions
    return schema


def record_schema(name: str, model: type[Model]) -> Schema:
    """The schema of a derived record: JSON that a service publishes about events, signed by nobody."""
    data = tidy(model.model_json_schema(mode="validation"))
    return {"$schema": DIALECT, "$id": f"urn:passerelle:schema:{name.removesuffix('.json')}", **data}


def tidy(schema: Schema) -> Schema:
    """The model's schema in the form of the contract.

    Null is refused on the network, so it leaves the schema; generated titles and OpenAPI's discriminator go; a map's
    keys are told by ``propertyNames``, so that unknown ones are refused.
    """
    out: Schema = {}
    for name, value in schema.items():
        if name in {"properties", "$defs"}:
            out[name] = {key: tidy(part) for key, part in value.items()}
        elif name == "patternProperties":
            ((pattern, part),) = value.items()
            out["propertyNames"] = {"pattern": pattern}
            out["additionalProperties"] = tidy(part)
        elif name == "anyOf":
            out.update(_without_null([tidy(part) for part in value]))
        elif name == "oneOf":
            out[name] = [tidy(part) for part in value]
        elif name == "description":
            out[name] = " ".join(value.replace("``", "`").split())
        elif name in {"items", "propertyNames", "additionalProperties"} and isinstance(value, dict):
            out[name] = tidy(value)
        elif name not in {"title", "discriminator"} and not (name == "default" and value is None):
            out[name] = value
    return out


def _without_null(parts: list[Schema]) -> Schema:
    kept = [part for part in parts if part != {"type": "null"}]
    return kept[0] if len(kept) == 1 else {"anyOf": kept}
