"""Operations: requests to the gateway that change something."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from nexi_payments.enums import OperationKind, OperationOutcome
from nexi_payments.models.audit import AUDIT_DUE, NO_STAFF, STAFF_NAME_LENGTH
from nexi_payments.models.deadlocks import RetryingModel
from nexi_payments.models.order import PaymentOrder


class Operation(RetryingModel):
    """One request to the gateway that changes something, committed before it is sent.

    ``unsettled_order_id`` is the order's key while the outcome is unknown. It is
    unique: an order has at most one such operation. ``amount`` is in minor units and
    NULL where the request moves no money.
    """

    order = models.ForeignKey(
        PaymentOrder, on_delete=models.PROTECT, related_name="operations"
    )
    kind = models.CharField(_("kind"), max_length=16, choices=OperationKind.choices)
    outcome = models.CharField(
        _("outcome"),
        max_length=16,
        choices=OperationOutcome.choices,
        default=OperationOutcome.OPEN,
    )
    unsettled_order_id = models.BigIntegerField(null=True, unique=True, editable=False)
    amount = models.BigIntegerField(_("amount, minor units"), null=True)
    correlation_id = models.CharField(max_length=36)
    #: the host's own id of the HTTP request, "" without one; with a database default,
    #: because the previous version inserts without it
    request_id = models.CharField(max_length=64, blank=True, default="", db_default="")
    #: of captures, voids, refunds, cancels and charges of contracts: the same in each
    #: send
    idempotency_key = models.CharField(max_length=63, blank=True)
    #: of a refund or void: a code of ``enums.RefundReason``, or words; "" = none given
    reason = models.CharField(
        _("reason"), max_length=300, blank=True, default="", db_default=""
    )
    #: Nexi's id of the operation that this one changes
    target_operation_id = models.CharField(max_length=64, blank=True)
    #: the capture that is refunded or cancelled, if there was an explicit one
    capture = models.ForeignKey(
        "self", null=True, on_delete=models.PROTECT, related_name="refunds"
    )
    #: one-time number of the confirmation page: makes a decision idempotent
    nonce = models.CharField(max_length=32, null=True, unique=True, editable=False)
    send_count = models.PositiveSmallIntegerField(default=1)
    #: when the last send began; NULL = found at Nexi: there is no send of ours
    sent_at = models.DateTimeField(null=True)
    #: when the last send ended; NULL = it may still be under way, or its process died
    send_ended_at = models.DateTimeField(null=True)
    #: consecutive status inquiries that speak against ``outcome``, and the last of them
    misses = models.PositiveSmallIntegerField(default=0)
    missed_at = models.DateTimeField(null=True)
    #: a capture that only Nexi's total shows
    by_totals = models.BooleanField(default=False)
    gateway_operation_id = models.CharField(max_length=64, blank=True, db_index=True)
    #: the same id, on the one operation whose money it is: in three steps,
    #: authentication, validation and charge share an id
    ledger_id = models.CharField(max_length=64, null=True, unique=True, editable=False)
    result = models.CharField(_("result at Nexi"), max_length=32, blank=True)
    response_code = models.CharField(_("response code"), max_length=8, blank=True)
    #: the issuer's approval code, and the retrieval reference number of the acquirer's
    #: network: a chargeback names them
    authorization_code = models.CharField(
        _("authorization code"), max_length=16, blank=True
    )
    rrn = models.CharField(_("retrieval reference number"), max_length=32, blank=True)
    error = models.CharField(_("error"), max_length=100, blank=True)
    http_status = models.PositiveSmallIntegerField(null=True)
    cid = models.CharField(_("trace id of Nexi"), max_length=64, blank=True)
    #: codes of Nexi's warnings, separated by spaces; they do not affect the payment
    warnings = models.CharField(
        _("warnings of Nexi"), max_length=200, blank=True, default="", db_default=""
    )
    #: the communication log: calls to Nexi for this operation, scrubbed, as JSON
    #: (``gateway.communication``); ``nexi_purge`` empties it
    calls = models.TextField(blank=True, default="", editable=False)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    #: of staff: the name as it was; survives the user
    actor_name = models.CharField(max_length=STAFF_NAME_LENGTH, blank=True)
    address = models.GenericIPAddressField(null=True)
    created_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)
    audit_due = models.BooleanField(null=True, editable=False)

    class Meta:
        verbose_name = _("operation")
        verbose_name_plural = _("operations")
        ordering = ("id",)
        indexes = [
            models.Index(fields=["settled_at"], name="nexi_settled"),
            models.Index(
                fields=["audit_due"],
                name="nexi_operation_audit_due",
                condition=AUDIT_DUE,
            ),
            models.Index(
                fields=["created_at"], name="nexi_staff_operations", condition=~NO_STAFF
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    kind__in=OperationKind.values, outcome__in=OperationOutcome.values
                ),
                name="nexi_known_operation",
            ),
            models.CheckConstraint(
                condition=Q(
                    outcome=OperationOutcome.OPEN, unsettled_order_id__isnull=False
                )
                | Q(outcome=OperationOutcome.IN_DOUBT)
                | Q(
                    outcome__in=(
                        OperationOutcome.ACCEPTED,
                        OperationOutcome.DONE,
                        OperationOutcome.DECLINED,
                        OperationOutcome.REJECTED,
                        OperationOutcome.NOT_SENT,
                    ),
                    unsettled_order_id__isnull=True,
                ),
                name="nexi_unsettled_operation",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.outcome} {self.correlation_id}"

    @property
    def is_adopted(self) -> bool:
        """Made at Nexi, not by us."""
        return self.sent_at is None
