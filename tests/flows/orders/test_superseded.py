"""An attempt whose place another one takes: no failure, and the shop learns which."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from nexi_payments import flows, outbox, signals
from nexi_payments.admin.order_timeline import timeline
from nexi_payments.enums import EventKind, OrderState, Reason
from nexi_payments.exceptions import ReferenceInUse
from nexi_payments.flows.orders import attempts
from nexi_payments.models import Event, PaymentOrder
from nexi_payments.models.sealed_card import SealedCard
from nexi_payments.retention import archive
from nexi_payments.simulator import Simulator
from tests.support.in_doubt import (
    DAY,
    HOUR,
    charge_at_gateway,
    payment_in_doubt,
    prove_absent,
    time_travel,
)
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)

SUPERSEDED = (OrderState.FAILED, Reason.SUPERSEDED, None)


@pytest.fixture
def heard() -> Iterator[list[tuple[str, int, int | None]]]:
    """Kind, order and successor of each event. The successor can be read."""
    events: list[tuple[str, int, int | None]] = []

    def ear(sender: Any, order: PaymentOrder, event: Any, **kwargs: Any) -> None:
        assert not connection.in_atomic_block
        next_one = event.successor
        if next_one is not None:
            assert PaymentOrder.objects.filter(pk=next_one.pk).exists()
        events.append((event.kind, order.pk, next_one and next_one.pk))

    for signal in signals.SIGNAL_BY_EVENT_KIND.values():
        signal.connect(ear, weak=False)
    yield events
    for signal in signals.SIGNAL_BY_EVENT_KIND.values():
        signal.disconnect(ear)


def now(order: PaymentOrder) -> tuple[str, str, str | None]:
    order.refresh_from_db()
    return order.state, order.reason, order.live_reference


def test_by_another_amount(heard: list[tuple[str, int, int | None]]) -> None:
    old = new_order(reference="R-1")
    new = new_order(reference="R-1", amount=Decimal("15.00"))
    assert now(old) == SUPERSEDED
    assert now(new) == (OrderState.INIT, "", "R-1")
    assert heard == [("superseded", old.pk, new.pk)]
    event = old.events.get()
    assert (event.kind, event.from_state, event.to_state, event.reason) == (
        "superseded",
        "init",
        "failed",
        "superseded",
    )
    assert (event.successor, event.deliver_at) == (new, None)


def test_by_another_card(
    shopper: Shopper, heard: list[tuple[str, int, int | None]]
) -> None:
    form = shopper.start(new_order(reference="R-1"))
    old = PaymentOrder.objects.get(gateway_operation_id=form.operation_id)
    shopper.start(old)
    new = PaymentOrder.objects.latest("pk")
    assert now(old) == SUPERSEDED
    assert (new.retry_of, new.state) == (old, OrderState.AWAITING_3DS)
    assert heard == [("superseded", old.pk, new.pk)]
    assert SealedCard.objects.get().order == new


def test_a_third_attempt_by_another_card(
    shopper: Shopper, heard: list[tuple[str, int, int | None]]
) -> None:
    """The page of a failed attempt, while a newer one is at the issuer."""
    failed = shopper.pay(new_order(reference="R-1"), "declined")
    form = shopper.start(new_order(reference="R-1"))
    second = PaymentOrder.objects.get(gateway_operation_id=form.operation_id)
    heard.clear()
    shopper.start(failed)
    third = PaymentOrder.objects.latest("pk")
    assert now(second) == SUPERSEDED
    assert (third.retry_of, third.live_reference) == (failed, "R-1")
    assert heard == [("superseded", second.pk, third.pk)]


def test_by_late_money(
    shopper: Shopper, gateway: Simulator, heard: list[tuple[str, int, int | None]]
) -> None:
    late = payment_in_doubt(shopper, reference="L")
    prove_absent(late)
    waiting = new_order(reference="L")
    heard.clear()
    charge_at_gateway(gateway, late)
    with time_travel(HOUR):
        flows.reconcile(late)
    assert now(late)[0] == OrderState.PAID
    assert now(waiting) == SUPERSEDED
    assert heard == [
        ("superseded", waiting.pk, late.pk),
        ("paid", late.pk, None),
    ]


def test_in_the_transaction_of_the_shop(
    heard: list[tuple[str, int, int | None]],
) -> None:
    old = new_order(reference="R-1")

    def shop() -> None:
        with transaction.atomic():
            new_order(reference="R-1", amount=Decimal("15.00"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        shop()
    assert now(old) == (OrderState.INIT, "", "R-1")
    assert (heard, Event.objects.count()) == ([], 0)
    with transaction.atomic():
        new = new_order(reference="R-1", amount=Decimal("15.00"))
        assert heard == []
    assert heard == [("superseded", old.pk, new.pk)]


def test_without_a_successor_nothing_is_superseded(
    shopper: Shopper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its insert fails: the old attempt is still open."""
    form = shopper.start(new_order(reference="R-1"))
    old = PaymentOrder.objects.get()
    monkeypatch.setattr(attempts.secrets, "token_hex", lambda size: old.public_id)
    with pytest.raises(ReferenceInUse):
        new_order(reference="R-1", amount=Decimal("15.00"))
    assert now(old) == (OrderState.AWAITING_3DS, "", "R-1")
    assert not old.events.filter(kind=EventKind.SUPERSEDED).exists()
    shopper.return_from_issuer(form, shopper.answer_challenge(form))
    assert now(old)[0] == OrderState.PAID


def test_it_is_sent_again_after_a_crash(
    heard: list[tuple[str, int, int | None]],
) -> None:
    old = new_order(reference="R-1")
    new = new_order(reference="R-1", amount=Decimal("15.00"))
    heard.clear()
    # as after a crash between the commit and the signal
    past = timezone.now() - timedelta(seconds=1)
    Event.objects.update(deliver_at=past, delivered_at=None, attempts=0)
    assert outbox.deliver_due() == 1
    assert heard == [("superseded", old.pk, new.pk)]


@pytest.mark.parametrize("limit", [1, 10])
def test_both_are_archived(tmp_path: Path, limit: int) -> None:
    old = new_order(reference="R-1")
    new = new_order(reference="R-1", amount=Decimal("15.00"))
    flows.cancel(new)
    before = timezone.now() + timedelta(days=1)
    with time_travel(500 * DAY):
        while archive.archive(tmp_path, before, limit) is not None:
            pass
    assert not PaymentOrder.objects.exists()
    lines = [line for file in tmp_path.iterdir() for line in archive.read_archive(file)]
    assert len(lines) == 2
    event = next(line for line in lines if line["order"]["id"] == old.pk)["events"][0]
    assert (event["kind"], event["successor_id"]) == ("superseded", new.pk)


def test_a_successor_that_was_archived_before(shopper: Shopper) -> None:
    old = new_order(reference="R-1")
    new = new_order(reference="R-1", amount=Decimal("15.00"))
    PaymentOrder.objects.filter(pk=new.pk).delete()
    rows = old.events.select_related("successor")
    assert (rows.get().successor_id, rows.get().successor) == (new.pk, None)
    assert str(timeline(old)[0].title) == "Another attempt took its place"
