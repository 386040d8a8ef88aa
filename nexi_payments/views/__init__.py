"""The pages of whoever pays. Parse, call one flow, answer."""

from nexi_payments.views.link import follow_link
from nexi_payments.views.payment import pay, result, return_from_issuer, status
from nexi_payments.views.simulated import simulator

__all__ = [
    "follow_link",
    "pay",
    "result",
    "return_from_issuer",
    "simulator",
    "status",
]
