"""The README's lines, typed into a project as they are written."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.support import doc_pages

PAGE: Final = doc_pages.ROOT / "README.md"
_FILE: Final = re.compile(r"^# (\w+/\w+\.py)(, at the end)?\n", re.M)


def commands() -> list[list[str]]:
    """The words of each shell line, without comments."""
    return [
        words
        for block in doc_pages.blocks(PAGE)
        if block.language == "sh"
        for line in block.source.splitlines()
        if (words := shlex.split(line, comments=True))
    ]


def files() -> Iterator[tuple[str, bool, str]]:
    """Each file's name, whether the lines go to its end, and the lines."""
    for block in doc_pages.blocks(PAGE):
        if block.language == "py":
            before, *parts = _FILE.split(block.source)
            assert not before
            for name, at_the_end, lines in zip(
                parts[::3], parts[1::3], parts[2::3], strict=True
            ):
                yield name, bool(at_the_end), lines


def type_readme(project: Path) -> list[str]:
    """Write the README's files where ``startproject`` and ``startapp`` have been.

    Returns their names.
    """
    names = []
    for name, at_the_end, lines in files():
        path = project / name
        before = path.read_text() if at_the_end else ""
        path.write_text(before + lines)
        names.append(name)
    return names
