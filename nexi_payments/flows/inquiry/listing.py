"""Nexi's list of orders, and how it differs from ours.

``GET /orders`` lists totals without operations (``windows`` has its limits). We take it
as a list of orders by the time of their creation. Only orders with our prefix count: a
terminal may be shared with other installations.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Max
from django.utils import timezone

from nexi_payments import conf
from nexi_payments.conf import Terminal
from nexi_payments.enums import OperationKind, OrderState
from nexi_payments.flows.inquiry import windows
from nexi_payments.gateway.deadline import Deadline
from nexi_payments.gateway.responses import OrderResult
from nexi_payments.models import Operation, PaymentOrder

#: An operation of ours may seem that much older than at Nexi: the request takes its
#: time, and clocks differ.
_TOLERANCE: Final = timedelta(minutes=1)
#: ``lastOperationType`` of what totals do not show reliably, and our kinds of it.
_RETURNS: Final = {
    "REFUND": (OperationKind.REFUND, OperationKind.VOID),
    "VOID": (OperationKind.REFUND, OperationKind.VOID),
    "CANCEL": (OperationKind.CANCEL,),
}


@dataclass(frozen=True)
class Difference:
    """An order that Nexi lists with money, and that we do not have (``order`` is
    ``None``) or have otherwise.
    """

    listed: OrderResult
    order: PaymentOrder | None = None

    def __str__(self) -> str:
        listed = self.listed
        theirs = f"authorized {listed.authorized}, captured {listed.captured}"
        if listed.last_type:
            theirs += f", last {listed.last_type}"
        if self.order is None:
            return f"{listed.order_id} unknown; at Nexi {listed.currency} {theirs}"
        order = self.order
        ours = f"authorized {order.authorized_amount}, captured {order.captured_amount}"
        ours += f", refunded {order.refunded_amount}"
        return f"{order.order_id} {order.state}: {ours}; at Nexi {theirs}"


def find_differences(
    terminal: Terminal,
    since: datetime,
    until: datetime | None = None,
    deadline: Deadline | None = None,
) -> Iterator[Difference]:
    """Yields each order with our prefix that differs, from a window of any length.

    ``until`` is now by default. ``deadline`` is for all pages together; without it each
    call has its own. Raises ``GatewayError``. Our rows are read after
    Nexi's list: an order is committed before anything about it is sent.
    """
    prefix = conf.current().order_prefix
    for page in _pages(terminal, since, until, deadline):
        ours = [one for one in page if one.order_id.startswith(prefix)]
        yield from _compare(ours)


def _pages(
    terminal: Terminal,
    since: datetime,
    until: datetime | None,
    deadline: Deadline | None,
) -> Iterator[Sequence[OrderResult]]:
    """The list in pages, the newest first."""
    client = conf.client(terminal)

    def fetch(start: datetime, end: datetime) -> Sequence[OrderResult]:
        return client.orders(
            conf.call_context(deadline), since=start, until=end, limit=windows.PAGE_SIZE
        )

    for page in windows.pages(fetch, since, until or timezone.now()):
        yield page.entries


def _compare(listed: Sequence[OrderResult]) -> Iterator[Difference]:
    rows = PaymentOrder.objects.filter(order_id__in=[one.order_id for one in listed])
    known = {order.order_id: order for order in rows}
    returned = [
        (known[one.order_id].pk, one.last_type)
        for one in listed
        if one.last_type in _RETURNS and one.order_id in known
    ]
    last_known = _newest_operations(returned)
    for one in listed:
        order = known.get(one.order_id)
        if order is None:
            if one.authorized or one.captured:
                yield Difference(one)
        elif _is_unsent(order) or differs(order, one, last_known.get(order.pk)):
            yield Difference(one, order)


def _is_unsent(order: PaymentOrder) -> bool:
    """Whether nothing was sent about a listed order, says our database: only a backup
    explains it. Its charge may be pending, then no total shows it.
    """
    unsent = order.state in (OrderState.INIT, OrderState.FAILED)
    return unsent and not order.operations.exists()


def _newest_operations(returned: Sequence[tuple[int, str]]) -> dict[int, datetime]:
    """By order: when our newest operation of the listed type was written."""
    if not returned:
        return {}
    kinds = {kind for names in _RETURNS.values() for kind in names}
    keys = [key for key, _ in returned]
    rows = Operation.objects.filter(order_id__in=keys, kind__in=kinds).order_by()
    groups = rows.values("order_id", "kind").annotate(newest=Max("created_at"))
    newest = {(row["order_id"], row["kind"]): row["newest"] for row in groups}
    found = {
        key: [newest[key, kind] for kind in _RETURNS[type_] if (key, kind) in newest]
        for key, type_ in returned
    }
    return {key: max(times) for key, times in found.items() if times}


def differs(
    order: PaymentOrder, listed: OrderResult, newest: datetime | None = None
) -> bool:
    """Whether Nexi's totals may say something that we do not know.

    ``newest``: when our newest operation of the listed type was written. A difference
    is a reason to inquire, never more: totals run ahead of operations, and a refund may
    or may not lower ``capturedAmount``.
    """
    if order.state == OrderState.PAYING:
        return False  # it is polled
    if listed.last_type in _RETURNS and _is_newer(listed.last_time, newest):
        return True
    if order.state == OrderState.REFUNDED:
        return False  # what the totals show then is not published
    captured = listed.captured
    if order.state == OrderState.VOIDED:
        return bool(captured)
    if (order.authorized_amount > 0) != bool(listed.authorized or captured):
        return True
    if captured is None or captured == order.disputed_total:
        return False
    most = order.captured_amount + order.capturing_amount
    least = order.captured_amount - order.refunded_amount - order.refunding_amount
    return not least <= captured <= most


def _is_newer(theirs: datetime | None, ours: datetime | None) -> bool:
    if ours is None:
        return True
    return theirs is not None and theirs > ours + _TOLERANCE
