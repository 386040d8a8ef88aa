"""docs/test-cards.md, "What you see": what a shopper sees after each of these cards."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from nexi_payments.testing import NexiSimulator
from tests.support.shopper import new_order

CHECKING = b"We are checking"

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def nexi_simulator() -> Iterator[NexiSimulator]:
    with NexiSimulator() as simulator:
        yield simulator


def test_a_lost_response_is_found_at_once(nexi_simulator: NexiSimulator) -> None:
    order = nexi_simulator.pay(new_order(success_url="/thanks/"), "answer_lost")
    assert order.state == "paid"
    assert nexi_simulator.page["Location"] == f"/thanks/?payment={order.order_id}"
    assert [one.captured for one in nexi_simulator.charges] == [1250]


def test_a_lost_response_and_lost_inquiries(nexi_simulator: NexiSimulator) -> None:
    nexi_simulator.start(new_order())
    nexi_simulator.lose_next_answer()
    nexi_simulator.fail_next_call("inquiry")
    nexi_simulator.fail_next_call("inquiry")
    order = nexi_simulator.complete_3ds()
    assert order.state == "paying"
    assert CHECKING in nexi_simulator.page.content
    nexi_simulator.advance(minutes=5)
    order.refresh_from_db()
    assert order.state == "paid"
    assert [one.captured for one in nexi_simulator.charges] == [1250]


def test_pending_is_found_paid(nexi_simulator: NexiSimulator) -> None:
    order = nexi_simulator.pay(new_order(), "pending_then_paid")
    assert order.state == "paying"
    assert CHECKING in nexi_simulator.page.content
    nexi_simulator.advance(minutes=5)
    order.refresh_from_db()
    assert order.state == "paid"


def test_garbage_was_never_charged(nexi_simulator: NexiSimulator) -> None:
    order = nexi_simulator.pay(new_order(), "garbage")
    assert order.state == "paying"
    assert CHECKING in nexi_simulator.page.content
    for minutes in (2, 5, 7):
        nexi_simulator.advance(minutes=minutes)
        order.refresh_from_db()
        assert order.state == "paying"
    nexi_simulator.advance(minutes=10)
    order.refresh_from_db()
    assert (order.state, order.reason) == ("failed", "unconfirmed")
    assert nexi_simulator.charges == ()
