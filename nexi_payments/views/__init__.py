"""Shopper views. Each parses the request, calls one flow and renders the result."""

from nexi_payments.views.card_page import pay
from nexi_payments.views.csp_reports import csp_report
from nexi_payments.views.hosted_page import notify, return_from_hosted_page
from nexi_payments.views.payment import result, status
from nexi_payments.views.payment_link import follow_link
from nexi_payments.views.simulator import simulator
from nexi_payments.views.three_ds_return import return_from_issuer

__all__ = [
    "csp_report",
    "follow_link",
    "notify",
    "pay",
    "result",
    "return_from_hosted_page",
    "return_from_issuer",
    "simulator",
    "status",
]
