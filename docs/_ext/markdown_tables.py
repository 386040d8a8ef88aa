"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"

    return line(head) + "|---" * len(head) + "|\n" + "".join(map(line, rows))


def code(value: Any) -> str:
    return f"`{value}`" if value not in (None, "", ()) else ""
