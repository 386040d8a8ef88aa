"""Why a payment failed or is refunded, and how Nexi and we disagree. Constants only."""

from __future__ import annotations

from typing import Final

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class Reason(TextChoices):
    """``PaymentOrder.reason``: why an order failed or needs a person. Staff and
    shoppers read the sentences of ``admin.staff_texts`` and ``web.shopper_texts``."""

    #: the issuer or Nexi declined
    DECLINED = "declined"
    NOT_AUTHENTICATED = "not_authenticated"
    #: authenticated without the liability shift that ``REQUIRE_LIABILITY_SHIFT`` needs
    NO_LIABILITY_SHIFT = "no_liability_shift"
    THREE_DS_UNAVAILABLE = "3ds_unavailable"
    #: ``threeDSAuthUrl`` is not among ``THREE_DS_HOSTS``
    UNSAFE_THREE_DS_URL = "unsafe_3ds_url"
    #: the hosted page's URL is not among ``HOSTED_PAGE_HOSTS``
    UNSAFE_HOSTED_PAGE_URL = "unsafe_hosted_url"
    #: the response with the URL of the hosted page was lost: nobody has it
    HOSTED_PAGE_UNKNOWN = "hosted_page_unknown"
    #: the shopper gave up on Nexi's hosted page
    CANCELLED_BY_PAYER = "cancelled_by_payer"
    #: no byte left this machine
    NOT_SENT = "not_sent"
    #: a complete 4xx response
    REJECTED = "rejected"
    #: 429: Nexi accepts no more requests at the moment
    BUSY = "busy"
    #: a setting is wrong: the API key, for example
    CONFIG = "config"
    #: the response to the start of 3-D Secure was lost
    INIT_UNKNOWN = "init_unknown"
    #: the response to the validation was lost
    VALIDATION_UNKNOWN = "validation_unknown"
    #: Nexi answered with a result that we do not know
    UNKNOWN_RESULT = "unknown_result"
    #: the response is about another amount, currency or order
    MISMATCH = "mismatch"
    #: the sealed card expired before the shopper came back
    CARD_EXPIRED = "card_expired"
    #: the cache for sealed cards was unavailable
    CARD_NOT_STORED = "card_not_stored"
    #: the shop's ``BEFORE_CHARGE`` said no; its sentence is the event's note
    VETOED = "vetoed"
    #: the shop's ``BEFORE_CHARGE`` failed, so nobody could say yes
    CHECK_FAILED = "check_failed"
    #: no card was posted in time
    EXPIRED = "expired"
    #: the shopper did not come back from 3-D Secure
    ABANDONED = "abandoned"
    #: another attempt for the same reference replaced it
    SUPERSEDED = "superseded"
    #: the shop cancelled it before it was paid (``flows.cancel``)
    CANCELLED = "cancelled"
    #: a charge in doubt that status inquiries do not show
    UNCONFIRMED = "unconfirmed"
    #: charged although only authentication or validation was asked for
    UNEXPECTED_CHARGE = "unexpected_charge"
    CHARGED_AFTER_DECLINE = "charged_after_decline"
    #: charged after the attempt was given up
    LATE_CHARGE = "late_charge"
    #: charged late, beside another attempt of the same purchase: a duplicate
    REFERENCE_TAKEN = "reference_taken"
    #: charged although the shop had cancelled the payment: a duplicate
    CHARGED_AFTER_CANCEL = "charged_after_cancel"
    #: Nexi shows totals and lists no operations
    NO_DETAILS = "no_details"
    #: still PENDING at the end of ``WATCH_FOR``
    STILL_PENDING = "still_pending"
    TWO_AUTHORIZATIONS = "two_authorizations"
    #: Nexi shows operations that do not fit the payment
    MADE_AT_NEXI = "made_at_nexi"
    #: Nexi says the contrary of its own final word about the charge
    CONTRADICTION = "contradiction"
    #: the authorization ended at Nexi without a capture
    LAPSED = "lapsed"
    #: the only capture was cancelled: the amount is reserved again
    CAPTURE_CANCELLED = "capture_cancelled"
    #: found at Nexi with our prefix, and not in the restored database
    RESTORED = "restored"
    #: a person decided, and Nexi agreed
    RESOLVED = "resolved"


