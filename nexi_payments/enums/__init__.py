"""States, transitions, outcomes, kinds and reasons. Constants only, no code that acts.

Each enumeration is stored as text: the value is what stands in the database, in the API
and in logs, the label is what staff read. ``TRANSITIONS`` lists every allowed change of
an order's state; the ledger builds its compare-and-swap from it.
"""

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
    WITH_RECEIPT,
    OrderState,
    sources,
)

__all__ = [
    "ABANDONABLE",
    "CHARGING",
    "CONTRACT_CHANNELS",
    "FINAL",
    "IDEMPOTENT",
    "LIVE",
    "NEGATIVE_OUTCOMES",
    "POST_CHARGE",
    "QUEUEABLE",
    "REFUNDING",
    "RESERVING",
    "RETURNED",
    "SINGLE_CALL",
    "STAFF_CHANNELS",
    "STATUS_BY_REASON",
    "SUCCESSFUL",
    "TRANSITIONS",
    "UNSETTLED",
    "WITH_RECEIPT",
    "CaptureMode",
    "CardEntry",
    "Channel",
    "ContractKind",
    "ContractState",
    "DiscrepancyKind",
    "DisplayStatus",
    "Duplicates",
    "EventKind",
    "Flow",
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
