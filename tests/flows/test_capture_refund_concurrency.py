"""Concurrent staff: never more refunded or captured than there is."""

from __future__ import annotations

from decimal import Decimal

import pytest

from nexi_payments import flows
from nexi_payments.enums import OperationKind, OrderState
from nexi_payments.exceptions import (
    AmountChanged,
    ExceedsRemaining,
    InvalidState,
    OrderBusy,
)
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import Simulator
from tests.support.clerk import ORDERS_URL, Clerk, hidden_fields
from tests.support.concurrency import run_concurrently
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)

REFUSALS = (AmountChanged, ExceedsRemaining, OrderBusy, InvalidState)


def fresh(order: PaymentOrder) -> PaymentOrder:
    return PaymentOrder.objects.get(pk=order.pk)


def test_twelve_refunds_of_all(shopper: Shopper, gateway: Simulator) -> None:
    order = shopper.pay(new_order())
    got = run_concurrently(12, lambda n: flows.refund(fresh(order)), REFUSALS)
    assert sum(1 for one in got if one in REFUSALS) == 11, got
    assert gateway.charge_of(order.order_id).refunded == 1250
    assert gateway.count("POST /operations/{id}/refunds") == 1
    assert fresh(order).state == OrderState.REFUNDED


def test_twelve_refunds_in_part(shopper: Shopper, gateway: Simulator) -> None:
    order = shopper.pay(new_order())
    got = run_concurrently(
        12, lambda n: flows.refund(fresh(order), Decimal("4.00")), REFUSALS
    )
    done = [one for one in got if one not in REFUSALS]
    assert 1 <= len(done) <= 3, got
    row = fresh(order)
    assert row.refunded_amount == 400 * len(done)
    assert gateway.charge_of(order.order_id).refunded == 400 * len(done)


def test_refunds_that_wait_for_nexi(shopper: Shopper, gateway: Simulator) -> None:
    order = shopper.pay(new_order(), "refund_pending")
    for _ in range(4):
        run_concurrently(
            6, lambda n: flows.refund(fresh(order), Decimal("5.00")), REFUSALS
        )
    row = fresh(order)
    assert (row.refunded_amount, row.refunding_amount) == (0, 1000)
    gateway.advance(60)
    flows.reconcile(row)
    assert gateway.charge_of(order.order_id).refunded == 1000
    assert fresh(order).refunded_amount == 1000


def test_captures_and_a_void(shopper: Shopper, gateway: Simulator) -> None:
    order = shopper.pay(new_order(terminal="manual"))
    deeds = [
        lambda: flows.capture(fresh(order), Decimal("12.50")),
        lambda: flows.void(fresh(order)),
        lambda: flows.capture(fresh(order), Decimal("0.01")),
    ]
    run_concurrently(9, lambda n: deeds[n % 3](), REFUSALS)
    charge = gateway.charge_of(order.order_id)
    row = fresh(order)
    assert (row.state == OrderState.VOIDED) == charge.voided
    if not charge.voided:
        assert row.captured_amount == charge.captured <= 1250
    assert charge.refunded in (0, 1250)


def test_two_browsers_confirm_at_once(shopper: Shopper, gateway: Simulator) -> None:
    order = shopper.pay(new_order())
    clerks = [Clerk("refund_payment", name=f"clerk{n}") for n in range(4)]
    url = f"{ORDERS_URL}{order.pk}/refund/"
    forms = [
        hidden_fields(
            clerk.post(url, amount="8.00", expected_remaining="12.50").content.decode()
        )
        for clerk in clerks
    ]
    got = run_concurrently(4, lambda n: clerks[n].post(url, **forms[n]).status_code)
    assert got == [302] * 4
    assert gateway.charge_of(order.order_id).refunded == 800
    assert fresh(order).refunded_amount == 800
    assert order.operations.filter(kind=OperationKind.REFUND).count() == 1


def test_one_form_confirmed_four_times_at_once(
    shopper: Shopper, gateway: Simulator
) -> None:
    order = shopper.pay(new_order())
    clerks = [Clerk("refund_payment", name=f"clerk{n}") for n in range(4)]
    url = f"{ORDERS_URL}{order.pk}/refund/"
    answer = clerks[0].post(url, amount="3.00", expected_remaining="12.50")
    form = hidden_fields(answer.content.decode())
    run_concurrently(4, lambda n: clerks[n].post(url, **form).status_code)
    assert gateway.charge_of(order.order_id).refunded == 300
    assert order.operations.filter(kind=OperationKind.REFUND).count() == 1


def test_many_looks_take_a_foreign_refund_over_once(
    shopper: Shopper, gateway: Simulator
) -> None:
    from nexi_payments import conf
    from nexi_payments.gateway.payloads import OperationAmount

    order = shopper.pay(new_order())
    client = conf.client(conf.current().terminal(order.terminal))
    part = OperationAmount(300, "EUR", "elsewhere")
    client.refund(order.gateway_operation_id, part, conf.call_context())
    run_concurrently(8, lambda n: flows.reconcile(fresh(order)), REFUSALS)
    assert fresh(order).refunded_amount == 300
    assert order.operations.filter(kind=OperationKind.REFUND).count() == 1
