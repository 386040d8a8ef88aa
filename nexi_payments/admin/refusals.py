"""Why something was not done, for the person who asked: what happened, that nothing has
moved, what now."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

from nexi_payments import mails
from nexi_payments.exceptions import (
    AmountChanged,
    CardDataNotAllowed,
    ContractNotUsable,
    ContractUnsettled,
    InvalidAmount,
    MoreThanLeft,
    NexiDisagrees,
    OrderBusy,
    ReferenceInUse,
    TerminalUnavailable,
    WrongState,
)
from nexi_payments.flows import evidence

#: What Nexi shows, for the person who wants to resolve.
VERDICTS = {
    "": _("Nexi does not answer. Nothing was changed; try again later."),
    evidence.CHARGED: _("Nexi says: the card was charged."),
    evidence.HELD: _("Nexi says: the amount is reserved on the card."),
    evidence.REVERSED: _("Nexi says: the amount was released or given back."),
    evidence.DECLINED: _("Nexi says: declined."),
    evidence.NOTHING: _("Nexi shows no charge."),
    evidence.PENDING: _("Nexi says: pending."),
    evidence.MISMATCH: _("Nexi shows another amount or currency."),
    evidence.TWO: _("Nexi shows more than one charge."),
    evidence.NO_DETAILS: _("Nexi shows a charge without amount or currency."),
    evidence.UNKNOWN: _("Nexi uses a word that we do not know."),
}


NOT_ENDED_YET = _(
    "Nexi has not confirmed the end yet; it is asked again. Nothing is charged to this"
    " card any more."
)


def why_not(error: Exception) -> Any:
    """What went wrong, that nothing has moved, and what now."""
    if isinstance(error, AmountChanged | MoreThanLeft):
        left = mails.amount_in_words(error.order, error.left)
        if isinstance(error, AmountChanged):
            return _(
                "Somebody else was faster: %(left)s is left now. Nothing was sent; look"
                " again and decide anew."
            ) % {"left": left}
        return _("Only %(left)s is left. Nothing was sent.") % {"left": left}
    if isinstance(error, NexiDisagrees):
        return f"{VERDICTS[error.verdict]} {_('Not resolved.')}"
    if isinstance(error, ContractUnsettled):
        return NOT_ENDED_YET
    words = {
        ContractNotUsable: _("This card on file is not charged any more."),
        OrderBusy: _("Another request is working on this payment. Nothing was sent."),
        WrongState: _("This is not possible any more. Nothing was sent."),
        ReferenceInUse: _(
            "Another payment holds this reference. Refund this one instead."
        ),
        TerminalUnavailable: _("Nexi refuses the key of this terminal. Nothing sent."),
        CardDataNotAllowed: _(
            "This looks like a card number. It must not be written here."
        ),
        InvalidAmount: _("This amount cannot be asked for in that currency."),
    }
    return words.get(type(error), _("This is not possible. Nothing was sent."))
