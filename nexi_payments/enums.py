"""States, transitions, outcomes, kinds and reasons. Constants only, no code that acts.

Each enumeration is stored as text: the value is what stands in the database, in the API
and in logs, the label is what staff read. ``TRANSITIONS`` lists every allowed change of
an order's state; the ledger builds its compare-and-swap from it.
"""

from __future__ import annotations

from typing import Final

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class OrderState(TextChoices):
    """``PaymentOrder.state``."""

    #: no card was posted yet
    INIT = "init", _("created")
    #: the shopper is at the issuer's 3-D Secure page
    AWAITING_3DS = "awaiting_3ds", _("waiting for the bank")
    #: the shopper is, or may be, on Nexi's hosted page: a charge may exist
    AWAITING_HOSTED_PAGE = "awaiting_hosted_page", _("on Nexi's page")
    #: 3-D Secure is done, nothing was charged yet
    VALIDATED = "validated", _("confirmed by the bank")
    #: a charge was sent and its outcome is not known yet
    PAYING = "paying", _("being charged")
    #: the amount is reserved, nothing is captured
    AUTHORIZED = "authorized", _("authorized")
    #: something is captured and not refunded
    PAID = "paid", _("paid")
    #: this attempt ended without money
    FAILED = "failed", _("failed")
    #: a person must decide
    REVIEW = "review", _("to be reviewed")
    #: the authorization was released
    VOIDED = "voided", _("voided")
    #: everything that was captured is refunded
    REFUNDED = "refunded", _("refunded")


#: What Nexi may show of an order that was charged: a status inquiry may find several
#: steps at once, and a final word of Nexi may be contradicted later.
_CHARGED: Final = frozenset(
    {
        OrderState.AUTHORIZED,
        OrderState.PAID,
        OrderState.REVIEW,
        OrderState.VOIDED,
        OrderState.REFUNDED,
    }
)

#: The allowed next states of each state. ``paid`` leads to ``refunded``, and back to
#: ``authorized`` when the only capture was cancelled on its day. A failed order may
#: still turn out to be charged while it is watched.
TRANSITIONS: Final[dict[str, frozenset[str]]] = {
    OrderState.INIT: frozenset(
        {
            OrderState.AWAITING_3DS,
            OrderState.AWAITING_HOSTED_PAGE,
            OrderState.PAYING,
            OrderState.FAILED,
            OrderState.REVIEW,
        }
    ),
    OrderState.AWAITING_3DS: frozenset(
        {
            OrderState.VALIDATED,
            OrderState.PAYING,
            OrderState.FAILED,
            OrderState.REVIEW,
        }
    ),
    OrderState.VALIDATED: frozenset(
        {OrderState.PAYING, OrderState.FAILED, OrderState.REVIEW}
    ),
    OrderState.AWAITING_HOSTED_PAGE: _CHARGED | {OrderState.FAILED},
    OrderState.PAYING: _CHARGED | {OrderState.FAILED},
    OrderState.AUTHORIZED: _CHARGED - {OrderState.AUTHORIZED},
    OrderState.PAID: _CHARGED - {OrderState.PAID},
    OrderState.FAILED: _CHARGED,
    OrderState.REVIEW: (_CHARGED | {OrderState.FAILED}) - {OrderState.REVIEW},
    OrderState.VOIDED: _CHARGED - {OrderState.VOIDED},
    OrderState.REFUNDED: _CHARGED - {OrderState.REFUNDED},
}

#: An order in one of these holds its reference: no purchase is charged twice.
LIVE: Final = frozenset(
    {
        OrderState.INIT,
        OrderState.AWAITING_3DS,
        OrderState.AWAITING_HOSTED_PAGE,
        OrderState.VALIDATED,
        OrderState.PAYING,
        OrderState.AUTHORIZED,
        OrderState.PAID,
    }
)
#: The shopper may still leave it for another card or method.
ABANDONABLE: Final = frozenset(
    {OrderState.INIT, OrderState.AWAITING_3DS, OrderState.AWAITING_HOSTED_PAGE}
)
#: The shopper need not wait any more.
FINAL: Final = frozenset(
    {
        OrderState.AUTHORIZED,
        OrderState.PAID,
        OrderState.FAILED,
        OrderState.REVIEW,
        OrderState.VOIDED,
        OrderState.REFUNDED,
    }
)
#: The amount is captured or reserved.
SUCCESSFUL: Final = frozenset({OrderState.AUTHORIZED, OrderState.PAID})
#: The amount was captured or reserved, and is no longer.
RETURNED: Final = frozenset({OrderState.VOIDED, OrderState.REFUNDED})
#: There is a receipt: the amount was authorized or captured, refunded since or not.
WITH_RECEIPT: Final = frozenset(
    {OrderState.AUTHORIZED, OrderState.PAID, OrderState.REFUNDED}
)