#: The issuer did not want it.
DECLINES: Final = (Reason.DECLINED.value, Reason.NOT_AUTHENTICATED.value)
#: Failed attempts for which the velocity limits count a card as tried, on our own page
#: or at the desk. The others are failures of ours or of Nexi, which nobody can cause
#: from outside.
CARD_WAS_TRIED: Final = frozenset(
    {
        *DECLINES,
        Reason.NO_LIABILITY_SHIFT,
        # Nexi asked the issuer, and some cards have no 3-D Secure
        Reason.THREE_DS_UNAVAILABLE,
        Reason.REJECTED,
        Reason.CARD_EXPIRED,
        Reason.VETOED,
        Reason.ABANDONED,
        Reason.EXPIRED,
        Reason.SUPERSEDED,
        Reason.CANCELLED,
    }
)


class RefundReason(TextChoices):
    """Why staff refund: ``Operation.reason``, which may also hold words of the shop."""

    CUSTOMER_REQUEST = "customer_request", _("requested by the customer")
    RETURNED = "returned", _("goods returned")
    NOT_DELIVERED = "not_delivered", _("not delivered")
    DUPLICATE = "duplicate", _("paid twice")
    WRONG_AMOUNT = "wrong_amount", _("wrong amount")
    FRAUD = "fraud", _("suspected fraud")
    #: staff write their own words instead
    OTHER = "other", _("other")


class DiscrepancyKind(TextChoices):
    """``Discrepancy.kind``: how Nexi and we disagree. See docs/operations.md."""

    #: Nexi shows a charge where none was sent
    UNEXPECTED_CHARGE = "unexpected_charge"
    #: Nexi declined, and charged later
    CHARGED_AFTER_DECLINE = "charged_after_decline"
    #: charged late, beside another attempt of the same purchase: a duplicate
    REFERENCE_TAKEN = "reference_taken"
    #: charged although the shop had cancelled the payment
    CHARGED_AFTER_CANCEL = "charged_after_cancel"
    #: two charges for one order
    TWO_AUTHORIZATIONS = "two_authorizations"
    #: an operation of another order, amount or currency: never matched with ours
    MISMATCH = "mismatch"
    #: one operation id at Nexi for two operations of ours
    SAME_ID = "same_id"
    #: charged, and Nexi lists no operation
    NO_DETAILS = "no_details"
    #: PENDING until the end of ``WATCH_FOR``
    STILL_PENDING = "still_pending"
    #: a result that we do not know: it counts as in doubt
    UNKNOWN_RESULT = "unknown_result"
    #: captured although only an authorization was asked for
    CAPTURED_UNASKED = "captured_unasked"
    #: ``threeDSAuthUrl`` is not among ``THREE_DS_HOSTS``
    UNSAFE_THREE_DS_URL = "unsafe_3ds_url"
    #: the hosted page's URL is not among ``HOSTED_PAGE_HOSTS``
    UNSAFE_HOSTED_PAGE_URL = "unsafe_hosted_url"
    #: a capture, refund or cancel from Nexi's back office that does not fit our totals
    MADE_AT_NEXI = "made_at_nexi"
    #: a charge with our prefix that is not in our database
    UNKNOWN_CHARGE = "unknown_charge"
    #: an operation that was taken for not executed, and was
    LATE_EXECUTION = "late_execution"
    #: a request that we repeated was executed a second time
    EXECUTED_TWICE = "executed_twice"
    #: Nexi says the contrary of its own final word
    CONTRADICTION = "contradiction"
    #: Nexi's total differs from the operations, in two inquiries
    TOTALS = "totals"
    #: a queued refund or void was given up: the customer has not got this money back
    REFUND_FAILED = "refund_failed"
