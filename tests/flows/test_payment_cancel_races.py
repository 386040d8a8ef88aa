"""A cancel while a request is under way, and money that comes after it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.utils import timezone

from nexi_payments import flows
from nexi_payments.card import Card
from nexi_payments.enums import DiscrepancyKind, EventKind, OrderState, Reason
from nexi_payments.exceptions import OrderBusy, OrderNotPayable
from nexi_payments.flows.orders import attempts
from nexi_payments.models import PaymentOrder
from nexi_payments.models.sealed_card import SealedCard
from nexi_payments.simulator import Reply, Simulator
from tests.flows.test_payment_cancel import CANCELLED, at_the_issuer, heard, now
from tests.support.in_doubt import (
    DAY,
    HOUR,
    LAG,
    SETTLE,
    charge_at_gateway,
    payment_in_doubt,
    prove_absent,
    reconcile_after,
    time_travel,
)
from tests.support.shopper import CARDS, Shopper, new_order

assert heard  # the fixture

pytestmark = pytest.mark.django_db(transaction=True)


def during(gateway: Simulator, path_part: str, act: Any) -> None:
    """``act`` runs when the next request to ``path_part`` has arrived at Nexi."""
    handle = gateway.handle

    def acting(method: str, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        if path_part in url:
            gateway.handle = handle  # type: ignore[method-assign]
            act()
        return handle(method, url, headers, body)

    gateway.handle = acting  # type: ignore[method-assign]


def test_while_3ds_is_started(shopper: Shopper, gateway: Simulator) -> None:
    order = new_order(reference="R-1")
    during(gateway, "/3steps/init", lambda: flows.cancel(order))
    answer = shopper.submit_card(order)
    assert answer["Location"] == f"/payments/result/{order.public_id}/"
    assert now(order) == CANCELLED
    assert not SealedCard.objects.exists()
    assert order.watch_until is not None  # Nexi may know it
    assert gateway.charge_count(order.order_id) == 0


@pytest.mark.parametrize("path_part", ["/validation", "/3steps/payment"])
def test_while_the_return_is_handled(
    shopper: Shopper, gateway: Simulator, path_part: str
) -> None:
    order, form = at_the_issuer(shopper, reference="R-1")
    refused: list[type[Exception]] = []

    def cancel() -> None:
        try:
            flows.cancel(PaymentOrder.objects.get(pk=order.pk))
        except OrderBusy as error:
            refused.append(type(error))

    during(gateway, path_part, cancel)
    shopper.return_from_issuer(form, shopper.answer_challenge(form))
    assert refused == [OrderBusy]
    assert now(order) == (OrderState.PAID, "", "R-1")
    assert (order.cancelled_at, gateway.charge_count(order.order_id)) == (None, 1)


def test_a_claim_between_its_statements(shopper: Shopper) -> None:
    """The return is claimed after the cancel has read the order: it begins anew."""
    order, _ = at_the_issuer(shopper)
    claims = 0

    def claim_first(
        execute: Any, sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        nonlocal claims
        if sql.startswith("UPDATE") and "cancelled_at" in sql and not claims:
            claims += 1
            rows = PaymentOrder.objects.filter(pk=order.pk)
            rows.update(claimed_at=timezone.now(), version=F("version") + 1)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(claim_first):
        flows.cancel(order)
    assert claims == 1
    # the transaction that the claim stood in was rolled back, with it
    assert now(order) == CANCELLED
    assert order.claimed_at is None


def test_a_card_posted_to_a_page_that_was_loaded_before(shopper: Shopper) -> None:
    """The request has read the order when it is cancelled."""
    failed = shopper.pay(new_order(reference="R-1"), "declined")
    fresh = new_order(reference="R-2")
    stale = [PaymentOrder.objects.get(pk=one.pk) for one in (failed, fresh)]
    flows.cancel(failed)
    flows.cancel(fresh)
    card = Card(CARDS["challenge"].number, "1230")
    with pytest.raises(OrderNotPayable) as caught:
        flows.start_payment(stale[0], card)
    assert caught.value.order.cancelled_at is not None
    with pytest.raises(OrderBusy):
        flows.start_payment(stale[1], card)
    assert PaymentOrder.objects.count() == 2
    with pytest.raises(OrderNotPayable):
        attempts.create_attempt(PaymentOrder.objects.get(pk=fresh.pk))


# -- late money ------------------------------------------------------------------------


def test_an_attempt_that_nexi_knows_is_watched(
    shopper: Shopper, gateway: Simulator
) -> None:
    order, _ = at_the_issuer(shopper)
    flows.cancel(order)
    cancelled_at = order.cancelled_at
    assert cancelled_at is not None
    assert order.watch_until == cancelled_at + timedelta(seconds=3 * DAY)
    assert order.next_poll_at is not None
    assert order.next_poll_at - cancelled_at == timedelta(seconds=SETTLE)
    assert order.charging_since is None
    asked = gateway.count("GET /orders/{id}")
    reconcile_after(SETTLE + LAG)
    assert now(order) == CANCELLED
    assert order.next_poll_at == order.watch_until
    reconcile_after(3 * DAY + LAG)
    assert gateway.count("GET /orders/{id}") == asked + 2
    assert now(order) == CANCELLED
    assert order.next_poll_at is None


def test_a_late_charge_is_a_duplicate_and_is_refunded(
    shopper: Shopper, gateway: Simulator, heard: list[tuple[str, str, int]]
) -> None:
    order = payment_in_doubt(shopper, reference="L")
    prove_absent(order)
    flows.cancel(order)
    assert now(order) == (OrderState.FAILED, Reason.UNCONFIRMED, None)
    heard.clear()
    charge_at_gateway(gateway, order)
    with time_travel(HOUR):
        flows.reconcile(order)
    assert now(order) == (OrderState.REVIEW, Reason.CHARGED_AFTER_CANCEL, None)
    assert [kind for kind, _, _ in heard] == [EventKind.REVIEW, EventKind.DUPLICATE]
    found = order.discrepancies.get()
    assert found.kind == DiscrepancyKind.CHARGED_AFTER_CANCEL
    assert found.ours == f"cancelled {order.cancelled_at:%Y-%m-%d %H:%M} UTC"
    assert flows.available(order).refund == 1250
    with time_travel(2 * HOUR):
        flows.refund(order)
        flows.reconcile(order)
    assert now(order) == (OrderState.REFUNDED, "", None)
    assert gateway.charge_count(order.order_id) == 1


def test_a_charge_that_was_never_sent_is_a_duplicate_too(
    shopper: Shopper, gateway: Simulator
) -> None:
    order, _ = at_the_issuer(shopper)
    flows.cancel(order)
    charge_at_gateway(gateway, order)
    reconcile_after(SETTLE + LAG)
    assert now(order) == (OrderState.REVIEW, Reason.CHARGED_AFTER_CANCEL, None)
    assert {one.kind for one in order.discrepancies.all()} == {
        DiscrepancyKind.UNEXPECTED_CHARGE,
        DiscrepancyKind.CHARGED_AFTER_CANCEL,
    }
    assert flows.available(order).refund == 1250


def test_a_new_payment_of_the_reference_is_not_touched_by_it(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = payment_in_doubt(shopper, reference="L")
    prove_absent(order)
    flows.cancel(order)
    again = new_order(reference="L")
    charge_at_gateway(gateway, order)
    with time_travel(HOUR):
        flows.reconcile(order)
    assert now(order)[:2] == (OrderState.REVIEW, Reason.CHARGED_AFTER_CANCEL)
    assert now(again) == (OrderState.INIT, "", "L")


def test_what_a_person_decides_later_opens_no_page(
    shopper: Shopper, gateway: Simulator
) -> None:
    """An earlier attempt is under review when the shop cancels."""
    earlier = payment_in_doubt(shopper, reference="L")
    prove_absent(earlier)
    paid = shopper.pay(new_order(reference="L"), "frictionless")
    charge_at_gateway(gateway, earlier)
    with time_travel(HOUR):
        flows.reconcile(earlier)
        flows.refund(paid)
        assert now(earlier) == (OrderState.REVIEW, Reason.REFERENCE_TAKEN, None)
        flows.cancel(new_order(reference="L"))
    assert now(earlier)[0] == OrderState.REVIEW
    assert earlier.cancelled_at is not None
    assert flows.available(earlier).refund == 1250
