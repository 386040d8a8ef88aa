"""``flows.available``: what may be captured, voided, refunded, cancelled, how much."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from nexi_payments import flows
from nexi_payments.enums import OperationKind, OperationOutcome, OrderState
from nexi_payments.exceptions import InvalidState, OrderBusy
from nexi_payments.flows import confirmed_captures
from nexi_payments.models import Operation, PaymentOrder
from nexi_payments.simulator import Simulator
from tests.support.api_clients import ALL_PERMISSIONS, ShopServer
from tests.support.clerk import PERMISSIONS, Clerk, action_url, order_url
from tests.support.in_doubt import inquiry_unanswered_after
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


def amounts(order: PaymentOrder) -> tuple[int | None, int | None, int | None]:
    order.refresh_from_db()
    now = flows.available(order)
    return now.capture, now.void, now.refund


@pytest.fixture
def held(shopper: Shopper) -> PaymentOrder:
    return shopper.pay(new_order(reference="R-1", terminal="manual"))


def test_of_an_authorization(held: PaymentOrder) -> None:
    assert amounts(held) == (1250, 1250, None)
    assert flows.available(held).captures == ()
    flows.capture(held, Decimal("5.00"))
    assert amounts(held) == (750, None, 500)
    flows.capture(held)
    assert amounts(held) == (0, None, 1250)
    flows.refund(held, Decimal("7.50"))
    assert amounts(held) == (0, None, 500)
    first, second = flows.available(held).captures
    assert (first.remaining, first.cancel, first.is_cancelled) == (500, 500, False)
    assert (second.remaining, second.cancel, second.is_cancelled) == (0, 0, False)
    flows.refund(held)
    assert held.state == OrderState.REFUNDED
    assert amounts(held) == (None, None, None)
    assert [one.cancel for one in flows.available(held).captures] == [None, None]
    with pytest.raises(InvalidState):
        flows.cancel_capture(held, first.operation)


def test_of_a_payment_captured_with_its_charge(shopper: Shopper) -> None:
    order = shopper.pay(new_order())
    assert amounts(order) == (None, None, 1250)
    assert flows.available(order).captures == ()
    assert flows.available(new_order(reference="R-2")).refund is None


def test_of_a_review(shopper: Shopper, held: PaymentOrder) -> None:
    paid = shopper.pay(new_order())
    PaymentOrder.objects.update(state=OrderState.REVIEW)
    assert amounts(held) == (None, 1250, None)
    assert amounts(paid) == (None, None, 1250)


def test_nothing_is_left_while_a_void_is_on_its_way(
    held: PaymentOrder, gateway: Simulator
) -> None:
    inquiry_unanswered_after(gateway, "/refunds")
    assert flows.void(held).outcome == OperationOutcome.ACCEPTED
    assert amounts(held) == (0, 0, None)
    assert flows.available(held).void_pending
    with pytest.raises(OrderBusy):
        flows.void(held)
    clerk = Clerk(*PERMISSIONS)
    page = clerk.get_text(order_url(held))
    assert action_url(held, "capture") not in page
    assert action_url(held, "void") not in page
    assert gateway.count("POST /operations/{id}/refunds") == 1


def test_nothing_is_left_while_a_capture_is_on_its_way(
    held: PaymentOrder, gateway: Simulator
) -> None:
    inquiry_unanswered_after(gateway, "/captures")
    assert flows.capture(held).outcome == OperationOutcome.ACCEPTED
    assert amounts(held) == (0, 0, None)
    assert not flows.available(held).void_pending
    with pytest.raises(OrderBusy):
        flows.void(held)
    assert gateway.count("POST /operations/{id}/refunds") == 0


def test_the_same_decision_while_it_is_on_its_way(
    held: PaymentOrder, gateway: Simulator
) -> None:
    flows.capture(held)
    inquiry_unanswered_after(gateway, "/refunds")
    facts = {"expected_remaining": Decimal("12.50"), "nonce": "one-decision"}
    first = flows.refund(held, **facts)
    assert first.outcome == OperationOutcome.ACCEPTED
    assert flows.refund(held, **facts) == first
    assert gateway.count("POST /operations/{id}/refunds") == 1


@dataclass
class FasterRequest:
    """Makes the same decision in another request, right after the nonce was looked up
    for the ``lookup``-th time."""

    order: PaymentOrder
    lookup: int
    lookups: int = 0
    made: list[Operation] = field(default_factory=list)

    def __call__(self, execute: Any, sql: str, *rest: Any) -> Any:
        found = execute(sql, *rest)
        if sql.startswith("SELECT") and "nonce" in sql.partition("WHERE")[2]:
            self.lookups += 1
            if self.lookups == self.lookup:
                self.lookup = 0
                same = PaymentOrder.objects.get(pk=self.order.pk)
                self.made.append(flows.capture(same, Decimal("5.00"), nonce="n"))
        return found


@pytest.mark.parametrize("lookup", [1, 2], ids=["before the look", "before the claim"])
def test_a_decision_that_a_concurrent_request_takes_first(
    held: PaymentOrder, gateway: Simulator, lookup: int
) -> None:
    faster = FasterRequest(held, lookup)
    with connection.execute_wrapper(faster):
        operation = flows.capture(held, Decimal("5.00"), nonce="n")
    assert [operation] == faster.made
    assert gateway.count("POST /operations/{id}/captures") == 1


def test_a_capture_of_another_payment_is_not_refunded(
    held: PaymentOrder, shopper: Shopper, gateway: Simulator
) -> None:
    flows.capture(held)
    other = shopper.pay(new_order(reference="R-2", terminal="manual"))
    flows.capture(other)
    (foreign,) = flows.available(other).captures
    with pytest.raises(InvalidState):
        flows.refund(held, capture=foreign.operation)
    assert gateway.count("POST /operations/{id}/refunds") == 0


def test_a_capture_that_is_not_confirmed_is_not_refunded(
    held: PaymentOrder, gateway: Simulator
) -> None:
    flows.capture(held, Decimal("5.00"))
    inquiry_unanswered_after(gateway, "/captures")
    accepted = flows.capture(held, Decimal("2.00"))
    assert accepted.outcome == OperationOutcome.ACCEPTED
    with pytest.raises(InvalidState):
        flows.refund(held, Decimal("1.00"), accepted)
    assert confirmed_captures.remaining_of(accepted) is None
    first = held.operations.filter(kind=OperationKind.CAPTURE)[0]
    assert confirmed_captures.remaining_of(first) == 500


def test_the_api_says_the_same(held: PaymentOrder) -> None:
    server = ShopServer(*ALL_PERMISSIONS)

    def left() -> tuple[str, str]:
        body = server.get(f"orders/{held.order_id}/").json()
        return body["remaining_to_capture"], body["remaining_to_refund"]

    assert left() == ("12.50", "0.00")
    flows.capture(held, Decimal("5.00"))
    assert left() == ("7.50", "5.00")
    flows.cancel_capture(held, flows.capture(held))
    assert left() == ("7.50", "5.00")
    flows.refund(held)
    assert (held.state, left()) == (OrderState.AUTHORIZED, ("7.50", "0.00"))
    flows.capture(held)
    flows.refund(held)
    assert (held.state, left()) == (OrderState.REFUNDED, ("0.00", "0.00"))


def test_the_page_asks_only_what_may_be(held: PaymentOrder, shopper: Shopper) -> None:
    """A form that was never shown: refused before a question is asked."""
    clerk = Clerk(*PERMISSIONS)
    paid = shopper.pay(new_order())
    for order, deed in ((paid, "capture"), (held, "refund"), (held, "cancel")):
        facts = {"amount": "12.50", "expected_remaining": "12.50"}
        answer = clerk.post(action_url(order, deed), **facts)
        assert answer.status_code == 302
        assert "This is not possible any more." in clerk.get_text(order_url(order))
