"""Payments: one row per attempt."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from django.conf import settings
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from nexi_payments import enums, money, page_paths
from nexi_payments.enums import Channel, DisplayStatus, OrderState, Reason
from nexi_payments.models import display_status
from nexi_payments.models.audit import STAFF_NAME_LENGTH
from nexi_payments.models.deadlocks import RetryingModel, RetryingQuerySet

#: Most shops have few of these: their second filter has an index of its own.
_STAFF_CHANNEL = Q(channel__in=sorted(enums.STAFF_CHANNELS))


#: Failed, and it says nothing about money: another attempt replaced it, or its time was
#: over before Nexi heard of it. Lists hide these; robots make many of them in a row.
WITHOUT_STORY: Final = Q(state=OrderState.FAILED, unsettled_since__isnull=True) & (
    Q(reason=Reason.SUPERSEDED) | Q(reason=Reason.EXPIRED, gateway_operation_id="")
)

#: Only the ledger changes them. ``terminal`` is written before the first request and
#: never changes: each later request about the order uses its key.
_LEDGER_COLUMNS: Final = frozenset(
    {"state", "live_reference", "amount", "currency", "terminal", "version"}
)


class PaymentOrderQuerySet(RetryingQuerySet["PaymentOrder"]):
    """``PaymentOrder.objects``."""

    def for_object(self, paid_for: models.Model) -> PaymentOrderQuerySet:
        """Return the payments that were created with this ``content_object``: failed,
        superseded and open ones, too."""
        # the cache of content types is of our database; a key is stored as text
        kind = ContentType.objects.db_manager(self.db).get_for_model(paid_for)
        return self.filter(content_type=kind, object_id=str(paid_for.pk))


class PaymentOrder(RetryingModel):
    """One attempt to charge one amount: one order at the gateway.

    Several attempts at one purchase share ``reference``. Amounts are integers in minor
    units of ``currency``; ``total`` is the ``Decimal``. ``live_reference`` is the
    reference (or, without one, the first attempt's order id) while the order is live.
    It is unique, so a purchase is charged once.
    """

    #: secret: it is in the URLs of the payment's pages and nowhere else
    public_id = models.CharField(max_length=32, unique=True, editable=False)
    #: not secret: the API's id, ``?payment=``, and the id in logs
    order_id = models.CharField(_("order id at Nexi"), max_length=18, unique=True)
    state = models.CharField(
        _("state"), max_length=24, choices=OrderState.choices, default=OrderState.INIT
    )
    reason = models.CharField(_("reason"), max_length=32, blank=True)
    channel = models.CharField(
        _("channel"),
        max_length=8,
        choices=Channel.choices,
        default=Channel.SHOP,
    )
    terminal = models.CharField(_("terminal"), max_length=64)
    flow = models.CharField(_("flow"), max_length=8)
    #: a code of ``payment_methods`` for an attempt on Nexi's hosted page; "" = a card
    #: on our own page or at the desk
    method = models.CharField(_("payment method"), max_length=32, blank=True)
    capture = models.CharField(_("capture"), max_length=16)

    amount = models.BigIntegerField(_("amount, minor units"))
    currency = models.CharField(_("currency"), max_length=3)
    authorized_amount = models.BigIntegerField(default=0)
    captured_amount = models.BigIntegerField(default=0)
    refunded_amount = models.BigIntegerField(default=0)
    #: reserved by operations that are not settled yet
    capturing_amount = models.BigIntegerField(default=0)
    refunding_amount = models.BigIntegerField(default=0)
    #: of queued refunds and voids (``QueuedRefund``) that are not sent yet
    queued_amount = models.BigIntegerField(default=0)

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
    #: what ``customer_email`` is searched by; the database makes it
    email_key = models.GeneratedField(
        expression=Lower("customer_email"),
        output_field=models.CharField(max_length=254),
        db_persist=True,
    )
    cardholder_name = models.CharField(_("cardholder"), max_length=255, blank=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    #: the member of staff who created this phone order
    clerk = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("clerk"),
    )
    #: the clerk's name as it was; survives the user
    clerk_name = models.CharField(max_length=STAFF_NAME_LENGTH, blank=True)
    #: one-time number of a form or request: sent twice, it creates one order
    request_nonce = models.CharField(
        max_length=32, null=True, unique=True, editable=False
    )
    content_type = models.ForeignKey(
        "contenttypes.ContentType",
        null=True,
        on_delete=models.SET_NULL,
        db_index=False,  # it is the first column of nexi_object_newest
    )
    object_id = models.CharField(max_length=255, blank=True)  # any key, as text
    content_object = GenericForeignKey("content_type", "object_id")
    success_url = models.CharField(max_length=500, blank=True)
    failure_url = models.CharField(max_length=500, blank=True)

    #: the saved card that this payment creates or, channel "mit", charges
    contract = models.ForeignKey(
        "nexi_payments.Contract",
        null=True,
        on_delete=models.PROTECT,
        related_name="payments",
    )
    #: the 3-D Secure preference, "" for none
    exemption = models.CharField(max_length=20, blank=True, default="", db_default="")
    gateway_operation_id = models.CharField(max_length=64, blank=True, db_index=True)
    #: SHA-256 of the token in the URL to which the shopper comes back; the token itself
    #: is never stored
    token_hash = models.CharField(max_length=64, blank=True, editable=False)
    card_brand = models.CharField(_("brand"), max_length=16, blank=True)
    card_bin = models.CharField(max_length=6, blank=True)
    card_last4 = models.CharField(_("last four digits"), max_length=4, blank=True)
    card_expiry = models.CharField(max_length=4, blank=True)
    eci = models.CharField(max_length=2, blank=True)
    response_code = models.CharField(_("response code"), max_length=8, blank=True)

    #: a return from the issuer was claimed, or a charge
    claimed_at = models.DateTimeField(null=True)
    #: when the charge was sent, or may have been sent
    charging_since = models.DateTimeField(null=True)
    #: Nexi said PENDING about the charge: inquiries without a charge prove nothing then
    gateway_pending = models.BooleanField(default=False)
    poll_count = models.PositiveIntegerField(default=0)
    #: raised by each claim, settlement and reading that changes something: a reading of
    #: an older version is discarded
    version = models.PositiveIntegerField(default=0)
    #: raised by each notification and each return from the hosted page: an inquiry that
    #: was sent before leaves the order due
    triggers = models.PositiveIntegerField(default=0)
    #: ids of operations that Nexi has shown of this order, one a line
    shown_ids = models.TextField(blank=True, default="", editable=False)
    #: Nexi's total that differs from our sum, that sum, and since when
    disputed_total = models.BigIntegerField(null=True, editable=False)
    disputed_sum = models.BigIntegerField(null=True, editable=False)
    disputed_since = models.DateTimeField(null=True, editable=False)
    #: voided or lapsed: it may not be captured any more
    released_amount = models.BigIntegerField(default=0, editable=False)
    expires_at = models.DateTimeField()
    watch_until = models.DateTimeField(null=True)
    #: when to inquire next; NULL = never
    next_poll_at = models.DateTimeField(null=True)
    #: when a page that waits for the outcome last made us ask Nexi
    looked_at = models.DateTimeField(null=True, editable=False)
    #: since when an amount is in doubt; NULL = all amounts are known
    unsettled_since = models.DateTimeField(null=True)
    #: the last confirmed refund; NULL = none
    refunded_at = models.DateTimeField(null=True)
    #: when the shop cancelled it; NULL = not cancelled. No card is accepted then, and a
    #: late charge is a duplicate
    cancelled_at = models.DateTimeField(null=True)
    #: the velocity limits count by these three, written with the claim of the first
    #: request: when it was sent, from which network (IPv6: /64) and by which clerk. No
    #: time: nothing was sent, or it does not count any more, because it went well
    attempted_at = models.DateTimeField(null=True, editable=False)
    attempt_network = models.CharField(max_length=43, blank=True, editable=False)
    attempt_clerk = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        editable=False,
        db_index=False,  # it is the first column of nexi_attempt_clerk
    )
    #: when the payment link expires; NULL = no link
    pay_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(_("created"))

    objects = PaymentOrderQuerySet.as_manager()  # type: ignore[misc]

    class Meta:
        verbose_name = _("payment")
        verbose_name_plural = _("payments")
        ordering = ("-created_at", "-id")
        permissions = [
            ("take_moto", _("Can charge phone orders (MOTO)")),
            ("capture_payment", _("Can capture authorized payments")),
            ("void_payment", _("Can void authorized payments, and cancel unpaid ones")),
            ("refund_payment", _("Can refund payments")),
            ("reconcile_payment", _("Can ask Nexi about payments")),
            ("resolve_review", _("Can resolve payments under review")),
            ("cancel_capture", _("Can cancel captures")),
            ("view_communication_log", _("Can see the communication with Nexi")),
            ("charge_contract", _("Can charge cards on file")),
            ("end_contract", _("Can end cards on file")),
            ("verify_card", _("Can run zero-amount card verifications")),
            (
                "approve_payment",
                _("Can approve refunds and phone orders above the ceiling"),
            ),
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
                    ("method", "method"),
                    ("card_last4", "last4"),
                    ("email_key", "email"),
                )
            ),
            *(
                models.Index(
                    fields=[*first, "-created_at", "-id"], name=name, condition=which
                )
                for first, name, which in (
                    ((), "nexi_listed_newest", ~WITHOUT_STORY),
                    ((), "nexi_refunded_newest", Q(refunded_at__isnull=False)),
                    ((), "nexi_unsettled_newest", Q(unsettled_since__isnull=False)),
                    (("state",), "nexi_staff_state_newest", _STAFF_CHANNEL),
                )
            ),
            models.Index(
                fields=["content_type", "object_id", "-created_at", "-id"],
                name="nexi_object_newest",
            ),
            *(
                models.Index(fields=[column, "attempted_at"], name=f"nexi_{name}")
                for column, name in (
                    ("attempt_network", "attempt_network"),
                    ("attempt_clerk", "attempt_clerk"),
                    ("reason", "attempt_reason"),
                )
            ),
            models.Index(
                fields=["unsettled_since"],
                name="nexi_unsettled",
                condition=Q(unsettled_since__isnull=False),
            ),
            models.Index(
                fields=["next_poll_at"],
                name="nexi_next_poll",
                condition=Q(next_poll_at__isnull=False),
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=OrderState.values), name="nexi_known_state"
            ),
            models.CheckConstraint(
                condition=Q(amount__gt=0, amount__lte=money.MAX_MINOR),
                name="nexi_amount_in_range",
            ),
            models.CheckConstraint(
                # no upper bounds: what Nexi shows must be stored, whatever it is
                condition=Q(
                    authorized_amount__gte=0,
                    released_amount__gte=0,
                    captured_amount__gte=0,
                    refunded_amount__gte=0,
                    capturing_amount__gte=0,
                    refunding_amount__gte=0,
                    queued_amount__gte=0,
                ),
                name="nexi_amounts_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(state=OrderState.REVIEW)
                | Q(state__in=sorted(enums.LIVE), live_reference__isnull=False)
                | Q(
                    state__in=(
                        OrderState.FAILED,
                        OrderState.VOIDED,
                        OrderState.REFUNDED,
                    ),
                    live_reference__isnull=True,
                ),
                name="nexi_live_reference",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.order_id} {self.total} {self.currency} {self.display_status}"

    def __getstate__(self) -> dict[str, Any]:
        """Drops ``get_absolute_url``: a copy is not what ``create_order`` returned."""
        state: dict[str, Any] = super().__getstate__()
        state.pop("get_absolute_url", None)
        return state

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Inserts, or updates the named fields. Raises ``TypeError`` for an update of a
        column that only the ledger may change.
        """
        if not self._state.adding:
            fields = set(kwargs.get("update_fields") or ())
            if not fields or fields & _LEDGER_COLUMNS:
                raise TypeError("only nexi_payments.flows changes states and amounts")
        super().save(*args, **kwargs)

    @classmethod
    def find_by_order_id(cls, order_id: str) -> PaymentOrder | None:
        """The payment with this id, or ``None``. Case-sensitive on every database."""
        if not (order_id.isascii() and order_id.isprintable()):  # a NUL, for example
            return None
        rows = cls._default_manager.filter(order_id=order_id)
        return next((one for one in rows if one.order_id == order_id), None)

    def page_url(self) -> str:
        """The path of the card page, a secret: see ``models.created_order``."""
        return page_paths.page_path("pay", self.public_id)

    @property
    def total(self) -> Decimal:
        """The amount in major units: 1250 → ``Decimal("12.50")``."""
        return money.to_major(self.amount, self.currency)

    @property
    def captured_total(self) -> Decimal:
        """``captured_amount`` in major units; refunds do not lower it."""
        return money.to_major(self.captured_amount, self.currency)

    @property
    def refunded_total(self) -> Decimal:
        """``refunded_amount`` in major units: what Nexi has confirmed."""
        return money.to_major(self.refunded_amount, self.currency)

    @property
    def live_key(self) -> str:
        """The value of ``live_reference`` while the order is live.

        Without a reference it is the order id of the first attempt (``retry_of``).
        """
        if self.reference:
            return self.reference
        return self.order_id if self.retry_of is None else self.retry_of.order_id

    @property
    def veto_sentence(self) -> str:
        """What ``BEFORE_CHARGE`` said to the payer when it vetoed the charge; "" if it
        did not, or said nothing.
        """
        if self.reason != Reason.VETOED:
            return ""
        vetoes = self.events.filter(reason=Reason.VETOED).order_by("pk")
        return vetoes.values_list("note", flat=True).last() or ""

    @property
    def display_status(self) -> DisplayStatus:
        """The state for people: "partially_captured", "refund_pending" and others.

        ``display_status.label`` is its name in the present language. Reads no database.
        """
        return display_status.of_order(self)

    @property
    def is_final(self) -> bool:
        return self.state in enums.FINAL

    @property
    def is_successful(self) -> bool:
        return self.state in enums.SUCCESSFUL

    @property
    def link_expired(self) -> bool:
        """Whether the order is a payment link that has expired."""
        return self.pay_until is not None and self.pay_until <= timezone.now()

    @property
    def is_cancelled(self) -> bool:
        return self.cancelled_at is not None

    @property
    def is_claimed(self) -> bool:
        return self.claimed_at is not None

    @property
    def accepts_card(self) -> bool:
        """Whether a card may be posted, to this order or to a new attempt."""
        if self.link_expired or self.is_cancelled or self.channel == Channel.MIT:
            return False
        if self.state in enums.ABANDONABLE:
            return not self.is_claimed
        if self.reason == Reason.VETOED:
            return False  # the shop does not want this money: it makes a new order
        return self.state == OrderState.FAILED

    @property
    def is_hosted(self) -> bool:
        """Whether this attempt is on Nexi's hosted page."""
        return self.method != ""
