"""What went wrong, as problem details (RFC 9457), ``application/problem+json``.

``type`` is ``urn:nexi-payments:<code>``, ``code`` the word for programs; ``errors``
names the fields, and never repeats what stood in them.
"""

from __future__ import annotations

from typing import Any, Final

from django.core.exceptions import PermissionDenied
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.settings import api_settings

from nexi_payments import money
from nexi_payments.exceptions import (
    AmountChanged,
    CaptureNotNamed,
    CardBlocked,
    CardDataNotAllowed,
    ConsentNeeded,
    ContractNotUsable,
    ContractUnsettled,
    HoldUnavailable,
    InvalidAmount,
    InvalidCustomer,
    MoreThanLeft,
    MotoNotAllowed,
    NexiPaymentsError,
    OrderBusy,
    OrderError,
    OrderNotPayable,
    OutcomeNotRecorded,
    ReferenceInUse,
    TerminalUnavailable,
    TooManyAttempts,
    TooManyChecks,
    WrongState,
)
from nexi_payments.pages import request_id_of

MEDIA_TYPE: Final = "application/problem+json"


class Problem(exceptions.APIException):
    """One of ours, with a word for programs, and further members of the answer."""

    def __init__(self, status_code: int, code: str, detail: str, **more: Any) -> None:
        super().__init__(detail, code)
        self.status_code = status_code
        self.code = code
        self.text = detail
        self.more = more


#: what the flows raise → status, code, and what it says about the money
_OF_FLOWS: Final[dict[type[Exception], tuple[int, str, str]]] = {
    InvalidAmount: (400, "invalid_amount", "This amount cannot be asked for."),
    InvalidCustomer: (400, "invalid_customer", "The customer data does not fit."),
    CardDataNotAllowed: (
        400,
        "card_data_not_allowed",
        "A text looks like it holds a card number. Nothing was stored.",
    ),
    ReferenceInUse: (
        409,
        "reference_in_use",
        "Another payment for this reference is under way or paid. Nothing was sent.",
    ),
    OrderBusy: (
        409,
        "order_busy",
        "Another request is working on this payment. Nothing was sent; look again.",
    ),
    OrderNotPayable: (
        409,
        "order_not_payable",
        "This payment takes no card any more. Nothing was sent.",
    ),
    TooManyAttempts: (
        429,
        "too_many_attempts",
        "Too many attempts failed. Nothing was charged; wait before the next one.",
    ),
    TooManyChecks: (
        429,
        "too_many_checks",
        "Too many cards from this address were refused. Nothing was asked; wait.",
    ),
    CardBlocked: (
        409,
        "card_blocked",
        "The bank forbids this card for this purchase. Nothing was charged.",
    ),
    WrongState: (
        409,
        "wrong_state",
        "Not possible as this payment stands. Nothing was sent.",
    ),
    CaptureNotNamed: (
        409,
        "capture_not_named",
        "There are several captures: say which one. Nothing was sent.",
    ),
    ConsentNeeded: (
        409,
        "consent_needed",
        "The card is to stay on file: show `agreement` and send `agreed`. Nothing was"
        " sent.",
    ),
    ContractNotUsable: (
        409,
        "contract_not_usable",
        "This card on file is not charged any more, or not yet. Nothing was sent.",
    ),
    ContractUnsettled: (
        503,
        "contract_unsettled",
        "Nexi has not confirmed the end yet. Nothing is charged to this card any more.",
    ),
    MoreThanLeft: (409, "more_than_left", "That much is not left. Nothing was sent."),
    AmountChanged: (
        409,
        "amount_changed",
        "What is left is not what you saw. Nothing was sent; look again.",
    ),
    MotoNotAllowed: (
        409,
        "moto_not_allowed",
        "This terminal takes no phone orders. Nothing was sent.",
    ),
    TerminalUnavailable: (
        503,
        "terminal_unavailable",
        "Nexi refuses the key of this terminal. Nothing was charged.",
    ),
    HoldUnavailable: (
        503,
        "hold_unavailable",
        "Cards cannot be held right now. Nothing was charged.",
    ),
    OutcomeNotRecorded: (
        503,
        "outcome_not_recorded",
        "The outcome is not known here yet. Do not send it again: look at the payment.",
    ),
}

