"""A payment that is not paid can be cancelled: nothing is charged for it any more."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import transaction
from django.utils import timezone

from nexi_payments import flows, signals
from nexi_payments.card import Card
from nexi_payments.enums import Channel, ContractState, OrderState, Reason
from nexi_payments.exceptions import (
    AlreadyCharged,
    CardDataNotAllowed,
    InvalidState,
    OrderBusy,
    OrderNotPayable,
)
from nexi_payments.models import PaymentOrder
from nexi_payments.models.sealed_card import SealedCard
from nexi_payments.simulator import Reply, Simulator
from tests.support.in_doubt import payment_in_doubt
from tests.support.shopper import CARDS, Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)

CANCELLED = (OrderState.FAILED, Reason.CANCELLED, None)


@pytest.fixture
def heard() -> Iterator[list[tuple[str, str, int]]]:
    """Kind, reason and order of each event that receivers get."""
    events: list[tuple[str, str, int]] = []

    def ear(sender: Any, order: PaymentOrder, event: Any, **kwargs: Any) -> None:
        events.append((event.kind, event.reason, order.pk))

    for signal in signals.SIGNAL_BY_EVENT_KIND.values():
        signal.connect(ear, weak=False)
    yield events
    for signal in signals.SIGNAL_BY_EVENT_KIND.values():
        signal.disconnect(ear)


def now(order: PaymentOrder) -> tuple[str, str, str | None]:
    order.refresh_from_db()
    return order.state, order.reason, order.live_reference


def at_the_issuer(shopper: Shopper, **facts: Any) -> tuple[PaymentOrder, Any]:
    form = shopper.start(new_order(**facts))
    return PaymentOrder.objects.get(gateway_operation_id=form.operation_id), form


def row(order: PaymentOrder) -> dict[str, Any]:
    return PaymentOrder.objects.filter(pk=order.pk).values().get()


# -- what it does ----------------------------------------------------------------------


def test_before_a_card_was_entered(
    gateway: Simulator, heard: list[tuple[str, str, int]]
) -> None:
    order = new_order(reference="R-1")
    boss = get_user_model().objects.create_user("boss")
    actor = flows.Actor(user=boss, address="192.0.2.7")
    assert flows.cancel(order, "out of stock", actor=actor) is order
    assert (order.state, order.reason, order.live_reference) == CANCELLED
    assert order.cancelled_at is not None
    # nothing was sent: no inquiry
    assert (order.next_poll_at, order.watch_until) == (None, None)
    assert not order.accepts_card
    event = order.events.get()
    assert (event.kind, event.from_state, event.reason) == (
        "failed",
        "init",
        "cancelled",
    )
    assert (event.note, event.actor, event.address) == (
        "out of stock",
        boss,
        "192.0.2.7",
    )
    assert heard == [("failed", "cancelled", order.pk)]
    assert gateway.calls == ()
    again = new_order(reference="R-1")
    assert (again.pk != order.pk, again.state) == (True, OrderState.INIT)


def test_at_the_issuer_the_card_is_shredded_and_the_return_charges_nothing(
    shopper: Shopper, gateway: Simulator, heard: list[tuple[str, str, int]]
) -> None:
    order, form = at_the_issuer(shopper, reference="R-1")
    assert SealedCard.objects.count() == 1
    flows.cancel(order)
    assert now(order) == CANCELLED
    assert not SealedCard.objects.exists()
    assert heard == [("failed", "cancelled", order.pk)]
    before = row(order)
    answer = shopper.return_from_issuer(form, shopper.answer_challenge(form))
    assert answer["Location"] == f"/payments/result/{order.public_id}/"
    assert row(order) == before
    assert (gateway.count("/validation"), gateway.charge_count(order.order_id)) == (
        0,
        0,
    )


def test_twice_is_once(heard: list[tuple[str, str, int]]) -> None:
    order = new_order()
    flows.cancel(order)
    before = row(order)
    flows.cancel(order, "again")
    flows.cancel(PaymentOrder.objects.get(pk=order.pk))
    assert row(order) == before
    assert len(heard) == 1


def test_a_phone_order(gateway: Simulator) -> None:
    order = new_order(terminal="moto", customer={"name": "Giulia"})
    stale = PaymentOrder.objects.get(pk=order.pk)
    flows.cancel(order)
    assert now(order) == CANCELLED
    card = Card(CARDS["challenge"].number, "1230")
    for one, error in ((order, OrderNotPayable), (stale, OrderBusy)):
        with pytest.raises(error):
            flows.pay_moto(one, card)
    with pytest.raises(InvalidState):
        flows.offer_link(order)
    assert gateway.calls == ()


def test_a_card_that_was_to_be_saved_is_not() -> None:
    order = new_order(contract=flows.ContractTerms("Coffee"))
    flows.cancel(order)
    order.contract.refresh_from_db()
    assert order.contract.state == ContractState.NOT_MADE


def test_in_the_transaction_of_the_shop(heard: list[tuple[str, str, int]]) -> None:
    order = new_order(reference="R-1")

    def shop() -> None:
        with transaction.atomic():
            flows.cancel(order)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        shop()
    assert heard == []
    assert now(order) == (OrderState.INIT, "", "R-1")
    with transaction.atomic():
        flows.cancel(order)
        assert heard == []
    assert now(order) == CANCELLED
    assert heard == [("failed", "cancelled", order.pk)]


def test_a_reason_is_no_place_for_a_card() -> None:
    order = new_order()
    with pytest.raises(CardDataNotAllowed):
        flows.cancel(order, CARDS["challenge"].number)
    assert now(order)[0] == OrderState.INIT


# -- which attempts --------------------------------------------------------------------


def test_the_attempt_with_another_card_is_cancelled_too(
    shopper: Shopper, gateway: Simulator, heard: list[tuple[str, str, int]]
) -> None:
    """The shop knows the first attempt; the shopper has made the second one."""
    first = shopper.pay(new_order(reference="R-1"), "declined")
    form = shopper.start(first)
    second = PaymentOrder.objects.get(gateway_operation_id=form.operation_id)
    heard.clear()
    flows.cancel(first, "gone")
    assert now(second) == CANCELLED
    assert now(first) == (OrderState.FAILED, Reason.DECLINED, None)
    assert first.cancelled_at is not None
    assert not first.accepts_card
    # payment_failed was sent for the first one, when it failed
    assert heard == [("failed", "cancelled", second.pk)]
    last = first.events.latest("pk")
    assert (last.kind, last.note, last.deliver_at) == ("cancelled", "gone", None)
    for order in (first, second):
        with pytest.raises(OrderNotPayable):
            flows.start_payment(order, Card(CARDS["challenge"].number, "1230"))
    shopper.return_from_issuer(form, shopper.answer_challenge(form))
    assert gateway.charge_count(second.order_id) == 0
    assert PaymentOrder.objects.count() == 2


@pytest.mark.parametrize("reference", ["R-1", None])
def test_a_failed_attempt_alone_is_closed(
    shopper: Shopper, reference: str | None
) -> None:
    order = shopper.pay(new_order(reference=reference), "declined")
    flows.cancel(order)
    assert now(order) == (OrderState.FAILED, Reason.DECLINED, None)
    answer = shopper.submit_card(order)
    assert answer["Location"] == f"/payments/result/{order.public_id}/"
    assert PaymentOrder.objects.count() == 1


def test_the_page_of_an_earlier_attempt_is_closed_too(shopper: Shopper) -> None:
    earlier = shopper.pay(new_order(reference="R-1"), "declined")
    order = new_order(reference="R-1")
    assert order.pk != earlier.pk
    flows.cancel(order)
    assert now(order) == CANCELLED
    earlier.refresh_from_db()
    assert not earlier.accepts_card


def test_what_a_shopper_made_on_an_earlier_page_is_cancelled_too(
    shopper: Shopper,
) -> None:
    earlier = shopper.pay(new_order(reference="R-1"), "declined")
    order = shopper.pay(new_order(reference="R-1"), "declined")
    form = shopper.start(earlier)
    made = PaymentOrder.objects.get(gateway_operation_id=form.operation_id)
    assert (made.retry_of, made.state) == (earlier, OrderState.AWAITING_3DS)
    flows.cancel(order)
    assert now(made) == CANCELLED


def test_the_newest_attempt_closes_all_before_it(shopper: Shopper) -> None:
    """Also one that the shop created, when the newest was made on an older page."""
    earlier = shopper.pay(new_order(reference="R-1"), "declined")
    later = shopper.pay(new_order(reference="R-1"), "declined")
    form = shopper.start(earlier)
    flows.cancel(PaymentOrder.objects.get(gateway_operation_id=form.operation_id))
    for one in (earlier, later):
        one.refresh_from_db()
        assert not one.accepts_card


def test_what_the_shop_created_later_is_another_payment(shopper: Shopper) -> None:
    old = new_order(reference="R-1")
    new = new_order(reference="R-1", amount=Decimal("15.00"))
    other = new_order(reference="R-2")
    flows.cancel(old)
    assert now(old) == (OrderState.FAILED, Reason.SUPERSEDED, None)
    assert old.cancelled_at is not None
    assert now(new) == (OrderState.INIT, "", "R-1")
    assert now(other)[0] == OrderState.INIT
    assert shopper.pay(new).state == OrderState.PAID


# -- what refuses it -------------------------------------------------------------------


def test_while_it_is_being_paid(shopper: Shopper) -> None:
    order = payment_in_doubt(shopper, reference="R-1")
    before, events = row(order), order.events.count()
    with pytest.raises(OrderBusy) as caught:
        flows.cancel(order)
    assert caught.value.order == order
    assert (row(order), order.events.count()) == (before, events)


@pytest.mark.parametrize("state", [OrderState.AWAITING_3DS, OrderState.VALIDATED])
def test_while_a_return_is_handled(shopper: Shopper, state: str) -> None:
    order, _ = at_the_issuer(shopper)
    changes = {"claimed_at": timezone.now(), "state": state}
    PaymentOrder.objects.filter(pk=order.pk).update(**changes)
    before = row(order)
    with pytest.raises(OrderBusy):
        flows.cancel(order)
    assert row(order) == before
    assert SealedCard.objects.count() == 1


@pytest.mark.parametrize(
    ("terminal", "state"),
    [("default", OrderState.PAID), ("manual", OrderState.AUTHORIZED)],
)
def test_money_is_voided_or_refunded_instead(
    shopper: Shopper, terminal: str, state: str
) -> None:
    order = shopper.pay(new_order(terminal=terminal, reference="R-1"))
    before = row(order)
    with pytest.raises(AlreadyCharged, match="void or refund it instead"):
        flows.cancel(order)
    assert (before["state"], row(order)) == (state, before)
    # with another card, after a first one
    first = shopper.pay(new_order(reference="R-2", terminal=terminal), "declined")
    paid = shopper.pay(first)
    with pytest.raises(AlreadyCharged) as caught:
        flows.cancel(first)
    assert caught.value.order == paid
    first.refresh_from_db()
    assert first.cancelled_at is None


@pytest.mark.parametrize("give_back", [flows.refund, flows.void])
def test_money_that_was_given_back_is_no_open_payment(
    shopper: Shopper, give_back: Any
) -> None:
    terminal = "default" if give_back is flows.refund else "manual"
    order = shopper.pay(new_order(terminal=terminal), "frictionless")
    give_back(order)
    before = row(order)
    with pytest.raises(InvalidState):
        flows.cancel(order)
    assert row(order) == before


def test_under_review(shopper: Shopper, gateway: Simulator) -> None:
    order, form = at_the_issuer(shopper)
    gateway.next_reply("/payment", Reply(200, b'{"operation": {"orderId": "ANOTHER"}}'))
    shopper.return_from_issuer(form, shopper.answer_challenge(form))
    assert now(order)[0] == OrderState.REVIEW
    before = row(order)
    with pytest.raises(AlreadyCharged):
        flows.cancel(order)
    assert row(order) == before


def test_a_recurring_charge_is_ended_by_its_contract() -> None:
    order = new_order()
    PaymentOrder.objects.filter(pk=order.pk).update(channel=Channel.MIT)
    with pytest.raises(InvalidState):
        flows.cancel(order)
    assert now(order)[0] == OrderState.INIT


# -- availability ----------------------------------------------------------------------


def test_what_may_be_cancelled(shopper: Shopper) -> None:
    order, _ = at_the_issuer(shopper, reference="R-1")
    assert flows.available(order).cancel is True
    flows.cancel(order)
    assert flows.available(order).cancel is False
    assert flows.available(new_order()).cancel is True
    declined = shopper.pay(new_order(reference="R-2"), "declined")
    assert flows.available(declined).cancel is True
    paid = shopper.pay(declined)
    for one in (declined, paid, payment_in_doubt(shopper)):
        assert flows.available(one).cancel is False
