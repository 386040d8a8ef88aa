"""What is written to the history of a payment. Constants only."""

from __future__ import annotations

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from nexi_payments.enums.states import OrderState


class EventKind(TextChoices):
    """``Event.kind``. The first ten are changes of the state of that name."""

    AWAITING_3DS = OrderState.AWAITING_3DS.value, OrderState.AWAITING_3DS.label
    AWAITING_HOSTED_PAGE = (
        OrderState.AWAITING_HOSTED_PAGE.value,
        OrderState.AWAITING_HOSTED_PAGE.label,
    )
    VALIDATED = OrderState.VALIDATED.value, OrderState.VALIDATED.label
    PAYING = OrderState.PAYING.value, OrderState.PAYING.label
    AUTHORIZED = OrderState.AUTHORIZED.value, OrderState.AUTHORIZED.label
    PAID = OrderState.PAID.value, OrderState.PAID.label
    FAILED = OrderState.FAILED.value, OrderState.FAILED.label
    REVIEW = OrderState.REVIEW.value, OrderState.REVIEW.label
    VOIDED = OrderState.VOIDED.value, OrderState.VOIDED.label
    #: also a partial refund, which changes no state
    REFUNDED = OrderState.REFUNDED.value, _("refund in part confirmed")
    #: a capture after the first
    CAPTURED = "captured", _("capture in part confirmed")
    CAPTURE_CANCELLED = "capture_cancelled", _("capture cancelled")
    CONTRACT_ACTIVATED = "contract_activated", _("card on file from now on")
    CONTRACT_SUSPENDED = (
        "contract_suspended",
        _("card on file on hold: no charge until somebody decides"),
    )
    CONTRACT_RESUMED = "contract_resumed", _("card on file off hold")
    #: ended here; Nexi has not confirmed it yet
    CONTRACT_ENDING = "contract_ending", _("end of the card on file begun")
    CONTRACT_ENDED = "contract_ended", _("card on file ended")
    #: a recurring charge was declined and will be tried again
    CHARGE_RETRY = "charge_retry", _("charge is tried again")
    LINK_OFFERED = "link_offered", _("secure link offered")
    LINK_EMAILED = "link_emailed", _("secure link mailed")
    RECEIPT_EMAILED = "receipt_emailed", _("receipt mailed")
    #: a person started a status inquiry
    INQUIRED = "inquired", _("Nexi was asked by hand")
    #: a person decided what became of one operation
    DECIDED = "decided", _("decided by hand")
    #: charged late, although another attempt held or took the purchase's money, or the
    #: shop had cancelled the payment
    DUPLICATE = "duplicate", _("charged beside another payment of the same purchase")
    #: failed, because another attempt (``Event.successor``) took its place
    SUPERSEDED = "superseded", _("another attempt took its place")
    #: the shop cancelled a payment that had failed before: it accepts no card any more
    CANCELLED = "cancelled", _("payment cancelled")
    #: a note of staff; it is never changed
    NOTE = "note", _("note")
    REFUND_QUEUED = "refund_queued", _("refund queued")
    REFUND_WITHDRAWN = "refund_withdrawn", _("queued refund withdrawn")
    #: a queued refund was given up: the money has not gone back
    REFUND_FAILED = "refund_failed", _("queued refund given up")
    #: an approval of a refund or phone order: what it is about, in ``Event.approval``
    APPROVAL_REQUESTED = "approval_requested", _("approval requested")
    APPROVED = "approved", _("approved by a second person")
    APPROVAL_REFUSED = "approval_refused", _("approval refused")
    APPROVAL_WITHDRAWN = "approval_withdrawn", _("request for approval withdrawn")
    APPROVAL_EXPIRED = "approval_expired", _("approval expired")
    APPROVAL_OUTDATED = "approval_outdated", _("approval not possible any more")
