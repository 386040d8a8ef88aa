"""What stands above the list: today, the last seven days, in doubt, to check."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from nexi_payments import flows
from nexi_payments.admin import dashboard, revenue
from nexi_payments.models import Discrepancy, Event, Operation, PaymentOrder
from nexi_payments.models.bookkeeping import TerminalOutage
from nexi_payments.simulator import Simulator
from tests.support.clerk import ORDERS_URL, PERMISSIONS, Clerk, result_url
from tests.support.in_doubt import time_travel
from tests.support.shopper import Shopper, new_order

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.seen_on("sqlite", "postgresql"),
    pytest.mark.usefixtures("every_currency"),
]


def board(page: str) -> str:
    """The words of the dashboard, spaces and tags aside; "" where there is none."""
    found = re.search(
        r'<section class="nexi-staff nexi-board".*?</section>', page, re.S
    )
    return " ".join(re.sub(r"<[^>]*>", " ", found[0]).split()) if found else ""


def made() -> dict[str, Any]:
    return dashboard.dashboard_context(lambda name: f"/{name}/", None)


def settle(reference: str, moment: datetime) -> None:
    rows = Operation.objects.filter(
        order__reference=reference, settled_at__isnull=False
    )
    assert rows.update(settled_at=moment)


def test_a_day_in_figures(reader: Clerk, shopper: Shopper) -> None:
    anna = Clerk("take_moto", name="anna")
    anna.take_phone_order(
        "frictionless", reference="M-1", amount="5.00", currency="CHF"
    )
    anna.take_phone_order("declined", reference="M-2", amount="99.00")
    shopper.pay(new_order(amount=Decimal("1230.00"), reference="S-1"))
    order = shopper.pay(new_order(amount=Decimal("4.50"), reference="S-2"))
    flows.refund(order, Decimal("1.25"))
    shopper.pay(new_order(amount=Decimal("70.00"), terminal="manual"))  # held only
    words = board(reader.get_text(ORDERS_URL))
    assert "Today 1,234.50 EUR 2 payments · 1.25 EUR refunded (1 refund)" in words
    assert "5.00 CHF 1 payment " in words
    assert "Needs attention 0 Nothing waits for you. Last 7 days" in words
    assert "99.00" not in words
    assert "70.00" not in words


def test_in_italian(gateway: Simulator, shopper: Shopper) -> None:
    shopper.pay(new_order(amount=Decimal("1230.00")))
    reader = Clerk("view_paymentorder", headers={"accept-language": "it"})
    assert "1.230,00 EUR" in board(reader.get_text(ORDERS_URL))


def test_an_empty_shop(reader: Clerk) -> None:
    page = reader.get_text(ORDERS_URL)
    words = board(page)
    assert "Today Nothing was taken yet." in words
    assert "Nothing was taken or given back in this time." in words
    assert "nexi-chart" not in page


def test_seven_days_and_no_more(reader: Clerk, shopper: Shopper) -> None:
    today = timezone.localtime().replace(hour=12, minute=0, second=0, microsecond=0)
    for ago in (0, 1, 6, 7):
        shopper.pay(new_order(amount=Decimal(10 + ago), reference=f"D-{ago}"))
        settle(f"D-{ago}", today - timedelta(days=ago))
    week = made()["week"]
    assert [(day, one.charged_display, one.count) for day, one in week] == [
        ((today - timedelta(days=6)).date(), "16.00 EUR", 1),
        ((today - timedelta(days=1)).date(), "11.00 EUR", 1),
        (today.date(), "10.00 EUR", 1),
    ]
    page = reader.get_text(ORDERS_URL)
    assert page.count('<rect class="nexi-bar-shop"') == 3
    assert 'role="img" aria-label="Taken each day, EUR"' in page


def test_the_chart_has_the_currency_of_most_payments(
    gateway: Simulator, shopper: Shopper
) -> None:
    shopper.pay(new_order(amount=Decimal("900.00"), currency="EUR"))
    for _ in range(2):
        shopper.pay(new_order(amount=Decimal("1.00"), currency="CHF"))
    context = made()
    assert context["chart"].title == "CHF"
    assert [one.currency for _, one in context["week"]] == ["CHF", "EUR"]


def test_each_day_and_direction_has_its_own_currencies(
    gateway: Simulator, shopper: Shopper
) -> None:
    noon = timezone.localtime().replace(hour=12, minute=0, second=0, microsecond=0)
    days = [noon.date() - timedelta(days=1), noon.date()]
    for name, currency, amount, ago in (
        ("A", "EUR", "10.00", 0),
        ("B", "EUR", "7.00", 1),
        ("C", "CHF", "3.00", 0),
        ("D", "JPY", "500", 0),
        ("E", "CHF", "2.00", 1),
        ("F", "EUR", "1.00", 0),
    ):
        order = shopper.pay(
            new_order(amount=Decimal(amount), currency=currency, reference=name)
        )
        settle(name, noon - timedelta(days=ago))
        if name in "AC":
            flows.refund(order, Decimal("1.25"))
            refunds = Operation.objects.filter(order=order, kind="refund")
            assert refunds.update(settled_at=noon)
    found = revenue.sums_by_currency(*days, None)
    assert sorted(
        (o.day, o.is_refund, o.currency, o.count, o.minor) for o in found
    ) == [
        (0, 0, "CHF", 1, 200),
        (0, 0, "EUR", 1, 700),
        (1, 0, "CHF", 1, 300),
        (1, 0, "EUR", 2, 1100),
        (1, 0, "JPY", 1, 500),
        (1, 1, "CHF", 1, 125),
        (1, 1, "EUR", 1, 125),
    ]


def test_only_refunds_make_no_chart(gateway: Simulator, shopper: Shopper) -> None:
    order = shopper.pay(new_order(reference="OLD"))
    settle("OLD", timezone.now() - timedelta(days=9))
    flows.refund(order, Decimal("2.00"))
    context = made()
    assert context["chart"] is None
    (one,) = context["today"]
    assert (one.count, one.charged, one.refund_count, one.refunded) == (
        0,
        0,
        1,
        200,
    )


@pytest.mark.parametrize(
    "zone", ["Europe/Rome", "America/Los_Angeles", "Pacific/Kiritimati"]
)
def test_today_begins_at_the_shops_midnight(
    gateway: Simulator, shopper: Shopper, settings: Any, zone: str
) -> None:
    settings.TIME_ZONE = zone
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    shopper.pay(new_order(amount=Decimal("3.00"), reference="S-1"))
    settle("S-1", midnight)
    assert [one.charged_display for one in made()["today"]] == ["3.00 EUR"]
    settle("S-1", midnight - timedelta(seconds=1))
    context = made()
    assert context["today"] == []
    ((day, one),) = context["week"]
    assert (day, one.charged_display) == (
        midnight.date() - timedelta(1),
        "3.00 EUR",
    )


def test_a_day_of_25_hours(
    gateway: Simulator, shopper: Shopper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In Rome the clock goes back on 25 October 2026: that day ends at 23:00 UTC."""
    noon = datetime(2026, 10, 26, 11, tzinfo=UTC)
    shopper.pay(new_order(reference="S-1"))
    monkeypatch.setattr(timezone, "now", lambda: noon)
    for moment, day in (
        (datetime(2026, 10, 24, 21, 59, 59, tzinfo=UTC), 24),
        (datetime(2026, 10, 24, 22, tzinfo=UTC), 25),
        (datetime(2026, 10, 25, 22, 59, 59, tzinfo=UTC), 25),
        (datetime(2026, 10, 25, 23, tzinfo=UTC), 26),
    ):
        settle("S-1", moment)
        assert [one[0].day for one in made()["week"]] == [day], moment


