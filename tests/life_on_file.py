"""The part of a whole life that is about cards on file and captures in parts: rules
and what must hold, for the machine of ``test_life``."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies
from hypothesis.stateful import rule

from nexi_payments import flows, money, states
from nexi_payments.exceptions import ContractUnsettled, NexiPaymentsError
from nexi_payments.flows import postauth
from nexi_payments.models import Contract, PaymentOrder
from nexi_payments.simulator import Simulator, ledger
from tests.bad_wire import Wire
from tests.shopper import Form

#: what the first payment's card does: now, and when it is charged later
KEPT = strategies.sampled_from(
    [
        *("challenge", "challenge", "frictionless", "refund_pending", "declined"),
        *("answer_lost", "pending_then_paid", "gateway_down", "later_no_money"),
        *("later_lost_card", "later_answer_lost", "later_pending"),
    ]
)
#: of these the first payment goes well
LATER = (
    *("challenge", "later_no_money", "later_pending", "later_answer_lost"),
    *("later_lost_card", "refund_pending"),
)
FAULTS = strategies.sampled_from(
    ["", "", "", "", "answer lost", "500", "400", "429", "unsent", "late", "half"]
)
BY_HAND = flows.CardOnFile("Coffee")
DAILY = flows.CardOnFile("Coffee, daily", every=1, amount=Decimal("9.00"))
PLANS = strategies.sampled_from([BY_HAND, DAILY])
STANDING = (states.ACTIVE, states.ON_HOLD)


class FilesCards:
    """A mixin: pays with a card that is kept, charges it, ends it."""

    gateway: Simulator
    wire: Wire
    forms: list[Form]
    time: Any
    enter_for: Any
    come_back: Any

    @rule(
        ending=KEPT,
        plan=PLANS,
        terminal=strategies.sampled_from(["default", "two", "manual"]),
        answer=strategies.sampled_from(["approve"] * 4 + ["refuse"]),
        fault=FAULTS,
        basket=strategies.sampled_from(["E", "F", "G"]),
    )
    def first_payment(
        self,
        ending: str,
        plan: flows.CardOnFile,
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
        self.wire.plan(fault, "/mit")
        try:
            order = flows.charge_contract(
                contract, amount, "EUR", reference=reference, wait=wait
            )
        except NexiPaymentsError:
            assert len(self.gateway.calls) == before
        else:
            assert order.state != states.INIT
            assert contract.state in STANDING
        self.wire.plan("", "")

    @rule(
        which=strategies.integers(0, 5),
        days=strategies.integers(0, 3),
        fault=FAULTS,
        again=strategies.booleans(),
    )
    def payday(self, which: int, days: int, fault: str, again: bool) -> None:
        self.contract(which, DAILY)
        self.time.shift(timedelta(days=days))
        flows.reconcile()
        self.wire.plan(fault, "/mit")
        flows.charge_due()
        self.wire.plan("", "")
        if again:
            asked = self.gateway.count("/orders/mit")
            flows.charge_due()
            # what was due was charged: a second run finds nothing to do
            assert self.gateway.count("/orders/mit") == asked

    @rule(which=strategies.integers(0, 5), fault=FAULTS)
    def end(self, which: int, fault: str) -> None:
        contract = self.contract(which)
        if contract is None or contract.state == states.NOT_MADE:
            return
        self.wire.plan(fault, "/deactivation")
        try:
            flows.end_contract(contract)
        except ContractUnsettled:
            contract.refresh_from_db()
            assert contract.state == states.ENDING
        else:
            assert contract.state == states.ENDED
        self.wire.plan("", "")
        self.wire.over.add(contract.contract_id)

    @rule(which=strategies.integers(0, 5))
    def resume(self, which: int) -> None:
        contract = self.contract(which)
        if contract is None or contract.state != states.ON_HOLD:
            return
        assert flows.resume_contract(contract).state == states.ACTIVE

    def contract(self, which: int, plan: flows.CardOnFile = BY_HAND) -> Contract | None:
        """One of those there are; where there is none yet, a first payment is made."""
        if not Contract.objects.exists():
            known, ending = len(self.forms), LATER[which % len(LATER)]
            self.first_payment(ending, plan, "default", "approve", "", "E")
            assert len(self.forms) == known + 1
        found = list(Contract.objects.order_by("pk"))
        return found[which % len(found)] if found else None

    # -- what must hold ----------------------------------------------------------------

    def contracts_agree(self) -> None:
        for contract in Contract.objects.all():
            there = self.gateway.store.contract(contract.contract_id)
            if contract.state in STANDING:
                # nobody charges what Nexi does not have
                assert there is not None
                assert there["active"]
                assert contract.contract_id not in self.wire.over
            if contract.state == states.NOT_MADE:
                assert not contract.payments.filter(channel=states.CHANNEL_MIT).exists()
        asked = Counter(
            (row["contract"], row["order_id"])
            for row in self.gateway.store.between("", "9")
            if row.get("flow") == "mit"
        )
        for (name, order_id), count in asked.items():
            assert count == 1
            order = PaymentOrder.objects.get(order_id=order_id)
            assert order.contract is not None
            assert order.contract.contract_id == name

    def tell_the_ends(self) -> None:
        """The run that charges what is due tells Nexi; nothing else is due here."""
        Contract.objects.exclude(state=states.ENDING).update(due_at=None)
        flows.charge_due()

    def files_at_rest(self) -> None:
        for contract in Contract.objects.all():
            first = contract.founding
            assert first is not None
            assert contract.state not in (states.ENDING, states.REQUESTED)
            there = self.gateway.store.contract(contract.contract_id)
            if contract.state == states.ENDED:
                assert there is None or not there["active"]
            if first.state in states.SUCCESSFUL:
                assert contract.state in (*STANDING, states.ENDED)


def captures_agree(gateway: Simulator, order: PaymentOrder) -> None:
    """Each capture by itself: its amount, and what of it was given back."""
    record = gateway.record(order.order_id)
    assert record is not None
    aged = ledger.as_of(record, gateway.now())
    theirs = {
        one["id"]: (int(one["amount"]), ledger.taken(aged, "REFUND", one["id"]))
        for one in ledger.standing(aged)
        if one["type"] == "CAPTURE"
    }
    ours = {
        one.gateway_operation_id: (
            one.amount or 0,
            (one.amount or 0) - postauth.left_of(one),
        )
        for one in postauth.captures(order)
        if one.gateway_operation_id
    }
    if order.state != states.REVIEW:
        assert ours == theirs
