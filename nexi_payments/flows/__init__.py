"""The public functions for shops. Most take or return a ``PaymentOrder``.

Functions that call the gateway commit before and after the call. Inside a transaction
they raise ``RuntimeError``. ``create_order``, ``create_moto_order``, ``offer_link``,
``cancel``, ``enqueue_refund``, ``withdraw_refund`` and ``add_note`` may join the shop's
own transaction: they call no gateway inside one. ``available`` reads only.
"""

from nexi_payments.flows.approval_requests import refuse_approval
from nexi_payments.flows.approvals import approve
from nexi_payments.flows.availability import Available, available
from nexi_payments.flows.capture_cancel import cancel_capture
from nexi_payments.flows.capture_refund import capture, refund, void
from nexi_payments.flows.card_verification import verify_card
from nexi_payments.flows.closing.close import close_day, compare_day
from nexi_payments.flows.closing.day_comparison import DayComparison
from nexi_payments.flows.closing.follow_up import follow_up_difference
from nexi_payments.flows.confirmed_captures import ConfirmedCapture
from nexi_payments.flows.contract_charges import charge_contract
from nexi_payments.flows.contracts import (
    contracts_at_nexi,
    end_contract,
    resume_contract,
)
from nexi_payments.flows.hosted.nexi_links import (
    cancel_nexi_link,
    create_nexi_link,
    fetch_nexi_link,
    renew_nexi_link,
)
from nexi_payments.flows.hosted.offers import accepts_own_card_page
from nexi_payments.flows.hosted.offers import offered_methods as payment_methods
from nexi_payments.flows.hosted.start import start_hosted_payment
from nexi_payments.flows.hosted.ways_back import (
    look as look_at_hosted_page,
)
from nexi_payments.flows.hosted.ways_back import (
    receive_notification,
    return_from_hosted_page,
)
from nexi_payments.flows.inquiry.waiting import look_while_waiting
from nexi_payments.flows.ledger.transitions import Actor
from nexi_payments.flows.manual_review import resolve
from nexi_payments.flows.moto import create_moto_order, pay_moto
from nexi_payments.flows.operation_review import accept_totals, resolve_operation
from nexi_payments.flows.orders.contract_terms import ContractTerms
from nexi_payments.flows.orders.create import create_order
from nexi_payments.flows.orders.customer_from_django import describe_customer
from nexi_payments.flows.payment_cancel import cancel
from nexi_payments.flows.payment_link import offer_link
from nexi_payments.flows.reconcile import Counts, reconcile
from nexi_payments.flows.recurring import RecurringCounts, charge_due
from nexi_payments.flows.refund_queue import enqueue_refund, withdraw_refund
from nexi_payments.flows.shop_orders import ShopOrder
from nexi_payments.flows.staff_notes import add_note
from nexi_payments.flows.steps import RedirectForm, Step
from nexi_payments.flows.three_ds import start_payment
from nexi_payments.flows.three_ds_return import resume_payment

__all__ = [
    "Actor",
    "Available",
    "ConfirmedCapture",
    "ContractTerms",
    "Counts",
    "DayComparison",
    "RecurringCounts",
    "RedirectForm",
    "ShopOrder",
    "Step",
    "accept_totals",
    "accepts_own_card_page",
    "add_note",
    "approve",
    "available",
    "cancel",
    "cancel_capture",
    "cancel_nexi_link",
    "capture",
    "charge_contract",
    "charge_due",
    "close_day",
    "compare_day",
    "contracts_at_nexi",
    "create_moto_order",
    "create_nexi_link",
    "create_order",
    "describe_customer",
    "end_contract",
    "enqueue_refund",
    "fetch_nexi_link",
    "follow_up_difference",
    "look_at_hosted_page",
    "look_while_waiting",
    "offer_link",
    "pay_moto",
    "payment_methods",
    "receive_notification",
    "reconcile",
    "refund",
    "refuse_approval",
    "renew_nexi_link",
    "resolve",
    "resolve_operation",
    "resume_contract",
    "resume_payment",
    "return_from_hosted_page",
    "start_hosted_payment",
    "start_payment",
    "verify_card",
    "void",
    "withdraw_refund",
]
