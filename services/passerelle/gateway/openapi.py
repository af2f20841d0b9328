"""The OpenAPI 3.1 document, made from the table of operations and the descriptors of their messages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor

from passerelle.client import Stream
from passerelle.core.errors import CODES
from passerelle.gateway.asking import SLASHED, Operation, parameters
from passerelle.gateway.operations import OPERATIONS
from passerelle.runtime.http import PROBLEM
from passerelle.runtime.protojson import is_map, words

VERSION: Final = "1.2.0"
_LARGEST: Final = 2**53 - 1
_NUMBERS: Final[dict[int, dict[str, Any]]] = {
    FieldDescriptor.CPPTYPE_INT32: {"type": "integer", "format": "int32"},
    FieldDescriptor.CPPTYPE_UINT32: {"type": "integer", "minimum": 0, "maximum": 2**32 - 1},
    FieldDescriptor.CPPTYPE_INT64: {"type": "integer", "minimum": -_LARGEST, "maximum": _LARGEST},
    FieldDescriptor.CPPTYPE_UINT64: {"type": "integer", "minimum": 0, "maximum": _LARGEST},
    FieldDescriptor.CPPTYPE_DOUBLE: {"type": "number"},
    FieldDescriptor.CPPTYPE_FLOAT: {"type": "number"},
    FieldDescriptor.CPPTYPE_BOOL: {"type": "boolean"},
}
_SPELT: Final[dict[str, dict[str, Any]]] = {
    "known_at": {
        "schema": {"type": "string", "pattern": "^(ms:)?[0-9]{1,16}$"},
        "description": "Answer as of a number of log entries (12345), or of an instant in Unix ms (ms:1767225600000).",
    },
    "fields": {
        "schema": {"type": "string"},
        "description": "What of the answer is wanted: paths of its fields, joined by commas.",
    },
}
_TOLD: Final = {
    "min_position": "Wait, within the request's deadline, until the answer covers so many log entries.",
    "page_size": "Items of a page; 0 or absent: as many as the service holds good.",
    "page_token": "The next_page_token of the page before; it belongs to that question of that caller alone.",
    "signed": 'Give the answer signed too, as jws: contracts/formats.md, "Signed answer".',
    "valid_on": "Date of the question, YYYY-MM-DD; absent: the date of known_at (UTC).",
}
"""What parameters mean that many operations have."""
_PROBLEM_FIELDS: Final = ("type", "title", "status", "detail", "instance", "code", "fix")
EVALUATION: Final = "Evaluation"


def document() -> dict[str, Any]:
    """The document as JSON values."""
    schemas: dict[str, Any] = {"Problem": _problem(), EVALUATION: _evaluation()}
    paths: dict[str, Any] = {}
    for operation in OPERATIONS:
        for message in _messages(operation):
            _describe(message, schemas)
        if operation.verb == "POST":
            schemas[_name(operation.method.request.DESCRIPTOR)]["required"] = list(operation.needs)
        paths.setdefault(operation.path, {})[operation.verb.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Passerelle",
            "version": VERSION,
            "description": "What counts for what, what is portable, articulation, cases, permissions, the ledger.",
        },
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "responses": {
                "Problem": {
                    "description": "An error (RFC 9457); its code is explained in docs/errors.md.",
                    "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}},
                }
            },
            "securitySchemes": {
                "member": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "EdDSA, by a registry key; iss: the member, aud: the network, exp: at most 5 min.",
                }
            },
        },
    }


def _messages(operation: Operation) -> Iterator[Any]:
    yield operation.method.response.DESCRIPTOR
    if operation.verb == "POST":
        yield operation.method.request.DESCRIPTOR


def _operation(operation: Operation) -> dict[str, Any]:
    answer = EVALUATION if isinstance(operation.method, Stream) else _name(operation.method.response.DESCRIPTOR)
    told: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "tags": [operation.area],
        "responses": {
            "200": {
                "description": operation.summary,
                "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{answer}"}}},
            },
            "default": {"$ref": "#/components/responses/Problem"},
        },
        "security": [{"member": []}] if operation.identity else [{}, {"member": []}],
    }
    if operation.verb == "POST":
        reference = {"$ref": f"#/components/schemas/{_name(operation.method.request.DESCRIPTOR)}"}
        told["requestBody"] = {"required": True, "content": {"application/json": {"schema": reference}}}
    else:
        told["parameters"] = [_parameter(operation, name, field) for name, field in parameters(operation).items()]
    return told


def _parameter(operation: Operation, name: str, field: Any) -> dict[str, Any]:
    in_path = name in operation.in_path
    required = in_path or name in operation.needs
    spelt = _SPELT.get(name) or {"schema": _field(field)}
    if in_path and name in SLASHED:
        spelt = spelt | {"description": "Of the form member/name; its slash may be encoded as %2F."}
    elif name in _TOLD:
        spelt = spelt | {"description": _TOLD[name]}
    return {"name": name, "in": "path" if in_path else "query", "required": required, **spelt}


def _describe(message: Any, schemas: dict[str, Any]) -> None:
    """A message and all that it holds as schemas."""
    name = _name(message)
    if name in schemas:
        return
    schemas[name] = {
        "type": "object",
        "properties": {field.name: _field(field) for field in message.fields},
        "additionalProperties": False,
    }
    for field in message.fields:
        inner = field.message_type
        if is_map(field):
            inner = inner.fields_by_name["value"].message_type
        if inner is not None:
            _describe(inner, schemas)


def _name(message: Any) -> str:
    """``Expression.Leaf``: the name inside its package, which is one for each message here."""
    return str(message.full_name.removeprefix(f"{message.file.package}."))


def _field(field: Any) -> dict[str, Any]:
    if is_map(field):
        return {"type": "object", "additionalProperties": _value(field.message_type.fields_by_name["value"])}
    if field.is_repeated:
        return {"type": "array", "items": _value(field)}
    return _value(field)


def _value(field: Any) -> dict[str, Any]:
    if field.message_type is not None:
        return {"$ref": f"#/components/schemas/{_name(field.message_type)}"}
    if field.enum_type is not None:
        return {"type": "string", "enum": list(words(field.enum_type))}
    if field.type == FieldDescriptor.TYPE_BYTES:
        return {"type": "string", "pattern": "^([0-9a-f]{2})*$"}
    return dict(_NUMBERS.get(field.cpp_type, {"type": "string"}))


def _problem() -> dict[str, Any]:
    texts: dict[str, Any] = {name: {"type": "string"} for name in (*_PROBLEM_FIELDS, "where")}
    texts["status"] = {"type": "integer", "minimum": 400, "maximum": 599}
    texts["code"] = {"type": "string", "enum": sorted(CODES)}
    return {"type": "object", "properties": texts, "required": list(_PROBLEM_FIELDS)}


def _evaluation() -> dict[str, Any]:
    """The messages of Evaluate put together: every line, then what the last message holds."""
    reference = "#/components/schemas/"
    return {
        "type": "object",
        "properties": {
            "lines": {"type": "array", "items": {"$ref": f"{reference}EvaluateResponse"}},
            "summary": {"$ref": f"{reference}EvaluateResponse.Summary"},
            "position": {"$ref": f"{reference}Position"},
            "jws": {"type": "string"},
        },
        "required": ["lines", "summary", "position", "jws"],
        "additionalProperties": False,
    }
