"""What is on disk. In-memory rules only: no network, no card, no state change.

Rows are written by ``flows`` alone; a state is changed by ``flows.moves`` alone.
"""

from nexi_payments.models.contract import CardCheck, Contract
from nexi_payments.models.customer import CustomerDetails
from nexi_payments.models.doors import Desk, Till, WorkList
from nexi_payments.models.order import PaymentOrder
from nexi_payments.models.records import (
    Break,
    Event,
    Hold,
    KeptAnswer,
    LastPass,
    Operation,
    Sweep,
    TerminalAlarm,
)

__all__ = [
    "Break",
    "CardCheck",
    "Contract",
    "CustomerDetails",
    "Desk",
    "Event",
    "Hold",
    "KeptAnswer",
    "LastPass",
    "Operation",
    "PaymentOrder",
    "Sweep",
    "TerminalAlarm",
    "Till",
    "WorkList",
]
