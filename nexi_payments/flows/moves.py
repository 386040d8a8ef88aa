"""The only place where a payment's state changes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from nexi_payments import outbox, states
from nexi_payments.flows import schedule
from nexi_payments.models import Event, Operation, PaymentOrder


@dataclass(frozen=True)
class Actor:
    """Who asked, for the audit: a staff user or shopper, and from where."""

    user: Any = None
    address: str | None = None


NOBODY = Actor()


def move(
    order: PaymentOrder,
    target: str,
    *,
    sources: Iterable[str] | None = None,
    guard: dict[str, Any] | None = None,
    reason: str = "",
    operation: Operation | None = None,
    actor: Actor = NOBODY,
    note: str = "",
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
            write_event(
                order,
                target,
                source=candidate,
                reason=reason,
                operation=operation,
                actor=actor,
                note=note,
            )
            return True
    order.refresh_from_db()
    return False


def write_event(
    order: PaymentOrder,
    kind: str,
    *,
    source: str,
    reason: str = "",
    operation: Operation | None = None,
    actor: Actor = NOBODY,
    note: str = "",
) -> None:
    """The row of what has just happened to ``order``, told to the shop after commit
    where ``kind`` is one of its signals."""
    now = timezone.now()
    ahead = outbox.due_at(kind)
    event = Event.objects.create(
        order=order,
        operation=operation,
        kind=kind,
        from_state=source,
        to_state=order.state,
        reason=reason,
        note=note[:300],
        actor=actor.user,
        address=actor.address,
        created_at=now,
        deliver_at=None if ahead is None else now + ahead,
    )
    outbox.after_commit(event)


def assign(row: Any, values: dict[str, Any]) -> None:
    """Shows on the instance what an UPDATE has written."""
    for name, value in values.items():
        setattr(row, name, value)
