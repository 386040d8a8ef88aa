"""What 3-D Secure is told about a customer, beside the order that it is told with."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from nexi_payments.models.order import PaymentOrder


class CustomerDetails(models.Model):
    """Personal data of one purchase; a new attempt at it uses the first one's row.

    ``told`` are members of ``customerInfo`` as they go out. ``left_out`` lists what is
    not told, and why: ``[["billing_address.country", "no_country"]]``. Purging deletes
    the row.
    """

    order = models.OneToOneField(
        PaymentOrder, on_delete=models.CASCADE, primary_key=True, related_name="details"
    )
    told = models.JSONField(default=dict)
    left_out = models.JSONField(default=list)

    class Meta:
        default_permissions = ()
        verbose_name = _("customer details")
        verbose_name_plural = _("customer details")

    def __str__(self) -> str:
        return f"details of {self.order_id}"
