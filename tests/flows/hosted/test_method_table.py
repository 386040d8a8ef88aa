"""What a payment method forbids is refused with its sentence, before any call."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from nexi_payments import flows
from nexi_payments.enums import OrderState
from nexi_payments.exceptions import MethodForbids
from nexi_payments.models import Operation, PaymentOrder, QueuedRefund
from tests.flows.hosted.test_money_safety import page_reply
from tests.support.hosted import HostedShopper, with_hosted_terminals
from tests.support.in_doubt import prove_rejected, reconcile_after
from tests.support.shopper import new_order

pytestmark = pytest.mark.django_db(transaction=True)

NO_REFUND = (
    "Nexi cannot refund this payment method. Refund by bank transfer, outside Nexi."
)
FULL_REFUND = "Nexi refunds this payment method in full only."
NO_CANCEL = "Captures of this payment method cannot be cancelled. Refund the payment."


def paid(shopper: HostedShopper, method: str, ending: str = "pay") -> PaymentOrder:
    return shopper.act(shopper.go(new_order(terminal="methods"), method), ending)


def assert_forbidden(
    shopper: HostedShopper,
    order: PaymentOrder,
    sentence: str,
    act: Callable[[PaymentOrder], Any],
) -> None:
    before = PaymentOrder.objects.filter(pk=order.pk).values().get()
    calls, operations = len(shopper.gateway.calls), Operation.objects.count()
    with pytest.raises(MethodForbids) as caught:
        act(PaymentOrder.objects.get(pk=order.pk))
    assert str(caught.value.sentence) == sentence
    assert caught.value.order.pk == order.pk
    assert len(shopper.gateway.calls) == calls
    assert Operation.objects.count() == operations
    assert not QueuedRefund.objects.exists()
    assert PaymentOrder.objects.filter(pk=order.pk).values().get() == before


@pytest.mark.parametrize(
    "act",
    [
        flows.refund,
        lambda order: flows.refund(order, Decimal("1.00")),
        flows.void,
        flows.enqueue_refund,
        lambda order: flows.enqueue_refund(order, Decimal("1.00"), key="K"),
    ],
)
def test_mybank_gives_nothing_back(
    shopper: HostedShopper, act: Callable[[PaymentOrder], Any]
) -> None:
    order = paid(shopper, "MYBANK")
    assert order.state == OrderState.PAID
    now = flows.available(order)
    assert (now.refund, now.void, now.refund_rule) == (None, None, NO_REFUND)
    assert_forbidden(shopper, order, NO_REFUND, act)


def test_mybank_releases_nothing_either(shopper: HostedShopper) -> None:
    order = shopper.go(new_order(terminal="methods"), "MYBANK")
    path = f"/orders/{order.order_id}"
    shopper.gateway.next_reply(path, page_reply(order, "AUTHORIZED"))
    reconcile_after(90)
    order.refresh_from_db()
    assert order.state == OrderState.AUTHORIZED
    assert flows.available(order).void is None
    assert_forbidden(shopper, order, NO_REFUND, flows.void)


@pytest.mark.parametrize("method", ["PAYPAL", "MYBANK"])
def test_no_capture_is_cancelled(shopper: HostedShopper, method: str) -> None:
    order = shopper.go(new_order(terminal="methods"), method)
    path = f"/orders/{order.order_id}"
    reply = page_reply(order, "AUTHORIZED", "EXECUTED")
    body = reply.body.decode().replace(
        f'"operationId": "op-{order.pk}-1", "operationType": "AUTHORIZATION"',
        f'"operationId": "op-{order.pk}-1", "operationType": "CAPTURE"',
    )
    shopper.gateway.next_reply(path, type(reply)(200, body.encode()))
    reconcile_after(90)
    order.refresh_from_db()
    assert (order.state, order.captured_amount) == (OrderState.PAID, 1250)
    [capture] = flows.available(order).captures
    assert (capture.operation.kind, capture.cancel) == ("capture", None)
    assert_forbidden(shopper, order, NO_CANCEL, flows.cancel_capture)


@pytest.fixture
def in_full(shopper: HostedShopper, settings: Any) -> None:
    settings.NEXI_PAYMENTS = with_hosted_terminals(
        METHOD_OVERRIDES={"PAYPAL": {"REFUNDS": "full"}}
    )


@pytest.mark.usefixtures("in_full")
@pytest.mark.parametrize("act", [flows.refund, flows.enqueue_refund])
def test_in_full_only(shopper: HostedShopper, act: Any) -> None:
    order = paid(shopper, "PAYPAL")
    assert flows.available(order).refund_rule == FULL_REFUND
    part = Decimal("12.49")
    assert_forbidden(shopper, order, FULL_REFUND, lambda one: act(one, part))
    act(order, Decimal("12.50"))
    order.refresh_from_db()
    assert (order.state, order.refunded_amount) == (OrderState.REFUNDED, 1250)


@pytest.mark.usefixtures("in_full")
def test_in_full_is_judged_by_the_charge(shopper: HostedShopper) -> None:
    order = paid(shopper, "PAYPAL", "pay_twice")
    one, other = (found.operation for found in flows.available(order).captures)
    assert_forbidden(
        shopper, order, FULL_REFUND, lambda row: flows.refund(row, Decimal(1), one)
    )
    assert flows.refund(order, Decimal("12.50"), one).amount == 1250
    assert flows.refund(order, None, other).amount == 1250
    order.refresh_from_db()
    assert order.state == OrderState.REFUNDED


def test_an_override_allows_what_the_table_forbids(
    shopper: HostedShopper, settings: Any
) -> None:
    order = paid(shopper, "MYBANK")
    settings.NEXI_PAYMENTS = with_hosted_terminals(
        METHOD_OVERRIDES={"MYBANK": {"REFUNDS": "partial"}}
    )
    order.refresh_from_db()
    assert flows.available(order).refund == 1250
    # Nexi's own refusal is an outcome, not an error: two inquiries prove it
    refund = flows.refund(order)
    assert refund.outcome == "in_doubt"
    prove_rejected(order)
    refund.refresh_from_db()
    assert (refund.outcome, order.state) == ("rejected", OrderState.PAID)


def test_cards_on_nexis_page_have_the_rules_of_cards(shopper: HostedShopper) -> None:
    order = shopper.act(shopper.go(new_order(terminal="nexi_only"), "CARDS"))
    assert flows.available(order).refund_rule == ""
    refund = flows.refund(order, Decimal("2.00"))
    assert (refund.outcome, refund.amount) == ("done", 200)
