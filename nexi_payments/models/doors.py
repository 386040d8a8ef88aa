"""Lines of their own in the admin's index. No tables, no permissions: the rows and the
permissions are those of ``PaymentOrder``."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from nexi_payments.models.order import PaymentOrder


class Desk(PaymentOrder):
    """The desk for phone orders."""

    class Meta:
        proxy = True
        default_permissions = ()
        verbose_name = _("phone order")
        verbose_name_plural = _("phone orders")


class WorkList(PaymentOrder):
    """What somebody should look at."""

    class Meta:
        proxy = True
        default_permissions = ()
        verbose_name = _("payment to check")
        verbose_name_plural = _("payments to check")


class Till(PaymentOrder):
    """What was taken and given back, by day and clerk."""

    class Meta:
        proxy = True
        default_permissions = ()
        verbose_name = _("till report")
        verbose_name_plural = _("till report")
