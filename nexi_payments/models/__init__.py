"""What is on disk. In-memory rules only: no network, no card, no state change.

Rows are written by ``flows`` alone; a state is changed by ``flows.moves`` alone.
"""

from nexi_payments.models.doors import Desk, Till, WorkList
from nexi_payments.models.order import PaymentOrder
from nexi_payments.models.records import (
    Break,
    Event,
    Hold,
    Operation,
    Sweep,
    TerminalAlarm,
)

__all__ = [
    "Break",
    "Desk",
    "Event",
    "Hold",
    "Operation",
    "PaymentOrder",
    "Sweep",
    "TerminalAlarm",
    "Till",
    "WorkList",
]
