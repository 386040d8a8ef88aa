"""Exceptions as problem details (RFC 9457), ``application/problem+json``.

``type`` is ``urn:nexi-payments:<code>``; programs read ``code``. ``errors`` names the
invalid fields and never repeats their values.
"""

from __future__ import annotations

import math
from typing import Any, Final

from django.core.exceptions import PermissionDenied
from django.http import Http404
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import api_settings

from nexi_payments import money, terminal_rights
from nexi_payments.exceptions import (
    AlreadyCharged,
    AmbiguousCapture,
    AmountChanged,
    ApprovalClosed,
    ApprovalNotAllowed,
    ApprovalRequired,
    CardBlocked,
    CardDataNotAllowed,
    CardsNotAccepted,
    ConsentRequired,
    ContractEndUnconfirmed,
    ContractNotUsable,
    ExceedsRemaining,
    GatewayUnavailable,
    InvalidAmount,
    InvalidCustomer,
    InvalidReference,
    InvalidState,
    MethodForbids,
    MethodNotOffered,
    MotoNotAllowed,
    NexiPaymentsError,
    OrderBusy,
    OrderError,
    OrderNotPayable,
    OutcomeNotRecorded,
    PaymentBeingConfirmed,
    PossibleDuplicate,
    ReferenceInUse,
    SealedCardUnavailable,
    ShopOrderDiffers,
    ShopOrderUnavailable,
    ShopOrderUnknown,
    TerminalNotConfigured,
    TerminalUnavailable,
    TooManyAttempts,
    TooManyVerifications,
    UnstorableText,
)
from nexi_payments.models import PaymentOrder
from nexi_payments.web.captcha import CaptchaRequired
from nexi_payments.web.client_info import get_request_id
from nexi_payments.web.problem_documents import (
    BODY_PROBLEMS,
    MEDIA_TYPE,
    problem_document,
)


class Problem(exceptions.APIException):
    """A problem of this API: ``code``, and ``extra`` members of the response."""

    def __init__(self, status_code: int, code: str, detail: str, **extra: Any) -> None:
        super().__init__(detail, code)
        self.status_code = status_code
        self.code = code
        self.text = detail
        self.extra = extra


