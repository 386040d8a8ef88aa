"""Django admin for staff. Payments are read-only: never edited, never deleted."""

from nexi_payments.admin.approvals import ApprovalAdmin
from nexi_payments.admin.card_verifications import CardVerificationAdmin
from nexi_payments.admin.contracts import ContractAdmin
from nexi_payments.admin.day_closings import DayClosingAdmin
from nexi_payments.admin.index_links import (
    DailyReportLink,
    PhoneOrderLink,
    ReviewQueueLink,
)
from nexi_payments.admin.orders import PaymentOrderAdmin

__all__ = [
    "ApprovalAdmin",
    "CardVerificationAdmin",
    "ContractAdmin",
    "DailyReportLink",
    "DayClosingAdmin",
    "PaymentOrderAdmin",
    "PhoneOrderLink",
    "ReviewQueueLink",
]
