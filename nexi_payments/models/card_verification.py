"""Zero-amount card verifications."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from nexi_payments.enums import VerificationOutcome
from nexi_payments.models.audit import AUDIT_DUE, STAFF_NAME_LENGTH
from nexi_payments.models.deadlocks import RetryingModel


class CardVerification(RetryingModel):
    """A zero-amount card verification: one request to Nexi that moves no money.

    ``outcome`` is ``done`` (the card is good), ``declined``, ``not_sent`` (no issuer
    was asked) or ``in_doubt``, which is final: Nexi has no status inquiry for it.
    ``order_id`` is derived from the caller's nonce: a second submit finds the first.
    """

    order_id = models.CharField(_("order id at Nexi"), max_length=18, unique=True)
    terminal = models.CharField(_("terminal"), max_length=64)
    outcome = models.CharField(
        _("outcome"),
        max_length=16,
        choices=VerificationOutcome.choices,
        default=VerificationOutcome.OPEN,
    )
    card_brand = models.CharField(_("brand"), max_length=16, blank=True)
    card_last4 = models.CharField(_("last four digits"), max_length=4, blank=True)
    card_expiry = models.CharField(max_length=4, blank=True)
    response_code = models.CharField(_("response code"), max_length=8, blank=True)
    correlation_id = models.CharField(max_length=36)
    error = models.CharField(_("error"), max_length=100, blank=True)
    http_status = models.PositiveSmallIntegerField(null=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,  # it is the first column of nexi_verified_by
    )
    #: of staff: the name as it was; survives the user
    actor_name = models.CharField(max_length=STAFF_NAME_LENGTH, blank=True)
    address = models.GenericIPAddressField(null=True)
    #: what the velocity limit by address counts by: ``Actor.network``
    network = models.CharField(max_length=43, blank=True, editable=False)
    created_at = models.DateTimeField(db_index=True)
    audit_due = models.BooleanField(null=True, editable=False)

    class Meta:
        default_permissions = ("view",)
        verbose_name = _("card verification")
        verbose_name_plural = _("card verifications")
        ordering = ("-created_at", "-id")
        indexes = [
            models.Index(fields=["network", "created_at"], name="nexi_verified_from"),
            models.Index(fields=["actor", "created_at"], name="nexi_verified_by"),
            models.Index(
                fields=["audit_due"],
                name="nexi_verification_audit_due",
                condition=AUDIT_DUE,
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(outcome__in=VerificationOutcome.values),
                name="nexi_known_verification",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.order_id} {self.outcome}"

    @property
    def is_successful(self) -> bool:
        return self.outcome == VerificationOutcome.DONE

    @property
    def terminal_rejected(self) -> bool:
        """Nexi answered 401 or 403: nothing is known about the card.

        That is about the terminal's API key, or about what it may do.
        """
        return self.outcome == VerificationOutcome.NOT_SENT and self.http_status in (
            401,
            403,
        )
