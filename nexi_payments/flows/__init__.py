"""The verbs: what a shop calls. Each takes or returns a ``PaymentOrder``.

Functions that call the gateway commit before and after the call, so calling them inside
a transaction is a loud ``RuntimeError``; ``create_order`` may join the shop's own.
"""

from nexi_payments.flows.agreements import CardOnFile
from nexi_payments.flows.cancelling import cancel_capture
from nexi_payments.flows.checkout import RedirectForm, Step, start_payment
from nexi_payments.flows.comeback import resume_payment
from nexi_payments.flows.contracts import (
    charge_contract,
    contracts_at_nexi,
    end_contract,
    resume_contract,
)
from nexi_payments.flows.describing import describe_customer
from nexi_payments.flows.due import Charged, charge_due
from nexi_payments.flows.moto import pay_moto
from nexi_payments.flows.moves import Actor
from nexi_payments.flows.orders import create_order
from nexi_payments.flows.postauth import capture, refund, void
from nexi_payments.flows.reconcile import Counts, reconcile
from nexi_payments.flows.resolution import resolve
from nexi_payments.flows.verifying import verify_card

__all__ = [
    "Actor",
    "CardOnFile",
    "Charged",
    "Counts",
    "RedirectForm",
    "Step",
    "cancel_capture",
    "capture",
    "charge_contract",
    "charge_due",
    "contracts_at_nexi",
    "create_order",
    "describe_customer",
    "end_contract",
    "pay_moto",
    "reconcile",
    "refund",
    "resolve",
    "resume_contract",
    "resume_payment",
    "start_payment",
    "verify_card",
    "void",
]
