"""Maps gateway responses to ``OperationUpdate``. Pure functions.

The tables are in docs/states.md. A result that no table lists counts as in doubt: never
as success, never as failure.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from nexi_payments.enums import (
    CaptureMode,
    DiscrepancyKind,
    OperationOutcome,
    OrderState,
    Reason,
)
from nexi_payments.exceptions import GatewayError, MismatchedResponse, NotSent, Rejected
from nexi_payments.flows.ledger.operations import OperationUpdate
from nexi_payments.gateway import result_codes
from nexi_payments.gateway.responses import (
    InitResult,
    OperationResult,
    ValidationResult,
)
from nexi_payments.models import PaymentOrder


def operation_columns(answer: OperationResult) -> dict[str, Any]:
    """The columns of ``Operation`` that a response fills."""
    return {
        "gateway_operation_id": answer.operation_id[:64],
        "result": answer.result,
        "response_code": answer.response_code,
        "http_status": 200,
        **issuer_references(answer),
        # a status inquiry's trace id is not this request's
        **({"cid": answer.cid} if answer.cid else {}),
        **({"warnings": _warning_codes(answer)} if answer.warnings else {}),
    }


def issuer_references(answer: OperationResult) -> dict[str, str]:
    """The columns of what a chargeback names: those that the response shows."""
    shown = {"authorization_code": answer.authorization_code, "rrn": answer.rrn}
    return {name: value for name, value in shown.items() if value}


def _warning_codes(answer: OperationResult) -> str:
    return " ".join(dict.fromkeys(answer.warnings))[:200]


def of_init(answer: InitResult, *, url_is_safe: bool) -> OperationUpdate:
    """The response to the start of 3-D Secure: challenge, failed, or review.

    ``url_is_safe``: ``THREE_DS_HOSTS`` allows ``answer.auth_url``.
    """
    result = answer.operation.result
    columns = {"gateway_operation_id": answer.operation.operation_id[:64]}
    row = operation_columns(answer.operation)
    if result in result_codes.CHARGED:
        return OperationUpdate(
            OperationOutcome.DONE,
            OrderState.REVIEW,
            Reason.UNEXPECTED_CHARGE,
            order=columns,
            operation=row,
            discrepancy=(
                DiscrepancyKind.UNEXPECTED_CHARGE,
                "3-D Secure asked for",
                result,
            ),
        )
    if result == result_codes.PENDING and answer.auth_url and url_is_safe:
        return OperationUpdate(
            OperationOutcome.DONE, OrderState.AWAITING_3DS, order=columns, operation=row
        )
    reason = Reason.UNKNOWN_RESULT
    discrepancy = None
    if result == result_codes.PENDING and answer.auth_url:
        reason = Reason.UNSAFE_THREE_DS_URL
        discrepancy = (
            DiscrepancyKind.UNSAFE_THREE_DS_URL,
            "THREE_DS_HOSTS",
            "another address",
        )
    elif result in result_codes.IN_PROGRESS:
        reason = Reason.THREE_DS_UNAVAILABLE
    elif result in result_codes.UNSUCCESSFUL:
        reason = Reason.DECLINED
    else:
        discrepancy = (DiscrepancyKind.UNKNOWN_RESULT, "init", result)
    return OperationUpdate(
        OperationOutcome.DECLINED,
        OrderState.FAILED,
        reason,
        order=columns | {"response_code": answer.operation.response_code},
        operation=row,
        discrepancy=discrepancy,
    )


def of_validation(
    answer: ValidationResult, *, require_liability_shift: bool
) -> OperationUpdate:
    """The response to a validation: validated, failed, or review.

    Validated needs the cryptogram that goes into the payment.
    """
    result = answer.operation.result
    row = operation_columns(answer.operation)
    columns = {"eci": answer.eci}
    if result == result_codes.THREEDS_VALIDATED and answer.value:
        if require_liability_shift and not result_codes.shifts_liability(answer.eci):
            return OperationUpdate(
                OperationOutcome.DECLINED,
                OrderState.FAILED,
                Reason.NO_LIABILITY_SHIFT,
                order=columns,
                operation=row,
            )
        return OperationUpdate(
            OperationOutcome.DONE, OrderState.VALIDATED, order=columns, operation=row
        )
    discrepancy = None
    reason = Reason.NOT_AUTHENTICATED
    if result in result_codes.CHARGED:
        return OperationUpdate(
            OperationOutcome.DONE,
            OrderState.REVIEW,
            Reason.UNEXPECTED_CHARGE,
            order=columns,
            operation=row,
            discrepancy=(
                DiscrepancyKind.UNEXPECTED_CHARGE,
                "validation asked for",
                result,
            ),
        )
    if result not in result_codes.UNSUCCESSFUL | result_codes.IN_PROGRESS:
        reason = Reason.UNKNOWN_RESULT
        discrepancy = (DiscrepancyKind.UNKNOWN_RESULT, "validation", result)
    return OperationUpdate(
        OperationOutcome.DECLINED,
        OrderState.FAILED,
        reason,
        order=columns,
        operation=row,
        discrepancy=discrepancy,
    )


def of_charge(order: PaymentOrder, answer: OperationResult) -> OperationUpdate:
    """The response to a charge (payment, MOTO, MIT).

    Order id, amount and currency were checked before.
    """
    row = operation_columns(answer)
    columns: dict[str, Any] = {"response_code": answer.response_code}
    if answer.operation_id:
        columns["gateway_operation_id"] = answer.operation_id[:64]
    if answer.result == result_codes.EXECUTED:
        return OperationUpdate(
            OperationOutcome.DONE,
            OrderState.PAID,
            order=columns | _captured_columns(order),
            operation=row,
            discrepancy=_unrequested_capture(order),
        )
    if answer.result == result_codes.AUTHORIZED:
        return OperationUpdate(
            OperationOutcome.DONE,
            OrderState.AUTHORIZED,
            order=columns | {"authorized_amount": order.amount},
            operation=row,
        )
    if answer.result in result_codes.UNSUCCESSFUL:
        reason = Reason.DECLINED
        if answer.result in result_codes.NOT_AUTHENTICATED:
            reason = Reason.NOT_AUTHENTICATED
        return OperationUpdate(
            OperationOutcome.DECLINED,
            OrderState.FAILED,
            reason,
            order=columns,
            operation=row,
        )
    if answer.result in result_codes.IN_PROGRESS:
        pending = {"gateway_pending": answer.result == result_codes.PENDING}
        return OperationUpdate(OperationOutcome.IN_DOUBT, order=pending, operation=row)
    return OperationUpdate(
        OperationOutcome.IN_DOUBT,
        operation=row,
        discrepancy=(DiscrepancyKind.UNKNOWN_RESULT, "payment", answer.result),
    )


def _captured_columns(order: PaymentOrder) -> dict[str, Any]:
    return {"authorized_amount": order.amount, "captured_amount": order.amount}


def _unrequested_capture(order: PaymentOrder) -> tuple[str, str, str] | None:
    """Captured at once although only an authorization was asked for."""
    if order.capture == CaptureMode.MANUAL:
        return (
            DiscrepancyKind.CAPTURED_UNASKED,
            "manual capture",
            result_codes.EXECUTED,
        )
    return None


# -- no usable answer ----------------------------------------------------------------


def error_columns(error: BaseException) -> dict[str, Any]:
    """The columns of ``Operation`` that an error fills."""
    if not isinstance(error, GatewayError):
        return {"error": type(error).__name__[:100]}
    return {
        "error": " ".join((type(error).__name__, error.cause, *error.codes))[:100],
        "http_status": error.status,
        "cid": error.cid,
    }


def of_uncharged_error(
    error: BaseException, unknown_reason: str = Reason.INIT_UNKNOWN
) -> OperationUpdate:
    """Init or validation gave no usable response: no money moved, the attempt fails.

    ``unknown_reason`` is the order's reason when the outcome is unknown.
    """
    reason, outcome = unknown_reason, OperationOutcome.IN_DOUBT
    if isinstance(error, NotSent):
        reason, outcome = Reason.NOT_SENT, OperationOutcome.NOT_SENT
    elif isinstance(error, MismatchedResponse):
        reason, outcome = Reason.MISMATCH, OperationOutcome.DECLINED
    elif isinstance(error, Rejected):
        outcome = OperationOutcome.REJECTED
        reason = Reason.REJECTED
        if error.status in (401, 403, 404):
            reason = Reason.CONFIG
        elif error.status == 429:
            reason = Reason.BUSY
    return OperationUpdate(
        outcome, OrderState.FAILED, reason, operation=error_columns(error)
    )


def of_hosted_page_error(error: BaseException) -> OperationUpdate:
    """The hosted page was not opened, or its URL was lost: the attempt fails.

    Nobody has the URL, so nothing can be charged. A lost answer is watched all the
    same; after ``NotSent`` and ``Rejected`` there is no page.
    """
    update = of_uncharged_error(error, Reason.HOSTED_PAGE_UNKNOWN)
    if isinstance(error, (NotSent, Rejected)):
        return replace(update, order={"charging_since": None})
    return replace(update, outcome=OperationOutcome.DECLINED)


def of_charge_error(error: BaseException) -> OperationUpdate:
    """A charge gave no usable response: in doubt, unless nothing was sent.

    A complete 4xx is in doubt, too, until status inquiries show no charge.
    """
    if isinstance(error, NotSent):
        return OperationUpdate(
            OperationOutcome.NOT_SENT,
            OrderState.FAILED,
            Reason.NOT_SENT,
            operation=error_columns(error),
        )
    if isinstance(error, MismatchedResponse):
        return OperationUpdate(
            OperationOutcome.IN_DOUBT,
            OrderState.REVIEW,
            Reason.MISMATCH,
            operation=error_columns(error),
            discrepancy=(DiscrepancyKind.MISMATCH, "payment", error.cause),
        )
    return OperationUpdate(OperationOutcome.IN_DOUBT, operation=error_columns(error))
