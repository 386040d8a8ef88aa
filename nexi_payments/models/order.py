"""One attempt to be paid one amount."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.conf import settings
from django.contrib.contenttypes.fields import GenericForeignKey
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from nexi_payments import money, states

STATE_LABELS = [
    (states.INIT, _("created")),
    (states.AWAITING_3DS, _("waiting for the bank")),
    (states.VALIDATED, _("confirmed by the bank")),
    (states.PAYING, _("being charged")),
    (states.AUTHORIZED, _("authorized")),
    (states.PAID, _("paid")),
    (states.FAILED, _("failed")),
    (states.REVIEW, _("to be reviewed")),
    (states.VOIDED, _("voided")),
    (states.REFUNDED, _("refunded")),
]
CHANNEL_LABELS = [
    (states.CHANNEL_SHOP, _("shop")),
    (states.CHANNEL_MOTO, _("phone")),
    (states.CHANNEL_LINK, _("secure link")),
    (states.CHANNEL_MIT, _("card on file")),
]
#: Most shops have few of these: a second filter on them has an index of its own.
_OF_DESK = Q(channel__in=sorted(states.DESK))


class PaymentOrder(models.Model):
    """One gateway order. Several attempts at one basket share ``reference``.

    Amounts are integers in minor units of ``currency``; ``total`` is the ``Decimal``.
    ``live_reference`` holds the reference (or, without one, the first attempt's order
    id) while the order is live; being unique, it lets one basket be charged once.
    """

    public_id = models.CharField(max_length=32, unique=True, editable=False)
    order_id = models.CharField(_("order id at Nexi"), max_length=18, unique=True)
    state = models.CharField(
        _("state"), max_length=16, choices=STATE_LABELS, default=states.INIT
    )
    reason = models.CharField(_("reason"), max_length=32, blank=True)
    channel = models.CharField(
        _("channel"),
        max_length=8,
        choices=CHANNEL_LABELS,
        default=states.CHANNEL_SHOP,
    )
    terminal = models.CharField(_("terminal"), max_length=64)
    flow = models.CharField(_("flow"), max_length=8)
    capture = models.CharField(_("capture"), max_length=16)

    amount = models.BigIntegerField(_("amount, minor units"))
    currency = models.CharField(_("currency"), max_length=3)
    authorized_amount = models.BigIntegerField(default=0)
    captured_amount = models.BigIntegerField(default=0)
    refunded_amount = models.BigIntegerField(default=0)
    #: sent, and not yet confirmed or refused: nobody else may take it meanwhile
    capturing_amount = models.BigIntegerField(default=0)
    refunding_amount = models.BigIntegerField(default=0)

    reference = models.CharField(
        _("reference"), max_length=100, null=True, blank=True, db_index=True
    )
    live_reference = models.CharField(
        max_length=100, null=True, unique=True, editable=False
    )
    retry_of = models.ForeignKey(
        "self", null=True, on_delete=models.PROTECT, related_name="retries"
    )
    description = models.CharField(_("description"), max_length=255, blank=True)
    customer_name = models.CharField(_("customer"), max_length=255, blank=True)
    customer_email = models.CharField(_("e-mail"), max_length=254, blank=True)
    cardholder_name = models.CharField(_("cardholder"), max_length=255, blank=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    #: the member of staff who made this order at the desk
    clerk = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("clerk"),
    )
    #: one-time number of the desk's form: sent twice, it makes one order
    desk_nonce = models.CharField(max_length=32, null=True, unique=True, editable=False)
    content_type = models.ForeignKey(
        "contenttypes.ContentType", null=True, on_delete=models.SET_NULL
    )
    object_id = models.CharField(max_length=64, blank=True)
    content_object = GenericForeignKey("content_type", "object_id")
    success_url = models.CharField(max_length=500, blank=True)
    failure_url = models.CharField(max_length=500, blank=True)

    #: the card on file that this payment makes, or (channel "mit") is charged to
    contract = models.ForeignKey(
        "nexi_payments.Contract",
        null=True,
        on_delete=models.PROTECT,
        related_name="payments",
    )
    #: what 3-D Secure is asked for, "" for nothing in particular
    exemption = models.CharField(max_length=20, blank=True, default="", db_default="")
    gateway_operation_id = models.CharField(max_length=64, blank=True, db_index=True)
    #: sha256 of the token in the ReturnUrl; the token itself is never stored
    token_hash = models.CharField(max_length=64, blank=True, editable=False)
    card_brand = models.CharField(_("brand"), max_length=16, blank=True)
    card_bin = models.CharField(max_length=6, blank=True)
    card_last4 = models.CharField(_("last four digits"), max_length=4, blank=True)
    card_expiry = models.CharField(max_length=4, blank=True)
    eci = models.CharField(max_length=2, blank=True)
    response_code = models.CharField(_("response code"), max_length=8, blank=True)

    #: a return from the issuer has been claimed, or a charge is on its way
    claimed_at = models.DateTimeField(null=True)
    #: the charge left, or may have left, at this moment
    charging_since = models.DateTimeField(null=True)
    #: Nexi itself said PENDING to the charge: silence is no evidence then
    pending_at_nexi = models.BooleanField(default=False)
    looks = models.PositiveIntegerField(default=0)
    good_looks = models.PositiveIntegerField(default=0)
    expires_at = models.DateTimeField()
    watch_until = models.DateTimeField(null=True)
    #: look again at this moment; NULL = nothing left to find out
    due_at = models.DateTimeField(null=True)
    #: since when something about the money is not known; NULL = all is known
    unsettled_since = models.DateTimeField(null=True)
    #: the last confirmed refund; NULL = none
    refunded_at = models.DateTimeField(null=True)
    #: after this moment the customer's link takes no card; NULL = no such end
    pay_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(_("created"))

    class Meta:
        verbose_name = _("payment")
        verbose_name_plural = _("payments")
        ordering = ("-created_at", "-id")
        permissions = [
            ("take_moto", _("Can charge cards by phone (MOTO)")),
            ("capture_payment", _("Can capture authorized payments")),
            ("void_payment", _("Can void authorized payments")),
            ("refund_payment", _("Can refund payments")),
            ("reconcile_payment", _("Can ask Nexi about payments")),
            ("resolve_review", _("Can resolve payments under review")),
            ("cancel_capture", _("Can cancel captures")),
            ("charge_contract", _("Can charge cards on file")),
            ("end_contract", _("Can end cards on file")),
            ("verify_card", _("Can verify cards for nothing")),
        ]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="nexi_newest"),
            *(
                models.Index(
                    fields=[column, "-created_at", "-id"], name=f"nexi_{name}_newest"
                )
                for column, name in (
                    ("state", "state"),
                    ("channel", "channel"),
                    ("terminal", "terminal"),
                    ("currency", "currency"),
                    ("card_last4", "last4"),
                    ("customer_email", "email"),
                )
            ),
            *(
                models.Index(
                    fields=[*first, "-created_at", "-id"], name=name, condition=which
                )
                for first, name, which in (
                    ((), "nexi_refunded_newest", Q(refunded_at__isnull=False)),
                    ((), "nexi_unsettled_newest", Q(unsettled_since__isnull=False)),
                    (("state",), "nexi_desk_state_newest", _OF_DESK),
                )
            ),
            models.Index(
                fields=["unsettled_since"],
                name="nexi_unsettled",
                condition=Q(unsettled_since__isnull=False),
            ),
            models.Index(
                fields=["due_at"], name="nexi_due", condition=Q(due_at__isnull=False)
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=states.STATES), name="nexi_known_state"
            ),
            models.CheckConstraint(
                condition=Q(amount__gt=0, amount__lte=money.MAX_MINOR),
                name="nexi_amount_in_range",
            ),
            models.CheckConstraint(
                condition=Q(captured_amount__gte=0)
                & Q(captured_amount__lte=models.F("amount"))
                & Q(refunded_amount__gte=0)
                & Q(refunded_amount__lte=models.F("captured_amount")),
                name="nexi_refunded_captured_amount",
            ),
            models.CheckConstraint(
                condition=Q(capturing_amount__gte=0)
                & Q(
                    capturing_amount__lte=models.F("amount")
                    - models.F("captured_amount")
                )
                & Q(refunding_amount__gte=0)
                & Q(
                    refunding_amount__lte=models.F("captured_amount")
                    - models.F("refunded_amount")
                ),
                name="nexi_reserved_amount",
            ),
            models.CheckConstraint(
                condition=Q(state=states.REVIEW)
                | Q(state__in=sorted(states.LIVE), live_reference__isnull=False)
                | Q(
                    state__in=(states.FAILED, states.VOIDED, states.REFUNDED),
                    live_reference__isnull=True,
                ),
                name="nexi_live_holds_reference",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.order_id} {self.total} {self.currency} {self.state}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Inserts. An update names its fields, and never the ones the ledger owns."""
        if not self._state.adding:
            fields = set(kwargs.get("update_fields") or ())
            if not fields or fields & {"state", "live_reference", "amount", "currency"}:
                raise TypeError("states and amounts are changed by nexi_payments.flows")
        super().save(*args, **kwargs)

    def get_absolute_url(self) -> str:
        """The card page, so that ``redirect(payment)`` sends the shopper to pay."""
        return reverse("nexi_payments:pay", args=[self.public_id])

    @property
    def total(self) -> Decimal:
        """The amount in major units: 1250 → ``Decimal("12.50")``."""
        return money.to_major(self.amount, self.currency)

    @property
    def live_key(self) -> str:
        """What ``live_reference`` is while the order is live. ``retry_of`` always names
        the first attempt; its order id stands in for a missing reference."""
        if self.reference:
            return self.reference
        return self.order_id if self.retry_of is None else self.retry_of.order_id

    @property
    def is_final(self) -> bool:
        return self.state in states.FINAL

    @property
    def is_successful(self) -> bool:
        return self.state in states.SUCCESSFUL

    @property
    def link_is_over(self) -> bool:
        """Made for a link that has had its time."""
        return self.pay_until is not None and self.pay_until <= timezone.now()

    @property
    def left_to_capture(self) -> int:
        """Held and neither captured nor on its way there, in minor units."""
        return self.authorized_amount - self.captured_amount - self.capturing_amount

    @property
    def left_to_refund(self) -> int:
        """Captured and neither refunded nor on its way back, in minor units."""
        return self.captured_amount - self.refunded_amount - self.refunding_amount

    @property
    def is_claimed(self) -> bool:
        return self.claimed_at is not None

    @property
    def takes_card(self) -> bool:
        """Whether a card may be posted: to this row, or a new attempt made from it."""
        if self.link_is_over or self.channel == states.CHANNEL_MIT:
            return False
        if self.state == states.AWAITING_3DS:
            return not self.is_claimed
        return self.state in (states.INIT, states.FAILED)
