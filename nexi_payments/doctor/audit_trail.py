"""The audit trail of staff: its last entry, and whether it was changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from nexi_payments import audit
from nexi_payments.doctor.findings import OK, WARNING, Finding

_SECTION: Final = "audit"


def state() -> Iterator[Finding]:
    """The number of entries, and the anchor to keep outside of the database."""
    last = audit.head()
    if last is None:
        yield Finding(_SECTION, "audit trail: no entry", data={"entries": 0}, indent=0)
        return
    anchor = f"{last.number}:{last.hash}"
    yield Finding(
        _SECTION,
        f"audit trail: {last.number} entries, anchor {anchor}",
        data={"entries": last.number, "anchor": anchor},
        indent=0,
    )


def verification(anchors: Mapping[int, str]) -> Iterator[Finding]:
    """One finding for each problem, up to a limit, and one for the result."""
    result = audit.verify(anchors)
    for problem in result.problems:
        yield Finding(_SECTION, problem, WARNING)
    yield Finding(
        _SECTION,
        f"verified: {result.entries} entries, {result.problem_count} problems,"
        f" {result.archived} of archived payments",
        WARNING if result.problem_count else OK,
        {
            "entries": result.entries,
            "problems": result.problem_count,
            "archived": result.archived,
        },
    )
