"""What a customer does on a hosted page, and the notifications that follow."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from nexi_payments.simulator import (
    balances,
    notifications,
    payment_links,
    payment_methods,
    payments,
    records,
    responses,
)
from nexi_payments.simulator.notifications import Notification
from nexi_payments.simulator.payment_methods import CARDS
from nexi_payments.simulator.records import Record
from nexi_payments.simulator.state import SimulatorState
from nexi_payments.simulator.test_cards import DECLINE_CODES

PAY: Final = "pay"
DECLINE: Final = "decline"
#: the page records that the customer gave up
CANCEL: Final = "cancel"
#: back to the shop's cancel address; the page records nothing
LEAVE: Final = "leave"
#: neither a payment nor a return
CLOSE: Final = "close"
#: two successful payments of one order
PAY_TWICE: Final = "pay_twice"
#: paid ``late_seconds`` later
PAY_LATE: Final = "pay_late"
#: pending for ``pending_seconds``, then paid, or not
PENDING: Final = "pending"
PENDING_FAILS: Final = "pending_fails"
ENDINGS: Final = (
    *(PAY, DECLINE, CANCEL, LEAVE, CLOSE, PAY_TWICE, PAY_LATE),
    *(PENDING, PENDING_FAILS),
)

#: ending → that of the test card which has the same outcome
_CARD_ENDINGS: Final = {
    DECLINE: "declined",
    PENDING: "pending_then_paid",
    PENDING_FAILS: "pending_then_paid",
}
#: Test cards with these endings decide themselves what "pay" becomes.
_DECIDING: Final = (*DECLINE_CODES, "pending_then_paid", "refund_pending")
#: Endings of test cards that are refused before a charge.
_REFUSED: Final = {"risk": "DENIED_BY_RISK", "validation_failed": "THREEDS_FAILED"}
#: A payment link with such a payment is used.
USING: Final = balances.CHARGED | {"PENDING"}


@dataclass(frozen=True)
class Visit:
    """What the customer does. ``method`` is a code of ``payment_methods``.

    ``card`` has masked, expiry, brand and ending, and is for ``CARDS`` only."""

    method: str
    ending: str
    notify: str
    card: Record | None = None


def open_page(state: SimulatorState, order_id: str) -> Record | None:
    """Return the page of an order; its order is found from now on."""
    with state.store.edit_page(order_id) as page:
        if page is not None and page["opened_at"] is None:
            page["opened_at"] = state.now().isoformat()
    return page


def perform(state: SimulatorState, order_id: str, visit: Visit) -> list[str]:
    """Make the payments of a visit and queue their notifications. Return their ids.

    ``PAY_LATE`` pays now: call it later. Returns [] if the page is not payable."""
    made: list[Record] = []
    with state.store.edit_page(order_id) as page:
        if page is None or not payment_links.is_payable(state, page):
            return []
        page["opened_at"] = page["opened_at"] or state.now().isoformat()
        if visit.ending not in (LEAVE, CLOSE):
            for _ in range(2 if visit.ending == PAY_TWICE else 1):
                record = _new_payment(state, page, visit)
                state.store.insert(record)
                made.append(record)
        used_by = [one["operation_id"] for one in made if one["result"] in USING]
        if page["link"] and used_by:
            page["link"]["paid_by"] = used_by[0]
    _notify(state, page, visit, made)
    return [record["operation_id"] for record in made]


def settle(state: SimulatorState, operation_id: str, *, paid: bool) -> bool:
    """Let a pending payment become paid or not, now. False if it is not pending."""
    now = state.now()
    with state.store.edit_payment(operation_id) as record:
        if record is None or balances.as_of(record, now)["result"] != "PENDING":
            return False
        record["settles_at"] = now.isoformat()
        record["outcome"] = "" if paid else "FAILED"
        settled = responses.operation(balances.as_of(record, now))
    state.notifications.settle(settled)
    return True


def _new_payment(state: SimulatorState, page: Record, visit: Visit) -> Record:
    order = {
        "orderId": page["order_id"],
        "amount": page["amount"],
        "currency": page["currency"],
        "description": page["description"],
    }
    method = payment_methods.method_by_code(visit.method)
    card = {"masked": "", "expiry": "", "brand": method.circuit, "ending": "challenge"}
    if visit.method == CARDS and visit.card:
        card |= visit.card
    refused = _REFUSED.get(card["ending"]) if visit.ending == PAY else None
    if visit.ending != PAY or card["ending"] not in _DECIDING:
        card["ending"] = _CARD_ENDINGS.get(visit.ending, "challenge")
    record = records.new_record("hosted", order, card, state.now())
    record["method"] = visit.method
    if visit.ending == CANCEL or refused:
        record["result"] = refused or "CANCELED"
        return record
    implicit_only = visit.method != CARDS and not method.is_wallet
    payments.charge(state, record, "IMPLICIT" if implicit_only else None)
    if visit.ending == PENDING_FAILS:
        record["outcome"] = "FAILED"
    return record


# -- notifications ---------------------------------------------------------------------


def _notify(
    state: SimulatorState, page: Record, visit: Visit, made: list[Record]
) -> None:
    if not page["notification_url"] or visit.notify == notifications.NEVER:
        return
    if visit.notify in (notifications.FORGED, notifications.FOREIGN):
        _add(state, page, visit.notify, _false_body(state, page, visit), state.now())
        return
    for record in made:
        event_id = notifications.new_event_id()
        _announce(state, page, visit.notify, record, event_id, state.now())
        if record["settles_at"]:
            # seen with a second event, and said to have the id of the first
            due = datetime.fromisoformat(record["settles_at"])
            settled = balances.as_of(record, due)
            _announce(state, page, visit.notify, settled, event_id, due)


def _announce(
    state: SimulatorState,
    page: Record,
    mode: str,
    record: Record,
    event_id: str,
    due: datetime,
) -> None:
    if mode == notifications.LATE:
        due += timedelta(seconds=state.late_seconds)
    body = notifications.body(
        responses.operation(record), page["security_token"], event_id, due
    )
    _add(state, page, mode, body, due)
    if mode == notifications.TWICE:
        _add(state, page, notifications.AFTER, body, due)


def _add(
    state: SimulatorState, page: Record, mode: str, body: dict[str, Any], due: datetime
) -> None:
    at_once = mode not in (notifications.AFTER, notifications.LATE)
    url = page["notification_url"]
    state.notifications.add(
        Notification(page["order_id"], mode, due, at_once, url, body)
    )


def _false_body(state: SimulatorState, page: Record, visit: Visit) -> dict[str, Any]:
    """Return a body that says "paid", whatever has happened on the page."""
    paid = Visit(visit.method, PAY, visit.notify, visit.card)
    record = _new_payment(state, page, paid) | {"result": "EXECUTED", "code": "000"}
    token = page["security_token"]
    if visit.notify == notifications.FORGED:
        token = notifications.new_security_token()
    else:
        record["order_id"] = state.store.other_order(page["order_id"]) or "OTHERORDER1"
    return notifications.body(
        responses.operation(record), token, notifications.new_event_id(), state.now()
    )
