"""A closing as records for files: a head, its totals and its differences."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from django.core.serializers.json import DjangoJSONEncoder

from nexi_payments.models import ClosingDifference, DayClosing

_HEAD: Final = (
    *("day", "revision", "zone", "starts_at", "ends_at"),
    *("closed_at", "closed_by_name", "terminals", "matched"),
    *("missing_here", "missing_there", "different"),
    *("without_money", "of_others", "omitted"),
)
DIFFERENCE: Final = (
    *("kind", "aspects", "terminal", "order_id", "reference", "operation_id"),
    *("our_kind", "our_outcome", "our_amount", "our_currency"),
    *("their_type", "their_result", "their_amount", "their_currency", "at"),
)


def records(
    closing: DayClosing, differences: Iterable[ClosingDifference]
) -> Iterator[dict[str, Any]]:
    """Yields the head, then the totals, then the differences. ``record`` says which.
    Amounts in minor units.
    """
    yield {
        "record": "closing",
        **{name: getattr(closing, name) for name in _HEAD},
    }
    for line in closing.totals:
        yield {"record": "total", **line}
    for one in differences:
        yield {"record": "difference", **_values(one)}


def json_lines(
    closing: DayClosing, differences: Iterable[ClosingDifference]
) -> Iterator[str]:
    """Each record as a line of JSON. Times are ISO 8601 in UTC."""
    for record in records(closing, differences):
        yield json.dumps(record, cls=DjangoJSONEncoder) + "\n"


def _values(one: ClosingDifference) -> dict[str, Any]:
    values = {name: getattr(one, name) for name in DIFFERENCE}
    values["aspects"] = one.aspects.split()
    return values
