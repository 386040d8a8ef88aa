"""State changes. No other module changes a payment's state."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from nexi_payments import enums, outbox, telemetry
from nexi_payments.enums import EventKind, OrderState, Reason
from nexi_payments.flows.ledger import contract_effects, poll_schedule
from nexi_payments.models import (
    Approval,
    Event,
    Operation,
    PaymentOrder,
    db_transactions,
    raw_sql,
)
from nexi_payments.models.audit import STAFF_NAME_LENGTH
from nexi_payments.models.raw_sql import Rows
from nexi_payments.web import client_info

log = logging.getLogger("nexi_payments.ledger")


@dataclass(frozen=True)
class Actor:
    """Who asked, for the audit trail: a staff user or shopper, and the IP address.

    ``request_id`` is the host's own id of the HTTP request; it appears in our logs.
    ``captcha_passed``: the visitor has shown to be human, so that the velocity limit
    over all shoppers does not apply (``CAPTCHA``).
    ``name`` says that the user acts by a permission: the admin and the API give it. It
    stays in the rows when the user is deleted.
    """

    user: Any = None
    address: str | None = None
    request_id: str = ""
    captcha_passed: bool = False
    name: str = ""

    @functools.cached_property
    def network(self) -> str:
        """What the velocity limits by address count by; "" if none is known."""
        return client_info.network(self.address)

    @property
    def staff_name(self) -> str:
        """The name for the audit trail; "" for shoppers and for nobody.

        Without ``name``, that of a user with ``is_staff``.
        """
        if self.user is None and not self.name:
            return ""
        name = self.name
        if not name and getattr(self.user, "is_staff", False):
            name = str(self.user.get_username())
        return name[:STAFF_NAME_LENGTH]


NO_ACTOR = Actor()


def transition(
    order: PaymentOrder,
    target: str,
    *,
    sources: Iterable[str] | None = None,
    conditions: dict[str, Any] | None = None,
    unless: Sequence[Rows] = (),
    reason: str = "",
    operation: Operation | None = None,
    actor: Actor = NO_ACTOR,
    note: str = "",
    silent: bool = False,
    **changes: Any,
) -> bool:
    """Changes the state by compare-and-swap and writes the event, in one transaction.

    ``changes`` are further columns. ``silent``: the event is history, without its
    signal. False when the order is not in one of ``sources``
    (by default every state that ``TRANSITIONS`` allows), does not meet ``conditions``,
    or if one of ``unless`` exists; ``order`` is reloaded then.
    """
    source = change_state(
        order,
        target,
        sources=sources,
        conditions=conditions,
        unless=unless,
        reason=reason,
        **changes,
    )
    if source is None:
        return False
    write_event(
        order,
        target,
        source=source,
        reason=reason,
        operation=operation,
        actor=actor,
        note=note,
        silent=silent,
    )
    _update_contract(order, target)
    return True


def supersede(
    order: PaymentOrder,
    replace: Callable[[], PaymentOrder],
    *,
    even_if_pending: bool = False,
) -> bool:
    """Fails an attempt whose card was not used yet, and lets ``replace`` put another
    one in its place, which its event names. Call it inside a transaction.

    ``replace`` runs when the reference is free. False when it is too late; ``order`` is
    reloaded then. A payment that Nexi is still confirming is only superseded with
    ``even_if_pending``.
    """
    conditions: dict[str, Any] = {"claimed_at": None}
    if not even_if_pending:
        conditions["gateway_pending"] = False
    source = change_state(
        order,
        OrderState.FAILED,
        sources=enums.ABANDONABLE,
        conditions=conditions,
        reason=Reason.SUPERSEDED,
    )
    if source is None:
        return False
    successor = replace()
    write_event(
        order,
        EventKind.SUPERSEDED,
        source=source,
        reason=Reason.SUPERSEDED,
        successor=successor,
    )
    _update_contract(order, OrderState.FAILED)
    return True


def change_state(
    order: PaymentOrder,
    target: str,
    *,
    sources: Iterable[str] | None = None,
    conditions: dict[str, Any] | None = None,
    unless: Sequence[Rows] = (),
    reason: str = "",
    **changes: Any,
) -> str | None:
    """``transition`` without its event. Returns the state before it; ``None`` as
    ``transition`` returns False.
    """
    allowed = enums.sources(target)
    candidates = allowed if sources is None else allowed & frozenset(sources)
    changes |= {"state": target, "reason": reason}
    if target in (OrderState.FAILED, OrderState.VOIDED, OrderState.REFUNDED):
        changes["live_reference"] = None
    if not _counts_as_attempt(order, target, reason):
        changes["attempted_at"] = None
    changes = poll_schedule.transition_columns(order, changes, timezone.now()) | changes
    for candidate in sorted(candidates, key=lambda state: state != order.state):
        where = {"pk": order.pk, "state": candidate, **(conditions or {})}
        if raw_sql.update(
            PaymentOrder, where, changes, increment="version", unless=unless
        ):
            assign(order, changes)
            return candidate
    order.refresh_from_db()
    return None


def _counts_as_attempt(order: PaymentOrder, target: str, reason: str) -> bool:
    """Whether the velocity limits go on counting this attempt.

    On Nexi's hosted page no card was tried here, and a shopper may leave it: it counts
    while it is open, and if the issuer said no.
    """
    if target != OrderState.FAILED:
        return target in enums.UNDER_WAY
    return reason in (enums.DECLINES if order.is_hosted else enums.CARD_WAS_TRIED)


def _update_contract(order: PaymentOrder, target: str) -> None:
    if order.contract_id is None:
        return
    if kind := contract_effects.apply_transition(order, target):
        write_event(order, kind, source=target)


def write_event(
    order: PaymentOrder,
    kind: str,
    *,
    source: str,
    reason: str = "",
    operation: Operation | None = None,
    successor: PaymentOrder | None = None,
    actor: Actor = NO_ACTOR,
    note: str = "",
    silent: bool = False,
    approval: Approval | None = None,
) -> Event:
    """Writes an event of ``order``. The signal of its kind is sent after commit, unless
    it is ``silent``.
    """
    now = timezone.now()
    lease = None if silent else outbox.delivery_lease(kind)
    staff_name = actor.staff_name
    event = Event(
        order=order,
        operation=operation,
        successor=successor,
        approval=approval,
        kind=kind,
        from_state=source,
        to_state=order.state,
        reason=reason,
        note=note[:300],
        actor=actor.user,
        actor_name=staff_name,
        address=actor.address,
        audit_due=True if staff_name else None,
        created_at=now,
        deliver_at=None if lease is None else now + lease,
    )
    raw_sql.insert(event)
    _log_after_commit(event, actor)
    outbox.deliver_after_commit(event)
    return event


def _log_after_commit(event: Event, actor: Actor) -> None:
    """Logs an event after the commit: ids and classes, no personal data, no notes.

    After the commit, because a rolled-back event did not happen. The values are read
    before it, because ``order`` may have changed by then.
    """
    order, operation = event.order, event.operation
    facts = {
        "order_id": order.order_id,
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

    # plain text: a host's formatter need not know our enumerations
    facts = {name: str(value or "") for name, value in facts.items()}

    def log_event() -> None:
        log.info(
            "order %s: %s → %s %s",
            *(facts[name] for name in ("order_id", "from_state", "to_state")),
            facts["reason"] or facts["kind"],
            extra=facts,
        )
        if event.from_state != event.to_state:
            telemetry.publish(
                telemetry.Transition(
                    event.from_state, event.to_state, order.channel, order.terminal
                )
            )

    db_transactions.on_commit(log_event)


def assign(row: Any, values: dict[str, Any]) -> None:
    """Sets on the instance what an UPDATE has written."""
    for name, value in values.items():
        setattr(row, name, value)
