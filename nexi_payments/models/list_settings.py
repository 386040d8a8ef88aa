"""How one member of staff wants the list of payments."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from nexi_payments.models.deadlocks import RetryingModel


class ListSettings(RetryingModel):
    """One row for each member of staff who changed the list.

    ``columns``: names of columns, in order; empty = the usual ones. ``filters``: saved
    filters, ``{"name": …, "query": "state__exact=paid"}``. They hold no search text.
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+"
    )
    columns = models.JSONField(default=list)
    filters = models.JSONField(default=list)

    class Meta:
        default_permissions = ()
        verbose_name = _("list settings")
        verbose_name_plural = _("list settings")

    def __str__(self) -> str:
        return f"list settings of user {self.user_id}"
