"""Every question of staff's pages, of the reconciler and of a waiting shopper is
answered by an index, on some thousand orders as on millions (benchmarks/scale.py)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection, transaction
from django.db.models import F
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from benchmarks.scale_data import fill_tables
from nexi_payments import outbox
from nexi_payments.card import Card
from nexi_payments.flows import Actor
from nexi_payments.flows.ledger import terminal_outages
from nexi_payments.flows.orders import velocity
from nexi_payments.models import Event, Operation, PaymentOrder
from nexi_payments.retention import archive
from nexi_payments.simulator import TEST_CARDS

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.only_on("sqlite", "postgresql"),
]
BASE = "/admin/nexi_payments/paymentorder/"
#: Fewer are enough for SQLite's planner; filling the tables is what takes long.
ROWS = 10_000 if connection.vendor == "postgresql" else 3_000
#: They hold a few rows in any shop, and are read whole.
SMALL = {"nexi_payments_terminaloutage", "nexi_payments_contract"}
WEEK = (timezone.localdate() - timedelta(6)).isoformat()

#: path → indexes that must be in the plans
PAGES = {
    "": {"nexi_listed_newest", "nexi_settled", "nexi_unsettled", "nexi_undelivered"},
    "?p=10": {"nexi_listed_newest"},
    "?attempts=all": {"nexi_newest"},
    "?state__exact=failed": {"nexi_state_newest"},
    "?state__exact=voided": {"nexi_state_newest"},
    "?channel__exact=moto": {"nexi_channel_newest"},
    "?terminal=moto": {"nexi_terminal_newest"},
    "?currency=CHF": {"nexi_currency_newest"},
    "?method=PAYPAL": {"nexi_method_newest"},
    "?created=today": {"nexi_listed_newest"},
    "?in_doubt=yes": {"nexi_unsettled_newest"},
    "?refunded=part": {"nexi_refunded_newest"},
    "?object=auth.user:1": {"nexi_object_newest"},
    "?q=C77@x.example": {"nexi_email_newest"},
    "?q=4321": {"nexi_last4_newest"},
    "?q=R77": {"reference"},
    "?q={order_id}": {"order_id", "reference"},
    "?q={gateway_operation_id}": {"gateway_operation_id", "reference"},
    "review-queue/": {"nexi_unsettled", "nexi_open_discrepancies", "nexi_undelivered"},
    "daily-report/": {"nexi_settled"},
}


@pytest.fixture
def filled() -> Iterator[None]:
    fill_tables(ROWS)
    yield
    with connection.cursor() as cursor:  # faster than a delete by Django
        tables = [model._meta.db_table for model in (Event, Operation, PaymentOrder)]
        others = ("nexi_payments_discrepancy", "nexi_payments_customerdetails")
        for table in (*others, *tables):
            cursor.execute(f"DELETE FROM {table}")


def plans_of(ask: Callable[[], object]) -> list[str]:
    """The plan of each statement that ``ask`` makes about our tables."""
    with CaptureQueriesContext(connection) as asked:
        ask()
    word = "EXPLAIN" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"
    plans = []
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # what is small is read whole with reason; here only where it has to be
            cursor.execute("SET enable_seqscan = off")
        for one in asked.captured_queries:
            # a union begins with a bracket on PostgreSQL
            if "SELECT" in one["sql"][:9] and "nexi_payments_" in one["sql"]:
                cursor.execute(f"{word} {one['sql']}")
                plans.append("\n".join(str(row[-1]) for row in cursor.fetchall()))
        if connection.vendor == "postgresql":
            cursor.execute("RESET enable_seqscan")
    assert plans
    return plans


def read_whole(plan: str) -> set[str]:
    """Tables of which a plan reads every row."""
    if connection.vendor == "postgresql":
        return set(re.findall(r"Seq Scan on (nexi_\w+)", plan)) - SMALL
    scanned = re.findall(r"^SCAN (nexi_\w+)\b(?! USING)", plan, re.MULTILINE)
    return set(scanned) - SMALL


def check(ask: Callable[[], object], wanted: set[str]) -> None:
    plans = plans_of(ask)
    for plan in plans:
        assert read_whole(plan) == set(), plan
    together = "\n".join(plans)
    for name in wanted:
        assert name in together, (name, together)


@pytest.mark.only_on("postgresql")  # it alone sees that one channel is of the desk
@pytest.mark.usefixtures("filled")
def test_two_filters_of_phone_orders_have_an_index_together() -> None:
    user: Any = get_user_model()
    browser = Client()
    browser.force_login(user.objects.create_superuser("boss"))
    path = BASE + "?channel__exact=moto&state__exact=failed"
    check(lambda: browser.get(path), {"nexi_staff_state_newest"})


@pytest.mark.usefixtures("filled")
def test_each_page_filter_and_search_has_its_index() -> None:
    user: Any = get_user_model()
    browser = Client()
    browser.force_login(user.objects.create_superuser("boss"))
    middle = PaymentOrder.objects.get(pk=ROWS // 2)
    for page, wanted in PAGES.items():
        path = BASE + page.format(**vars(middle))

        def read(path: str = path) -> None:
            assert browser.get(path).status_code == 200, path

        check(read, wanted)


@pytest.mark.usefixtures("filled")
def test_what_runs_behind_picks_by_an_index() -> None:
    def pick() -> None:
        due = PaymentOrder.objects.filter(next_poll_at__lte=timezone.now())
        assert len(list(due.order_by("next_poll_at")[:10])) == 10

    check(pick, {"nexi_next_poll"})
    check(lambda: outbox.due_events(timezone.now()), {"nexi_undelivered"})
    check(lambda: list(outbox.blocked_events()), {"nexi_undelivered"})
    check(terminal_outages.missing_terminals, {"nexi_next_poll", "nexi_unsettled"})
    # the oldest are found without sorting the table
    before = timezone.now() - archive.MINIMUM_AGE
    keys = archive.archivable_orders(before).values_list("pk", flat=True)[:10]
    check(lambda: list(keys), {"nexi_newest"})


@pytest.mark.usefixtures("filled")
def test_a_waiting_shopper_asks_by_an_index() -> None:
    path = f"/payments/status/{PaymentOrder.objects.get(pk=77).public_id}/"
    browser = Client()

    def poll() -> None:
        assert browser.get(path).json()["state"] == "paid"

    check(poll, {"public_id"})
    with transaction.atomic():
        assert len(plans_of(poll)) == 1


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("network", ["", "192.0.2.7"])
def test_before_a_card_is_taken_all_is_asked_by_an_index(
    change_settings: Any, network: str
) -> None:
    """Even where all attempts have one network, or none, and statistics say so."""
    change_settings(RATE_LIMITS=None)
    clerk = get_user_model().objects.create_user("clerk")
    PaymentOrder.objects.update(
        attempt_network=network, attempt_clerk=clerk, attempted_at=F("created_at")
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    order = PaymentOrder.objects.get(pk=77)
    card = Card(TEST_CARDS[0].number, "1230", TEST_CARDS[0].cvv)
    actor = Actor(clerk, "192.0.2.7")
    check(
        velocity.limit_shopper(order, card, actor).explain,
        {"nexi_attempt_network", "nexi_attempt_reason", "reference"},
    )
    check(
        velocity.limit_clerk(order, card, actor).explain,
        {"nexi_attempt_clerk", "nexi_payments_cardverification"},
    )
    with transaction.atomic():
        check(
            lambda: velocity.reached_by_verifications(actor),
            {"nexi_attempt_network", "nexi_attempt_clerk"},
        )
