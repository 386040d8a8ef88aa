"""Customer data for 3-D Secure, beside its order."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from nexi_payments.models.deadlocks import RetryingModel
from nexi_payments.models.order import PaymentOrder


class CustomerDetails(RetryingModel):
    """Personal data of one purchase. New attempts use the row of the first one.

    ``customer_info`` are members of ``customerInfo`` as they are sent. ``omitted``
    lists what is not sent, and why: ``[["billing_address.country", "no_country"]]``.
    ``nexi_purge`` deletes the row.
    """

    order = models.OneToOneField(
        PaymentOrder, on_delete=models.CASCADE, primary_key=True, related_name="details"
    )
    customer_info = models.JSONField(default=dict)
    omitted = models.JSONField(default=list)

    class Meta:
        default_permissions = ()
        verbose_name = _("customer details")
        verbose_name_plural = _("customer details")

    def __str__(self) -> str:
        return f"details of {self.order_id}"
