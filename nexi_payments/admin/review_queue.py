"""Review queue: payments in doubt or under manual review, discrepancies, undelivered
signals, recurring charges that fail. Oldest first."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from nexi_payments import (
    conf,
    date_texts,
    enums,
    money,
    outbox,
    permissions,
    terminal_rights,
)
from nexi_payments.admin import (
    discrepancy_texts,
    in_flight,
    staff_texts,
)
from nexi_payments.admin.base import StaffPages
from nexi_payments.admin.discrepancy_texts import DiscrepancyText
from nexi_payments.enums import OrderState
from nexi_payments.flows import retry_policy
from nexi_payments.models import (
    Discrepancy,
    Event,
    Operation,
    PaymentOrder,
)
from nexi_payments.models.bookkeeping import TerminalOutage

#: Maximum number of rows on the page. More means an outage.
_MAX_ROWS: Final = 200


class ReviewQueuePage(StaffPages):
    @property
    def urls(self) -> list[URLPattern]:
        return [self.admin.admin_path("review-queue/", self.view, "review_queue")]

    def view(self, request: HttpRequest) -> HttpResponse:
        permissions.require_any(request, *permissions.CAN_VIEW_PAYMENTS)
        user = request.user
        rows = [_queue_row(order, waiting) for order, waiting in _queued_orders(user)]
        outages = TerminalOutage.objects.all()
        contracts = retry_policy.failing_contracts()
        context = {
            "title": _("Payments to check"),
            "rows": rows[:_MAX_ROWS],
            "more": len(rows) > _MAX_ROWS,
            "outages": terminal_rights.limit(outages, user),
            "discrepancies": _discrepancies(user),
            "events": _blocked_events(user),
            "contracts": terminal_rights.limit(contracts, user)[:_MAX_ROWS],
            "may_view_contracts": permissions.has_any(
                request, *permissions.CAN_VIEW_CONTRACTS
            ),
            "may_resolve": permissions.has_any(request, permissions.RESOLVE),
            "may_inquire": permissions.has_any(request, permissions.RECONCILE),
            "list_url": self.admin.admin_url("changelist"),
        }
        return self.render(request, "review_queue.html", context)


def _discrepancies(user: Any) -> list[DiscrepancyText]:
    rows = Discrepancy.objects.filter(resolved_at=None).select_related("order")
    rows = terminal_rights.limit(rows, user, column="order__terminal")
    return [discrepancy_texts.describe(one) for one in rows[:_MAX_ROWS]]


def _blocked_events(user: Any) -> list[tuple[Event, str]]:
    """Events that the shop's receivers have not taken, with a description. Oldest
    first."""
    rows = outbox.blocked_events()
    rows = terminal_rights.limit(rows, user, column="order__terminal")
    labels = dict(PaymentOrder._meta.get_field("state").choices or [])
    return [
        (one, f"{labels[one.from_state]} → {labels[one.to_state]}")
        for one in rows.select_related("order")[:_MAX_ROWS]
    ]


def _queued_orders(user: Any) -> list[tuple[PaymentOrder, list[Operation]]]:
    """Payments under review, and payments in doubt past the claim deadline.

    Before the deadline, a request may still be working on them.
    """
    claim_timeout = timedelta(seconds=conf.current().claim_timeout)
    in_doubt = PaymentOrder.objects.filter(unsettled_since__isnull=False)
    in_doubt = terminal_rights.limit(in_doubt, user)
    orders = list(in_doubt.order_by("unsettled_since")[: _MAX_ROWS + 1])
    orders = [
        order
        for order in orders
        if order.state == OrderState.REVIEW
        or (order.unsettled_since or timezone.now()) <= timezone.now() - claim_timeout
    ]
    operations: dict[int, list[Operation]] = {}
    rows = Operation.objects.filter(order__in=orders, outcome__in=enums.RESERVING)
    for row in rows:
        operations.setdefault(row.order_id, []).append(row)
    return [(order, operations.get(order.pk, [])) for order in orders]


def _queue_row(order: PaymentOrder, waiting: list[Operation]) -> dict[str, Any]:
    found = [in_flight.describe(row, order) for row in waiting if row.amount]
    return {
        "order": order,
        "state": order.display_status.label,
        "amount": money.display(order.amount, order.currency),
        "age": date_texts.age(order.unsettled_since or timezone.now()),
        "in_flight": found,
        "next_question": in_flight.next_question(order),
        "advice": staff_texts.advice(order),
    }
