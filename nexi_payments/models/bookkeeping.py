"""Bookkeeping rows: terminal outages, passes of the reconciler, API requests, locks."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.db import models
from django.utils.translation import gettext_lazy as _

from nexi_payments.models.deadlocks import RetryingModel


class TerminalOutage(RetryingModel):
    """Nexi rejected this terminal's API key: no new charges until it accepts it."""

    terminal = models.CharField(max_length=64, unique=True)
    since = models.DateTimeField()
    status = models.PositiveSmallIntegerField(null=True)

    class Meta:
        verbose_name = _("terminal alarm")
        verbose_name_plural = _("terminal alarms")

    def __str__(self) -> str:
        return self.terminal


class SweepCursor(RetryingModel):
    """The time up to which Nexi's list of a terminal was compared with our orders.

    An older backup that is restored turns it back.
    """

    terminal = models.CharField(max_length=64, unique=True)
    #: NULL = never
    swept_at = models.DateTimeField(null=True)
    #: the end of the lease of the worker that sweeps; NULL = nobody does
    claimed_until = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("sweep")
        verbose_name_plural = _("sweeps")

    def __str__(self) -> str:
        return self.terminal


class Heartbeat(RetryingModel):
    """The end and the host of the reconciler's last complete pass."""

    RECONCILE: Final = "reconcile"
    #: it should run every minute
    OVERDUE_AFTER: Final = timedelta(minutes=10)

    name = models.CharField(max_length=32, unique=True)
    ended_at = models.DateTimeField()
    host = models.CharField(max_length=128, blank=True)

    class Meta:
        default_permissions = ()
        verbose_name = _("last pass")
        verbose_name_plural = _("last passes")

    def __str__(self) -> str:
        return self.name


class IdempotencyRecord(RetryingModel):
    """The stored response to one ``Idempotency-Key`` of one caller.

    ``fingerprint`` hashes the request without its card fields. ``body`` is JSON. It is
    "" while the first request is under way, and for requests with a card: those are
    answered again from the current order.
    """

    caller = models.CharField(max_length=64)
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    body = models.TextField(blank=True)
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        default_permissions = ()
        verbose_name = _("kept answer")
        verbose_name_plural = _("kept answers")
        constraints = [
            models.UniqueConstraint(
                fields=["caller", "key"], name="nexi_one_idempotency_record"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.caller} {self.key}"


class AttemptLock(RetryingModel):
    """A row that is locked while attempts of one shopper, address or clerk are counted.

    ``number`` is part of a hash (``flows.orders.velocity``): the table does not grow,
    and holds nothing about anybody.
    """

    NUMBERS: Final = 65_536

    number = models.PositiveIntegerField(primary_key=True)

    class Meta:
        default_permissions = ()
        verbose_name = _("attempt lock")
        verbose_name_plural = _("attempt locks")

    def __str__(self) -> str:
        return str(self.number)
