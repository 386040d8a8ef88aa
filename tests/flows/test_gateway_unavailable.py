"""Each request that follows a charge begins with a status inquiry."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nexi_payments import flows
from nexi_payments.exceptions import GatewayUnavailable
from nexi_payments.models import Operation, PaymentOrder
from nexi_payments.simulator import Reply, Simulator
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    ("captured", "verb", "path"),
    [
        (False, flows.capture, "/captures"),
        (False, flows.void, "/refunds"),
        (True, flows.refund, "/refunds"),
        (True, flows.cancel_capture, "/cancels"),
    ],
)
def test_without_an_answer_nothing_is_sent(
    shopper: Shopper,
    gateway: Simulator,
    captured: bool,
    verb: Callable[[PaymentOrder], Operation],
    path: str,
) -> None:
    order = shopper.pay(new_order(terminal="manual"), "frictionless")
    if captured:
        flows.capture(order)
    state, operations = order.state, order.operations.count()
    sent = gateway.count(path)
    gateway.next_reply("/orders/", Reply(500))
    with pytest.raises(GatewayUnavailable):
        verb(order)
    assert gateway.count(path) == sent
    assert (order.state, order.operations.count()) == (state, operations)
    assert verb(order).outcome == "done"  # Nexi answers again
    assert gateway.count(path) == sent + 1
