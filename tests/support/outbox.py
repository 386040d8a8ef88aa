"""Undelivered events, for tests and benchmarks."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.utils import timezone

from nexi_payments.enums import EventKind, OrderState
from nexi_payments.models import Event, PaymentOrder
from tests.support.shopper import new_order


def write_due_events(
    orders: list[PaymentOrder], per_order: int, due: datetime | None = None
) -> list[Event]:
    """Events of captures that no process holds, the first of each order first."""
    now = timezone.now()
    rows = [
        Event(
            order=order,
            kind=EventKind.CAPTURED,
            from_state=OrderState.PAID,
            to_state=OrderState.PAID,
            created_at=now,
            deliver_at=due or now,
        )
        for _ in range(per_order)
        for order in orders
    ]
    return Event.objects.bulk_create(rows, batch_size=500)


class Shop:
    """A receiver that fails or hangs for some orders, and notes the others."""

    def __init__(self) -> None:
        self.heard: dict[int, list[int]] = defaultdict(list)
        self.calls: dict[int, int] = defaultdict(int)
        self.errors: dict[int, BaseException] = {}
        self.hanging: set[int] = set()
        self.release = threading.Event()
        self.threads: set[threading.Thread] = set()

    def __call__(self, sender: Any, order: Any, event: Any, **kwargs: Any) -> None:
        self.calls[event.pk] += 1
        self.threads.add(threading.current_thread())
        if order.pk in self.hanging:
            self.release.wait()
        if order.pk in self.errors:
            raise self.errors[order.pk]
        self.heard[order.pk].append(event.pk)

    def total(self) -> int:
        return sum(len(pks) for pks in list(self.heard.values()))


@contextmanager
def connected(signal: Any, receiver: Callable[..., Any]) -> Iterator[None]:
    signal.connect(receiver, weak=False)
    try:
        yield
    finally:
        signal.disconnect(receiver)


def new_orders(count: int) -> list[PaymentOrder]:
    return [new_order() for _ in range(count)]


def pks_by_order(events: list[Event]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    for event in events:
        found[event.order_id].append(event.pk)
    return found
