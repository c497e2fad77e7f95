"""The OpenAPI document as the tests use it: closed, so that answers have no other fields."""

import copy
from typing import Any

import schemathesis
from flask import Flask
from schemathesis.specs.openapi.schemas import OpenApiSchema

from backend.http.openapi import openapi_document


def document_of(app: Flask) -> dict[str, Any]:
    return openapi_document(app, app.extensions["app_state"].service.settings)


def closed(document: dict[str, Any]) -> dict[str, Any]:
    """The document without leave for fields of answers that it does not name."""
    found = copy.deepcopy(document)
    for name, schema in found["components"]["schemas"].items():
        if name in answered_schemas(document) and "properties" in schema:
            schema["additionalProperties"] = False
    return found


def answered_schemas(document: dict[str, Any]) -> set[str]:
    """Names of the schemas that responses refer to, and that these refer to."""
    schemas = document["components"]["schemas"]
    waiting = [
        operation["responses"]
        for operations in document["paths"].values()
        for operation in operations.values()
    ]
    names: set[str] = set()
    while waiting:
        found = set(refs_in(waiting.pop())) - names
        names |= found
        waiting += [schemas[name] for name in found]
    return names


def refs_in(part: Any) -> list[str]:
    """Names of the schemas that a part of the document refers to."""
    if isinstance(part, list):
        return [name for each in part for name in refs_in(each)]
    if not isinstance(part, dict):
        return []
    own = [part["$ref"].rpartition("/")[2]] if isinstance(part.get("$ref"), str) else []
    return own + refs_in(list(part.values()))


def api_of(app: Flask) -> OpenApiSchema:
    """The app's operations, for schemathesis to ask and check."""
    schema = schemathesis.openapi.from_dict(closed(document_of(app)))
    schema.app = app
    schema.config.checks.negative_data_rejection.expected_statuses += ["413"]
    return schema
