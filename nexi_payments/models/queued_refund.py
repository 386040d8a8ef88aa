"""Refunds and voids that wait to be sent."""

from __future__ import annotations

from decimal import Decimal

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from nexi_payments import enums, money
from nexi_payments.enums import OperationKind, QueuedRefundState, RefundFailure
from nexi_payments.models.approval import Approval
from nexi_payments.models.audit import STAFF_NAME_LENGTH
from nexi_payments.models.deadlocks import RetryingModel
from nexi_payments.models.event import Event
from nexi_payments.models.operation import Operation
from nexi_payments.models.order import PaymentOrder


class QueuedRefund(RetryingModel):
    """A refund or void that was decided in a transaction, and is sent after its commit.

    ``amount`` is in minor units; it is reserved while ``state`` is "queued" or
    "awaiting_approval". The commit that claims ``operation`` also ends "queued": the
    operation is sent once, and its outcome is what became of the refund.
    ``next_attempt_at`` is when to send it, or to try again; an attempt leases the row
    by moving it.
    """

    order = models.ForeignKey(
        PaymentOrder, on_delete=models.PROTECT, related_name="queued_refunds"
    )
    kind = models.CharField(
        _("kind"),
        max_length=16,
        choices=OperationKind.choices,
        default=OperationKind.REFUND,
    )
    state = models.CharField(
        _("state"),
        max_length=24,
        choices=QueuedRefundState.choices,
        default=QueuedRefundState.QUEUED,
    )
    amount = models.BigIntegerField(_("amount, minor units"))
    #: the caller named no amount: all that remained
    is_remainder = models.BooleanField(default=False)
    #: the capture that is refunded, if there was an explicit one
    capture = models.ForeignKey(
        Operation, null=True, on_delete=models.PROTECT, related_name="+"
    )
    #: the shop's own key: with the same one nothing is queued again
    key = models.CharField(max_length=100, null=True, unique=True)
    reason = models.CharField(_("reason"), max_length=300, blank=True)
    #: of the operation, whenever it is sent: after a restore of the database Nexi may
    #: have executed it already
    idempotency_key = models.CharField(max_length=63)
    operation = models.OneToOneField(
        Operation,
        null=True,
        on_delete=models.PROTECT,
        related_name="queued_refund",
    )
    #: above the ceiling of ``actor``: it is sent only with this one
    approval = models.OneToOneField(
        Approval, null=True, on_delete=models.PROTECT, related_name="queued_refund"
    )
    failure = models.CharField(max_length=16, choices=RefundFailure.choices, blank=True)
    #: withdrawn or given up
    ended_by = models.OneToOneField(
        Event, null=True, on_delete=models.PROTECT, related_name="queued_refund"
    )
    attempts = models.PositiveIntegerField(default=0)
    #: the class of the last error; "" = no attempt has failed
    error = models.CharField(max_length=64, blank=True)
    next_attempt_at = models.DateTimeField(null=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    #: of staff: the name as it was; survives the user
    actor_name = models.CharField(max_length=STAFF_NAME_LENGTH, blank=True)
    address = models.GenericIPAddressField(null=True)
    request_id = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        verbose_name = _("queued refund")
        verbose_name_plural = _("queued refunds")
        ordering = ("id",)
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                name="nexi_queued_refunds",
                condition=Q(next_attempt_at__isnull=False),
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=sorted(enums.QUEUEABLE), amount__gt=0),
                name="nexi_queueable",
            ),
            models.CheckConstraint(
                condition=Q(
                    state=QueuedRefundState.QUEUED,
                    next_attempt_at__isnull=False,
                    operation__isnull=True,
                )
                | Q(
                    state=QueuedRefundState.AWAITING_APPROVAL,
                    next_attempt_at__isnull=True,
                    operation__isnull=True,
                )
                | Q(
                    state=QueuedRefundState.SENT,
                    next_attempt_at__isnull=True,
                    operation__isnull=False,
                )
                | Q(
                    state__in=(
                        QueuedRefundState.WITHDRAWN,
                        QueuedRefundState.GIVEN_UP,
                    ),
                    next_attempt_at__isnull=True,
                ),
                name="nexi_queued_refund_state",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.total} {self.order.currency} {self.state}"

    @property
    def total(self) -> Decimal:
        """The amount in major units."""
        return money.to_major(self.amount, self.order.currency)

    @property
    def is_waiting(self) -> bool:
        return self.state == QueuedRefundState.QUEUED

    @property
    def awaits_approval(self) -> bool:
        return self.state == QueuedRefundState.AWAITING_APPROVAL
