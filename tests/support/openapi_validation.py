"""Validates each response against the OpenAPI description of the API."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

import jsonschema
from django.http import HttpResponse
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.settings import patched_settings
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012


@cache
def openapi_schema() -> dict[str, Any]:
    """As OpenAPI 3.1, whose schemas are JSON Schema."""
    with patched_settings({"OAS_VERSION": "3.1.0"}):
        found = SchemaGenerator(urlconf="tests.urls").get_schema(public=True)
    return _null_is_a_type(json.loads(json.dumps(found, default=str)))


def _null_is_a_type(node: Any) -> Any:
    """Django REST framework describes its pages in the words of OpenAPI 3.0."""
    if isinstance(node, list):
        return [_null_is_a_type(inner) for inner in node]
    if not isinstance(node, dict):
        return node
    found = {name: _null_is_a_type(inner) for name, inner in node.items()}
    if found.pop("nullable", False):
        found["type"] = [found["type"], "null"]
    return found


@cache
def _registry() -> Registry:
    resource = Resource.from_contents(openapi_schema(), DRAFT202012)
    return Registry().with_resource("urn:api", resource)


def find_operation(method: str, path: str) -> dict[str, Any]:
    for template, item in openapi_schema()["paths"].items():
        if re.fullmatch(re.sub(r"{\w+}", "[0-9A-Za-z_-]+", template), path):
            return item.get(method.lower(), {})
    raise AssertionError(f"{path} is not described")


def validate_response(method: str, path: str, answer: HttpResponse) -> HttpResponse:
    """``answer``, if it is of the described shape for its status."""
    if answer.status_code in (405, 500):
        return answer
    responses = find_operation(method, path)["responses"]
    assert str(answer.status_code) in responses, (method, path, answer.status_code)
    kinds = responses[str(answer.status_code)]["content"]
    kind = answer["Content-Type"].partition(";")[0]
    assert kind in kinds, (kind, list(kinds))
    schema = _absolute_refs(kinds[kind]["schema"])
    jsonschema.Draft202012Validator(schema, registry=_registry()).validate(
        json.loads(answer.content)
    )
    return answer


def _absolute_refs(schema: Any) -> Any:
    text = json.dumps(schema).replace('"#/components', '"urn:api#/components')
    return json.loads(text)
