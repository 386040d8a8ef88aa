"""What a shopper sees of a payment that the shop has cancelled."""

from __future__ import annotations

from typing import Any

import pytest

from nexi_payments import flows
from nexi_payments.enums import OrderState
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import Simulator
from nexi_payments.web import payment_links
from tests.support.clerk import Clerk, order_from_redirect, result_url
from tests.support.in_doubt import DAY, time_travel
from tests.support.shopper import SITE, Shopper, new_order

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.seen_on("sqlite", "postgresql"),
]

TEXT = "This payment was cancelled by the shop. You have not been charged."


def result_of(order: PaymentOrder) -> str:
    return f"/payments/result/{order.public_id}/"


def read(shopper: Shopper, path: str) -> str:
    page = shopper.get(path)
    assert page.status_code == 200
    return str(page.content.decode())


def assert_cancelled(shopper: Shopper, order: PaymentOrder, back: str = "") -> None:
    """The result page says so, leads back to the shop, and offers no other card."""
    page = read(shopper, result_of(order))
    assert TEXT in page
    assert "Payment cancelled" in page
    assert order.page_url() not in page
    assert (f'href="{back}">Back to the shop</a>' in page) is bool(back)


def test_the_card_page_leads_to_the_notice(shopper: Shopper) -> None:
    order = new_order(failure_url="/basket/")
    flows.cancel(order)
    answer = shopper.get(order.page_url())
    assert (answer.status_code, answer["Location"]) == (303, result_of(order))
    assert_cancelled(shopper, order, "/basket/")
    status = shopper.get(f"/payments/status/{order.public_id}/").json()
    assert status == {
        "state": "failed",
        "final": True,
        "message": "Payment cancelled",
        "next": result_of(order),
    }


def test_a_card_that_is_posted_after_it_is_not_used(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = new_order()
    flows.cancel(order)
    answer = shopper.submit_card(order)
    assert (answer.status_code, answer["Location"]) == (303, result_of(order))
    assert_cancelled(shopper, order)
    assert gateway.calls == ()
    assert not order.operations.exists()


def test_a_return_from_the_issuer_after_it(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = new_order(failure_url="/basket/")
    form = shopper.start(order)
    waiting = read(shopper, result_of(order))
    assert TEXT not in waiting
    flows.cancel(order)
    answer = shopper.return_from_issuer(form, shopper.answer_challenge(form))
    assert (answer.status_code, answer["Location"]) == (303, result_of(order))
    assert_cancelled(shopper, order, "/basket/")
    assert gateway.charge_count(order.order_id) == 0
    assert gateway.count("/validation") == 0


@pytest.mark.parametrize("ending", ["declined", "challenge"])
def test_an_attempt_that_had_failed_before(
    shopper: Shopper, gateway: Simulator, ending: str
) -> None:
    """Neither its own page nor that of the attempt after it takes a card."""
    order = shopper.pay(new_order(reference="R-1"), "declined")
    shopper.start(order, ending) if ending == "challenge" else shopper.pay(
        order, ending
    )
    flows.cancel(order)
    before = gateway.calls
    for one in PaymentOrder.objects.all():
        for answer in (shopper.get(one.page_url()), shopper.submit_card(one)):
            assert (answer.status_code, answer["Location"]) == (303, result_of(one))
        assert_cancelled(shopper, one)
    assert gateway.calls == before
    assert PaymentOrder.objects.count() == 2


@pytest.fixture
def linked(gateway: Simulator) -> PaymentOrder:
    clerk = Clerk("take_moto", "view_paymentorder")
    order = order_from_redirect(clerk.create_order(link="1"))
    flows.cancel(order)
    page = clerk.get_text(result_url(order))
    assert "Cancelled before it was paid" in page
    assert "readonly value=" not in page  # the link is not offered any more
    return order


@pytest.mark.parametrize("days", [0, 2])
def test_its_secure_link(shopper: Shopper, linked: PaymentOrder, days: int) -> None:
    link = payment_links.build_url(linked, SITE).removeprefix(SITE)
    with time_travel(days * DAY):
        answer = shopper.get(link)
        assert (answer.status_code, answer["Location"]) == (303, result_of(linked))
        assert_cancelled(shopper, linked)


def test_a_phone_order_takes_no_other_card(gateway: Simulator) -> None:
    clerk = Clerk("take_moto", "view_paymentorder")
    order = clerk.take_phone_order("declined")
    assert order.state == OrderState.FAILED
    flows.cancel(order)
    page = clerk.get_text(result_url(order))
    assert "/retry/" not in page
    answer: Any = clerk.post(f"{result_url(order)}retry/")
    assert answer["Location"] == result_url(order)
    assert PaymentOrder.objects.count() == 1
