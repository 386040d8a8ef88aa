"""What happened to an order: operations, events, the sealed card, disagreements."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from nexi_payments import states
from nexi_payments.models.order import PaymentOrder

KIND_LABELS = [
    (states.AUTHENTICATION, _("3-D Secure start")),
    (states.VALIDATION, _("3-D Secure check")),
    (states.PAYMENT, _("payment")),
    (states.MOTO, _("phone payment")),
    (states.MIT, _("charge on file")),
    (states.CAPTURE, _("capture")),
    (states.VOID, _("void")),
    (states.REFUND, _("refund")),
    (states.CANCEL, _("cancelled capture")),
]
OUTCOME_LABELS = [
    (states.OPEN, _("on its way")),
    (states.ACCEPTED, _("sent, waiting for Nexi")),
    (states.DONE, _("done")),
    (states.DECLINED, _("refused")),
    (states.NOT_SENT, _("not sent")),
    (states.IN_DOUBT, _("in doubt")),
]


class Operation(models.Model):
    """One request to the gateway that changes something, on disk before it leaves.

    ``open_slot`` is the order's id while nobody knows how the operation ends, so that
    there is at most one such operation an order. ``amount`` is in minor units and NULL
    where the request moves no money.
    """

    order = models.ForeignKey(
        PaymentOrder, on_delete=models.PROTECT, related_name="operations"
    )
    kind = models.CharField(_("kind"), max_length=16, choices=KIND_LABELS)
    outcome = models.CharField(
        _("outcome"), max_length=16, choices=OUTCOME_LABELS, default=states.OPEN
    )
    open_slot = models.BigIntegerField(null=True, unique=True, editable=False)
    amount = models.BigIntegerField(_("amount, minor units"), null=True)
    correlation_id = models.CharField(max_length=36)
    #: the host's own id of the request that asked for this, "" where it names none;
    #: with a default in the database, as the version before inserts without it
    request_id = models.CharField(max_length=64, blank=True, default="", db_default="")
    #: captures, voids, refunds and charges of contracts: minted before the first send,
    #: the same in each
    idempotency_key = models.CharField(max_length=63, blank=True)
    #: Nexi's id of the operation that this one was asked of
    target = models.CharField(max_length=64, blank=True)
    #: the capture that is given back or cancelled, where there was an explicit one
    of = models.ForeignKey(
        "self", null=True, on_delete=models.PROTECT, related_name="refunds"
    )
    #: one-time number of the confirmation page
    nonce = models.CharField(max_length=32, null=True, unique=True, editable=False)
    sends = models.PositiveSmallIntegerField(default=1)
    gateway_operation_id = models.CharField(max_length=64, blank=True, db_index=True)
    result = models.CharField(_("result at Nexi"), max_length=32, blank=True)
    response_code = models.CharField(_("response code"), max_length=8, blank=True)
    error = models.CharField(_("error"), max_length=100, blank=True)
    http_status = models.PositiveSmallIntegerField(null=True)
    cid = models.CharField(_("trace id of Nexi"), max_length=64, blank=True)
    #: codes of Nexi's warnings, with spaces between; the payment is not affected
    warnings = models.CharField(
        _("warnings of Nexi"), max_length=200, blank=True, default="", db_default=""
    )
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    address = models.GenericIPAddressField(null=True)
    created_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("operation")
        verbose_name_plural = _("operations")
        ordering = ("id",)
        indexes = [
            models.Index(fields=["settled_at"], name="nexi_settled"),
            models.Index(fields=["address", "created_at"], name="nexi_by_address"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=states.KINDS, outcome__in=states.OUTCOMES),
                name="nexi_known_operation",
            ),
            models.CheckConstraint(
                condition=Q(outcome=states.OPEN, open_slot__isnull=False)
                | Q(outcome=states.IN_DOUBT)
                | Q(
                    outcome__in=(
                        states.ACCEPTED,
                        states.DONE,
                        states.DECLINED,
                        states.NOT_SENT,
                    ),
                    open_slot__isnull=True,
                ),
                name="nexi_open_slot",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.outcome} {self.correlation_id}"


class Event(models.Model):
    """One state change, written in its commit: history and outbox in one.

    Also, with ``from_state`` and ``to_state`` alike: a refund in part (``kind`` is
    "refunded"), a further capture ("captured"), a cancelled one ("cancelled"), and what
    staff did that changed no state (``DID``).

    ``deliver_at`` is when to send the signal (again); NULL once it was delivered, or
    where there is nobody to tell.
    """

    order = models.ForeignKey(
        PaymentOrder, on_delete=models.PROTECT, related_name="events"
    )
    operation = models.ForeignKey(
        Operation, null=True, on_delete=models.PROTECT, related_name="events"
    )
    kind = models.CharField(_("event"), max_length=16)
    from_state = models.CharField(_("from"), max_length=16)
    to_state = models.CharField(_("to"), max_length=16)
    reason = models.CharField(_("reason"), max_length=32, blank=True)
    #: what a person wrote, or whom a mail went to
    note = models.CharField(_("note"), max_length=300, blank=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    address = models.GenericIPAddressField(null=True)
    created_at = models.DateTimeField()
    deliver_at = models.DateTimeField(null=True)
    delivered_at = models.DateTimeField(null=True)
    #: taken by whoever mails the customer about it: at most one mail an event
    mailed_at = models.DateTimeField(null=True)
    attempts = models.PositiveIntegerField(default=0)

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        ordering = ("id",)
        indexes = [
            models.Index(
                fields=["deliver_at"],
                name="nexi_undelivered",
                condition=Q(deliver_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.from_state} → {self.to_state}"


class Hold(models.Model):
    """The sealed card between the challenge and the charge. See ``hold``.

    Neither this row with every secret of the server, nor the browser's token alone,
    opens it. The claim deletes it.
    """

    order = models.OneToOneField(
        PaymentOrder, on_delete=models.CASCADE, primary_key=True, related_name="hold"
    )
    pan_blob = models.BinaryField()
    cvv_blob = models.BinaryField(null=True)
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name = _("held card")
        verbose_name_plural = _("held cards")

    def __str__(self) -> str:
        return f"hold until {self.expires_at:%H:%M:%S}"


class Break(models.Model):
    """We and the gateway disagree. ``ours`` and ``theirs`` say how, in words."""

    order = models.ForeignKey(
        PaymentOrder, null=True, on_delete=models.PROTECT, related_name="breaks"
    )
    kind = models.CharField(max_length=32)
    ours = models.CharField(max_length=200, blank=True)
    theirs = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(db_index=True)
    resolved_at = models.DateTimeField(null=True)
    resolved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        verbose_name = _("disagreement")
        verbose_name_plural = _("disagreements")
        ordering = ("-id",)
        indexes = [
            models.Index(
                fields=["created_at"],
                name="nexi_open_breaks",
                condition=Q(resolved_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.ours} / {self.theirs}"


class TerminalAlarm(models.Model):
    """The gateway refused this terminal's key: no new charges until it accepts it."""

    terminal = models.CharField(max_length=64, unique=True)
    since = models.DateTimeField()
    status = models.PositiveSmallIntegerField(null=True)

    class Meta:
        verbose_name = _("terminal alarm")
        verbose_name_plural = _("terminal alarms")

    def __str__(self) -> str:
        return self.terminal


