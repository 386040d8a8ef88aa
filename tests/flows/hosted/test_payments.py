"""Payments on Nexi's hosted page: every ending, with and without a way back."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from nexi_payments import flows
from nexi_payments.enums import OperationKind, OperationOutcome, OrderState, Reason
from nexi_payments.exceptions import OrderNotPayable
from nexi_payments.models import Discrepancy, Operation, PaymentOrder
from nexi_payments.models.hosted_page import HostedPage
from tests.support.hosted import HostedShopper
from tests.support.in_doubt import reconcile_after, time_travel
from tests.support.shopper import new_order

pytestmark = pytest.mark.django_db(transaction=True)

HOUR = 3600.0


def fresh(order: PaymentOrder) -> PaymentOrder:
    return PaymentOrder.objects.get(pk=order.pk)


def facts(order: PaymentOrder) -> tuple[str, str, int, int]:
    order = fresh(order)
    return (
        order.state,
        order.reason,
        order.authorized_amount,
        order.captured_amount,
    )


def events(order: PaymentOrder) -> list[str]:
    return list(order.events.order_by("pk").values_list("kind", flat=True))


def test_a_payment_with_paypal(shopper: HostedShopper) -> None:
    order = shopper.go(new_order(terminal="methods", reference="A-1"))
    assert (order.state, order.method) == (OrderState.AWAITING_HOSTED_PAGE, "PAYPAL")
    assert order.live_reference == "A-1"
    [operation] = Operation.objects.filter(order=order)
    assert (operation.kind, operation.outcome, operation.amount) == (
        OperationKind.HOSTED,
        OperationOutcome.ACCEPTED,
        1250,
    )
    assert order.expires_at > timezone.now() + timedelta(seconds=HOUR - 60)

    order = shopper.act(order)

    assert facts(order) == (OrderState.PAID, "", 1250, 1250)
    assert order.card_brand == "PAYPAL"
    operation.refresh_from_db()
    assert operation.outcome == OperationOutcome.DONE
    assert operation.ledger_id == order.gateway_operation_id != ""
    assert events(order) == ["awaiting_hosted_page", "paid"]
    assert not Discrepancy.objects.exists()
    assert shopper.gateway.charge_count(order.order_id) == 1


def test_tokens_are_kept_as_hashes_only(shopper: HostedShopper) -> None:
    order = shopper.go(new_order(terminal="methods"))
    page = HostedPage.objects.get(order=order)
    for one in (order.token_hash, page.notify_hash, page.security_hash):
        assert len(one) == 64
    assert len({order.token_hash, page.notify_hash, page.security_hash}) == 3
    assert page.shop_terminal == "methods"


@pytest.mark.parametrize(
    ("ending", "reason"),
    [("decline", Reason.DECLINED), ("cancel", Reason.CANCELLED_BY_PAYER)],
)
def test_one_who_comes_back_without_paying(
    shopper: HostedShopper, ending: str, reason: str
) -> None:
    order = shopper.act(shopper.go(new_order(terminal="methods")), ending)
    assert facts(order) == (OrderState.FAILED, reason, 0, 0)
    # the page is still open at Nexi: it is watched
    assert order.next_poll_at is not None
    assert order.live_reference is None


def test_a_declined_try_does_not_end_a_page_that_is_still_open(
    shopper: HostedShopper,
) -> None:
    order = shopper.go(new_order(terminal="methods"))
    shopper.act(order, "decline", comes_back=False)
    reconcile_after(120)
    assert facts(order) == (OrderState.AWAITING_HOSTED_PAGE, "", 0, 0)
    shopper.act(order, "pay", comes_back=False)
    reconcile_after(600)
    assert facts(order) == (OrderState.PAID, "", 1250, 1250)
    assert not Discrepancy.objects.exists()


def test_a_success_after_a_decline_that_had_ended_it(shopper: HostedShopper) -> None:
    order = shopper.act(shopper.go(new_order(terminal="methods")), "decline")
    assert order.state == OrderState.FAILED
    shopper.act(order, "pay")
    reconcile_after(5)  # two returns within two seconds are one question
    assert facts(order) == (OrderState.PAID, Reason.LATE_CHARGE, 1250, 1250)
    assert not Discrepancy.objects.exists()


@pytest.mark.parametrize("ending", ["leave", "close"])
def test_nothing_listed_is_not_unpaid_until_our_own_expiry(
    shopper: HostedShopper, ending: str
) -> None:
    order = shopper.go(new_order(terminal="methods", reference="A-1"))
    order = shopper.act(order, ending)
    assert facts(order) == (OrderState.AWAITING_HOSTED_PAGE, "", 0, 0)
    reconcile_after(HOUR - 30)
    assert fresh(order).state == OrderState.AWAITING_HOSTED_PAGE
    reconcile_after(HOUR + 60)
    assert facts(order) == (OrderState.FAILED, Reason.EXPIRED, 0, 0)
    assert fresh(order).live_reference is None
    [operation] = Operation.objects.filter(order=order)
    assert operation.outcome == OperationOutcome.DECLINED


def test_a_page_that_was_never_opened(shopper: HostedShopper) -> None:
    order = shopper.go(new_order(terminal="methods"))  # Nexi answers 404
    counts = reconcile_after(120)
    assert (counts.inquired, counts.unanswered) == (1, 0)
    assert fresh(order).state == OrderState.AWAITING_HOSTED_PAGE
    reconcile_after(HOUR + 60)
    assert facts(order) == (OrderState.FAILED, Reason.EXPIRED, 0, 0)


def test_without_any_way_back_the_reconciler_suffices(shopper: HostedShopper) -> None:
    order = shopper.go(new_order(terminal="methods"))
    shopper.act(order, comes_back=False)
    assert fresh(order).state == OrderState.AWAITING_HOSTED_PAGE
    reconcile_after(120)
    assert facts(order) == (OrderState.PAID, "", 1250, 1250)
    assert events(order) == ["awaiting_hosted_page", "paid"]


def test_paid_after_our_expiry(shopper: HostedShopper) -> None:
    order = shopper.go(new_order(terminal="methods", reference="A-1"))
    reconcile_after(HOUR + 60)
    assert facts(order)[:2] == (OrderState.FAILED, Reason.EXPIRED)
    shopper.act(order, comes_back=False)
    reconcile_after(3 * HOUR)
    assert facts(order) == (OrderState.PAID, Reason.LATE_CHARGE, 1250, 1250)
    assert fresh(order).live_reference == "A-1"
    assert events(order) == ["awaiting_hosted_page", "failed", "paid"]


def test_paid_long_after_the_watch(shopper: HostedShopper) -> None:
    orders = {
        days: shopper.go(new_order(terminal="methods")) for days in (6.9, 13.5, 29.5)
    }
    unpaid = dict(orders)
    for quarter in range(4 * 31):
        at = quarter / 4
        for days in [one for one in unpaid if one < at]:
            order = unpaid.pop(days)
            assert fresh(order).state == OrderState.FAILED
            with time_travel(days * 86400):
                shopper.act(order, comes_back=False)
        reconcile_after(at * 86400 + HOUR + 60)
    for order in orders.values():
        assert facts(order) == (OrderState.PAID, Reason.LATE_CHARGE, 1250, 1250)


def test_the_watch_ends(shopper: HostedShopper) -> None:
    order = shopper.go(new_order(terminal="methods"))
    asked = 0
    for quarter in range(1, 4 * 40):
        asked += reconcile_after(quarter * 21600).inquired
    order = fresh(order)
    assert (order.state, order.next_poll_at) == (OrderState.FAILED, None)
    assert asked < 60


def test_pending_is_an_answer_of_paypal(shopper: HostedShopper) -> None:
    order = shopper.go(new_order(terminal="methods", reference="A-1"))
    order = shopper.act(order, "pending")
    assert facts(order) == (OrderState.AWAITING_HOSTED_PAGE, "", 0, 0)
    assert order.gateway_pending
    shopper.gateway.pending_seconds = 0
    page = shopper.client.get(order.page_url())
    assert page.status_code == 303  # nothing is offered now
    with pytest.raises(OrderNotPayable):
        flows.start_hosted_payment(order, "PAYPAL")
    reconcile_after(2 * HOUR)  # it does not expire
    assert fresh(order).state in (OrderState.AWAITING_HOSTED_PAGE, OrderState.PAID)
    reconcile_after(4 * HOUR)
    assert facts(order) == (OrderState.PAID, "", 1250, 1250)


def test_a_pending_payment_that_fails(shopper: HostedShopper) -> None:
    order = shopper.go(new_order(terminal="methods"))
    order = shopper.act(order, "pending_fails")
    assert order.gateway_pending
    shopper.gateway.hosted.settle(order.order_id, paid=False)
    reconcile_after(120)
    assert facts(order) == (OrderState.FAILED, Reason.DECLINED, 0, 0)


def test_two_successes_on_one_page(shopper: HostedShopper) -> None:
    order = shopper.go(new_order(terminal="methods"))
    order = shopper.act(order, "pay_twice")
    assert facts(order) == (OrderState.REVIEW, "two_authorizations", 2500, 2500)
    rows = Operation.objects.filter(order=order, outcome=OperationOutcome.DONE)
    assert sorted(rows.values_list("kind", "amount")) == [
        ("hosted", 1250),
        ("payment", 1250),
    ]
    assert len(flows.available(order).captures) == 2


def test_two_keys(shopper: HostedShopper) -> None:
    order = shopper.go(new_order(terminal="two_keys", reference="A-1"))
    assert order.terminal == "opener"
    assert HostedPage.objects.get(order=order).shop_terminal == "two_keys"
    same = new_order(terminal="two_keys", reference="A-1")
    assert same.pk == order.pk
    order = shopper.act(order, "decline")
    retry = shopper.go(order)
    assert (retry.retry_of_id, retry.terminal) == (order.pk, "opener")
    assert HostedPage.objects.get(order=retry).shop_terminal == "two_keys"
    assert facts(shopper.act(retry))[0] == OrderState.PAID


def test_cards_on_nexis_page(shopper: HostedShopper) -> None:
    order = shopper.go(new_order(terminal="nexi_only"), "CARDS")
    order = shopper.act(order)
    assert order.state == OrderState.PAID
    assert order.card_brand == "VISA" or order.card_brand == "MC"
    assert len(order.card_last4) == 4


@pytest.mark.parametrize("ending", ["decline", "cancel"])
def test_the_page_does_not_say_that_nothing_was_charged(
    shopper: HostedShopper, ending: str
) -> None:
    """The shopper may have paid in the other tab a moment ago."""
    order = shopper.act(shopper.go(new_order(terminal="methods")), ending)
    assert order.state == OrderState.FAILED
    result = f"/payments/result/{order.public_id}/"
    for path in (result, order.page_url()):
        page = shopper.client.get(path).content.decode()
        assert "We have not received a payment" in page
        assert "Nothing has been charged" not in page
    shopper.act(order, "pending", comes_back=False)
    flows.reconcile(order)
    assert "being confirmed" in shopper.client.get(result).content.decode()
