"""A browser pays over the API: the same payment as on the card page."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from nexi_payments import states
from nexi_payments.api import client_secret
from nexi_payments.models import KeptAnswer, Operation, PaymentOrder
from nexi_payments.simulator import Simulator
from tests.api.caller import Payer, Server, card, problem
from tests.shopper import SITE, Form, Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


def to_the_bank(payer: Payer, ending: str = "challenge") -> tuple[Form, dict[str, Any]]:
    answer = payer.pay(ending)
    assert answer.status_code == 200, answer.content
    action = answer.json()["next_action"]
    assert action["type"] == "redirect", answer.json()
    return Form(action["url"], action["fields"]), answer.json()


def paid(payer: Payer, shopper: Shopper, answer: str = "approve") -> dict[str, Any]:
    form, _ = to_the_bank(payer)
    back = shopper.come_back(form, shopper.answer(form, answer))
    assert back.status_code == 303
    return payer.look()


def test_an_order_made_by_a_server_is_paid_in_a_browser(
    shopper: Shopper, gateway: Simulator
) -> None:
    made = Server("add_paymentorder").create(
        success_url="https://shop.example/thanks?x=1",
        customer={"name": "Giulia Bianchi", "email": "giulia@example.com"},
    )
    payer = Payer(made)
    before = payer.look()
    assert before["next_action"] == {"type": "enter_card"}
    assert (before["state"], before["final"], before["card"]) == ("init", False, None)

    form, begun = to_the_bank(payer)
    assert begun["state"] == "awaiting_3ds"
    assert begun["id"] == made["id"]
    assert begun["client_secret"] == made["client_secret"]
    assert begun["card"] == {"brand": "VISA", "last4": "4549", "expiry": "1230"}
    assert list(form.fields) == ["ThreeDsRequest", "ReturnUrl", "transactionId"]
    assert form.fields["ReturnUrl"].startswith(f"{SITE}/payments/return/{made['id']}/")

    shopper.come_back(form, shopper.answer(form))
    after = payer.look()
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
    found = paid(Payer(order), shopper)
    assert found["next_action"]["url"] == f"/payments/result/{order.public_id}/"


@pytest.mark.parametrize("terminal", ["default", "two"])
def test_a_frictionless_card_comes_back_like_any_other(
    shopper: Shopper, terminal: str
) -> None:
    payer = Payer(new_order(terminal=terminal))
    form, _ = to_the_bank(payer, "frictionless")
    shopper.come_back(form, shopper.answer(form))
    assert payer.look()["state"] == "paid"


def test_a_decline_is_an_answer_and_another_card_is_a_new_attempt(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = new_order(reference="R-1")
    payer = Payer(order)
    form, _ = to_the_bank(payer, "declined")
    shopper.come_back(form, shopper.answer(form))
    declined = payer.look()
    assert declined["state"] == "failed"
    assert declined["next_action"] == {"type": "failed", "can_retry": True}
    assert declined["message"]["title"] == "The card was declined"

    form, again = to_the_bank(payer)
    assert again["id"] != order.public_id
    second = Payer(again)
    shopper.come_back(form, shopper.answer(form))
    assert second.look()["state"] == "paid"
    assert payer.look()["state"] == "failed"
    assert gateway.count("payment") == 2  # the declined one and the good one


def test_an_app_that_takes_the_return_itself_hands_it_over(
    shopper: Shopper, gateway: Simulator
) -> None:
    payer = Payer(new_order())
    form, begun = to_the_bank(payer)
    token = begun["next_action"]["token"]
    assert form.fields["ReturnUrl"].endswith(f"/{token}/")
    body = {"token": token, **shopper.answer(form)}
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
    payer = Payer(new_order())
    to_the_bank(payer)
    answer = payer.post(f"checkout/{payer.id}/continue/", body)
    assert answer.status_code == 200
    assert answer.json()["state"] == "awaiting_3ds"
    assert answer.json()["next_action"] == {"type": "enter_card"}
    assert gateway.count("validation") == 0
    assert gateway.count("payment") == 0


def test_nobody_knows_is_pending(shopper: Shopper, gateway: Simulator) -> None:
    payer = Payer(new_order())
    form, _ = to_the_bank(payer, "pending_then_paid")
    shopper.come_back(form, shopper.answer(form))
    found = payer.look()
    assert found["state"] == "paying"
    assert found["final"] is False
    assert found["next_action"] == {"type": "pending", "after": 2}
    assert "do not pay again" in found["message"]["text"]


def test_a_review_says_whom_to_ask(gateway: Simulator) -> None:
    order = new_order()
    PaymentOrder.objects.filter(pk=order.pk).update(state=states.REVIEW)
    assert Payer(order).look()["next_action"] == {"type": "contact"}


def test_a_link_that_is_over_takes_no_card(gateway: Simulator) -> None:
    order = new_order()
    PaymentOrder.objects.filter(pk=order.pk).update(pay_until=order.created_at)
    found = Payer(order).look()
    assert found["next_action"] == {"type": "failed", "can_retry": False}
    assert found["message"]["title"] == "This link is no longer valid"


def test_what_is_over_is_done_without_an_address(gateway: Simulator) -> None:
    order = new_order()
    PaymentOrder.objects.filter(pk=order.pk).update(
        state=states.VOIDED, live_reference=None
    )
    assert Payer(order).look()["next_action"] == {"type": "done"}


def test_a_paid_order_takes_no_card(shopper: Shopper, gateway: Simulator) -> None:
    payer = Payer(new_order())
    paid(payer, shopper)
    calls = len(gateway.calls)
    answer = payer.pay()
    assert answer.status_code == 200
    assert answer.json()["state"] == "paid"
    assert len(gateway.calls) == calls


def test_the_same_key_again_does_not_use_the_card_again(
    shopper: Shopper, gateway: Simulator
) -> None:
    payer = Payer(new_order())
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
    payer = Payer(new_order())
    payer.pay(key="one-and-only")
    answer = payer.pay(key="one-and-only", cardholder_name="Somebody Else")
    problem(answer, 409, "idempotency_key_reused")
    assert gateway.count("init") == 1


def test_the_key_of_a_second_attempt_finds_that_attempt(shopper: Shopper) -> None:
    payer = Payer(new_order(reference="R-1"))
    form, _ = to_the_bank(payer, "declined")
    shopper.come_back(form, shopper.answer(form))
    second = payer.pay(key="second-card").json()
    again = payer.pay(key="second-card").json()
    assert again["id"] == second["id"] != payer.id
    assert again["client_secret"] == second["client_secret"]
    assert PaymentOrder.objects.count() == 2


def test_what_was_refused_before_anything_was_sent_may_come_again(
    gateway: Simulator, nexi: Any
) -> None:
    nexi(RATE_LIMITS={"reference": (1, 3600)})
    order = new_order(reference="R-1")
    PaymentOrder.objects.filter(pk=order.pk).update(
        state=states.FAILED, reason="declined", live_reference=None
    )
    payer = Payer(order)
    body = problem(payer.pay(key="try-again"), 429, "too_many_attempts")
    assert body["retry_after"] == 3600
    assert not KeptAnswer.objects.exists()
    nexi(RATE_LIMITS="off")
    answer = payer.pay(key="try-again")
    assert answer.json()["next_action"]["type"] == "redirect"


def test_a_blocked_card_looks_like_any_decline(gateway: Simulator) -> None:
    order = new_order(reference="R-1")
    PaymentOrder.objects.filter(pk=order.pk).update(
        state=states.FAILED,
        reason="declined",
        live_reference=None,
        response_code="413",
        card_brand="VISA",
        card_bin="434994",
        card_last4="4549",
        card_expiry="1230",
    )
    answer = Payer(order).pay()
    assert answer.status_code == 200
    assert answer.json()["message"]["title"] == "The card was declined"
    assert answer.json()["next_action"] == {"type": "failed", "can_retry": True}
    assert gateway.calls == ()


def test_a_refused_key_at_nexi_is_503_and_nothing_was_sent(gateway: Simulator) -> None:
    from nexi_payments.models import TerminalAlarm

    order = new_order()
    TerminalAlarm.objects.create(terminal="default", since=order.created_at)
    problem(Payer(order).pay(), 503, "terminal_unavailable")
    assert gateway.calls == ()
    order.refresh_from_db()
    assert order.state == states.INIT


@pytest.mark.parametrize("headers", [{}, {"X-Client-Secret": "cs_wrong"}])
def test_no_secret_no_payment(gateway: Simulator, headers: dict[str, str]) -> None:
    order = new_order()
    payer = Payer(order)
    payer.headers = headers
    refusals = [
        payer.get(f"checkout/{order.public_id}/"),
        payer.pay(),
        payer.post(f"checkout/{order.public_id}/continue/", {"token": "x"}),
    ]
    for answer in refusals:
        problem(answer, 401, "not_authenticated")
        assert answer["WWW-Authenticate"] == "X-Client-Secret"
    assert gateway.calls == ()
    assert not Operation.objects.exists()
    assert not KeptAnswer.objects.exists()


def test_the_secret_of_another_order_opens_nothing(gateway: Simulator) -> None:
    mine, other = new_order(), new_order()
    payer = Payer(mine)
    payer.id = other.public_id
    problem(payer.pay(), 401, "not_authenticated")
    unknown = payer.get("checkout/00000000000000000000000000000000/")
    problem(unknown, 401, "not_authenticated")
    assert gateway.calls == ()


def test_a_secret_lives_through_a_change_of_the_server_key(settings: Any) -> None:
    order = new_order()
    payer = Payer(order)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another"
    assert payer.look()["state"] == "init"
    settings.SECRET_KEY_FALLBACKS = []
    problem(payer.get(f"checkout/{payer.id}/"), 401, "not_authenticated")


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
    answer = Payer(order).pay(**changes)
    body = problem(answer, 400, "invalid")
    assert [row["field"] for row in body["errors"]] == fields
    assert "4349940199004549" not in answer.content.decode()
    assert gateway.calls == ()
    assert not KeptAnswer.objects.exists()
    order.refresh_from_db()
    assert (order.state, order.amount) == (states.INIT, 1250)


def test_errors_come_in_the_language_of_the_request(gateway: Simulator) -> None:
    payer = Payer(new_order())
    payer.headers["Accept-Language"] = "it"
    body = problem(payer.pay(card_number="1"), 400, "invalid")
    assert body["errors"][0]["detail"] == (
        "Il numero della carta non è corretto. Controlla le cifre."
    )


def test_jpy_has_no_decimals(gateway: Simulator) -> None:
    order = new_order(amount=Decimal(500), currency="JPY")
    assert Payer(order).look()["amount"] == "500"


def test_the_card_helper_is_a_whole_body() -> None:
    assert sorted(card()) == [
        "card_number",
        "cardholder_name",
        "expiry",
        "security_code",
    ]


def test_the_secret_of_a_failed_attempt_does_not_open_another_payment(
    shopper: Shopper, gateway: Simulator
) -> None:
    payer = Payer(new_order(reference="R-1"))
    form, _ = to_the_bank(payer, "declined")
    shopper.come_back(form, shopper.answer(form))
    other = shopper.pay(new_order(reference="R-1", amount=Decimal("99.00")))
    calls = len(gateway.calls)
    answer = payer.pay()
    problem(answer, 409, "reference_in_use")
    text = answer.content.decode()
    for secret in (other.public_id, client_secret(other), "99.00", "4549"):
        assert secret not in text
    assert len(gateway.calls) == calls
