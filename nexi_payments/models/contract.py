"""Cards on file: what the shop may charge later. The card itself is at Nexi alone."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from nexi_payments import money, states
from nexi_payments.models.order import PaymentOrder

CONTRACT_LABELS = [
    (states.REQUESTED, _("not confirmed yet")),
    (states.ACTIVE, _("active")),
    (states.ON_HOLD, _("on hold")),
    (states.ENDING, _("being ended")),
    (states.ENDED, _("ended")),
    (states.NOT_MADE, _("not made")),
]
KIND_LABELS = [
    (states.UNSCHEDULED, _("when the shop asks")),
    (states.SCHEDULED, _("at regular times")),
]
CHECK_LABELS = [
    (states.OPEN, _("being asked")),
    (states.DONE, _("good")),
    (states.DECLINED, _("refused")),
    (states.NOT_SENT, _("no bank was asked")),
    (states.IN_DOUBT, _("in doubt")),
]


class Contract(models.Model):
    """A card on file, made with a first payment to which its owner agreed.

    ``contract_id`` is minted by us and is what Nexi knows the card by. Scheduled ones
    with an ``amount`` (minor units) are charged by ``flows.charge_due`` at ``due_at``;
    ``period`` counts the charges of the plan, ``claims`` how often one of them was
    taken up, so that whoever was slow finds that it is not his any more.
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
        _("state"), max_length=16, choices=CONTRACT_LABELS, default=states.REQUESTED
    )
    kind = models.CharField(_("kind"), max_length=16, choices=KIND_LABELS)
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
    claims = models.PositiveIntegerField(default=0)
    #: from where the plan is counted: the moment of the first payment
    planned_from = models.DateTimeField(null=True)
    #: charge, or look again, at this moment; NULL = not by itself
    due_at = models.DateTimeField(_("next charge"), null=True)

    #: when a person last took it off hold
    resumed_at = models.DateTimeField(null=True)

    #: when its owner has agreed, to which words, from where
    agreed_at = models.DateTimeField(_("agreed"), null=True)
    agreed_text = models.CharField(max_length=500, blank=True)
    agreed_address = models.GenericIPAddressField(null=True)
    #: the expiry (MMYY) that its owner was mailed about: once for each card
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
                fields=["due_at"],
                name="nexi_contract_due",
                condition=Q(due_at__isnull=False),
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=states.CONTRACT_STATES),
                name="nexi_known_contract",
            ),
            models.CheckConstraint(
                condition=Q(kind=states.UNSCHEDULED, frequency__isnull=True)
                | Q(kind=states.SCHEDULED, frequency__gte=1, frequency__lte=9999),
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
        """What a period costs, major units; ``None`` when the shop says each time."""
        if self.amount is None:
            return None
        return money.to_major(self.amount, self.currency)

    @property
    def is_over(self) -> bool:
        """Past its last day."""
        return self.until is not None and self.until < timezone.localdate()

    @property
    def is_usable(self) -> bool:
        return self.state in (states.ACTIVE, states.ON_HOLD) and not self.is_over

    @property
    def card_expires(self) -> date | None:
        """The last day of the card, as printed on it."""
        if len(self.card_expiry) != 4:
            return None
        month, year = int(self.card_expiry[:2]), 2000 + int(self.card_expiry[2:])
        first = date(year + month // 12, month % 12 + 1, 1)
        return first - timedelta(days=1)

    @property
    def founding(self) -> PaymentOrder | None:
        """The payment that made it, whose history is its own."""
        return self.payments.exclude(channel=states.CHANNEL_MIT).order_by("pk").first()

    def planned(self, period: int) -> Any:
        """When the charge of ``period`` is planned; ``None`` for unscheduled ones."""
        if self.planned_from is None or self.frequency is None:
            return None
        return self.planned_from + timedelta(days=self.frequency * period)


class CardCheck(models.Model):
    """A card verified for nothing: one request to Nexi that moves no money.

    ``outcome`` as of an operation: "done" (good), "refused", "not_sent" (no bank was
    asked), "in_doubt", which stays so, as nothing can be looked up. ``order_id`` is
    made from the nonce of whoever asks, so that a second submit finds the first.
    """

    order_id = models.CharField(_("order id at Nexi"), max_length=18, unique=True)
    terminal = models.CharField(_("terminal"), max_length=64)
    outcome = models.CharField(
        _("outcome"), max_length=16, choices=CHECK_LABELS, default=states.OPEN
    )
    card_brand = models.CharField(_("brand"), max_length=16, blank=True)
    card_last4 = models.CharField(_("last four digits"), max_length=4, blank=True)
    card_expiry = models.CharField(max_length=4, blank=True)
    response_code = models.CharField(_("response code"), max_length=8, blank=True)
    correlation_id = models.CharField(max_length=36)
    error = models.CharField(_("error"), max_length=100, blank=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    address = models.GenericIPAddressField(null=True)
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        default_permissions = ("view",)
        verbose_name = _("card check")
        verbose_name_plural = _("card checks")
        ordering = ("-created_at", "-id")
        constraints = [
            models.CheckConstraint(
                condition=Q(outcome__in=states.OUTCOMES), name="nexi_known_check"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.order_id} {self.outcome}"

    @property
    def is_good(self) -> bool:
        return self.outcome == states.DONE

    @property
    def key_refused(self) -> bool:
        """Nexi refused the key of the terminal: nothing is known about the card."""
        return self.error.startswith(("Refused 401", "Refused 403"))
