"""A browser pays over the API: the same payment as on the card page."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from nexi_payments.api import client_secret
from nexi_payments.enums import OrderState
from nexi_payments.models import Operation, PaymentOrder
from nexi_payments.models.bookkeeping import IdempotencyRecord
from nexi_payments.simulator import Simulator
from tests.support.api_clients import (
    PayerClient,
    ShopServer,
    assert_problem,
    card_fields,
)
from tests.support.in_doubt import (
    charge_at_gateway,
    payment_in_doubt,
    time_travel,
)
from tests.support.shopper import SITE, Form, Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


def to_the_bank(
    payer: PayerClient, ending: str = "challenge"
) -> tuple[Form, dict[str, Any]]:
    answer = payer.pay(ending)
    assert answer.status_code == 200, answer.content
    action = answer.json()["next_action"]
    assert action["type"] == "redirect", answer.json()
    return Form(action["url"], action["fields"]), answer.json()


def paid(
    payer: PayerClient, shopper: Shopper, answer: str = "approve"
) -> dict[str, Any]:
    form, _ = to_the_bank(payer)
    back = shopper.return_from_issuer(form, shopper.answer_challenge(form, answer))
    assert back.status_code == 303
    return payer.get_checkout()


def test_an_order_made_by_a_server_is_paid_in_a_browser(
    shopper: Shopper, gateway: Simulator
) -> None:
    made = ShopServer("add_paymentorder").create(
        success_url="https://shop.example/thanks?x=1",
        customer={"name": "Giulia Bianchi", "email": "giulia@example.com"},
    )
    payer = PayerClient(made)
    before = payer.get_checkout()
    assert before["next_action"] == {"type": "enter_card"}
    assert (before["state"], before["final"], before["card"]) == ("init", False, None)

    form, begun = to_the_bank(payer)
    assert begun["state"] == "awaiting_3ds"
    assert begun["id"] == made["id"]
    assert begun["client_secret"] == made["client_secret"]
    assert begun["card"] == {"brand": "VISA", "last4": "4549", "expiry": "1230"}
    assert list(form.fields) == ["ThreeDsRequest", "ReturnUrl", "transactionId"]
    secret = PaymentOrder.objects.get(order_id=made["id"]).public_id
    assert form.fields["ReturnUrl"].startswith(f"{SITE}/payments/return/{secret}/")

    shopper.return_from_issuer(form, shopper.answer_challenge(form))
    after = payer.get_checkout()
    assert (after["state"], after["amount"], after["currency"]) == (
        "paid",
        "12.50",
        "EUR",
    )
    assert after["message"]["tone"] == "good"
    assert after["next_action"] == {
        "type": "done",
        "url": f"https://shop.example/thanks?x=1&payment={made['id']}",
    }
    assert gateway.count("payment") == 1


def test_without_a_success_url_done_leads_to_our_page(shopper: Shopper) -> None:
    order = new_order()
    found = paid(PayerClient(order), shopper)
    assert found["next_action"]["url"] == f"/payments/result/{order.public_id}/"


@pytest.mark.parametrize("terminal", ["default", "two"])
def test_a_frictionless_card_comes_back_like_any_other(
    shopper: Shopper, terminal: str
) -> None:
    payer = PayerClient(new_order(terminal=terminal))
    form, _ = to_the_bank(payer, "frictionless")
    shopper.return_from_issuer(form, shopper.answer_challenge(form))
    assert payer.get_checkout()["state"] == "paid"


def test_a_decline_is_an_answer_and_another_card_is_a_new_attempt(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = new_order(reference="R-1")
    payer = PayerClient(order)
    form, _ = to_the_bank(payer, "declined")
    shopper.return_from_issuer(form, shopper.answer_challenge(form))
    declined = payer.get_checkout()
    assert declined["state"] == "failed"
    assert declined["next_action"] == {"type": "failed", "can_retry": True}
    assert declined["message"]["title"] == "The card was declined"

    form, again = to_the_bank(payer)
    assert again["id"] != order.order_id
    second = PayerClient(again)
    shopper.return_from_issuer(form, shopper.answer_challenge(form))
    assert second.get_checkout()["state"] == "paid"
    assert payer.get_checkout()["state"] == "failed"
    assert gateway.count("payment") == 2  # the declined one and the good one


def test_an_app_that_takes_the_return_itself_hands_it_over(
    shopper: Shopper, gateway: Simulator
) -> None:
    payer = PayerClient(new_order())
    form, begun = to_the_bank(payer)
    token = begun["next_action"]["token"]
    assert form.fields["ReturnUrl"].endswith(f"/{token}/")
    body = {"token": token, **shopper.answer_challenge(form)}
    for _ in range(3):
        answer = payer.post(f"checkout/{payer.id}/continue/", body)
        assert answer.status_code == 200, answer.content
        assert answer.json()["state"] == "paid"
    assert gateway.count("payment") == 1


@pytest.mark.parametrize(
    "body",
    [
        {"token": "wrong", "PaRes": "x", "paymentId": ""},
        {"token": "wrong"},
    ],
)
def test_a_wrong_token_moves_nothing(
    gateway: Simulator, shopper: Shopper, body: dict[str, str]
) -> None:
    payer = PayerClient(new_order())
    to_the_bank(payer)
    answer = payer.post(f"checkout/{payer.id}/continue/", body)
    assert answer.status_code == 200
    assert answer.json()["state"] == "awaiting_3ds"
    assert answer.json()["next_action"] == {"type": "enter_card"}
    assert gateway.count("validation") == 0
    assert gateway.count("payment") == 0


def test_nobody_knows_is_pending(shopper: Shopper, gateway: Simulator) -> None:
    payer = PayerClient(new_order())
    form, _ = to_the_bank(payer, "pending_then_paid")
    shopper.return_from_issuer(form, shopper.answer_challenge(form))
    found = payer.get_checkout()
    assert found["state"] == "paying"
    assert found["final"] is False
    assert found["next_action"] == {"type": "pending", "retry_after": 2}
    assert "do not pay again" in found["message"]["text"]


def test_who_waits_learns_it_without_the_reconciler(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = payment_in_doubt(shopper)
    payer = PayerClient(order)
    charge_at_gateway(gateway, order)
    assert payer.get_checkout()["state"] == "paying"
    with time_travel(6):
        assert payer.get_checkout()["state"] == "paid"


def test_a_review_says_whom_to_ask(gateway: Simulator) -> None:
    order = new_order()
    PaymentOrder.objects.filter(pk=order.pk).update(state=OrderState.REVIEW)
    assert PayerClient(order).get_checkout()["next_action"] == {"type": "contact"}


def test_a_link_that_is_over_takes_no_card(gateway: Simulator) -> None:
    order = new_order()
    PaymentOrder.objects.filter(pk=order.pk).update(pay_until=order.created_at)
    found = PayerClient(order).get_checkout()
    assert found["next_action"] == {"type": "failed", "can_retry": False}
    assert found["message"]["title"] == "This link is no longer valid"


def test_what_is_over_is_done_without_an_address(gateway: Simulator) -> None:
    order = new_order()
    PaymentOrder.objects.filter(pk=order.pk).update(
        state=OrderState.VOIDED, live_reference=None
    )
    assert PayerClient(order).get_checkout()["next_action"] == {"type": "done"}


def test_a_paid_order_takes_no_card(shopper: Shopper, gateway: Simulator) -> None:
    payer = PayerClient(new_order())
    paid(payer, shopper)
    calls = len(gateway.calls)
    answer = payer.pay()
    assert answer.status_code == 200
    assert answer.json()["state"] == "paid"
    assert len(gateway.calls) == calls


def test_the_same_key_again_does_not_use_the_card_again(
    shopper: Shopper, gateway: Simulator
) -> None:
    payer = PayerClient(new_order())
    first = payer.pay(key="one-and-only")
    assert first.json()["next_action"]["type"] == "redirect"
    again = payer.pay(key="one-and-only")
    assert again.status_code == 200
    assert again.json()["state"] == "awaiting_3ds"
    # the token of the first answer is nowhere on the server: enter the card anew
    assert again.json()["next_action"] == {"type": "enter_card"}
    assert gateway.count("init") == 1
    # another card under the same key is not seen either: no fingerprint of it exists
    other = payer.pay("declined", key="one-and-only")
    assert other.json()["card"]["last4"] == "4549"
    assert gateway.count("init") == 1
    assert PaymentOrder.objects.count() == 1


def test_the_same_key_for_another_cardholder_is_refused(gateway: Simulator) -> None:
    payer = PayerClient(new_order())
    payer.pay(key="one-and-only")
    answer = payer.pay(key="one-and-only", cardholder_name="Somebody Else")
    assert_problem(answer, 409, "idempotency_key_reused")
    assert gateway.count("init") == 1


def test_the_key_of_a_second_attempt_finds_that_attempt(shopper: Shopper) -> None:
    payer = PayerClient(new_order(reference="R-1"))
    form, _ = to_the_bank(payer, "declined")
    shopper.return_from_issuer(form, shopper.answer_challenge(form))
    second = payer.pay(key="second-card").json()
    again = payer.pay(key="second-card").json()
    assert again["id"] == second["id"] != payer.id
    assert again["client_secret"] == second["client_secret"]
    assert PaymentOrder.objects.count() == 2


def test_what_was_refused_before_anything_was_sent_may_come_again(
    gateway: Simulator, change_settings: Any
) -> None:
    change_settings(RATE_LIMITS={"reference": (1, 3600)})
    order = new_order(reference="R-1")
    PaymentOrder.objects.filter(pk=order.pk).update(
        state=OrderState.FAILED,
        reason="declined",
        live_reference=None,
        attempted_at=timezone.now(),
    )
    payer = PayerClient(order)
    answer = payer.pay(key="try-again")
    body = assert_problem(answer, 429, "too_many_attempts")
    assert (body["retry_after"], answer["Retry-After"]) == (3600, "3600")
    assert gateway.calls == ()
    assert not IdempotencyRecord.objects.exists()
    change_settings(RATE_LIMITS="off")
    answer = payer.pay(key="try-again")
    assert answer.json()["next_action"]["type"] == "redirect"


def test_a_blocked_card_looks_like_any_decline(gateway: Simulator) -> None:
    order = new_order(reference="R-1")
    PaymentOrder.objects.filter(pk=order.pk).update(
        state=OrderState.FAILED,
        reason="declined",
        live_reference=None,
        response_code="413",
        card_brand="VISA",
        card_bin="434994",
        card_last4="4549",
        card_expiry="1230",
    )
    answer = PayerClient(order).pay()
    assert answer.status_code == 200
    assert answer.json()["message"]["title"] == "The card was declined"
    assert answer.json()["next_action"] == {"type": "failed", "can_retry": True}
    assert gateway.calls == ()


def test_a_refused_key_at_nexi_is_503_and_nothing_was_sent(gateway: Simulator) -> None:
    from nexi_payments.models.bookkeeping import TerminalOutage

    order = new_order()
    TerminalOutage.objects.create(terminal="default", since=order.created_at)
    assert_problem(PayerClient(order).pay(), 503, "terminal_unavailable")
    assert gateway.calls == ()
    order.refresh_from_db()
    assert order.state == OrderState.INIT


@pytest.mark.parametrize("headers", [{}, {"X-Client-Secret": "cs_wrong"}])
def test_no_secret_no_payment(gateway: Simulator, headers: dict[str, str]) -> None:
    order = new_order()
    payer = PayerClient(order)
    payer.headers = headers
    refusals = [
        payer.get(f"checkout/{order.order_id}/"),
        payer.pay(),
        payer.post(f"checkout/{order.order_id}/continue/", {"token": "x"}),
    ]
    for answer in refusals:
        assert_problem(answer, 401, "not_authenticated")
        assert answer["WWW-Authenticate"] == "X-Client-Secret"
    assert gateway.calls == ()
    assert not Operation.objects.exists()
    assert not IdempotencyRecord.objects.exists()


def test_the_secret_of_another_order_opens_nothing(gateway: Simulator) -> None:
    mine, other = new_order(), new_order()
    payer = PayerClient(mine)
    payer.id = other.order_id
    assert_problem(payer.pay(), 401, "not_authenticated")
    unknown = payer.get("checkout/00000000000000000000000000000000/")
    assert_problem(unknown, 401, "not_authenticated")
    assert gateway.calls == ()


def test_a_secret_lives_through_a_change_of_the_server_key(settings: Any) -> None:
    order = new_order()
    payer = PayerClient(order)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another"
    assert payer.get_checkout()["state"] == "init"
    settings.SECRET_KEY_FALLBACKS = []
    assert_problem(payer.get(f"checkout/{payer.id}/"), 401, "not_authenticated")


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"card_number": "4349940199004540"}, ["card_number"]),
        ({"card_number": ""}, ["card_number"]),
        ({"card_number": 4349940199004549}, ["card_number"]),
        ({"card_number": ["4349940199004549"]}, ["card_number"]),
        ({"expiry": "13/30"}, ["expiry"]),
        ({"expiry": "01/20"}, ["expiry"]),
        ({"security_code": "12"}, ["security_code"]),
        ({"cardholder_name": ""}, ["cardholder_name"]),
        ({"cardholder_name": "4349940199004549"}, ["cardholder_name"]),
        ({"amount": "0.01"}, ["amount"]),
        ({"state": "paid"}, ["state"]),
        ({"4349940199004549": "x"}, ["?"]),
    ],
)
def test_a_bad_body_names_the_field_and_repeats_nothing(
    gateway: Simulator, changes: dict[str, Any], fields: list[str]
) -> None:
    order = new_order()
    answer = PayerClient(order).pay(**changes)
    body = assert_problem(answer, 400, "invalid")
    assert [row["field"] for row in body["errors"]] == fields
    assert "4349940199004549" not in answer.content.decode()
    assert gateway.calls == ()
    assert not IdempotencyRecord.objects.exists()
    order.refresh_from_db()
    assert (order.state, order.amount) == (OrderState.INIT, 1250)


def test_errors_come_in_the_language_of_the_request(gateway: Simulator) -> None:
    payer = PayerClient(new_order())
    payer.headers["Accept-Language"] = "it"
    body = assert_problem(payer.pay(card_number="1"), 400, "invalid")
    assert body["errors"][0]["detail"] == (
        "Il numero della carta non è corretto. Controlli le cifre."
    )


@pytest.mark.usefixtures("every_currency")
def test_jpy_has_no_decimals(gateway: Simulator) -> None:
    order = new_order(amount=Decimal(500), currency="JPY")
    assert PayerClient(order).get_checkout()["amount"] == "500"


def test_the_card_helper_is_a_whole_body() -> None:
    assert sorted(card_fields()) == [
        "card_number",
        "cardholder_name",
        "expiry",
        "security_code",
    ]


def test_the_secret_of_a_failed_attempt_does_not_open_another_payment(
    shopper: Shopper, gateway: Simulator
) -> None:
    payer = PayerClient(new_order(reference="R-1"))
    form, _ = to_the_bank(payer, "declined")
    shopper.return_from_issuer(form, shopper.answer_challenge(form))
    other = shopper.pay(new_order(reference="R-1", amount=Decimal("99.00")))
    calls = len(gateway.calls)
    answer = payer.pay()
    assert_problem(answer, 409, "reference_in_use")
    text = answer.content.decode()
    ids = (other.order_id, other.public_id)
    for secret in (*ids, client_secret(other), "99.00", "4549"):
        assert secret not in text
    assert len(gateway.calls) == calls


def says_no(order: PaymentOrder) -> str:
    return "Your order has changed."


def test_a_veto_of_the_shop_is_the_message(
    shopper: Shopper, gateway: Simulator, change_settings: Any
) -> None:
    change_settings(BEFORE_CHARGE=f"{__name__}.says_no")
    order = new_order()
    payer = PayerClient(order)
    after = paid(payer, shopper)
    assert (after["state"], after["final"]) == ("failed", True)
    assert after["message"] == {
        "tone": "neutral",
        "title": "The shop has stopped this payment",
        "text": "Your order has changed. Nothing has been charged. Go back to the shop"
        " to see your order.",
    }
    assert after["next_action"] == {"type": "failed", "can_retry": False}
    assert payer.pay().json()["state"] == "failed"  # it takes no card any more
    assert gateway.counts["POST /orders/3steps/init"] == 1
    assert gateway.counts["POST /orders/3steps/payment"] == 0
    assert PaymentOrder.objects.count() == 1
