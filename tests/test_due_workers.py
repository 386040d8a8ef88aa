"""Charges that are due, whoever dies where: each period is charged once."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from nexi_payments import flows, states
from nexi_payments.exceptions import OrderBusy
from nexi_payments.flows import contracts, due
from nexi_payments.simulator import Simulator
from tests.cards_on_file import MIT, MONTHLY, Clock, charges, on_file, run
from tests.doubt import DAY
from tests.shopper import Shopper

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("dies", ["taken", "written", "sent"])
def test_a_worker_dies_and_the_period_is_charged_once(
    shopper: Shopper,
    gateway: Simulator,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    dies: str,
) -> None:
    """After taking the contract, after writing the order, after the charge."""

    class Killed(BaseException):
        pass

    def die(*args: Any, **more: Any) -> Any:
        raise Killed

    contract = on_file(shopper, terms=MONTHLY)
    with monkeypatch.context() as patch:
        place = {
            "taken": (due, "_charge"),
            "written": (contracts, "_charge"),
            "sent": (due, "_conclude"),
        }[dies]
        patch.setattr(*place, die)
        with pytest.raises(Killed):
            run(clock, 30 * DAY + 1)
    assert run(clock) == flows.Charged()
    assert run(clock, 400) == flows.Charged(charged=1)
    assert gateway.counts[MIT] == 1
    [one] = charges(contract)
    assert one.state == states.PAID


def test_who_was_slow_is_stopped_in_the_commit_of_his_charge(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    contract = on_file(shopper, terms=MONTHLY)
    clock.forward(30 * DAY + 1)
    [slow] = due._due(1)
    clock.forward(400)
    assert flows.charge_due().charged == 1
    with pytest.raises(OrderBusy):
        due._charge(slow)
    due._come_back(slow, None)
    contract.refresh_from_db()
    assert contract.due_at is not None
    assert gateway.counts[MIT] == 1


def test_any_number_of_workers_charges_once(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    made = [on_file(shopper, terms=MONTHLY) for _ in range(12)]
    clock.forward(30 * DAY + 1)
    found: list[flows.Charged] = []

    def work() -> None:
        found.append(flows.charge_due())
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(one.charged for one in found) == 12
    assert gateway.counts[MIT] == 12
    for contract in made:
        assert [one.state for one in charges(contract)] == [states.PAID]


def test_the_command_says_what_it_did(
    shopper: Shopper, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    on_file(shopper, terms=MONTHLY)
    clock.forward(30 * DAY + 1)
    call_command("nexi_charge_due")
    assert "charged=1" in capsys.readouterr().out
    call_command("nexi_charge_due", most=1)
    assert "charged=0" in capsys.readouterr().out


def test_the_task_does_the_same(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    tasks = pytest.importorskip("nexi_payments.tasks")
    on_file(shopper, terms=MONTHLY)
    clock.forward(30 * DAY + 1)
    assert "charged=1" in tasks.charge_due()
    assert gateway.counts[MIT] == 1
    assert "nexi_payments.charge_due" in tasks.BEAT_SCHEDULE


def test_inside_a_transaction_nobody_is_asked(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    contract = on_file(shopper, terms=MONTHLY)
    clock.forward(30 * DAY)
    before = dict(gateway.counts)
    with transaction.atomic(), pytest.raises(RuntimeError):
        flows.charge_due()
    assert dict(gateway.counts) == before
    due_at, claims = contract.due_at, contract.claims
    contract.refresh_from_db()
    assert (contract.due_at, contract.claims) == (due_at, claims)
