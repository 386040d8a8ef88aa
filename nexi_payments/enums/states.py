"""States of a payment, and every allowed change. Constants only."""

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
    AWAITING_HOSTED_PAGE = "awaiting_hosted_page", _("on Nexi's payment page")
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
#: A request with a card, or a page, may be under way.
UNDER_WAY: Final = frozenset(
    {
        OrderState.INIT,
        OrderState.AWAITING_3DS,
        OrderState.AWAITING_HOSTED_PAGE,
        OrderState.VALIDATED,
        OrderState.PAYING,
    }
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
