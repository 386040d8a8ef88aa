"""Strict JSON, for bodies from outside: requests and responses."""

from __future__ import annotations

import json
from typing import Any, NoReturn


def loads(data: bytes) -> Any:
    """Parse UTF-8 JSON without a byte order mark, NaN, infinity or duplicate members.

    Raises ``ValueError`` for anything else, and ``RecursionError`` for a document that
    is nested too deeply.
    """
    return json.loads(
        data.decode("utf-8"),
        parse_constant=_reject_constant,
        object_pairs_hook=_unique_members,
    )


def _reject_constant(constant: str) -> NoReturn:
    raise ValueError("not a JSON number")


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("duplicate member")
    return members
