"""Discrepancies between Nexi and us."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from nexi_payments.enums import DiscrepancyKind
from nexi_payments.models.audit import STAFF_NAME_LENGTH
from nexi_payments.models.deadlocks import RetryingModel
from nexi_payments.models.order import PaymentOrder


class Discrepancy(RetryingModel):
    """A contradiction between Nexi's data and ours: ``theirs`` against ``ours``."""

    order = models.ForeignKey(
        PaymentOrder, null=True, on_delete=models.PROTECT, related_name="discrepancies"
    )
    kind = models.CharField(max_length=32, choices=DiscrepancyKind.choices)
    ours = models.CharField(max_length=200, blank=True)
    theirs = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(db_index=True)
    resolved_at = models.DateTimeField(null=True)
    resolved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    #: the name as it was; survives the user
    resolved_by_name = models.CharField(max_length=STAFF_NAME_LENGTH, blank=True)

    class Meta:
        verbose_name = _("disagreement")
        verbose_name_plural = _("disagreements")
        ordering = ("-id",)
        indexes = [
            models.Index(
                fields=["created_at"],
                name="nexi_open_discrepancies",
                condition=Q(resolved_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.ours} / {self.theirs}"