#: what Django REST framework raises → code and text; its own texts repeat input
_OF_HTTP: Final[dict[int, tuple[str, str]]] = {
    400: ("invalid_body", "The body is not a JSON object of the documented shape."),
    401: ("not_authenticated", "Credentials are missing or wrong."),
    403: ("not_allowed", "These credentials do not allow this."),
    404: ("not_found", "There is no such thing here."),
    405: ("method_not_allowed", "This address does not take that method."),
    415: ("not_json", "Send application/json."),
    429: ("too_many_requests", "Too many requests. Wait, then try again."),
}


def answer(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's ``EXCEPTION_HANDLER`` for our views; ``None`` lets an unknown error out."""
    response = _answer(error)
    request_id = request_id_of(context["request"]._request)
    if response is not None and request_id:
        response.data["request_id"] = request_id
    return response


def _answer(error: Exception) -> Response | None:
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    if isinstance(error, NexiPaymentsError):
        error = _of_flows(error)
    if isinstance(error, Problem):
        return _response(error.status_code, error.code, error.text, **error.more)
    if isinstance(error, exceptions.ValidationError):
        return _response(
            400,
            "invalid",
            "Something in the body has to be mended. Nothing was stored or sent.",
            errors=list(_fields(error.get_full_details())),
        )
    if not isinstance(error, exceptions.APIException):
        return None
    code, text = _OF_HTTP.get(error.status_code, ("error", "Not possible."))
    response = _response(error.status_code, code, text)
    wait = getattr(error, "wait", None)
    if wait:
        response["Retry-After"] = str(int(wait) + 1)
    if header := getattr(error, "auth_header", None):
        response["WWW-Authenticate"] = header
    return response


def _of_flows(error: NexiPaymentsError) -> Exception:
    facts = _OF_FLOWS.get(type(error))
    if facts is None:
        return error
    more: dict[str, Any] = {}
    if isinstance(error, MoreThanLeft | AmountChanged):
        more["left"] = str(money.to_major(error.left, error.order.currency))
    if isinstance(error, TooManyAttempts | TooManyChecks):
        more["retry_after"] = int(error.seconds)
    if isinstance(error, OrderBusy):
        more["retry_after"] = 1
    if isinstance(error, OrderError):
        more["order"] = error.order.public_id
    if isinstance(error, InvalidAmount | InvalidCustomer | CardDataNotAllowed):
        # these are worded by us and hold no input but names of members and currencies
        more["hint"] = str(error)
    return Problem(*facts, **more)


def _response(status_code: int, code: str, detail: str, **more: Any) -> Response:
    body = {
        "type": f"urn:nexi-payments:{code}",
        "title": code.replace("_", " ").capitalize(),
        "status": status_code,
        "code": code,
        "detail": detail,
        **more,
    }
    response = Response(body, status=status_code, content_type=MEDIA_TYPE)
    if "retry_after" in more:
        response["Retry-After"] = str(more["retry_after"])
    return response


def _fields(details: Any, path: str = "") -> Any:
    """``{"customer": {"email": [{"message", "code"}]}}`` → one row a mistake."""
    if isinstance(details, dict) and set(details) == {"message", "code"}:
        yield {"field": path, "code": details["code"], "detail": details["message"]}
    elif isinstance(details, dict):
        for name, inner in details.items():
            general = name == api_settings.NON_FIELD_ERRORS_KEY
            yield from _fields(inner, path if general else f"{path}.{name}".strip("."))
    else:
        for one in details:
            yield from _fields(one, path)
