"""Requests for a second person's approval. Constants only."""

from __future__ import annotations

from typing import Final

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from nexi_payments.enums.operations import OperationKind


class ApprovalState(TextChoices):
    """``Approval.state``."""

    WAITING = "waiting", _("waiting for approval")
    #: of a queued refund that is not sent yet, or a phone order without its card
    APPROVED = "approved", _("approved")
    #: its operation was claimed: it is never used again
    USED = "used", _("approved and sent")
    REFUSED = "refused", _("not approved")
    #: taken back by the person who asked
    WITHDRAWN = "withdrawn", _("withdrawn")
    #: nobody decided in time, or the card was not entered in time
    EXPIRED = "expired", _("expired")
    #: approved too late: amount, payment or permissions had changed (``failure``)
    OUTDATED = "outdated", _("not possible any more")


#: An approval in one of these states may still lead to a request to Nexi.
OPEN_APPROVALS: Final = frozenset({ApprovalState.WAITING, ApprovalState.APPROVED})
#: The kinds of operations that may need an approval.
APPROVABLE: Final = frozenset({OperationKind.REFUND, OperationKind.MOTO})


class ApprovalFailure(TextChoices):
    """``Approval.failure``: why an outdated request was not sent."""

    AMOUNT = "amount", _("the amount that is left has changed")
    STATE = "state", _("not possible any more in the payment's state")
    REQUESTER = "requester", _("the person who asked may not do this any more")
    APPROVER = "approver", _("the person who approved may not do this any more")
