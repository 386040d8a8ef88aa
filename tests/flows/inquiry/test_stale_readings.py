"""A response that was overtaken: what it says is not written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

import pytest

from nexi_payments import conf, flows
from nexi_payments.enums import OrderState
from nexi_payments.flows.inquiry import apply
from nexi_payments.flows.inquiry.snapshot import Snapshot
from nexi_payments.gateway.responses import OrderResult
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import Reply, Simulator
from tests.support.in_doubt import (
    DAY,
    HOUR,
    charge_at_gateway,
    state_and_amounts,
    time_travel,
)
from tests.support.shopper import Shopper, new_order
from tests.support.undecided import accept

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def paid(shopper: Shopper) -> PaymentOrder:
    return shopper.pay(new_order(), "frictionless")


def ask_nexi(order: PaymentOrder) -> OrderResult:
    client = conf.client(conf.current().terminal(order.terminal))
    return client.order(order.order_id, conf.call_context())


def apply_response(
    order: PaymentOrder, snapshot: Snapshot, response: OrderResult
) -> apply.Written | None:
    reading = snapshot.read(response)
    return apply.apply(order, snapshot, reading, response, scheduled=False)


def test_a_refund_that_is_confirmed_meanwhile_stays_confirmed(
    paid: PaymentOrder,
) -> None:
    snapshot, response = Snapshot.take(paid), ask_nexi(paid)
    assert flows.refund(paid).outcome == "done"
    version, due = paid.version, paid.next_poll_at
    assert apply_response(paid, snapshot, response) is None
    assert state_and_amounts(paid) == ("refunded", 1250, 0, 1250, 0)
    assert (paid.version, paid.next_poll_at) == (version, due)


def test_neither_a_state_nor_a_row_of_an_overtaken_response_is_written(
    paid: PaymentOrder,
) -> None:
    """It shows a second charge, which would be adopted and reviewed."""
    snapshot, response = Snapshot.take(paid), ask_nexi(paid)
    second = replace(response.operations[0], operation_id="second")
    response = replace(response, operations=(*response.operations, second))
    assert flows.refund(paid, paid.total / 2).outcome == "done"
    operations = paid.operations.count()
    events = paid.events.count()
    assert apply_response(paid, snapshot, response) is None
    assert state_and_amounts(paid) == ("paid", 1250, 0, 625, 0)
    assert (paid.operations.count(), paid.events.count()) == (operations, events)
    assert not paid.discrepancies.exists()
    # asked anew, it says the same of the present order
    assert apply_response(paid, Snapshot.take(paid), response) is not None
    assert paid.state == OrderState.REVIEW
    assert paid.operations.count() == operations + 1


def test_an_inquiry_without_an_answer_does_not_end_the_polls_of_a_new_refund(
    shopper: Shopper, gateway: Simulator
) -> None:
    """A review that is polled enough; a refund is made while Nexi keeps silent."""
    order = shopper.pay(new_order(), "declined")
    charge_at_gateway(gateway, order)
    flows.reconcile(order)
    order.refresh_from_db()
    assert order.state == OrderState.REVIEW
    PaymentOrder.objects.filter(pk=order.pk).update(poll_count=40)
    handle = gateway.handle

    def refunding(
        method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> Reply:
        gateway.handle = handle  # type: ignore[method-assign]
        accept(gateway, "/refunds", "r-1")
        flows.refund(PaymentOrder.objects.get(pk=order.pk), Decimal("2.00"))
        return Reply(500)

    with time_travel(4 * DAY):
        gateway.handle = refunding  # type: ignore[method-assign]
        flows.reconcile(order)
    assert state_and_amounts(order) == (OrderState.REVIEW, 1250, 0, 0, 200)
    assert order.next_poll_at is not None
    with time_travel(4 * DAY + HOUR):
        assert flows.reconcile().inquired == 1
