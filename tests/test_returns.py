"""The return from the bank: forged, replayed, crossed, empty, late, many at once."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from nexi_payments import flows, states
from nexi_payments.models import Event, Hold, Operation, PaymentOrder
from nexi_payments.simulator import Reply, Simulator
from nexi_payments.states import Reason
from tests.shopper import Form, Shopper, form_on, new_order

pytestmark = pytest.mark.django_db(transaction=True)


PAYMENT = "POST /orders/3steps/payment"


VALIDATION = "POST /orders/3steps/validation"


def picture() -> tuple[Any, ...]:
    """All that a denied request must leave as it was."""
    return (
        list(PaymentOrder.objects.order_by("pk").values()),
        list(Operation.objects.order_by("pk").values()),
        Event.objects.count(),
        list(Hold.objects.values_list("pk", flat=True)),
    )


def test_a_forged_return_charges_nothing(shopper: Shopper, gateway: Simulator) -> None:
    order = new_order()
    form = shopper.start(order)
    response = shopper.come_back(form, {"PaRes": "forged", "paymentId": ""})
    assert response.status_code == 303
    order.refresh_from_db()
    assert (order.state, order.reason) == (states.FAILED, Reason.NOT_AUTHENTICATED)
    assert gateway.counts[PAYMENT] == 0
    assert gateway.charges(order.order_id) == 0


def test_a_wrong_token_changes_nothing(shopper: Shopper, gateway: Simulator) -> None:
    order = new_order()
    form = shopper.start(order)
    before, calls = picture(), sum(gateway.counts.values())
    response = Client(HTTP_HOST="127.0.0.1:8000").post(
        f"/payments/return/{order.public_id}/wrong/", shopper.answer(form)
    )
    assert response.status_code == 303
    assert response["Location"] == f"/payments/result/{order.public_id}/"
    assert picture() == before
    assert sum(gateway.counts.values()) == calls


def test_a_foreign_payment_id_claims_nothing_and_keeps_the_hold(
    shopper: Shopper, gateway: Simulator
) -> None:
    cheap, dear = new_order(), new_order(reference="dear")
    cheap_form, dear_form = shopper.start(cheap), shopper.start(dear)
    before, calls = picture(), sum(gateway.counts.values())
    crossed = shopper.answer(cheap_form)
    response = shopper.come_back(dear_form, crossed)
    assert response.status_code == 303
    assert picture() == before
    assert sum(gateway.counts.values()) == calls
    # and the right answer still pays
    shopper.come_back(dear_form, shopper.answer(dear_form))
    dear.refresh_from_db()
    assert dear.state == states.PAID


def test_a_foreign_pares_with_our_payment_id_is_not_authenticated(
    shopper: Shopper, gateway: Simulator
) -> None:
    cheap, dear = new_order(), new_order(reference="dear")
    cheap_form, dear_form = shopper.start(cheap), shopper.start(dear)
    stolen = shopper.answer(cheap_form)["PaRes"]
    ours = dear_form.fields["transactionId"]
    shopper.come_back(dear_form, {"PaRes": stolen, "paymentId": ours})
    dear.refresh_from_db()
    assert (dear.state, dear.reason) == (states.FAILED, Reason.NOT_AUTHENTICATED)
    assert gateway.counts[PAYMENT] == 0


def test_a_missing_payment_id_goes_on_with_ours(shopper: Shopper) -> None:
    order = new_order()
    form = shopper.start(order)
    fields = shopper.answer(form)
    del fields["paymentId"]
    shopper.come_back(form, fields)
    order.refresh_from_db()
    assert order.state == states.PAID


def test_a_replayed_return_changes_nothing(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = new_order()
    form = shopper.start(order)
    fields = shopper.answer(form)
    shopper.come_back(form, fields)
    before, calls = picture(), sum(gateway.counts.values())
    for _ in range(5):
        response = shopper.come_back(form, fields)
        assert response["Location"] == f"/payments/result/{order.public_id}/"
    assert picture() == before
    assert sum(gateway.counts.values()) == calls


@pytest.mark.parametrize("terminal", ["default", "two"])
def test_fifty_returns_at_once_charge_once(
    shopper: Shopper, gateway: Simulator, terminal: str
) -> None:
    order = new_order(terminal=terminal)
    form = shopper.start(order)
    fields = shopper.answer(form)
    start = threading.Barrier(50)
    statuses: list[int] = []

    def come_back() -> None:
        start.wait()
        try:
            statuses.append(shopper.come_back(form, fields).status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=come_back) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [303] * 50
    assert gateway.counts[f"POST /orders/{order.flow}/payment"] == 1
    assert gateway.counts[VALIDATION] == (1 if terminal == "default" else 0)
    order.refresh_from_db()
    assert order.state == states.PAID
    assert order.operations.filter(kind=states.PAYMENT).count() == 1
    assert order.events.filter(to_state=states.PAID).count() == 1


def test_a_get_with_pares_is_posted_again(shopper: Shopper, gateway: Simulator) -> None:
    order = new_order()
    form = shopper.start(order)
    fields = shopper.answer(form)
    calls = sum(gateway.counts.values())
    response = Client(HTTP_HOST="127.0.0.1:8000").get(form.path, fields)
    assert response.status_code == 200
    assert response["Cache-Control"] == "no-store"
    assert sum(gateway.counts.values()) == calls
    page = response.content.decode()
    assert "csrf" not in page
    assert f'action="{form.path}"' in page
    again = form_on(response)
    assert again.fields == fields
    shopper.come_back(form, again.fields)
    order.refresh_from_db()
    assert order.state == states.PAID


@pytest.mark.parametrize("query", [{}, {"paymentId": "1"}, {"PaRes": "x" * 70_000}])
def test_any_other_get_only_shows(
    shopper: Shopper, gateway: Simulator, query: dict[str, str]
) -> None:
    order = new_order()
    form = shopper.start(order)
    before = picture()
    response = Client(HTTP_HOST="127.0.0.1:8000").get(form.path, query)
    assert response.status_code == 303
    assert picture() == before


def test_an_oversized_pares_is_ignored(shopper: Shopper, gateway: Simulator) -> None:
    form = shopper.start(new_order())
    before = picture()
    assert shopper.come_back(form, {"PaRes": "x" * 65_537}).status_code == 303
    assert picture() == before


@pytest.mark.parametrize("terminal", ["default", "two"])
def test_a_return_after_the_hold_has_expired(
    shopper: Shopper, gateway: Simulator, terminal: str
) -> None:
    order = new_order(terminal=terminal)
    form = shopper.start(order)
    fields = shopper.answer(form)
    Hold.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    calls = sum(gateway.counts.values())
    shopper.come_back(form, fields)
    order.refresh_from_db()
    assert (order.state, order.reason) == (states.FAILED, Reason.CARD_EXPIRED)
    assert sum(gateway.counts.values()) == calls
    assert order.charging_since is None
    assert not Hold.objects.exists()


def test_a_return_after_the_hold_was_purged(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = new_order()
    form = shopper.start(order)
    Hold.objects.all().delete()
    shopper.come_back(form, shopper.answer(form))
    order.refresh_from_db()
    assert (order.state, order.reason) == (states.FAILED, Reason.CARD_EXPIRED)


def test_an_empty_return_while_the_gateway_is_silent_changes_no_state(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = new_order()
    form = shopper.start(order)
    gateway.next_reply("/orders/", Reply(503, b"down"))
    shopper.come_back(form, {})
    order.refresh_from_db()
    assert order.state == states.AWAITING_3DS
    assert Hold.objects.filter(order=order).exists()


def test_an_empty_return_of_an_order_that_was_charged_is_reviewed(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = new_order()
    form = shopper.start(order)
    order.refresh_from_db()
    with gateway.store.edit(order.gateway_operation_id) as record:
        assert record is not None
        record.update(result="EXECUTED", charged_at="now", code="000")
    shopper.come_back(form, {})
    order.refresh_from_db()
    assert (order.state, order.reason) == (states.REVIEW, Reason.UNEXPECTED_CHARGE)
    assert order.breaks.count() == 1
    assert not Hold.objects.exists()


def test_the_return_sets_no_cookie_and_needs_none(shopper: Shopper) -> None:
    form = shopper.start(new_order())
    response = shopper.come_back(form, shopper.answer(form))
    assert not response.cookies
    assert response["Referrer-Policy"] == "no-referrer"
    assert response["Cache-Control"] == "no-store"


def test_the_flow_itself_checks_the_token(
    order: PaymentOrder, shopper: Shopper
) -> None:
    form: Form = shopper.start(order)
    order.refresh_from_db()
    before = picture()
    flows.resume_payment(order, "wrong", pares="x")
    assert picture() == before
    assert form.path
