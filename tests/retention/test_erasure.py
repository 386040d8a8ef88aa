"""Erasure of personal data; rows about money stay."""

from __future__ import annotations

import io
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.utils import timezone

from nexi_payments import conf, flows
from nexi_payments.card import Card
from nexi_payments.enums import OrderState
from nexi_payments.models import (
    Approval,
    CardVerification,
    Contract,
    Event,
    Operation,
    PaymentOrder,
)
from nexi_payments.models.bookkeeping import IdempotencyRecord
from nexi_payments.retention import erasure
from nexi_payments.simulator import Simulator
from tests.support.approvals import actor, new_approval
from tests.support.clerk import Clerk, result_url
from tests.support.contracts import make_contract
from tests.support.in_doubt import time_travel
from tests.support.queued_refunds import enqueue_and_die
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)
DAY = 86_400


def personal(order: PaymentOrder) -> set[str]:
    order.refresh_from_db()
    texts = {
        order.customer_name,
        order.customer_email,
        order.cardholder_name,
        order.description,
    }
    for row in Operation.objects.filter(order=order):
        texts.add(row.address or "")
    for event in Event.objects.filter(order=order):
        texts |= {event.address or "", event.note}
    return texts - {""}


def test_a_queued_refund_keeps_its_texts_until_it_is_over(
    change_settings: Any, shopper: Shopper
) -> None:
    change_settings(RETENTION=30 * DAY)
    order = shopper.pay(new_order(customer={"name": "Giulia Bianchi"}))
    actor = flows.Actor(address="192.0.2.7")
    row = enqueue_and_die(order, "5.00", reason="Giulia wants it", actor=actor)
    with time_travel(31 * DAY):
        assert erasure.erase() == 0
    row.refresh_from_db()
    assert (row.reason, row.address) == ("Giulia wants it", "192.0.2.7")
    flows.withdraw_refund(row)
    with time_travel(31 * DAY):
        assert erasure.erase() == 1
    row.refresh_from_db()
    assert (row.reason, row.address, row.amount) == ("", None, 500)
    assert personal(order) == set()


def test_what_goes_and_what_stays(change_settings: Any, gateway: Simulator) -> None:
    change_settings(RETENTION=30 * DAY)
    clerk = Clerk("take_moto")
    order = clerk.take_phone_order()
    clerk.post(result_url(order) + "email/", email="g@example.com", language="en")
    assert len(personal(order)) >= 5
    assert erasure.erase() == 0
    with time_travel(31 * DAY):
        assert erasure.erase() == 1
        assert erasure.erase() == 0
    # of staff: AUDIT_RETENTION
    assert personal(order) == {"10.1.2.3"}
    flows.reconcile()
    with time_travel(367 * DAY):
        erasure.erase()
    assert personal(order) == set()
    assert (order.state, order.captured_amount, order.reference) == (
        OrderState.PAID,
        1250,
        "R-1",
    )
    assert (order.card_brand, order.card_last4) == ("VISA", "4549")
    assert order.operations.get().actor == clerk.user
    with time_travel(32 * DAY):
        flows.refund(order, Decimal("1.00"))  # the money can still move
    order.refresh_from_db()
    assert order.refunded_amount == 100


def test_what_is_open_waits(change_settings: Any, shopper: Shopper) -> None:
    change_settings(RETENTION=DAY, WATCH_FOR=90 * DAY)
    customer = {"name": "Giulia"}
    held = shopper.pay(new_order(customer=customer, terminal="manual"))
    doubtful = shopper.pay(new_order(customer=customer), "garbage")
    fresh = new_order(customer=customer)
    with time_travel(2 * DAY):
        assert erasure.erase() == 0
    for order in (held, doubtful, fresh):
        assert "Giulia" in personal(order)


