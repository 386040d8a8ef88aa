"""A CSV file opens without a formula, whatever separator the reader chooses."""

from __future__ import annotations

import csv
import io
import re
from decimal import Decimal
from typing import Any

import pytest

from nexi_payments.admin import csv_export
from tests.support.clerk import ORDERS_URL, Clerk
from tests.support.shopper import new_order

FORMULAS = [
    "=7*191",
    "+7*191",
    "-7*191",
    "@SUM(1)",
    "＝7*191",
    "x;=7*191;y",
    'x";=7*191;"y',
    "x,=7*191",
    "x,  =7*191",
    "x\t=7*191",
    "x\n=7*191",
    "x\r\n=7*191",
    "x|=7*191",
    "x:@SUM(1)",
    '";" =7*191',
    " =7*191",
    "\t=7*191",
    "'=7*191",
]
#: Where programs split lines into cells.
SEPARATORS = ",;\t|:"


def starts_formula(cell: str) -> bool:
    return re.match(r"[\s\"]*[=+\-@＝＋－＠]", cell) is not None


@pytest.mark.parametrize("text", FORMULAS)
@pytest.mark.parametrize("separator", SEPARATORS)
def test_no_cell_begins_a_formula(text: str, separator: str) -> None:
    response = csv_export.csv_response([["ok", text, "ok"]], "x")
    line = response.getvalue().decode()
    for cells in csv.reader(io.StringIO(line, newline=""), delimiter=separator):
        assert [one for one in cells if starts_formula(one)] == []
    # without any regard to quotes
    for cell in re.split(f"[{re.escape(separator)}\r\n]", line):
        assert not starts_formula(cell), cell


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("Giulia Bianchi", "Giulia Bianchi"),
        ("giulia+shop@example.com", "giulia+shop@example.com"),
        ("2026-11-30 12:00:00+01:00", "2026-11-30 12:00:00+01:00"),
        ("R-1/2", "R-1/2"),
        (Decimal("-2.50"), "-2.50"),
        (-3, "-3"),
        (None, ""),
        ("Rossi; -Bianchi", "Rossi; '-Bianchi"),
    ],
)
def test_what_stays(value: Any, cell: str) -> None:
    assert csv_export.escape_cell(value) == cell


@pytest.mark.django_db
def test_the_export_quotes_every_cell(clerk: Clerk) -> None:
    new_order(customer={"name": "x;=7*191;y"}, description="-1")
    text = clerk.get(ORDERS_URL + "export/").getvalue().decode("utf-8-sig")
    for line in text.splitlines():
        assert (line[0], line[-1]) == ('"', '"')
        assert line.count('","') == len(csv_export.ORDER_COLUMNS) - 1
    assert '"x;\'=7*191;y"' in text
    assert '"\'-1"' in text


@pytest.mark.django_db
@pytest.mark.parametrize("query", ["nonsense=1", "id__gt=x", "created_at__year=x"])
def test_an_unknown_filter_is_no_error(clerk: Clerk, query: str) -> None:
    answer = clerk.browser.get(f"{ORDERS_URL}export/?{query}")
    assert answer.status_code in (302, 400)
    if answer.status_code == 302:
        assert answer["Location"] == f"{ORDERS_URL}?e=1"
