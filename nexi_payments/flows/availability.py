"""What may be captured, voided, refunded and cancelled, and how much: ``available``;
and whether an unpaid payment may be cancelled.

The only such rule: verbs, admin and API ask it. It judges the order as loaded; the
claim of the operation judges the row again, in SQL.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from nexi_payments import conf, enums, money, payment_methods
from nexi_payments.enums import (
    CaptureMode,
    Channel,
    OperationKind,
    OperationOutcome,
    OrderState,
)
from nexi_payments.exceptions import (
    AmbiguousCapture,
    AmountChanged,
    ExceedsRemaining,
    InvalidState,
    MethodForbids,
)
from nexi_payments.flows import confirmed_captures
from nexi_payments.flows.confirmed_captures import ConfirmedCapture
from nexi_payments.flows.ledger import queued_refunds, totals
from nexi_payments.flows.orders import purchase
from nexi_payments.gateway import result_codes
from nexi_payments.models import Operation, PaymentOrder, QueuedRefund
from nexi_payments.payment_methods import FULL, Method

_NO_REFUND: Final = _(
    "Nexi cannot refund this payment method. Refund by bank transfer, outside Nexi."
)
_FULL_REFUND: Final = _("Nexi refunds this payment method in full only.")
_NO_CANCEL: Final = _(
    "Captures of this payment method cannot be cancelled. Refund the payment."
)
_REFUND_RULES: Final[dict[str, str | Promise]] = {
    payment_methods.NONE: _NO_REFUND,
    FULL: _FULL_REFUND,
}


@dataclass(frozen=True)
class Available:
    """The amounts that each operation may still move, in minor units.

    ``None``: not possible in the order's state. 0: possible, but nothing is left, or a
    request that is on its way, or queued, has reserved it. ``void`` is always all that
    is held. ``void_pending``: a void is on its way, or queued. ``queued``: the queued
    refunds and voids that are counted.
    """

    order: PaymentOrder
    capture: int | None
    void: int | None
    refund: int | None
    void_pending: bool
    queued: tuple[QueuedRefund, ...] = ()
    #: the known method of an attempt on Nexi's hosted page; it may forbid operations
    method: Method | None = None

    @property
    def refund_rule(self) -> str | Promise:
        """What staff must know before they refund; "" for nothing special."""
        return _REFUND_RULES.get(self.method.refunds, "") if self.method else ""

    def require_allowed(self, kind: str) -> None:
        """Raises ``MethodForbids`` if the payment method has no such operation."""
        method, order = self.method, self.order
        if method is None:
            return
        if kind == OperationKind.CANCEL and not method.cancels:
            raise MethodForbids(order, _NO_CANCEL)
        returning = kind in (OperationKind.REFUND, OperationKind.VOID)
        if returning and method.refunds == payment_methods.NONE:
            raise MethodForbids(order, _NO_REFUND)

    def require_whole(self, amount: int, capture: ConfirmedCapture | None) -> None:
        """Raises ``MethodForbids`` if the method is refunded in full only, and
        ``amount`` (minor units) is less than ``capture``, or than all that was captured
        without it.
        """
        if self.method is None or self.method.refunds != FULL:
            return
        whole = capture.operation.amount if capture else self.order.captured_amount
        if amount != whole:
            raise MethodForbids(self.order, _FULL_REFUND)

    @cached_property
    def captures(self) -> tuple[ConfirmedCapture, ...]:
        """All confirmed captures, oldest first; read on first use.

        Empty for a payment that was captured with its charge. If it was charged more
        than once, the charges.
        """
        rows = self.order.operations.filter(outcome=OperationOutcome.DONE)
        cancels = rows.filter(kind=OperationKind.CANCEL)
        cancelled = set(cancels.values_list("capture_id", flat=True))
        return tuple(
            self._confirmed(row, is_cancelled=row.pk in cancelled)
            for row in confirmed_captures.of_operations(rows.order_by("pk"))
        )

    @cached_property
    def cancel(self) -> bool:
        """Whether ``flows.cancel`` may end the payment: nothing is held or taken, and
        no charge is under way. Read on first use.
        """
        order = self.order
        if order.is_cancelled or order.channel == Channel.MIT:
            return False
        return is_unpaid(purchase.live_until(order) or order)

    @cached_property
    def held_charge(self) -> Operation | None:
        """The charge that a void releases, where the payment was charged more than
        once: the first that is not voided yet. ``None`` where it was charged once.
        """
        rows = self.order.operations.filter(outcome=OperationOutcome.DONE)
        charges = list(rows.filter(kind__in=enums.CHARGING).order_by("pk"))
        if len(charges) < 2:
            return None
        voids = rows.filter(kind=OperationKind.VOID)
        voided = set(voids.values_list("target_operation_id", flat=True))
        held = [one for one in charges if one.result == result_codes.AUTHORIZED]
        return next(
            (one for one in held if one.gateway_operation_id not in voided), None
        )

    def _confirmed(self, row: Operation, *, is_cancelled: bool) -> ConfirmedCapture:
        remaining = confirmed_captures.remaining_after(row, self.order, self.queued)
        cancel = None
        is_capture = row.kind == OperationKind.CAPTURE and row.gateway_operation_id
        cancels = self.method is None or self.method.cancels
        if self.order.state == OrderState.PAID and is_capture and cancels:
            cancel = remaining if remaining == row.amount else 0
        return ConfirmedCapture(row, remaining, is_cancelled, cancel)

    @property
    def effective_captures(self) -> list[ConfirmedCapture]:
        """The confirmed captures that are not cancelled."""
        return [one for one in self.captures if not one.is_cancelled]

    def find_capture(self, pk: int | None) -> ConfirmedCapture | None:
        """The confirmed capture of this order with that primary key, or ``None``."""
        return next((one for one in self.captures if one.operation.pk == pk), None)

    def capture_to_cancel(self, capture: Operation | None) -> ConfirmedCapture:
        """``capture``, by default the only one.

        Raises ``AmbiguousCapture`` and ``InvalidState``.
        """
        made = self.effective_captures
        if capture is None and len(made) > 1:
            raise AmbiguousCapture(self.order)
        found = made[0] if capture is None and made else None
        if capture is not None:
            found = self.find_capture(capture.pk)
        if found is None:
            raise InvalidState(self.order)
        return found

    def capture_to_refund(
        self, capture: Operation | None, amount: int | None
    ) -> ConfirmedCapture | None:
        """``capture``; by default the only one with a remaining amount, or the first
        where it covers ``amount`` (minor units).

        ``None`` for a payment that was captured with its charge. Raises
        ``InvalidState`` for a capture that is not of this order, and
        ``ExceedsRemaining``.
        """
        if capture is not None:
            if (found := self.find_capture(capture.pk)) is None:
                raise InvalidState(self.order)
            return found
        made = self.effective_captures
        refundable = [one for one in made if one.remaining]
        if not refundable:
            return made[-1] if made else None
        if len(refundable) == 1:
            return refundable[0]
        for one in refundable:
            if amount is not None and one.remaining >= amount:
                return one
        raise ExceedsRemaining(self.order, max(one.remaining for one in refundable))

    def refund_of(self, capture: ConfirmedCapture | None) -> int | None:
        """What may be refunded of ``capture``, or of a payment without captures."""
        if self.refund is None or capture is None:
            return self.refund
        return min(capture.remaining, self.refund)


def available(order: PaymentOrder) -> Available:
    """What may be done with the order's money, from ``order`` as loaded. Reads only.

    Queued refunds have their amounts already.
    """
    queued = queued_refunds.waiting(order) if order.queued_amount else []
    return _judge(order, tuple(queued))


def available_to_queue(order: PaymentOrder) -> Available:
    """As ``available``, for a queued refund that is sent now: what is queued is free.

    Each claim reserves what it takes, so the queued refunds cannot exceed it together.
    """
    return _judge(order, ())


def _judge(order: PaymentOrder, queued: tuple[QueuedRefund, ...]) -> Available:
    authorized, captured = order.authorized_amount, order.captured_amount
    state = order.state
    may_capture = state == OrderState.AUTHORIZED or (
        state == OrderState.PAID and order.capture == CaptureMode.MANUAL
    )
    may_refund = state in (OrderState.PAID, OrderState.REVIEW) and captured
    # captures may have been refunded since: the rest is still held
    kept = captured - order.refunded_amount
    method = payment_methods.find(order.method, conf.current().method_overrides)
    returns = method is None or method.refunds != payment_methods.NONE
    held = totals.uncaptured_amount(order)
    charged = state in (OrderState.AUTHORIZED, OrderState.REVIEW) and authorized
    may_void = charged and not kept and (held or order.capturing_amount)
    void_queued = any(one.kind == OperationKind.VOID for one in queued)
    void_pending = bool(may_void) and (void_queued or _is_void_pending(order))
    queued_amount = confirmed_captures.sum_of_refunds(queued)
    to_refund = totals.unrefunded_amount(order) - queued_amount
    to_capture = 0 if void_pending else held
    to_void = 0 if void_pending or order.capturing_amount else held
    return Available(
        order=order,
        capture=to_capture if may_capture else None,
        void=to_void if may_void and returns else None,
        refund=max(0, to_refund) if may_refund and returns else None,
        void_pending=void_pending,
        queued=queued,
        method=method,
    )


def is_unpaid(order: PaymentOrder) -> bool:
    """Whether the attempt has failed, or waits for a card or for the shopper."""
    if order.state in enums.ABANDONABLE:
        return not (order.is_claimed or order.gateway_pending)
    return order.state == OrderState.FAILED


def _is_void_pending(order: PaymentOrder) -> bool:
    if order.unsettled_since is None:
        return False  # nothing is on its way: spares the query
    voids = order.operations.filter(kind=OperationKind.VOID)
    return voids.filter(outcome__in=enums.RESERVING).exists()


def validated_amount(
    order: PaymentOrder,
    remaining: int | None,
    amount: int | None,
    expected_remaining: Decimal | None = None,
) -> int:
    """``amount`` in minor units (default: all that remains), if it is available.

    ``remaining`` is an amount of ``available``. ``expected_remaining`` is what the
    person saw, in major units. Raises ``InvalidState``, ``AmountChanged`` and
    ``ExceedsRemaining``.
    """
    if remaining is None:
        raise InvalidState(order)
    if expected_remaining is not None and expected_remaining != money.to_major(
        remaining, order.currency
    ):
        raise AmountChanged(order, remaining)
    if amount is None:
        amount = remaining
    if not 0 < amount <= remaining:
        raise ExceedsRemaining(order, remaining)
    return amount
