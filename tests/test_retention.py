"""Names and addresses go, money stays."""

from __future__ import annotations

import io
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command

from nexi_payments import conf, flows, retention, states
from nexi_payments.models import Event, Operation, PaymentOrder
from nexi_payments.simulator import Simulator
from tests.clerk import Clerk, result_page
from tests.doubt import later
from tests.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)
DAY = 86_400


def personal(order: PaymentOrder) -> set[str]:
    order.refresh_from_db()
    texts = {
        order.customer_name,
        order.customer_email,
        order.cardholder_name,
        order.description,
    }
    for row in Operation.objects.filter(order=order):
        texts.add(row.address or "")
    for event in Event.objects.filter(order=order):
        texts |= {event.address or "", event.note}
    return texts - {""}


def test_what_goes_and_what_stays(nexi: Any, gateway: Simulator) -> None:
    nexi(RETENTION=30 * DAY)
    clerk = Clerk("take_moto")
    order = clerk.take()
    clerk.post(result_page(order) + "mail/", email="g@example.com", language="en")
    assert len(personal(order)) >= 5
    assert retention.erase() == 0
    with later(31 * DAY):
        assert retention.erase() == 1
        assert retention.erase() == 0
    assert personal(order) == set()
    assert (order.state, order.captured_amount, order.reference) == (
        states.PAID,
        1250,
        "R-1",
    )
    assert (order.card_brand, order.card_last4) == ("VISA", "4549")
    assert order.operations.get().actor == clerk.user
    with later(32 * DAY):
        flows.refund(order, Decimal("1.00"))  # the money can still move
    order.refresh_from_db()
    assert order.refunded_amount == 100


def test_what_is_open_waits(nexi: Any, shopper: Shopper) -> None:
    nexi(RETENTION=DAY, WATCH_FOR=90 * DAY)
    customer = {"name": "Giulia"}
    held = shopper.pay(new_order(customer=customer, terminal="manual"))
    doubtful = shopper.pay(new_order(customer=customer), "garbage")
    fresh = new_order(customer=customer)
    with later(2 * DAY):
        assert retention.erase() == 0
    for order in (held, doubtful, fresh):
        assert "Giulia" in personal(order)


def test_in_batches(nexi: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    nexi(RETENTION=DAY)
    monkeypatch.setattr(retention, "_BATCH", 2)
    for place in range(5):
        new_order(reference=f"R-{place}", customer={"name": "Giulia"})
    PaymentOrder.objects.update(state="failed", live_reference=None, due_at=None)
    out = io.StringIO()
    with later(2 * DAY):
        call_command("nexi_purge", stdout=out)
    assert out.getvalue() == "purged=0 erased=5\n"


def test_nothing_without_the_setting(nexi: Any, shopper: Shopper) -> None:
    order = shopper.pay(new_order(customer={"name": "Giulia"}))
    with later(10_000 * DAY):
        assert retention.erase() == 0
    assert "Giulia" in personal(order)
    nexi(RETENTION=60)
    with pytest.raises(ImproperlyConfigured, match="RETENTION"):
        conf.current()
