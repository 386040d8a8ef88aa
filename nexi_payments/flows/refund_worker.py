"""Sends queued refunds and voids: right after the commit, then by the reconciler.

Each is sent by the same road as ``flows.refund``: a status inquiry, the claim, one
request. The claim's commit also takes the row out of the queue. A process that dies
before it leaves the row to the next worker; one that dies after it leaves an operation
in doubt, which status inquiries settle.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from django.utils import timezone

from nexi_payments import conf
from nexi_payments.enums import OperationKind, QueuedRefundState, RefundFailure
from nexi_payments.exceptions import (
    ExceedsRemaining,
    GatewayUnavailable,
    InvalidState,
    NexiPaymentsError,
    OrderBusy,
    OutcomeNotRecorded,
    TerminalNotConfigured,
    TerminalUnavailable,
)
from nexi_payments.flows import approval_requests, capture_refund
from nexi_payments.flows.capture_refund import PostChargeCall, RefundCall, VoidCall
from nexi_payments.flows.inquiry import duplicates, query
from nexi_payments.flows.ledger import queued_refunds
from nexi_payments.flows.ledger.transitions import Actor
from nexi_payments.gateway.deadline import Deadline
from nexi_payments.models import PaymentOrder, QueuedRefund, db_transactions

log = logging.getLogger("nexi_payments.refund_queue")

#: Rows leased at once: few enough that their leases do not expire.
_BATCH_SIZE: Final = 10
#: Seconds that the request which queued a refund may take to send it. All that one
#: transaction queues shares them; the worker sends the rest.
_AT_ONCE: Final = 10.0
#: Of them, what an attempt needs at least.
_WORTH_A_TRY: Final = 2.0


class Sent(NamedTuple):
    """What a pass did with the queue."""

    sent: int = 0
    given_up: int = 0


_CALLS: Final[dict[str, type[PostChargeCall]]] = {
    OperationKind.REFUND: RefundCall,
    # all that is held, whatever was held when it was queued
    OperationKind.VOID: VoidCall,
}


def first_attempt_at() -> datetime:
    """Until when the request that queues a refund may send it itself."""
    return timezone.now() + timedelta(seconds=_AT_ONCE)


def send_after_commit(refund: QueuedRefund) -> None:
    """Tries to send ``refund`` once its transaction has committed. What fails, or takes
    too long, is left to the worker.
    """
    db_transactions.on_commit(lambda: _send_at_once(refund))


def _send_at_once(refund: QueuedRefund) -> None:
    due = refund.next_attempt_at
    left = (due - timezone.now()).total_seconds() if due else 0.0
    if left < _WORTH_A_TRY or db_transactions.is_another_open():
        return
    budget = min(left, conf.current().total_timeout)
    # the instance of the caller keeps what it had at the commit
    row = QueuedRefund.objects.filter(pk=refund.pk).first()
    if row is not None and row.is_waiting:
        with suppress(TerminalNotConfigured):  # the worker reports it
            send(row, Deadline(budget))


def send_due(*, limit: int = 1000) -> Sent:
    """Sends the queued refunds that are due, oldest first. Any number of workers may
    run this. Raises ``RuntimeError`` inside a transaction.
    """
    db_transactions.require_no_transaction()
    ends: Counter[str] = Counter()
    missing: Counter[str] = Counter()
    for refund in _due(limit):
        try:
            # leased with its batch a while ago: renew, if it is still ours
            if _lease(refund):
                ends[send(refund)] += 1
        except TerminalNotConfigured as error:
            missing[error.terminal] += 1
        except Exception as error:
            # a broken row must not block the rows behind it
            log.exception("queued refund %s", refund.pk)
            queued_refunds.postpone(refund, type(error).__name__)
    for terminal, number in missing.items():
        text = "terminal %s is not in the settings: %d queued refunds wait for it"
        log.critical(text, terminal, number)
    return Sent(ends[QueuedRefundState.SENT], ends[QueuedRefundState.GIVEN_UP])


def _due(limit: int) -> Iterator[QueuedRefund]:
    rows = QueuedRefund.objects.filter(next_attempt_at__lte=timezone.now())
    return db_transactions.claim_in_batches(
        rows.order_by("next_attempt_at", "pk"),
        _lease,
        batch_size=_BATCH_SIZE,
        limit=limit,
    )


def _lease(refund: QueuedRefund) -> bool:
    duration = timedelta(seconds=conf.current().claim_timeout)
    return queued_refunds.lease(refund, timezone.now() + duration)


def send(refund: QueuedRefund, deadline: Deadline | None = None) -> str:
    """Tries to send a queued row now. Returns its state afterwards.

    Nothing was sent while it is "queued". Raises ``TerminalNotConfigured``.
    """
    try:
        _look_and_send(refund, deadline)
    except OutcomeNotRecorded:
        pass  # claimed: status inquiries settle it
    except (OrderBusy, GatewayUnavailable) as error:
        _postpone(refund, error)
    except TerminalNotConfigured as error:
        _postpone(refund, error)
        raise
    except TerminalUnavailable as error:
        # no request until Nexi accepts the key again: the reconciler tries that
        _postpone(refund, error, counts=False)
    refund.refresh_from_db()
    return refund.state


def _look_and_send(refund: QueuedRefund, deadline: Deadline | None) -> None:
    order = refund.order
    deadline = deadline or Deadline(conf.current().total_timeout)
    if refund.approval is not None and approval_requests.end_if_invalid(refund):
        return
    other = None
    if duplicates.is_of_duplicate(refund):
        _look(order, deadline)
        duplicates.follow_capture(refund, order)
        other = duplicates.find_other(order)
        if other is not None:
            _look(other, deadline)
        if other is None or not duplicates.has_money(other):
            queued_refunds.give_up(refund, order, RefundFailure.ONLY_PAYMENT)
            return
    actor = Actor(
        refund.actor, refund.address, refund.request_id, name=refund.actor_name
    )
    call = _CALLS[refund.kind].of(order, actor, None, refund.amount)
    call.queued, call.capture, call.other = refund, refund.capture, other
    call.deadline = deadline
    try:
        capture_refund.look_and_send(call)
    except InvalidState:
        queued_refunds.give_up(refund, order, RefundFailure.NOT_POSSIBLE)
    except ExceedsRemaining:
        if order.refunding_amount:
            raise OrderBusy(order) from None  # that refund may still fail
        queued_refunds.give_up(refund, order, RefundFailure.NOTHING_LEFT)


def _look(order: PaymentOrder, deadline: Deadline) -> None:
    """Stores what Nexi shows. Raises ``GatewayUnavailable`` and ``OrderBusy``."""
    client = conf.client(conf.current().terminal(order.terminal))
    inquiry = query.inquire_and_apply(order, client, deadline)
    if not inquiry.answered:
        raise GatewayUnavailable(order.terminal)
    if not inquiry.applied:
        raise OrderBusy(order)


def _postpone(
    refund: QueuedRefund, error: NexiPaymentsError, *, counts: bool = True
) -> None:
    log.warning("queued refund %s waits: %s", refund.pk, error)
    queued_refunds.postpone(refund, type(error).__name__, counts=counts)
