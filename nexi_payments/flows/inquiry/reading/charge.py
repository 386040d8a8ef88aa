"""What a response shows about the order's charge. Pure and total."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from nexi_payments.flows.inquiry.reading.matching import Entry, Matching
from nexi_payments.flows.inquiry.reading.vocabulary import Role, Status
from nexi_payments.flows.ledger.facts import OperationFacts, OrderFacts
from nexi_payments.gateway import result_codes
from nexi_payments.gateway.responses import OrderResult


class Verdict(Enum):
    #: charged or authorized; maybe returned since
    CHARGED = "charged"
    DECLINED = "declined"
    #: on its way
    PENDING = "pending"
    #: no trace of a charge
    NO_CHARGE = "no_charge"
    #: charged, with another amount or currency than ours
    MISMATCH = "mismatch"
    #: charged, and Nexi shows no amount or no currency
    NO_DETAILS = "no_details"
    #: a result that we do not know, or something that may be a charge
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class ChargeReading:
    """``entry`` is our charge at Nexi, if it is listed. ``others`` are further
    successful charges of this order.
    """

    verdict: Verdict
    entry: Entry | None = None
    others: tuple[Entry, ...] = ()
    detail: str = ""


def read_charge(
    order: OrderFacts,
    rows: Sequence[OperationFacts],
    matching: Matching,
    response: OrderResult,
) -> ChargeReading:
    """Reads the charge and takes its entries out of ``matching.unbound``.

    An entry is our charge by its id. While the id is unknown any AUTHORIZATION is, or a
    CAPTURE where no AUTHORIZATION is listed and we have sent no capture.
    """
    charges = [entry for entry in _all_charges(order, rows, matching)]
    for entry in charges:
        if entry in matching.unbound:
            matching.unbound.remove(entry)
    ours = [one for one in charges if one.id == order.operation_id]
    if not order.operation_id:
        ours = charges
    successes = [
        one
        for one in charges
        if one.status in (Status.HELD, Status.DONE, Status.REVERSED)
    ]
    main = next((one for one in successes if one in ours), None)
    if main is None and successes and not ours:
        main = successes[0]  # our id is not listed, another charge of the order is
    if main is None:
        found = _without_success(order, ours)
        if found.verdict is Verdict.NO_CHARGE and _may_hide(matching, response):
            return ChargeReading(Verdict.UNKNOWN)
        return found
    others = tuple(one for one in successes if one is not main)
    verdict, detail = _details(order, main, response)
    return ChargeReading(verdict, main, others, detail)


def _all_charges(
    order: OrderFacts, rows: Sequence[OperationFacts], matching: Matching
) -> list[Entry]:
    entries = [*matching.unbound, *matching.bound.values()]
    charges = [one for one in entries if one.role is Role.CHARGE]
    if charges or any(row.kind == "capture" and not row.adopted for row in rows):
        return charges
    if order.operation_id:
        return [
            one
            for one in matching.unbound
            if one.role is Role.CAPTURE and one.id == order.operation_id
        ]
    captures = [one for one in matching.unbound if one.role is Role.CAPTURE]
    return captures if len(captures) == 1 else []


def _without_success(order: OrderFacts, ours: Sequence[Entry]) -> ChargeReading:
    """No charge succeeded: is one on its way, was it declined, or is there none?"""
    by_status = {one.status: one for one in ours}
    if unknown := by_status.get(Status.UNKNOWN):
        return ChargeReading(Verdict.UNKNOWN, unknown, detail=unknown.source.result)
    if pending := by_status.get(Status.OPEN):
        is_charge = (
            order.pending_is_charge and pending.source.result == result_codes.PENDING
        )
        verdict = Verdict.PENDING if is_charge else Verdict.NO_CHARGE
        return ChargeReading(verdict, pending)
    if declined := by_status.get(Status.NEGATIVE):
        return ChargeReading(Verdict.DECLINED, declined)
    return ChargeReading(Verdict.NO_CHARGE)


def _may_hide(matching: Matching, response: OrderResult) -> bool:
    """Whether a charge may be behind what cannot be read, or behind Nexi's totals."""
    unclear = not response.readable or Role.CHARGE in matching.unclear
    return unclear or bool(response.authorized or response.captured)


def _details(
    order: OrderFacts, entry: Entry, response: OrderResult
) -> tuple[Verdict, str]:
    """Whether amount and currency of a success are ours. An absent member of the entry
    is read from the order.
    """
    amount = response.amount if entry.amount is None else entry.amount
    currency = entry.source.currency or response.currency
    if "amount" in entry.source.invalid_members or amount not in (None, order.amount):
        return Verdict.MISMATCH, "amount"
    if currency and currency != order.currency:
        return Verdict.MISMATCH, "currency"
    if amount is None:
        return Verdict.NO_DETAILS, "no amount"
    return (Verdict.CHARGED, "") if currency else (Verdict.NO_DETAILS, "no currency")
