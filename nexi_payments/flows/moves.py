"""The only place where a payment's state changes."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from nexi_payments import outbox, states, telemetry
from nexi_payments.flows import agreements, schedule
from nexi_payments.models import Event, Operation, PaymentOrder, database, statements

log = logging.getLogger("nexi_payments.ledger")


@dataclass(frozen=True)
class Actor:
    """Who asked, for the audit: a staff user or shopper, and from where.

    ``request_id`` is the host's own id of the request, for its logs and ours.
    """

    user: Any = None
    address: str | None = None
    request_id: str = ""


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
        where = {"pk": order.pk, "state": candidate, **(guard or {})}
        if statements.update(PaymentOrder, where, changes):
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
            _tell_contract(order, target)
            return True
    order.refresh_from_db()
    return False


def _tell_contract(order: PaymentOrder, target: str) -> None:
    if order.contract_id is None:
        return
    if kind := agreements.follow(order, target):
        write_event(order, kind, source=target)


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
    event = Event(
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
    statements.insert(event)
    _after_commit(event, actor)
    outbox.after_commit(event)


def _after_commit(event: Event, actor: Actor) -> None:
    """The log line of an event: ids and classes, never what a person wrote or is.

    After the commit, because a line about what was rolled back would be a lie; built
    before it, because ``order`` may have moved on by then.
    """
    order, operation = event.order, event.operation
    facts = {
        "order_id": order.order_id,
        "public_id": order.public_id,
        "channel": order.channel,
        "terminal": order.terminal,
        "kind": event.kind,
        "from_state": event.from_state,
        "to_state": event.to_state,
        "reason": event.reason,
        "operation_kind": operation.kind if operation else "",
        "outcome": operation.outcome if operation else "",
        "correlation_id": operation.correlation_id if operation else "",
        "cid": operation.cid if operation else "",
        "request_id": actor.request_id or (operation.request_id if operation else ""),
    }

    def tell() -> None:
        log.info(
            "order %s: %s → %s %s",
            *(facts[name] for name in ("order_id", "from_state", "to_state")),
            facts["reason"] or facts["kind"],
            extra=facts,
        )
        if event.from_state != event.to_state:
            telemetry.tell(
                telemetry.Transition(
                    event.from_state, event.to_state, order.channel, order.terminal
                )
            )

    database.on_commit(tell)


def assign(row: Any, values: dict[str, Any]) -> None:
    """Shows on the instance what an UPDATE has written."""
    for name, value in values.items():
        setattr(row, name, value)
