"""CSV export, streamed with keyset pagination.

Each file begins with a byte order mark: without it Excel reads UTF-8 as Latin. Excel of
a language with decimal commas splits cells at semicolons, so there are two dialects.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import chain
from typing import Any, Final

from django.db.models import Q, QuerySet
from django.http import StreamingHttpResponse

from nexi_payments import money, shop_time
from nexi_payments.models import PaymentOrder

PAGE_SIZE: Final = 2000
#: What a spreadsheet reads as a formula, at the beginning of a cell. It may split cells
#: where we do not: the separator is chosen by the person who opens the file.
_FORMULA: Final = re.compile(
    r"""((?:^|[,;:|\t\n\r\v\f\x85\u2028\u2029])["'\s]*)(?=[=+\-@＝＋－＠])"""
)

ORDER_COLUMNS: Final = (
    "created_at",
    "order_id",
    "reference",
    "state",
    "display_status",
    "reason",
    "channel",
    "terminal",
    "currency",
    "amount",
    "authorized_amount",
    "captured_amount",
    "refunded_amount",
    "method",
    "card_brand",
    "card_last4",
    "response_code",
    "gateway_operation_id",
    "customer_name",
    "customer_email",
    "description",
)
_AMOUNTS: Final = frozenset(name for name in ORDER_COLUMNS if "amount" in name)


class _Echo:
    """A file whose ``write`` returns its argument."""

    def write(self, text: str) -> str:
        return text


def escape_cell(value: Any) -> str:
    """Text of a cell, with an apostrophe before each text that a spreadsheet would run
    as a formula, whatever its separator is. Numbers stay as they are.
    """
    if value is None or isinstance(value, int | Decimal):
        return "" if value is None else str(value)
    return _FORMULA.sub(r"\1'", str(value))


def csv_response(
    rows: Iterable[Iterable[Any]], name: str, *, semicolons: bool = False
) -> StreamingHttpResponse:
    """Stream ``rows`` as a download, all cells quoted. The first row is the header.

    ``semicolons``: between cells, and amounts have a decimal comma.
    """
    delimiter = ";" if semicolons else ","
    writer = csv.writer(_Echo(), delimiter=delimiter, quoting=csv.QUOTE_ALL)

    def cell(value: Any) -> str:
        text = escape_cell(value)
        is_number = semicolons and isinstance(value, Decimal)
        return text.replace(".", ",") if is_number else text

    lines = (writer.writerow([cell(value) for value in row]) for row in rows)
    return StreamingHttpResponse(
        chain([codecs.BOM_UTF8], lines),
        content_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="{name}.csv"',
            "Cache-Control": "private, no-store",
        },
    )


def order_rows(queryset: QuerySet[PaymentOrder]) -> Iterator[Iterable[Any]]:
    """Yield the header, then every order, newest first. Amounts in major units."""
    yield ORDER_COLUMNS
    rows = queryset.order_by("-created_at", "-id")
    page = list(rows[:PAGE_SIZE])
    while page:
        for order in page:
            yield [_value(order, name) for name in ORDER_COLUMNS]
        last = page[-1]
        after = Q(created_at__lt=last.created_at) | Q(
            created_at=last.created_at, id__lt=last.pk
        )
        page = list(
            rows.filter(created_at__lte=last.created_at).filter(after)[:PAGE_SIZE]
        )


def _value(order: PaymentOrder, name: str) -> Any:
    value = getattr(order, name)
    if name in _AMOUNTS:
        return money.to_major(value, order.currency)
    if name == "created_at":
        return shop_time.local(value).isoformat(sep=" ", timespec="seconds")
    return value
