"""What happened, as sentences: of an operation, and of an event."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from nexi_payments import enums, money
from nexi_payments.admin import (
    approval_texts,
    in_flight,
    method_texts,
    reason_texts,
    response_code_texts,
)
from nexi_payments.enums import (
    ApprovalFailure,
    EventKind,
    OperationKind,
    OperationOutcome,
    OrderState,
    RefundFailure,
)
from nexi_payments.gateway import result_codes
from nexi_payments.models import Event, Operation, PaymentOrder

_Texts = dict[str, str | Promise]

_CHARGE: Final = _("Charge of %(amount)s")
_NOUNS: Final[_Texts] = {
    **dict.fromkeys(enums.CHARGING, _CHARGE),
    OperationKind.AUTHENTICATION: _("Start of 3-D Secure"),
    OperationKind.VALIDATION: _("Check of 3-D Secure"),
    OperationKind.CAPTURE: _("Capture of %(amount)s"),
    OperationKind.VOID: _("Void of %(amount)s"),
    OperationKind.REFUND: _("Refund of %(amount)s"),
    OperationKind.CANCEL: _("Cancellation of the capture of %(amount)s"),
}
_DONE: Final[_Texts] = {
    **dict.fromkeys(enums.CHARGING, _("Charged %(amount)s")),
    OperationKind.AUTHENTICATION: _("3-D Secure started"),
    OperationKind.VALIDATION: _("3-D Secure passed"),
    OperationKind.CAPTURE: _("Captured %(amount)s"),
    OperationKind.VOID: _("Voided %(amount)s"),
    OperationKind.REFUND: _("Refunded %(amount)s"),
    OperationKind.CANCEL: _("Capture of %(amount)s cancelled"),
}
_AUTHORIZED: Final = _("Authorized %(amount)s")
_OUTCOMES: Final[_Texts] = {
    OperationOutcome.OPEN: _("on its way"),
    OperationOutcome.ACCEPTED: _("sent, waiting for Nexi"),
    OperationOutcome.DECLINED: _("declined"),
    OperationOutcome.REJECTED: _("rejected by Nexi"),
    OperationOutcome.NOT_SENT: _("not sent, Nexi could not be reached"),
    OperationOutcome.IN_DOUBT: _("outcome unknown"),
}
#: Words of ours in ``Operation.error``; the others are for the details.
_ERRORS: Final[_Texts] = {
    "resolved": EventKind.DECIDED.label,
    "unconfirmed": _("Nexi does not show it"),
}
_THREE_DS_FAILED: Final = _("3-D Secure failed")
_ISSUER_LIABLE: Final = _("liability with the issuer (ECI %(eci)s)")
_MERCHANT_LIABLE: Final = _("liability with the merchant (ECI %(eci)s)")
#: Of an event that changes the state.
_STATES: Final[_Texts] = {
    OrderState.AWAITING_3DS: _("The customer was sent to 3-D Secure"),
    OrderState.AWAITING_HOSTED_PAGE: _("The customer was sent to Nexi's page"),
    OrderState.VALIDATED: _("3-D Secure is done, nothing is charged yet"),
    OrderState.PAYING: _("The charge is being sent"),
    OrderState.AUTHORIZED: _("The payment is authorized"),
    OrderState.PAID: _("The payment is paid"),
    OrderState.FAILED: _("The payment has failed"),
    OrderState.REVIEW: _("The payment waits for a person"),
    OrderState.VOIDED: _("The authorization is voided"),
    OrderState.REFUNDED: _("The payment is refunded"),
}


def of_operation(operation: Operation, order: PaymentOrder) -> str:
    """ "Charged 12.50 EUR · approved (000)" """
    return " · ".join(str(part) for part in _operation_parts(operation, order) if part)


def _operation_parts(row: Operation, order: PaymentOrder) -> Iterator[Any]:
    yield _deed(row, order)
    yield in_flight.origin(row)
    if row.response_code:
        text = response_code_texts.response_code_text(row.response_code)
        yield f"{text} ({row.response_code})"
    if row.outcome == OperationOutcome.DONE:
        yield _liability(row, order)
    yield _ERRORS.get(row.error, "")
    yield reason_texts.refund_reason(row.reason)


def _deed(row: Operation, order: PaymentOrder) -> Any:
    if row.kind == OperationKind.HOSTED:
        return f"{capfirst(row.get_kind_display())}: {method_texts.outcome_label(row)}"
    amount = "" if row.amount is None else money.display(row.amount, order.currency)
    if row.outcome == OperationOutcome.DONE:
        held = row.kind in enums.CHARGING and row.result == result_codes.AUTHORIZED
        text: Any = _AUTHORIZED if held else _DONE[row.kind]
        return text % {"amount": amount}
    if row.kind == OperationKind.VALIDATION and row.outcome == "declined":
        return _THREE_DS_FAILED
    noun: Any = _NOUNS[row.kind]
    return f"{noun % {'amount': amount}}: {_OUTCOMES[row.outcome]}"


def _liability(row: Operation, order: PaymentOrder) -> Any:
    """Where 3-D Secure ends: at its check or, in two steps, at the charge."""
    ends = (OperationKind.VALIDATION,)
    if order.flow == enums.Flow.TWO_STEPS:
        ends = (OperationKind.PAYMENT,)
    if row.kind not in ends or not order.eci:
        return ""
    issuer = result_codes.shifts_liability(order.eci)
    text = _ISSUER_LIABLE if issuer else _MERCHANT_LIABLE
    return text % {"eci": order.eci}


def of_event(event: Event, order: PaymentOrder) -> str:
    """ "The payment has failed · not completed in time" """
    return " · ".join(str(part) for part in _event_parts(event, order) if part)


def _event_parts(event: Event, order: PaymentOrder) -> Iterator[Any]:
    changed = event.from_state != event.to_state
    superseded = event.kind == EventKind.SUPERSEDED
    if changed and not superseded:
        yield _STATES[event.to_state]
    else:
        yield capfirst(event.get_kind_display())
    yield approval_texts.event_text(event, order)
    if event.kind == EventKind.AWAITING_HOSTED_PAGE:
        yield method_texts.method_label(order.method)
    if event.kind == EventKind.DECIDED and event.operation is not None:
        yield in_flight.title(event.operation, order)
    if event.successor_id is not None and event.successor is not None:
        # it may be archived since
        yield _("replaced by %(order)s") % {"order": event.successor.order_id}
    if event.approval_id is not None:
        yield dict(ApprovalFailure.choices).get(event.reason, "")
    elif event.kind == EventKind.REFUND_FAILED:
        yield dict(RefundFailure.choices).get(event.reason, event.reason)
    elif not superseded:
        yield reason_texts.reason_text(event.reason)
