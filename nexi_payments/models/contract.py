"""Contracts: saved cards that the shop may charge later. Only Nexi stores the card."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from nexi_payments import money, shop_time
from nexi_payments.enums import (
    Channel,
    ContractKind,
    ContractState,
)
from nexi_payments.models.deadlocks import RetryingModel
from nexi_payments.models.order import PaymentOrder


class Contract(RetryingModel):
    """A saved card, created by a first payment with the shopper's consent.

    We assign ``contract_id``; Nexi identifies the card by it. ``flows.charge_due``
    charges scheduled contracts with an ``amount`` (minor units) at ``next_charge_at``.
    ``period`` counts the scheduled charges. ``lease_version`` is incremented on each
    lease and fences stale workers.
    """

    contract_id = models.CharField(_("contract at Nexi"), max_length=18, unique=True)
    customer_id = models.CharField(
        _("customer at Nexi"), max_length=27, blank=True, db_index=True
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    terminal = models.CharField(_("terminal"), max_length=64)
    state = models.CharField(
        _("state"),
        max_length=16,
        choices=ContractState.choices,
        default=ContractState.REQUESTED,
    )
    kind = models.CharField(_("kind"), max_length=16, choices=ContractKind.choices)
    #: what the references of recurring charges begin with, unique among contracts: the
    #: reference of the first payment, or ``contract_id``. "" before the first payment
    reference = models.CharField(
        _("reference"), max_length=100, blank=True, default="", db_index=True
    )
    description = models.CharField(_("description"), max_length=255, blank=True)
    card_brand = models.CharField(_("brand"), max_length=16, blank=True)
    card_last4 = models.CharField(_("last four digits"), max_length=4, blank=True)
    #: MMYY
    card_expiry = models.CharField(max_length=4, blank=True)
    #: days between two charges; NULL = unscheduled
    frequency = models.PositiveSmallIntegerField(_("days between charges"), null=True)
    #: the last day on which it may be charged; NULL = no such day
    until = models.DateField(_("until"), null=True)
    amount = models.BigIntegerField(_("amount, minor units"), null=True)
    currency = models.CharField(_("currency"), max_length=3)

    #: the charge of the current period, 1 for the first after the first payment
    period = models.PositiveIntegerField(default=1)
    lease_version = models.PositiveIntegerField(default=0)
    #: the time of the first payment, from which periods are counted
    billing_anchor = models.DateTimeField(null=True)
    #: when to charge, or to process it again; NULL = never automatically
    next_charge_at = models.DateTimeField(_("next charge"), null=True)

    #: runs in a row that ended with an unexpected exception of ours, since when, and
    #: its class
    error_count = models.PositiveSmallIntegerField(default=0)
    failing_since = models.DateTimeField(null=True)
    error = models.CharField(max_length=100, blank=True)

    #: when a person last resumed it
    resumed_at = models.DateTimeField(null=True)

    #: the consent: time, text and IP address
    consented_at = models.DateTimeField(_("agreed"), null=True)
    consent_text = models.CharField(max_length=500, blank=True)
    consent_address = models.GenericIPAddressField(null=True)
    #: the expiry (MMYY) of which the owner was notified: once per card
    warned_expiry = models.CharField(
        max_length=4, blank=True, default="", db_default="", editable=False
    )
    created_at = models.DateTimeField(_("created"))
    ended_at = models.DateTimeField(_("ended"), null=True)

    class Meta:
        verbose_name = _("card on file")
        verbose_name_plural = _("cards on file")
        ordering = ("-created_at", "-id")
        default_permissions = ("view",)
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="nexi_contract_newest"),
            models.Index(
                fields=["next_charge_at"],
                name="nexi_contract_due",
                condition=Q(next_charge_at__isnull=False),
            ),
            models.Index(
                fields=["failing_since"],
                name="nexi_contract_failing",
                condition=Q(failing_since__isnull=False),
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=ContractState.values),
                name="nexi_known_contract",
            ),
            models.CheckConstraint(
                condition=Q(kind=ContractKind.UNSCHEDULED, frequency__isnull=True)
                | Q(kind=ContractKind.SCHEDULED, frequency__gte=1, frequency__lte=9999),
                name="nexi_contract_frequency",
            ),
            models.CheckConstraint(
                condition=Q(amount__isnull=True)
                | Q(amount__gt=0, amount__lte=money.MAX_MINOR),
                name="nexi_contract_amount",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.contract_id} {self.card_brand} {self.card_last4} {self.state}"

    @property
    def total(self) -> Decimal | None:
        """The amount of a period, major units; ``None`` when the shop sets each one."""
        if self.amount is None:
            return None
        return money.to_major(self.amount, self.currency)

    @property
    def is_expired(self) -> bool:
        """Past its last day."""
        return self.until is not None and self.until < shop_time.today()

    @property
    def is_usable(self) -> bool:
        """Whether it may be charged."""
        return (
            self.state in (ContractState.ACTIVE, ContractState.SUSPENDED)
            and not self.is_expired
        )

    @property
    def card_expiry_date(self) -> date | None:
        """The last day of the month that is printed on the card."""
        if len(self.card_expiry) != 4:
            return None
        month, year = int(self.card_expiry[:2]), 2000 + int(self.card_expiry[2:])
        first = date(year + month // 12, month % 12 + 1, 1)
        return first - timedelta(days=1)

    @property
    def first_payment(self) -> PaymentOrder | None:
        """The payment that created it. Its events include those of the contract."""
        return self.payments.exclude(channel=Channel.MIT).order_by("pk").first()

    def scheduled_at(self, period: int) -> Any:
        """When the charge of ``period`` is due; ``None`` for unscheduled contracts."""
        if self.billing_anchor is None or self.frequency is None:
            return None
        return self.billing_anchor + timedelta(days=self.frequency * period)
