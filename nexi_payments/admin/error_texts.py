"""Staff texts for errors: what happened, that no money has moved, what to do now."""

from __future__ import annotations

import math
from typing import Any

from django.utils.translation import gettext_lazy as _

from nexi_payments import money
from nexi_payments.exceptions import (
    AlreadyCharged,
    AmountChanged,
    ApprovalClosed,
    ApprovalNotAllowed,
    ApprovalRequired,
    CardDataNotAllowed,
    ContractEndUnconfirmed,
    ContractNotUsable,
    ExceedsRemaining,
    GatewayDisagrees,
    GatewayUnavailable,
    InvalidAmount,
    InvalidReference,
    InvalidState,
    MethodForbids,
    OrderBusy,
    PaymentBeingConfirmed,
    ReferenceInUse,
    ShopOrderDiffers,
    ShopOrderError,
    ShopOrderUnavailable,
    TerminalNotConfigured,
    TerminalUnavailable,
    TooManyAttempts,
    TooManyVerifications,
    UnstorableText,
)
from nexi_payments.flows.manual_review import Shown
from nexi_payments.flows.orders import velocity

#: What a status inquiry shows, for staff who resolve a review.
CHARGE_STATUS_TEXTS = {
    "": _("Nexi does not answer. Nothing was changed; try again later."),
    Shown.CHARGED: _("Nexi says: the card was charged."),
    Shown.AUTHORIZED: _("Nexi says: the amount is reserved on the card."),
    Shown.REVERSED: _("Nexi says: the amount was released or refunded."),
    Shown.DECLINED: _("Nexi says: declined."),
    Shown.NO_CHARGE: _("Nexi shows no charge."),
    Shown.PENDING: _("Nexi says: pending."),
    Shown.MISMATCH: _("Nexi shows another amount or currency."),
    Shown.TOO_MUCH: _("Nexi shows more money than this payment has."),
    Shown.NO_DETAILS: _("Nexi shows a charge without amount or currency."),
    Shown.UNKNOWN: _("Nexi uses a word that we do not know."),
}


CONTRACT_END_UNCONFIRMED = _(
    "Nexi has not confirmed the end yet; it is asked again. Nothing is charged to this"
    " card any more."
)


def error_text(error: Exception) -> Any:
    """The text for an error of a flow."""
    if isinstance(error, AmountChanged | ExceedsRemaining):
        left = money.display(error.remaining, error.order.currency)
        if isinstance(error, AmountChanged):
            return _(
                "Somebody else was faster: %(left)s is left now. Nothing was sent; look"
                " again and decide anew."
            ) % {"left": left}
        return _("Only %(left)s is left. Nothing was sent.") % {"left": left}
    if isinstance(error, GatewayDisagrees):
        return f"{CHARGE_STATUS_TEXTS[error.verdict]} {_('Not resolved.')}"
    if isinstance(error, MethodForbids):
        return f"{error.sentence} {_('Nothing was sent.')}"
    if isinstance(error, ContractEndUnconfirmed):
        return CONTRACT_END_UNCONFIRMED
    if isinstance(error, TerminalNotConfigured):
        return _(
            "Terminal %(name)s is no longer in the settings of the shop. Nothing was"
            " sent. Ask your administrator to restore it."
        ) % {"name": error.terminal}
    if isinstance(error, ShopOrderError):
        return _shop_order_text(error)
    if isinstance(error, TooManyAttempts | TooManyVerifications):
        return _too_many_text(error)
    texts = {
        ApprovalRequired: _("This needs another person's approval. Nothing was sent."),
        ApprovalClosed: _("There is nothing left to decide. Nothing was sent now."),
        ApprovalNotAllowed: _(
            "People do not approve their own requests, and need the permission to"
            " approve. Nothing was changed."
        ),
        ContractNotUsable: _("This card on file is not charged any more."),
        OrderBusy: _("Another request is working on this payment. Nothing was sent."),
        AlreadyCharged: _(
            "Money is held or taken for this purchase: void or refund it instead."
            " Nothing was cancelled."
        ),
        InvalidState: _("This is not possible any more. Nothing was sent."),
        PaymentBeingConfirmed: _(
            "A payment service is still deciding about this payment. Nothing was sent;"
            " wait until it has."
        ),
        ReferenceInUse: _(
            "Another payment holds this reference. Refund this one instead."
        ),
        TerminalUnavailable: _("Nexi refuses the key of this terminal. Nothing sent."),
        GatewayUnavailable: _(
            "Nexi does not answer. Nothing was sent; try again in a few minutes."
        ),
        CardDataNotAllowed: _(
            "This looks like a card number. It must not be written here."
        ),
        UnstorableText: _(
            "A text has a character that cannot be stored. Nothing was sent; leave it"
            " out, for example an emoji."
        ),
        InvalidReference: _(
            "The recurring charges of this card use this reference. Take another;"
            " nothing was sent."
        ),
        InvalidAmount: _("This amount cannot be asked for in that currency."),
    }
    return texts.get(type(error), _("This is not possible. Nothing was sent."))


def _too_many_text(error: TooManyAttempts | TooManyVerifications) -> Any:
    """A velocity limit stops a clerk, or everybody at an IP address."""
    text = _(
        "Too many cards from here were not good. Nobody was asked; try again in"
        " %(minutes)d min."
    )
    if error.limit == velocity.CLERK:
        text = _(
            "Too many cards that you entered were refused. Nothing was sent; try again"
            " in %(minutes)d min."
        )
    return text % {"minutes": math.ceil(error.seconds / 60)}


def _shop_order_text(error: ShopOrderError) -> Any:
    """``REFERENCE_LOOKUP`` does not confirm a phone order."""
    if isinstance(error, ShopOrderDiffers):
        ours, theirs = (money.display(*amount) for amount in error.amounts)
        return _(
            "In the shop, order %(reference)s is %(theirs)s, not %(ours)s. Nothing was"
            " charged."
        ) % {"reference": error.reference, "theirs": theirs, "ours": ours}
    text = _("The shop knows no order %(reference)s. Check the number with the caller.")
    if isinstance(error, ShopOrderUnavailable):
        text = _(
            "Order %(reference)s could not be looked up in the shop. Nothing was"
            " charged; try again later."
        )
    return text % {"reference": error.reference}


def decision_error_text(error: Exception) -> Any:
    """The text for an error of ``resolve_operation`` and ``accept_totals``."""
    texts = {
        AmountChanged: _("Nexi's total has changed. Nothing was decided; look again."),
        GatewayUnavailable: _(
            "Nexi does not answer. Nothing was decided; try again in a few minutes."
        ),
        OrderBusy: _("This payment has just changed. Nothing was decided; look again."),
        InvalidState: _(
            "Nexi's total shows no more than the known operations. Nothing was changed."
        ),
    }
    return texts.get(type(error)) or error_text(error)
