"""Staff decide about one operation that Nexi leaves open, or about Nexi's total.

``resolve`` decides about the payment; these decide about its parts.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Final

from django.utils import timezone

from nexi_payments import conf, enums, money
from nexi_payments.enums import DiscrepancyKind, OperationOutcome
from nexi_payments.exceptions import (
    AmountChanged,
    GatewayUnavailable,
    InvalidState,
    OrderBusy,
)
from nexi_payments.flows.inquiry import apply, query
from nexi_payments.flows.inquiry.apply import Decider
from nexi_payments.flows.inquiry.reading import Reading, decisions
from nexi_payments.flows.inquiry.snapshot import Snapshot
from nexi_payments.flows.ledger import discrepancies
from nexi_payments.flows.ledger.transitions import NO_ACTOR, Actor
from nexi_payments.models import Operation, PaymentOrder
from nexi_payments.models.text_storage import reject_text

#: What a person may decide about an operation.
DECISIONS: Final = (OperationOutcome.DONE, OperationOutcome.DECLINED)


def may_be_decided(operation: Operation) -> bool:
    """Whether a person may decide about ``operation``: a capture, void, refund or
    cancel that is on its way for longer than ``SETTLE_AFTER``.
    """
    if operation.kind not in enums.POST_CHARGE:
        return False
    age = timezone.now() - operation.created_at
    old = age >= timedelta(seconds=conf.current().settle_after)
    return old and operation.outcome in enums.RESERVING


def resolve_operation(
    operation: Operation, outcome: str, *, reason: str, actor: Actor = NO_ACTOR
) -> Operation:
    """Decides that an operation was executed at Nexi (``"done"``) or not
    (``"declined"``).

    For one that Nexi neither confirms nor refuses, after a check in its back office. A
    status inquiry goes first; if it settles the operation as ``outcome``, nothing is
    left to decide. ``reason`` is stored with the event, with actor and IP address.
    Raises ``InvalidState`` (``may_be_decided``, or Nexi says the contrary),
    ``GatewayUnavailable`` without an answer, ``OrderBusy``, ``CardDataNotAllowed`` for
    a reason with a card number, ``ValueError`` for an empty one or another outcome.
    Nobody has decided anything then.
    """
    if outcome not in DECISIONS:
        raise ValueError(f"outcome must be one of {', '.join(DECISIONS)}")
    _check_reason(reason)
    operation.refresh_from_db()
    order = operation.order
    if not may_be_decided(operation):
        raise InvalidState(order)
    _inquire(order)
    operation.refresh_from_db()
    if operation.outcome == outcome:
        return operation
    if operation.outcome not in enums.RESERVING:
        raise InvalidState(order)
    snapshot = Snapshot.take(order)
    reading = decisions.decide_operation(
        snapshot.order, snapshot.operations, snapshot.times(), operation.pk, outcome
    )
    _write(order, snapshot, reading, Decider(actor, reason.strip()))
    if not order.operations.filter(outcome__in=enums.RESERVING).exists():
        _resolve_discrepancies(order, DiscrepancyKind.STILL_PENDING, actor)
    operation.refresh_from_db()
    return operation


def unexplained_total(order: PaymentOrder) -> int:
    """What Nexi's total shows as captured beyond the known operations, in minor units.

    0 if it agrees with them or is below them: ``accept_totals`` takes nothing over.
    """
    if order.disputed_since is None:
        return 0
    return max(0, (order.disputed_total or 0) - (order.disputed_sum or 0))


def accept_totals(
    order: PaymentOrder,
    *,
    reason: str,
    actor: Actor = NO_ACTOR,
    expected: Decimal | None = None,
) -> PaymentOrder:
    """Takes over what Nexi's total shows as captured beyond the known operations.

    It becomes a capture without an id. With manual capture it may be refunded here once
    Nexi lists it, and in Nexi's back office before. ``expected`` is the
    amount that the person saw, in major units. Arguments and errors as
    ``resolve_operation``; ``InvalidState`` where the total shows no more than the
    operations do, ``AmountChanged`` where it is not what the person saw, ``OrderBusy``
    where it has shown that for less than a lag (``SETTLE_AFTER / 15``).
    """
    _check_reason(reason)
    order.refresh_from_db()
    _inquire(order)
    excess = unexplained_total(order)
    if excess and expected not in (None, money.to_major(excess, order.currency)):
        raise AmountChanged(order, excess)
    snapshot = Snapshot.take(order)
    reading = decisions.accept_total(
        snapshot.order, snapshot.operations, snapshot.times()
    )
    if reading is None:
        raise OrderBusy(order) if excess else InvalidState(order)
    _write(order, snapshot, reading, Decider(actor, reason.strip()))
    _resolve_discrepancies(order, DiscrepancyKind.TOTALS, actor)
    return order


def _resolve_discrepancies(order: PaymentOrder, kind: str, actor: Actor) -> None:
    discrepancies.resolve(order.discrepancies.filter(kind=kind), actor)


def _check_reason(reason: str) -> None:
    if not reason.strip():
        raise ValueError("a decision needs a reason")
    reject_text("reason", reason)


def _inquire(order: PaymentOrder) -> None:
    client = conf.client(conf.current().terminal(order.terminal))
    inquiry = query.inquire_and_apply(order, client)
    if not inquiry.answered:
        raise GatewayUnavailable(order.terminal)
    if not inquiry.applied:
        raise OrderBusy(order)


def _write(
    order: PaymentOrder, snapshot: Snapshot, reading: Reading, decider: Decider
) -> None:
    if apply.apply(order, snapshot, reading, decider=decider) is None:
        raise OrderBusy(order)
