"""The OpenAPI document of a service: of its routes, their models, errors and docstrings."""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any

import orjson
from flask import Flask
from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema
from werkzeug.routing import Rule

from backend.errors import ForeignRequest, OutOfMemory
from backend.http.answer_models import ErrorAnswer
from backend.http.json_bodies import HTTP_CODE, status_and_code
from backend.http.operations import HTML, OPERATIONS, Content, Error, Operation
from backend.label_studio.webhook_secret import HEADER
from backend.release import RELEASE
from backend.settings import Settings

EXAMPLES = Path(__file__).with_name("examples")
DESCRIPTION = """\
The first pass of a Label Studio project's masks, and what corrections teach. Label Studio is the
usual client; the fields that it sends beside those named here are ignored. Errors are JSON, and
their message stands in the status line, too."""
SECURITY_SCHEMES = {
    "password": {"type": "http", "scheme": "basic"},
    "webhook_secret": {"type": "apiKey", "in": "header", "name": HEADER},
}
ERROR = Content(ErrorAnswer)
ERROR_HEADERS = {
    401: {"WWW-Authenticate": "how to authenticate; webhooks get none"},
    503: {"Retry-After": "seconds after which to ask again"},
}


def openapi_document(app: Flask, settings: Settings) -> dict[str, Any]:
    """OpenAPI 3.1, of the routes that this app has, with the password that it wants."""
    paths: dict[str, dict[str, Any]] = {}
    for rule in app.url_map.iter_rules():
        if rule.endpoint.endswith("static"):
            continue
        path = re.sub(r"<(\w+)>", r"{\1}", rule.rule)
        about = (app.view_functions[rule.endpoint].__doc__ or "").strip()
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            operation = OPERATIONS[f"{method} {rule.rule}"]
            paths.setdefault(path, {})[method.lower()] = {
                **_names(rule, method, about),
                **_bodies(operation, settings),
                **_security(operation, settings),
            }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Firstpass",
            "version": RELEASE,
            "description": DESCRIPTION,
            "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
        },
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": _schemas()[1], "securitySchemes": SECURITY_SCHEMES},
    }


def _names(rule: Rule, method: str, about: str) -> dict[str, Any]:
    tag, _, name = rule.endpoint.rpartition(".")
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in sorted(rule.arguments)
    ]
    return {
        "operationId": f"{method.lower()}_{name}",
        "tags": [tag],
        "summary": about.partition("\n\n")[0].replace("\n", " ").rstrip("."),
        "description": re.sub(r"(?m)^ +", "", about),
        **({"parameters": parameters} if parameters else {}),
    }


def _bodies(operation: Operation, settings: Settings) -> dict[str, Any]:
    is_page_on = settings.playground == "on"
    responses = {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": _content(one for one in contents if is_page_on or one.media_type != HTML),
        }
        for status, contents in operation.answers.items()
    }
    for status, codes in _codes_by_status(operation.errors, settings).items():
        if status not in responses:  # /ready says itself why it is not
            responses[status] = _error_response(status, codes)
    described: dict[str, Any] = {
        "responses": {str(status): responses[status] for status in sorted(responses)}
    }
    if body := operation.body:
        described["requestBody"] = {"required": body.is_required, "content": _content((body,))}
    return described


def _codes_by_status(errors: Iterable[Error], settings: Settings) -> dict[int, list[str]]:
    """The words in `error` of the answers with each status, those of all routes among them."""
    found: dict[int, set[str]] = {401: {"unauthorized"}} if settings.basic_auth_user else {}
    for error in (*errors, ForeignRequest, OutOfMemory, Exception):
        status, code = (
            (int(error), HTTP_CODE) if isinstance(error, HTTPStatus) else status_and_code(error)
        )
        found.setdefault(status, set()).add(code)
    return {status: sorted(codes) for status, codes in found.items()}


def _error_response(status: int, codes: list[str]) -> dict[str, Any]:
    named = ", ".join(f"`{code}`" for code in codes)
    content = _content((ERROR,))
    for schema in content.values():
        schema["schema"] = {**schema["schema"], "properties": {"error": {"enum": codes}}}
    headers = {
        name: {"description": text, "schema": {"type": "string"}}
        for name, text in ERROR_HEADERS.get(status, {}).items()
    }
    return {
        "description": f"{HTTPStatus(status).phrase}: {named}",
        "content": content,
        **({"headers": headers} if headers else {}),
    }


def _content(contents: Iterable[Content]) -> dict[str, dict[str, Any]]:
    return {
        one.media_type: {
            **({"schema": _schemas()[0][one.of]} if one.of is not bytes else {}),
            **({"examples": _examples(one.examples)} if one.examples else {}),
        }
        for one in contents
    }


def _examples(names: Iterable[str]) -> Mapping[str, Any]:
    return {
        name: {"value": orjson.loads((EXAMPLES / f"{name}.json").read_bytes())} for name in names
    }


def _security(operation: Operation, settings: Settings) -> dict[str, Any]:
    """What the service wants of who asks: one of these; nothing without a password."""
    if not settings.basic_auth_user:
        return {}
    ways: list[dict[str, list[str]]] = [{"password": []}]
    if operation.takes_secret:
        ways.append({"webhook_secret": []})
        ways += [{}] if settings.webhook_auth == "optional" else []
    return {"security": ways}


class WithoutFieldTitles(GenerateJsonSchema):
    """Leaves out titles such as "Model Version", which say what the name of the field says."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False


@cache
def _schemas() -> tuple[dict[Any, dict[str, Any]], dict[str, Any]]:
    """The JSON Schema of each type of a body, and those that they refer to, by their names."""
    bodies = [ERROR]
    for operation in OPERATIONS.values():
        bodies += [content for contents in operation.answers.values() for content in contents]
        bodies += [operation.body] if operation.body else []
    types = dict.fromkeys(body.of for body in bodies if body.of is not bytes)
    schemas, shared = TypeAdapter.json_schemas(
        [(of, "validation", TypeAdapter(of)) for of in types],
        ref_template="#/components/schemas/{model}",
        schema_generator=WithoutFieldTitles,
    )
    return {of: schema for (of, _), schema in schemas.items()}, shared.get("$defs", {})
