"""Closed days: how an operation here may differ from Nexi's. Constants only."""

from __future__ import annotations

from typing import Final

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class DifferenceKind(TextChoices):
    """``ClosingDifference.kind``."""

    #: Nexi lists it, and we do not have it
    MISSING_HERE = "missing_here", _("missing here")
    #: we have it, and Nexi does not list it
    MISSING_THERE = "missing_there", _("missing at Nexi")
    #: both have it, and not the same
    DIFFERENT = "different", _("different")


class Aspect(TextChoices):
    """In what both differ (``ClosingDifference.aspects``)."""

    AMOUNT = "amount", _("amount")
    CURRENCY = "currency", _("currency")
    KIND = "kind", _("kind")
    OUTCOME = "outcome", _("outcome")
    #: of the order's totals, which Nexi lists apart from its operations
    TOTALS = "totals", _("totals of the order")


class Movement(TextChoices):
    """A line of a day's totals: what was done with money."""

    #: captured with the charge
    CHARGE = "charge", _("charged")
    AUTHORIZATION = "authorization", _("authorized")
    CAPTURE = "capture", _("captured")
    VOID = "void", _("voided")
    REFUND = "refund", _("refunded")
    #: a capture that was cancelled on its day
    CANCEL = "cancel", _("capture cancelled")


#: What a movement adds to the money that the shop keeps. The others hold or release it.
SIGN: Final[dict[str, int]] = {
    Movement.CHARGE: 1,
    Movement.CAPTURE: 1,
    Movement.REFUND: -1,
    Movement.CANCEL: -1,
}