def sources(target: str) -> frozenset[str]:
    """The states from which ``target`` may be reached."""
    return frozenset(state for state, to in TRANSITIONS.items() if target in to)


class OperationKind(TextChoices):
    """``Operation.kind``: one request to the gateway that changes something."""

    AUTHENTICATION = "authentication", _("3-D Secure start")
    VALIDATION = "validation", _("3-D Secure check")
    PAYMENT = "payment", _("payment")
    MOTO = "moto", _("phone payment")
    #: a merchant-initiated charge of a contract
    MIT = "mit", _("charge on file")
    #: a page at Nexi on which the shopper pays; opening it charges nothing
    HOSTED = "hosted", _("payment on Nexi's page")
    CAPTURE = "capture", _("capture")
    VOID = "void", _("void")
    REFUND = "refund", _("refund")
    #: cancels a capture, on the day it was made
    CANCEL = "cancel", _("cancelled capture")


#: The kinds that charge, or may lead to a charge: never sent twice.
CHARGING: Final = frozenset(
    {
        OperationKind.PAYMENT,
        OperationKind.MOTO,
        OperationKind.MIT,
        OperationKind.HOSTED,
    }
)
#: The kinds that may follow a charge.
POST_CHARGE: Final = frozenset(
    {
        OperationKind.CAPTURE,
        OperationKind.VOID,
        OperationKind.REFUND,
        OperationKind.CANCEL,
    }
)
#: May be sent again with the same key: Nexi executes it once. A cancel has a key, too,
#: but it is not documented that the key prevents a second execution.
IDEMPOTENT: Final = frozenset(
    {OperationKind.CAPTURE, OperationKind.VOID, OperationKind.REFUND}
)
#: The kinds that may wait in the queue (``QueuedRefund``).
QUEUEABLE: Final = frozenset({OperationKind.REFUND, OperationKind.VOID})
#: The kinds that return captured money.
REFUNDING: Final = frozenset({OperationKind.REFUND, OperationKind.CANCEL})


class OperationOutcome(TextChoices):
    """``Operation.outcome``."""

    #: committed; about to be sent or under way
    OPEN = "open", _("on its way")
    #: Nexi accepted the request; a status inquiry will show the result
    ACCEPTED = "accepted", _("sent, waiting for Nexi")
    DONE = "done", _("done")
    #: the issuer or Nexi said no in a response of 200, or status inquiries show no
    #: success
    DECLINED = "declined", _("refused")
    #: a complete 4xx response: Nexi did not process the request
    REJECTED = "rejected", _("rejected")
    #: no byte left this machine
    NOT_SENT = "not_sent", _("not sent")
    #: sent, and the outcome is unknown
    IN_DOUBT = "in_doubt", _("in doubt")


#: Nexi was asked, and no money moved.
NEGATIVE_OUTCOMES: Final = frozenset(
    {OperationOutcome.DECLINED, OperationOutcome.REJECTED}
)
#: The outcome is not known yet.
UNSETTLED: Final = frozenset({OperationOutcome.OPEN, OperationOutcome.IN_DOUBT})
#: The amount of these is reserved: it has moved, or may move.
RESERVING: Final = frozenset(
    {OperationOutcome.OPEN, OperationOutcome.IN_DOUBT, OperationOutcome.ACCEPTED}
)


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
    REFUND_QUEUED = "refund_queued", _("refund queued")
    REFUND_WITHDRAWN = "refund_withdrawn", _("queued refund withdrawn")
    #: a queued refund was given up: the money has not gone back
    REFUND_FAILED = "refund_failed", _("queued refund given up")


