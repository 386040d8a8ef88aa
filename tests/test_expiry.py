"""Orders that nobody finishes, and the pass that looks after them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from nexi_payments import flows, states
from nexi_payments.flows import inquiry
from nexi_payments.models import Hold, Operation, PaymentOrder
from nexi_payments.simulator import Reply, Simulator
from nexi_payments.states import Reason
from tests.doubt import (
    MINUTE,
    charge,
    in_doubt,
    later,
    reconcile_at,
)
from tests.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_order_never_paid_expires_without_a_call(gateway: Simulator) -> None:
    order = new_order()
    assert reconcile_at(29 * MINUTE).failed == 0
    assert reconcile_at(31 * MINUTE).failed == 1
    order.refresh_from_db()
    assert (order.state, order.reason) == (states.FAILED, Reason.EXPIRED)
    assert sum(gateway.counts.values()) == 0


def test_an_order_left_at_the_bank_expires_after_asking(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = new_order()
    shopper.start(order)
    assert reconcile_at(16 * MINUTE).purged == 1  # the held card goes first
    gateway.next_reply("/orders/", Reply(500))
    reconcile_at(31 * MINUTE)
    order.refresh_from_db()
    assert order.state == states.AWAITING_3DS
    reconcile_at(40 * MINUTE)
    order.refresh_from_db()
    assert (order.state, order.reason) == (states.FAILED, Reason.EXPIRED)
    assert order.due_at is None


def test_an_order_left_at_the_bank_and_charged_is_reviewed(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = new_order()
    shopper.start(order)
    order.refresh_from_db()
    charge(gateway, order)
    reconcile_at(31 * MINUTE)
    order.refresh_from_db()
    assert (order.state, order.reason) == (states.REVIEW, Reason.UNEXPECTED_CHARGE)
    assert not Hold.objects.exists()


@pytest.mark.parametrize("state", [states.AWAITING_3DS, states.VALIDATED])
def test_a_claim_whose_worker_died_is_failed_after_its_deadline(
    shopper: Shopper, gateway: Simulator, state: str
) -> None:
    order = new_order()
    shopper.start(order)
    now = timezone.now()
    PaymentOrder.objects.update(
        state=state, claimed_at=now, due_at=now + timedelta(seconds=30)
    )
    Operation.objects.create(
        order=order,
        kind=states.VALIDATION,
        open_slot=order.pk,
        correlation_id="c",
        created_at=now,
    )
    reconcile_at(20)
    order.refresh_from_db()
    assert order.state == state
    reconcile_at(35)
    order.refresh_from_db()
    assert (order.state, order.reason) == (states.FAILED, Reason.ABANDONED)
    assert not Operation.objects.exclude(open_slot=None).exists()
    assert not Hold.objects.exists()


def test_one_order_asked_about_now(shopper: Shopper, gateway: Simulator) -> None:
    order = in_doubt(shopper)
    charge(gateway, order)
    assert flows.reconcile(order).paid == 1
    assert order.state == states.PAID
    assert flows.reconcile(order).paid == 0


def test_a_terminal_that_is_gone_does_not_stop_the_pass(
    shopper: Shopper, gateway: Simulator
) -> None:
    lost = in_doubt(shopper)
    order = in_doubt(shopper)
    charge(gateway, order)
    PaymentOrder.objects.filter(pk=lost.pk).update(terminal="gone")
    counts = reconcile_at(2 * MINUTE)
    assert (counts.paid, counts.unanswered) == (1, 1)


def test_the_command_prints_what_it_did(
    shopper: Shopper, gateway: Simulator, capsys: Any
) -> None:
    order = in_doubt(shopper)
    charge(gateway, order)
    with later(2 * MINUTE):
        call_command("nexi_reconcile")
    assert capsys.readouterr().out == (
        "looked=1 paid=1 authorized=0 failed=0 review=0 unanswered=0 delivered=0"
        " purged=0 mended=0 unknown=0\n"
    )


def test_running_it_again_changes_nothing(shopper: Shopper, gateway: Simulator) -> None:
    in_doubt(shopper)
    shopper.pay(new_order(), "frictionless")
    with later(16 * MINUTE):
        flows.reconcile()
        before = list(PaymentOrder.objects.order_by("pk").values())
        calls = sum(gateway.counts.values())
        assert str(flows.reconcile()) == str(flows.Counts())
    assert list(PaymentOrder.objects.order_by("pk").values()) == before
    assert sum(gateway.counts.values()) == calls


def test_a_defect_in_one_order_does_not_stop_the_pass(
    shopper: Shopper, gateway: Simulator, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    broken = in_doubt(shopper)
    order = in_doubt(shopper)
    charge(gateway, order)
    look = inquiry.look

    def defective(row: PaymentOrder, *args: Any, **kwargs: Any) -> Any:
        if row.pk == broken.pk:
            raise ZeroDivisionError
        return look(row, *args, **kwargs)

    monkeypatch.setattr(inquiry, "look", defective)
    counts = reconcile_at(2 * MINUTE)
    assert (counts.paid, counts.unanswered) == (1, 1)
    assert broken.order_id in caplog.text
