"""The table of transitions, and every pair of states tried on a row."""

from __future__ import annotations

import itertools

import pytest

from nexi_payments import enums
from nexi_payments.enums import OrderState
from nexi_payments.flows.ledger import transitions
from nexi_payments.models import PaymentOrder
from tests.support.shopper import new_order

PRINTED = """
init          awaiting_3ds awaiting_hosted_page failed paying review
awaiting_3ds  failed paying review validated
awaiting_hosted_page authorized failed paid refunded review voided
validated     failed paying review
paying        authorized failed paid refunded review voided
authorized    paid refunded review voided
paid          authorized refunded review voided
failed        authorized paid refunded review voided
review        authorized failed paid refunded voided
voided        authorized paid refunded review
refunded      authorized paid review voided
"""


def test_the_table_is_as_printed() -> None:
    table = {
        line.split()[0]: frozenset(line.split()[1:])
        for line in PRINTED.strip().splitlines()
    }
    assert table == enums.TRANSITIONS
    assert list(table) == OrderState.values


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("source", "target"), list(itertools.product(OrderState.values, OrderState.values))
)
def test_every_pair(source: str, target: str) -> None:
    order = new_order()
    live = order.live_reference if source in enums.LIVE | {OrderState.REVIEW} else None
    rows = PaymentOrder.objects.filter(pk=order.pk)
    rows.update(state=source, live_reference=live)
    order.refresh_from_db()
    changes = {}
    if target in enums.LIVE and live is None:
        changes["live_reference"] = order.live_key
    legal = target in enums.TRANSITIONS[source]
    assert transitions.transition(order, target, **changes) is legal
    order.refresh_from_db()
    assert order.state == (target if legal else source)
    assert [(e.from_state, e.to_state) for e in order.events.all()] == (
        [(source, target)] if legal else []
    )
    holds = order.live_reference is not None
    if order.state != OrderState.REVIEW:
        assert holds is (order.state in enums.LIVE)


@pytest.mark.django_db(transaction=True)
def test_a_stale_instance_still_writes_the_true_origin() -> None:
    order = new_order()
    stale = PaymentOrder.objects.get(pk=order.pk)
    assert transitions.transition(order, OrderState.AWAITING_3DS)
    assert transitions.transition(stale, OrderState.FAILED, reason="x")
    assert [e.from_state for e in order.events.all()] == ["init", "awaiting_3ds"]
    assert not transitions.transition(order, OrderState.PAYING)
    assert order.state == OrderState.FAILED  # shows what is on disk


@pytest.mark.django_db(transaction=True)
def test_a_caller_cannot_allow_a_change_that_the_table_does_not() -> None:
    order = new_order()
    PaymentOrder.objects.filter(pk=order.pk).update(state=OrderState.PAID)
    order.refresh_from_db()
    assert not transitions.transition(
        order, OrderState.VALIDATED, sources=(OrderState.PAID,)
    )
    order.refresh_from_db()
    assert (order.state, order.version) == (OrderState.PAID, 0)
