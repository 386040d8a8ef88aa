"""Names and addresses go, money stays."""

from __future__ import annotations

import io
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.utils import timezone

from nexi_payments import conf, flows, retention, states
from nexi_payments.card import Card
from nexi_payments.models import (
    CardCheck,
    Contract,
    Event,
    KeptAnswer,
    Operation,
    PaymentOrder,
)
from nexi_payments.simulator import Simulator
from tests.cards_on_file import on_file
from tests.clerk import Clerk, result_page
from tests.doubt import later
from tests.shopper import Shopper, new_order

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


def test_what_goes_and_what_stays(nexi: Any, gateway: Simulator) -> None:
    nexi(RETENTION=30 * DAY)
    clerk = Clerk("take_moto")
    order = clerk.take()
    clerk.post(result_page(order) + "mail/", email="g@example.com", language="en")
    assert len(personal(order)) >= 5
    assert retention.erase() == 0
    with later(31 * DAY):
        assert retention.erase() == 1
        assert retention.erase() == 0
    assert personal(order) == set()
    assert (order.state, order.captured_amount, order.reference) == (
        states.PAID,
        1250,
        "R-1",
    )
    assert (order.card_brand, order.card_last4) == ("VISA", "4549")
    assert order.operations.get().actor == clerk.user
    with later(32 * DAY):
        flows.refund(order, Decimal("1.00"))  # the money can still move
    order.refresh_from_db()
    assert order.refunded_amount == 100


def test_what_is_open_waits(nexi: Any, shopper: Shopper) -> None:
    nexi(RETENTION=DAY, WATCH_FOR=90 * DAY)
    customer = {"name": "Giulia"}
    held = shopper.pay(new_order(customer=customer, terminal="manual"))
    doubtful = shopper.pay(new_order(customer=customer), "garbage")
    fresh = new_order(customer=customer)
    with later(2 * DAY):
        assert retention.erase() == 0
    for order in (held, doubtful, fresh):
        assert "Giulia" in personal(order)


def test_in_batches(nexi: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    nexi(RETENTION=DAY)
    monkeypatch.setattr(retention, "_BATCH", 2)
    for place in range(5):
        new_order(reference=f"R-{place}", customer={"name": "Giulia"})
    PaymentOrder.objects.update(state="failed", live_reference=None, due_at=None)
    out = io.StringIO()
    with later(2 * DAY):
        call_command("nexi_purge", stdout=out)
    assert out.getvalue() == "purged=0 erased=5 forgotten=0\n"


def test_nothing_without_the_setting(nexi: Any, shopper: Shopper) -> None:
    order = shopper.pay(new_order(customer={"name": "Giulia"}))
    with later(10_000 * DAY):
        assert retention.erase() == 0
    assert "Giulia" in personal(order)
    nexi(RETENTION=60)
    with pytest.raises(ImproperlyConfigured, match="RETENTION"):
        conf.current()


@pytest.mark.parametrize(("retention", "left"), [(None, 2), (30 * DAY, 2), (DAY, 1)])
def test_what_the_api_answered_is_forgotten(
    nexi: Any, retention: int | None, left: int
) -> None:
    nexi(RETENTION=retention)
    for days in (0, 2, 8):
        KeptAnswer.objects.create(
            caller="user:1",
            key=f"key-number-{days}",
            fingerprint="",
            created_at=timezone.now() - timedelta(days=days),
        )
    out = io.StringIO()
    call_command("nexi_purge", stdout=out)
    assert out.getvalue() == f"purged=0 erased=0 forgotten={3 - left}\n"
    assert KeptAnswer.objects.count() == left


def test_cards_on_file_that_are_over_and_checks(
    nexi: Any, shopper: Shopper, gateway: Simulator
) -> None:
    nexi(RETENTION=30 * DAY)
    here = flows.Actor(address="192.0.2.7")
    flows.verify_card(Card("4349940199004549", "1230", "396"), actor=here)
    terms = flows.CardOnFile("Coffee", customer_id="K-7")
    ended, stands = on_file(shopper, terms=terms), on_file(shopper, terms=terms)
    flows.end_contract(ended)

    def kept() -> list[tuple[str | None, str]]:
        rows = Contract.objects.order_by("pk")
        return list(rows.values_list("agreed_address", "customer_id"))

    retention.erase()
    assert kept() == [("127.0.0.1", "K-7"), ("127.0.0.1", "K-7")]
    assert CardCheck.objects.get().address == "192.0.2.7"
    with later(31 * DAY):
        retention.erase()
    assert kept() == [(None, ""), ("127.0.0.1", "K-7")]
    assert CardCheck.objects.get().address is None
    stands.refresh_from_db()
    assert stands.agreed_text.startswith("Coffee")
