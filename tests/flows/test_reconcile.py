"""Abandoned orders, and the reconciler's pass."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from nexi_payments import flows
from nexi_payments.enums import OperationKind, OrderState, Reason
from nexi_payments.flows.inquiry import query
from nexi_payments.models import Operation, PaymentOrder
from nexi_payments.models.sealed_card import SealedCard
from nexi_payments.simulator import Reply, Simulator
from tests.support.in_doubt import (
    MINUTE,
    charge_at_gateway,
    payment_in_doubt,
    reconcile_after,
    time_travel,
)
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_order_never_paid_expires_without_a_call(gateway: Simulator) -> None:
    order = new_order()
    assert reconcile_after(29 * MINUTE).failed == 0
    assert reconcile_after(31 * MINUTE).failed == 0  # the last sweep was before its end
    assert reconcile_after(39 * MINUTE + 5).failed == 1
    order.refresh_from_db()
    assert (order.state, order.reason) == (OrderState.FAILED, Reason.EXPIRED)
    assert sum(gateway.counts.values()) == 0


def test_an_order_left_at_the_bank_expires_after_asking(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = new_order()
    shopper.start(order)
    assert reconcile_after(16 * MINUTE).purged == 1  # the sealed card goes first
    gateway.next_reply("/orders/", Reply(500))
    reconcile_after(31 * MINUTE)
    order.refresh_from_db()
    assert order.state == OrderState.AWAITING_3DS
    reconcile_after(40 * MINUTE)
    order.refresh_from_db()
    assert (order.state, order.reason) == (OrderState.FAILED, Reason.EXPIRED)
    assert order.next_poll_at is None


def test_an_order_left_at_the_bank_and_charged_is_reviewed(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = new_order()
    shopper.start(order)
    order.refresh_from_db()
    charge_at_gateway(gateway, order)
    reconcile_after(31 * MINUTE)
    order.refresh_from_db()
    assert (order.state, order.reason) == (OrderState.REVIEW, Reason.UNEXPECTED_CHARGE)
    assert not SealedCard.objects.exists()


@pytest.mark.parametrize("state", [OrderState.AWAITING_3DS, OrderState.VALIDATED])
def test_a_claim_whose_worker_died_is_failed_after_its_deadline(
    shopper: Shopper, gateway: Simulator, state: str
) -> None:
    order = new_order()
    shopper.start(order)
    now = timezone.now()
    PaymentOrder.objects.update(
        state=state, claimed_at=now, next_poll_at=now + timedelta(seconds=30)
    )
    Operation.objects.create(
        order=order,
        kind=OperationKind.VALIDATION,
        unsettled_order_id=order.pk,
        correlation_id="c",
        created_at=now,
    )
    reconcile_after(20)
    order.refresh_from_db()
    assert order.state == state
    reconcile_after(35)
    order.refresh_from_db()
    assert (order.state, order.reason) == (OrderState.FAILED, Reason.ABANDONED)
    assert not Operation.objects.exclude(unsettled_order_id=None).exists()
    assert not SealedCard.objects.exists()


def test_one_order_asked_about_now(shopper: Shopper, gateway: Simulator) -> None:
    order = payment_in_doubt(shopper)
    charge_at_gateway(gateway, order)
    assert flows.reconcile(order).paid == 1
    assert order.state == OrderState.PAID
    assert flows.reconcile(order).paid == 0


def test_a_terminal_that_is_gone_does_not_stop_the_pass(
    shopper: Shopper, gateway: Simulator
) -> None:
    lost = payment_in_doubt(shopper)
    order = payment_in_doubt(shopper)
    charge_at_gateway(gateway, order)
    PaymentOrder.objects.filter(pk=lost.pk).update(terminal="gone")
    counts = reconcile_after(2 * MINUTE)
    assert (counts.paid, counts.unanswered) == (1, 1)


def test_the_command_prints_what_it_did(
    shopper: Shopper, gateway: Simulator, capsys: Any
) -> None:
    order = payment_in_doubt(shopper)
    charge_at_gateway(gateway, order)
    with time_travel(2 * MINUTE):
        call_command("nexi_reconcile")
    assert capsys.readouterr().out == (
        "inquired=1 paid=1 authorized=0 failed=0 review=0 unanswered=0 delivered=1"
        " purged=0 terminals_recovered=0 orphans=0 refunds_sent=0 refunds_given_up=0"
        " methods=0 links_closed=0 audited=0\n"
    )


def test_running_it_again_changes_nothing(shopper: Shopper, gateway: Simulator) -> None:
    payment_in_doubt(shopper)
    shopper.pay(new_order(), "frictionless")
    with time_travel(16 * MINUTE):
        flows.reconcile()
        before = list(PaymentOrder.objects.order_by("pk").values())
        calls = sum(gateway.counts.values())
        assert str(flows.reconcile()) == str(flows.Counts())
    assert list(PaymentOrder.objects.order_by("pk").values()) == before
    assert sum(gateway.counts.values()) == calls


def test_a_defect_in_one_order_does_not_stop_the_pass(
    shopper: Shopper, gateway: Simulator, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    broken = payment_in_doubt(shopper)
    order = payment_in_doubt(shopper)
    charge_at_gateway(gateway, order)
    look = query.inquire_and_apply

    def defective(row: PaymentOrder, *args: Any, **kwargs: Any) -> Any:
        if row.pk == broken.pk:
            raise ZeroDivisionError
        return look(row, *args, **kwargs)

    monkeypatch.setattr(query, "inquire_and_apply", defective)
    counts = reconcile_after(2 * MINUTE)
    assert (counts.paid, counts.unanswered) == (1, 1)
    assert broken.order_id in caplog.text
