"""Proxy models for further lines in the admin's index.

No tables and no permissions: both are those of ``PaymentOrder``.
"""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from nexi_payments.models.order import PaymentOrder


class PhoneOrder(PaymentOrder):
    """The phone order desk."""

    class Meta:
        proxy = True
        default_permissions = ()
        verbose_name = _("phone order")
        verbose_name_plural = _("phone orders")


class ReviewQueue(PaymentOrder):
    """Payments that need attention."""

    class Meta:
        proxy = True
        default_permissions = ()
        verbose_name = _("payment to check")
        verbose_name_plural = _("payments to check")


class DailyReport(PaymentOrder):
    """Charges and refunds by day and clerk."""

    class Meta:
        proxy = True
        default_permissions = ()
        verbose_name = _("daily report")
        verbose_name_plural = _("daily report")
