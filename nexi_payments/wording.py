"""What a shopper is told: what happened, was I charged, what now.

One message for each way a payment can stand. Declines are worded alike, whatever the
bank's reason was: who tests stolen cards learns nothing here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.utils import formats
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from nexi_payments import conf, money, states
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
        "We do not know yet whether your card was charged: the bank has not told us."
        " Please do not pay again. This page shows the result as soon as we know it;"
        " you may also close it, the shop is told."
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
        "Your card may have been charged: a person has to look at it. Please do not pay"
        " again; contact the shop and name the reference below."
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
PARTLY_REFUNDED: Final = Message(
    "good",
    _("Partly refunded"),
    _(
        "Your card was charged. A part has been given back; your bank may need some"
        " days to show it."
    ),
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
    if order.state == states.PAID and order.refunded_amount:
        return PARTLY_REFUNDED
    return _BY_STATE[order.state]


def sums(order: PaymentOrder) -> dict[str, str]:
    """``amount``; ``charged`` and ``given_back`` where they are another one, else "".
    As the reader's language writes numbers: "12.50 EUR"."""
    charged, back = order.captured_amount, order.refunded_amount
    return {
        "amount": _in_words(order.amount, order.currency),
        "charged": _differs(order, charged),
        "given_back": _differs(order, back),
    }


def _differs(order: PaymentOrder, minor: int) -> str:
    return "" if minor in (0, order.amount) else _in_words(minor, order.currency)


def agreement(order: PaymentOrder) -> str:
    """What whoever pays must agree to before the card is kept on file, in the language
    of the moment; "" where it is not to be."""
    contract = order.contract
    if contract is None or order.channel not in states.KEEPING:
        return ""
    first: object
    if contract.frequency is None:
        first = _(
            "Your card stays on file at Nexi. The shop may charge it later without"
            " asking you again."
        )
    elif contract.amount is None:
        first = ngettext(
            "Your card stays on file at Nexi. The shop charges it every %(days)s day.",
            "Your card stays on file at Nexi. The shop charges it every %(days)s days.",
            contract.frequency,
        ) % {"days": contract.frequency}
    else:
        first = ngettext(
            "Your card stays on file at Nexi. The shop charges %(amount)s to it every"
            " %(days)s day.",
            "Your card stays on file at Nexi. The shop charges %(amount)s to it every"
            " %(days)s days.",
            contract.frequency,
        ) % {
            "days": contract.frequency,
            "amount": _in_words(contract.amount, contract.currency),
        }
    parts = [str(first)]
    if contract.until is not None:
        day = formats.date_format(contract.until, "DATE_FORMAT")
        parts.append(str(_("The last day is %(day)s.")) % {"day": day})
    parts.append(str(_("You may end this at any time: ask the shop.")))
    names = filter(None, (conf.current().merchant_name, contract.description))
    title = ", ".join(names)
    return " ".join([f"{title}:", *parts] if title else parts)


def _in_words(minor: int, currency: str) -> str:
    number = formats.number_format(
        money.to_major(minor, currency), money.exponent(currency), force_grouping=True
    )
    return f"{number} {currency}"
