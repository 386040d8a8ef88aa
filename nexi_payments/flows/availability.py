"""What may be captured, voided, refunded and cancelled, and how much: ``available``.

The only such rule: verbs, admin and API ask it. It judges the order as loaded; the
claim of the operation judges the row again, in SQL.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Final
from zoneinfo import ZoneInfo

from django.db.models import QuerySet
from django.utils import timezone

from nexi_payments import enums, money
from nexi_payments.enums import CaptureMode, OperationKind, OperationOutcome, OrderState
from nexi_payments.exceptions import (
    AmbiguousCapture,
    AmountChanged,
    ExceedsRemaining,
    InvalidState,
)
from nexi_payments.flows.ledger import books, totals
from nexi_payments.gateway import result_codes
from nexi_payments.models import Operation, PaymentOrder

#: Nexi counts days in this time zone.
_GATEWAY_TIME_ZONE: Final = ZoneInfo("Europe/Rome")


@dataclass(frozen=True)
class ConfirmedCapture:
    """One capture that Nexi has confirmed, or one of several charges that were captured
    at once. Amounts in minor units.

    ``remaining`` is neither refunded, cancelled nor reserved. It is 0 with manual
    capture as long as Nexi's total alone shows the capture. ``cancel`` is the amount
    that a cancel would take back: always the whole capture, 0 after a partial refund,
    ``None`` if the order's state allows no cancel or Nexi lists no such capture. Nexi
    accepts a cancel only while ``is_of_today`` (Italian time).
    """

    operation: Operation
    remaining: int
    is_cancelled: bool
    cancel: int | None

    @property
    def is_of_today(self) -> bool:
        today = timezone.now().astimezone(_GATEWAY_TIME_ZONE).date()
        made = self.operation.created_at.astimezone(_GATEWAY_TIME_ZONE).date()
        return made == today


@dataclass(frozen=True)
class Available:
    """The amounts that each operation may still move, in minor units.

    ``None``: not possible in the order's state. 0: possible, but nothing is left, or a
    request that is on its way has reserved it. ``void`` is always all that is held.
    ``void_pending``: a void is on its way.
    """

    order: PaymentOrder
    capture: int | None
    void: int | None
    refund: int | None
    void_pending: bool

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
            for row in _captured(rows.order_by("pk"))
        )

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
        remaining = _remaining_of(row, self.order)
        cancel = None
        is_capture = row.kind == OperationKind.CAPTURE and row.gateway_operation_id
        if self.order.state == OrderState.PAID and is_capture:
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


def _captured(done: QuerySet[Operation]) -> list[Operation]:
    """The operations that a refund may name."""
    kinds = enums.CHARGING | {OperationKind.CAPTURE}
    rows = list(done.filter(kind__in=kinds))
    captures = [row for row in rows if row.kind == OperationKind.CAPTURE and row.amount]
    if captures:
        return captures
    at_once = [row for row in rows if row.result in books.CAPTURED_WITH_CHARGE]
    return at_once if len(at_once) > 1 else []


def available(order: PaymentOrder) -> Available:
    """What may be done with the order's money, from ``order`` as loaded. Reads only."""
    authorized, captured = order.authorized_amount, order.captured_amount
    state = order.state
    may_capture = state == OrderState.AUTHORIZED or (
        state == OrderState.PAID and order.capture == CaptureMode.MANUAL
    )
    may_refund = state in (OrderState.PAID, OrderState.REVIEW) and captured
    # captures may have been refunded since: the rest is still held
    kept = captured - order.refunded_amount
    held = totals.uncaptured_amount(order)
    charged = state in (OrderState.AUTHORIZED, OrderState.REVIEW) and authorized
    may_void = charged and not kept and (held or order.capturing_amount)
    void_pending = bool(may_void) and _is_void_pending(order)
    to_capture = 0 if void_pending else held
    to_void = 0 if void_pending or order.capturing_amount else held
    return Available(
        order=order,
        capture=to_capture if may_capture else None,
        void=to_void if may_void else None,
        refund=totals.unrefunded_amount(order) if may_refund else None,
        void_pending=void_pending,
    )


def _is_void_pending(order: PaymentOrder) -> bool:
    if order.unsettled_since is None:
        return False  # nothing is on its way: spares the query
    voids = order.operations.filter(kind=OperationKind.VOID)
    return voids.filter(outcome__in=enums.RESERVING).exists()


def remaining_of(operation: Operation) -> int | None:
    """What of a confirmed capture is neither refunded, cancelled nor reserved, in minor
    units. ``None`` for any other operation.
    """
    if (operation.kind, operation.outcome) != (
        OperationKind.CAPTURE,
        OperationOutcome.DONE,
    ):
        return None
    return _remaining_of(operation, operation.order)


def _remaining_of(capture: Operation, order: PaymentOrder) -> int:
    if capture.by_totals and order.capture == CaptureMode.MANUAL:
        # Nexi refunds it by its id, which is not listed yet. On the id of the charge
        # the same request voids what is held.
        return 0
    return totals.remaining_of(capture)


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
