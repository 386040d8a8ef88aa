"""Customers on hosted pages, for tests and for the page: ``Simulator.hosted``."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from nexi_payments.simulator import (
    balances,
    hosted_payments,
    payment_links,
    payment_methods,
    test_cards,
)
from nexi_payments.simulator.hosted_payments import ENDINGS, PAY_LATE, Visit
from nexi_payments.simulator.notifications import AFTER, MODES, Delivery
from nexi_payments.simulator.payment_methods import CARDS, Method
from nexi_payments.simulator.records import Record
from nexi_payments.simulator.state import SimulatorState

#: Endings that lead to the cancel address, and endings without a return.
_CANCELLING: Final = frozenset({hosted_payments.CANCEL, hosted_payments.LEAVE})
_STAYING: Final = frozenset({hosted_payments.CLOSE, PAY_LATE})
#: ending → number of the first test card that has it
_CARDS: Final = {card.ending: card.number for card in reversed(test_cards.TEST_CARDS)}


@dataclass(frozen=True)
class HostedVisit:
    """What came of a visit: ids of its payments, and where the browser goes now.

    ``return_url`` is the shop's result or cancel address, "" if the customer stays or
    leaves for good."""

    operation_ids: tuple[str, ...]
    return_url: str = field(repr=False)


class HostedPages:
    """The hosted pages of one simulated gateway."""

    def __init__(self, state: SimulatorState) -> None:
        self._state = state
        self._late: list[tuple[datetime, str, Visit]] = []
        self._lock = threading.Lock()

    # -- customers ---------------------------------------------------------------------

    def open(self, order_id: str) -> list[str]:
        """Open the page of an order. Return the codes of the methods it offers.

        Raises ``ValueError`` without a page, and for a link that takes no payment."""
        page = hosted_payments.open_page(self._state, order_id)
        if page is None:
            raise ValueError(f"no hosted page of {order_id!r}")
        if not payment_links.is_payable(self._state, page):
            raise ValueError(f"the payment link of {order_id!r} takes no payment")
        return [method.code for method in self.methods_of(page)]

    def pay(
        self,
        order_id: str,
        *,
        method: str = "",
        ending: str = hosted_payments.PAY,
        notify: str = AFTER,
        card: str = "challenge",
    ) -> HostedVisit:
        """Do on the page of an order what a customer does there.

        ``method`` is one that the page offers; the default is its first. ``ending`` is
        one of ``ENDINGS``, ``notify`` one of ``MODES``. With the method "CARDS",
        ``card`` is the ending of a test card, and decides what "pay" becomes. A page
        may be paid more than once, as two tabs would.

        Notifications that come before the return are delivered here, others by
        ``deliver_due``. Raises ``ValueError`` for what is not possible."""
        offered = self.open(order_id)
        wanted = method or offered[0]
        for value, known in (
            (wanted, offered),
            (ending, ENDINGS),
            (notify, MODES),
            (card, _CARDS),
        ):
            if value not in known:
                raise ValueError(f"no {value!r}; there are: {', '.join(known)}")
        found = test_cards.stored_card(_CARDS[card]) if wanted == CARDS else None
        return self.visit(order_id, Visit(wanted, ending, notify, found))

    def visit(self, order_id: str, visit: Visit) -> HostedVisit:
        """As ``pay``, unchecked."""
        made: list[str] = []
        if visit.ending == PAY_LATE:
            due = self._state.now() + timedelta(seconds=self._state.late_seconds)
            with self._lock:
                self._late.append((due, order_id, visit))
        else:
            made = hosted_payments.perform(self._state, order_id, visit)
        self._state.notifications.deliver_due(at_once=True)
        return HostedVisit(tuple(made), self._return_url(order_id, visit.ending))

    def _return_url(self, order_id: str, ending: str) -> str:
        page = self._state.store.find_page(order_id)
        if page is None or ending in _STAYING:
            return ""
        return str(page["cancel_url" if ending in _CANCELLING else "result_url"])

    def settle(self, order_id: str, *, paid: bool = True) -> None:
        """Let the pending payments of an order become paid, or fail, now.

        Raises ``ValueError`` without one."""
        pending = [
            one["operation_id"]
            for one in self._state.store.payments_of(order_id)
            if hosted_payments.settle(self._state, one["operation_id"], paid=paid)
        ]
        if not pending:
            raise ValueError(f"no payment of {order_id!r} is pending")

    # -- notifications -----------------------------------------------------------------

    def deliver_due(self) -> int:
        """Deliver the notifications that are due. Return how many."""
        self.execute_late()
        return self._state.notifications.deliver_due()

    @property
    def deliveries(self) -> tuple[Delivery, ...]:
        """The last notifications that were sent, oldest first."""
        return self._state.notifications.deliveries

    # -- for the page and the simulator ------------------------------------------------

    @property
    def state(self) -> SimulatorState:
        return self._state

    def methods_of(self, page: Record) -> list[Method]:
        if page["service"]:
            return [payment_methods.method_by_code(page["service"])]
        return payment_methods.offered(self._state.payment_methods, page["currency"])

    def status(self, order_id: str) -> str:
        """Return "paid" or "pending" if a page takes no further payment, else ""."""
        now = self._state.now()
        payments = self._state.store.payments_of(order_id)
        results = {balances.as_of(one, now)["result"] for one in payments}
        if results & balances.CHARGED:
            return "paid"
        return "pending" if "PENDING" in results else ""

    def execute_late(self) -> None:
        """Make the late payments that are due, at the time they were due."""
        now = self._state.now()
        with self._lock:
            due = [one for one in self._late if one[0] <= now]
            self._late = [one for one in self._late if one[0] > now]
        for moment, order_id, visit in due:
            paid = Visit(visit.method, hosted_payments.PAY, visit.notify, visit.card)
            hosted_payments.perform(self._state.at(moment), order_id, paid)

    def clear(self) -> None:
        with self._lock:
            self._late.clear()
        self._state.notifications.clear()
