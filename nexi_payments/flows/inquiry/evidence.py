"""What a status inquiry proves about an order's charge. Pure: response → verdict."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from nexi_payments import enums
from nexi_payments.enums import Flow
from nexi_payments.flows.inquiry import identity
from nexi_payments.gateway import result_codes
from nexi_payments.gateway.responses import OperationResult, OrderResult
from nexi_payments.models import PaymentOrder

CHARGED: Final = "charged"
AUTHORIZED: Final = "authorized"
REVERSED: Final = "reversed"
DECLINED: Final = "declined"
NO_CHARGE: Final = "no_charge"
PENDING: Final = "pending"
MISMATCH: Final = "mismatch"
TWO_AUTHORIZATIONS: Final = "two_authorizations"
NO_DETAILS: Final = "no_details"
UNKNOWN: Final = "unknown"


NO_OPERATION: Final = OperationResult()


@dataclass(frozen=True)
class ChargeStatus:
    """What ``GET /orders/{orderId}`` shows about an order's charge.

    ``AUTHORIZED``: separate captures may have captured it. ``NO_CHARGE``: no trace of a
    charge. ``PENDING``: the charge is on its way. ``TWO_AUTHORIZATIONS``: more
    authorizations than one order can have. ``answer`` is our operation, if it is
    listed. ``captured`` is in minor units.
    """

    verdict: str
    answer: OperationResult = NO_OPERATION
    captured: int = 0
    detail: str = ""


def read_charge_status(order: PaymentOrder, response: OrderResult) -> ChargeStatus:
    """Finds the order's charge in ``response``, by id if we know it, and reads it.

    Only the type AUTHORIZATION, or an entry without a type that has our id, is about
    the charge. Operations from Nexi's back office have other ids: they change totals,
    not whether the card was charged.
    """
    response = replace(
        response,
        operations=tuple(
            one
            for one in response.operations
            if not identity.belongs_to_other_order(order, one)
        ),
    )
    ours = [one for one in response.operations if _is_ours(order, one)]
    charged = [
        one
        for one in ours
        if one.result in result_codes.CHARGED | result_codes.REVERSED
    ]
    if len({one.operation_id for one in charged}) > 1 or (
        not order.gateway_operation_id and len(ours) > 1
    ):
        return ChargeStatus(TWO_AUTHORIZATIONS, charged[0] if charged else ours[0])
    if not ours:
        return ChargeStatus(NO_CHARGE)
    answer = (charged or ours)[-1]
    if answer.result in result_codes.CHARGED | result_codes.REVERSED:
        if detail := _mismatch(order, answer, response):
            verdict = NO_DETAILS if detail.startswith("no ") else MISMATCH
            return ChargeStatus(verdict, answer, detail=detail)
        return _read_charged(order, answer, response)
    if answer.result in result_codes.UNSUCCESSFUL:
        return ChargeStatus(DECLINED, answer)
    if answer.result in result_codes.IN_PROGRESS:
        pending = answer.result == result_codes.PENDING and _pending_means_charge(order)
        return ChargeStatus(PENDING if pending else NO_CHARGE, answer)
    return ChargeStatus(UNKNOWN, answer, detail=answer.result)


def _is_ours(order: PaymentOrder, one: OperationResult) -> bool:
    if one.type not in ("", result_codes.AUTHORIZATION):
        return False
    known = order.gateway_operation_id
    return one.operation_id == known if known else True


def _pending_means_charge(order: PaymentOrder) -> bool:
    """Whether PENDING is about the charge, not about 3-D Secure.

    Yes for orders of a single call. Yes in three steps once the charge was sent: the
    validation ended the operation's first PENDING. No in two steps: the operation is
    PENDING from the start, whether the charge arrived or not.
    """
    if order.channel in enums.SINGLE_CALL:
        return True
    return order.flow == Flow.THREE_STEPS and order.charging_since is not None


def _mismatch(
    order: PaymentOrder, answer: OperationResult, response: OrderResult
) -> str:
    """The member that differs from the order, "no …" for a missing one, or ""."""
    amount = answer.amount if answer.amount is not None else response.amount
    currency = answer.currency or response.currency
    if "amount" in answer.invalid_members or (
        amount is not None and amount != order.amount
    ):
        return "amount"
    if currency and currency != order.currency:
        return "currency"
    if amount is None:
        return "no amount"
    return "" if currency else "no currency"


def _read_charged(
    order: PaymentOrder, answer: OperationResult, response: OrderResult
) -> ChargeStatus:
    released = {
        one.result
        for one in response.operations
        if one.type in ("REFUND", "VOID") and one.result in result_codes.REVERSED
    }
    total = order.amount if response.captured is None else response.captured
    captured = min(response.captured or 0, order.amount)
    if answer.result in result_codes.REVERSED or (
        "VOIDED" in released and not captured and response.authorized == 0
    ):
        return ChargeStatus(REVERSED, answer)
    if answer.result == result_codes.EXECUTED and not _has_captures(response):
        return ChargeStatus(CHARGED, answer, min(total, order.amount))
    if captured > 0 and not _has_captures(response):
        # captured without a request: an authorization that Nexi captures itself
        return ChargeStatus(CHARGED, answer, captured)
    return ChargeStatus(AUTHORIZED, answer)


def _has_captures(response: OrderResult) -> bool:
    """Whether captures are listed separately (``confirmations`` handles those)."""
    return any(
        one.type == result_codes.CAPTURE and one.result in result_codes.COMPLETED
        for one in response.operations
    )
