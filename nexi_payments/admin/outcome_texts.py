"""What became of a capture, void or refund, for staff."""

from __future__ import annotations

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from nexi_payments.enums import OperationOutcome
from nexi_payments.models import Operation

#: Texts for outcomes of captures, voids and refunds.
OUTCOME_TEXTS: Final[dict[str, str | Promise]] = {
    OperationOutcome.OPEN: _("On its way to Nexi."),
    OperationOutcome.ACCEPTED: _(
        "Sent, waiting for Nexi to confirm. The amount is reserved."
    ),
    OperationOutcome.DONE: _("Done: Nexi has confirmed it."),
    OperationOutcome.DECLINED: _("Refused by Nexi. No money has moved."),
    OperationOutcome.REJECTED: _("Refused by Nexi. No money has moved."),
    OperationOutcome.NOT_SENT: _(
        "Not sent: Nexi could not be reached. No money has moved."
    ),
    OperationOutcome.IN_DOUBT: _(
        "Nexi has not told the outcome yet. The amount is reserved and we keep asking;"
        " do not enter it again."
    ),
}


def outcome_text(operation: Operation) -> str | Promise:
    return OUTCOME_TEXTS[operation.outcome]
