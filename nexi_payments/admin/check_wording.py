"""What staff read about a card that was verified for nothing, and what to tell the
caller.

Each says that nothing was charged, and where no bank was asked, that nothing is known
about the card.
"""

from __future__ import annotations

from typing import Final

from django.utils.translation import gettext_lazy as _

from nexi_payments import states
from nexi_payments.flows import verifying
from nexi_payments.gateway import codes
from nexi_payments.gateway.codes import DeclineClass
from nexi_payments.models import CardCheck
from nexi_payments.staff_wording import Advice

GOOD: Final = Advice(
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
NOT_TAKEN: Final = Advice(
    "bad",
    _("Not asked: Nexi did not take the request"),
    _("I cannot check the card right now. Shall we try again in a few minutes?"),
    _(
        "Nothing was charged, and no bank was asked: that says nothing about the card."
        " If it stays so, tell the administrator of the shop."
    ),
)
KEY_REFUSED: Final = Advice(
    "bad",
    _("Not asked: Nexi refuses the key of this terminal"),
    _("I cannot check the card right now. We will call you back."),
    _(
        "Nothing was charged, and no bank was asked: that says nothing about the card."
        " Tell the administrator of the shop: nothing is charged on this terminal until"
        " its key works."
    ),
)
DOUBT: Final = Advice(
    "wait",
    _("Nobody can say"),
    _("The bank has not answered. May I ask once more?"),
    _(
        "Nothing was charged. The answer was lost, and there is nothing to look up."
        " Asking again costs nothing, but asks the bank again."
    ),
)
ASKING: Final = Advice(
    "wait",
    _("The bank is being asked"),
    _("One moment, please."),
    _("Nothing is charged."),
)

_BY_CLASS: Final = {
    DeclineClass.TRY_LATER: TRY_LATER,
    DeclineClass.CHECK_CARD: CHECK_CARD,
    DeclineClass.OTHER_CARD: OTHER_CARD,
    DeclineClass.NEVER_AGAIN: NEVER_AGAIN,
    DeclineClass.CALL_BANK: CALL_BANK,
}


def advice(check: CardCheck) -> Advice:
    """How this check stands, for the person who asked."""
    outcome = verifying.standing(check)
    if outcome == states.DECLINED:
        return _BY_CLASS[codes.decline_class(check.response_code)]
    if outcome == states.NOT_SENT:
        if check.key_refused:
            return KEY_REFUSED
        return NOT_TAKEN if check.error.startswith("Refused") else NOT_SENT
    other = {states.DONE: GOOD, states.OPEN: ASKING}
    return other.get(outcome, DOUBT)
