"""Staff texts about payments, with what to tell the caller.

A decline says what to do now, never the issuer's reason: a caller must not learn that a
card was reported lost or stolen. Classes of response codes:
``gateway.result_codes.decline_advice``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from nexi_payments import payment_methods
from nexi_payments.enums import Channel, OrderState, Reason
from nexi_payments.gateway import result_codes
from nexi_payments.gateway.result_codes import DeclineAdvice
from nexi_payments.models import PaymentOrder


@dataclass(frozen=True)
class Advice:
    """``tone`` as in ``shopper_texts.Message``; ``say`` for the caller, ``do`` for
    staff."""

    tone: str
    title: str | Promise
    say: str | Promise
    do: str | Promise = ""


PAID: Final = Advice(
    "good",
    _("Paid"),
    _("Thank you, the payment has gone through."),
)
AUTHORIZED: Final = Advice(
    "good",
    _("Authorized"),
    _("Thank you, the amount is reserved on your card."),
    _("It is booked when you capture it."),
)
OUTCOME_UNKNOWN: Final = Advice(
    "wait",
    _("We are checking"),
    _("The bank has not answered yet; we will let you know. You will not pay twice."),
    _(
        "The card may have been charged. Do not key it again: this page shows the"
        " result as soon as Nexi tells it."
    ),
)
REVIEW: Final = Advice(
    "wait",
    _("A colleague has to look at this"),
    _("We have to check this payment and will call you back. Please do not pay again."),
    _("Nexi's answers do not fit together. The order is on the list “to check”."),
)
MADE_AT_NEXI: Final = replace(
    REVIEW,
    do=_(
        "Nexi shows operations that do not fit this payment: made at Nexi, or executed"
        " twice. Enter nothing anew before a colleague has decided."
    ),
)
CONTRADICTION: Final = replace(
    REVIEW,
    do=_(
        "Nexi said that the card was charged, and now it says the contrary. Deliver"
        " nothing before a colleague has decided."
    ),
)
OTHER_CARD: Final = Advice(
    "bad",
    _("Not paid: ask for another card"),
    _("The bank did not accept this payment. Do you have another card?"),
    _("Nothing was charged."),
)
CHECK_CARD: Final = Advice(
    "bad",
    _("Not paid: check the card details"),
    _("The bank did not recognise the card. May I check number, expiry and code?"),
    _("Nothing was charged. A mistyped digit is the usual reason."),
)
CALL_BANK: Final = Advice(
    "bad",
    _("Not paid: the bank says no"),
    _(
        "Your bank did not accept this payment. Please call your bank, or use another"
        " card."
    ),
    _("Nothing was charged. Only the bank can tell the reason."),
)
TRY_LATER: Final = Advice(
    "bad",
    _("Not paid: try again later"),
    _("The bank cannot be reached right now. Shall we try again in a few minutes?"),
    _("Nothing was charged. The same card may work later."),
)
NEVER_AGAIN: Final = Advice(
    "bad",
    _("Not paid: do not try this card again"),
    _("We cannot take this card. Is there another way you would like to pay?"),
    _("Nothing was charged. Trying this card again is not allowed."),
)
NOT_SENT: Final = Advice(
    "bad",
    _("Not paid: Nexi could not be reached"),
    _("Our connection to the bank failed. Shall we try again?"),
    _("Nothing was charged: the request never left this computer."),
)
REJECTED: Final = Advice(
    "bad",
    _("Not paid: Nexi refused the request"),
    _("The payment could not be made. We will call you back."),
    _("Nothing was charged. Tell the administrator of the shop."),
)
UNCONFIRMED: Final = Advice(
    "bad",
    _("Not paid, as far as Nexi knows"),
    _("The payment did not arrive. Shall we try again?"),
    _(
        "Nexi shows no charge after repeated questions. The order stays watched: if"
        " money turns up after all, it is found."
    ),
)
SUPERSEDED: Final = Advice(
    "neutral",
    _("Replaced by another order"),
    _("We have opened a new payment for you."),
    _("Nothing was charged here. The same reference was opened with other details."),
)
CANCELLED: Final = Advice(
    "neutral",
    _("Cancelled before it was paid"),
    _("This payment was cancelled. Nothing was charged."),
    _("Its pages and its secure link accept no card any more."),
)
VETOED: Final = Advice(
    "neutral",
    _("Not paid: the shop has stopped it"),
    _("Your order has changed. Nothing was charged; let me look at it."),
    _("Nothing was charged. Look at the order in the shop, then enter it anew."),
)
CHECK_FAILED: Final = Advice(
    "bad",
    _("Not paid: the shop could not check the order"),
    _("Something is wrong on our side. Nothing was charged; we will call you back."),
    _(
        "Nothing was charged. Try again later, and tell the administrator of the shop:"
        " BEFORE_CHARGE has failed."
    ),
)
EXPIRED: Final = Advice(
    "neutral",
    _("Not paid: the time is over"),
    _("The payment was not completed in time. Shall we start again?"),
    _("Nothing was charged."),
)
NOT_AUTHENTICATED: Final = Advice(
    "bad",
    _("Not paid: 3-D Secure not confirmed"),
    _("The payment was not confirmed with your bank. You may try again."),
    _("Nothing was charged."),
)
VOIDED: Final = Advice(
    "neutral",
    _("Released"),
    _("The reserved amount has been released; nothing was charged."),
)
REFUNDED: Final = Advice(
    "neutral",
    _("Refunded"),
    _("The amount has been refunded; your bank may need some days to show it."),
)
NEW: Final = Advice(
    "neutral",
    _("No card yet"),
    _("May I have your card details?"),
    _("Nothing was charged."),
)
LINK_ONLY: Final = Advice(
    "neutral",
    _("To be paid by secure link"),
    _("I will send you a link to our secure page. Please pay there."),
    _("Nothing was charged. No card may be entered at this desk: send a secure link."),
)
WAITING_FOR_CUSTOMER: Final = Advice(
    "wait",
    _("Waiting for the customer"),
    _("You have a link to our secure page. It is valid for three days."),
    _("This page shows it when the customer has paid."),
)
WAITING_FOR_NEXI_LINK: Final = Advice(
    "wait",
    _("Waiting for the customer"),
    _("You have a link to Nexi's payment page."),
    _("Nothing is charged yet. This page shows it when the customer has paid."),
)
AWAITING_3DS: Final = Advice(
    "wait",
    _("The customer is confirming with 3-D Secure"),
    _("Please finish confirming with your bank."),
    _("This page shows it when the customer has paid."),
)
ON_HOSTED_PAGE: Final = Advice(
    "wait",
    _("The customer is on Nexi's payment page"),
    _("Please finish on the page that is open."),
    _("Nothing is charged yet. This page shows it when the customer has paid."),
)
CONFIRMING: Final = Advice(
    "wait",
    _("Waiting for confirmation"),
    _(
        "Your payment is being confirmed; we will let you know. Please do not pay"
        " again."
    ),
    _(
        "The payment service has not confirmed this payment yet. Some need days."
        " Deliver nothing before it has."
    ),
)
CANCELLED_BY_PAYER: Final = Advice(
    "neutral",
    _("The customer gave up on Nexi's payment page"),
    _("Would you like to pay in another way?"),
    _("Nothing was charged."),
)

BY_DECLINE_CLASS: Final = {
    DeclineAdvice.TRY_LATER: TRY_LATER,
    DeclineAdvice.CHECK_CARD_DATA: CHECK_CARD,
    DeclineAdvice.USE_OTHER_CARD: OTHER_CARD,
    DeclineAdvice.DO_NOT_RETRY: NEVER_AGAIN,
    DeclineAdvice.CONTACT_ISSUER: CALL_BANK,
}
_BY_STATE: Final[dict[str, Advice]] = {
    OrderState.INIT: NEW,
    OrderState.AWAITING_3DS: AWAITING_3DS,
    OrderState.AWAITING_HOSTED_PAGE: ON_HOSTED_PAGE,
    OrderState.VALIDATED: OUTCOME_UNKNOWN,
    OrderState.PAYING: OUTCOME_UNKNOWN,
    OrderState.AUTHORIZED: AUTHORIZED,
    OrderState.PAID: PAID,
    OrderState.REVIEW: REVIEW,
    OrderState.VOIDED: VOIDED,
    OrderState.REFUNDED: REFUNDED,
}
_BY_REASON: Final[dict[str, Advice]] = {
    Reason.NOT_SENT: NOT_SENT,
    Reason.CARD_NOT_STORED: NOT_SENT,
    Reason.BUSY: TRY_LATER,
    Reason.UNCONFIRMED: UNCONFIRMED,
    Reason.SUPERSEDED: SUPERSEDED,
    Reason.CHECK_FAILED: CHECK_FAILED,
    Reason.EXPIRED: EXPIRED,
    Reason.CARD_EXPIRED: EXPIRED,
    Reason.ABANDONED: NOT_AUTHENTICATED,
    Reason.NOT_AUTHENTICATED: NOT_AUTHENTICATED,
    Reason.NO_LIABILITY_SHIFT: OTHER_CARD,
    Reason.THREE_DS_UNAVAILABLE: OTHER_CARD,
    Reason.RESOLVED: CALL_BANK,
    Reason.CANCELLED_BY_PAYER: CANCELLED_BY_PAYER,
}
_REVIEW_BY_REASON: Final[dict[str, Advice]] = {
    Reason.MADE_AT_NEXI: MADE_AT_NEXI,
    Reason.CONTRADICTION: CONTRADICTION,
}


def advice(order: PaymentOrder) -> Advice:
    """The advice for the present state of an order."""
    if order.state == OrderState.FAILED:
        if order.is_cancelled:
            return CANCELLED
        if order.reason == Reason.DECLINED:
            return BY_DECLINE_CLASS[result_codes.decline_advice(order.response_code)]
        if order.reason == Reason.VETOED:
            sentence = order.veto_sentence
            return replace(VETOED, do=f"{sentence} {VETOED.do}") if sentence else VETOED
        return _BY_REASON.get(order.reason, REJECTED)
    if order.channel == Channel.LINK and order.state == OrderState.INIT:
        return EXPIRED if order.link_expired else WAITING_FOR_CUSTOMER
    if order.state == OrderState.AWAITING_HOSTED_PAGE and order.gateway_pending:
        return CONFIRMING
    by_link = order.method == payment_methods.LINK
    if order.state == OrderState.AWAITING_HOSTED_PAGE and by_link:
        return WAITING_FOR_NEXI_LINK
    if order.state == OrderState.REVIEW:
        return _REVIEW_BY_REASON.get(order.reason, REVIEW)
    return _BY_STATE[order.state]