def test_what_is_open(reader: Clerk, shopper: Shopper) -> None:
    desk = Clerk("take_moto", name="desk")
    order = desk.take_phone_order("pending_then_paid", reference="D-1")
    words = board(reader.get_text(ORDERS_URL))
    # a request may be working on it still: in doubt, not yet for a person
    assert (
        "Needs attention 0 Nothing waits for you. 1 more is being checked automatically"
    ) in words
    now = timezone.now()
    PaymentOrder.objects.filter(pk=order.pk).update(
        unsettled_since=now - timedelta(hours=3, minutes=5)
    )
    words = board(reader.get_text(ORDERS_URL))
    # one payment, counted once
    assert "Needs attention 1 the oldest for 3 hours, 5 minutes Last 7 days" in words
    Discrepancy.objects.create(order=order, kind="amount", created_at=now)
    Discrepancy.objects.create(order=order, kind="x", created_at=now, resolved_at=now)
    TerminalOutage.objects.create(terminal="two", since=now - timedelta(days=2))
    paid = shopper.pay(new_order())
    Event.objects.filter(order=paid).update(deliver_at=now, attempts=0)
    event = Event.objects.filter(order=paid).last()
    assert event is not None
    Event.objects.filter(pk=event.pk).update(attempts=3)
    context = made()
    assert (context["asked"].count, context["attention"].count) == (0, 4)
    assert "Needs attention 4 the oldest for 2" in board(reader.get_text(ORDERS_URL))


