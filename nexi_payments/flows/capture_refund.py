"""After the charge: capture, void, refund.

Each is one operation of the ledger. It begins with a status inquiry, and it is claimed
only while the order is as that inquiry left it: two concurrent requests, here or at
Nexi, do not use the same money. Its amount stays reserved until a later inquiry shows
the result.
"""

from __future__ import annotations

import uuid
from abc import abstractmethod
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final, Self

from django.utils import timezone

from nexi_payments import conf, money
from nexi_payments.enums import OperationKind, OperationOutcome
from nexi_payments.exceptions import (
    ExceedsRemaining,
    GatewayError,
    GatewayUnavailable,
    InvalidState,
    OrderBusy,
)
from nexi_payments.flows import ceilings
from nexi_payments.flows.availability import (
    Available,
    available,
    available_to_queue,
    validated_amount,
)
from nexi_payments.flows.inquiry import query
from nexi_payments.flows.ledger import (
    approvals,
    operations,
    queued_refunds,
    terminal_outages,
)
from nexi_payments.flows.ledger.guards import Claim
from nexi_payments.flows.ledger.operations import GatewayCall, PreconditionFailed
from nexi_payments.flows.ledger.post_charge import PostChargeRequest
from nexi_payments.flows.ledger.totals import update_totals
from nexi_payments.flows.ledger.transitions import NO_ACTOR, Actor
from nexi_payments.gateway.deadline import Deadline
from nexi_payments.models import (
    Approval,
    Operation,
    PaymentOrder,
    QueuedRefund,
    db_transactions,
    raw_sql,
)
from nexi_payments.models.text_storage import reject_text

#: Inquiries before a request, while others change the order.
_LOOKS: Final = 2


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
    ``nonce``: the same one returns the capture that it created. Also raises
    ``InvalidState`` (also for the nonce of another operation),
    ``ExceedsRemaining``, ``OrderBusy``, ``InvalidAmount``, ``TerminalUnavailable`` and
    ``GatewayUnavailable`` (Nexi does not answer the inquiry before the request);
    nothing was sent then. Returns the operation. Its outcome is ``accepted`` until Nexi
    confirms, ``done``, ``declined``, ``rejected``, ``not_sent`` or ``in_doubt``.
    """
    wanted = None if amount is None else money.to_minor(amount, order.currency)
    call = _Capture.of(order, actor, nonce, wanted, expected_remaining)
    return submit(call)


def void(
    order: PaymentOrder, *, nonce: str | None = None, actor: Actor = NO_ACTOR
) -> Operation:
    """Voids an authorization of which nothing was captured, or everything captured was
    refunded. Errors as ``capture``.

    At Nexi this is a refund of the held amount on the authorization's id.
    """
    return submit(VoidCall.of(order, actor, nonce))


def refund(
    order: PaymentOrder,
    amount: Decimal | None = None,
    capture: Operation | None = None,
    reason: str = "",
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

    ``reason`` is kept on the operation: a code of ``enums.RefundReason``, which staff
    read in their language, or your own words (300 characters). Also raises
    ``CardDataNotAllowed`` for a card number in it, and ``ValueError`` if it is too
    long.
    """
    reason = checked_text("reason", reason.strip(), 300)
    wanted = None if amount is None else money.to_minor(amount, order.currency)
    call = RefundCall.of(order, actor, nonce, wanted, expected_remaining)
    call.capture, call.reason = capture, reason
    return submit(call)


def checked_text(name: str, text: str, length: int) -> str:
    """``text``, which is called ``name`` in errors. Raises ``ValueError`` if it is
    longer than ``length``, ``CardDataNotAllowed`` if it has a card number.
    """
    if len(text) > length:
        raise ValueError(f"{name} is longer than {length} characters")
    reject_text(name, text)
    return text


