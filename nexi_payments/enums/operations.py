"""Operations: what they are and what became of them. Constants only."""

from __future__ import annotations

from typing import Final

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class OperationKind(TextChoices):
    """``Operation.kind``: one request to the gateway that changes something."""

    AUTHENTICATION = "authentication", _("3-D Secure start")
    VALIDATION = "validation", _("3-D Secure check")
    PAYMENT = "payment", _("payment")
    MOTO = "moto", _("phone payment")
    #: a merchant-initiated charge of a contract
    MIT = "mit", _("charge on file")
    #: a page at Nexi on which the shopper pays; opening it charges nothing
    HOSTED = "hosted", _("payment on Nexi's payment page")
    CAPTURE = "capture", _("capture")
    VOID = "void", _("void")
    REFUND = "refund", _("refund")
    #: cancels a capture, on the day it was made
    CANCEL = "cancel", _("cancelled capture")


#: The kinds that charge, or may lead to a charge: never sent twice.
CHARGING: Final = frozenset(
    {
        OperationKind.PAYMENT,
        OperationKind.MOTO,
        OperationKind.MIT,
        OperationKind.HOSTED,
    }
)
#: The kinds that may follow a charge.
POST_CHARGE: Final = frozenset(
    {
        OperationKind.CAPTURE,
        OperationKind.VOID,
        OperationKind.REFUND,
        OperationKind.CANCEL,
    }
)
#: May be sent again with the same key: Nexi executes it once. A cancel has a key, too,
#: but it is not documented that the key prevents a second execution.
IDEMPOTENT: Final = frozenset(
    {OperationKind.CAPTURE, OperationKind.VOID, OperationKind.REFUND}
)
#: The kinds that may wait in the queue (``QueuedRefund``).
QUEUEABLE: Final = frozenset({OperationKind.REFUND, OperationKind.VOID})
#: The kinds that return captured money.
REFUNDING: Final = frozenset({OperationKind.REFUND, OperationKind.CANCEL})


class OperationOutcome(TextChoices):
    """``Operation.outcome``."""

    #: committed; about to be sent or under way
    OPEN = "open", _("on its way")
    #: Nexi accepted the request; a status inquiry will show the result
    ACCEPTED = "accepted", _("sent, waiting for Nexi")
    DONE = "done", _("done")
    #: the issuer or Nexi said no in a response of 200, or status inquiries show no
    #: success
    DECLINED = "declined", _("refused")
    #: a complete 4xx response: Nexi did not process the request
    REJECTED = "rejected", _("rejected")
    #: no byte left this machine
    NOT_SENT = "not_sent", _("not sent")
    #: sent, and the outcome is unknown
    IN_DOUBT = "in_doubt", _("in doubt")


#: Nexi was asked, and no money moved.
NEGATIVE_OUTCOMES: Final = frozenset(
    {OperationOutcome.DECLINED, OperationOutcome.REJECTED}
)
#: The outcome is not known yet.
UNSETTLED: Final = frozenset({OperationOutcome.OPEN, OperationOutcome.IN_DOUBT})
#: The amount of these is reserved: it has moved, or may move.
RESERVING: Final = frozenset(
    {OperationOutcome.OPEN, OperationOutcome.IN_DOUBT, OperationOutcome.ACCEPTED}
)


class QueuedRefundState(TextChoices):
    """``QueuedRefund.state``."""

    #: above the ceiling of its actor: it is not sent before another person approves it
    AWAITING_APPROVAL = "awaiting_approval", _("waiting for approval")
    #: it waits to be sent, and may be withdrawn
    QUEUED = "queued", _("queued")
    #: it is an operation now, whose outcome counts
    SENT = "sent", _("sent")
    #: a person or the shop took it back before it was sent
    WITHDRAWN = "withdrawn", _("withdrawn")
    #: it was not possible any more, or Nexi did not execute it: a person must look
    GIVEN_UP = "given_up", _("given up")


#: Not sent yet: the amount is reserved, and may be withdrawn.
QUEUED: Final = frozenset(
    {QueuedRefundState.AWAITING_APPROVAL, QueuedRefundState.QUEUED}
)


class RefundFailure(TextChoices):
    """``QueuedRefund.failure``: why it was given up."""

    #: the state of the payment allows none any more: refunded or voided meanwhile
    NOT_POSSIBLE = "not_possible", _("not possible any more in the payment's state")
    #: refunds made elsewhere have left less
    NOTHING_LEFT = "nothing_left", _("less is left than was to be sent")
    #: of a duplicate: the other payment does not keep its money any more
    ONLY_PAYMENT = "only_payment", _("no other payment of the purchase is left")
    #: refused, expired, or the permissions of the two people have changed
    NOT_APPROVED = "not_approved", _("not approved by a second person")
    #: Nexi or the issuer declined, or inquiries show that it was not executed
    DECLINED = OperationOutcome.DECLINED.value, _("Nexi did not execute it")
    REJECTED = OperationOutcome.REJECTED.value, _("Nexi rejected it")


class VerificationOutcome(TextChoices):
    """``CardVerification.outcome``. The values are those of an operation, without
    ``rejected``: a 4xx response is ``declined`` or ``not_sent`` here."""

    OPEN = "open", _("being asked")
    #: the issuer says that the account is good
    DONE = "done", _("good")
    DECLINED = "declined", _("refused")
    #: no issuer was asked
    NOT_SENT = "not_sent", _("no bank was asked")
    #: final: Nexi has no status inquiry for verifications
    IN_DOUBT = "in_doubt", _("in doubt")
