"""Records: the row of one payment, as the store keeps it.

``record["post_charge"]`` lists captures, refunds and cancels, oldest first, as ``{id,
type, target, amount, outcome, settles_at, made_at, lag, key, day, time}``. ``target``
is the operation it was made on, ``outcome`` its final result, ``day`` the local date it
was made. ``lag`` is by how many seconds queries are behind, ``key`` the Idempotency-Key
of the merchant, "" for the back office. Amounts are minor units, as text. Of a card:
mask, expiry, brand and ending only.

A payment on a hosted page has ``method``, the code of its payment method; it has a card
if that is ``CARDS``. ``outcome`` is what its PENDING becomes.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from nexi_payments.simulator import local_time

Record = dict[str, Any]


def new_operation_id() -> str:
    return f"{random.SystemRandom().randrange(10**17, 10**18)}"


def new_record(
    flow: str, order: Mapping[str, Any], card: Mapping[str, str], now: datetime
) -> Record:
    """Return the record of a new order. ``card`` has masked, expiry, brand, ending."""
    return {
        "order_id": order["orderId"],
        "operation_id": new_operation_id(),
        "flow": flow,
        "amount": order["amount"],
        "currency": order["currency"],
        "description": order.get("description", ""),
        "custom_field": order.get("customField", ""),
        "customer_id": order.get("customerId", ""),
        **card,
        "result": "PENDING",
        "code": "",
        "pares": "",
        "approved": False,
        "value": "",
        "capture": "",
        "charged_at": None,
        "settles_at": None,
        "lag": 0.0,
        "created": now.isoformat(),
        "time": local_time.format_time(now),
        "post_charge": [],
    }


def contract_created_by(record: Record) -> Record | None:
    """Return the contract that a payment created with its charge, or ``None``."""
    recurrence = record.get("recurrence") or {}
    if recurrence.get("action") != "CONTRACT_CREATION":
        return None
    if record["result"] not in ("EXECUTED", "AUTHORIZED", "PENDING"):
        return None
    return {
        "contract_id": recurrence["contractId"],
        "customer_id": record.get("customer_id", ""),
        "type": recurrence.get("contractType", "MIT_UNSCHEDULED"),
        "until": recurrence.get("contractExpiryDate", ""),
        "frequency": recurrence.get("contractFrequency", ""),
        "masked": record["masked"],
        "expiry": record["expiry"],
        "brand": record["brand"],
        "ending": record["ending"],
        "order_id": record["order_id"],
        "active": True,
    }
