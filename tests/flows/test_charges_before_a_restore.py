"""Charges of saved cards that a backup does not have: asked for, adopted, not sent
again."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from nexi_payments import conf, flows
from nexi_payments.enums import ContractState, OrderState
from nexi_payments.exceptions import GatewayUnavailable
from nexi_payments.flows.inquiry import query
from nexi_payments.flows.orders import order_ids
from nexi_payments.models import Discrepancy, Operation
from nexi_payments.simulator import Reply, Simulator
from tests.support.backups import Backup
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
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_id_names_contract_reference_and_attempt(
    shopper: Shopper, gateway: Simulator, clock: Clock, settings: Any
) -> None:
    contract = make_contract(shopper, terms=MONTHLY)
    run_charge_due(clock, 30 * DAY + 1)
    [order] = mit_orders(contract)
    derived = order_ids.of_contract_charge(
        contract.contract_id, f"{contract.contract_id}/1", 0
    )
    assert order.order_id == derived
    assert re.fullmatch(r"[A-Za-z0-9]{18}", derived)
    assert derived.startswith(conf.current().order_prefix)
    others = {
        order_ids.of_contract_charge(contract.contract_id, reference, attempt)
        for reference in (f"{contract.contract_id}/1", f"{contract.contract_id}/2")
        for attempt in (0, 1)
    }
    assert len(others) == 4
    operation = order.operations.get()
    assert operation.idempotency_key == order_ids.idempotency_key(derived)
    assert len(operation.idempotency_key) == 36
    settings.SECRET_KEY = "another installation"
    assert order_ids.of_contract_charge(
        contract.contract_id, f"{contract.contract_id}/1", 0
    ) not in (derived, *others)


def test_a_charge_is_asked_for_before_it_is_sent(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    contract = make_contract(shopper, terms=MONTHLY)
    run_charge_due(clock, 30 * DAY + 1)
    [order] = mit_orders(contract)
    paths = [(call.method, call.path) for call in gateway.calls]
    asked = paths.index(("GET", f"/orders/{order.order_id}"))
    assert asked < paths.index(("POST", "/orders/mit"))


@pytest.mark.parametrize("others_since", [0, 3])
def test_a_due_charge_that_was_made_is_not_made_again(
    shopper: Shopper, gateway: Simulator, clock: Clock, others_since: int
) -> None:
    contract = make_contract(shopper, terms=MONTHLY)
    clock.advance(30 * DAY + 1)
    backup = Backup.take()
    assert flows.charge_due().charged == 1
    [lost] = mit_orders(contract)
    backup.restore()
    for _ in range(others_since):
        new_order()  # they take the keys of the lost rows
    assert flows.charge_due() == flows.RecurringCounts(charged=1)
    assert gateway.counts[MIT_ENDPOINT] == 1
    [order] = mit_orders(contract)
    assert (order.order_id, order.state) == (lost.order_id, OrderState.PAID)
    assert (order.captured_amount, order.reason) == (900, "")
    assert not Discrepancy.objects.exists()
    contract.refresh_from_db()
    assert (contract.period, contract.next_charge_at) == (2, contract.scheduled_at(2))


def test_each_period_of_the_lost_time_is_recognized_and_the_next_is_charged(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    contract = make_contract(shopper, terms=MONTHLY)
    backup = Backup.take()
    for _ in range(3):
        assert run_charge_due(clock, 30 * DAY + 1).charged == 1
    backup.restore()
    clock.advance(30 * DAY)  # the fourth, which nobody has charged
    assert flows.charge_due().charged == 4
    assert flows.charge_due() == flows.RecurringCounts()
    assert gateway.counts[MIT_ENDPOINT] == 4
    contract.refresh_from_db()
    assert contract.period == 5


def test_periods_that_one_charge_covered_are_not_charged_one_by_one(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    contract = make_contract(shopper, terms=MONTHLY)
    backup = Backup.take()
    assert run_charge_due(clock, 100 * DAY).charged == 1  # three periods were missed
    backup.restore()
    assert run_charge_due(clock, HOUR).charged == 1
    assert flows.charge_due() == flows.RecurringCounts()
    assert gateway.counts[MIT_ENDPOINT] == 1
    contract.refresh_from_db()
    assert contract.period == 4


def test_declines_of_the_lost_time_count(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    contract = make_contract(shopper, "mit_declined", terms=MONTHLY)
    clock.advance(30 * DAY + 1)
    backup = Backup.take()
    assert flows.charge_due().retry == 1
    assert run_charge_due(clock, DAY + 1).retry == 1
    assert gateway.counts[MIT_ENDPOINT] == 2
    backup.restore()
    assert run_charge_due(clock, HOUR).retry == 1  # the first, found
    assert run_charge_due(clock, DAY).retry == 1  # the second, found
    assert gateway.counts[MIT_ENDPOINT] == 2
    assert [one.state for one in mit_orders(contract)] == [OrderState.FAILED] * 2
    assert run_charge_due(clock, 2 * DAY).retry == 0  # three days after the second
    assert run_charge_due(clock, DAY).retry == 1
    assert gateway.counts[MIT_ENDPOINT] == 3


def test_another_amount_than_ours_is_reviewed(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    contract = make_contract(shopper, terms=MONTHLY)
    clock.advance(30 * DAY + 1)
    backup = Backup.take()
    flows.charge_due()
    [lost] = mit_orders(contract)
    backup.restore()
    type(contract).objects.update(amount=1900)  # the plan was changed
    assert flows.charge_due().in_doubt == 1
    [order] = mit_orders(contract)
    assert (order.state, order.reason) == (OrderState.REVIEW, "mismatch")
    assert order.order_id == lost.order_id
    assert gateway.counts[MIT_ENDPOINT] == 1
    contract.refresh_from_db()
    assert (contract.state, contract.period) == (ContractState.ACTIVE, 1)


def test_without_an_answer_nothing_is_sent(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    contract = make_contract(shopper, terms=MONTHLY)
    clock.advance(30 * DAY + 1)
    gateway.next_reply("/orders/", Reply(503))
    assert flows.charge_due() == flows.RecurringCounts()
    [order] = mit_orders(contract)
    assert order.state == OrderState.INIT
    assert not order.operations.exists()
    assert gateway.counts[MIT_ENDPOINT] == 0
    contract.refresh_from_db()
    assert contract.next_charge_at is not None
    assert contract.next_charge_at > timezone.now() + timedelta(minutes=14)
    assert run_charge_due(clock, HOUR).charged == 1
    assert gateway.counts[MIT_ENDPOINT] == 1
    assert mit_orders(contract) == [order]


def test_a_charge_by_the_shop_is_asked_for_too(
    shopper: Shopper, gateway: Simulator
) -> None:
    contract = make_contract(shopper)
    backup = Backup.take()
    lost = charge_contract(contract, "S-1")
    backup.restore()
    gateway.next_reply("/orders/", Reply(503))
    with pytest.raises(GatewayUnavailable):
        charge_contract(contract, "S-1")
    assert gateway.counts[MIT_ENDPOINT] == 1
    found = charge_contract(contract, "S-1")
    assert (found.order_id, found.state) == (lost.order_id, OrderState.PAID)
    assert gateway.counts[MIT_ENDPOINT] == 1
    assert charge_contract(contract, "S-2").state == OrderState.PAID
    assert gateway.counts[MIT_ENDPOINT] == 2


def test_a_charge_that_another_process_makes_meanwhile_is_not_adopted(
    shopper: Shopper, gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its operation is on disk: a second one would never be settled."""
    contract = make_contract(shopper)
    find_at_nexi = query.find_at_nexi

    def charged_meanwhile(*args: Any) -> Any:
        monkeypatch.setattr(query, "find_at_nexi", find_at_nexi)
        charge_contract(contract, "S-1")
        return find_at_nexi(*args)

    monkeypatch.setattr(query, "find_at_nexi", charged_meanwhile)
    order = charge_contract(contract, "S-1")
    assert (order.state, mit_orders(contract)) == (OrderState.PAID, [order])
    assert [one.outcome for one in order.operations.all()] == ["done"]
    assert gateway.counts[MIT_ENDPOINT] == 1


def test_a_charge_still_pending_is_waited_for(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    contract = make_contract(shopper, "mit_pending", terms=MONTHLY)
    clock.advance(30 * DAY + 1)
    backup = Backup.take()
    assert flows.charge_due().in_doubt == 1
    backup.restore()
    assert flows.charge_due().in_doubt == 1
    [order] = mit_orders(contract)
    assert order.state == OrderState.PAYING
    assert Operation.objects.get(order=order).outcome == "in_doubt"
    clock.advance(HOUR)
    flows.reconcile()
    assert run_charge_due(clock, HOUR).charged == 1
    assert gateway.counts[MIT_ENDPOINT] == 1


def test_after_a_failed_charge_the_next_attempt_has_another_id(
    shopper: Shopper, gateway: Simulator
) -> None:
    contract = make_contract(shopper, "mit_declined")
    first = charge_contract(contract, "S-1")
    second = charge_contract(contract, "S-1")
    assert (first.state, second.state) == (OrderState.FAILED, OrderState.FAILED)
    assert first.order_id != second.order_id
    assert gateway.counts[MIT_ENDPOINT] == 2
