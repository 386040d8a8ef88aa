"""The result of one check of the doctor."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

OK: Final = "ok"
WARNING: Final = "warning"  # action is needed
UNKNOWN: Final = "unknown"  # it could not be checked

#: Exit codes of ``nexi_doctor``; the worst finding counts.
EXIT_CODES: Final = {OK: 0, WARNING: 1, UNKNOWN: 2}


@dataclass(frozen=True)
class Finding:
    """``message`` is for people, ``data`` for scripts. ``indent`` is for the printed
    line, in steps of two blanks."""

    section: str
    message: str
    level: str = OK
    data: dict[str, Any] = field(default_factory=dict)
    indent: int = 1
