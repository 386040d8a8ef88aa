"""Shopper views. Each parses the request, calls one flow and renders the result."""

from nexi_payments.views.payment import pay, result, status
from nexi_payments.views.payment_link import follow_link
from nexi_payments.views.simulator import simulator
from nexi_payments.views.three_ds_return import return_from_issuer

__all__ = [
    "follow_link",
    "pay",
    "result",
    "return_from_issuer",
    "simulator",
    "status",
]
