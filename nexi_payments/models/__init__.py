"""What is on disk. In-memory rules only: no network, no card, no state change.

Rows are written by ``flows`` alone; a state is changed by ``flows.ledger`` alone.
"""

from nexi_payments.models.order import PaymentOrder
from nexi_payments.models.records import Break, Event, Hold, Operation, TerminalAlarm

__all__ = ["Break", "Event", "Hold", "Operation", "PaymentOrder", "TerminalAlarm"]
