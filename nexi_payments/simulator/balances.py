"""State of an order's record at a given time: results and totals.

Amounts are minor units: text in the record, ``int`` here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from nexi_payments.simulator import local_time
from nexi_payments.simulator.records import Record

#: Results of an authorization after a charge.
CHARGED: Final = frozenset({"AUTHORIZED", "EXECUTED"})
#: Results of captures, refunds, voids and cancels that moved money.
COMPLETED: Final = frozenset({"EXECUTED", "VOIDED"})
#: What an operation reads between its validation, or its creation, and its charge.
_BEFORE_CHARGE: Final = {"3steps": "THREEDS_VALIDATED", "2steps": "PENDING"}


@dataclass(frozen=True)
class Charge:
    """The gateway's totals of one order, in minor units, for a test to compare with.

    ``result`` is that of the authorization. ``refunded`` excludes pending refunds.
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
        """Amount that the merchant keeps."""
        return 0 if self.voided else self.captured - self.refunded


def as_of(record: Record, now: datetime) -> Record:
    """Return a copy in which what is due by ``now`` has its result."""
    aged = {
        **record,
        "post_charge": [
            _with_result(one, now) for one in record.get("post_charge", [])
        ],
    }
    due = record.get("settles_at")
    if due and record["result"] == "PENDING" and now.isoformat() >= due:
        paid = "EXECUTED" if record["capture"] == "IMPLICIT" else "AUTHORIZED"
        aged["result"] = record.get("outcome") or paid
        aged["code"] = "000" if aged["result"] in CHARGED else ""
    return aged


def as_shown(record: Record, now: datetime) -> Record | None:
    """Return what a query shows: each operation as it was its ``lag`` ago.

    ``None``: the whole order is not visible yet."""
    seen = _time_seen(record, now)
    if seen is not None:
        post_charge = [
            _with_result(one, at)
            for one in record.get("post_charge", [])
            if (at := _time_seen(one, now)) is not None
        ]
        return {**as_of(record, seen), "post_charge": post_charge}
    if record["flow"] not in _BEFORE_CHARGE:
        return None
    created = datetime.fromisoformat(record["created"])
    return {
        **record,
        "result": _BEFORE_CHARGE[record["flow"]],
        "code": "",
        "charged_at": None,
        "time": local_time.format_time(created),
        "post_charge": [],
    }


def _time_seen(one: Record, now: datetime) -> datetime | None:
    """Return the time whose state a query shows; ``None`` before the operation.

    Without a lag that is now, also when a test has turned the clock back."""
    if not one.get("lag"):
        return now
    seen = now - timedelta(seconds=one["lag"])
    made = one.get("made_at") or one.get("charged_at")
    return None if made and made > seen.isoformat() else seen


def ahead_of_list(record: Record, now: datetime) -> Record:
    """Return a copy as ``as_of``, in which pending captures count as executed."""
    aged = as_of(record, now)
    counted = [
        {**one, "result": "EXECUTED"}
        if (one["type"], one["result"]) == ("CAPTURE", "PENDING")
        else one
        for one in aged["post_charge"]
    ]
    return {**aged, "post_charge": counted}


def main_payment(payments: Sequence[Record]) -> Record | None:
    """Return the payment that charged the order, or the first; ``None`` without one.

    ``payments`` come from ``as_of``."""
    charged = [one for one in payments if one["result"] in CHARGED]
    return next(iter((*charged, *payments)), None)


def _with_result(one: Record, now: datetime) -> Record:
    done = now.isoformat() >= one["settles_at"]
    return {**one, "result": one["outcome"] if done else "PENDING"}


def charge_from_record(record: Record) -> Charge:
    """Return the totals of ``record``, which comes from ``as_of``."""
    amount = int(record["amount"]) if record["result"] in CHARGED else 0
    booked = record["result"] == "EXECUTED"
    return Charge(
        order_id=record["order_id"],
        operation_id=record["operation_id"],
        result=record["result"],
        currency=record["currency"],
        authorized=amount,
        captured=amount if booked else completed_total(record, "CAPTURE"),
        refunded=completed_total(record, "REFUND"),
        voided=is_voided(record),
    )


def completed_total(record: Record, kind: str) -> int:
    """Return the sum of all completed CAPTUREs or REFUNDs that were not cancelled."""
    return sum(
        int(one["amount"])
        for one in uncancelled(record)
        if one["type"] == kind and one["result"] in COMPLETED
    )


def is_voided(record: Record) -> bool:
    return any(one["result"] == "VOIDED" for one in uncancelled(record))


def uncancelled(record: Record) -> Iterator[Record]:
    """Yield captures and refunds that no cancel has reversed."""
    operations = record.get("post_charge", [])
    cancelled = {one["target"] for one in operations if one["type"] == "CANCEL"}
    for one in operations:
        if one["type"] != "CANCEL" and one["id"] not in cancelled:
            yield one


def total_including_pending(record: Record, kind: str, target: str) -> int:
    """Return the sum of all CAPTUREs or REFUNDs on ``target``, pending ones too."""
    return sum(
        int(one["amount"])
        for one in uncancelled(record)
        if one["type"] == kind and one["target"] == target and one["result"] != "FAILED"
    )
