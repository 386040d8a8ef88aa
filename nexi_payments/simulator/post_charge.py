"""Adds an operation that follows a charge to the record of its order."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from nexi_payments.simulator import balances, local_time
from nexi_payments.simulator.post_charge_rules import Rule
from nexi_payments.simulator.records import Record
from nexi_payments.simulator.state import SimulatorState


def add(
    state: SimulatorState,
    record: Record,
    target: str,
    data: Any,
    rule: Rule,
    *,
    key: str = "",
) -> Record:
    """Apply ``rule``, and add its operation to ``record``. Return the operation.

    ``key`` is the Idempotency-Key of the merchant's request, "" for the back office.
    Raises ``RequestRejected``; nothing has changed then."""
    now = state.now()
    day = local_time.format_date(now)
    kind, amount, outcome = rule(balances.as_of(record, now), target, data, day)
    number = len(record.setdefault("post_charge", [])) + 1
    order_id = record["order_id"]
    wait, fails = 0.0, False
    if kind != "CANCEL":
        wait, fails = state.worlds.pending_time(order_id, number)
    if kind == "REFUND" and record["ending"] == "refund_pending":
        wait = max(wait, state.pending_seconds)
    one = {
        "id": str(uuid.uuid4()),
        "type": kind,
        "target": target,
        "amount": amount,
        "outcome": "FAILED" if fails else outcome,
        "settles_at": (now + timedelta(seconds=wait)).isoformat(),
        "made_at": now.isoformat(),
        "lag": state.worlds.lag(order_id, number),
        "key": key,
        "day": day,
        "time": local_time.format_time(now),
    }
    record["post_charge"].append(one)
    return one
