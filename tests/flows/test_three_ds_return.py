"""Returns from 3-D Secure: forged, replayed, crossed, empty, late, concurrent."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from nexi_payments import flows
from nexi_payments.enums import OperationKind, OrderState, Reason
from nexi_payments.models import Event, Operation, PaymentOrder
from nexi_payments.models.sealed_card import SealedCard
from nexi_payments.simulator import Reply, Simulator
from tests.support.shopper import Form, Shopper, new_order, parse_form

pytestmark = pytest.mark.django_db(transaction=True)


PAYMENT = "POST /orders/3steps/payment"


VALIDATION = "POST /orders/3steps/validation"


def picture() -> tuple[Any, ...]:
    """Everything that a denied request must not change."""
    return (
        list(PaymentOrder.objects.order_by("pk").values()),
        list(Operation.objects.order_by("pk").values()),
        Event.objects.count(),
        list(SealedCard.objects.values_list("pk", flat=True)),
    )


def test_a_forged_return_charges_nothing(shopper: Shopper, gateway: Simulator) -> None:
    order = new_order()
    form = shopper.start(order)
    response = shopper.return_from_issuer(form, {"PaRes": "forged", "paymentId": ""})
    assert response.status_code == 303
    order.refresh_from_db()
    assert (order.state, order.reason) == (OrderState.FAILED, Reason.NOT_AUTHENTICATED)
    assert gateway.counts[PAYMENT] == 0
    assert gateway.charge_count(order.order_id) == 0


def test_a_wrong_token_changes_nothing(shopper: Shopper, gateway: Simulator) -> None:
    order = new_order()
    form = shopper.start(order)
    before, calls = picture(), sum(gateway.counts.values())
    response = Client(HTTP_HOST="127.0.0.1:8000").post(
        f"/payments/return/{order.public_id}/wrong/", shopper.answer_challenge(form)
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
    crossed = shopper.answer_challenge(cheap_form)
    response = shopper.return_from_issuer(dear_form, crossed)
    assert response.status_code == 303
    assert picture() == before
    assert sum(gateway.counts.values()) == calls
    # and the right result still pays
    shopper.return_from_issuer(dear_form, shopper.answer_challenge(dear_form))
    dear.refresh_from_db()
    assert dear.state == OrderState.PAID


def test_a_foreign_pares_with_our_payment_id_is_not_authenticated(
    shopper: Shopper, gateway: Simulator
) -> None:
    cheap, dear = new_order(), new_order(reference="dear")
    cheap_form, dear_form = shopper.start(cheap), shopper.start(dear)
    stolen = shopper.answer_challenge(cheap_form)["PaRes"]
    ours = dear_form.fields["transactionId"]
    shopper.return_from_issuer(dear_form, {"PaRes": stolen, "paymentId": ours})
    dear.refresh_from_db()
    assert (dear.state, dear.reason) == (OrderState.FAILED, Reason.NOT_AUTHENTICATED)
    assert gateway.counts[PAYMENT] == 0


def test_a_missing_payment_id_goes_on_with_ours(shopper: Shopper) -> None:
    order = new_order()
    form = shopper.start(order)
    fields = shopper.answer_challenge(form)
    del fields["paymentId"]
    shopper.return_from_issuer(form, fields)
    order.refresh_from_db()
    assert order.state == OrderState.PAID


def test_a_replayed_return_changes_nothing(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = new_order()
    form = shopper.start(order)
    fields = shopper.answer_challenge(form)
    shopper.return_from_issuer(form, fields)
    before, calls = picture(), sum(gateway.counts.values())
    for _ in range(5):
        response = shopper.return_from_issuer(form, fields)
        assert response["Location"] == f"/payments/result/{order.public_id}/"
    assert picture() == before
    assert sum(gateway.counts.values()) == calls


@pytest.mark.parametrize("terminal", ["default", "two"])
def test_fifty_returns_at_once_charge_once(
    shopper: Shopper, gateway: Simulator, terminal: str
) -> None:
    order = new_order(terminal=terminal)
    form = shopper.start(order)
    fields = shopper.answer_challenge(form)
    start = threading.Barrier(50)
    statuses: list[int] = []

    def come_back() -> None:
        start.wait()
        try:
            statuses.append(shopper.return_from_issuer(form, fields).status_code)
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
    assert order.state == OrderState.PAID
    assert order.operations.filter(kind=OperationKind.PAYMENT).count() == 1
    assert order.events.filter(to_state=OrderState.PAID).count() == 1


def test_a_get_with_pares_is_posted_again(shopper: Shopper, gateway: Simulator) -> None:
    order = new_order()
    form = shopper.start(order)
    fields = shopper.answer_challenge(form)
    calls = sum(gateway.counts.values())
    response = Client(HTTP_HOST="127.0.0.1:8000").get(form.path, fields)
    assert response.status_code == 200
    assert response["Cache-Control"] == "private, no-store"
    assert sum(gateway.counts.values()) == calls
    page = response.content.decode()
    assert "csrf" not in page
    assert f'action="{form.path}"' in page
    again = parse_form(response)
    assert again.fields == fields
    shopper.return_from_issuer(form, again.fields)
    order.refresh_from_db()
    assert order.state == OrderState.PAID


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
    assert shopper.return_from_issuer(form, {"PaRes": "x" * 65_537}).status_code == 303
    assert picture() == before


@pytest.mark.parametrize("terminal", ["default", "two"])
def test_a_return_after_the_hold_has_expired(
    shopper: Shopper, gateway: Simulator, terminal: str
) -> None:
    order = new_order(terminal=terminal)
    form = shopper.start(order)
    fields = shopper.answer_challenge(form)
    SealedCard.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    calls = sum(gateway.counts.values())
    shopper.return_from_issuer(form, fields)
    order.refresh_from_db()
    assert (order.state, order.reason) == (OrderState.FAILED, Reason.CARD_EXPIRED)
    assert sum(gateway.counts.values()) == calls
    assert order.charging_since is None
    assert not SealedCard.objects.exists()


def test_a_return_after_the_hold_was_purged(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = new_order()
    form = shopper.start(order)
    SealedCard.objects.all().delete()
    shopper.return_from_issuer(form, shopper.answer_challenge(form))
    order.refresh_from_db()
    assert (order.state, order.reason) == (OrderState.FAILED, Reason.CARD_EXPIRED)


def test_an_empty_return_while_the_gateway_is_silent_changes_no_state(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = new_order()
    form = shopper.start(order)
    gateway.next_reply("/orders/", Reply(503, b"down"))
    shopper.return_from_issuer(form, {})
    order.refresh_from_db()
    assert order.state == OrderState.AWAITING_3DS
    assert SealedCard.objects.filter(order=order).exists()


def test_an_empty_return_of_an_order_that_was_charged_is_reviewed(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = new_order()
    form = shopper.start(order)
    order.refresh_from_db()
    with gateway.store.edit_payment(order.gateway_operation_id) as record:
        assert record is not None
        record.update(result="EXECUTED", charged_at="now", code="000")
    shopper.return_from_issuer(form, {})
    order.refresh_from_db()
    assert (order.state, order.reason) == (OrderState.REVIEW, Reason.UNEXPECTED_CHARGE)
    assert order.discrepancies.count() == 1
    assert not SealedCard.objects.exists()


def test_the_return_sets_no_cookie_and_needs_none(shopper: Shopper) -> None:
    form = shopper.start(new_order())
    response = shopper.return_from_issuer(form, shopper.answer_challenge(form))
    assert not response.cookies
    assert response["Referrer-Policy"] == "no-referrer"
    assert response["Cache-Control"] == "private, no-store"


def test_the_flow_itself_checks_the_token(
    order: PaymentOrder, shopper: Shopper
) -> None:
    form: Form = shopper.start(order)
    order.refresh_from_db()
    before = picture()
    flows.resume_payment(order, "wrong", pares="x")
    assert picture() == before
    assert form.path
