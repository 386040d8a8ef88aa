"""Code blocks, links and names of the documentation's pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
DOCS: Final = ROOT / "docs"
_FENCE: Final = re.compile(r"^( *)(```+)([\w{}-]*)[^\n]*\n(.*?)^\1\2 *$", re.M | re.S)


@dataclass(frozen=True)
class Block:
    """One fenced block; ``line`` is where its first line stands in the page."""

    page: str
    language: str
    source: str
    line: int


def pages() -> list[Path]:
    """Everything a developer reads: the top-level pages and the site's."""
    site = (path for path in DOCS.rglob("*.md") if "_build" not in path.parts)
    return [*sorted(ROOT.glob("*.md")), *sorted(site)]


def blocks(path: Path) -> Iterator[Block]:
    text = path.read_text()
    for found in _FENCE.finditer(text):
        indent, _, language, source = found.groups()
        line = text.count("\n", 0, found.start()) + 2
        body = re.sub(rf"^{indent}", "", source, flags=re.M)
        yield Block(str(path.relative_to(ROOT)), language, body, line)


def page_text(name: str) -> str:
    return (DOCS / name).read_text()