class Sweep(models.Model):
    """Up to when Nexi's list of orders was compared with ours, for each terminal."""

    terminal = models.CharField(max_length=64, unique=True)
    swept_at = models.DateTimeField()

    class Meta:
        verbose_name = _("sweep")
        verbose_name_plural = _("sweeps")

    def __str__(self) -> str:
        return self.terminal


class LastPass(models.Model):
    """When the reconciler last came to the end of a pass, and where it ran."""

    RECONCILE: Final = "reconcile"
    #: it should run every minute; later than this somebody should look
    LATE: Final = timedelta(minutes=10)

    name = models.CharField(max_length=32, unique=True)
    ended_at = models.DateTimeField()
    host = models.CharField(max_length=128, blank=True)

    class Meta:
        default_permissions = ()
        verbose_name = _("last pass")
        verbose_name_plural = _("last passes")

    def __str__(self) -> str:
        return self.name


class KeptAnswer(models.Model):
    """What was answered to one ``Idempotency-Key`` of one caller.

    ``fingerprint`` is of the request without its card fields. ``body`` is JSON, ""
    while the first request is under way, and for requests that carry a card: those are
    answered again from the order as it is.
    """

    caller = models.CharField(max_length=64)
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    body = models.TextField(blank=True)
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        default_permissions = ()
        verbose_name = _("kept answer")
        verbose_name_plural = _("kept answers")
        constraints = [
            models.UniqueConstraint(fields=["caller", "key"], name="nexi_one_answer"),
        ]

    def __str__(self) -> str:
        return f"{self.caller} {self.key}"