@dataclass(repr=False, eq=False)
class PostChargeCall(PostChargeRequest, GatewayCall[str]):
    """A capture, void, refund or cancel. ``amount`` is in minor units, ``None`` for all
    that remains. ``queued`` is the row of the queue that it sends, if there is one, and
    ``other`` a payment that must be as it was looked at.
    ``prepare`` sets ``details``, the columns of its operation.
    """

    nonce: str | None = None
    amount: int | None = None
    expected_remaining: Decimal | None = None
    capture: Operation | None = None
    reason: str = ""
    queued: QueuedRefund | None = None
    other: PaymentOrder | None = None
    details: dict[str, Any] = field(init=False)

    @classmethod
    def of(
        cls,
        order: PaymentOrder,
        actor: Actor,
        nonce: str | None,
        amount: int | None = None,
        expected_remaining: Decimal | None = None,
    ) -> Self:
        client = conf.client(conf.current().terminal(order.terminal))
        deadline = Deadline(conf.current().total_timeout)
        return cls(order, client, deadline, actor, nonce, amount, expected_remaining)

    def available(self) -> Available:
        """What the operation may use of the order's money."""
        judge = available if self.queued is None else available_to_queue
        return judge(self.order)

    @abstractmethod
    def prepare(self, now: Available) -> None:
        """Checks that the operation is possible, and chooses amount and target. Raises
        ``OrderError`` and ``InvalidAmount``.
        """

    def require_approval(self) -> None:
        """Raises ``ApprovalRequired`` if another person has to approve it first."""

    def claim(self) -> Claim:
        wait = timedelta(seconds=conf.current().claim_timeout)
        changes = {"next_poll_at": timezone.now() + wait, "poll_count": 0}
        conditions = {"version": self.order.version}
        self.source = self.order.state
        return Claim(conditions, changes, self.details)

    def on_claim(self) -> None:
        """Takes the row out of the queue, and reserves the amount."""
        row = self.queued
        if row is not None and not queued_refunds.claim(row, self.operation):
            raise PreconditionFailed
        if self.other is not None and not _is_unchanged(self.other):
            raise PreconditionFailed
        update_totals(self.order)

    def set_details(
        self, amount: int, target_operation_id: str, capture: Operation | None = None
    ) -> None:
        key = self.queued.idempotency_key if self.queued else str(uuid.uuid4())
        self.details = {
            "amount": amount,
            "target_operation_id": target_operation_id,
            "capture": capture,
            "idempotency_key": key,
            "reason": self.queued.reason if self.queued else self.reason,
            "nonce": self.nonce or None,
        }


def _is_unchanged(other: PaymentOrder) -> bool:
    """Whether ``other`` is as loaded. What is claimed for it meanwhile by what it was
    before is not.
    """
    where = {"pk": other.pk, "version": other.version}
    return bool(raw_sql.update(PaymentOrder, where, {}, increment="version"))


class _Capture(PostChargeCall):
    kind = OperationKind.CAPTURE

    def prepare(self, now: Available) -> None:
        order = self.order
        if now.capture is not None and now.void_pending:
            raise OrderBusy(order)
        amount = validated_amount(
            order, now.capture, self.amount, self.expected_remaining
        )
        self.set_details(amount, order.gateway_operation_id)


class VoidCall(PostChargeCall):
    kind = OperationKind.VOID

    def prepare(self, now: Available) -> None:
        now.require_allowed(self.kind)
        if now.void is None:
            raise InvalidState(self.order)
        if not now.void:
            raise OrderBusy(self.order)  # a capture or a void is on its way
        charge = now.held_charge
        amount, target = now.void, self.order.gateway_operation_id
        if charge is not None:
            amount, target = (
                min(amount, charge.amount or 0),
                charge.gateway_operation_id,
            )
        self.set_details(amount, target)