def test_a_review_is_to_be_checked_at_once(gateway: Simulator) -> None:
    order = new_order()
    PaymentOrder.objects.filter(pk=order.pk).update(
        state="review", live_reference=None, unsettled_since=timezone.now()
    )
    context = made()
    assert (context["asked"].count, context["attention"].count) == (0, 1)


def test_counting_stops_in_an_outage(
    gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dashboard, "MAX_OPEN", 2)
    for place in range(4):
        with time_travel(-3600):
            order = new_order(reference=f"N-{place}")
        PaymentOrder.objects.filter(pk=order.pk).update(
            unsettled_since=timezone.now() - timedelta(hours=1)
        )
    context = made()
    assert (context["asked"].display, context["attention"].display) == ("0", "3+")


def test_two_questions_whatever_there_is(reader: Clerk, shopper: Shopper) -> None:
    for place in range(3):
        shopper.pay(new_order(reference=f"N-{place}"))
    reader.get_text(ORDERS_URL)
    with CaptureQueriesContext(connection) as asked:
        made()
    # PostgreSQL is asked for the usual currency first
    assert len(asked) == (3 if connection.vendor == "postgresql" else 2)
    for query, questions in (({}, 8), ({"q": "N-1"}, 7), ({"p": "1"}, 6)):
        with CaptureQueriesContext(connection) as asked:
            reader.get_text(ORDERS_URL, **query)
        ours = [one for one in asked.captured_queries if "nexi_payments_" in one["sql"]]
        assert len(ours) <= questions, ours


def plan_of(sql: str) -> str:
    """The database's plan in its own words. So few rows are read at once by
    PostgreSQL, whatever the index, unless it may not."""
    words = "EXPLAIN QUERY PLAN" if connection.vendor == "sqlite" else "EXPLAIN"
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"{words} {sql}")
        return "\n".join(" ".join(map(str, row)) for row in cursor.fetchall())


def test_both_are_found_by_an_index(gateway: Simulator) -> None:
    with CaptureQueriesContext(connection) as asked:
        made()
    week, still_open = (plan_of(one["sql"]) for one in asked.captured_queries[-2:])
    assert "nexi_settled" in week
    if connection.vendor == "postgresql":  # what is added up reads no orders
        added_up = asked.captured_queries[-2]["sql"].split(" UNION ALL ")[0]
        assert "nexi_payments_paymentorder" not in added_up
    assert "nexi_unsettled" in still_open
    assert "nexi_undelivered" in still_open


def test_where_it_leads(reader: Clerk, shopper: Shopper) -> None:
    shopper.pay(new_order())
    page = reader.get_text(ORDERS_URL)
    today = timezone.localdate()
    week = f"?since={today - timedelta(6)}&amp;until={today}"
    for address in (
        "daily-report/",
        "daily-report/" + week,
        "review-queue/",
    ):
        assert f'href="{ORDERS_URL}{address}"' in page, address
        assert reader.get(ORDERS_URL + address.replace("&amp;", "&")).status_code == 200


def test_who_looks_for_something_sees_the_rows(reader: Clerk) -> None:
    assert board(reader.get_text(ORDERS_URL)) != ""
    for query in (
        {"q": "x"},
        {"state__exact": "paid"},
        {"p": "1"},
        {"in_doubt": "yes"},
    ):
        assert board(reader.get_text(ORDERS_URL, **query)) == ""


@pytest.mark.parametrize("permission", [*PERMISSIONS, ""])
def test_who_may_see_it(gateway: Simulator, permission: str) -> None:
    somebody = Clerk(*[permission] if permission else [])
    answer = somebody.get(ORDERS_URL)
    of_cards = {"view_contract", "charge_contract", "end_contract"}
    of_checks = {"verify_card", "view_cardverification"}
    if permission in {"", "take_moto", *of_cards, *of_checks}:
        assert answer.status_code == 403
        assert "nexi-board" not in answer.content.decode()
    else:
        assert board(answer.content.decode()).startswith("Today")


def test_a_clerk_at_the_desk_sees_no_sums(gateway: Simulator) -> None:
    desk = Clerk("take_moto", name="desk")
    order = desk.take_phone_order(reference="D-1")
    assert "nexi-board" not in desk.get_text(result_url(order))
    assert "nexi-board" not in desk.get_text("/admin/")
