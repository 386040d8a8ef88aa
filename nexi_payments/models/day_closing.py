"""Closed days: a day's comparison with Nexi, kept as it was closed."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from nexi_payments.enums import DifferenceKind
from nexi_payments.models.audit import STAFF_NAME_LENGTH
from nexi_payments.models.deadlocks import RetryingModel


class DayClosing(RetryingModel):
    """One closing of one day. It never changes: closing again adds a ``revision``.

    It has no key of a payment, so it stays when payments are archived or erased.
    ``totals`` are lines ``{terminal, channel, method, circuit, currency, clerk,
    movement, count, amount, count_at_nexi, amount_at_nexi}``, amounts in minor units.
    """

    day = models.DateField(_("day"))
    #: 1 for the first closing of the day
    revision = models.PositiveSmallIntegerField(_("revision"))
    #: the time zone of the day, and its bounds: ``ends_at`` belongs to the next day
    zone = models.CharField(_("time zone"), max_length=64)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    closed_at = models.DateTimeField(_("closed"))
    closed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    #: the name as it was; "" for a command
    closed_by_name = models.CharField(
        _("closed by"), max_length=STAFF_NAME_LENGTH, blank=True
    )
    #: the terminals whose list was read
    terminals = models.JSONField(default=list)
    totals = models.JSONField(default=list)
    #: operations that both have, and the same
    matched = models.PositiveIntegerField(_("matched"), default=0)
    missing_here = models.PositiveIntegerField(_("missing here"), default=0)
    missing_there = models.PositiveIntegerField(_("missing at Nexi"), default=0)
    different = models.PositiveIntegerField(_("different"), default=0)
    #: listed at Nexi, no money moved, and nothing here to compare with: challenges that
    #: nobody answered, for example
    without_money = models.PositiveIntegerField(default=0)
    #: listed at Nexi for other installations that use the same terminal
    of_others = models.PositiveIntegerField(default=0)
    #: differences that are counted, and not kept one by one
    omitted = models.PositiveIntegerField(default=0)

    class Meta:
        default_permissions = ("view",)
        permissions = [("close_day", _("Can close days"))]
        verbose_name = _("closed day")
        verbose_name_plural = _("closed days")
        ordering = ("-day", "-revision")
        constraints = [
            models.UniqueConstraint(
                fields=["day", "revision"], name="nexi_one_closing_per_revision"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.revision}"

    @property
    def difference_count(self) -> int:
        return self.missing_here + self.missing_there + self.different


class ClosingDifference(RetryingModel):
    """One difference that a closing found. Amounts in minor units, NULL = unknown.

    ``our_…`` is empty where we do not have the operation, ``their_…`` where Nexi does
    not list it.
    """

    closing = models.ForeignKey(
        DayClosing, on_delete=models.CASCADE, related_name="differences"
    )
    kind = models.CharField(max_length=16, choices=DifferenceKind.choices)
    #: in what they differ, separated by spaces: ``enums.Aspect``
    aspects = models.CharField(max_length=64, blank=True)
    terminal = models.CharField(max_length=64)
    order_id = models.CharField(max_length=64, blank=True)
    reference = models.CharField(max_length=100, blank=True)
    operation_id = models.CharField(max_length=64, blank=True)
    our_kind = models.CharField(max_length=16, blank=True)
    our_outcome = models.CharField(max_length=16, blank=True)
    our_amount = models.BigIntegerField(null=True)
    our_currency = models.CharField(max_length=3, blank=True)
    their_type = models.CharField(max_length=32, blank=True)
    their_result = models.CharField(max_length=32, blank=True)
    their_amount = models.BigIntegerField(null=True)
    their_currency = models.CharField(max_length=3, blank=True)
    #: Nexi's time of the operation, or ours
    at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        verbose_name = _("difference of a closed day")
        verbose_name_plural = _("differences of closed days")
        ordering = ("id",)
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=DifferenceKind.values),
                name="nexi_known_difference",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.order_id} {self.operation_id}"
