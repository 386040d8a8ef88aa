"""Sealed cards: encrypted card data between 3-D Secure and the charge."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from nexi_payments.models.deadlocks import RetryingModel
from nexi_payments.models.order import PaymentOrder


class SealedCard(RetryingModel):
    """The sealed card of an order that awaits 3-D Secure. See ``sealed_cards``.

    Neither this row with all secrets of the server nor the browser's token alone can
    decrypt it. The claim deletes it.
    """

    order = models.OneToOneField(
        PaymentOrder,
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="sealed_card",
    )
    pan_blob = models.BinaryField()
    cvv_blob = models.BinaryField(null=True)
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name = _("sealed card")
        verbose_name_plural = _("sealed cards")

    def __str__(self) -> str:
        return f"sealed card until {self.expires_at:%H:%M:%S}"
