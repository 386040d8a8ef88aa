"""The promises of the histories on a virtual clock: both books, no charge twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

from django.utils import timezone

from nexi_payments import conf, enums, flows
from nexi_payments.enums import OrderState
from nexi_payments.models import Operation, PaymentOrder
from nexi_payments.simulator.balances import CHARGED
from tests.histories import post_charge_invariants
from tests.histories.post_charge_invariants import BothBooks
from tests.histories.virtual_shop import VirtualShop

#: States of an attempt whose charge a person has seen, or that gave its money back.
_EXEMPT: Final = enums.RETURNED | {OrderState.REVIEW}


def find_violations(shop: VirtualShop) -> dict[int, list[str]]:
    """The broken promises of each history, by its number.

    First what we found by ourselves, as requests of ours are watched. Then each payment
    is inquired about, because nothing tells us what others made at Nexi.
    """
    broken: dict[int, list[str]] = defaultdict(list, shop.broken)
    for order, number in _numbered(shop):
        if books := _books(shop, order):
            broken[number] += post_charge_invariants.refused_requests(books)
    for _ in range(3):
        for order, number in _numbered(shop):
            try:
                flows.reconcile(order)
            except Exception as error:
                broken[number].append(f"exception: reconcile: {type(error).__name__}")
        shop.move(conf.current().lag + 1)
    _rest(shop)
    for order, number in _numbered(shop):
        broken[number] += _of_charge(shop, order)
        books = _books(shop, order)
        if books and order.state != OrderState.FAILED:
            broken[number] += post_charge_invariants.find_violations(books)
    for number, line in _charged_once(shop):
        broken[number].append(line)
    return {number: lines for number, lines in broken.items() if lines}


def _rest(shop: VirtualShop) -> None:
    """What the inquiries of the judge have found is delivered."""
    end = timezone.now() + timedelta(hours=3)
    while timezone.now() < end:
        flows.reconcile()
        shop.move(1200)


def _numbered(shop: VirtualShop) -> Iterator[tuple[PaymentOrder, int]]:
    for order in shop.orders():
        yield order, _number(order)


def _number(order: PaymentOrder) -> int:
    """Its history: of its reference, or of its contract's first payment."""
    first = order.contract.first_payment if order.contract else None
    return int(str((first or order).reference).split(" ")[1])


def _books(shop: VirtualShop, order: PaymentOrder) -> BothBooks | None:
    charge = shop.gateway.charge_of(order.order_id)
    record = shop.gateway.record(order.order_id)
    if charge is None or record is None or charge.result not in CHARGED:
        return None
    books: dict[str, Any] = {
        "charges": {order.order_id: vars(charge)},
        "operations": {order.order_id: record["post_charge"]},
    }
    return BothBooks.of(order, books, shop.world)


def _of_charge(shop: VirtualShop, order: PaymentOrder) -> Iterator[str]:
    charged = shop.gateway.charge_count(order.order_id) > 0
    if order.state not in enums.FINAL:
        yield f"in flight: {order} is {order.state}"
    if charged and order.state == OrderState.FAILED:
        yield f"state: {order} failed ({order.reason}), and was charged"
    if not charged and order.state in enums.SUCCESSFUL:
        yield f"state: {order} is {order.state}, and was not charged"
    charges = Operation.objects.filter(order=order, kind__in=enums.CHARGING)
    if any(row.send_count > 1 for row in charges):
        yield f"twice: the charge of {order} was sent again"


def _charged_once(shop: VirtualShop) -> Iterator[tuple[int, str]]:
    """At most one charge of a purchase, and of a contract's period, is kept."""
    kept: dict[str, list[PaymentOrder]] = defaultdict(list)
    for order in shop.orders():
        if shop.gateway.charge_count(order.order_id) and order.state not in _EXEMPT:
            kept[order.live_key].append(order)
    for key, found in kept.items():
        if len(found) > 1:
            yield _number(found[0]), f"twice: {key} was charged {len(found)} times"