def test_in_batches(change_settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    change_settings(RETENTION=DAY)
    monkeypatch.setattr(erasure, "BATCH_SIZE", 2)
    for place in range(5):
        new_order(reference=f"R-{place}", customer={"name": "Giulia"})
    PaymentOrder.objects.update(state="failed", live_reference=None, next_poll_at=None)
    out = io.StringIO()
    with time_travel(2 * DAY):
        call_command("nexi_purge", stdout=out)
    assert (
        out.getvalue()
        == "purged=0 erased=5 communication_logs=0 idempotency_records=0\n"
    )


def test_nothing_without_the_setting(change_settings: Any, shopper: Shopper) -> None:
    order = shopper.pay(new_order(customer={"name": "Giulia"}))
    with time_travel(10_000 * DAY):
        assert erasure.erase() == 0
    assert "Giulia" in personal(order)
    change_settings(RETENTION=60)
    with pytest.raises(ImproperlyConfigured, match="RETENTION"):
        conf.current()


@pytest.mark.parametrize(("kept_for", "left"), [(None, 2), (30 * DAY, 2), (DAY, 1)])
def test_what_the_api_answered_is_forgotten(
    change_settings: Any, kept_for: int | None, left: int
) -> None:
    change_settings(RETENTION=kept_for)
    for days in (0, 2, 8):
        IdempotencyRecord.objects.create(
            caller="user:1",
            key=f"key-number-{days}",
            fingerprint="",
            created_at=timezone.now() - timedelta(days=days),
        )
    out = io.StringIO()
    call_command("nexi_purge", stdout=out)
    assert (
        out.getvalue()
        == f"purged=0 erased=0 communication_logs=0 idempotency_records={3 - left}\n"
    )
    assert IdempotencyRecord.objects.count() == left


def test_cards_on_file_that_are_over_and_checks(
    change_settings: Any, shopper: Shopper, gateway: Simulator
) -> None:
    change_settings(RETENTION=30 * DAY)
    here = flows.Actor(address="192.0.2.7")
    flows.verify_card(Card("4349940199004549", "1230", "396"), actor=here)
    terms = flows.ContractTerms("Coffee", customer_id="K-7")
    ended, stands = (
        make_contract(shopper, terms=terms),
        make_contract(shopper, terms=terms),
    )
    flows.end_contract(ended)

    def kept() -> list[tuple[str | None, str]]:
        rows = Contract.objects.order_by("pk")
        return list(rows.values_list("consent_address", "customer_id"))

    erasure.erase()
    assert kept() == [("127.0.0.1", "K-7"), ("127.0.0.1", "K-7")]
    assert CardVerification.objects.get().address == "192.0.2.7"
    with time_travel(31 * DAY):
        erasure.erase()
    assert kept() == [(None, ""), ("127.0.0.1", "K-7")]
    assert CardVerification.objects.get().address is None
    stands.refresh_from_db()
    assert stands.consent_text.startswith("Coffee")


def test_an_approval_keeps_names_and_reasons_for_the_audit_retention(
    change_settings: Any, shopper: Shopper
) -> None:
    change_settings(RETENTION=30 * DAY)
    approval = new_approval(shopper.pay(new_order(customer={"name": "Giulia"})))
    asked_from = approval.address
    chief = actor("bruno", "approve_payment")
    flows.refuse_approval(approval, reason="Giulia has called", actor=chief)
    columns = ("requester_name", "approver_name", "decision_reason", "address")
    rows = Approval.objects.filter(pk=approval.pk).values_list(*columns)
    with time_travel(31 * DAY):
        assert erasure.erase() == 1
        assert rows.get() == ("asker", "bruno", "Giulia has called", asked_from)
    with time_travel(367 * DAY):
        erasure.erase()
        assert rows.get() == ("", "", "", None)


def test_words_of_staff_go_and_codes_stay(
    change_settings: Any, shopper: Shopper
) -> None:
    change_settings(RETENTION=30 * DAY)
    order = shopper.pay(new_order(customer={"name": "Giulia Bianchi"}))
    flows.refund(order, Decimal("1.00"), reason="Giulia did not like it")
    flows.refund(order, Decimal("1.00"), reason="returned")
    with time_travel(31 * DAY):
        assert erasure.erase() == 1
        reasons = order.operations.filter(kind="refund").order_by("pk")
        assert list(reasons.values_list("reason", flat=True)) == ["", "returned"]
        flows.add_note(order, "Giulia rang once more")
    with time_travel(62 * DAY):
        assert erasure.erase() == 1
    assert order.events.get(kind="note").note == ""


def test_words_of_staff_members_stay_for_the_audit_retention(
    change_settings: Any, shopper: Shopper
) -> None:
    change_settings(RETENTION=30 * DAY)
    order = shopper.pay(new_order(customer={"name": "Giulia Bianchi"}))
    anna = actor("anna", "refund_payment")
    flows.refund(order, Decimal("1.00"), reason="Giulia rang", actor=anna)
    flows.refund(order, Decimal("1.00"), reason="returned", actor=anna)
    flows.add_note(order, "Giulia rang", actor=anna)
    flows.reconcile()
    refunds = order.operations.filter(kind="refund").order_by("pk")
    with time_travel(31 * DAY):
        assert erasure.erase() == 1
        assert [one.reason for one in refunds.all()] == ["Giulia rang", "returned"]
        assert order.events.get(kind="note").note == "Giulia rang"
        assert erasure.erase() == 0  # their note does not make the order due again
    with time_travel(367 * DAY):
        erasure.erase()
    assert [one.reason for one in refunds.all()] == ["", "returned"]
    assert order.events.get(kind="note").note == ""
