"""The schema of hosted page and payment links, which is a document of its own."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012


@functools.cache
def hosted_page_api() -> dict[str, Any]:
    path = Path(__file__).parent.parent / "hosted-page.openapi.yaml"
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(path.read_text(), Loader=loader)


@functools.cache
def hosted_page_schema(pointer: str) -> Draft202012Validator:
    """For the schema of that name, or the one at that pointer ("/paths/…")."""
    if not pointer.startswith("/"):
        pointer = f"/components/schemas/{pointer}"
    document = Resource(contents=hosted_page_api(), specification=DRAFT202012)
    registry: Registry[Any] = Registry().with_resource("urn:hpp", document)
    return Draft202012Validator(
        {"$ref": f"urn:hpp#{pointer}"},
        registry=registry,
        format_checker=Draft202012Validator.FORMAT_CHECKER,
    )
