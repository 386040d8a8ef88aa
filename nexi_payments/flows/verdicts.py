"""What each answer means, as pure functions: answer → ``Settlement``.

The tables behind it: docs/states.md. The default, for a word nobody has written down,
is doubt: never success, never failure.
"""

from __future__ import annotations

from typing import Any

from nexi_payments import states
from nexi_payments.exceptions import (
    BadAnswer,
    GatewayError,
    Refused,
    Unsent,
)
from nexi_payments.flows.ledger import Settlement
from nexi_payments.gateway import codes
from nexi_payments.gateway.results import (
    InitResult,
    OperationResult,
    ValidationResult,
)
from nexi_payments.models import Operation, PaymentOrder
from nexi_payments.states import Reason

#: Validation says "authenticated or skipped"; these say the issuer stands for it.
_SHIFTED = frozenset({"05", "06", "02", "01"})


def of_operation(answer: OperationResult) -> dict[str, Any]:
    """The columns of ``Operation`` that an answer fills."""
    return {
        "gateway_operation_id": answer.operation_id[:64],
        "result": answer.result,
        "response_code": answer.response_code,
        "http_status": 200,
        # a look-up's trace is not this request's
        **({"cid": answer.cid} if answer.cid else {}),
        **({"warnings": _codes(answer)} if answer.warnings else {}),
    }


def _codes(answer: OperationResult) -> str:
    return " ".join(dict.fromkeys(answer.warnings))[:200]


def of_init(answer: InitResult, *, url_is_safe: bool) -> Settlement:
    """PENDING with an address we may send a browser to, or the end of the attempt."""
    result = answer.operation.result
    facts = {"gateway_operation_id": answer.operation.operation_id[:64]}
    row = of_operation(answer.operation)
    if result in codes.CHARGED:
        return Settlement(
            states.DONE,
            states.REVIEW,
            Reason.UNEXPECTED_CHARGE,
            order=facts,
            operation=row,
            disagreement=("unexpected_charge", "3-D Secure asked for", result),
        )
    if result == codes.PENDING and answer.auth_url and url_is_safe:
        return Settlement(states.DONE, states.AWAITING_3DS, order=facts, operation=row)
    reason = Reason.UNKNOWN_RESULT
    disagreement = None
    if result == codes.PENDING and answer.auth_url:
        reason = Reason.HOSTILE_URL
        disagreement = ("hostile_3ds_url", "THREE_DS_HOSTS", "another address")
    elif result in codes.OPEN:
        reason = Reason.THREE_DS_UNAVAILABLE
    elif result in codes.NEGATIVE:
        reason = Reason.DECLINED
    else:
        disagreement = ("unknown_result", "init", result)
    return Settlement(
        states.DECLINED,
        states.FAILED,
        reason,
        order=facts | {"response_code": answer.operation.response_code},
        operation=row,
        disagreement=disagreement,
    )


def of_validation(answer: ValidationResult, *, require_shift: bool) -> Settlement:
    """THREEDS_VALIDATED with the cryptogram that the payment needs, or failed."""
    result = answer.operation.result
    row = of_operation(answer.operation)
    facts = {"eci": answer.eci}
    if result == codes.THREEDS_VALIDATED and answer.value:
        if require_shift and answer.eci not in _SHIFTED:
            return Settlement(
                states.DECLINED,
                states.FAILED,
                Reason.NO_LIABILITY_SHIFT,
                order=facts,
                operation=row,
            )
        return Settlement(states.DONE, states.VALIDATED, order=facts, operation=row)
    disagreement = None
    reason = Reason.NOT_AUTHENTICATED
    if result in codes.CHARGED:
        return Settlement(
            states.DONE,
            states.REVIEW,
            Reason.UNEXPECTED_CHARGE,
            order=facts,
            operation=row,
            disagreement=("unexpected_charge", "validation asked for", result),
        )
    if result not in codes.NEGATIVE | codes.OPEN:
        reason = Reason.UNKNOWN_RESULT
        disagreement = ("unknown_result", "validation", result)
    return Settlement(
        states.DECLINED,
        states.FAILED,
        reason,
        order=facts,
        operation=row,
        disagreement=disagreement,
    )


