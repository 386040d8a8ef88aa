"""Attempts on Nexi's hosted page, and the methods of each terminal."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar, Final

from django.db import models
from django.utils.translation import gettext_lazy as _

from nexi_payments.models.deadlocks import RetryingModel
from nexi_payments.models.order import PaymentOrder


class HostedPage(RetryingModel):
    """What only an attempt on the hosted page has. Tokens are kept as SHA-256."""

    order = models.OneToOneField(
        PaymentOrder,
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="hosted_page",
    )
    #: the terminal that the shop named; ``order.terminal`` is the one whose key is used
    shop_terminal = models.CharField(max_length=64)
    #: of the token in the notification URL; ``order.token_hash`` is that of the return
    notify_hash = models.CharField(max_length=64)
    #: of Nexi's ``securityToken``; "" until Nexi answered
    security_hash = models.CharField(max_length=64, blank=True)
    #: when the shopper came back first; NULL = not yet
    back_at = models.DateTimeField(null=True)
    #: when a return, a click or a notification last made us ask Nexi
    looked_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        verbose_name = _("hosted page")
        verbose_name_plural = _("hosted pages")

    def __str__(self) -> str:
        return f"hosted page of {self.order_id}"


class NexiLink(RetryingModel):
    """A payment link of Nexi's. Its URL is not kept: Nexi tells it again."""

    order = models.OneToOneField(
        PaymentOrder,
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="nexi_link",
    )
    #: "" until Nexi answered: nobody has the URL of such a link
    link_id = models.CharField(max_length=255, blank=True)
    #: the last day on which it can be paid, in Italian time
    expires_on = models.DateField()
    #: the last day that Nexi may know: a renewal whose answer was lost counts
    latest_day = models.DateField()
    #: when somebody cancelled it here; Nexi may not have confirmed it yet
    cancel_asked_at = models.DateTimeField(null=True)
    #: it cannot be paid any more: used, cancelled at Nexi, or over
    is_closed = models.BooleanField(default=False)
    #: failed requests to cancel it, and when the next one is due
    tries = models.PositiveIntegerField(default=0)
    next_try_at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        verbose_name = _("payment link of Nexi")
        verbose_name_plural = _("payment links of Nexi")
        indexes: ClassVar = [
            models.Index(
                fields=["next_try_at"],
                name="nexi_open_links",
                condition=models.Q(is_closed=False),
            )
        ]

    def __str__(self) -> str:
        return f"payment link of {self.order_id}"


class TerminalMethods(RetryingModel):
    """The methods that Nexi lists for a terminal: ``GET /payment_methods``."""

    REFRESH_EVERY: Final = timedelta(hours=2)
    #: while Nexi has never answered
    RETRY_EVERY: Final = timedelta(minutes=1)

    terminal = models.CharField(max_length=64, unique=True)
    #: circuits of type APM, as Nexi spells them
    circuits = models.JSONField(default=list)
    refreshed_at = models.DateTimeField(null=True)
    #: when Nexi was last asked, with or without an answer
    asked_at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        verbose_name = _("payment methods of a terminal")
        verbose_name_plural = _("payment methods of terminals")

    def __str__(self) -> str:
        return self.terminal