#: Exception of the flows → status, code, and a text that says whether money moved.
_EXCEPTION_PROBLEMS: Final[dict[type[Exception], tuple[int, str, str]]] = {
    InvalidAmount: (400, "invalid_amount", "This amount cannot be charged."),
    InvalidReference: (400, "invalid_reference", "The reference is invalid."),
    InvalidCustomer: (400, "invalid_customer", "The customer data is invalid."),
    UnstorableText: (
        400,
        "invalid_text",
        "A text has a character that the shop cannot store. Nothing was stored.",
    ),
    CardDataNotAllowed: (
        400,
        "card_data_not_allowed",
        "A text seems to contain a card number. Nothing was stored.",
    ),
    ShopOrderUnknown: (
        409,
        "shop_order_unknown",
        "The shop knows no order of this reference. Nothing was charged.",
    ),
    ShopOrderDiffers: (
        409,
        "shop_order_differs",
        "The shop's order of this reference has another amount or currency. Nothing was"
        " charged.",
    ),
    ShopOrderUnavailable: (
        503,
        "shop_order_unavailable",
        "The shop's order could not be looked up. Nothing was charged. Try again"
        " later.",
    ),
    ReferenceInUse: (
        409,
        "reference_in_use",
        "Another payment for this reference is under way or paid. Nothing was sent.",
    ),
    OrderBusy: (
        409,
        "order_busy",
        "Another request is working on this payment. Nothing was sent. Try again.",
    ),
    OrderNotPayable: (
        409,
        "order_not_payable",
        "This payment no longer accepts a card. Nothing was sent.",
    ),
    PaymentBeingConfirmed: (
        409,
        "payment_being_confirmed",
        "Nexi is still confirming `order`, another attempt at this purchase. Nothing"
        " was sent. Wait for its outcome.",
    ),
    MethodNotOffered: (
        409,
        "method_not_offered",
        "This payment method is not offered for this payment: see `methods/`. Nothing"
        " was sent.",
    ),
    MethodForbids: (
        409,
        "method_forbids",
        "The payment method does not allow this: see `hint`. Nothing was sent.",
    ),
    CardsNotAccepted: (
        409,
        "cards_not_accepted",
        "This terminal takes cards on Nexi's hosted page only: use `hosted/`. The card"
        " was not kept, and nothing was sent.",
    ),
    TooManyAttempts: (
        429,
        "too_many_attempts",
        "Too many failed attempts. Nothing was charged. Wait before the next one.",
    ),
    TooManyVerifications: (
        429,
        "too_many_verifications",
        "Too many failed card verifications. Nothing was sent. Wait before the next"
        " one.",
    ),
    PossibleDuplicate: (
        409,
        "possible_duplicate",
        "This card was charged the same amount in the last ten minutes. Nothing was"
        " charged. To charge it again, send `allow_duplicate` with a new key.",
    ),
    CardBlocked: (
        409,
        "card_blocked",
        "The issuer does not allow this card for this purchase. Nothing was charged.",
    ),
    InvalidState: (
        409,
        "invalid_state",
        "Not possible in the current state of the payment. Nothing was sent.",
    ),
    AlreadyCharged: (
        409,
        "already_charged",
        "Money is held or taken for this purchase: void or refund `order`. Nothing was"
        " cancelled.",
    ),
    AmbiguousCapture: (
        409,
        "ambiguous_capture",
        "There are several captures: send `capture`. Nothing was sent.",
    ),
    ConsentRequired: (
        409,
        "consent_required",
        "The card is to be saved: show `consent_text` and send `consent`. Nothing was"
        " sent.",
    ),
    ContractNotUsable: (
        409,
        "contract_not_usable",
        "This contract cannot be charged: not confirmed yet, suspended or ended."
        " Nothing was sent.",
    ),
    ApprovalRequired: (
        409,
        "approval_required",
        "The amount is above your ceiling. Nothing was sent. `approval` waits for"
        " another person.",
    ),
    ApprovalClosed: (
        409,
        "approval_closed",
        "Nothing is left to decide: see `approval_state`. Nothing was sent now.",
    ),
    ApprovalNotAllowed: (
        403,
        "approval_not_allowed",
        "You may not decide this request: your own, or without the permission. Nothing"
        " was changed.",
    ),
    ContractEndUnconfirmed: (
        503,
        "contract_end_unconfirmed",
        "Nexi has not confirmed the end yet. There are no further charges to this"
        " card.",
    ),
    ExceedsRemaining: (
        409,
        "exceeds_remaining",
        "The amount is more than `remaining`. Nothing was sent.",
    ),
    AmountChanged: (
        409,
        "amount_changed",
        "The remaining amount is not `expected_remaining`. Nothing was sent. Read the"
        " payment again.",
    ),
    MotoNotAllowed: (
        409,
        "moto_not_allowed",
        "This terminal does not accept phone orders. Nothing was sent.",
    ),
    TerminalUnavailable: (
        503,
        "terminal_unavailable",
        "Nexi rejects the API key of this terminal. Nothing was charged.",
    ),
    GatewayUnavailable: (
        503,
        "gateway_unavailable",
        "Nexi does not answer. Nothing was sent. Try again later.",
    ),
    TerminalNotConfigured: (
        503,
        "terminal_not_configured",
        "The terminal of this payment is not in the shop's settings. Nothing was sent.",
    ),
    SealedCardUnavailable: (
        503,
        "sealed_card_unavailable",
        "Cards cannot be stored at the moment. Nothing was charged.",
    ),
    OutcomeNotRecorded: (
        503,
        "outcome_not_recorded",
        "The outcome is not recorded yet. Do not repeat the request: read the payment.",
    ),
}

#: Status of a DRF exception → code and text. DRF's own texts repeat input.
_STATUS_PROBLEMS: Final[dict[int, tuple[str, str]]] = {
    **BODY_PROBLEMS,
    401: ("not_authenticated", "Credentials are missing or wrong."),
    403: ("permission_denied", "These credentials do not allow this."),
    404: ("not_found", "Not found."),
    405: ("method_not_allowed", "This URL does not accept that method."),
    429: ("too_many_requests", "Too many requests. Wait, then try again."),
}

