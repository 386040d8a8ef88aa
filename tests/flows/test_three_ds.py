"""A shopper pays, in three steps and in two; each test card ends as it says."""

from __future__ import annotations

import pytest

from nexi_payments.enums import OperationKind, OrderState, Reason
from nexi_payments.models import PaymentOrder
from nexi_payments.models.sealed_card import SealedCard
from nexi_payments.simulator import Simulator
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)

BOTH = pytest.mark.parametrize("terminal", ["default", "two"])


def story(order: PaymentOrder) -> list[str]:
    return [event.to_state for event in order.events.all()]


def test_three_steps_approved(shopper: Shopper, gateway: Simulator) -> None:
    order = shopper.pay(new_order(reference="A-1"))
    assert order.state == OrderState.PAID
    assert (order.captured_amount, order.refunded_amount) == (1250, 0)
    assert story(order) == ["awaiting_3ds", "validated", "paying", "paid"]
    assert list(order.operations.values_list("kind", "outcome", "amount")) == [
        ("authentication", "done", None),
        ("validation", "done", None),
        ("payment", "done", 1250),
    ]
    assert dict(gateway.counts) == {
        "POST /orders/3steps/init": 1,
        "POST /orders/3steps/validation": 1,
        "POST /orders/3steps/payment": 1,
    }
    assert gateway.charge_count(order.order_id) == 1
    assert not SealedCard.objects.exists()


def test_two_steps_approved(shopper: Shopper, gateway: Simulator) -> None:
    order = shopper.pay(new_order(terminal="two"))
    assert order.state == OrderState.PAID
    assert story(order) == ["awaiting_3ds", "paying", "paid"]
    assert dict(gateway.counts) == {
        "POST /orders/2steps/init": 1,
        "POST /orders/2steps/payment": 1,
    }
    assert not SealedCard.objects.exists()


def test_manual_capture_only_authorizes(shopper: Shopper) -> None:
    order = shopper.pay(new_order(terminal="manual"))
    assert order.state == OrderState.AUTHORIZED
    assert (order.authorized_amount, order.captured_amount) == (1250, 0)
    assert order.next_poll_at is not None


@BOTH
def test_refused_at_the_bank(
    shopper: Shopper, gateway: Simulator, terminal: str
) -> None:
    order = shopper.pay(new_order(terminal=terminal), answer="refuse")
    assert (order.state, order.reason) == (OrderState.FAILED, Reason.NOT_AUTHENTICATED)
    assert gateway.charge_count(order.order_id) == 0
    assert gateway.counts["POST /orders/3steps/payment"] == 0
    assert not SealedCard.objects.exists()


@BOTH
def test_walked_away_at_the_bank(
    shopper: Shopper, gateway: Simulator, terminal: str
) -> None:
    order = shopper.pay(new_order(terminal=terminal), answer="walk_away")
    assert (order.state, order.reason) == (OrderState.FAILED, Reason.NOT_AUTHENTICATED)
    # asked first whether it was charged after all; nothing else went out
    assert gateway.counts["GET /orders/{id}"] == 1
    assert sum(gateway.counts.values()) == 2
    assert not SealedCard.objects.exists()


@BOTH
@pytest.mark.parametrize(
    ("ending", "state", "reason", "charges"),
    [
        ("frictionless", OrderState.PAID, "", 1),
        ("declined", OrderState.FAILED, Reason.DECLINED, 0),
        ("lost_card", OrderState.FAILED, Reason.DECLINED, 0),
        ("excess_reattempts", OrderState.FAILED, Reason.DECLINED, 0),
        ("validation_failed", OrderState.FAILED, Reason.NOT_AUTHENTICATED, 0),
        ("answer_lost", OrderState.PAID, "", 1),
        ("garbage", OrderState.PAYING, "", 0),
        ("pending_then_paid", OrderState.PAYING, "", 0),
        ("refund_pending", OrderState.PAID, "", 1),
    ],
)
def test_endings_of_the_test_cards(
    shopper: Shopper,
    gateway: Simulator,
    terminal: str,
    ending: str,
    state: str,
    reason: str,
    charges: int,
) -> None:
    order = shopper.pay(new_order(terminal=terminal), ending)
    assert (order.state, order.reason) == (state, reason)
    assert gateway.charge_count(order.order_id) == charges
    flow = order.flow
    sent = gateway.counts[f"POST /orders/{flow}/payment"]
    assert sent == (0 if ending == "validation_failed" and flow == "3steps" else 1)
    assert not SealedCard.objects.exists()


