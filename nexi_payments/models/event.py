"""Events of orders: history and outbox."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from nexi_payments.enums import EventKind
from nexi_payments.models.approval import Approval
from nexi_payments.models.audit import AUDIT_DUE, NO_STAFF, STAFF_NAME_LENGTH
from nexi_payments.models.deadlocks import RetryingModel
from nexi_payments.models.operation import Operation
from nexi_payments.models.order import PaymentOrder


class Event(RetryingModel):
    """One event of an order, written in the commit of its change: history and outbox.

    Most are state changes. Other kinds (``EventKind``) have equal ``from_state`` and
    ``to_state``: a partial refund (``refunded``), a further capture (``captured``), a
    cancelled one (``capture_cancelled``), events of contracts, and actions of staff.

    ``deliver_at`` is when to send the signal (again); NULL after delivery, or if the
    kind has no signal.
    """

    order = models.ForeignKey(
        PaymentOrder, on_delete=models.PROTECT, related_name="events"
    )
    operation = models.ForeignKey(
        Operation, null=True, on_delete=models.PROTECT, related_name="events"
    )
    kind = models.CharField(_("event"), max_length=32, choices=EventKind.choices)
    from_state = models.CharField(_("from"), max_length=24)
    to_state = models.CharField(_("to"), max_length=24)
    reason = models.CharField(_("reason"), max_length=32, blank=True)
    #: of a superseded attempt: the one that took its place. Without a constraint and an
    #: index: archiving may delete either of them first
    successor = models.ForeignKey(
        PaymentOrder,
        null=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    #: of the events of an approval. Without an index: nobody searches for it
    approval = models.ForeignKey(
        Approval,
        null=True,
        on_delete=models.PROTECT,
        db_index=False,
        related_name="+",
    )
    #: what a person wrote, or the recipient of an e-mail
    note = models.CharField(_("note"), max_length=300, blank=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    #: of staff: the name as it was; survives the user
    actor_name = models.CharField(max_length=STAFF_NAME_LENGTH, blank=True)
    address = models.GenericIPAddressField(null=True)
    created_at = models.DateTimeField()
    deliver_at = models.DateTimeField(null=True)
    delivered_at = models.DateTimeField(null=True)
    #: claimed before the e-mail is sent: at most one e-mail per event
    emailed_at = models.DateTimeField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    #: of the last failed attempt: the receivers' dotted names, each with its error
    failed_receivers = models.CharField(max_length=500, blank=True)
    audit_due = models.BooleanField(null=True, editable=False)

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        ordering = ("id",)
        indexes = [
            models.Index(
                fields=["deliver_at"],
                name="nexi_undelivered",
                condition=Q(deliver_at__isnull=False),
            ),
            models.Index(
                fields=["audit_due"], name="nexi_event_audit_due", condition=AUDIT_DUE
            ),
            models.Index(
                fields=["created_at"], name="nexi_staff_events", condition=~NO_STAFF
            ),
        ]

    def __str__(self) -> str:
        return f"{self.from_state} → {self.to_state}"
