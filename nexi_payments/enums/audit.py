"""The audit trail of staff. Constants only: they stand in the trail, not on pages."""

from __future__ import annotations

from typing import Final


class AuditSource:
    """``AuditEntry.source``: the table in which staff's action was written."""

    EVENT: Final = "event"
    OPERATION: Final = "operation"
    VERIFICATION: Final = "verification"
    ACCESS: Final = "access"


class AccessKind:
    """``StaffAccess.kind``: what changed no payment."""

    #: a page that shows or takes card data
    VIEWED: Final = "viewed"
    #: a list was downloaded
    EXPORTED: Final = "exported"
    #: a permission was missing
    DENIED: Final = "denied"
    #: a phone order was opened
    OPENED: Final = "opened"
    #: a discrepancy was resolved
    RESOLVED: Final = "resolved"
    #: a day was closed
    CLOSED: Final = "closed"
    #: old payments were moved into a file
    ARCHIVED: Final = "archived"
    #: the audit trail itself was read
    AUDIT_READ: Final = "audit_read"
