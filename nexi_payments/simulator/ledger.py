"""What an order's record says at a given moment: results that have ripened, totals.

A record is the row of one order; ``record["later"]`` are its captures, refunds and
cancels, oldest first: ``{id, type, of, amount, outcome, settles_at, day, time}``, where
``of`` is the operation it was made on, ``outcome`` the word it will end in and ``day``
the local date it was made. Amounts are minor units as text there, ``int`` here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

Record = dict[str, Any]

#: What the authorization may say once the card was charged.
CHARGED: Final = frozenset({"AUTHORIZED", "EXECUTED"})


@dataclass(frozen=True)
class Charge:
    """The gateway's books for one order, in minor units, for a test to compare with.

    ``result`` is that of the authorization; a pending refund is not in ``refunded``.
    """

    order_id: str
    operation_id: str
    result: str
    currency: str
    authorized: int
    captured: int
    refunded: int
    voided: bool

    @property
    def net(self) -> int:
        """What the merchant keeps."""
        return 0 if self.voided else self.captured - self.refunded


def as_of(record: Record, now: datetime) -> Record:
    """A copy in which everything that was pending until ``now`` has its result."""
    aged = {**record, "later": [_ripe(one, now) for one in record.get("later", [])]}
    due = record.get("settles_at")
    if due and record["result"] == "PENDING" and now.isoformat() >= due:
        booked = record["capture"] == "IMPLICIT"
        aged["result"] = "EXECUTED" if booked else "AUTHORIZED"
        aged["code"] = "000"
    return aged


def _ripe(one: Record, now: datetime) -> Record:
    done = now.isoformat() >= one["settles_at"]
    return {**one, "result": one["outcome"] if done else "PENDING"}


def charge(record: Record) -> Charge:
    """``record`` as ``as_of`` gives it."""
    amount = int(record["amount"]) if record["result"] in CHARGED else 0
    booked = record["result"] == "EXECUTED"
    return Charge(
        order_id=record["order_id"],
        operation_id=record["operation_id"],
        result=record["result"],
        currency=record["currency"],
        authorized=amount,
        captured=amount if booked else done(record, "CAPTURE"),
        refunded=done(record, "REFUND"),
        voided=voided(record),
    )


def done(record: Record, kind: str) -> int:
    """The sum of all CAPTUREs or REFUNDs that have happened and stand."""
    return sum(
        int(one["amount"])
        for one in standing(record)
        if one["type"] == kind and one["result"] != "PENDING"
    )


def voided(record: Record) -> bool:
    return any(one["result"] == "VOIDED" for one in standing(record))


def standing(record: Record) -> Iterator[Record]:
    """Captures and refunds that no cancel has rolled back."""
    later = record.get("later", [])
    rolled_back = {one["of"] for one in later if one["type"] == "CANCEL"}
    for one in later:
        if one["type"] != "CANCEL" and one["id"] not in rolled_back:
            yield one


def taken(record: Record, kind: str, target: str) -> int:
    """The sum of all CAPTUREs or REFUNDs made on ``target``, pending ones included."""
    return sum(
        int(one["amount"])
        for one in standing(record)
        if one["type"] == kind and one["of"] == target
    )


def contract_of(record: Record) -> Record | None:
    """The contract that a payment has made with its charge, if it asked for one."""
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
