"""The law as printed, and every pair of states tried on a row."""

from __future__ import annotations

import itertools

import pytest

from nexi_payments import states
from nexi_payments.flows import moves
from nexi_payments.models import PaymentOrder
from tests.shopper import new_order

PRINTED = """
init          awaiting_3ds failed paying review
awaiting_3ds  failed paying review validated
validated     failed paying review
paying        authorized failed paid review
authorized    paid review voided
paid          authorized refunded
failed        authorized paid review
review        authorized failed paid refunded voided
voided
refunded
"""


def test_the_table_is_as_printed() -> None:
    table = {
        line.split()[0]: frozenset(line.split()[1:])
        for line in PRINTED.strip().splitlines()
    }
    assert table == states.TRANSITIONS
    assert tuple(table) == states.STATES


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("source", "target"), list(itertools.product(states.STATES, states.STATES))
)
def test_every_pair(source: str, target: str) -> None:
    order = new_order()
    live = order.live_reference if source in states.LIVE | {states.REVIEW} else None
    rows = PaymentOrder.objects.filter(pk=order.pk)
    rows.update(state=source, live_reference=live)
    order.refresh_from_db()
    changes = {}
    if target in states.LIVE and live is None:
        changes["live_reference"] = order.live_key
    legal = target in states.TRANSITIONS[source]
    assert moves.move(order, target, **changes) is legal
    order.refresh_from_db()
    assert order.state == (target if legal else source)
    assert [(e.from_state, e.to_state) for e in order.events.all()] == (
        [(source, target)] if legal else []
    )
    holds = order.live_reference is not None
    if order.state != states.REVIEW:
        assert holds is (order.state in states.LIVE)


@pytest.mark.django_db(transaction=True)
def test_a_stale_instance_still_writes_the_true_origin() -> None:
    order = new_order()
    stale = PaymentOrder.objects.get(pk=order.pk)
    assert moves.move(order, states.AWAITING_3DS)
    assert moves.move(stale, states.FAILED, reason="x")
    assert [e.from_state for e in order.events.all()] == ["init", "awaiting_3ds"]
    assert not moves.move(order, states.PAYING)
    assert order.state == states.FAILED  # shows what is on disk