class QueuedRefundState(TextChoices):
    """``QueuedRefund.state``."""

    #: it waits to be sent, and may be withdrawn
    QUEUED = "queued", _("queued")
    #: it is an operation now, whose outcome counts
    SENT = "sent", _("sent")
    #: a person or the shop took it back before it was sent
    WITHDRAWN = "withdrawn", _("withdrawn")
    #: it was not possible any more, or Nexi did not execute it: a person must look
    GIVEN_UP = "given_up", _("given up")


class RefundFailure(TextChoices):
    """``QueuedRefund.failure``: why it was given up."""

    #: the state of the payment allows none any more: refunded or voided meanwhile
    NOT_POSSIBLE = "not_possible", _("not possible any more in the payment's state")
    #: refunds made elsewhere have left less
    NOTHING_LEFT = "nothing_left", _("less is left than was to be sent")
    #: of a duplicate: the other payment does not keep its money any more
    ONLY_PAYMENT = "only_payment", _("no other payment of the purchase is left")
    #: Nexi or the issuer declined, or inquiries show that it was not executed
    DECLINED = OperationOutcome.DECLINED.value, _("Nexi did not execute it")
    REJECTED = OperationOutcome.REJECTED.value, _("Nexi rejected it")


class VerificationOutcome(TextChoices):
    """``CardVerification.outcome``. The values are those of an operation, without
    ``rejected``: a 4xx response is ``declined`` or ``not_sent`` here."""

    OPEN = "open", _("being asked")
    #: the issuer says that the account is good
    DONE = "done", _("good")
    DECLINED = "declined", _("refused")
    #: no issuer was asked
    NOT_SENT = "not_sent", _("no bank was asked")
    #: final: Nexi has no status inquiry for verifications
    IN_DOUBT = "in_doubt", _("in doubt")


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


class Flow(TextChoices):
    """``PaymentOrder.flow``: how 3-D Secure runs. The setting ``FLOW``."""

    THREE_STEPS = "3steps"
    TWO_STEPS = "2steps"


class CardEntry(TextChoices):
    """Where shoppers enter cards. The setting ``CARDS``."""

    #: on the shop's own card page
    OWN_PAGE = "own_page"
    #: on Nexi's hosted page: no card number touches this server
    HOSTED_PAGE = "hosted_page"


class Duplicates(TextChoices):
    """What becomes of money that came twice. The setting ``DUPLICATES``."""

    #: a person decides
    REVIEW = "review"
    #: it is refunded, or voided where it is only held
    REFUND = "refund"


class CaptureMode(TextChoices):
    """``PaymentOrder.capture``: who captures. The setting ``CAPTURE``."""

    #: Nexi, with the authorization
    AUTOMATIC = "automatic"
    #: the shop, later
    MANUAL = "manual"


class Channel(TextChoices):
    """``PaymentOrder.channel``: who entered the card, and where."""

    SHOP = "shop", _("shop")
    #: staff, on the phone
    MOTO = "moto", _("phone")
    #: the customer, on the 3-D Secure page behind a secure payment link
    LINK = "link", _("secure link")
    #: no person: a merchant-initiated charge of a contract
    MIT = "mit", _("card on file")


#: Charged in one call, without 3-D Secure: Nexi's id is unknown before the response.
SINGLE_CALL: Final = frozenset({Channel.MOTO, Channel.MIT})
#: Where a contract may be created. Not by phone: the customer reads no terms there.
CONTRACT_CHANNELS: Final = frozenset({Channel.SHOP, Channel.LINK})
#: Orders that staff created.
STAFF_CHANNELS: Final = frozenset({Channel.MOTO, Channel.LINK})


class ContractState(TextChoices):
    """``Contract.state``: a saved card at Nexi."""

    #: its first payment is not charged yet
    REQUESTED = "requested", _("not confirmed yet")
    ACTIVE = "active", _("active")
    #: a charge was declined for good, or the terminal does not accept it: a person
    #: decides
    SUSPENDED = "suspended", _("on hold")
    #: ended here; Nexi has not confirmed, and the request is sent again until it does
    ENDING = "ending", _("being ended")
    ENDED = "ended", _("ended")
    #: its first payment failed: there is no contract at Nexi
    NOT_MADE = "not_made", _("not made")


class ContractKind(TextChoices):
    """``Contract.kind``: when it may be charged."""

    UNSCHEDULED = "unscheduled", _("when the shop asks")
    SCHEDULED = "scheduled", _("at regular times")
