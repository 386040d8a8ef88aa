"""``BEFORE_CHARGE``: the shop's word before each kind of charge."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy, override

from nexi_payments import flows, signals
from nexi_payments.card import Card
from nexi_payments.enums import (
    ContractState,
    EventKind,
    OperationKind,
    OrderState,
    Reason,
)
from nexi_payments.exceptions import OrderBusy
from nexi_payments.models import PaymentOrder
from nexi_payments.models.sealed_card import SealedCard
from nexi_payments.simulator import Simulator
from tests.support.contracts import (
    MIT_ENDPOINT,
    MONTHLY,
    Clock,
    charge_contract,
    make_contract,
    mit_orders,
    run_charge_due,
)
from tests.support.in_doubt import DAY, HOUR
from tests.support.shopper import CARDS, Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)

SENTENCE = "Your basket has changed."
CHARGES = ("POST /orders/3steps/payment", "POST /orders/2steps/payment")
MOTO = "POST /orders/moto"


class Shop:
    """What the hook is called with, and what it answers."""

    def __init__(self) -> None:
        self.answer: Callable[[PaymentOrder], Any] = lambda order: None
        self.asked: list[PaymentOrder] = []


SHOP = Shop()


def may_be_charged(order: PaymentOrder) -> Any:
    SHOP.asked.append(order)
    return SHOP.answer(order)


@pytest.fixture
def shop(change_settings: Any, monkeypatch: pytest.MonkeyPatch) -> Shop:
    change_settings(BEFORE_CHARGE=f"{__name__}.may_be_charged")
    fresh = Shop()
    monkeypatch.setitem(globals(), "SHOP", fresh)
    return fresh


@pytest.fixture
def failures() -> Any:
    """The orders of ``payment_failed``."""
    seen: list[tuple[str, str]] = []

    def receiver(order: PaymentOrder, event: Any, **kwargs: Any) -> None:
        seen.append((event.reason, event.note))

    signals.payment_failed.connect(receiver)
    yield seen
    signals.payment_failed.disconnect(receiver)


def fails(order: PaymentOrder) -> None:
    raise LookupError("the shop's database is away")


def charges(gateway: Simulator) -> int:
    return sum(gateway.counts[name] for name in (*CHARGES, MOTO, MIT_ENDPOINT))


def new_phone_order(reference: str = "T-1") -> PaymentOrder:
    return flows.create_moto_order(
        amount=new_order().total,
        currency="EUR",
        reference=reference,
        terminal="moto",
        actor=flows.Actor(),
    )


def pay_by_phone(order: PaymentOrder) -> PaymentOrder:
    it = CARDS["challenge"]
    card = Card(it.number, it.expiry.replace("/", ""), it.cvv)
    return flows.pay_moto(order, card, cardholder="Mario Rossi")


# -- yes -------------------------------------------------------------------------------


@pytest.mark.parametrize("yes", [None, True])
@pytest.mark.parametrize("terminal", ["default", "two"])
def test_a_charge_that_the_shop_wants(
    shopper: Shopper, gateway: Simulator, shop: Shop, terminal: str, yes: Any
) -> None:
    shop.answer = lambda order: yes
    order = new_order(terminal=terminal, reference="R-1")
    assert shopper.pay(order).state == OrderState.PAID
    [asked] = shop.asked
    assert (asked.pk, asked.total, asked.reference) == (order.pk, order.total, "R-1")
    assert charges(gateway) == 1


def test_every_kind_of_charge_is_asked_about(
    shopper: Shopper, gateway: Simulator, shop: Shop, clock: Clock
) -> None:
    assert pay_by_phone(new_phone_order()).state == OrderState.PAID
    contract = make_contract(shopper, terms=MONTHLY)
    assert charge_contract(contract).state == OrderState.PAID
    assert run_charge_due(clock, 30 * DAY).charged == 1
    channels = [one.channel for one in shop.asked]
    assert channels == ["moto", "shop", "mit", "mit"]
    assert charges(gateway) == 4


def test_nothing_is_locked_while_the_shop_thinks(
    shopper: Shopper, gateway: Simulator, shop: Shop
) -> None:
    shop.answer = lambda order: connection.in_atomic_block or None
    assert shopper.pay(new_order()).state == OrderState.PAID


def test_what_the_shop_does_to_its_row_is_lost(
    shopper: Shopper, gateway: Simulator, shop: Shop
) -> None:
    def spoil(order: PaymentOrder) -> None:
        order.amount, order.currency, order.reference = 1, "USD", "X"

    shop.answer = spoil
    order = shopper.pay(new_order(reference="R-1"))
    assert (order.amount, order.currency, order.reference) == (1250, "EUR", "R-1")
    assert order.state == OrderState.PAID


# -- no --------------------------------------------------------------------------------


def assert_vetoed(order: PaymentOrder, sentence: str = SENTENCE) -> None:
    order.refresh_from_db()
    assert (order.state, order.reason) == (OrderState.FAILED, Reason.VETOED)
    assert order.charging_since is None
    assert order.live_reference is None
    assert order.next_poll_at is None
    assert not order.accepts_card
    event = order.events.get(kind=EventKind.FAILED)
    assert (event.reason, event.note) == (Reason.VETOED, sentence)
    assert not SealedCard.objects.filter(order=order).exists()
    kinds = {OperationKind.PAYMENT, OperationKind.MOTO, OperationKind.MIT}
    assert not order.operations.filter(kind__in=kinds).exists()


@pytest.mark.parametrize("terminal", ["default", "two"])
def test_a_veto_after_3d_secure(
    shopper: Shopper,
    gateway: Simulator,
    shop: Shop,
    failures: Any,
    terminal: str,
) -> None:
    shop.answer = lambda order: SENTENCE
    order = new_order(terminal=terminal, reference="R-1", failure_url="/basket/")
    form = shopper.start(order)
    answer = shopper.return_from_issuer(form, shopper.answer_challenge(form))
    assert answer.status_code == 303
    assert_vetoed(order)
    assert charges(gateway) == 0
    assert failures == [(Reason.VETOED, SENTENCE)]
    page = shopper.browser.get(answer.headers["Location"]).content.decode()
    assert f"{SENTENCE} Nothing has been charged." in page
    assert 'href="/basket/"' in page
    assert "another card" not in page
    # the reference is free: the changed order is paid anew
    shop.answer = lambda order: None
    assert shopper.pay(new_order(reference="R-1")).state == OrderState.PAID


def test_a_repeated_return_after_a_veto_charges_nothing(
    shopper: Shopper, gateway: Simulator, shop: Shop
) -> None:
    shop.answer = lambda order: SENTENCE
    order = new_order()
    form = shopper.start(order)
    issuer = shopper.answer_challenge(form)
    shopper.return_from_issuer(form, issuer)
    shop.answer = lambda order: None
    shopper.return_from_issuer(form, issuer)
    assert_vetoed(order)
    assert charges(gateway) == 0


def test_a_veto_at_the_phone_desk(gateway: Simulator, shop: Shop) -> None:
    shop.answer = lambda order: SENTENCE
    order = pay_by_phone(new_phone_order())
    assert_vetoed(order)
    assert charges(gateway) == 0


def test_a_veto_of_a_charge_to_a_saved_card(
    shopper: Shopper, gateway: Simulator, shop: Shop
) -> None:
    contract = make_contract(shopper)
    shop.answer = lambda order: SENTENCE
    assert_vetoed(charge_contract(contract))
    contract.refresh_from_db()
    assert contract.state == ContractState.ACTIVE
    assert gateway.counts[MIT_ENDPOINT] == 0


def test_a_vetoed_period_is_skipped(
    shopper: Shopper, gateway: Simulator, shop: Shop, clock: Clock, failures: Any
) -> None:
    contract = make_contract(shopper, terms=MONTHLY, reference="SUB-7")
    shop.answer = lambda order: "Paused until May."
    assert run_charge_due(clock, 30 * DAY) == flows.RecurringCounts(skipped=1)
    assert run_charge_due(clock) == flows.RecurringCounts()
    contract.refresh_from_db()
    assert (contract.state, contract.period) == (ContractState.ACTIVE, 2)
    assert contract.next_charge_at == contract.scheduled_at(2)
    [vetoed] = mit_orders(contract)
    assert_vetoed(vetoed, "Paused until May.")
    assert failures == [(Reason.VETOED, "Paused until May.")]
    shop.answer = lambda order: None
    assert run_charge_due(clock, 30 * DAY) == flows.RecurringCounts(charged=1)
    assert mit_orders(contract)[1].reference == "SUB-7/2"
    assert gateway.counts[MIT_ENDPOINT] == 1


def test_a_worker_that_died_after_a_veto_does_not_charge_later(
    shopper: Shopper, gateway: Simulator, shop: Shop, clock: Clock
) -> None:
    contract = make_contract(shopper, terms=MONTHLY)
    shop.answer = lambda order: False
    run_charge_due(clock, 30 * DAY)
    type(contract).objects.filter(pk=contract.pk).update(
        period=1, next_charge_at=contract.created_at
    )
    shop.answer = lambda order: None
    assert run_charge_due(clock) == flows.RecurringCounts(skipped=1)
    contract.refresh_from_db()
    assert contract.period == 2
    assert gateway.counts[MIT_ENDPOINT] == 0


def test_a_first_payment_that_is_vetoed_saves_no_card(
    shopper: Shopper, gateway: Simulator, shop: Shop
) -> None:
    shop.answer = lambda order: SENTENCE
    assert make_contract(shopper).state == ContractState.NOT_MADE


def test_a_veto_without_a_sentence(
    shopper: Shopper, gateway: Simulator, shop: Shop
) -> None:
    shop.answer = lambda order: False
    order = new_order()
    form = shopper.start(order)
    answer = shopper.return_from_issuer(form, shopper.answer_challenge(form))
    assert_vetoed(order, "")
    page = shopper.browser.get(answer.headers["Location"]).content.decode()
    assert "The shop has stopped this payment" in page


def test_the_sentence_is_in_the_payers_language_and_is_escaped(
    shopper: Shopper, gateway: Simulator, shop: Shop
) -> None:
    shop.answer = lambda order: gettext_lazy("Card")
    with override("it"):
        order = pay_by_phone(new_phone_order("T-1"))
    assert order.veto_sentence == "Carta"
    markup = mark_safe("<script>alert(1)</script>")
    shop.answer = lambda order: markup
    order = new_order()
    form = shopper.start(order)
    answer = shopper.return_from_issuer(form, shopper.answer_challenge(form))
    page = shopper.browser.get(answer.headers["Location"]).content.decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt; Nothing has been charged." in page
    assert "<script>alert" not in page


def test_a_long_sentence_is_cut(gateway: Simulator, shop: Shop) -> None:
    shop.answer = lambda order: "x" * 1000
    assert pay_by_phone(new_phone_order()).veto_sentence == "x" * 300


# -- no word ---------------------------------------------------------------------------


@pytest.mark.parametrize("terminal", ["default", "two"])
def test_a_hook_that_fails_charges_nothing(
    shopper: Shopper,
    gateway: Simulator,
    shop: Shop,
    terminal: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    shop.answer = fails
    order = new_order(terminal=terminal, reference="R-1")
    form = shopper.start(order)
    answer = shopper.return_from_issuer(form, shopper.answer_challenge(form))
    order.refresh_from_db()
    assert (order.state, order.reason) == (OrderState.FAILED, Reason.CHECK_FAILED)
    assert order.live_reference is None
    assert charges(gateway) == 0
    assert not SealedCard.objects.exists()
    [record] = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert order.order_id in record.getMessage()
    assert record.exc_info is not None
    frames = [one.f_locals for one, _ in traceback.walk_tb(record.exc_info[2])]
    assert CARDS["challenge"].number not in repr(frames)
    page = shopper.browser.get(answer.headers["Location"]).content.decode()
    assert "Nothing has been charged. Please try again later." in page
    # the same payment takes a card again
    shop.answer = lambda order: None
    assert order.accepts_card
    shopper.pay(order)
    assert PaymentOrder.objects.get(state=OrderState.PAID).retry_of == order


@pytest.mark.parametrize("answer", ["", "  ", 1, 0, [], {"ok": True}])
def test_an_answer_that_is_none_charges_nothing(
    gateway: Simulator, shop: Shop, caplog: pytest.LogCaptureFixture, answer: Any
) -> None:
    shop.answer = lambda order: answer
    order = pay_by_phone(new_phone_order())
    assert (order.state, order.reason) == (OrderState.FAILED, Reason.CHECK_FAILED)
    assert charges(gateway) == 0
    assert f"returned a {type(answer).__name__}" in caplog.text


def test_a_path_that_leads_nowhere_charges_nothing(
    gateway: Simulator, change_settings: Any
) -> None:
    change_settings(BEFORE_CHARGE="shop.nowhere.check")
    order = pay_by_phone(new_phone_order())
    assert (order.state, order.reason) == (OrderState.FAILED, Reason.CHECK_FAILED)
    assert charges(gateway) == 0


def test_a_due_charge_without_a_word_is_tried_again_after_an_hour(
    shopper: Shopper, gateway: Simulator, shop: Shop, clock: Clock
) -> None:
    contract = make_contract(shopper, terms=MONTHLY)
    shop.answer = fails
    assert run_charge_due(clock, 30 * DAY) == flows.RecurringCounts(retry=1)
    shop.answer = lambda order: None
    assert run_charge_due(clock, HOUR / 2) == flows.RecurringCounts()
    assert run_charge_due(clock, HOUR / 2 + 1) == flows.RecurringCounts(charged=1)
    contract.refresh_from_db()
    assert (contract.state, contract.period) == (ContractState.ACTIVE, 2)
    assert gateway.counts[MIT_ENDPOINT] == 1


# -- beside others ---------------------------------------------------------------------


def test_a_veto_that_comes_after_another_claim_changes_nothing(
    gateway: Simulator, shop: Shop
) -> None:
    order = new_phone_order()
    rival = PaymentOrder.objects.get(pk=order.pk)

    def slow(asked: PaymentOrder) -> str:
        shop.answer = lambda order: None
        pay_by_phone(rival)
        return SENTENCE

    shop.answer = slow
    with pytest.raises(OrderBusy):
        pay_by_phone(order)
    order.refresh_from_db()
    assert (order.state, order.reason) == (OrderState.PAID, "")
    assert charges(gateway) == 1


def test_inside_a_transaction_the_shop_is_not_even_asked(
    gateway: Simulator, shop: Shop
) -> None:
    order = new_phone_order()
    with transaction.atomic(), pytest.raises(RuntimeError):
        pay_by_phone(order)
    assert shop.asked == []
    assert charges(gateway) == 0


def test_the_hook_gets_no_card(
    shopper: Shopper, gateway: Simulator, shop: Shop
) -> None:
    number = CARDS["challenge"].number

    def look(order: PaymentOrder) -> None:
        assert number not in repr(vars(order))
        assert order.card_last4 == number[-4:]

    shop.answer = look
    assert shopper.pay(new_order()).state == OrderState.PAID
