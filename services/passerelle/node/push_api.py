"""The OpenAPI document of the push API: made by hand, and held against what is served by its tests."""

from __future__ import annotations

from typing import Any, Final

PARAMETERS: Final = ("kind", "format", "mapping")
MAX_PARAMETER: Final = 100
_WHAT: Final = {
    "kind": "Kind of the file, for example credentials; found from its header by default.",
    "format": "csv, xlsx, ...; found from the file by default.",
    "mapping": "Read the table through this mapping of the node.",
}
_NULLABLE_TIME: Final = {"type": ["string", "null"], "format": "date-time"}
_SCHEMAS: Final[dict[str, Any]] = {
    "Job": {
        "type": "object",
        "required": ["id", "state", "asked", "made_at", "ended_at", "report", "error"],
        "properties": {
            "id": {"type": "string", "format": "uuid"},
            "state": {
                "enum": ["waiting", "running", "done", "failed"],
                "description": "done: imported, whole or in part; failed: nothing of it was taken.",
            },
            "asked": {"type": "object", "additionalProperties": {"type": "string"}},
            "made_at": {"type": "string", "format": "date-time"},
            "ended_at": _NULLABLE_TIME,
            "report": {
                "type": ["object", "null"],
                "description": "As 'passerelle node import --json' gives it, without changes, with the first 1,000"
                " row errors; errors_in_all counts them.",
            },
            "error": {"oneOf": [{"type": "null"}, {"$ref": "#/components/schemas/Failure"}]},
        },
    },
    "Failure": {
        "type": "object",
        "required": ["code", "what", "where", "fix"],
        "properties": {name: {"type": "string"} for name in ("code", "what", "where", "fix")},
    },
    "Problem": {
        "type": "object",
        "description": "Problem details (RFC 9457).",
        "required": ["type", "title", "status", "detail", "code", "where", "fix"],
        "properties": {
            **{name: {"type": "string"} for name in ("type", "title", "detail", "code", "where", "fix")},
            "status": {"type": "integer"},
        },
    },
}


def _problem(description: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": description, "content": {"application/problem+json": {"schema": schema}}}


def _job(description: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Job"}
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def openapi(max_bytes: int) -> dict[str, Any]:
    """OpenAPI 3.1.0, JSON-able."""
    parameters = [
        {
            "name": name, "in": "query", "required": False, "description": _WHAT[name],
            "schema": {"type": "string", "maxLength": MAX_PARAMETER},
        }
        for name in PARAMETERS
    ]  # fmt: skip
    body = {"schema": {"type": "string", "format": "binary"}}
    push = {
        "operationId": "pushImport",
        "summary": "Import a file.",
        "parameters": parameters,
        "requestBody": {
            "required": True,
            "description": f"The file itself, at most {max_bytes} bytes.",
            "content": {"application/octet-stream": body},
        },
        "responses": {
            "202": _job("Stored: it is imported in turn. Location names the job."),
            "400": _problem("A parameter or the body is wrong."),
            "401": _problem("No token, or not this node's."),
            "413": _problem("The body is too large."),
            "429": _problem("queue-full: too many files wait. Retry-After says when to try again."),
            "503": _problem("The node cannot store it now."),
            "504": _problem("The body did not come in time."),
        },
    }
    identifier = {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}}
    job = {
        "operationId": "getJob",
        "summary": "What became of a pushed file.",
        "parameters": [identifier],
        "responses": {
            "200": _job("The job."),
            "401": _problem("No token, or not this node's."),
            "404": _problem("No such job: the latest 1,000 that ended are remembered."),
            "503": _problem("The node's database does not answer."),
        },
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Passerelle node: imports",
            "version": "1",
            "description": "For programs of the office that runs the node. Sending a file again is harmless.",
        },
        "security": [{"token": []}],
        "paths": {"/v1/imports": {"post": push}, "/v1/jobs/{id}": {"get": job}},
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}, "schemas": _SCHEMAS},
    }
