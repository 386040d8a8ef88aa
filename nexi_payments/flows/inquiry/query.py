"""Status inquiries: ask Nexi about one order, and apply the result.

An inquiry without an answer changes nothing but the time of the next one.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from nexi_payments import conf, enums
from nexi_payments.enums import OrderState
from nexi_payments.exceptions import GatewayError, Rejected
from nexi_payments.flows.inquiry import (
    confirmations,
    consequences,
    evidence,
    issuer_references,
)
from nexi_payments.flows.inquiry.evidence import ChargeStatus
from nexi_payments.flows.ledger import poll_schedule, terminal_outages, transitions
from nexi_payments.gateway.client import Client
from nexi_payments.gateway.deadline import Deadline
from nexi_payments.gateway.responses import OrderResult
from nexi_payments.models import PaymentOrder

log = logging.getLogger("nexi_payments.inquiry")


_NO_CHARGE = ChargeStatus(evidence.NO_CHARGE)
_NO_RESPONSE = OrderResult()

#: Seconds after an unclear response at which a waiting request inquires.
INQUIRE_AFTER = (1.0, 3.0)
#: States in which captures, voids and refunds may be unsettled.
_POST_CHARGE_STATES = (OrderState.AUTHORIZED, OrderState.PAID, OrderState.REVIEW)


@dataclass(frozen=True)
class Inquiry:
    """One status inquiry: whether Nexi answered, and what. ``error`` is for the log."""

    answered: bool
    charge_status: ChargeStatus = _NO_CHARGE
    response: OrderResult = _NO_RESPONSE
    error: str = ""


def inquire_and_apply(
    order: PaymentOrder,
    client: Client,
    deadline: Deadline | None = None,
    *,
    scheduled: bool = False,
) -> Inquiry:
    """Sends one ``GET /orders/{orderId}`` and applies the result.

    Gateway errors are logged and returned, not raised. ``scheduled`` inquiries advance
    the poll schedule; those inside a request do not.
    """
    deadline = deadline or Deadline(conf.current().total_timeout)
    inquiry = inquire(order, client, deadline)
    order.refresh_from_db()
    now = timezone.now()
    values: dict[str, Any] = {"poll_count": order.poll_count + (1 if scheduled else 0)}
    unsettled = order.unsettled_since is not None and order.state in _POST_CHARGE_STATES
    if inquiry.answered and (
        unsettled or inquiry.charge_status.verdict == evidence.NO_CHARGE
    ):
        values["answered_polls"] = order.answered_polls + 1
    pending = inquiry.answered and inquiry.charge_status.verdict == evidence.PENDING
    if pending and _pending_is_stable(order, now):
        values["gateway_pending"] = True
    state = poll_schedule.PollState.of(order, **values)
    if order.next_poll_at is not None:
        values["next_poll_at"] = poll_schedule.next_poll(
            state, now, answered=inquiry.answered
        )
    PaymentOrder.objects.filter(pk=order.pk, state=order.state).update(**values)
    transitions.assign(order, values)
    if not inquiry.answered:
        _log_unanswered(order, inquiry, now)
        return inquiry
    if order.state in _POST_CHARGE_STATES and order.operations.exists():
        confirmations.settle_post_charge(order, inquiry.response, client, deadline)
    before = order.state
    consequences.apply(order, inquiry.charge_status, now)
    if order.state != before and _needs_second_reading(order, inquiry.response):
        confirmations.settle_post_charge(order, inquiry.response, client, deadline)
    issuer_references.store(order, inquiry.response.operations)
    return inquiry


def postpone(order: PaymentOrder) -> None:
    """Advances the poll schedule of an order that cannot be inquired about."""
    values: dict[str, Any] = {"poll_count": order.poll_count + 1}
    state = poll_schedule.PollState.of(order, **values)
    values["next_poll_at"] = poll_schedule.next_poll(
        state, timezone.now(), answered=False
    )
    PaymentOrder.objects.filter(pk=order.pk, state=order.state).update(**values)


def _needs_second_reading(order: PaymentOrder, response: OrderResult) -> bool:
    """Whether the list shows operations after a charge that was found only now.

    Not while an operation of ours is unsettled: reading one list twice is no second
    proof that it is absent.
    """
    idle = order.state in _POST_CHARGE_STATES and order.unsettled_since is None
    return idle and len(response.operations) > 1


def inquire_while_waiting(
    order: PaymentOrder, client: Client, deadline: Deadline
) -> None:
    """Inquires up to twice inside a request. The pending page and reconcile do the
    rest.
    """
    started = time.monotonic()
    for moment in INQUIRE_AFTER:
        wait = started + moment - time.monotonic()
        if deadline.remaining <= wait:
            return
        time.sleep(max(wait, 0))
        inquire_and_apply(order, client, deadline)
        if order.state != OrderState.PAYING:
            return


def inquire(order: PaymentOrder, client: Client, deadline: Deadline) -> Inquiry:
    """Sends one status inquiry. Does not change the order."""
    try:
        response = client.order(order.order_id, conf.call_context(deadline))
    except Rejected as error:
        if error.status in (401, 403):
            terminal_outages.check_key(order.terminal, error.status, client, deadline)
        elif error.status == 404 and terminal_outages.key_works(
            order.terminal, client, deadline
        ):
            return Inquiry(True)
        return Inquiry(False, error=str(error))
    except GatewayError as error:
        return Inquiry(False, error=str(error))
    mentioned = {response.order_id, *(one.order_id for one in response.operations)}
    if order.order_id not in mentioned:
        return Inquiry(False, error="answer without our order id")
    return Inquiry(True, evidence.read_charge_status(order, response), response)


def _pending_is_stable(order: PaymentOrder, now: datetime) -> bool:
    """Whether PENDING is about the charge. In three steps, Nexi's list may lag: 3DS
    was PENDING, too, a moment before.
    """
    if order.channel in enums.SINGLE_CALL or order.charging_since is None:
        return True
    return now >= order.charging_since + poll_schedule.scaled_minutes(1)


def _log_unanswered(order: PaymentOrder, inquiry: Inquiry, now: datetime) -> None:
    settled = poll_schedule.settle_at(order)
    level = logging.WARNING
    if order.state == OrderState.PAYING and settled and now >= settled:
        level = logging.CRITICAL  # a charge in doubt, and no status inquiry is answered
    log.log(level, "no answer about order %s: %s", order.order_id, inquiry.error)
