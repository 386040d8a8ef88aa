"""Requests for a second person's approval."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from nexi_payments import enums, money
from nexi_payments.enums import ApprovalFailure, ApprovalState, OperationKind
from nexi_payments.models.audit import STAFF_NAME_LENGTH
from nexi_payments.models.deadlocks import RetryingModel
from nexi_payments.models.operation import Operation
from nexi_payments.models.order import PaymentOrder


class Approval(RetryingModel):
    """A refund or phone order above the ceiling of the person who asked for it.

    It is about ``amount`` (minor units) of ``order``, on ``terminal``, and holds no
    card. The commit that claims ``operation`` also ends it: one approval is used once.
    ``expires_at`` is until when it may be approved, and a phone order's card entered.
    """

    order = models.ForeignKey(
        PaymentOrder, on_delete=models.PROTECT, related_name="approvals"
    )
    kind = models.CharField(_("kind"), max_length=16, choices=OperationKind.choices)
    state = models.CharField(
        _("state"),
        max_length=16,
        choices=ApprovalState.choices,
        default=ApprovalState.WAITING,
    )
    amount = models.BigIntegerField(_("amount, minor units"))
    terminal = models.CharField(_("terminal"), max_length=64)
    #: of a refund: what was left of its capture when it was asked for, in minor units
    expected_remaining = models.BigIntegerField(null=True)
    capture = models.ForeignKey(
        Operation, null=True, on_delete=models.PROTECT, related_name="+"
    )
    operation = models.OneToOneField(
        Operation, null=True, on_delete=models.PROTECT, related_name="approval"
    )
    #: of the request; its operation gets the same one
    nonce = models.CharField(max_length=32, null=True, unique=True, editable=False)
    requester = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    #: the user name at that time: it stays when the user is deleted
    requester_name = models.CharField(_("asked by"), max_length=STAFF_NAME_LENGTH)
    address = models.GenericIPAddressField(null=True)
    request_id = models.CharField(max_length=64, blank=True)
    #: who approved or refused
    approver = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    approver_name = models.CharField(
        _("decided by"), max_length=STAFF_NAME_LENGTH, blank=True
    )
    #: why it is asked for; why it was refused or withdrawn
    reason = models.CharField(_("reason"), max_length=300, blank=True)
    decision_reason = models.CharField(max_length=300, blank=True)
    failure = models.CharField(
        max_length=16, choices=ApprovalFailure.choices, blank=True
    )
    created_at = models.DateTimeField(_("asked"))
    expires_at = models.DateTimeField(_("until"))
    decided_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        verbose_name = _("approval")
        verbose_name_plural = _("approvals")
        ordering = ("-created_at", "-id")
        indexes = [
            models.Index(
                fields=["expires_at"],
                name="nexi_open_approvals",
                condition=Q(state__in=sorted(enums.OPEN_APPROVALS)),
            ),
            models.Index(fields=["-created_at", "-id"], name="nexi_newest_approvals"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=sorted(enums.APPROVABLE), amount__gt=0),
                name="nexi_approvable",
            ),
            models.CheckConstraint(
                condition=Q(state=ApprovalState.USED, operation__isnull=False)
                | Q(
                    state__in=sorted(set(ApprovalState.values) - {ApprovalState.USED}),
                    operation__isnull=True,
                ),
                name="nexi_approval_state",
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
        """Whether a person may still decide."""
        return self.state == ApprovalState.WAITING and not self.is_over

    @property
    def is_over(self) -> bool:
        return self.expires_at <= timezone.now()

    def is_by(self, user: Any) -> bool:
        """Whether ``user`` asked for it."""
        return user is not None and self.requester_id == user.pk
