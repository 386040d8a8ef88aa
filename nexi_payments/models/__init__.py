"""Models. In-memory rules only: no network, no clear card, no state change.

Only ``flows`` and what it calls write rows, but for ``api.idempotency`` (its own
records), ``admin.list_settings``, ``retention``, ``audit`` and ``emails`` (what was
sent). Only ``flows.ledger.transitions`` changes a state. Exported is what hosts may
read; ``audit``, ``bookkeeping``, ``hosted_page``, ``list_settings`` and ``sealed_card``
are ours.
"""

from nexi_payments.models import (  # noqa: F401  registers them
    audit,
    bookkeeping,
    hosted_page,
    list_settings,
    sealed_card,
)
from nexi_payments.models.approval import Approval
from nexi_payments.models.card_verification import CardVerification
from nexi_payments.models.contract import Contract
from nexi_payments.models.created_order import CreatedOrder
from nexi_payments.models.customer_info import CustomerDetails
from nexi_payments.models.day_closing import ClosingDifference, DayClosing
from nexi_payments.models.discrepancy import Discrepancy
from nexi_payments.models.event import Event
from nexi_payments.models.operation import Operation
from nexi_payments.models.order import PaymentOrder
from nexi_payments.models.proxies import DailyReport, PhoneOrder, ReviewQueue
from nexi_payments.models.queued_refund import QueuedRefund

__all__ = [
    "Approval",
    "CardVerification",
    "ClosingDifference",
    "Contract",
    "CreatedOrder",
    "CustomerDetails",
    "DailyReport",
    "DayClosing",
    "Discrepancy",
    "Event",
    "Operation",
    "PaymentOrder",
    "PhoneOrder",
    "QueuedRefund",
    "ReviewQueue",
]
