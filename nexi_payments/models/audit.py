"""The audit trail of staff, and what waits to enter it."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from nexi_payments.models.deadlocks import RetryingModel

#: Of the column ``audit_due``: True = the reconciler has to put this row into the audit
#: trail; NULL = it is there, or nobody of staff wrote it.
AUDIT_DUE = Q(audit_due=True)
#: Of the columns ``actor_name``: not written by staff, or erased.
NO_STAFF = Q(actor_name="")
#: ``AbstractUser`` has 150 characters; hosts whose names are email addresses, 254.
STAFF_NAME_LENGTH = 254


class StaffAccess(RetryingModel):
    """What staff did that changed no payment, until it is in the audit trail.

    An inbox: the reconciler moves its rows into ``AuditEntry`` within a minute.
    """

    #: one of ``AccessKind``
    kind = models.CharField(max_length=32)
    #: the name of the page's URL, of the API's view or of the command
    page = models.CharField(max_length=100, blank=True)
    #: id of the payment, contract or verification
    about = models.CharField(max_length=64, blank=True)
    #: no personal data: numbers, names of files
    detail = models.CharField(max_length=300, blank=True)
    #: what a person typed: the filters of an export
    note = models.CharField(max_length=300, blank=True)
    actor_name = models.CharField(max_length=STAFF_NAME_LENGTH, blank=True)
    actor_key = models.CharField(max_length=64, blank=True)
    address = models.GenericIPAddressField(null=True)
    request_id = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        verbose_name = _("access by staff")
        verbose_name_plural = _("accesses by staff")
        ordering = ("id",)

    def __str__(self) -> str:
        return f"{self.kind} {self.page} {self.about}"


class AuditEntry(RetryingModel):
    """One entry of the audit trail. Written once, by the reconciler; never deleted.

    ``hash`` is the SHA-256 of the entry and of the hash before it. ``personal`` is JSON
    and enters it as ``personal_digest`` only, salted: erasing ``personal`` and ``salt``
    after ``AUDIT_RETENTION`` leaves the chain as it is (``audit.chain``).
    """

    #: without gaps, from 1
    number = models.BigIntegerField(primary_key=True)
    #: where it comes from: one of ``AuditSource``, and the row's key
    source = models.CharField(max_length=16)
    source_id = models.BigIntegerField()
    kind = models.CharField(max_length=32)
    at = models.DateTimeField(db_index=True)
    #: id of the payment, contract or verification; "" = none
    about = models.CharField(max_length=64, blank=True, db_index=True)
    #: JSON without personal data
    facts = models.TextField()
    #: JSON: name and key of the user, IP address, what was typed. "" = erased
    personal = models.TextField(blank=True)
    salt = models.CharField(max_length=32, blank=True)
    personal_digest = models.CharField(max_length=64)
    previous = models.CharField(max_length=64, blank=True)
    hash = models.CharField(max_length=64)

    class Meta:
        default_permissions = ()
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit entries")
        ordering = ("number",)
        constraints = [
            models.UniqueConstraint(
                fields=["source", "source_id"], name="nexi_audited_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.kind} {self.about}"
