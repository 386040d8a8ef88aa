"""Several concurrent reconcilers: one inquiry per order."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from nexi_payments import flows
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import Simulator
from tests.support.concurrency import run_concurrently
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


def test_many_due_orders_are_shared(shopper: Shopper, gateway: Simulator) -> None:
    """One inquiry per order, by any of the four."""
    for place in range(45):
        order = new_order(reference=f"S-{place}")
        PaymentOrder.objects.filter(pk=order.pk).update(
            state="awaiting_3ds", gateway_operation_id=str(place)
        )
    past = timezone.now() - timedelta(seconds=60)
    PaymentOrder.objects.update(next_poll_at=past, expires_at=past)
    counts = run_concurrently(4, lambda _: flows.reconcile())
    assert len(counts) == 4
    assert sum(one.inquired for one in counts) == 45
    assert gateway.count("GET /orders/{id}") == 45
    assert PaymentOrder.objects.filter(state="failed").count() == 45
    assert flows.reconcile().inquired == 0


def test_a_pass_has_an_end(shopper: Shopper, gateway: Simulator) -> None:
    for place in range(25):
        order = new_order(reference=f"S-{place}")
        PaymentOrder.objects.filter(pk=order.pk).update(
            state="awaiting_3ds", gateway_operation_id=str(place)
        )
    past = timezone.now() - timedelta(seconds=60)
    PaymentOrder.objects.update(next_poll_at=past, expires_at=past)
    assert flows.reconcile(limit=12).inquired == 12
    assert flows.reconcile().inquired == 13


def test_ten_reconcilers_at_once_look_once(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = shopper.pay(new_order(), "garbage")
    calls = gateway.counts["GET /orders/{id}"]
    PaymentOrder.objects.update(next_poll_at=order.created_at)
    run_concurrently(10, lambda _: flows.reconcile())
    assert gateway.counts["GET /orders/{id}"] == calls + 1
