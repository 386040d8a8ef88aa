"""Recurring charges after the settings of their terminal have changed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from nexi_payments import flows
from nexi_payments.enums import ContractState, EventKind, OrderState
from nexi_payments.exceptions import ContractEndUnconfirmed, TerminalNotConfigured
from nexi_payments.models import Contract, Event
from nexi_payments.signals import contract_on_hold
from nexi_payments.simulator import Simulator
from tests.support.contracts import (
    MIT_ENDPOINT,
    MONTHLY,
    Clock,
    charge_contract,
    make_contract,
    mit_orders,
    run_charge_due,
)
from tests.support.in_doubt import DAY, MINUTE
from tests.support.shopper import Shopper

pytestmark = pytest.mark.django_db(transaction=True)

#: Replaces the options of the terminal "two", or removes it with ``None``.
SetTerminal = Callable[[dict[str, Any] | None], None]


@pytest.fixture
def set_two(settings: Any, change_settings: Any) -> SetTerminal:
    original = settings.NEXI_PAYMENTS["TERMINALS"]

    def change(options: dict[str, Any] | None) -> None:
        others = {name: one for name, one in original.items() if name != "two"}
        changed = {} if options is None else {"two": {**original["two"], **options}}
        change_settings(TERMINALS={**others, **changed})

    return change


@pytest.mark.parametrize(
    ("options", "note"),
    [
        (
            {"MAX_AMOUNT": Decimal("5.00")},
            "terminal 'two' accepts at most 5.00 EUR",
        ),
        (
            {"CURRENCIES": ["CHF"]},
            "terminal 'two' does not accept EUR, only CHF: add it to the terminal's"
            " CURRENCIES",
        ),
    ],
)
def test_an_amount_that_the_terminal_no_longer_accepts_suspends(
    shopper: Shopper,
    gateway: Simulator,
    clock: Clock,
    set_two: SetTerminal,
    options: dict[str, Any],
    note: str,
) -> None:
    heard: list[tuple[str, str, str]] = []

    def hear(order: Any, event: Event, **more: Any) -> None:
        heard.append((order.contract.contract_id, order.state, event.note))

    contract = make_contract(shopper, terms=MONTHLY, terminal="two")
    set_two(options)
    contract_on_hold.connect(hear)
    try:
        found = run_charge_due(clock, 30 * DAY + 1)
    finally:
        contract_on_hold.disconnect(hear)
    assert found == flows.RecurringCounts(suspended=1)
    contract.refresh_from_db()
    assert (contract.state, contract.next_charge_at) == (ContractState.SUSPENDED, None)
    assert heard == [(contract.contract_id, OrderState.PAID, note)]
    [event] = Event.objects.filter(kind=EventKind.CONTRACT_SUSPENDED)
    assert (event.order, event.note) == (contract.first_payment, note)
    assert mit_orders(contract) == []
    assert gateway.counts[MIT_ENDPOINT] == 0

    set_two({})
    flows.resume_contract(contract)
    assert run_charge_due(clock) == flows.RecurringCounts(charged=1)


def test_a_taken_reference_counts_as_suspended(
    shopper: Shopper, gateway: Simulator, clock: Clock
) -> None:
    contract = make_contract(shopper, terms=MONTHLY)
    shopper.pay(
        flows.create_order(
            amount=Decimal("1.00"),
            currency="EUR",
            reference=f"{contract.contract_id}/1",
        )
    )
    assert run_charge_due(clock, 30 * DAY + 1) == flows.RecurringCounts(suspended=1)
    [event] = Event.objects.filter(kind=EventKind.CONTRACT_SUSPENDED)
    assert event.note == "the reference of the period is taken"
    assert gateway.counts[MIT_ENDPOINT] == 0


def test_contracts_of_a_removed_terminal_wait_and_are_logged_once(
    shopper: Shopper,
    gateway: Simulator,
    clock: Clock,
    set_two: SetTerminal,
    caplog: pytest.LogCaptureFixture,
) -> None:
    contracts = [
        make_contract(shopper, terms=MONTHLY, terminal="two") for _ in range(2)
    ]
    set_two(None)
    caplog.clear()
    assert run_charge_due(clock, 30 * DAY + 1) == flows.RecurringCounts(skipped=2)
    ours = [one for one in caplog.records if one.name == "nexi_payments.recurring"]
    assert [(one.levelno, one.getMessage()) for one in ours] == [
        (
            logging.ERROR,
            "terminal two is not in the settings: 2 due contracts wait for it",
        )
    ]
    soon = timezone.now() + timedelta(minutes=14)
    for contract in contracts:
        contract.refresh_from_db()
        assert contract.state == ContractState.ACTIVE
        assert contract.next_charge_at is not None
        assert contract.next_charge_at > soon
    # not at the head of the queue of every run
    assert run_charge_due(clock, MINUTE) == flows.RecurringCounts()
    set_two({})
    assert run_charge_due(clock, 15 * MINUTE) == flows.RecurringCounts(charged=2)


def test_a_retry_on_a_removed_terminal_waits(
    shopper: Shopper, gateway: Simulator, clock: Clock, set_two: SetTerminal
) -> None:
    contract = make_contract(shopper, "mit_declined", terms=MONTHLY, terminal="two")
    assert run_charge_due(clock, 30 * DAY + 1) == flows.RecurringCounts(retry=1)
    set_two(None)
    assert run_charge_due(clock, DAY + 1) == flows.RecurringCounts(skipped=1)
    assert len(mit_orders(contract)) == gateway.counts[MIT_ENDPOINT] == 1


def test_the_end_of_a_contract_waits_for_its_terminal(
    shopper: Shopper, gateway: Simulator, clock: Clock, set_two: SetTerminal
) -> None:
    contract = make_contract(shopper, terms=MONTHLY, terminal="two")
    set_two(None)
    with pytest.raises(ContractEndUnconfirmed):
        flows.end_contract(contract)
    contract.refresh_from_db()
    assert contract.state == ContractState.ENDING
    assert run_charge_due(clock, 1) == flows.RecurringCounts(skipped=1)
    set_two({})
    assert run_charge_due(clock, 16 * MINUTE) == flows.RecurringCounts(ended=1)
    assert Contract.objects.get().state == ContractState.ENDED


def test_a_charge_on_a_removed_terminal_is_refused(
    shopper: Shopper, gateway: Simulator, set_two: SetTerminal
) -> None:
    contract = make_contract(shopper, terminal="two")
    set_two(None)
    with pytest.raises(TerminalNotConfigured, match="'two' accepts no charges"):
        charge_contract(contract)
    assert mit_orders(contract) == []


def test_a_broken_row_does_not_stop_the_run(
    shopper: Shopper, gateway: Simulator, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    broken = make_contract(shopper, terms=MONTHLY)
    make_contract(shopper, terms=MONTHLY)
    # as by an UPDATE of the shop's own
    text = "4111 1111 1111 1111"
    Contract.objects.filter(pk=broken.pk).update(description=text)
    found = run_charge_due(clock, 30 * DAY + 1)
    assert found == flows.RecurringCounts(charged=1, skipped=1)
    assert f"contract {broken.contract_id}" in caplog.text
    assert text not in caplog.text
