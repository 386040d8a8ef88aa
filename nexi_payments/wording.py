"""What a shopper is told: what happened, was I charged, what now.

One message for each way a payment can stand. Declines are worded alike, whatever the
bank's reason was: who tests stolen cards learns nothing here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from nexi_payments import states
from nexi_payments.models import PaymentOrder
from nexi_payments.states import Reason


@dataclass(frozen=True)
class Message:
    """``tone``: "good", "wait", "bad" or "neutral"; the pages colour by it."""

    tone: str
    title: str | Promise
    text: str | Promise


PAID: Final = Message(
    "good", _("Payment received"), _("Thank you. Your card has been charged.")
)
AUTHORIZED: Final = Message(
    "good",
    _("Payment authorized"),
    _("Thank you. The amount is reserved on your card and charged by the shop later."),
)
CHECKING: Final = Message(
    "wait",
    _("We are checking your payment"),
    _(
        "The bank has not told us the result yet. Please do not pay again: this page"
        " shows the result as soon as we know it."
    ),
)
UNFINISHED: Final = Message(
    "wait",
    _("Your bank is waiting for you"),
    _(
        "This payment is not confirmed yet and nothing has been charged. Finish on your"
        " bank's page, or enter your card again."
    ),
)
NEW: Final = Message(
    "neutral",
    _("Not paid yet"),
    _("No card has been entered for this payment yet. Nothing has been charged."),
)
CONTACT: Final = Message(
    "wait",
    _("Please contact the shop"),
    _(
        "Your payment needs a look by a person. Please do not pay again: contact the"
        " shop and name the reference below."
    ),
)
VOIDED: Final = Message(
    "neutral",
    _("Payment cancelled"),
    _("The amount reserved on your card has been released. Nothing was charged."),
)
REFUNDED: Final = Message(
    "neutral",
    _("Payment refunded"),
    _("The amount has been given back. Your bank may need some days to show it."),
)
UNKNOWN: Final = Message(
    "neutral",
    _("We cannot show this payment"),
    _(
        "The address is not complete, or the payment belongs to another account. Log in"
        " with the account you ordered with, or go back to the shop."
    ),
)
DECLINED: Final = Message(
    "bad",
    _("The card was declined"),
    _(
        "Nothing has been charged. Please check the details or use another card; your"
        " bank can tell you the reason."
    ),
)
NOT_AUTHENTICATED: Final = Message(
    "bad",
    _("Your bank did not confirm the payment"),
    _("Nothing has been charged. You can try again, or use another card."),
)
TRY_AGAIN: Final = Message(
    "bad",
    _("The payment did not go through"),
    _("Nothing has been charged. Please try again in a moment, or use another card."),
)
OTHER_CARD: Final = Message(
    "bad",
    _("This card cannot be confirmed online"),
    _("Nothing has been charged. Please use another card."),
)
TIMED_OUT: Final = Message(
    "bad",
    _("The time for this payment is over"),
    _("Nothing has been charged. Please enter your card again."),
)
SUPERSEDED: Final = Message(
    "neutral",
    _("A newer payment has taken this one's place"),
    _("Nothing has been charged here. Go back to the shop to see your order."),
)
LINK_OVER: Final = Message(
    "neutral",
    _("This link is no longer valid"),
    _(
        "Nothing has been charged with it now. Ask the shop for a new link, or check"
        " that the address is complete."
    ),
)
TOO_MANY: Final = Message(
    "bad",
    _("Too many attempts"),
    _(
        "Nothing has been charged. Please wait a while before you try again, or ask the"
        " shop for another way to pay."
    ),
)
UNAVAILABLE: Final = Message(
    "bad",
    _("Card payments are not available right now"),
    _("Nothing has been charged. Please try again later."),
)

_BY_STATE: Final = {
    states.INIT: NEW,
    states.AWAITING_3DS: UNFINISHED,
    states.VALIDATED: CHECKING,
    states.PAYING: CHECKING,
    states.AUTHORIZED: AUTHORIZED,
    states.PAID: PAID,
    states.REVIEW: CONTACT,
    states.VOIDED: VOIDED,
    states.REFUNDED: REFUNDED,
}
_BY_REASON: Final = {
    Reason.DECLINED: DECLINED,
    Reason.NOT_AUTHENTICATED: NOT_AUTHENTICATED,
    Reason.ABANDONED: NOT_AUTHENTICATED,
    Reason.NO_LIABILITY_SHIFT: OTHER_CARD,
    Reason.THREE_DS_UNAVAILABLE: OTHER_CARD,
    Reason.EXPIRED: TIMED_OUT,
    Reason.CARD_EXPIRED: TIMED_OUT,
    Reason.SUPERSEDED: SUPERSEDED,
    Reason.CONFIG: UNAVAILABLE,
}


def message(order: PaymentOrder) -> Message:
    """How this order stands, for the person who pays."""
    if order.link_is_over and order.state in (states.INIT, states.FAILED):
        return LINK_OVER
    if order.state == states.FAILED:
        return _BY_REASON.get(order.reason, TRY_AGAIN)
    if order.is_claimed and order.state == states.AWAITING_3DS:
        return CHECKING
    return _BY_STATE[order.state]
