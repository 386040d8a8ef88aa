"""Zero-amount card verifications: sent once, stored without the card."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from nexi_payments import flows
from nexi_payments.card import Card
from nexi_payments.enums import OperationOutcome
from nexi_payments.exceptions import (
    InvalidAmount,
    OutcomeNotRecorded,
    TerminalUnavailable,
    TooManyVerifications,
)
from nexi_payments.flows import card_verification
from nexi_payments.flows.ledger import terminal_outages
from nexi_payments.models import CardVerification, PaymentOrder
from nexi_payments.models.bookkeeping import TerminalOutage
from nexi_payments.simulator import Reply, Simulator
from nexi_payments.testing.card_data_scan import CardDataScan
from tests.support.database import broken_update
from tests.support.shopper import CARDS

pytestmark = pytest.mark.django_db(transaction=True)
VERIFY = "POST /orders/card_verification"


def card(ending: str = "challenge") -> Card:
    it = CARDS[ending]
    return Card(it.number, it.expiry.replace("/", ""), it.cvv)


def test_a_good_card(gateway: Simulator) -> None:
    with CardDataScan(CARDS["challenge"].number) as leaks:
        check = flows.verify_card(card(), cardholder="Giulia Bianchi")
    assert leaks.findings() == []
    assert (check.outcome, check.is_successful) == (OperationOutcome.DONE, True)
    assert (check.card_brand, check.card_last4) == ("VISA", "4549")
    assert check.response_code == "000"
    assert gateway.counts[VERIFY] == 1
    assert not PaymentOrder.objects.exists()


@pytest.mark.parametrize(
    ("ending", "outcome", "code"),
    [
        ("lost_card", OperationOutcome.DECLINED, "208"),
        ("gateway_down", OperationOutcome.NOT_SENT, ""),
        ("answer_lost", OperationOutcome.IN_DOUBT, ""),
    ],
)
def test_a_card_that_is_not(
    gateway: Simulator, ending: str, outcome: str, code: str
) -> None:
    check = flows.verify_card(card(ending))
    assert (check.outcome, check.response_code) == (outcome, code)
    assert not check.is_successful
    assert gateway.counts[VERIFY] == 1


@pytest.mark.parametrize(
    ("reply", "outcome", "error"),
    [
        (
            Reply(400, b'{"errors":[{"code":"PS0004"}]}'),
            OperationOutcome.DECLINED,
            "Rejected 400 PS0004",
        ),
        (Reply(404), OperationOutcome.NOT_SENT, "Rejected 404"),
        (Reply(429), OperationOutcome.NOT_SENT, "Rejected 429"),
        (Reply(500), OperationOutcome.IN_DOUBT, "UnknownOutcome 500"),
        (
            Reply(200, b'{"operation":{"operationResult":"FOO"}}'),
            OperationOutcome.IN_DOUBT,
            "",
        ),
        (
            Reply(200, b'{"operation":{"operationResult":"PENDING"}}'),
            OperationOutcome.IN_DOUBT,
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
    assert check.http_status == reply.status
    assert not check.terminal_rejected
    assert not TerminalOutage.objects.exists()


def test_who_verifies_in_vain_is_stopped(
    gateway: Simulator, change_settings: Any
) -> None:
    change_settings(RATE_LIMITS={"address": (2, 600)})
    actor = flows.Actor(address="10.0.0.7")
    for ending in ("lost_card", "answer_lost"):
        flows.verify_card(card(ending), actor=actor)
    with pytest.raises(TooManyVerifications) as error:
        flows.verify_card(card(), actor=actor)
    assert error.value.seconds == 600
    assert gateway.counts[VERIFY] == 2
    assert CardVerification.objects.count() == 2
    assert flows.verify_card(
        card(), actor=flows.Actor(address="10.0.0.8")
    ).is_successful
    assert flows.verify_card(card()).is_successful  # no customer's address
    an_hour = timezone.now() - timedelta(hours=1)
    CardVerification.objects.filter(outcome=OperationOutcome.DECLINED).update(
        created_at=an_hour
    )
    assert flows.verify_card(card(), actor=actor).is_successful


def test_what_asked_no_bank_was_not_in_vain(
    gateway: Simulator, change_settings: Any
) -> None:
    change_settings(RATE_LIMITS={"address": (1, 600)})
    actor = flows.Actor(address="10.0.0.7")
    for status in (401, 404, 429):
        gateway.next_reply("card_verification", Reply(status))
        check = flows.verify_card(card(), actor=actor)
        assert check.outcome == OperationOutcome.NOT_SENT
    assert flows.verify_card(card("gateway_down"), actor=actor).outcome == (
        OperationOutcome.NOT_SENT
    )
    assert flows.verify_card(card(), actor=actor).is_successful
    assert (
        flows.verify_card(card("lost_card"), actor=actor).outcome
        == OperationOutcome.DECLINED
    )
    with pytest.raises(TooManyVerifications):
        flows.verify_card(card(), actor=actor)


def test_many_at_once_are_no_way_around_the_limit(
    gateway: Simulator, change_settings: Any
) -> None:
    change_settings(RATE_LIMITS={"address": (1, 600)})
    actor = flows.Actor(address="10.0.0.7")
    flows.verify_card(card(), actor=actor)
    CardVerification.objects.update(outcome=OperationOutcome.OPEN)
    with pytest.raises(TooManyVerifications):
        flows.verify_card(card(), actor=actor)
    assert gateway.counts[VERIFY] == 1


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_raises_the_alarm_and_says_nothing_of_the_card(
    gateway: Simulator, status: int
) -> None:
    for path in ("card_verification", "/payment_methods"):
        gateway.next_reply(path, Reply(status))
    check = flows.verify_card(card())
    assert (check.outcome, check.error, check.http_status) == (
        OperationOutcome.NOT_SENT,
        f"Rejected {status}",
        status,
    )
    assert check.terminal_rejected
    with pytest.raises(TerminalUnavailable):
        terminal_outages.require_available("default")
    with pytest.raises(TerminalUnavailable):
        flows.verify_card(card())
    assert CardVerification.objects.count() == 1
    assert flows.verify_card(card(), terminal="moto").is_successful


@pytest.mark.parametrize("currency", ["XXX", "eur", "CHF"])
def test_a_currency_that_cannot_be(
    gateway: Simulator, change_settings: Any, currency: str
) -> None:
    line = {"ENVIRONMENT": "simulator", "CURRENCIES": ["EUR"]}
    change_settings(TERMINALS={"default": line})
    with pytest.raises(InvalidAmount):
        flows.verify_card(card(), currency=currency)
    assert not CardVerification.objects.exists()
    assert gateway.calls == ()


# -- once ------------------------------------------------------------------------------


def test_the_same_nonce_asks_once(gateway: Simulator) -> None:
    first = flows.verify_card(card(), nonce="n" * 32)
    assert flows.verify_card(card(), nonce="n" * 32) == first
    assert flows.verify_card(card("lost_card"), nonce="n" * 32).is_successful
    assert gateway.counts[VERIFY] == 1
    other = flows.verify_card(card(), nonce="m" * 32)
    assert other != first
    assert len({first.order_id, other.order_id}) == 2
    assert {len(first.order_id), len(other.order_id)} == {18}
    for _ in range(2):
        flows.verify_card(card())
    assert CardVerification.objects.count() == 4


def test_the_same_nonce_finds_its_check_whatever_has_happened_since(
    gateway: Simulator, change_settings: Any
) -> None:
    change_settings(RATE_LIMITS={"address": (1, 600)})
    actor = flows.Actor(address="10.0.0.7")
    first = flows.verify_card(card("lost_card"), nonce="n" * 32, actor=actor)
    terminal_outages.record("default", 401)
    assert flows.verify_card(card(), nonce="n" * 32, actor=actor) == first
    assert gateway.counts[VERIFY] == 1


def test_a_twin_that_is_faster_is_found(
    gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the SELECT of an earlier row and our insert."""
    real = terminal_outages.require_available

    def slow(terminal: str) -> None:
        monkeypatch.setattr(terminal_outages, "require_available", real)
        flows.verify_card(card(), nonce="n" * 32)

    monkeypatch.setattr(terminal_outages, "require_available", slow)
    check = flows.verify_card(card(), nonce="n" * 32)
    assert check == CardVerification.objects.get()
    assert check.is_successful
    assert gateway.counts[VERIFY] == 1


def test_an_answer_that_the_database_does_not_take(gateway: Simulator) -> None:
    with (
        broken_update(CardVerification),
        pytest.raises(OutcomeNotRecorded) as error,
    ):
        flows.verify_card(card(), nonce="n" * 32)
    check = CardVerification.objects.get()
    assert error.value.order_id == check.order_id
    assert error.value.__context__ is None
    assert (check.outcome, card_verification.current_outcome(check)) == (
        OperationOutcome.OPEN,
        OperationOutcome.OPEN,
    )
    check.created_at -= timedelta(minutes=1)
    assert card_verification.current_outcome(check) == OperationOutcome.IN_DOUBT
    check.outcome = OperationOutcome.DONE
    assert card_verification.current_outcome(check) == OperationOutcome.DONE


def test_inside_a_transaction_nothing_is_asked(gateway: Simulator) -> None:
    with transaction.atomic(), pytest.raises(RuntimeError):
        flows.verify_card(card())
    assert gateway.calls == ()
