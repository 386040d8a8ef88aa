"""Signals: after commit, at least once, in order, repeated until no receiver raises."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.utils import timezone

from nexi_payments import flows, outbox, signals
from nexi_payments.enums import OperationOutcome, OrderState
from nexi_payments.models import Discrepancy, Event, PaymentOrder
from nexi_payments.simulator import Simulator
from tests.support.in_doubt import prove_absent
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


class Ear:
    """A receiver that can be made to fail."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str, int]] = []
        self.failures = 0

    def __call__(self, sender: Any, order: Any, event: Any, **kwargs: Any) -> None:
        assert sender is PaymentOrder
        assert not connection.in_atomic_block
        if self.failures:
            self.failures -= 1
            raise RuntimeError("the shop is broken")
        self.heard.append((event.kind, order.state, event.pk))


@pytest.fixture
def ear() -> Iterator[Ear]:
    ear = Ear()
    for signal in signals.SIGNAL_BY_EVENT_KIND.values():
        signal.connect(ear, weak=False)
    yield ear
    for signal in signals.SIGNAL_BY_EVENT_KIND.values():
        signal.disconnect(ear)


def later(seconds: float) -> Any:
    return time_machine.travel(timezone.now() + timedelta(seconds=seconds), tick=True)


@pytest.mark.parametrize(
    ("terminal", "ending", "kind"),
    [
        ("default", "frictionless", "paid"),
        ("manual", "frictionless", "authorized"),
        ("default", "declined", "failed"),
    ],
)
def test_told_at_once(
    shopper: Shopper, ear: Ear, terminal: str, ending: str, kind: str
) -> None:
    order = shopper.pay(new_order(terminal=terminal), ending)
    event = Event.objects.get(kind=kind)
    assert ear.heard == [(kind, order.state, event.pk)]
    assert event.delivered_at is not None
    assert event.deliver_at is None
    # intermediate states have events and no signals
    assert not Event.objects.exclude(deliver_at=None).exists()


def test_review_is_told_with_its_break(
    shopper: Shopper, ear: Ear, gateway: Simulator
) -> None:
    broken: list[Discrepancy] = []

    def note(sender: Any, discrepancy: Discrepancy, **kwargs: Any) -> None:
        broken.append(discrepancy)

    signals.discrepancy_found.connect(note)
    order = new_order()
    form = shopper.start(order)
    order.refresh_from_db()
    with gateway.store.edit_payment(order.gateway_operation_id) as record:
        assert record is not None
        record.update(result="EXECUTED", charged_at="now")
    shopper.return_from_issuer(form, {})
    assert [kind for kind, _, _ in ear.heard] == ["review"]
    assert [str(record) for record in broken] == [
        "unexpected_charge: no charge was sent / AUTHORIZATION EXECUTED 1250"
        f" {order.gateway_operation_id}"
    ]


def test_a_receiver_that_raises_is_asked_again(
    shopper: Shopper, ear: Ear, caplog: Any
) -> None:
    ear.failures = 2
    order = shopper.pay(new_order(), "frictionless")
    assert order.state == OrderState.PAID  # whatever the shop does
    assert ear.heard == []
    assert "the shop is broken" in caplog.text
    event = Event.objects.get(kind="paid")
    assert (event.attempts, event.delivered_at) == (1, None)
    assert flows.reconcile().delivered == 0  # not yet
    with later(6):
        assert flows.reconcile().delivered == 0
    with later(40):
        assert flows.reconcile().delivered == 1
    event.refresh_from_db()
    assert event.attempts == 3
    assert ear.heard == [("paid", "paid", event.pk)]
    with later(4000):
        assert flows.reconcile().delivered == 0


def test_the_back_off_ends_at_an_hour(shopper: Shopper, ear: Ear) -> None:
    ear.failures = 10**6
    shopper.pay(new_order(), "frictionless")
    event = Event.objects.get(kind="paid")
    waits = []
    for _ in range(7):
        event.refresh_from_db()
        now = timezone.now()
        outbox.deliver(event)
        event.refresh_from_db()
        assert event.deliver_at is not None
        waits.append(round((event.deliver_at - now).total_seconds()))
    assert waits == [30, 120, 600, 1800, 3600, 3600, 3600]


def test_what_died_before_delivery_is_delivered(shopper: Shopper, ear: Ear) -> None:
    order = shopper.pay(new_order(), "frictionless")
    event = Event.objects.get(kind="paid")
    ear.heard.clear()
    # as after a crash between the commit and the signal
    Event.objects.filter(pk=event.pk).update(
        deliver_at=timezone.now() + outbox.lease_duration(),
        delivered_at=None,
        attempts=0,
    )
    assert flows.reconcile().delivered == 0
    with later(26):
        assert flows.reconcile().delivered == 1
    assert ear.heard == [("paid", order.state, event.pk)]


def test_what_a_newer_version_wrote_is_left_to_it(shopper: Shopper, ear: Ear) -> None:
    """During a deployment an old reconciler skips kinds that it does not know."""
    first = shopper.pay(new_order(), "frictionless")
    second = shopper.pay(new_order(), "frictionless")
    past = timezone.now() - timedelta(seconds=1)
    new = Event.objects.get(order=first, kind="paid")
    Event.objects.filter(pk=new.pk).update(kind="to_come", deliver_at=past)
    Event.objects.filter(order=second, kind="paid").update(deliver_at=past)
    ear.heard.clear()
    assert outbox.deliver_due() == 1
    assert [pk for _, _, pk in ear.heard] == [
        Event.objects.get(order=second, kind="paid").pk
    ]
    new.refresh_from_db()
    assert (new.deliver_at, new.attempts) == (past, 1)


def test_in_order_for_one_order(shopper: Shopper, ear: Ear) -> None:
    order = shopper.pay(new_order(), "garbage")
    ear.failures = 1
    prove_absent(order)
    assert order.state == OrderState.FAILED
    # the charge turns up late while "failed" is still undelivered
    from nexi_payments.flows.ledger import operations

    operations.settle_order(
        order,
        operations.OperationUpdate(
            OperationOutcome.DONE,
            OrderState.PAID,
            order={"live_reference": order.live_key},
        ),
    )
    assert ear.heard == []  # its turn comes after "failed"
    with later(3600):
        flows.reconcile()
    assert [kind for kind, _, _ in ear.heard] == ["failed", "paid"]


def test_an_event_taken_by_another_process_is_left_alone(
    shopper: Shopper, ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    shopper.pay(new_order(), "frictionless")
    past = timezone.now() - timedelta(seconds=1)
    Event.objects.filter(kind="paid").update(deliver_at=past, delivered_at=None)
    ear.heard.clear()
    send = outbox.deliver

    def racing(event: Event) -> bool:
        assert outbox.deliver_due() == 0  # the other process finds it taken
        return send(event)

    monkeypatch.setattr(outbox, "deliver", racing)
    assert outbox.deliver_due() == 1
    assert len(ear.heard) == 1
