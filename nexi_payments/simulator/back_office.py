"""What people make in Nexi's back office, beside the merchant's requests."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any, Final

from nexi_payments.simulator import balances, post_charge, post_charge_rules
from nexi_payments.simulator.post_charge_rules import Rule
from nexi_payments.simulator.records import Record
from nexi_payments.simulator.schema_validator import RequestRejected
from nexi_payments.simulator.state import SimulatorState
from nexi_payments.simulator.worlds import BackOffice

CAPTURE: Final = "capture"
REFUND: Final = "refund"
VOID: Final = "void"
KINDS: Final = (CAPTURE, REFUND, VOID)

_RULES: Final[dict[str, Rule]] = {
    CAPTURE: post_charge_rules.capture_rule,
    REFUND: post_charge_rules.refund_rule,
    VOID: post_charge_rules.refund_rule,
}


@dataclass
class Plan:
    """What the back office makes beside one request of the merchant."""

    state: SimulatorState
    record: Record
    dice: random.Random
    is_first: bool
    is_second: bool

    def make(self, rule: Rule, target: str, data: Any) -> None:
        """Make the same as the merchant's request, or something else.

        What Nexi's rules do not allow is not made."""
        try:
            if data.get("amount") and self.dice.random() < 0.5:
                post_charge.add(self.state, self.record, target, data, rule)
            else:
                kind = self.dice.choice(KINDS)
                share = self.dice.choice((1.0, self.dice.random()))
                _make(self.state, self.record, kind, share=share)
        except RequestRejected:
            return


def plan(state: SimulatorState, record: Record) -> Plan:
    """Decide whether the back office acts before or after the merchant's request."""
    world = state.worlds.find(BackOffice)
    number = len(record.get("post_charge", [])) + 1
    dice = state.worlds.dice("backoffice", record["order_id"], number)
    acts = world is not None and dice.random() < world.share
    first = dice.random() < 0.5
    return Plan(state, record, dice, acts and first, acts and not first)


def make_at_nexi(
    state: SimulatorState, order_id: str, kind: str, amount: int | None
) -> str:
    """Capture, refund or void an order now. Return the operation's id.

    ``amount`` is in minor units; the default is the largest possible one. Raises
    ``ValueError`` for an unknown order, and where Nexi's rules do not allow it."""
    now = state.now()
    payments = [balances.as_of(one, now) for one in state.store.payments_of(order_id)]
    found = balances.main_payment(payments)
    if found is None or kind not in KINDS:
        raise ValueError(f"no {kind} of {order_id!r}")
    try:
        with state.store.edit_operation(found["operation_id"]) as record:
            made = _make(state, record or found, kind, amount)
    except RequestRejected as rejection:
        raise ValueError(f"{rejection.code} {rejection}") from None
    return str(made["id"])


def _make(
    state: SimulatorState,
    record: Record,
    kind: str,
    amount: int | None = None,
    *,
    share: float = 1.0,
) -> Record:
    """Return the new operation. By default its amount is ``share`` of the largest one.

    A refund is made on the newest capture that has enough left, or on the payment.
    Raises ``RequestRejected``."""
    aged = balances.as_of(record, state.now())
    target, most = _target(aged, kind, amount or 0)
    if amount is None:
        amount = most if kind == VOID else max(1, int(most * share))
    data = {"amount": str(amount), "currency": record["currency"]}
    return post_charge.add(state, record, target, data, _RULES[kind])


def _target(record: Record, kind: str, wanted: int) -> tuple[str, int]:
    """Return the id that the operation is made on, and the largest amount there."""
    payment, whole = record["operation_id"], int(record["amount"])
    total = balances.total_including_pending
    if kind == CAPTURE:
        return payment, whole - total(record, "CAPTURE", payment)
    if kind == VOID:
        return payment, whole
    for one in reversed(list(balances.uncancelled(record))):
        left = int(one["amount"]) - total(record, "REFUND", one["id"])
        is_capture = one["type"] == "CAPTURE" and one["result"] == "EXECUTED"
        if is_capture and left and left >= wanted:
            return one["id"], left
    return payment, whole - total(record, "REFUND", payment)
