"""Why a payment failed or waits for a person, in a few words. For lists and timelines.

What to do is in ``staff_texts``.
"""

from __future__ import annotations

from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from nexi_payments.admin import discrepancy_texts, response_code_texts
from nexi_payments.enums import Reason, RefundReason
from nexi_payments.models import PaymentOrder

_TEXTS: Final[dict[str, str | Promise]] = {
    Reason.DECLINED: _("declined by the bank"),
    Reason.NOT_AUTHENTICATED: _("3-D Secure failed"),
    Reason.NO_LIABILITY_SHIFT: _("3-D Secure without liability of the issuer"),
    Reason.THREE_DS_UNAVAILABLE: _("the card has no 3-D Secure"),
    Reason.UNSAFE_THREE_DS_URL: _("3-D Secure page not in the shop's settings"),
    Reason.UNSAFE_HOSTED_PAGE_URL: _("payment page not in the shop's settings"),
    Reason.HOSTED_PAGE_UNKNOWN: _("Nexi's page could not be opened"),
    Reason.CANCELLED_BY_PAYER: _("given up on Nexi's page"),
    Reason.NOT_SENT: _("Nexi could not be reached"),
    Reason.REJECTED: _("rejected by Nexi"),
    Reason.BUSY: _("Nexi was too busy"),
    Reason.CONFIG: _("Nexi refuses the key of the terminal"),
    Reason.INIT_UNKNOWN: _("no answer at the start of 3-D Secure"),
    Reason.VALIDATION_UNKNOWN: _("no answer at the end of 3-D Secure"),
    Reason.UNKNOWN_RESULT: _("Nexi's answer is not known here"),
    Reason.MISMATCH: _("Nexi shows another amount, currency or order"),
    Reason.CARD_EXPIRED: _("came back too late from 3-D Secure"),
    Reason.CARD_NOT_STORED: _("card data could not be kept"),
    Reason.VETOED: _("stopped by the shop"),
    Reason.CHECK_FAILED: _("the shop could not check the order"),
    Reason.EXPIRED: _("not completed in time"),
    Reason.ABANDONED: _("3-D Secure was not completed"),
    Reason.SUPERSEDED: _("replaced by another attempt"),
    Reason.CANCELLED: _("cancelled by the shop"),
    Reason.UNCONFIRMED: _("Nexi shows no charge"),
    Reason.LATE_CHARGE: _("charged after the attempt was given up"),
    Reason.LAPSED: _("the authorization has ended at Nexi"),
    Reason.CAPTURE_CANCELLED: _("the capture was cancelled"),
    Reason.RESTORED: _("missing in the restored database"),
    Reason.RESOLVED: _("decided by a person"),
}


def reason_text(reason: str) -> str | Promise:
    """The words for a reason; "" for none, an unknown one as it is."""
    return _TEXTS.get(reason) or discrepancy_texts.what_happened(reason) or reason


def of_order(order: PaymentOrder) -> Any:
    """Why the payment is as it is: the meaning of a decline's response code, the
    sentence with which the shop stopped it is not here; "" where nothing is to say.
    """
    if order.reason == Reason.DECLINED and order.response_code:
        text = response_code_texts.response_code_text(order.response_code)
        return f"{text} ({order.response_code})"
    return reason_text(order.reason)


def refund_reason(reason: str) -> Any:
    """The label of a code of ``RefundReason``; words of a person as they are."""
    return dict(RefundReason.choices).get(reason, reason)
