"""Staff texts for zero-amount card verifications, with what to tell the caller.

Each says that nothing was charged. If the request never reached the issuer, it says
that nothing is known about the card.
"""

from __future__ import annotations

from typing import Final

from django.utils.translation import gettext_lazy as _

from nexi_payments.admin.staff_texts import Advice
from nexi_payments.enums import VerificationOutcome
from nexi_payments.flows import card_verification
from nexi_payments.gateway import result_codes
from nexi_payments.gateway.result_codes import DeclineAdvice
from nexi_payments.models import CardVerification

VERIFIED: Final = Advice(
    "good",
    _("The card is good"),
    _("Thank you, your bank says that the card is in order."),
    _("Nothing was charged. The card is not kept: a payment needs it again."),
)
OTHER_CARD: Final = Advice(
    "bad",
    _("Not good: ask for another card"),
    _("The bank did not accept this card. Do you have another card?"),
    _("Nothing was charged."),
)
CHECK_CARD: Final = Advice(
    "bad",
    _("Not good: check the card details"),
    _("The bank did not recognise the card. May I check number, expiry and code?"),
    _("Nothing was charged. A mistyped digit is the usual reason."),
)
CALL_BANK: Final = Advice(
    "bad",
    _("Not good: the bank says no"),
    _(
        "Your bank did not accept this card. Please call your bank, or use another"
        " card."
    ),
    _("Nothing was charged. Only the bank can tell the reason."),
)
TRY_LATER: Final = Advice(
    "bad",
    _("No answer of the bank: try again later"),
    _("The bank cannot be reached right now. Shall we try again in a few minutes?"),
    _("Nothing was charged. The same card may work later."),
)
NEVER_AGAIN: Final = Advice(
    "bad",
    _("Not good: do not try this card again"),
    _("We cannot take this card. Is there another way you would like to pay?"),
    _("Nothing was charged. Trying this card again is not allowed."),
)
NOT_SENT: Final = Advice(
    "bad",
    _("Not asked: Nexi could not be reached"),
    _("Our connection to the bank failed. Shall we try again?"),
    _(
        "Nothing was charged: the request never left this computer. That says nothing"
        " about the card."
    ),
)
REJECTED: Final = Advice(
    "bad",
    _("Not asked: Nexi did not take the request"),
    _("I cannot check the card right now. Shall we try again in a few minutes?"),
    _(
        "Nothing was charged, and no bank was asked: that says nothing about the card."
        " If it stays so, tell the administrator of the shop."
    ),
)
KEY_REJECTED: Final = Advice(
    "bad",
    _("Not asked: Nexi did not accept the terminal's key for this request"),
    _("I cannot check the card right now. We will call you back."),
    _(
        "Nothing was charged, and no bank was asked: that says nothing about the card."
        " Tell the administrator of the shop. If Nexi refuses the key for every"
        " request, nothing is charged on this terminal until the key works."
    ),
)
IN_DOUBT: Final = Advice(
    "wait",
    _("Nobody can say"),
    _("The bank has not answered. May I ask once more?"),
    _(
        "Nothing was charged. The answer was lost, and there is nothing to look up."
        " Asking again costs nothing, but asks the bank again."
    ),
)
IN_PROGRESS: Final = Advice(
    "wait",
    _("The bank is being asked"),
    _("One moment, please."),
    _("Nothing is charged."),
)

_BY_DECLINE_CLASS: Final = {
    DeclineAdvice.TRY_LATER: TRY_LATER,
    DeclineAdvice.CHECK_CARD_DATA: CHECK_CARD,
    DeclineAdvice.USE_OTHER_CARD: OTHER_CARD,
    DeclineAdvice.DO_NOT_RETRY: NEVER_AGAIN,
    DeclineAdvice.CONTACT_ISSUER: CALL_BANK,
}


def advice(verification: CardVerification) -> Advice:
    """The advice for the present outcome of a verification."""
    outcome = card_verification.current_outcome(verification)
    if outcome == VerificationOutcome.DECLINED:
        return _BY_DECLINE_CLASS[
            result_codes.decline_advice(verification.response_code)
        ]
    if outcome == VerificationOutcome.NOT_SENT:
        if verification.terminal_rejected:
            return KEY_REJECTED
        return NOT_SENT if verification.http_status is None else REJECTED
    other: dict[str, Advice] = {
        VerificationOutcome.DONE: VERIFIED,
        VerificationOutcome.OPEN: IN_PROGRESS,
    }
    return other.get(outcome, IN_DOUBT)
