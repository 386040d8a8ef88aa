"""The file with the answers: written after each step, so that any run can go on."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import nexi_payments
from nexi_payments.pan_scanner import json_contains_card_number

Facts = dict[str, Any]
_VERSION: Final = 1


class UnusableNotes(Exception):
    """The file is not one of ours, or is about another terminal."""


class Notes:
    """The answers so far, by the name of their step.

    Reads ``path`` if it exists. Raises ``UnusableNotes``.
    """

    def __init__(self, path: Path, *, terminal: str, environment: str) -> None:
        self._path = path
        head = {
            "format": _VERSION,
            "package": nexi_payments.__version__,
            "terminal": terminal,
            "environment": environment,
        }
        self._document: Facts = head | {"steps": {}}
        if path.exists():
            self._document = _read(path, head)

    def find(self, step: str) -> Facts | None:
        found: Facts | None = self._document["steps"].get(step)
        return found

    def write(self, step: str, facts: Mapping[str, Any]) -> None:
        """Replaces the facts of a step, and the file, at once."""
        steps = self._document["steps"] | {step: dict(facts)}
        document = self._document | {"steps": steps}
        text = json.dumps(document, indent=1, ensure_ascii=False)
        if json_contains_card_number(dict(facts)):
            raise UnusableNotes("the answer seems to contain a card number: not stored")
        self._document = document
        temporary = self._path.with_name(self._path.name + ".new")
        temporary.write_text(text + "\n", encoding="utf-8")
        os.replace(temporary, self._path)


def _read(path: Path, head: Facts) -> Facts:
    try:
        document: Facts = json.loads(path.read_text(encoding="utf-8"))
        same = all(document[name] == head[name] for name in ("format", "terminal"))
        same = same and document["environment"] == head["environment"]
        usable = same and isinstance(document["steps"], dict)
    except (OSError, ValueError, KeyError, TypeError):
        usable = False
    if not usable:
        raise UnusableNotes(f"{path} has no notes about this terminal")
    return document
