"""Payment methods for staff: names, and what becomes of an attempt on Nexi's page."""

from __future__ import annotations

from typing import Any, Final

from django.utils.translation import gettext_lazy as _

from nexi_payments import conf, enums, payment_methods
from nexi_payments.admin.base import card_label
from nexi_payments.enums import OperationKind, OperationOutcome
from nexi_payments.models import Operation, PaymentOrder

_CARD: Final = _("Card")
_LINK: Final = _("Nexi's payment link")
#: Opening the page charges nothing, so the outcomes of other requests do not fit.
_PAGE_OUTCOMES: Final[dict[str, Any]] = {
    OperationOutcome.OPEN: _("page requested"),
    OperationOutcome.ACCEPTED: _("page open, nothing paid yet"),
    OperationOutcome.DONE: _("paid there"),
    OperationOutcome.DECLINED: _("not paid there"),
    OperationOutcome.IN_DOUBT: _("nobody has the page's address"),
}
_ON_THE_PAGE: Final = _(
    "Nothing is charged yet. The customer may pay there, in another way here, or not at"
    " all."
)
_IS_CONFIRMED_LATER: Final = _(
    "The customer has paid, and the payment service has not confirmed it yet. Deliver"
    " nothing before it has. Do not ask for another payment."
)


def method_label(code: str) -> Any:
    """ "PAYPAL" → "PayPal"; "" → "Card"; a code that we do not know as it is."""
    if not code:
        return _CARD
    if code == payment_methods.LINK:
        return _LINK
    method = payment_methods.find(code, conf.current().method_overrides)
    return code if method is None else method.label


def paid_with(order: PaymentOrder) -> str:
    """``"VISA •••• 4549"``, ``"Google Pay · VISA •••• 4549"``, ``"PayPal"``; "" before
    anything is known."""
    card = card_label(order)
    if not order.is_hosted:
        return card
    return " · ".join(filter(None, (str(method_label(order.method)), card)))


def circuit(order: PaymentOrder) -> str:
    """The circuit that Nexi names for a payment on its page, without a card number."""
    return order.card_brand if order.is_hosted and not order.card_last4 else ""


def outcome_label(operation: Operation) -> Any:
    """What became of an operation."""
    if operation.kind == OperationKind.HOSTED:
        found = _PAGE_OUTCOMES.get(operation.outcome)
        return found or operation.get_outcome_display()
    return operation.get_outcome_display()


def is_open_page(operation: Operation) -> bool:
    """Whether it is a page at Nexi that is not paid yet. It is no charge in doubt."""
    return (
        operation.kind == OperationKind.HOSTED and operation.outcome in enums.RESERVING
    )


def page_advice(order: PaymentOrder) -> Any:
    """What staff must know while a page at Nexi is open."""
    return _IS_CONFIRMED_LATER if order.gateway_pending else _ON_THE_PAGE