class RefundCall(PostChargeCall):
    kind = OperationKind.REFUND
    #: what was asked for, and who approves it in the commit of the claim
    approval: Approval | None = None
    approver: Actor | None = None
    #: of the capture, in minor units; ``prepare`` sets it
    remaining: int = 0

    def prepare(self, now: Available) -> None:
        order = self.order
        now.require_allowed(self.kind)
        if now.refund is None:
            raise InvalidState(order)
        chosen = now.capture_to_refund(self.capture, self.amount)
        self.remaining = now.refund_of(chosen) or 0
        amount = validated_amount(
            order, self.remaining, self.amount, self.expected_remaining
        )
        now.require_whole(amount, chosen)
        capture = chosen.operation if chosen else None
        target = capture.gateway_operation_id if capture else ""
        self.set_details(amount, target or order.gateway_operation_id, capture)

    def require_approval(self) -> None:
        if self.queued is not None or self.approval is not None:
            return  # judged when it was queued, or approved
        ceilings.require_approval_of_refund(
            self.order,
            self.details["amount"],
            self.actor,
            remaining=self.remaining,
            capture=self.details["capture"],
            reason=self.reason,
            nonce=self.nonce,
        )

    def on_claim(self) -> None:
        approval = self.approval
        if approval is not None and not approvals.claim(
            approval, self.operation, self.approver
        ):
            raise PreconditionFailed
        super().on_claim()


def submit(call: PostChargeCall) -> Operation:
    """Inquires, claims, sends and inquires once more. Errors as ``capture``.

    What is impossible by our own books raises before Nexi is asked.
    """
    db_transactions.require_no_transaction()
    call.order.refresh_from_db()
    if earlier := _find_existing(call):
        return earlier
    _check_own_books(call)
    return look_and_send(call)


def look_and_send(call: PostChargeCall) -> Operation:
    """Inquires first, judges ``call`` by what Nexi shows, then sends it. As ``submit``,
    for what was judged before.
    """
    db_transactions.require_no_transaction()
    order = call.order
    terminal_outages.require_available(order.terminal)
    _look(call)
    if earlier := _find_existing(call):
        return earlier
    call.prepare(call.available())
    call.require_approval()
    try:
        operations.run(call)
    except GatewayError as error:
        terminal_outages.log_failure(order, error, call.client, call.deadline)
    except OrderBusy:
        if earlier := _find_existing(call):
            return earlier
        raise
    operation = call.operation
    if operation.outcome != OperationOutcome.NOT_SENT:
        query.inquire_and_apply(order, call.client, call.deadline)
        operation.refresh_from_db()
    return operation


def _check_own_books(call: PostChargeCall) -> None:
    """Raises what is impossible before Nexi is asked.

    A capture that only Nexi's total has shown may be listed by now: Nexi is asked.
    """
    try:
        call.prepare(call.available())
        call.require_approval()
    except ExceedsRemaining:
        unlisted = call.order.operations.filter(by_totals=True, amount__gt=0)
        if not unlisted.filter(outcome=OperationOutcome.DONE).exists():
            raise


def _look(call: PostChargeCall) -> None:
    """Stores what Nexi shows before the request. Raises ``GatewayUnavailable`` without
    a timely answer, and ``OrderBusy`` while others change the order, unless it was the
    same request.
    """
    order = call.order
    for _ in range(_LOOKS):
        inquiry = query.inquire_and_apply(order, call.client, call.deadline)
        if not inquiry.answered:
            raise GatewayUnavailable(order.terminal)
        if _find_existing(call):
            return
        if call.deadline.is_late:
            raise GatewayUnavailable(order.terminal)
        if inquiry.applied:
            return
    raise OrderBusy(order)


def _find_existing(call: PostChargeCall) -> Operation | None:
    """The operation that the same nonce created before. Raises ``InvalidState`` if it
    is one of another kind, or of another payment.
    """
    if not call.nonce:
        return None
    found = Operation.objects.filter(nonce=call.nonce).first()
    same = (call.kind, call.order.pk)
    if found is not None and (found.kind, found.order_id) != same:
        raise InvalidState(call.order)
    return found
