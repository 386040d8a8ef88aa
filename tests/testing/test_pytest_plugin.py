"""What shops get for their tests, in a suite of our own."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from nexi_payments import flows, signals
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import TEST_CARDS
from nexi_payments.testing import NexiSimulator, PaymentNotStarted
from tests.support.shopper import new_order

pytest_plugins = ["nexi_payments.testing.pytest_plugin"]
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.seen_on("sqlite", "postgresql"),
]

REAL = {
    "TERMINALS": {
        "default": {"API_KEY": "k", "ENVIRONMENT": "production"},
        "two": {"API_KEY": "k", "FLOW": "2steps", "THREE_DS_HOSTS": ["acs.example"]},
        "manual": {
            "API_KEY": "k",
            "CAPTURE": "manual",
            "BASE_URL": "https://x.example",
        },
        "moto": {"API_KEY": "k", "MOTO": True},
    },
    "RATE_LIMITS": "off",
}


@pytest.fixture
def told() -> Any:
    heard: list[tuple[str, str]] = []
    by_name = {
        "paid": signals.payment_paid,
        "failed": signals.payment_failed,
        "authorized": signals.payment_authorized,
        "refunded": signals.payment_refunded,
    }
    receivers = {}
    for name, signal in by_name.items():

        def hear(order: Any, event: Any, name: str = name, **kwargs: Any) -> None:
            heard.append((name, order.state))

        receivers[signal] = hear
        signal.connect(hear)
    yield heard
    for signal, receiver in receivers.items():
        signal.disconnect(receiver)


ENDS = {
    "challenge": ("paid", ""),
    "frictionless": ("paid", ""),
    "declined": ("failed", "declined"),
    "lost_card": ("failed", "declined"),
    "excess_reattempts": ("failed", "declined"),
    "validation_failed": ("failed", "not_authenticated"),
    "answer_lost": ("paid", ""),
    "gateway_down": ("failed", "not_sent"),
    "garbage": ("paying", ""),
    "pending_then_paid": ("paying", ""),
    "refund_pending": ("paid", ""),
    "not_enrolled": ("failed", "3ds_unavailable"),
    "risk": ("failed", "declined"),
    # these end otherwise when they are charged on file
    "mit_declined": ("paid", ""),
    "mit_lost_card": ("paid", ""),
    "mit_answer_lost": ("paid", ""),
    "mit_pending": ("paid", ""),
}


def test_every_card_has_an_end_here() -> None:
    assert set(ENDS) == {card.ending for card in TEST_CARDS}


@pytest.mark.parametrize("card", ENDS)
@pytest.mark.parametrize("terminal", ["default", "two"])
def test_a_card_by_its_name(
    nexi_simulator: NexiSimulator, settings: Any, card: str, terminal: str
) -> None:
    settings.NEXI_PAYMENTS = REAL
    order = nexi_simulator.pay(new_order(terminal=terminal), card)
    assert (order.state, order.reason) == ENDS[card]
    assert len(nexi_simulator.charges) == (order.state == "paid")


@pytest.mark.parametrize(
    ("answer", "state"),
    [("approve", "paid"), ("refuse", "failed"), ("walk_away", "failed")],
)
def test_an_answer_at_the_bank(
    nexi_simulator: NexiSimulator, told: Any, answer: str, state: str
) -> None:
    order = nexi_simulator.pay(new_order(success_url="/thanks/"), answer=answer)
    assert order.state == state
    assert told == [(state, state)]
    there = nexi_simulator.page.headers.get("Location", "here")
    thanks = f"/thanks/?payment={order.order_id}"
    assert there == (thanks if state == "paid" else "here")


def test_fields_of_the_card_form(nexi_simulator: NexiSimulator) -> None:
    order = nexi_simulator.start(new_order(), security_code="12")
    assert (order.state, nexi_simulator.calls) == ("init", ())
    assert b"Please check the fields below" in nexi_simulator.page.content
    nexi_simulator.gateway.keep_bodies()
    order = nexi_simulator.pay(order, cardholder_name="Ada Rossi")
    assert order.state == "paid"
    assert order.customer_name == ""
    sent = nexi_simulator.calls[0].request_body["order"]["customerInfo"]
    assert sent["cardHolderName"] == "Ada Rossi"


def test_a_card_is_saved_with_consent_only(nexi_simulator: NexiSimulator) -> None:
    order = new_order(contract=flows.ContractTerms("Coffee"))
    with pytest.raises(PaymentNotStarted) as refused:
        nexi_simulator.pay(order, agree="")
    assert str(refused.value) == (
        "the payment was not started, and nothing was charged. The card page (200)"
        " says: agree: Tick this box if you agree. Without it this payment cannot be"
        " made."
    )
    order.refresh_from_db()
    assert (order.state, nexi_simulator.calls) == ("init", ())
    assert order.contract.consented_at is None
    order = nexi_simulator.pay(order)
    assert (order.state, order.contract.state) == ("paid", "active")
    assert order.contract.consented_at is not None


def test_consent_is_given_where_the_page_asks_for_it(
    nexi_simulator: NexiSimulator,
) -> None:
    first = nexi_simulator.pay(
        new_order(contract=flows.ContractTerms("Coffee")), "declined"
    )
    second = nexi_simulator.pay(first)  # another attempt asks again
    assert (second.retry_of, second.state) == (first, "paid")
    posted: list[str] = []
    plain, send = Client(), Client().post

    def post(path: str, data: str, **options: Any) -> Any:
        posted.append(data)
        return send(path, data, **options)

    plain.post = post  # type: ignore[method-assign]
    assert nexi_simulator.pay(new_order(), client=plain).state == "paid"
    assert [("agree" in one, "card_number" in one) for one in posted] == [(False, True)]


def test_what_the_card_page_says_instead_of_paying(
    nexi_simulator: NexiSimulator, settings: Any
) -> None:
    order = new_order()
    with pytest.raises(PaymentNotStarted) as refused:
        nexi_simulator.pay(order, security_code="12", cardholder_name="")
    assert str(refused.value).partition(" says: ")[2] == (
        "cardholder_name: Enter the name on the card.; security_code: The security code"
        " has three digits (Amex: four)."
    )
    settings.NEXI_PAYMENTS = {
        **settings.NEXI_PAYMENTS,
        "RATE_LIMITS": {"reference": (1, 3600)},
    }
    order = new_order(reference="D-1")
    assert nexi_simulator.pay(order, "declined").state == "failed"
    with pytest.raises(PaymentNotStarted, match=r"The card page \(429\) says: \w+"):
        nexi_simulator.pay(order)
    order.refresh_from_db()
    assert (order.state, PaymentOrder.objects.count()) == ("failed", 2)


def test_between_the_card_and_the_bank(nexi_simulator: NexiSimulator) -> None:
    first = nexi_simulator.start(new_order())
    second = nexi_simulator.start(new_order())
    assert (first.state, second.state) == ("awaiting_3ds", "awaiting_3ds")
    assert nexi_simulator.complete_3ds("approve", first).pk == first.pk
    assert nexi_simulator.complete_3ds("refuse").pk == second.pk
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.state, second.state) == ("paid", "failed")
    with pytest.raises(AssertionError, match="no challenge is open"):
        nexi_simulator.complete_3ds()
    with pytest.raises(AssertionError, match="no challenge is open"):
        nexi_simulator.complete_3ds(order=first)


def test_another_card_after_a_refusal_is_another_order(
    nexi_simulator: NexiSimulator,
) -> None:
    first = nexi_simulator.pay(new_order(reference="R"), "declined")
    second = nexi_simulator.pay(first)
    assert (first.state, second.state) == ("failed", "paid")
    assert second.retry_of == first
    assert [charge.order_id for charge in nexi_simulator.charges] == [second.order_id]


def test_an_order_with_a_user_is_paid_by_that_user(
    nexi_simulator: NexiSimulator,
) -> None:
    user = User.objects.create_user("giulia")
    assert nexi_simulator.pay(new_order(user=user)).state == "paid"
    with pytest.raises(AssertionError, match="shows to that user only"):
        nexi_simulator.pay(new_order(user=user), client=Client())
    own = Client()
    own.force_login(user)
    assert nexi_simulator.pay(new_order(user=user), client=own).state == "paid"


def test_a_card_that_is_blocked_here_never_leaves_the_card_page(
    nexi_simulator: NexiSimulator,
) -> None:
    first = nexi_simulator.pay(new_order(), "excess_reattempts")
    before = nexi_simulator.calls
    with pytest.raises(PaymentNotStarted, match="The card was declined: Nothing has"):
        nexi_simulator.pay(first, "excess_reattempts")
    assert nexi_simulator.start(first, "excess_reattempts") == first
    assert nexi_simulator.calls == before
    assert "declined" in nexi_simulator.page.content.decode()


def test_an_order_that_takes_no_card_stays_as_it_is(
    nexi_simulator: NexiSimulator,
) -> None:
    order = nexi_simulator.pay(new_order())
    again = nexi_simulator.pay(order, "declined")
    assert (again.pk, again.state) == (order.pk, "paid")
    assert nexi_simulator.gateway.count("payment") == 1


def test_a_phone_order(nexi_simulator: NexiSimulator, settings: Any) -> None:
    settings.NEXI_PAYMENTS = REAL
    order = nexi_simulator.pay_moto(new_order(terminal="moto"))
    assert (order.state, order.channel) == ("paid", "moto")
    declined = nexi_simulator.pay_moto(new_order(terminal="moto"), "declined")
    assert declined.state == "failed"
    nexi_simulator.lose_next_answer()
    assert nexi_simulator.pay_moto(new_order(terminal="moto")).state == "paid"
    who = User.objects.create_user("clerk", is_staff=True)
    mine = nexi_simulator.pay_moto(new_order(terminal="moto"), actor=flows.Actor(who))
    assert mine.operations.get().actor == who


# -- what goes wrong -------------------------------------------------------------------


def test_an_answer_that_is_lost(nexi_simulator: NexiSimulator, told: Any) -> None:
    nexi_simulator.lose_next_answer()
    order = nexi_simulator.pay(new_order())
    # the two looks inside the request have found it
    assert (order.state, told) == ("paid", [("paid", "paid")])
    assert [call.fault for call in nexi_simulator.calls if call.fault] == ["cut"]


def test_a_charge_that_nobody_knows_of_is_found_later(
    nexi_simulator: NexiSimulator, told: Any
) -> None:
    nexi_simulator.start(new_order())
    nexi_simulator.lose_next_answer("charge")
    for _ in range(2):
        nexi_simulator.fail_next_call("inquiry")
    order = nexi_simulator.complete_3ds()
    assert (order.state, told) == ("paying", [])
    assert nexi_simulator.advance(minutes=2).paid == 1
    order.refresh_from_db()
    assert (order.state, told) == ("paid", [("paid", "paid")])


def test_a_call_that_is_refused(nexi_simulator: NexiSimulator) -> None:
    nexi_simulator.reject_next_call("init", status=400)
    order = nexi_simulator.pay(new_order())
    assert (order.state, nexi_simulator.charges) == ("failed", ())
    assert [(c.method, c.status) for c in nexi_simulator.calls] == [("POST", 400)]


def test_nexi_is_down(nexi_simulator: NexiSimulator) -> None:
    order = nexi_simulator.start(new_order())
    nexi_simulator.fail_next_connection("charge")
    order = nexi_simulator.complete_3ds()
    assert (order.state, order.reason) == ("failed", "not_sent")
    assert nexi_simulator.pay(order).state == "paid"


def test_captures_and_refunds(nexi_simulator: NexiSimulator, told: Any) -> None:
    order = nexi_simulator.pay(new_order(terminal="manual"))
    assert order.state == "authorized"
    flows.capture(order)
    nexi_simulator.reconcile()
    nexi_simulator.lose_next_answer("refund")
    assert flows.refund(order, Decimal("2.50")).outcome == "done"  # an inquiry finds it
    order.refresh_from_db()
    assert (order.state, order.refunded_amount) == ("paid", 250)
    assert [charge.net for charge in nexi_simulator.charges] == [1000]
    assert [kind for kind, _ in told] == ["authorized", "paid", "refunded"]


# -- time ------------------------------------------------------------------------------


def test_a_shopper_who_never_comes_back(
    nexi_simulator: NexiSimulator, told: Any
) -> None:
    order = nexi_simulator.start(new_order())
    assert not nexi_simulator.advance(minutes=29).failed
    assert nexi_simulator.advance(minutes=2).failed == 1
    order.refresh_from_db()
    assert (order.state, order.reason, told) == (
        "failed",
        "expired",
        [("failed", "failed")],
    )


def test_pending_and_paid_a_little_later(nexi_simulator: NexiSimulator) -> None:
    order = nexi_simulator.pay(new_order(), "pending_then_paid")
    assert order.state == "paying"
    assert nexi_simulator.advance(hours=1).paid == 1


def test_a_card_waits_while_time_passes_but_not_too_long(
    nexi_simulator: NexiSimulator,
) -> None:
    nexi_simulator.start(new_order())
    nexi_simulator.advance(minutes=10)
    assert nexi_simulator.complete_3ds().state == "paid"
    nexi_simulator.start(new_order())
    nexi_simulator.advance(minutes=16)
    order = nexi_simulator.complete_3ds()
    assert (order.state, order.reason) == ("failed", "card_expired")


def test_time_comes_back() -> None:
    before = timezone.now
    later = timedelta(days=400)
    with NexiSimulator() as nexi:
        nexi.advance(days=400)
        for moved in (timezone.now(), nexi.gateway.now()):
            assert timedelta(seconds=-5) < moved - before() - later < timedelta(0)
        with pytest.raises(ValueError, match="forward"):
            nexi.advance(days=-1)
    assert timezone.now is before
