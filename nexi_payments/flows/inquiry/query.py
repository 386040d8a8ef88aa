"""Status inquiries: ask Nexi about one order, read the response, write what it means.

An inquiry without an answer changes nothing but the time of the next one.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from django.utils import timezone

from nexi_payments import conf
from nexi_payments.enums import OrderState
from nexi_payments.exceptions import GatewayError, Rejected
from nexi_payments.flows.inquiry import apply, resend, unfinished
from nexi_payments.flows.inquiry.reading import Reading, Verdict
from nexi_payments.flows.inquiry.snapshot import Snapshot
from nexi_payments.flows.ledger import poll_schedule, terminal_outages, transitions
from nexi_payments.gateway import communication
from nexi_payments.gateway.client import Client
from nexi_payments.gateway.deadline import Deadline
from nexi_payments.gateway.responses import OperationResult, OrderResult
from nexi_payments.models import PaymentOrder

log = logging.getLogger("nexi_payments.inquiry")

#: Seconds after an unclear response at which a waiting request inquires. These
#: inquiries find; they prove no absence, because Nexi's lists lag.
INQUIRE_AFTER = (1.0, 3.0)
#: The age of an authorization from which each inquiry warns.
_LAPSES_SOON: Final = timedelta(days=3)


@dataclass(frozen=True)
class Inquiry:
    """One status inquiry. ``reading`` is ``None`` when Nexi did not answer.

    ``applied`` is false when the order changed meanwhile: the reading was discarded.
    ``error`` is for the log.
    """

    reading: Reading | None = None
    applied: bool = False
    error: str = ""

    @property
    def answered(self) -> bool:
        return self.reading is not None

    @property
    def shows_no_charge(self) -> bool:
        """Whether Nexi shows a declined charge, or a complete list without any."""
        if self.reading is None or self.reading.books.authorized:
            return False
        verdict = self.reading.charge.verdict
        absent = verdict is Verdict.NO_CHARGE and self.reading.complete
        return absent or verdict is Verdict.DECLINED


def inquire_and_apply(
    order: PaymentOrder,
    client: Client,
    deadline: Deadline | None = None,
    *,
    scheduled: bool = False,
) -> Inquiry:
    """Sends one ``GET /orders/{orderId}`` and applies the result. Reloads ``order``.

    Gateway errors are logged and returned, not raised. ``scheduled`` inquiries advance
    the poll schedule; those inside a request do not.
    """
    deadline = deadline or Deadline(conf.current().total_timeout)
    snapshot = Snapshot.take(order)
    try:
        with communication.recording(active=conf.current().logs_calls) as calls:
            response = _ask(order, snapshot, client, deadline)
    except GatewayError as error:
        _reschedule(order, snapshot, scheduled=scheduled)
        _log_unanswered(order, str(error))
        return Inquiry(error=str(error))
    reading = snapshot.read(response)
    snapshot = replace(snapshot, calls=tuple(calls))
    written = apply.apply(order, snapshot, reading, response, scheduled=scheduled)
    if written is None:
        return Inquiry(reading, error="the order changed meanwhile")
    for operation in written.resends:
        resend.resend(order, operation, client, deadline)
    unfinished.end_if_over(order, reading)
    if scheduled:
        _warn_of_lapse(order)
    return Inquiry(reading, applied=True)


def _warn_of_lapse(order: PaymentOrder) -> None:
    if order.state != OrderState.AUTHORIZED:
        return
    if _is_over(order.created_at + _LAPSES_SOON):
        log.critical(
            "order %s is authorized since %s and not captured: the authorization"
            " lapses soon",
            order.order_id,
            order.created_at,
        )


def find_at_nexi(
    order: PaymentOrder, client: Client, deadline: Deadline
) -> OrderResult | None:
    """What Nexi knows of an order of which nothing was sent, says our database.

    ``None`` if it does not know the id. Writes nothing. Raises ``GatewayError``.
    """
    found = _ask(order, Snapshot.take(order), client, deadline)
    return None if found == OrderResult(order_id=order.order_id) else found


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


def _ask(
    order: PaymentOrder, snapshot: Snapshot, client: Client, deadline: Deadline
) -> OrderResult:
    """Nexi's response about the order, and about operations of known ids that its list
    lacks. An order that Nexi does not know has an empty one. Raises ``GatewayError``.
    """
    try:
        response = client.order(order.order_id, conf.call_context(deadline))
    except Rejected as error:
        terminal_outages.check_key_after(error, order.terminal, client, deadline)
        if error.status == 404 and terminal_outages.key_works(
            order.terminal, client, deadline
        ):
            return OrderResult(order_id=order.order_id)
        raise
    mentioned = {response.order_id, *(one.order_id for one in response.operations)}
    if order.order_id not in mentioned:
        raise _AnotherOrder("answer without our order id")
    listed = {one.operation_id for one in response.operations}
    found = [
        _ask_by_id(fact.operation_id, client, deadline)
        for fact in snapshot.operations
        if fact.in_flight and fact.operation_id and fact.operation_id not in listed
    ]
    return replace(response, operations=(*response.operations, *filter(None, found)))


class _AnotherOrder(GatewayError):
    """The response is about another order."""


def _ask_by_id(
    operation_id: str, client: Client, deadline: Deadline
) -> OperationResult | None:
    try:
        found = client.operation(operation_id, conf.call_context(deadline))
    except GatewayError:
        return None  # not visible yet
    return found if found.operation_id == operation_id else None


def _reschedule(order: PaymentOrder, snapshot: Snapshot, *, scheduled: bool) -> None:
    """When to ask again after an inquiry without an answer."""
    now = timezone.now()
    values: dict[str, Any] = {"poll_count": order.poll_count + scheduled}
    poll = poll_schedule.PollState.of(order, **values)
    if order.next_poll_at is not None:
        followed = poll_schedule.follow(snapshot.operations, now)
        values["next_poll_at"] = poll_schedule.next_poll(
            poll, now, answered=False, followed=followed
        )
    # who has changed the order meanwhile has scheduled it, too
    rows = PaymentOrder.objects.filter(pk=order.pk, version=snapshot.version)
    if order.is_hosted:
        # a notification or a return since the question has made it due: it stays due
        rows = rows.filter(triggers=snapshot.triggers)
    if rows.update(**values):
        transitions.assign(order, values)


def postpone(order: PaymentOrder) -> None:
    """Advances the poll schedule of an order that cannot be inquired about."""
    _reschedule(order, Snapshot.take(order), scheduled=True)


def _log_unanswered(order: PaymentOrder, error: str) -> None:
    settled = poll_schedule.settle_at(order)
    level = logging.WARNING
    if order.state == OrderState.PAYING and settled and _is_over(settled):
        level = logging.CRITICAL  # a charge in doubt, and no status inquiry is answered
    log.log(level, "no answer about order %s: %s", order.order_id, error)


def _is_over(moment: datetime) -> bool:
    return timezone.now() >= moment
