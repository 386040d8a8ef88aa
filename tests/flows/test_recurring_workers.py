"""Recurring charges with crashing workers: each period is charged once."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from nexi_payments import flows
from nexi_payments.enums import OrderState
from nexi_payments.exceptions import OrderBusy
from nexi_payments.flows import contract_charges, contract_schedule, recurring
from nexi_payments.simulator import Simulator
from tests.support.contracts import (
    MIT_ENDPOINT,
    MONTHLY,
    Clock,
    make_contract,
    mit_orders,
    run_charge_due,
)
from tests.support.in_doubt import DAY
from tests.support.shopper import Shopper

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("dies", ["taken", "written", "sent"])
def test_a_worker_dies_and_the_period_is_charged_once(
    shopper: Shopper,
    gateway: Simulator,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    dies: str,
) -> None:
    """A crash after the lease, after the order's insert, and after the charge."""

    class Killed(BaseException):
        pass

    def die(*args: Any, **more: Any) -> Any:
        raise Killed

    contract = make_contract(shopper, terms=MONTHLY)
    with monkeypatch.context() as patch:
        place = {
            "taken": (recurring, "_charge"),
            "written": (contract_charges, "_charge"),
            "sent": (recurring, "_apply_result"),
        }[dies]
        patch.setattr(*place, die)
        with pytest.raises(Killed):
            run_charge_due(clock, 30 * DAY + 1)
    assert run_charge_due(clock) == flows.RecurringCounts()
    assert run_charge_due(clock, 400) == flows.RecurringCounts(charged=1)
    assert gateway.counts[MIT_ENDPOINT] == 1
    [one] = mit_orders(contract)
    assert one.state == OrderState.PAID


def test_who_was_slow_is_stopped_in_the_commit_of_his_charge(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    contract = make_contract(shopper, terms=MONTHLY)
    clock.advance(30 * DAY + 1)
    [slow] = recurring._due_contracts(1)
    clock.advance(400)
    assert flows.charge_due().charged == 1
    with pytest.raises(OrderBusy):
        recurring._charge(slow, flows.RecurringCounts())
    contract_schedule.reschedule(slow, None)
    contract.refresh_from_db()
    assert contract.next_charge_at is not None
    assert gateway.counts[MIT_ENDPOINT] == 1


def test_any_number_of_workers_charges_once(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    made = [make_contract(shopper, terms=MONTHLY) for _ in range(12)]
    clock.advance(30 * DAY + 1)
    found: list[flows.RecurringCounts] = []

    def work() -> None:
        found.append(flows.charge_due())
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(one.charged for one in found) == 12
    assert gateway.counts[MIT_ENDPOINT] == 12
    for contract in made:
        assert [one.state for one in mit_orders(contract)] == [OrderState.PAID]


def test_the_command_says_what_it_did(
    shopper: Shopper, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    make_contract(shopper, terms=MONTHLY)
    clock.advance(30 * DAY + 1)
    call_command("nexi_charge_due")
    assert "charged=1" in capsys.readouterr().out
    call_command("nexi_charge_due", limit=1)
    assert "charged=0" in capsys.readouterr().out


def test_the_task_does_the_same(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    tasks = pytest.importorskip("nexi_payments.tasks")
    make_contract(shopper, terms=MONTHLY)
    clock.advance(30 * DAY + 1)
    assert "charged=1" in tasks.charge_due()
    assert gateway.counts[MIT_ENDPOINT] == 1
    assert "nexi_payments.charge_due" in tasks.BEAT_SCHEDULE


def test_inside_a_transaction_nobody_is_asked(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    contract = make_contract(shopper, terms=MONTHLY)
    clock.advance(30 * DAY)
    before = dict(gateway.counts)
    with transaction.atomic(), pytest.raises(RuntimeError):
        flows.charge_due()
    assert dict(gateway.counts) == before
    next_charge_at, lease_version = contract.next_charge_at, contract.lease_version
    contract.refresh_from_db()
    assert (contract.next_charge_at, contract.lease_version) == (
        next_charge_at,
        lease_version,
    )
