"""``cancel`` of a payment beside queued refunds of it, or of an earlier attempt."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction

from nexi_payments import flows
from nexi_payments.enums import OrderState, Reason
from nexi_payments.exceptions import AlreadyCharged, InvalidState
from nexi_payments.models import PaymentOrder, QueuedRefund
from nexi_payments.simulator import Reply, Simulator
from tests.support.in_doubt import (
    HOUR,
    charge_at_gateway,
    payment_in_doubt,
    prove_absent,
    reconcile_after,
    time_travel,
)
from tests.support.queued_refunds import (
    DUE,
    enqueue_and_die,
    queue_of,
    refund_calls,
)
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


def refunds_sent(order: PaymentOrder, gateway: Simulator) -> int:
    """How many refunds Nexi was asked for, of this payment's charge."""
    calls = refund_calls(gateway)
    return sum(order.gateway_operation_id in call.path for call in calls)


def row(order: PaymentOrder) -> dict[str, Any]:
    return PaymentOrder.objects.filter(pk=order.pk).values().get()


@pytest.fixture
def late(shopper: Shopper, gateway: Simulator) -> PaymentOrder:
    """An attempt under review: it was charged late, beside another that is paid."""
    order = payment_in_doubt(shopper, reference="L")
    prove_absent(order)
    paid = shopper.pay(new_order(reference="L"), "frictionless")
    charge_at_gateway(gateway, order)
    with time_travel(HOUR):
        flows.reconcile(order)
        flows.refund(paid)
    order.refresh_from_db()
    assert (order.state, order.reason) == (OrderState.REVIEW, Reason.REFERENCE_TAKEN)
    return order


def test_a_queued_refund_does_not_make_a_payment_unpaid(
    shopper: Shopper, gateway: Simulator
) -> None:
    paid = shopper.pay(new_order(reference="R-1"))
    enqueue_and_die(paid)
    assert flows.available(paid).cancel is False
    before = row(paid)
    with pytest.raises(AlreadyCharged):
        flows.cancel(paid)
    assert (row(paid), queue_of(paid)) == (before, [("queued", 1250)])
    assert reconcile_after(DUE).refunds_sent == 1
    with pytest.raises(InvalidState):
        flows.cancel(paid)
    assert (paid.state, paid.cancelled_at) == (OrderState.REFUNDED, None)
    assert refunds_sent(paid, gateway) == 1


def test_a_cancel_of_the_new_attempt_keeps_the_refund_of_the_old(
    late: PaymentOrder, gateway: Simulator
) -> None:
    with time_travel(HOUR):
        enqueue_and_die(late)
        flows.cancel(new_order(reference="L"))
        late.refresh_from_db()
        assert (late.state, late.queued_amount) == (OrderState.REVIEW, 1250)
        assert late.cancelled_at is not None
        assert reconcile_after(DUE).refunds_sent == 1
    late.refresh_from_db()
    assert (late.state, late.queued_amount) == (OrderState.REFUNDED, 0)
    assert refunds_sent(late, gateway) == 1


def test_cancelled_during_the_inquiry_the_refund_waits_and_is_sent_once(
    late: PaymentOrder, gateway: Simulator
) -> None:
    with time_travel(HOUR):
        enqueue_and_die(late)
        new = new_order(reference="L")
        handle = gateway.handle

        def cancelled_meanwhile(method: str, url: str, *rest: Any) -> Reply:
            reply = handle(method, url, *rest)
            if method == "GET" and late.order_id in url:
                flows.cancel(PaymentOrder.objects.get(pk=new.pk))
            return reply

        gateway.handle = cancelled_meanwhile  # type: ignore[method-assign]
        reconcile_after(DUE)
        gateway.handle = handle  # type: ignore[method-assign]
        reconcile_after(HOUR)
    new.refresh_from_db()
    late.refresh_from_db()
    assert (new.state, new.reason) == (OrderState.FAILED, Reason.CANCELLED)
    assert (late.state, late.queued_amount) == (OrderState.REFUNDED, 0)
    assert refunds_sent(late, gateway) == 1
    assert queue_of(late) == [("sent", 1250)]


def test_both_in_one_transaction_of_the_shop(
    late: PaymentOrder, gateway: Simulator
) -> None:
    """A shop that closes an order: what is unpaid is cancelled, what came in goes
    back. It rolls back as a whole.
    """
    with time_travel(HOUR):
        new = new_order(reference="L")
        before = row(new), row(late)
        with pytest.raises(ZeroDivisionError):
            _close(new, late, fails=True)
        assert (row(new), row(late)) == before
        assert (QueuedRefund.objects.count(), refunds_sent(late, gateway)) == (0, 0)
        _close(new, late)
    new.refresh_from_db()
    assert (new.reason, queue_of(late)) == (Reason.CANCELLED, [("sent", 1250)])
    assert refunds_sent(late, gateway) == 1


@transaction.atomic
def _close(new: PaymentOrder, late: PaymentOrder, *, fails: bool = False) -> None:
    flows.cancel(new, "closed")
    late.refresh_from_db()
    flows.enqueue_refund(late, reason="closed")
    if fails:
        raise ZeroDivisionError
