"""After the charge: capture, void, refund.

Each is one operation of the ledger. Its amount is reserved on the order's row in the
commit before the request, under constraints of the database: two concurrent requests
cannot use the same money. It stays reserved until a status inquiry shows the result.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db.models import F
from django.utils import timezone

from nexi_payments import conf, enums, money
from nexi_payments.enums import OperationKind, OperationOutcome
from nexi_payments.exceptions import GatewayError, InvalidState, OrderBusy
from nexi_payments.flows.availability import Available, available, validated_amount
from nexi_payments.flows.inquiry import confirmations, query
from nexi_payments.flows.ledger import operations, outcomes, terminal_outages
from nexi_payments.flows.ledger.operations import (
    Claim,
    GatewayCall,
    OperationUpdate,
    PreconditionFailed,
)
from nexi_payments.flows.ledger.totals import remaining_of, update_totals
from nexi_payments.flows.ledger.transitions import NO_ACTOR, Actor
from nexi_payments.gateway.deadline import Deadline
from nexi_payments.models import Operation, PaymentOrder


def capture(
    order: PaymentOrder,
    amount: Decimal | None = None,
    *,
    expected_remaining: Decimal | None = None,
    nonce: str | None = None,
    actor: Actor = NO_ACTOR,
) -> Operation:
    """Captures ``amount`` (major units; default: the remaining amount).

    May be called several times for partial captures. If the remaining amount is not
    ``expected_remaining`` (major units), ``AmountChanged`` is raised. Idempotent by
    ``nonce``: the same one returns the operation that it created. Also raises
    ``InvalidState``, ``ExceedsRemaining``, ``OrderBusy``, ``TerminalUnavailable`` and
    ``InvalidAmount``; nothing was sent then. Returns the operation. Its outcome is
    ``accepted`` until Nexi confirms, ``done``, ``declined``, ``rejected``, ``not_sent``
    or ``in_doubt``.
    """
    order.refresh_from_db()
    now = available(order)
    if earlier := find_existing(order, nonce):
        return earlier
    if now.capture is not None and now.void_pending:
        raise OrderBusy(order)
    wanted = None if amount is None else money.to_minor(amount, order.currency)
    minor = validated_amount(order, now.capture, wanted, expected_remaining)
    conditions = {
        "authorized_amount": F("captured_amount") + F("capturing_amount") + now.capture
    }
    return submit(
        order,
        OperationKind.CAPTURE,
        minor,
        target_operation_id=order.gateway_operation_id,
        conditions=conditions,
        nonce=nonce,
        actor=actor,
    )


def void(
    order: PaymentOrder, *, nonce: str | None = None, actor: Actor = NO_ACTOR
) -> Operation:
    """Voids an authorization of which nothing was captured. Errors as ``capture``.

    At Nexi this is a refund of the whole amount on the authorization's id.
    """
    order.refresh_from_db()
    now = available(order)
    if earlier := find_existing(order, nonce):
        return earlier
    if now.void is None:
        raise InvalidState(order)
    if not now.void:
        raise OrderBusy(order)  # a capture or a void is on its way
    return submit(
        order,
        OperationKind.VOID,
        now.void,
        target_operation_id=order.gateway_operation_id,
        conditions={"captured_amount": 0, "capturing_amount": 0, "refunding_amount": 0},
        nonce=nonce,
        actor=actor,
    )


def refund(
    order: PaymentOrder,
    amount: Decimal | None = None,
    capture: Operation | None = None,
    *,
    expected_remaining: Decimal | None = None,
    nonce: str | None = None,
    actor: Actor = NO_ACTOR,
) -> Operation:
    """Refunds ``amount`` (major units; default: the remaining amount).

    Arguments and errors as ``capture``. A refund belongs to one capture: pass
    ``capture`` where there were several. More than that capture's remaining amount
    raises ``ExceedsRemaining``; a refund is never split. A capture of another payment
    raises ``InvalidState``.
    """
    order.refresh_from_db()
    now = available(order)
    # read before the nonce is looked up: a concurrent request with it counts in both
    _ = now.captures
    if earlier := find_existing(order, nonce):
        return earlier
    if now.refund is None:
        raise InvalidState(order)
    wanted = None if amount is None else money.to_minor(amount, order.currency)
    chosen = now.capture_to_refund(capture, wanted)
    minor = validated_amount(order, now.refund_of(chosen), wanted, expected_remaining)
    target = chosen.operation if chosen else None
    return submit(
        order,
        OperationKind.REFUND,
        minor,
        target_operation_id=(target and target.gateway_operation_id)
        or order.gateway_operation_id,
        capture=target,
        conditions=unrefunded_condition(now),
        nonce=nonce,
        actor=actor,
    )


def unrefunded_condition(now: Available) -> dict[str, Any]:
    """The condition of a claim: as much is left to refund as ``available`` said."""
    returned = F("refunded_amount") + F("refunding_amount")
    return {"captured_amount": returned + now.refund}


def find_existing(order: PaymentOrder, nonce: str | None) -> Operation | None:
    """The operation that the same nonce created before."""
    return order.operations.filter(nonce=nonce).first() if nonce else None


def submit(
    order: PaymentOrder,
    kind: str,
    amount: int,
    *,
    target_operation_id: str,
    conditions: dict[str, Any],
    nonce: str | None,
    actor: Actor,
    capture: Operation | None = None,
) -> Operation:
    """Claims, sends and inquires once. Arguments and errors as ``capture``; ``amount``
    is in minor units, ``conditions`` are further filters on the order's row.
    """
    terminal_outages.require_available(order.terminal)
    deadline = Deadline(conf.current().total_timeout)
    client = conf.client(conf.current().terminal(order.terminal))
    details = {
        "amount": amount,
        "target_operation_id": target_operation_id,
        "capture": capture,
        "idempotency_key": str(uuid.uuid4()),
        "nonce": nonce or None,
    }
    call = _PostChargeCall(
        order, client, deadline, actor, kind, order.state, conditions, details
    )
    try:
        operations.run(call)
    except GatewayError as error:
        terminal_outages.log_failure(order, error, client, deadline)
    except OrderBusy:
        if earlier := find_existing(order, nonce):
            return earlier
        raise
    operation = call.operation
    if operation.outcome != OperationOutcome.NOT_SENT:
        query.inquire_and_apply(order, client, deadline)
        operation.refresh_from_db()
        order.refresh_from_db()
    return operation


@dataclass(repr=False, eq=False)
class _PostChargeCall(GatewayCall[str]):
    """A capture, void, refund or cancel. Its answer is Nexi's id of it."""

    kind: str
    source: str
    conditions: dict[str, Any]
    details: dict[str, Any]

    def claim(self) -> Claim:
        wait = timedelta(seconds=conf.current().claim_timeout)
        due = {"next_poll_at": timezone.now() + wait}
        changes = due | {"poll_count": 0, "answered_polls": 0}
        return Claim(self.conditions, changes, self.details)

    def on_claim(self) -> None:
        """Reserves the amount; the claim has locked the order's row."""
        reserving = self.order.operations.filter(outcome__in=enums.RESERVING)
        voids = reserving.filter(kind=OperationKind.VOID).count()
        if self.kind != OperationKind.REFUND and voids > (
            self.kind == OperationKind.VOID
        ):
            raise PreconditionFailed
        capture = self.details["capture"]
        if capture is not None and remaining_of(capture) < 0:
            raise PreconditionFailed  # remaining_of counts our own row already
        update_totals(self.order)

    def send(self, operation: Operation) -> str:
        return confirmations.send(self.order, operation, self.client, self.deadline)

    def on_answer(self, answer: str) -> OperationUpdate:
        return outcomes.of_acceptance(answer)

    def on_error(self, error: BaseException) -> OperationUpdate:
        return outcomes.of_post_charge_error(error)

    def on_settle(self, update: OperationUpdate) -> None:
        update_totals(self.order)
