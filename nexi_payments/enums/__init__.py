"""States, transitions, outcomes, kinds and reasons. Constants only, no code that acts.

Each enumeration is stored as text: the value is what stands in the database, in the API
and in logs, the label is what staff read. ``TRANSITIONS`` lists every allowed change of
an order's state; the ledger builds its compare-and-swap from it.
"""

from nexi_payments.enums.approvals import (
    APPROVABLE,
    OPEN_APPROVALS,
    ApprovalFailure,
    ApprovalState,
)
from nexi_payments.enums.audit import (
    AccessKind,
    AuditSource,
)
from nexi_payments.enums.closing import (
    SIGN,
    Aspect,
    DifferenceKind,
    Movement,
)
from nexi_payments.enums.display import (
    STATUS_BY_REASON,
    DisplayStatus,
)
from nexi_payments.enums.events import (
    EventKind,
)
from nexi_payments.enums.operations import (
    CHARGING,
    IDEMPOTENT,
    NEGATIVE_OUTCOMES,
    POST_CHARGE,
    QUEUEABLE,
    QUEUED,
    REFUNDING,
    RESERVING,
    UNSETTLED,
    OperationKind,
    OperationOutcome,
    QueuedRefundState,
    RefundFailure,
    VerificationOutcome,
)
from nexi_payments.enums.options import (
    CONTRACT_CHANNELS,
    SINGLE_CALL,
    STAFF_CHANNELS,
    CaptureMode,
    CardEntry,
    Channel,
    ContractKind,
    ContractState,
    Duplicates,
    Flow,
    PaymentLinks,
)
from nexi_payments.enums.reasons import (
    CARD_WAS_TRIED,
    DECLINES,
    DiscrepancyKind,
    Reason,
    RefundReason,
)
from nexi_payments.enums.states import (
    ABANDONABLE,
    FINAL,
    LIVE,
    RETURNED,
    SUCCESSFUL,
    TRANSITIONS,
    UNDER_WAY,
    WITH_RECEIPT,
    OrderState,
    sources,
)

__all__ = [
    "ABANDONABLE",
    "APPROVABLE",
    "CARD_WAS_TRIED",
    "CHARGING",
    "CONTRACT_CHANNELS",
    "DECLINES",
    "FINAL",
    "IDEMPOTENT",
    "LIVE",
    "NEGATIVE_OUTCOMES",
    "OPEN_APPROVALS",
    "POST_CHARGE",
    "QUEUEABLE",
    "QUEUED",
    "REFUNDING",
    "RESERVING",
    "RETURNED",
    "SIGN",
    "SINGLE_CALL",
    "STAFF_CHANNELS",
    "STATUS_BY_REASON",
    "SUCCESSFUL",
    "TRANSITIONS",
    "UNDER_WAY",
    "UNSETTLED",
    "WITH_RECEIPT",
    "AccessKind",
    "ApprovalFailure",
    "ApprovalState",
    "Aspect",
    "AuditSource",
    "CaptureMode",
    "CardEntry",
    "Channel",
    "ContractKind",
    "ContractState",
    "DifferenceKind",
    "DiscrepancyKind",
    "DisplayStatus",
    "Duplicates",
    "EventKind",
    "Flow",
    "Movement",
    "OperationKind",
    "OperationOutcome",
    "OrderState",
    "PaymentLinks",
    "QueuedRefundState",
    "Reason",
    "RefundFailure",
    "RefundReason",
    "VerificationOutcome",
    "sources",
]
