"""The verbs: what a shop calls. Each takes or returns a ``PaymentOrder``.

Functions that call the gateway commit before and after the call, so calling them inside
a transaction is a loud ``RuntimeError``; ``create_order`` may join the shop's own.
"""

from nexi_payments.flows.checkout import RedirectForm, Step, start_payment
from nexi_payments.flows.comeback import resume_payment
from nexi_payments.flows.moto import pay_moto
from nexi_payments.flows.moves import Actor
from nexi_payments.flows.orders import create_order
from nexi_payments.flows.postauth import capture, refund, void
from nexi_payments.flows.reconcile import Counts, reconcile
from nexi_payments.flows.resolution import resolve

__all__ = [
    "Actor",
    "Counts",
    "RedirectForm",
    "Step",
    "capture",
    "create_order",
    "pay_moto",
    "reconcile",
    "refund",
    "resolve",
    "resume_payment",
    "start_payment",
    "void",
]
