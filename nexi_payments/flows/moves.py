"""The only place where a payment's state changes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.utils import timezone

from nexi_payments import outbox, states
from nexi_payments.flows import schedule
from nexi_payments.models import Event, Operation, PaymentOrder


def move(
    order: PaymentOrder,
    target: str,
    *,
    sources: Iterable[str] | None = None,
    guard: dict[str, Any] | None = None,
    reason: str = "",
    operation: Operation | None = None,
    actor: Any = None,
    **changes: Any,
) -> bool:
    """Changes the state by compare-and-swap and writes the event, in one transaction.

    False when the order was not in one of ``sources`` (by default every state the table
    allows) or did not fit ``guard``. ``order`` then shows what is on disk.
    """
    legal = states.sources(target)
    wanted = legal if sources is None else legal & frozenset(sources)
    changes |= {"state": target, "reason": reason}
    if target in (states.FAILED, states.VOIDED, states.REFUNDED):
        changes["live_reference"] = None
    changes = schedule.after_move(order, changes, timezone.now()) | changes
    for candidate in sorted(wanted, key=lambda state: state != order.state):
        rows = PaymentOrder.objects.filter(
            pk=order.pk, state=candidate, **(guard or {})
        )
        if rows.update(**changes):
            assign(order, changes)
            _write_event(order, candidate, target, reason, operation, actor)
            return True
    order.refresh_from_db()
    return False


def _write_event(
    order: PaymentOrder,
    source: str,
    target: str,
    reason: str,
    operation: Operation | None,
    actor: Any,
) -> None:
    now = timezone.now()
    ahead = outbox.due_at(target)
    event = Event.objects.create(
        order=order,
        operation=operation,
        kind=target,
        from_state=source,
        to_state=target,
        reason=reason,
        actor=actor,
        created_at=now,
        deliver_at=None if ahead is None else now + ahead,
    )
    outbox.after_commit(event)


def assign(row: Any, values: dict[str, Any]) -> None:
    """Shows on the instance what an UPDATE has written."""
    for name, value in values.items():
        setattr(row, name, value)
