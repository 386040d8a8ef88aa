"""A card is verified for nothing: asked once, kept without the card."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, transaction
from django.utils import timezone

from nexi_payments import flows, states
from nexi_payments.card import Card
from nexi_payments.exceptions import (
    InvalidAmount,
    OutcomeNotRecorded,
    TerminalUnavailable,
    TooManyChecks,
)
from nexi_payments.flows import alarms, verifying
from nexi_payments.models import CardCheck, PaymentOrder, TerminalAlarm
from nexi_payments.simulator import Reply, Simulator
from nexi_payments.testing.leaks import Leaks
from tests.shopper import CARDS

pytestmark = pytest.mark.django_db(transaction=True)
VERIFY = "POST /orders/card_verification"


def card(ending: str = "challenge") -> Card:
    it = CARDS[ending]
    return Card(it.number, it.expiry.replace("/", ""), it.cvv)


def test_a_good_card(gateway: Simulator) -> None:
    with Leaks(CARDS["challenge"].number) as leaks:
        check = flows.verify_card(card(), cardholder="Giulia Bianchi")
    assert leaks.found() == []
    assert (check.outcome, check.is_good) == (states.DONE, True)
    assert (check.card_brand, check.card_last4) == ("VISA", "4549")
    assert check.response_code == "000"
    assert gateway.counts[VERIFY] == 1
    assert not PaymentOrder.objects.exists()


@pytest.mark.parametrize(
    ("ending", "outcome", "code"),
    [
        ("lost_card", states.DECLINED, "208"),
        ("gateway_down", states.NOT_SENT, ""),
        ("answer_lost", states.IN_DOUBT, ""),
    ],
)
def test_a_card_that_is_not(
    gateway: Simulator, ending: str, outcome: str, code: str
) -> None:
    check = flows.verify_card(card(ending))
    assert (check.outcome, check.response_code) == (outcome, code)
    assert not check.is_good
    assert gateway.counts[VERIFY] == 1


@pytest.mark.parametrize(
    ("reply", "outcome", "error"),
    [
        (
            Reply(400, b'{"errors":[{"code":"PS0004"}]}'),
            states.DECLINED,
            "Refused 400 PS0004",
        ),
        (Reply(404), states.NOT_SENT, "Refused 404"),
        (Reply(429), states.NOT_SENT, "Refused 429"),
        (Reply(500), states.IN_DOUBT, "UnknownOutcome 500"),
        (Reply(200, b'{"operation":{"operationResult":"FOO"}}'), states.IN_DOUBT, ""),
        (
            Reply(200, b'{"operation":{"operationResult":"PENDING"}}'),
            states.IN_DOUBT,
            "",
        ),
    ],
)
def test_odd_answers(
    gateway: Simulator, reply: Reply, outcome: str, error: str
) -> None:
    gateway.next_reply("card_verification", reply)
    check = flows.verify_card(card())
    assert (check.outcome, check.error) == (outcome, error)
    assert not check.key_refused
    assert not TerminalAlarm.objects.exists()


def test_who_verifies_in_vain_is_stopped(gateway: Simulator, nexi: Any) -> None:
    nexi(RATE_LIMITS={"address": (2, 600)})
    actor = flows.Actor(address="10.0.0.7")
    for ending in ("lost_card", "answer_lost"):
        flows.verify_card(card(ending), actor=actor)
    with pytest.raises(TooManyChecks) as error:
        flows.verify_card(card(), actor=actor)
    assert error.value.seconds == 600
    assert gateway.counts[VERIFY] == 2
    assert CardCheck.objects.count() == 2
    assert flows.verify_card(card(), actor=flows.Actor(address="10.0.0.8")).is_good
    assert flows.verify_card(card()).is_good  # nobody's address
    an_hour = timezone.now() - timedelta(hours=1)
    CardCheck.objects.filter(outcome=states.DECLINED).update(created_at=an_hour)
    assert flows.verify_card(card(), actor=actor).is_good


def test_what_asked_no_bank_was_not_in_vain(gateway: Simulator, nexi: Any) -> None:
    nexi(RATE_LIMITS={"address": (1, 600)})
    actor = flows.Actor(address="10.0.0.7")
    for status in (401, 404, 429):
        gateway.next_reply("card_verification", Reply(status))
        check = flows.verify_card(card(), actor=actor)
        assert check.outcome == states.NOT_SENT
        TerminalAlarm.objects.all().delete()
    assert flows.verify_card(card("gateway_down"), actor=actor).outcome == (
        states.NOT_SENT
    )
    assert flows.verify_card(card(), actor=actor).is_good
    assert flows.verify_card(card("lost_card"), actor=actor).outcome == states.DECLINED
    with pytest.raises(TooManyChecks):
        flows.verify_card(card(), actor=actor)


def test_many_at_once_are_no_way_around_the_limit(
    gateway: Simulator, nexi: Any
) -> None:
    nexi(RATE_LIMITS={"address": (1, 600)})
    actor = flows.Actor(address="10.0.0.7")
    flows.verify_card(card(), actor=actor)
    CardCheck.objects.update(outcome=states.OPEN)
    with pytest.raises(TooManyChecks):
        flows.verify_card(card(), actor=actor)
    assert gateway.counts[VERIFY] == 1


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_raises_the_alarm_and_says_nothing_of_the_card(
    gateway: Simulator, status: int
) -> None:
    gateway.next_reply("card_verification", Reply(status))
    check = flows.verify_card(card())
    assert (check.outcome, check.error) == (states.NOT_SENT, f"Refused {status}")
    assert check.key_refused
    with pytest.raises(TerminalUnavailable):
        alarms.refuse_if_raised("default")
    with pytest.raises(TerminalUnavailable):
        flows.verify_card(card())
    assert CardCheck.objects.count() == 1
    assert flows.verify_card(card(), terminal="moto").is_good


@pytest.mark.parametrize("currency", ["XXX", "eur", "CHF"])
def test_a_currency_that_cannot_be(
    gateway: Simulator, nexi: Any, currency: str
) -> None:
    line = {"ENVIRONMENT": "simulator", "CURRENCIES": ["EUR"]}
    nexi(TERMINALS={"default": line})
    with pytest.raises(InvalidAmount):
        flows.verify_card(card(), currency=currency)
    assert not CardCheck.objects.exists()
    assert gateway.calls == ()


# -- once ------------------------------------------------------------------------------


def test_the_same_nonce_asks_once(gateway: Simulator) -> None:
    first = flows.verify_card(card(), nonce="n" * 32)
    assert flows.verify_card(card(), nonce="n" * 32) == first
    assert flows.verify_card(card("lost_card"), nonce="n" * 32).is_good
    assert gateway.counts[VERIFY] == 1
    other = flows.verify_card(card(), nonce="m" * 32)
    assert other != first
    assert len({first.order_id, other.order_id}) == 2
    assert {len(first.order_id), len(other.order_id)} == {18}
    for _ in range(2):
        flows.verify_card(card())
    assert CardCheck.objects.count() == 4


def test_the_same_nonce_finds_its_check_whatever_has_happened_since(
    gateway: Simulator, nexi: Any
) -> None:
    nexi(RATE_LIMITS={"address": (1, 600)})
    actor = flows.Actor(address="10.0.0.7")
    first = flows.verify_card(card("lost_card"), nonce="n" * 32, actor=actor)
    alarms.raise_for("default", 401)
    assert flows.verify_card(card(), nonce="n" * 32, actor=actor) == first
    assert gateway.counts[VERIFY] == 1


def test_a_twin_that_is_faster_is_found(
    gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between our look for an earlier one and our row."""
    real = verifying._refuse_too_many

    def slow(actor: Any) -> None:
        monkeypatch.setattr(verifying, "_refuse_too_many", real)
        flows.verify_card(card(), nonce="n" * 32)

    monkeypatch.setattr(verifying, "_refuse_too_many", slow)
    check = flows.verify_card(card(), nonce="n" * 32)
    assert check == CardCheck.objects.get()
    assert check.is_good
    assert gateway.counts[VERIFY] == 1


def test_an_answer_that_the_database_does_not_take(
    gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = verifying.database.committed

    def broken(work: Any, *rows: Any) -> Any:
        if rows:
            return real(work, *rows)
        raise OperationalError("disk full")

    monkeypatch.setattr(verifying.database, "committed", broken)
    with pytest.raises(OutcomeNotRecorded) as error:
        flows.verify_card(card(), nonce="n" * 32)
    check = CardCheck.objects.get()
    assert error.value.order_id == check.order_id
    assert error.value.__context__ is None
    assert (check.outcome, verifying.standing(check)) == (states.OPEN, states.OPEN)
    check.created_at -= timedelta(minutes=1)
    assert verifying.standing(check) == states.IN_DOUBT
    check.outcome = states.DONE
    assert verifying.standing(check) == states.DONE


def test_inside_a_transaction_nothing_is_asked(gateway: Simulator) -> None:
    with transaction.atomic(), pytest.raises(RuntimeError):
        flows.verify_card(card())
    assert gateway.calls == ()
