"""What staff see and do. Payments are looked at here, never edited, never deleted."""

from nexi_payments.admin.checks import CardCheckAdmin
from nexi_payments.admin.contracts import ContractAdmin
from nexi_payments.admin.doors import DeskDoor, TillDoor, WorkListDoor
from nexi_payments.admin.orders import PaymentOrderAdmin

__all__ = [
    "CardCheckAdmin",
    "ContractAdmin",
    "DeskDoor",
    "PaymentOrderAdmin",
    "TillDoor",
    "WorkListDoor",
]
