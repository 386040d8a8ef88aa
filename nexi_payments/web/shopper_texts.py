"""Shopper texts: what happened, was I charged, what to do now.

One message for each state of a payment. All declines share one wording, so that card
testers learn nothing about the issuer's reason.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from nexi_payments import conf, payment_methods
from nexi_payments.enums import OrderState, Reason
from nexi_payments.models import PaymentOrder


@dataclass(frozen=True)
class Message:
    """``tone``: "good", "wait", "bad" or "neutral"; selects colours of the page.

    ``without_card``: what is said instead of a payment that is not by card, with
    "%(method)s" for the method's label.
    """

    tone: str
    title: str | Promise
    text: str | Promise
    without_card: Message | None = None


PAID: Final = Message(
    "good",
    _("Payment received"),
    _("Thank you. Your card has been charged."),
    Message(
        "good", _("Payment received"), _("Thank you. You have paid with %(method)s.")
    ),
)
AUTHORIZED: Final = Message(
    "good",
    _("Payment authorized"),
    _("Thank you. The amount is reserved on your card and charged by the shop later."),
    Message(
        "good",
        _("Payment authorized"),
        _(
            "Thank you. The amount is reserved with %(method)s and charged by the shop"
            " later."
        ),
    ),
)
OUTCOME_UNKNOWN: Final = Message(
    "wait",
    _("We are checking your payment"),
    _(
        "We do not know yet whether your card was charged: the bank has not told us."
        " Please do not pay again. This page shows the result as soon as we know it;"
        " you may also close it, the shop is told."
    ),
)
AWAITING_3DS: Final = Message(
    "wait",
    _("Your bank is waiting for you"),
    _(
        "This payment is not confirmed yet and nothing has been charged. Finish"
        " confirming with your bank, or enter your card again."
    ),
)
ON_HOSTED_PAGE: Final = Message(
    "wait",
    _("Your payment is not finished yet"),
    _(
        "We do not know yet whether you have paid. If you have just paid, wait a"
        " moment: this page shows the result. If you have not, choose how to pay again."
    ),
)
CONFIRMING: Final = Message(
    "wait",
    _("Your payment is being confirmed"),
    _(
        "The payment service has not confirmed it yet. This can take a while. Please do"
        " not pay again. You may close this page: the shop is told."
    ),
)
NO_WAY_TO_PAY: Final = Message(
    "bad",
    _("This payment cannot be made on this page"),
    _("Nothing has been charged. Please contact the shop."),
)
METHOD_NOT_OFFERED: Final = Message(
    "bad",
    _("This way to pay is not available"),
    _("Nothing has been charged. Please choose another one."),
)
CARDS_NOT_TAKEN: Final = Message(
    "bad",
    _("Cards cannot be entered on this page"),
    _(
        "Nothing has been charged, and your card details were not kept. Please choose a"
        " way to pay below."
    ),
)
WAIT_A_MOMENT: Final = Message(
    "wait",
    _("Please wait a moment"),
    _(
        "We cannot find out right now whether you have already paid. Nothing new has"
        " been charged. Please try again in a minute."
    ),
)
#: nothing closes Nexi's hosted page: the shopper may have paid on it a moment ago
NO_PAYMENT_YET: Final = Message(
    "neutral",
    _("We have not received a payment"),
    _(
        "If you have just paid, please wait a minute and reload this page. If you have"
        " not, you may pay again."
    ),
)
CANCELLED_BY_PAYER: Final = Message(
    "neutral",
    _("You have not paid"),
    _("You cancelled the payment. We have not received a payment. You may pay again."),
)
DECLINED_AT_NEXI: Final = Message(
    "bad",
    _("The payment was declined"),
    _(
        "We have not received a payment. Please try again, or choose another way to"
        " pay."
    ),
)
NEW: Final = Message(
    "neutral",
    _("Not paid yet"),
    _("No card has been entered for this payment yet. Nothing has been charged."),
    Message(
        "neutral", _("Not paid yet"), _("Nothing has been charged. Choose how to pay.")
    ),
)
CONTACT_SHOP: Final = Message(
    "wait",
    _("Please contact the shop"),
    _(
        "Your card may have been charged: a person has to look at it. Please do not pay"
        " again; contact the shop and name the reference below."
    ),
    Message(
        "wait",
        _("Please contact the shop"),
        _(
            "You may have paid already: a person has to check it. Please do not pay"
            " again; contact the shop and name the reference below."
        ),
    ),
)
PAYMENT_CHANGED: Final = Message(
    "wait",
    _("Please contact the shop"),
    _(
        "Your card was charged, and the payment was changed since: a person has to look"
        " at it. Please do not pay again; contact the shop and name the reference"
        " below."
    ),
    Message(
        "wait",
        _("Please contact the shop"),
        _(
            "You have paid, and the payment was changed since: a person has to check"
            " it. Please do not pay again; contact the shop and name the reference"
            " below."
        ),
    ),
)
CONTRADICTION: Final = Message(
    "wait",
    _("Please contact the shop"),
    _(
        "The bank has given two different answers: your card may have been charged."
        " Please do not pay again; contact the shop and name the reference below."
    ),
    Message(
        "wait",
        _("Please contact the shop"),
        _(
            "The payment service has given two different answers: you may have paid"
            " already. Please do not pay again; contact the shop and name the reference"
            " below."
        ),
    ),
)
VOIDED: Final = Message(
    "neutral",
    _("Payment cancelled"),
    _("The amount reserved on your card has been released. Nothing was charged."),
    Message(
        "neutral",
        _("Payment cancelled"),
        _("The reserved amount has been released. Nothing was charged."),
    ),
)
REFUNDED: Final = Message(
    "neutral",
    _("Payment refunded"),
    _("The amount has been refunded. Your bank may need some days to show it."),
    Message(
        "neutral",
        _("Payment refunded"),
        _(
            "The whole amount has been refunded. It may take some days until you see"
            " it."
        ),
    ),
)
PARTLY_REFUNDED: Final = Message(
    "good",
    _("Partly refunded"),
    _(
        "Your card was charged. A part has been refunded; your bank may need some"
        " days to show it."
    ),
    Message(
        "good",
        _("Partly refunded"),
        _(
            "You have paid with %(method)s. A part has been refunded; it may take some"
            " days until you see it."
        ),
    ),
)
NOT_FOUND: Final = Message(
    "neutral",
    _("We cannot show this payment"),
    _(
        "The address is not complete, or the payment belongs to another account. Log in"
        " with the account you ordered with, or go back to the shop."
    ),
)
UNREADABLE_FORM: Final = Message(
    "bad",
    _("This form could not be read"),
    _(
        "Nothing has been charged. Go back, reload the page and enter your details"
        " again."
    ),
)
COOKIES_NEEDED: Final = Message(
    "bad",
    _("This form could not be read"),
    _(
        "Nothing has been charged. Allow cookies for this site, go back, reload the"
        " page and enter your details again."
    ),
)
DECLINED: Final = Message(
    "bad",
    _("The card was declined"),
    _(
        "Nothing has been charged. Please check the details or use another card; your"
        " bank can tell you the reason."
    ),
    Message(
        "bad",
        _("The payment was declined"),
        _("Nothing has been charged. Please try again, or choose another way to pay."),
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
    Message(
        "bad",
        _("The payment did not go through"),
        _(
            "Nothing has been charged. Please try again in a moment, or choose another"
            " way to pay."
        ),
    ),
)
OTHER_CARD: Final = Message(
    "bad",
    _("This card cannot be confirmed online"),
    _("Nothing has been charged. Please use another card."),
)
EXPIRED: Final = Message(
    "bad",
    _("The time for this payment is over"),
    _("Nothing has been charged. Please enter your card again."),
    Message(
        "bad",
        _("The time for this payment is over"),
        _("Nothing has been charged. Please choose how to pay again."),
    ),
)
SUPERSEDED: Final = Message(
    "neutral",
    _("A newer payment has taken this one's place"),
    _("Nothing has been charged here. Go back to the shop to see your order."),
)
CANCELLED: Final = Message(
    "neutral",
    _("Payment cancelled"),
    _("This payment was cancelled by the shop. You have not been charged."),
)
VETOED: Final = Message(
    "neutral",
    _("The shop has stopped this payment"),
    _("Nothing has been charged. Go back to the shop to see your order."),
)
LINK_EXPIRED: Final = Message(
    "neutral",
    _("This link is no longer valid"),
    _(
        "Nothing has been charged with it now. Ask the shop for a new link, or check"
        " that the address is complete."
    ),
)
TOO_MANY_ATTEMPTS: Final = Message(
    "bad",
    _("Too many attempts"),
    _(
        "Nothing has been charged. Please wait a while before you try again, or ask the"
        " shop for another way to pay."
    ),
)
METHODS_UNAVAILABLE: Final = Message(
    "bad",
    _("Payments are not available right now"),
    _("Nothing has been charged. Please try again later."),
)
UNAVAILABLE: Final = Message(
    "bad",
    _("Card payments are not available right now"),
    _("Nothing has been charged. Please try again later."),
    METHODS_UNAVAILABLE,
)

_BY_STATE: Final[dict[str, Message]] = {
    OrderState.INIT: NEW,
    OrderState.AWAITING_3DS: AWAITING_3DS,
    OrderState.AWAITING_HOSTED_PAGE: ON_HOSTED_PAGE,
    OrderState.VALIDATED: OUTCOME_UNKNOWN,
    OrderState.PAYING: OUTCOME_UNKNOWN,
    OrderState.AUTHORIZED: AUTHORIZED,
    OrderState.PAID: PAID,
    OrderState.REVIEW: CONTACT_SHOP,
    OrderState.VOIDED: VOIDED,
    OrderState.REFUNDED: REFUNDED,
}
_BY_REASON: Final[dict[str, Message]] = {
    Reason.DECLINED: DECLINED,
    Reason.NOT_AUTHENTICATED: NOT_AUTHENTICATED,
    Reason.ABANDONED: NOT_AUTHENTICATED,
    Reason.NO_LIABILITY_SHIFT: OTHER_CARD,
    Reason.THREE_DS_UNAVAILABLE: OTHER_CARD,
    Reason.EXPIRED: EXPIRED,
    Reason.CARD_EXPIRED: EXPIRED,
    Reason.SUPERSEDED: SUPERSEDED,
    Reason.CONFIG: UNAVAILABLE,
    Reason.CANCELLED_BY_PAYER: CANCELLED_BY_PAYER,
    Reason.CHECK_FAILED: UNAVAILABLE,
}
#: of a failed attempt on Nexi's hosted page, which may still be paid there
_WATCHED_BY_REASON: Final[dict[str, Message]] = {
    Reason.DECLINED: DECLINED_AT_NEXI,
    Reason.CANCELLED_BY_PAYER: CANCELLED_BY_PAYER,
}
_REVIEW_BY_REASON: Final[dict[str, Message]] = {
    Reason.MADE_AT_NEXI: PAYMENT_CHANGED,
    Reason.CONTRADICTION: CONTRADICTION,
}


def message(order: PaymentOrder) -> Message:
    """The message for the present state of an order."""
    found = _message(order)
    if found.without_card is None or _is_by_card(order):
        return found
    other = found.without_card
    return replace(other, text=str(other.text) % {"method": method_label(order)})


def method_label(order: PaymentOrder) -> str:
    """What a shopper reads of the method of an attempt: "PayPal"; "" for none."""
    known = payment_methods.find(order.method, conf.current().method_overrides)
    return str(known.label) if known else order.method


def _is_by_card(order: PaymentOrder) -> bool:
    """Whether the attempt is, or will be, by card as far as the shopper knows."""
    if order.is_hosted:
        return order.method == payment_methods.CARDS
    terminal = conf.current().terminals.get(order.terminal)
    return terminal is None or terminal.has_own_card_page


def _message(order: PaymentOrder) -> Message:
    if order.is_cancelled and order.state == OrderState.FAILED:
        return CANCELLED
    if order.link_expired and order.state in (OrderState.INIT, OrderState.FAILED):
        return LINK_EXPIRED
    if order.state == OrderState.FAILED:
        return _failed(order)
    if order.state == OrderState.REVIEW:
        return _REVIEW_BY_REASON.get(order.reason, CONTACT_SHOP)
    if order.is_claimed and order.state == OrderState.AWAITING_3DS:
        return OUTCOME_UNKNOWN
    if order.state == OrderState.AWAITING_HOSTED_PAGE and order.gateway_pending:
        return CONFIRMING
    if order.state == OrderState.PAID and order.refunded_amount:
        return PARTLY_REFUNDED
    return _BY_STATE[order.state]


def _failed(order: PaymentOrder) -> Message:
    if order.reason == Reason.VETOED:
        return _vetoed(order)
    if order.is_hosted and order.gateway_pending:
        return CONFIRMING
    if order.is_hosted and order.next_poll_at is not None:
        return _WATCHED_BY_REASON.get(order.reason, NO_PAYMENT_YET)
    return _BY_REASON.get(order.reason, TRY_AGAIN)


def _vetoed(order: PaymentOrder) -> Message:
    """With the shop's own sentence, until it is erased with personal data."""
    sentence = order.veto_sentence
    return replace(VETOED, text=f"{sentence} {VETOED.text}") if sentence else VETOED
