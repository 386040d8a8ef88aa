"""Checks a request body against a shape: strict, so that a client's mistake shows here
and not in production. No refusal quotes a value. The shapes are in ``shapes``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nexi_payments.simulator.cards import luhn_valid


class Invalid(Exception):
    """``code`` as the gateway names it, and which member is wrong."""

    def __init__(self, code: str, member: str) -> None:
        self.code = code
        super().__init__(f"invalid parameter {member}")


@dataclass(frozen=True)
class Text:
    """JSON text; a number in its place is refused. ``luhn`` asks for a check digit."""

    pattern: str
    code: str = "PS0026"
    luhn: bool = False


@dataclass(frozen=True)
class Whole:
    """A JSON integer, not below ``minimum``."""

    minimum: int = 0


@dataclass(frozen=True)
class ListOf:
    item: Shape


@dataclass(frozen=True)
class Object:
    """Members other than these are refused. ``only_if`` (member, values, needed): with
    one of these values, ``needed`` is required too. ``open`` takes unknown members."""

    members: Mapping[str, Shape] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    only_if: tuple[str, frozenset[str], str] | None = None
    open: bool = False


Shape = Text | Whole | ListOf | Object


def check(value: Any, shape: Shape, member: str = "body") -> None:
    """Raises ``Invalid`` for an unknown, missing or malformed member."""
    if isinstance(shape, Object):
        _check_object(value, shape, member)
    elif isinstance(shape, ListOf):
        if not isinstance(value, list):
            raise Invalid("PS0026", member)
        for item in value:
            check(item, shape.item, member)
    elif isinstance(shape, Text):
        good = isinstance(value, str) and re.fullmatch(shape.pattern, value)
        if not good or (shape.luhn and not luhn_valid(value)):
            raise Invalid(shape.code, member)
    elif isinstance(value, bool) or not isinstance(value, int) or value < shape.minimum:
        raise Invalid("PS0026", member)


def _check_object(value: Any, shape: Object, member: str) -> None:
    if not isinstance(value, dict):
        raise Invalid("PS0035", member)
    if not shape.open and value.keys() - shape.members.keys():
        raise Invalid("PS0026", f"{member}: unknown member")
    for name in _needed(value, shape):
        if name not in value:
            raise Invalid("PS0026", name)
    for name, item in value.items():
        if name in shape.members:
            check(item, shape.members[name], name)


def _needed(value: Mapping[str, Any], shape: Object) -> tuple[str, ...]:
    if shape.only_if is not None:
        member, values, needed = shape.only_if
        named = value.get(member)
        if isinstance(named, str) and named in values:
            return (*shape.required, needed)
    return shape.required
