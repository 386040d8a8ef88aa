"""One purchase, two ways to pay: two tabs, a card beside PayPal, a phone order."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nexi_payments import flows
from nexi_payments.card import Card
from nexi_payments.enums import OrderState, Reason
from nexi_payments.exceptions import (
    CardsNotAccepted,
    GatewayUnavailable,
    MethodNotOffered,
    OrderNotPayable,
    PaymentBeingConfirmed,
)
from nexi_payments.models import Operation, PaymentOrder
from nexi_payments.simulator import Reply
from tests.support.hosted import HostedShopper, with_hosted_terminals
from tests.support.in_doubt import reconcile_after
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)

CARD = Card("4349940199004549", "0530", "396")


def _reply(status: int, body: dict[str, Any]) -> Reply:
    return Reply(status, json.dumps(body).encode())


def fresh(order: PaymentOrder) -> PaymentOrder:
    return PaymentOrder.objects.get(pk=order.pk)


def charges(shopper: HostedShopper, *orders: PaymentOrder) -> list[int]:
    return [shopper.gateway.charge_count(one.order_id) for one in orders]


def test_another_method_takes_the_place_of_an_unused_page(
    shopper: HostedShopper,
) -> None:
    first = shopper.go(new_order(terminal="methods", reference="A-1"))
    second = shopper.go(first, "BANCOMATPAY")
    assert second.pk != first.pk
    assert (fresh(first).state, fresh(first).reason) == ("failed", Reason.SUPERSEDED)
    assert fresh(first).next_poll_at is not None
    assert shopper.act(second).state == OrderState.PAID
    assert charges(shopper, first, second) == [0, 1]


def test_a_page_that_was_paid_meanwhile_is_found_before_another_is_opened(
    shopper: HostedShopper,
) -> None:
    first = shopper.go(new_order(terminal="methods", reference="A-1"))
    shopper.act(first, comes_back=False)
    response = shopper.choose(first, "BANCOMATPAY")
    assert response.status_code == 303
    assert fresh(first).state == OrderState.PAID
    assert PaymentOrder.objects.count() == 1


def test_without_an_answer_nothing_else_may_be_paid(shopper: HostedShopper) -> None:
    first = shopper.go(new_order(terminal="methods", reference="A-1"))
    shopper.gateway.next_reply(f"/orders/{first.order_id}", _reply(503, {}))
    response = shopper.choose(first, "BANCOMATPAY")
    assert response.status_code == 503
    assert "Please wait a moment" in response.content.decode()
    assert fresh(first).state == OrderState.AWAITING_HOSTED_PAGE
    assert PaymentOrder.objects.count() == 1
    opened = [one for one in shopper.gateway.calls if one.path.endswith("/hpp")]
    assert len(opened) == 1


def test_a_card_beside_a_page_that_is_being_confirmed(shopper: HostedShopper) -> None:
    first = shopper.go(new_order(terminal="methods", reference="A-1"))
    shopper.act(first, "pending", comes_back=False)
    with pytest.raises(PaymentBeingConfirmed) as caught:
        flows.start_payment(fresh(first), CARD, cardholder="Ann Smith")
    assert caught.value.order.pk == first.pk
    assert PaymentOrder.objects.count() == 1
    assert Operation.objects.count() == 1


def test_a_page_paid_while_the_shopper_is_at_the_issuer(
    shopper: HostedShopper, gateway: Any
) -> None:
    page = shopper.go(new_order(terminal="methods", reference="A-1"))
    at_issuer = Shopper(gateway)
    form = at_issuer.start(fresh(page))
    card = PaymentOrder.objects.latest("pk")
    assert fresh(page).reason == Reason.SUPERSEDED
    shopper.act(page, comes_back=False)  # in the other tab

    at_issuer.return_from_issuer(form, at_issuer.answer_challenge(form))

    card = fresh(card)
    assert (card.state, card.reason) == (OrderState.FAILED, Reason.SUPERSEDED)
    assert fresh(page).state == OrderState.PAID
    assert charges(shopper, page, card) == [1, 0]


def test_a_page_that_is_confirmed_while_the_shopper_is_at_the_issuer(
    shopper: HostedShopper, gateway: Any
) -> None:
    page = shopper.go(new_order(terminal="methods", reference="A-1"))
    at_issuer = Shopper(gateway)
    form = at_issuer.start(fresh(page))
    card = PaymentOrder.objects.latest("pk")
    shopper.act(page, "pending", comes_back=False)

    at_issuer.return_from_issuer(form, at_issuer.answer_challenge(form))

    assert fresh(card).state == OrderState.FAILED
    assert charges(shopper, card) == [0]
    gateway.hosted.settle(page.order_id)
    reconcile_after(120)
    assert fresh(page).state == OrderState.PAID


def test_no_answer_about_the_page_while_the_shopper_is_at_the_issuer(
    shopper: HostedShopper, gateway: Any
) -> None:
    page = shopper.go(new_order(terminal="methods", reference="A-1"))
    at_issuer = Shopper(gateway)
    form = at_issuer.start(fresh(page))
    card = PaymentOrder.objects.latest("pk")
    gateway.next_reply(f"/orders/{page.order_id}", _reply(503, {}))

    at_issuer.return_from_issuer(form, at_issuer.answer_challenge(form))

    card = fresh(card)
    assert (card.state, card.reason) == (OrderState.FAILED, Reason.NOT_SENT)
    assert charges(shopper, card) == [0]


def test_both_paid_is_a_duplicate(shopper: HostedShopper) -> None:
    first = shopper.go(new_order(terminal="methods", reference="A-1"))
    second = shopper.go(first, "BANCOMATPAY")
    assert shopper.act(second).state == OrderState.PAID
    shopper.act(first, comes_back=False)
    reconcile_after(120)
    first = fresh(first)
    assert (first.state, first.reason) == (OrderState.REVIEW, Reason.REFERENCE_TAKEN)
    assert first.events.filter(kind="duplicate").count() == 1
    assert flows.available(first).refund == 1250


def test_a_method_that_is_not_offered(shopper: HostedShopper) -> None:
    order = new_order(terminal="two_keys")
    with pytest.raises(MethodNotOffered):
        flows.start_hosted_payment(order, "MYBANK")
    response = shopper.choose(order, "MYBANK")
    assert response.status_code == 400
    assert "This way to pay is not available" in response.content.decode()
    assert fresh(order).state == OrderState.INIT
    assert not Operation.objects.exists()


def test_cards_are_refused_where_they_belong_on_nexis_page(
    shopper: HostedShopper,
) -> None:
    order = new_order(terminal="nexi_only")
    with pytest.raises(CardsNotAccepted):
        flows.start_payment(order, CARD, cardholder="Ann Smith")
    with pytest.raises(CardsNotAccepted):
        flows.verify_card(CARD, terminal="nexi_only")
    page = shopper.client.get(order.page_url()).content.decode()
    assert 'name="card_number"' not in page
    assert 'value="CARDS"' in page
    assert fresh(order).state == OrderState.INIT
    assert not Operation.objects.exists()


def test_a_paid_order_opens_no_page(shopper: HostedShopper) -> None:
    order = shopper.act(shopper.go(new_order(terminal="methods")))
    with pytest.raises(OrderNotPayable):
        flows.start_hosted_payment(order, "PAYPAL")


@pytest.mark.parametrize(
    ("reply", "reason", "watched"),
    [
        (_reply(400, {"errors": [{"code": "GW0001"}]}), Reason.REJECTED, False),
        (_reply(503, {}), Reason.HOSTED_PAGE_UNKNOWN, True),
        (_reply(200, {"securityToken": "x"}), Reason.MISMATCH, True),
        (
            _reply(200, {"hostedPage": "https://evil.example/", "securityToken": "x"}),
            Reason.UNSAFE_HOSTED_PAGE_URL,
            True,
        ),
    ],
)
def test_a_page_that_was_not_opened(
    shopper: HostedShopper, reply: Reply, reason: str, watched: bool
) -> None:
    order = new_order(terminal="methods", reference="A-1")
    flows.payment_methods(order)
    shopper.gateway.next_reply("/orders/hpp", reply)
    step = flows.start_hosted_payment(order, "PAYPAL")
    assert step.redirect_to == ""
    order = fresh(order)
    assert (order.state, order.reason) == (OrderState.FAILED, reason)
    assert order.live_reference is None
    assert (order.next_poll_at is not None) == watched
    assert "evil.example" not in str(list(Operation.objects.values()))
    # the next attempt has an order id of its own
    retry = shopper.go(order)
    assert retry.order_id != order.order_id


def test_an_earlier_page_without_an_answer_is_an_error_of_the_verb(
    shopper: HostedShopper, settings: Any
) -> None:
    settings.NEXI_PAYMENTS = with_hosted_terminals()
    first = shopper.go(new_order(terminal="methods"))
    shopper.gateway.next_reply(f"/orders/{first.order_id}", _reply(503, {}))
    with pytest.raises(GatewayUnavailable):
        flows.start_hosted_payment(fresh(first), "PAYPAL")
    assert PaymentOrder.objects.count() == 1
