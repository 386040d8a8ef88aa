"""Notes of staff: events of the history, which change nothing else."""

from __future__ import annotations

import pytest

from nexi_payments import flows
from nexi_payments.exceptions import CardDataNotAllowed
from nexi_payments.models import Event, PaymentOrder
from tests.support.clerk import staff_user
from tests.support.shopper import CARDS, Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_note_is_added(shopper: Shopper) -> None:
    order = shopper.pay(new_order())
    before = PaymentOrder.objects.filter(pk=order.pk).values().get()
    user = staff_user("anna")
    actor = flows.Actor(user, "10.1.2.3")
    event = flows.add_note(order, "  Rang the customer. ", actor=actor)
    flows.add_note(order, "Rang again.", actor=actor)
    assert PaymentOrder.objects.filter(pk=order.pk).values().get() == before
    event.refresh_from_db()
    assert (event.kind, event.note, event.from_state, event.to_state) == (
        "note",
        "Rang the customer.",
        "paid",
        "paid",
    )
    assert (event.actor, event.address) == (user, "10.1.2.3")
    assert event.deliver_at is None  # no signal
    notes = order.events.filter(kind="note").values_list("note", flat=True)
    assert list(notes) == ["Rang the customer.", "Rang again."]


def test_what_is_refused_writes_nothing() -> None:
    order = new_order()
    for text, error in (
        ("   ", ValueError),
        ("x" * 301, ValueError),
        (f"card {CARDS['challenge'].number}", CardDataNotAllowed),
    ):
        with pytest.raises(error):
            flows.add_note(order, text)
    assert not Event.objects.filter(kind="note").exists()
