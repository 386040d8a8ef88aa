"""kill -9 while a payment link of Nexi's is made, renewed, cancelled or closed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nexi_payments import flows
from nexi_payments.enums import OrderState
from nexi_payments.flows.hosted import link_closing
from nexi_payments.models import PaymentOrder
from nexi_payments.models.hosted_page import NexiLink
from nexi_payments.simulator import Simulator
from tests.support.death import Death
from tests.support.in_doubt import DAY, HOUR, MINUTE, reconcile_after, time_travel
from tests.system.test_nexi_link_races import (
    cancel,
    create,
    fresh,
    made,
    order_for_link,
    pay_if_open,
    renew,
    status_at_nexi,
    terminals,
)

assert terminals  # the fixture

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.seen_on("sqlite"),
]

#: name → what is done with an order that has a link, or none for "create"
DEEDS: dict[str, Callable[[PaymentOrder], object]] = {
    "create": create,
    "cancel": cancel,
    "renew": lambda order: renew(order, 60),
    "close": lambda order: link_closing.close_due(),
}


def before(deed: str, reference: str) -> PaymentOrder:
    if deed == "create":
        return order_for_link(reference)
    order = made(3, reference)
    if deed == "close":
        flows.cancel(order, "changed")
    return order


@pytest.mark.parametrize("pays", [False, True], ids=["", "and paid"])
@pytest.mark.parametrize("deed", DEEDS)
def test_killed_before_any_step(gateway: Simulator, deed: str, pays: bool) -> None:
    """Nothing that can be paid is given up, nothing that cannot is waited for, and no
    payment is lost."""
    steps = 0
    while True:
        order = before(deed, f"K-{steps}")
        died = Death(gateway, steps).run(lambda order=order: DEEDS[deed](order))
        paid = pays and pay_if_open(gateway, order)
        for seconds in (5 * MINUTE, 2 * HOUR, 6 * HOUR, 5 * DAY):
            reconcile_after(seconds)
        check(order, gateway, paid, 5 * DAY + MINUTE, (deed, steps))
        if not died:
            break
        steps += 1
    assert steps > 5


def check(
    order: PaymentOrder, gateway: Simulator, paid: bool, later: float, where: object
) -> None:
    order = fresh(order)
    assert bool(order.authorized_amount) == paid, where
    if paid:
        assert order.state in (OrderState.PAID, OrderState.REVIEW), where
        return
    link = NexiLink.objects.filter(order=order).exclude(link_id="").first()
    with time_travel(later):
        known = link is not None and status_at_nexi(order) == "ACTIVE"
        waits = order.state == OrderState.AWAITING_HOSTED_PAGE
        assert waits == known, where
        # the same purchase goes on, or may be paid anew
        if order.state == OrderState.FAILED:
            assert order.live_reference is None, where