@BOTH
@pytest.mark.parametrize(
    ("ending", "reason"),
    [
        ("gateway_down", Reason.NOT_SENT),
        ("not_enrolled", Reason.THREE_DS_UNAVAILABLE),
        ("risk", Reason.DECLINED),
    ],
)
def test_endings_before_the_bank(
    shopper: Shopper, gateway: Simulator, terminal: str, ending: str, reason: str
) -> None:
    order = new_order(terminal=terminal)
    response = shopper.submit_card(order, ending)
    assert response.status_code == 303
    order.refresh_from_db()
    assert (order.state, order.reason) == (OrderState.FAILED, reason)
    assert gateway.counts[f"POST /orders/{order.flow}/payment"] == 0
    assert not SealedCard.objects.exists()


def test_the_response_code_of_a_decline_is_kept(shopper: Shopper) -> None:
    order = shopper.pay(new_order(), "declined")
    assert order.response_code == "116"
    assert order.operations.get(kind=OperationKind.PAYMENT).result == "DECLINED"


def test_cardholder_and_email_go_to_nexi(
    shopper: Shopper, gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies: list[bytes] = []
    handle = gateway.handle

    def listening(method: str, url: str, headers: object, body: bytes) -> object:
        bodies.append(body)
        return handle(method, url, headers, body)  # type: ignore[arg-type]

    monkeypatch.setattr(gateway, "handle", listening)
    shopper.pay(
        new_order(customer={"name": "Mario Rossi", "email": "mario@shop.example"})
    )
    customer = (
        b'"customerInfo":{"cardHolderName":"Giulia Bianchi",'
        b'"cardHolderEmail":"mario@shop.example"}'
    )
    assert [customer in body for body in bodies] == [True, False, True]


def test_a_declined_order_is_paid_with_a_second_card(
    shopper: Shopper, gateway: Simulator
) -> None:
    first = shopper.pay(new_order(reference="A-2"), "declined")
    second = shopper.pay(first, "frictionless")
    assert second.pk != first.pk
    assert second.retry_of == first
    assert second.state == OrderState.PAID
    for fact in ("amount", "currency", "reference", "terminal", "success_url"):
        assert getattr(second, fact) == getattr(first, fact)
    assert second.order_id != first.order_id
    first.refresh_from_db()
    assert (first.state, first.live_reference) == (OrderState.FAILED, None)
    assert second.live_reference == "A-2"


def test_back_from_the_bank_supersedes_and_pays(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = new_order(reference="A-3")
    left = shopper.start(order)
    again = shopper.start(order)
    order.refresh_from_db()
    assert (order.state, order.reason) == (OrderState.FAILED, Reason.SUPERSEDED)
    assert not SealedCard.objects.filter(order=order).exists()
    # the first bank page is still open in a tab, and answers
    shopper.return_from_issuer(left, shopper.answer_challenge(left))
    order.refresh_from_db()
    assert order.state == OrderState.FAILED
    shopper.return_from_issuer(again, shopper.answer_challenge(again))
    clone = PaymentOrder.objects.get(retry_of=order)
    assert clone.state == OrderState.PAID
    assert (
        sum(gateway.charge_count(o.order_id) for o in PaymentOrder.objects.all()) == 1
    )


def test_back_twice_without_a_reference_still_leaves_one_live_order(
    shopper: Shopper,
) -> None:
    order = new_order()
    for _ in range(3):
        shopper.start(order)
    live = PaymentOrder.objects.exclude(live_reference=None)
    assert live.count() == 1
    assert live.get().live_reference == order.order_id
    assert live.get().retry_of == order


@pytest.mark.parametrize("state", ["paid", "paying", "authorized"])
def test_a_settled_order_takes_no_card(
    shopper: Shopper, gateway: Simulator, state: str
) -> None:
    terminal = "manual" if state == "authorized" else "default"
    ending = "garbage" if state == "paying" else "frictionless"
    order = shopper.pay(new_order(terminal=terminal), ending)
    assert order.state == state
    calls = sum(gateway.counts.values())
    response = shopper.submit_card(order)
    assert response.status_code == 303
    assert response["Location"] == f"/payments/result/{order.public_id}/"
    assert sum(gateway.counts.values()) == calls
    assert PaymentOrder.objects.count() == 1
