"""The daily report adds up what the gateway has confirmed."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from nexi_payments import flows, shop_time
from nexi_payments.admin import svg_chart
from nexi_payments.enums import Channel
from nexi_payments.models import Operation
from tests.support.clerk import ORDERS_URL, Clerk, order_from_redirect
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)
TILL = ORDERS_URL + "daily-report/"


@pytest.fixture
def day(every_currency: None, shopper: Shopper) -> Clerk:
    """Anna takes two by telephone and gives one back in part; the shop takes two."""
    anna = Clerk("take_moto", name="anna")
    first = anna.take_phone_order(reference="M-1", amount="10.00")
    anna.take_phone_order("declined", reference="M-2", amount="99.00")
    anna.take_phone_order(
        "frictionless", reference="M-3", amount="5.00", currency="CHF"
    )
    flows.refund(first, Decimal("4.00"), actor=flows.Actor(anna.user))
    shopper.pay(new_order(amount=Decimal("30.00"), reference="S-1"))
    held = shopper.pay(new_order(amount=Decimal("20.00"), terminal="manual"))
    flows.capture(held, Decimal("15.00"), actor=flows.Actor(anna.user))
    shopper.pay(new_order(amount=Decimal("70.00"), terminal="manual"))
    return anna


def rows(reader: Clerk, **query: str) -> list[tuple[str, ...]]:
    answer = reader.get(TILL, format="csv", **query)
    text = b"".join(answer.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
    return [tuple(row) for row in csv.reader(io.StringIO(text))][1:]


def test_what_a_day_adds_up_to(reader: Clerk, day: Clerk) -> None:
    today = shop_time.today().isoformat()
    assert set(rows(reader)) == {
        (today, "anna", "EUR", "", "VISA", "moto", "charged", "1", "10.00"),
        (today, "anna", "CHF", "", "VISA", "moto", "charged", "1", "5.00"),
        (today, "anna", "EUR", "", "VISA", "moto", "refund", "1", "4.00"),
        (today, "", "EUR", "", "VISA", "shop", "charged", "1", "30.00"),
        (today, "anna", "EUR", "", "VISA", "shop", "charged", "1", "15.00"),
    }
    assert {row[1] for row in rows(reader, clerk="anna")} == {"anna"}
    page = reader.get_text(TILL)
    assert "55.00 (3)" in page  # EUR taken
    assert "4.00 (1)" in page
    assert "51.00" in page
    assert "18 %" in page  # 10 of 55 by telephone
    assert "100 %" in page  # CHF
    assert page.count("<svg class") == 2
    assert page.count('<rect class="nexi-bar-moto"') == 2
    assert page.count('<rect class="nexi-bar-shop"') == 1
    keys = re.findall(r'class="nexi-key nexi-bar-(\w+)"', page)
    assert keys == 2 * Channel.values  # a legend beside each chart


def test_a_link_is_its_clerks(reader: Clerk, shopper: Shopper) -> None:
    anna = Clerk("take_moto", name="anna")
    order = order_from_redirect(anna.create_order(link="1"))
    shopper.pay(order)
    (row,) = rows(reader)
    assert row[1:7] == ("anna", "EUR", "", "VISA", "link", "charged")


def test_days_are_local(reader: Clerk, day: Clerk) -> None:
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    operation = Operation.objects.filter(order__reference="S-1").last()
    assert operation is not None
    today = midnight.date()
    yesterday = today - timedelta(1)
    for moment, where in (
        (midnight, today),
        (midnight - timedelta(seconds=1), yesterday),
    ):
        Operation.objects.filter(pk=operation.pk).update(settled_at=moment)
        found = rows(reader, since=yesterday.isoformat(), until=today.isoformat())
        assert [row[0] for row in found if row[8] == "30.00"] == [where.isoformat()]
    assert len(rows(reader)) == 4


@pytest.mark.parametrize(
    "query",
    [
        {"since": "2026-01-02", "until": "2026-01-01"},
        {"since": "2026-01-01", "until": "2026-02-01"},
        {"since": "x"},
        {"since": "99999-01-01"},
    ],
)
def test_periods_that_cannot_be(reader: Clerk, query: dict[str, str]) -> None:
    page = reader.get_text(TILL, **query)
    assert "nexi-wrong" in page
    assert (
        "<svg"
        not in page.split("nexi-staff")[1].split("</main>")[0].replace("nexi-chart", "")
        or "nexi-chart" not in page
    )


def test_one_question_for_a_month(reader: Clerk, day: Clerk) -> None:
    today = shop_time.today()
    since = today - timedelta(30)
    query = {"since": since.isoformat(), "until": today.isoformat()}
    with CaptureQueriesContext(connection) as asked:
        reader.get_text(TILL, **query)
    sums = [one for one in asked.captured_queries if "SUM(" in one["sql"]]
    assert len(sums) == 1
    assert len(asked.captured_queries) <= 6


def test_an_empty_day(reader: Clerk) -> None:
    assert "Nothing was taken or given back" in reader.get_text(TILL)


@pytest.mark.parametrize(
    ("most", "round_number"),
    [("0", "1"), ("1", "1"), ("1.01", "2"), ("3", "5"), ("50", "50"), ("51", "100")],
)
def test_the_scale(most: str, round_number: str) -> None:
    assert svg_chart.round_axis_maximum(Decimal(most)) == Decimal(round_number)


def test_bars_stand_on_one_another() -> None:
    one = svg_chart.stacked_bars(
        "EUR", ["1", "2"], {"shop": [500, 0], "moto": [500, 1000]}
    )
    shop, moto, alone = one.bars
    titles = [bar.title for bar in one.bars]
    assert titles == ["1: 5.00 EUR", "1: 5.00 EUR", "2: 10.00 EUR"]
    full = svg_chart.HEIGHT - 24 - 10
    assert (shop.kind, shop.height, shop.y + shop.height) == (
        "shop",
        full / 2,
        svg_chart.HEIGHT - 24,
    )
    assert (moto.kind, moto.y + moto.height) == ("moto", shop.y)
    assert (alone.height, alone.y) == (full, 10)
    assert alone.x > shop.x
    assert [line.text for line in one.lines] == ["0", "5", "10"]


def test_days_are_those_of_the_shop_whoever_reads(
    reader: Clerk, shopper: Shopper, settings: Any
) -> None:
    """A middleware that activates the zone of each user changes no sum."""
    order = shopper.pay(new_order(reference="Z-1"))
    # half past midnight in Rome; in London it is still the day before
    moment = datetime(2026, 3, 9, 23, 30, tzinfo=UTC)
    order.operations.filter(settled_at__isnull=False).update(settled_at=moment)
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.in_london"]
    page = reader.get(TILL, since="2026-03-10", until="2026-03-10")
    assert "Days begin at midnight in Europe/Rome." in page.content.decode()
    assert [row["charged"] for row in page.context["totals"]] == ["12.50"]
    page = reader.get(TILL, since="2026-03-09", until="2026-03-09")
    assert page.context["totals"] == []


def in_london(get_response: Any) -> Any:
    def middleware(request: Any) -> Any:
        with timezone.override("Europe/London"):
            return get_response(request)

    return middleware


def test_the_chart_is_a_table_too(reader: Clerk, shopper: Shopper) -> None:
    shopper.pay(new_order(amount=Decimal("12.50")))
    page = reader.get(TILL)
    [chart] = page.context["charts"]
    [(_day, amounts)] = chart.table
    assert amounts == ("12.50", "0.00", "0.00", "0.00")
    assert "<summary>As a table</summary>" in page.content.decode()


def test_excel_opens_the_report(reader: Clerk, shopper: Shopper) -> None:
    shopper.pay(new_order(amount=Decimal("12.50")))
    answer: Any = reader.get(TILL, format="csv-semicolons")
    raw = b"".join(answer.streaming_content)
    assert raw.startswith(b'\xef\xbb\xbf"day";"clerk";"currency";')
    assert raw.decode().splitlines()[1].endswith(';"1";"12,50"')
