"""What a look-up at the gateway proves about our one charge. Pure: answer → verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from nexi_payments import states
from nexi_payments.gateway import codes
from nexi_payments.gateway.results import OperationResult, OrderResult
from nexi_payments.models import PaymentOrder

CHARGED: Final = "charged"
HELD: Final = "held"
REVERSED: Final = "reversed"
DECLINED: Final = "declined"
NOTHING: Final = "nothing"
PENDING: Final = "pending"
MISMATCH: Final = "mismatch"
TWO: Final = "two"
NO_DETAILS: Final = "no_details"
UNKNOWN: Final = "unknown"


NO_ANSWER: Final = OperationResult()


@dataclass(frozen=True)
class Evidence:
    """What ``GET /orders/{orderId}`` shows about our one charge.

    ``HELD`` is authorized; captures of their own may have booked it. ``NOTHING`` is no
    trace of a charge, ``PENDING`` a charge on its way, ``TWO`` more authorizations than
    one order can have. ``answer`` is our operation where there is one, ``captured`` in
    minor units.
    """

    verdict: str
    answer: OperationResult = NO_ANSWER
    captured: int = 0
    detail: str = ""


def of_lookup(order: PaymentOrder, found: OrderResult) -> Evidence:
    """Finds our operation, by id where we know it, and reads it.

    Operations made in Nexi's back office have ids of their own: they change totals, not
    whether the card was charged. Only the type AUTHORIZATION, or one without a type
    that carries our id, speaks of the charge.
    """
    ours = [one for one in found.operations if _is_ours(order, one)]
    charged = [one for one in ours if one.result in codes.CHARGED | codes.REVERSED]
    if len({one.operation_id for one in charged}) > 1 or (
        not order.gateway_operation_id and len(ours) > 1
    ):
        return Evidence(TWO, charged[0] if charged else ours[0])
    if not ours:
        return Evidence(NOTHING)
    answer = (charged or ours)[-1]
    if answer.result in codes.CHARGED | codes.REVERSED:
        if detail := _different(order, answer, found):
            verdict = NO_DETAILS if detail.startswith("no ") else MISMATCH
            return Evidence(verdict, answer, detail=detail)
        return _charged(order, answer, found)
    if answer.result in codes.NEGATIVE:
        return Evidence(DECLINED, answer)
    if answer.result in codes.OPEN:
        one_call = order.channel in states.ONE_CALL
        pending = one_call and answer.result == codes.PENDING
        return Evidence(PENDING if pending else "nothing", answer)
    return Evidence(UNKNOWN, answer, detail=answer.result)


def _is_ours(order: PaymentOrder, one: OperationResult) -> bool:
    if one.type not in ("", codes.AUTHORIZATION):
        return False
    if one.order_id and one.order_id != order.order_id:
        return False
    known = order.gateway_operation_id
    return one.operation_id == known if known else True


def _different(order: PaymentOrder, answer: OperationResult, found: OrderResult) -> str:
    """Which member does not fit ours, "no …" for one that is nowhere, or ""."""
    amount = answer.amount if answer.amount is not None else found.amount
    currency = answer.currency or found.currency
    if "amount" in answer.unreadable or (amount is not None and amount != order.amount):
        return "amount"
    if currency and currency != order.currency:
        return "currency"
    if amount is None:
        return "no amount"
    return "" if currency else "no currency"


def _charged(
    order: PaymentOrder, answer: OperationResult, found: OrderResult
) -> Evidence:
    released = {
        one.result
        for one in found.operations
        if one.type in ("REFUND", "VOID") and one.result in codes.REVERSED
    }
    captured = min(found.captured or 0, order.amount)
    if answer.result in codes.REVERSED or (
        "VOIDED" in released and not captured and found.authorized == 0
    ):
        return Evidence(REVERSED, answer)
    if answer.result == codes.EXECUTED and not _captures(found):
        return Evidence(CHARGED, answer, order.amount)
    if captured > 0 and not _captures(found):
        # booked without anybody asking: an authorization that captures by itself
        return Evidence(CHARGED, answer, captured)
    return Evidence(HELD, answer)


def _captures(found: OrderResult) -> bool:
    """Whether captures of their own tell what was booked (``confirmations``)."""
    return any(
        one.type == codes.CAPTURE and one.result in codes.HAPPENED
        for one in found.operations
    )
