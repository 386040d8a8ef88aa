"""Several reconcilers at once: shared work, each order asked about once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from nexi_payments import flows
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import Simulator
from tests.at_once import together
from tests.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


def test_many_due_orders_are_shared(shopper: Shopper, gateway: Simulator) -> None:
    """Each is asked about once, whoever of the four takes it."""
    for place in range(45):
        order = new_order(reference=f"S-{place}")
        PaymentOrder.objects.filter(pk=order.pk).update(
            state="awaiting_3ds", gateway_operation_id=str(place)
        )
    past = timezone.now() - timedelta(seconds=60)
    PaymentOrder.objects.update(due_at=past, expires_at=past)
    counts = together(4, lambda _: flows.reconcile())
    assert len(counts) == 4
    assert sum(one.looked for one in counts) == 45
    assert gateway.count("GET /orders/{id}") == 45
    assert PaymentOrder.objects.filter(state="failed").count() == 45
    assert flows.reconcile().looked == 0


def test_a_pass_has_an_end(shopper: Shopper, gateway: Simulator) -> None:
    for place in range(25):
        order = new_order(reference=f"S-{place}")
        PaymentOrder.objects.filter(pk=order.pk).update(
            state="awaiting_3ds", gateway_operation_id=str(place)
        )
    past = timezone.now() - timedelta(seconds=60)
    PaymentOrder.objects.update(due_at=past, expires_at=past)
    assert flows.reconcile(most=12).looked == 12
    assert flows.reconcile().looked == 13


def test_ten_reconcilers_at_once_look_once(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = shopper.pay(new_order(), "garbage")
    calls = gateway.counts["GET /orders/{id}"]
    PaymentOrder.objects.update(due_at=order.created_at)
    together(10, lambda _: flows.reconcile())
    assert gateway.counts["GET /orders/{id}"] == calls + 1
