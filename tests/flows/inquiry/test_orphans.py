"""Orphans: charges at Nexi that are not in our database, and orders of a backup."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from nexi_payments import conf, flows
from nexi_payments.enums import Channel, ContractState, DiscrepancyKind, OrderState
from nexi_payments.flows.inquiry import listing, orphans
from nexi_payments.gateway.responses import OrderResult
from nexi_payments.models import Contract, Discrepancy, Event, Operation, PaymentOrder
from nexi_payments.simulator import Reply, Simulator
from tests.support.backups import Backup, forget
from tests.support.contracts import MIT_ENDPOINT, MONTHLY, Clock, make_contract
from tests.support.in_doubt import DAY, state_and_amounts
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def one_terminal(change_settings: Any, gateway: Simulator) -> None:
    change_settings(TERMINALS={"default": {"ENVIRONMENT": "simulator"}})


def restore(**options: Any) -> list[str]:
    out = io.StringIO()
    call_command("nexi_restore", stdout=out, **options)
    return out.getvalue().splitlines()


NOTHING = "default: unknown=0 changed=0 unanswered=0"


def test_an_unknown_charge_comes_back_for_review(
    shopper: Shopper, gateway: Simulator
) -> None:
    lost = shopper.pay(new_order(reference="R-1", description="Two books"))
    forget(lost)
    text = f"default {lost.order_id} unknown; at Nexi EUR authorized 1250,"
    text += " captured 1250, last AUTHORIZATION"
    totals = "default: unknown=1 changed=0 unanswered=0"
    assert restore(dry_run=True) == [text, totals]
    assert PaymentOrder.objects.count() == 0
    assert restore() == [f"{text} → review, captured 1250, refunded 0", totals]
    assert restore() == [NOTHING]
    order = PaymentOrder.objects.get()
    assert (order.state, order.reason, order.order_id) == (
        OrderState.REVIEW,
        "restored",
        lost.order_id,
    )
    assert (order.reference, order.description) == ("R-1", "Two books")
    assert order.captured_amount == 1250
    record = Discrepancy.objects.get()
    assert (record.kind, record.order, record.theirs) == (
        "unknown_charge",
        order,
        f"{lost.order_id} 1250 EUR",
    )
    # a person resolves; then it is an ordinary order
    flows.resolve(order, "paid", reason="from before the crash")
    order.refresh_from_db()
    assert (order.state, order.captured_amount) == (OrderState.PAID, 1250)
    assert order.gateway_operation_id == lost.gateway_operation_id
    flows.refund(order)
    order.refresh_from_db()
    assert order.state == OrderState.REFUNDED
    assert gateway.charge_of(lost.order_id).net == 0


def test_a_basket_that_was_paid_is_not_payable_again(shopper: Shopper) -> None:
    lost = shopper.pay(new_order(reference="R-1"))
    forget(lost)
    again = new_order(reference="R-1")  # the shopper came back before anybody knew
    restore()
    again.refresh_from_db()
    assert (again.state, again.reason) == (OrderState.FAILED, "superseded")
    order = PaymentOrder.objects.get(order_id=lost.order_id)
    assert order.live_reference == "R-1"
    assert new_order(reference="R-1") == order


def test_a_basket_that_was_paid_twice_is_said(shopper: Shopper) -> None:
    lost = shopper.pay(new_order(reference="R-1"))
    forget(lost)
    again = shopper.pay(new_order(reference="R-1"))
    restore()
    again.refresh_from_db()
    assert (again.state, again.live_reference) == (OrderState.PAID, "R-1")
    order = PaymentOrder.objects.get(order_id=lost.order_id)
    assert (order.state, order.reference) == (OrderState.REVIEW, "R-1")
    assert order.live_reference is None
    kinds = set(order.discrepancies.values_list("kind", flat=True))
    assert kinds == {DiscrepancyKind.UNKNOWN_CHARGE, DiscrepancyKind.REFERENCE_TAKEN}


def test_a_currency_that_we_do_not_know_is_said(gateway: Simulator) -> None:
    listed = listing.Difference(
        listing.OrderResult(conf.current().order_prefix + "X", 5, "XXX", 5, 5)
    )
    terminal = conf.current().terminal("default")
    assert orphans.catch_up(terminal, listed) is None
    assert PaymentOrder.objects.count() == 0
    assert Discrepancy.objects.get().order is None


# -- orders that the backup has, as they were then -------------------------------------


def test_an_order_that_was_paid_since_becomes_paid(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = new_order(reference="R-1")
    backup = Backup.take()
    shopper.pay(order)
    backup.restore()
    assert restore(dry_run=True)[0].startswith(f"default {order.order_id} init: ")
    assert state_and_amounts(order)[0] == OrderState.INIT
    lines = restore()
    assert lines[0].endswith("→ paid, captured 1250, refunded 0")
    assert lines[1] == "default: unknown=0 changed=1 unanswered=0"
    assert restore() == [NOTHING]
    assert state_and_amounts(order) == (OrderState.PAID, 1250, 0, 0, 0)
    assert not order.discrepancies.exists()
    assert order.events.filter(kind=OrderState.PAID).count() == 1
    assert new_order(reference="R-1") == order
    flows.refund(order)
    assert gateway.charge_of(order.order_id).net == 0


def test_a_superseded_order_that_was_paid_is_a_duplicate(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = new_order(reference="R-1")
    backup = Backup.take()
    shopper.pay(order)
    backup.restore()
    other = new_order(reference="R-1", amount="20.00")
    restore()
    order.refresh_from_db()
    assert (order.state, order.reason) == (OrderState.REVIEW, "reference_taken")
    assert order.captured_amount == 1250
    other.refresh_from_db()
    assert other.state == OrderState.INIT


def test_an_order_that_failed_and_was_paid_becomes_paid(shopper: Shopper) -> None:
    order = new_order(reference="R-1")
    backup = Backup.take()
    shopper.pay(order)
    backup.restore()
    order.refresh_from_db()
    PaymentOrder.objects.filter(pk=order.pk).update(
        state=OrderState.FAILED, reason="expired", live_reference=None
    )
    restore()
    order.refresh_from_db()
    assert (order.state, order.reason) == (OrderState.PAID, "late_charge")
    assert order.live_reference == "R-1"


def test_captures_refunds_and_voids_since_come_back(
    shopper: Shopper, clock: Clock, change_settings: Any
) -> None:
    terminal = {"ENVIRONMENT": "simulator", "CAPTURE": "manual"}
    change_settings(TERMINALS={"default": terminal})
    captured, voided, refunded, again, cancelled = [
        shopper.pay(new_order()) for _ in range(5)
    ]
    for order in (refunded, again, cancelled):
        flows.capture(order)
        flows.reconcile(order)
    flows.refund(again, "3.00")
    flows.reconcile(again)
    backup = Backup.take()
    # what follows is lost
    flows.capture(captured, "10.00")
    flows.void(voided)
    flows.refund(refunded, "2.50")
    capture = cancelled.operations.get(kind="capture")
    flows.cancel_capture(cancelled, capture)
    clock.advance(600)
    flows.refund(again, "1.00")
    backup.restore()
    assert restore()[-1] == "default: unknown=0 changed=5 unanswered=0"
    assert state_and_amounts(captured) == (OrderState.PAID, 1000, 0, 0, 0)
    assert state_and_amounts(voided)[0] == OrderState.VOIDED
    assert state_and_amounts(refunded) == (OrderState.PAID, 1250, 0, 250, 0)
    assert state_and_amounts(again) == (OrderState.PAID, 1250, 0, 400, 0)
    assert state_and_amounts(cancelled)[:2] == (OrderState.AUTHORIZED, 0)
    assert restore() == [NOTHING]


@pytest.mark.parametrize("card", ["frictionless", "declined"])
def test_what_was_sent_is_not_written_as_lost(shopper: Shopper, card: str) -> None:
    order = shopper.pay(new_order(), card)
    before = PaymentOrder.objects.filter(pk=order.pk).values()[0]
    found = OrderResult(order_id=order.order_id)
    assert orphans.claim_as_sent(order, found) is False
    assert PaymentOrder.objects.filter(pk=order.pk).values()[0] == before
    assert not order.operations.filter(outcome="in_doubt").exists()


def test_an_order_at_the_issuer_that_was_paid_since_is_reviewed(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = new_order(reference="R-1")
    form = shopper.start(order)
    backup = Backup.take()
    shopper.return_from_issuer(form, shopper.answer_challenge(form))
    backup.restore()
    restore()
    order.refresh_from_db()
    assert (order.state, order.reason) == (OrderState.REVIEW, "unexpected_charge")
    assert (order.captured_amount, order.live_reference) == (1250, "R-1")


def test_what_is_as_it_was_is_not_asked_about(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = shopper.pay(new_order())
    flows.refund(order, "1.00")
    flows.reconcile(order)
    whole = shopper.pay(new_order())
    flows.refund(whole)
    flows.reconcile(whole)
    new_order()
    asked = len(gateway.calls)
    assert restore(days=7) == [NOTHING]
    assert len(gateway.calls) == asked + 1  # the list


# -- contracts -------------------------------------------------------------------------


def test_a_due_charge_of_the_lost_time_is_recognized(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    contract = make_contract(shopper, terms=MONTHLY)
    clock.advance(30 * DAY + 60)
    backup = Backup.take()
    assert flows.charge_due().charged == 1
    lost = PaymentOrder.objects.get(channel=Channel.MIT)
    backup.restore()
    new_order()  # takes the key of the lost row
    assert restore()[-1] == "default: unknown=1 changed=0 unanswered=0"
    order = PaymentOrder.objects.get(channel=Channel.MIT)
    assert (order.order_id, order.state) == (lost.order_id, OrderState.PAID)
    assert (order.contract, order.reference) == (contract, lost.reference)
    assert order.pk != lost.pk
    assert not Discrepancy.objects.exists()
    assert flows.charge_due().charged == 1
    assert gateway.counts[MIT_ENDPOINT] == 1
    contract.refresh_from_db()
    assert contract.period == 2


def test_a_charge_by_the_shop_is_recognized_by_its_customer(
    shopper: Shopper, gateway: Simulator
) -> None:
    terms = flows.ContractTerms("Tea", customer_id="C-77")
    contract = make_contract(shopper, terms=terms)
    backup = Backup.take()
    lost = flows.charge_contract(contract, MONTHLY.amount, "EUR", reference="Tea 7")
    backup.restore()
    restore()
    order = PaymentOrder.objects.get(order_id=lost.order_id)
    assert (order.state, order.contract) == (OrderState.PAID, contract)
    again = flows.charge_contract(contract, MONTHLY.amount, "EUR", reference="Tea 7")
    assert again == order
    assert gateway.counts[MIT_ENDPOINT] == 1


def test_a_saved_card_of_the_lost_time_is_lost_but_its_payment_is_not(
    shopper: Shopper,
) -> None:
    backup = Backup.take()
    make_contract(shopper, reference="R-1")
    backup.restore()
    restore()
    order = PaymentOrder.objects.get()
    assert (order.state, order.reference) == (OrderState.REVIEW, "R-1")
    assert not Contract.objects.exists()


def test_a_contract_whose_first_payment_was_lost_is_active_again(
    shopper: Shopper,
) -> None:
    order = new_order(contract=MONTHLY)
    backup = Backup.take()
    form = shopper.start(order, agree="on")
    shopper.return_from_issuer(form, shopper.answer_challenge(form))
    backup.restore()
    restore()
    contract = Contract.objects.get()
    assert contract.state == ContractState.ACTIVE


@pytest.mark.parametrize("days", [0, -1, 367])
def test_windows_that_cannot_be(days: float) -> None:
    with pytest.raises(CommandError, match="--days"):
        restore(days=days)


def test_nexi_does_not_list(gateway: Simulator) -> None:
    gateway.next_reply("/orders", Reply(503))
    with pytest.raises(CommandError, match="Nexi did not answer"):
        restore()


def test_nexi_does_not_answer_about_one(shopper: Shopper, gateway: Simulator) -> None:
    order = new_order()
    backup = Backup.take()
    shopper.pay(order)
    backup.restore()
    gateway.next_reply(f"/orders/{order.order_id}", Reply(503))
    assert restore()[-1] == "default: unknown=0 changed=1 unanswered=1"
    order.refresh_from_db()
    assert order.state == OrderState.PAYING
    assert order.next_poll_at is not None
    assert order.next_poll_at <= timezone.now() + timedelta(minutes=2)
    assert Operation.objects.get(order=order).outcome == "in_doubt"
    assert not Event.objects.filter(kind=OrderState.PAID).exists()
