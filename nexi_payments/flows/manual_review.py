"""Manual review: a person decides, and a status inquiry must confirm it."""

from __future__ import annotations

from typing import Final

from django.db import IntegrityError

from nexi_payments import conf
from nexi_payments.enums import OperationOutcome, OrderState, Reason
from nexi_payments.exceptions import (
    GatewayDisagrees,
    InvalidState,
    OrderBusy,
    ReferenceInUse,
)
from nexi_payments.flows.inquiry import confirmations, consequences, evidence, query
from nexi_payments.flows.ledger import discrepancies, operations, outcomes
from nexi_payments.flows.ledger.operations import OperationUpdate
from nexi_payments.flows.ledger.transitions import NO_ACTOR, Actor
from nexi_payments.gateway.deadline import Deadline
from nexi_payments.models import Discrepancy, PaymentOrder
from nexi_payments.pan_scanner import reject_card_number

#: The state that a person may decide → verdicts that confirm it.
REQUIRED_VERDICTS: Final[dict[str, frozenset[str]]] = {
    OrderState.PAID: frozenset({evidence.CHARGED}),
    OrderState.AUTHORIZED: frozenset({evidence.AUTHORIZED}),
    OrderState.VOIDED: frozenset({evidence.REVERSED}),
    OrderState.FAILED: frozenset({evidence.NO_CHARGE, evidence.DECLINED}),
}


def possible_resolutions(order: PaymentOrder) -> frozenset[str]:
    """The states that ``resolve`` accepts for the order in its present state."""
    if order.state == OrderState.AUTHORIZED:
        return frozenset({OrderState.VOIDED})  # lapsed
    in_review = order.state == OrderState.REVIEW
    return frozenset(REQUIRED_VERDICTS) if in_review else frozenset()


def resolve(
    order: PaymentOrder, state: str, *, reason: str, actor: Actor = NO_ACTOR
) -> PaymentOrder:
    """Moves an order under review to ``state``, if a status inquiry confirms it.

    ``state`` is ``paid``, ``authorized``, ``voided`` or ``failed``. An authorized order
    may be moved to ``voided`` (lapsed). ``reason`` is stored with the event, with actor
    and IP address. Raises ``InvalidState``, ``GatewayDisagrees`` (also when Nexi does
    not answer), ``ReferenceInUse`` when another payment holds the reference (refund
    this one instead), ``OrderBusy``, ``CardDataNotAllowed`` for a reason with a card
    number, ``ValueError`` for an empty one. Nothing has changed then.
    """
    order.refresh_from_db()
    if state not in possible_resolutions(order):
        raise InvalidState(order)
    if not reason.strip():
        raise ValueError("a resolution needs a reason")
    reject_card_number("reason", reason)
    client = conf.client(conf.current().terminal(order.terminal))
    deadline = Deadline(conf.current().total_timeout)
    inquiry = query.inquire(order, client, deadline)
    if not inquiry.answered:
        raise GatewayDisagrees(order, "")
    if inquiry.charge_status.verdict not in REQUIRED_VERDICTS[state]:
        raise GatewayDisagrees(order, inquiry.charge_status.verdict)
    _settle(order, _decision_update(order, state, inquiry.charge_status, reason, actor))
    discrepancies.resolve(order.discrepancies.all(), actor.user)
    if order.state in (OrderState.PAID, OrderState.AUTHORIZED):
        consequences.adopt_automatic_capture(order, inquiry.charge_status)
        # captures and refunds that were made at Nexi meanwhile
        confirmations.settle_post_charge(order, inquiry.response, client, deadline)
    return order


def resolve_discrepancy(discrepancy: Discrepancy, *, actor: Actor = NO_ACTOR) -> bool:
    """Marks one discrepancy as resolved by a person. The order stays as it is.

    False when it was resolved before; who resolved it first stays on record.
    """
    rows = Discrepancy.objects.filter(pk=discrepancy.pk)
    resolved = discrepancies.resolve(rows, actor.user)
    discrepancy.refresh_from_db()
    return resolved


def _decision_update(
    order: PaymentOrder,
    state: str,
    status: evidence.ChargeStatus,
    reason: str,
    actor: Actor,
) -> OperationUpdate:
    charged = state in (OrderState.PAID, OrderState.AUTHORIZED)
    columns = consequences.charge_columns(order, status) if charged else {}
    if charged:
        columns["live_reference"] = order.live_key
    return OperationUpdate(
        OperationOutcome.DECLINED
        if state == OrderState.FAILED
        else OperationOutcome.DONE,
        state,
        Reason.LAPSED if order.state == OrderState.AUTHORIZED else Reason.RESOLVED,
        order=columns,
        operation=outcomes.operation_columns(status.answer) if charged else {},
        shreds_card=True,
        actor=actor,
        note=reason.strip(),
    )


def _settle(order: PaymentOrder, update: OperationUpdate) -> None:
    try:
        if operations.settle_order(order, update):
            return
        raise OrderBusy(order)
    except IntegrityError:
        pass
    order.refresh_from_db()
    holder = PaymentOrder.objects.filter(live_reference=order.live_key).first()
    raise ReferenceInUse(holder or order)