#: Code and text of a DRF exception of any other status, which none of ours has.
OTHER_PROBLEM: Final = ("error", "Not possible.")


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's ``EXCEPTION_HANDLER`` of our views. Returns ``None`` for an unknown error,
    which DRF then raises."""
    response = _problem_response(error)
    if response is None:
        return None
    if isinstance(error, OrderError) and not _may_see(context["request"], error.order):
        response.data.pop("order", None)
    request_id = get_request_id(context["request"]._request)
    if request_id:
        response.data["request_id"] = request_id
    return response


def _may_see(request: Request, order: PaymentOrder) -> bool:
    """A client secret is no user: its checkout is not limited to terminals."""
    if isinstance(request.auth, PaymentOrder):
        return True
    return terminal_rights.may(request.user, terminal_rights.SEE, order.terminal)


def _problem_response(error: Exception) -> Response | None:
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    if isinstance(error, NexiPaymentsError):
        error = _as_problem(error)
    if isinstance(error, CaptchaRequired):
        return _build_response(
            403,
            "captcha_required",
            "Too many cards were declined in this shop. Nothing was sent. Show to be"
            " human at `captcha_url`, then try again.",
            captcha_url=error.url,
        )
    if isinstance(error, Problem):
        return _build_response(error.status_code, error.code, error.text, **error.extra)
    if isinstance(error, exceptions.ValidationError):
        return _build_response(
            400,
            "invalid",
            "Invalid request body: see `errors`. Nothing was stored or sent.",
            errors=list(_field_errors(error.get_full_details())),
        )
    if not isinstance(error, exceptions.APIException):
        return None
    code, text = _STATUS_PROBLEMS.get(error.status_code, OTHER_PROBLEM)
    response = _build_response(error.status_code, code, text)
    wait = getattr(error, "wait", None)
    if wait:
        response["Retry-After"] = str(int(wait) + 1)
    if header := getattr(error, "auth_header", None):
        response["WWW-Authenticate"] = header
    return response


def _as_problem(error: NexiPaymentsError) -> Exception:
    problem = _EXCEPTION_PROBLEMS.get(type(error))
    if problem is None:
        return error
    extra: dict[str, Any] = {}
    if isinstance(error, ExceedsRemaining | AmountChanged):
        extra["remaining"] = str(money.to_major(error.remaining, error.order.currency))
    if isinstance(error, TooManyAttempts | TooManyVerifications):
        extra["retry_after"] = math.ceil(error.seconds)
    if isinstance(error, OrderBusy):
        extra["retry_after"] = 1
    if isinstance(error, MethodForbids):
        extra["hint"] = str(error.sentence)
    if isinstance(error, ApprovalRequired | ApprovalClosed | ApprovalNotAllowed):
        extra["approval"] = error.approval.pk
        extra["approval_state"] = str(error.approval.state)
    if isinstance(error, OrderError):
        extra["order"] = error.order.order_id
    if isinstance(
        error,
        InvalidAmount
        | InvalidReference
        | InvalidCustomer
        | CardDataNotAllowed
        | UnstorableText,
    ):
        # these texts are our own: of the input they hold member and currency names only
        extra["hint"] = str(error)
    return Problem(*problem, **extra)


def _build_response(status_code: int, code: str, detail: str, **extra: Any) -> Response:
    document = problem_document(status_code, code, detail, **extra)
    response = Response(document, status=status_code, content_type=MEDIA_TYPE)
    if "retry_after" in extra:
        response["Retry-After"] = str(extra["retry_after"])
    return response


def _field_errors(details: Any, path: str = "") -> Any:
    """Flatten DRF's nested errors: one row for each error, with a dotted path.

    ``{"customer": {"email": [{"message", "code"}]}}`` → ``{"field": "customer.email",
    "code", "detail"}``.
    """
    if isinstance(details, dict) and set(details) == {"message", "code"}:
        yield {"field": path, "code": details["code"], "detail": details["message"]}
    elif isinstance(details, dict):
        for name, inner in details.items():
            general = name == api_settings.NON_FIELD_ERRORS_KEY
            yield from _field_errors(
                inner, path if general else f"{path}.{name}".strip(".")
            )
    else:
        for error in details:
            yield from _field_errors(error, path)
