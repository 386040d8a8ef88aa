"""Validates a request body against a schema of ``request_schemas``.

It is strict, so that a client's mistake shows here and not in production. No error
quotes a value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from nexi_payments.simulator.test_cards import luhn_valid

#: Published of PS0041: "JavaScript found in a field". Which texts that are is not:
#: markup of any kind is refused here.
_SCRIPT: Final = re.compile(r"[<>]|javascript:", re.IGNORECASE)


class RequestRejected(Exception):
    """The gateway rejects a request: its error ``code`` and ``text``."""

    def __init__(self, code: str, text: str) -> None:
        self.code = code
        super().__init__(text)


class InvalidRequest(RequestRejected):
    """A member of the request is invalid."""

    def __init__(self, code: str, member: str) -> None:
        super().__init__(code, f"invalid parameter {member}")


@dataclass(frozen=True)
class Text:
    """JSON text; a number is invalid. ``luhn`` requires a valid check digit."""

    pattern: str
    code: str = "PS0026"
    luhn: bool = False


@dataclass(frozen=True)
class Integer:
    """A JSON integer, not below ``minimum``."""

    minimum: int = 0


@dataclass(frozen=True)
class ListOf:
    item: Schema


@dataclass(frozen=True)
class Object:
    """JSON object. Members other than ``members`` are invalid.

    ``required_if`` (member, values, needed): with one of these values, ``needed`` is
    required too. ``additional_members`` allows unknown members."""

    members: Mapping[str, Schema] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    required_if: tuple[str, frozenset[str], str] | None = None
    additional_members: bool = False


Schema = Text | Integer | ListOf | Object


def validate_request(body: Any, schema: Schema) -> None:
    """Raise ``RequestRejected`` for a body that does not match ``schema``, or has a
    text that looks like script (PS0041)."""
    validate(body, schema)
    _reject_script(body)


def validate(value: Any, schema: Schema, member: str = "body") -> None:
    """Raise ``InvalidRequest`` for an unknown, missing or malformed member."""
    if isinstance(schema, Object):
        _validate_object(value, schema, member)
    elif isinstance(schema, ListOf):
        if not isinstance(value, list):
            raise InvalidRequest("PS0026", member)
        for item in value:
            validate(item, schema.item, member)
    elif isinstance(schema, Text):
        good = isinstance(value, str) and re.fullmatch(schema.pattern, value)
        if not good or (schema.luhn and not luhn_valid(value)):
            raise InvalidRequest(schema.code, member)
    elif (
        isinstance(value, bool) or not isinstance(value, int) or value < schema.minimum
    ):
        raise InvalidRequest("PS0026", member)


def _reject_script(value: Any) -> None:
    if isinstance(value, str) and _SCRIPT.search(value):
        raise RequestRejected("PS0041", "JavaScript found in a field")
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            _reject_script(item)


def _validate_object(value: Any, schema: Object, member: str) -> None:
    if not isinstance(value, dict):
        raise InvalidRequest("PS0035", member)
    if not schema.additional_members and value.keys() - schema.members.keys():
        raise InvalidRequest("PS0026", f"{member}: unknown member")
    for name in _required_members(value, schema):
        if name not in value:
            raise InvalidRequest("PS0026", name)
    for name, item in value.items():
        if name in schema.members:
            validate(item, schema.members[name], name)


def _required_members(value: Mapping[str, Any], schema: Object) -> tuple[str, ...]:
    if schema.required_if is not None:
        member, values, needed = schema.required_if
        named = value.get(member)
        if isinstance(named, str) and named in values:
            return (*schema.required, needed)
    return schema.required