def of_charge(order: PaymentOrder, answer: OperationResult) -> Settlement:
    """The answer to a payment or MOTO call. Ids and amounts are checked already."""
    row = of_operation(answer)
    facts: dict[str, Any] = {"response_code": answer.response_code}
    if answer.operation_id:
        facts["gateway_operation_id"] = answer.operation_id[:64]
    if answer.result == codes.EXECUTED:
        return Settlement(
            states.DONE,
            states.PAID,
            order=facts | _booked(order),
            operation=row,
            disagreement=_surprise(order),
        )
    if answer.result == codes.AUTHORIZED:
        return Settlement(
            states.DONE,
            states.AUTHORIZED,
            order=facts | {"authorized_amount": order.amount},
            operation=row,
        )
    if answer.result in codes.NEGATIVE:
        reason = Reason.DECLINED
        if answer.result in codes.NOT_AUTHENTICATED:
            reason = Reason.NOT_AUTHENTICATED
        return Settlement(
            states.DECLINED, states.FAILED, reason, order=facts, operation=row
        )
    if answer.result in codes.OPEN:
        pending = {"pending_at_nexi": answer.result == codes.PENDING}
        return Settlement(states.IN_DOUBT, order=pending, operation=row)
    return Settlement(
        states.IN_DOUBT,
        operation=row,
        disagreement=("unknown_result", "payment", answer.result),
    )


def _booked(order: PaymentOrder) -> dict[str, Any]:
    return {"authorized_amount": order.amount, "captured_amount": order.amount}


def _surprise(order: PaymentOrder) -> tuple[str, str, str] | None:
    """Booked at once although only an authorization was asked for."""
    if order.capture == states.CAPTURE_MANUAL:
        return ("captured_unasked", "manual capture", codes.EXECUTED)
    return None


# -- no usable answer ----------------------------------------------------------------


def _facts(error: BaseException) -> dict[str, Any]:
    if not isinstance(error, GatewayError):
        return {"error": type(error).__name__[:100]}
    return {
        "error": " ".join((type(error).__name__, error.cause, *error.codes))[:100],
        "http_status": error.status,
        "cid": error.cid,
    }


def after_harmless(
    error: BaseException, unknown: str = Reason.INIT_UNKNOWN
) -> Settlement:
    """Init or validation gave no usable answer: no money moved, the attempt is over.

    ``unknown`` is the reason when nobody knows what the gateway did.
    """
    reason, outcome = unknown, states.IN_DOUBT
    if isinstance(error, Unsent):
        reason, outcome = Reason.UNSENT, states.NOT_SENT
    elif isinstance(error, BadAnswer):
        reason, outcome = Reason.MISMATCH, states.DECLINED
    elif isinstance(error, Refused):
        outcome = states.DECLINED
        reason = Reason.REFUSED
        if error.status in (401, 403, 404):
            reason = Reason.CONFIG
        elif error.status == 429:
            reason = Reason.BUSY
    return Settlement(outcome, states.FAILED, reason, operation=_facts(error))


def after_charge(error: BaseException) -> Settlement:
    """A payment or MOTO call gave no usable answer: only "nothing left" is known."""
    if isinstance(error, Unsent):
        return Settlement(
            states.NOT_SENT, states.FAILED, Reason.UNSENT, operation=_facts(error)
        )
    if isinstance(error, BadAnswer):
        return Settlement(
            states.IN_DOUBT,
            states.REVIEW,
            Reason.MISMATCH,
            operation=_facts(error),
            disagreement=("mismatch", "payment", error.cause),
        )
    return Settlement(states.IN_DOUBT, operation=_facts(error))


# -- captures, voids and refunds -------------------------------------------------------


def of_acceptance(new_id: str) -> Settlement:
    """Nexi has taken it on, and says no more: its end is seen in a look-up."""
    return Settlement(
        states.ACCEPTED,
        operation={"gateway_operation_id": new_id, "http_status": 200},
    )


def after_request(error: BaseException) -> Settlement:
    """Only "nothing left this machine" is known at once. Even a complete refusal is
    looked into: it may mean that it was done before."""
    outcome = states.NOT_SENT if isinstance(error, Unsent) else states.IN_DOUBT
    return Settlement(outcome, operation=_facts(error))


def was_refused(operation: Operation) -> bool:
    """Whether the last thing heard of an operation is a complete 4xx."""
    return operation.error.startswith(Refused.__name__)
