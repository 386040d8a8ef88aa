"""Rules and invariants about contracts and partial captures, for the state machine of
``test_random_lifecycles``."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies
from hypothesis.stateful import rule

from nexi_payments import enums, flows, money
from nexi_payments.enums import Channel, ContractState, OrderState
from nexi_payments.exceptions import ContractEndUnconfirmed, NexiPaymentsError
from nexi_payments.models import Contract, PaymentOrder
from nexi_payments.simulator import Simulator, balances
from tests.support.fault_injection import FaultyGateway
from tests.support.shopper import Form

#: endings of the first payment's card: now, and of later charges
FIRST_PAYMENT_ENDINGS = strategies.sampled_from(
    [
        *("challenge", "challenge", "frictionless", "refund_pending", "declined"),
        *("answer_lost", "pending_then_paid", "gateway_down", "mit_declined"),
        *("mit_lost_card", "mit_answer_lost", "mit_pending"),
    ]
)
#: endings with a successful first payment
SUCCESSFUL_FIRST_ENDINGS = (
    *("challenge", "mit_declined", "mit_pending", "mit_answer_lost"),
    *("mit_lost_card", "refund_pending"),
)
FAULTS = strategies.sampled_from(
    ["", "", "", "", "answer lost", "500", "400", "429", "unsent", "late", "half"]
)
UNSCHEDULED_TERMS = flows.ContractTerms("Coffee")
DAILY_TERMS = flows.ContractTerms(
    "Coffee, daily", interval_days=1, amount=Decimal("9.00")
)
TERMS = strategies.sampled_from([UNSCHEDULED_TERMS, DAILY_TERMS])
USABLE_STATES = (ContractState.ACTIVE, ContractState.SUSPENDED)


class ContractRules:
    """A mixin: creates a contract, charges it, ends it."""

    gateway: Simulator
    wire: FaultyGateway
    forms: list[Form]
    time: Any
    enter_for: Any
    come_back: Any

    @rule(
        ending=FIRST_PAYMENT_ENDINGS,
        plan=TERMS,
        terminal=strategies.sampled_from(["default", "two", "manual"]),
        answer=strategies.sampled_from(["approve"] * 4 + ["refuse"]),
        fault=FAULTS,
        basket=strategies.sampled_from(["E", "F", "G"]),
    )
    def first_payment(
        self,
        ending: str,
        plan: flows.ContractTerms,
        terminal: str,
        answer: str,
        fault: str,
        basket: str,
    ) -> None:
        known = len(self.forms)
        facts: Any = {"amount": Decimal("12.50"), "currency": "EUR", "contract": plan}
        try:
            order = flows.create_order(reference=basket, terminal=terminal, **facts)
        except NexiPaymentsError:
            return
        self.enter_for(order, ending, "")
        if len(self.forms) > known:
            self.come_back(known, answer, fault, "steps/payment", 1)

    @rule(
        which=strategies.integers(0, 5),
        number=strategies.integers(1, 3),
        minor=strategies.integers(1, 1400),
        fault=FAULTS,
        wait=strategies.booleans(),
    )
    def charge_on_file(
        self, which: int, number: int, minor: int, fault: str, wait: bool
    ) -> None:
        contract = self.contract(which)
        if contract is None:
            return
        amount = money.to_major(minor, "EUR")
        reference = f"{contract.contract_id} by hand {number}"
        before = len(self.gateway.calls)
        self.wire.fail_next(fault, "/mit")
        try:
            order = flows.charge_contract(
                contract, amount, "EUR", reference=reference, wait=wait
            )
        except NexiPaymentsError:
            assert len(self.gateway.calls) == before
        else:
            assert order.state != OrderState.INIT
            assert contract.state in USABLE_STATES
        self.wire.fail_next("", "")

    @rule(
        which=strategies.integers(0, 5),
        days=strategies.integers(0, 3),
        fault=FAULTS,
        again=strategies.booleans(),
    )
    def payday(self, which: int, days: int, fault: str, again: bool) -> None:
        self.contract(which, DAILY_TERMS)
        self.time.shift(timedelta(days=days))
        flows.reconcile()
        self.wire.fail_next(fault, "/mit")
        flows.charge_due()
        self.wire.fail_next("", "")
        if again:
            asked = self.gateway.count("/orders/mit")
            flows.charge_due()
            # a second run finds nothing due
            assert self.gateway.count("/orders/mit") == asked

    @rule(which=strategies.integers(0, 5), fault=FAULTS)
    def end(self, which: int, fault: str) -> None:
        contract = self.contract(which)
        if contract is None or contract.state == ContractState.NOT_MADE:
            return
        self.wire.fail_next(fault, "/deactivation")
        try:
            flows.end_contract(contract)
        except ContractEndUnconfirmed:
            contract.refresh_from_db()
            assert contract.state == ContractState.ENDING
        else:
            assert contract.state == ContractState.ENDED
        self.wire.fail_next("", "")
        self.wire.ended_contracts.add(contract.contract_id)

    @rule(which=strategies.integers(0, 5))
    def resume(self, which: int) -> None:
        contract = self.contract(which)
        if contract is None or contract.state != ContractState.SUSPENDED:
            return
        assert flows.resume_contract(contract).state == ContractState.ACTIVE

    def contract(
        self, which: int, plan: flows.ContractTerms = UNSCHEDULED_TERMS
    ) -> Contract | None:
        """An existing contract, or one from a new first payment."""
        if not Contract.objects.exists():
            known, ending = (
                len(self.forms),
                SUCCESSFUL_FIRST_ENDINGS[which % len(SUCCESSFUL_FIRST_ENDINGS)],
            )
            self.first_payment(ending, plan, "default", "approve", "", "E")
            assert len(self.forms) == known + 1
        found = list(Contract.objects.order_by("pk"))
        return found[which % len(found)] if found else None

    # -- what must hold ----------------------------------------------------------------

    def assert_contracts_match(self) -> None:
        for contract in Contract.objects.all():
            there = self.gateway.store.find_contract(contract.contract_id)
            if contract.state in USABLE_STATES:
                # no charge of a contract that Nexi does not have
                assert there is not None
                assert there["active"]
                assert contract.contract_id not in self.wire.ended_contracts
            if contract.state == ContractState.NOT_MADE:
                assert not contract.payments.filter(channel=Channel.MIT).exists()
        asked = Counter(
            (row["contract"], row["order_id"])
            for row in self.gateway.store.created_between("", "9")
            if row.get("flow") == "mit"
        )
        for (name, order_id), count in asked.items():
            assert count == 1
            order = PaymentOrder.objects.get(order_id=order_id)
            assert order.contract is not None
            assert order.contract.contract_id == name

    def finish_ending_contracts(self) -> None:
        """The run that charges what is due tells Nexi; nothing else is due here."""
        Contract.objects.exclude(state=ContractState.ENDING).update(next_charge_at=None)
        flows.charge_due()

    def assert_contracts_settled(self) -> None:
        for contract in Contract.objects.all():
            first = contract.first_payment
            assert first is not None
            assert contract.state not in (ContractState.ENDING, ContractState.REQUESTED)
            there = self.gateway.store.find_contract(contract.contract_id)
            if contract.state == ContractState.ENDED:
                assert there is None or not there["active"]
            if first.state in enums.SUCCESSFUL:
                assert contract.state in (*USABLE_STATES, ContractState.ENDED)


def assert_captures_match(gateway: Simulator, order: PaymentOrder) -> None:
    """Every capture: its amount, and the refunds of it."""
    record = gateway.record(order.order_id)
    assert record is not None
    aged = balances.as_of(record, gateway.now())
    theirs = {
        one["id"]: (
            int(one["amount"]),
            balances.total_including_pending(aged, "REFUND", one["id"]),
        )
        for one in balances.uncancelled(aged)
        if one["type"] == "CAPTURE"
    }
    ours = {
        one.operation.gateway_operation_id: (
            one.operation.amount or 0,
            (one.operation.amount or 0) - one.remaining,
        )
        for one in flows.available(order).effective_captures
        if one.operation.gateway_operation_id
    }
    if order.state != OrderState.REVIEW:
        assert ours == theirs
