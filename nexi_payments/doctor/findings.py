"""One thing that was looked at, and whether it is well."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

WELL: Final = "well"
LOOK: Final = "look"  # a person should
BLIND: Final = "blind"  # it could not be looked at

#: What scripts get: the worst of all findings.
EXIT: Final = {WELL: 0, LOOK: 1, BLIND: 2}


@dataclass(frozen=True)
class Finding:
    """``says`` is for people, ``facts`` for scripts. ``depth`` indents the line."""

    part: str
    says: str
    level: str = WELL
    facts: dict[str, Any] = field(default_factory=dict)
    depth: int = 1
