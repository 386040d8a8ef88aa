"""The names of a payment's status: one table for pages, API, CSV and emails."""

from __future__ import annotations

from typing import Final

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from nexi_payments.enums.reasons import Reason
from nexi_payments.enums.states import OrderState


class DisplayStatus(TextChoices):
    """``PaymentOrder.display_status``: the state, or a finer word where money says
    more. The names of states are those of ``OrderState``; a state that is split keeps
    its name for what no finer word fits.
    """

    INIT = OrderState.INIT.value, OrderState.INIT.label
    AWAITING_3DS = OrderState.AWAITING_3DS.value, OrderState.AWAITING_3DS.label
    AWAITING_HOSTED_PAGE = (
        OrderState.AWAITING_HOSTED_PAGE.value,
        OrderState.AWAITING_HOSTED_PAGE.label,
    )
    #: the shopper has paid on Nexi's page; the payment service has not confirmed it
    WAITING_FOR_CONFIRMATION = "waiting_for_confirmation", _("waiting for confirmation")
    VALIDATED = OrderState.VALIDATED.value, OrderState.VALIDATED.label
    PAYING = OrderState.PAYING.value, OrderState.PAYING.label
    AUTHORIZED = OrderState.AUTHORIZED.value, OrderState.AUTHORIZED.label
    #: a capture is at Nexi, or on its way there
    CAPTURE_PENDING = "capture_pending", _("capture pending")
    #: less than the amount of the payment is captured
    PARTIALLY_CAPTURED = "partially_captured", _("partially captured")
    PAID = OrderState.PAID.value, OrderState.PAID.label
    #: a refund is queued, at Nexi, or on its way there
    REFUND_PENDING = "refund_pending", _("refund pending")
    PARTIALLY_REFUNDED = "partially_refunded", _("partially refunded")
    REFUNDED = OrderState.REFUNDED.value, OrderState.REFUNDED.label
    VOIDED = OrderState.VOIDED.value, OrderState.VOIDED.label
    REVIEW = OrderState.REVIEW.value, OrderState.REVIEW.label
    #: the issuer or Nexi declined the card
    DECLINED = "declined", _("declined")
    #: no card was entered in time
    EXPIRED = "expired", _("expired")
    #: the shop cancelled it before it was paid
    CANCELLED = "cancelled", _("cancelled")
    #: another attempt of the same purchase took its place
    SUPERSEDED = "superseded", _("superseded")
    FAILED = OrderState.FAILED.value, OrderState.FAILED.label


#: The finer words of a failed payment, by its reason.
STATUS_BY_REASON: Final[dict[str, DisplayStatus]] = {
    Reason.DECLINED: DisplayStatus.DECLINED,
    Reason.EXPIRED: DisplayStatus.EXPIRED,
    Reason.CANCELLED: DisplayStatus.CANCELLED,
    Reason.SUPERSEDED: DisplayStatus.SUPERSEDED,
}
