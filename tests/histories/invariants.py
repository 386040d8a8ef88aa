"""Invariants after everything has settled, checked from both sides' records alone.

``I1`` … are the invariants that README and docs promise; every breach is one line.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from django.apps import apps

from nexi_payments import conf, enums, sealed_cards
from nexi_payments.enums import OrderState
from nexi_payments.models import Event, Operation, PaymentOrder
from nexi_payments.models.sealed_card import SealedCard
from nexi_payments.simulator import TEST_CARDS
from tests.histories.http_clients import RunLog

_SETTLED = enums.FINAL
_EXEMPT = (OrderState.REVIEW, OrderState.VOIDED, OrderState.REFUNDED)
_FULFILLED = (OrderState.PAID, OrderState.AUTHORIZED)


def find_violations(books: dict[str, Any], log: RunLog) -> list[str]:
    """The violated invariants; [] if all hold."""
    orders = {order.order_id: order for order in PaymentOrder.objects.all()}
    charges = books["charges"]
    return [
        *books["broken"],
        *log.errors,
        *_one_charge(orders, charges),
        *_states_match_charges(orders, charges),
        *_settled(orders),
        *_call_limits(orders, books["calls"]),
        *_fulfilled(orders),
        *_event_chain(orders),
        *_sums(orders, charges),
        *_sealed_cards(orders),
        *_pages(orders, books, log),
    ]


def _charged(charge: dict[str, Any]) -> bool:
    return charge["result"] in ("EXECUTED", "AUTHORIZED")


def _one_charge(
    orders: dict[str, PaymentOrder], charges: dict[str, Any]
) -> Iterator[str]:
    """I2: at most one live charge per reference."""
    standing: dict[str, list[str]] = defaultdict(list)
    for order_id, charge in charges.items():
        order = orders.get(order_id)
        if order is None or not _charged(charge) or order.state in _EXEMPT:
            continue
        standing[order.live_key].append(order_id)
    for reference, found in standing.items():
        if len(found) > 1:
            yield f"I2 {reference}: charged {len(found)} times: {found}"


def _states_match_charges(
    orders: dict[str, PaymentOrder], charges: dict[str, Any]
) -> Iterator[str]:
    """I3, I4, I5: both sides' states agree."""
    for order_id, charge in charges.items():
        order = orders.get(order_id)
        if _charged(charge) and order is None:
            yield f"I4 {order_id}: charged and lost"
    for order_id, order in orders.items():
        charge = charges.get(order_id)
        charged = charge is not None and _charged(charge)
        if order.state in _FULFILLED and not (
            charge is not None
            and charged
            and int(charge["authorized"]) == order.amount
            and charge["currency"] == order.currency
            and charge["operation_id"] == order.gateway_operation_id
        ):
            yield f"I3 {order_id}: {order.state} without a charge like it: {charge}"
        if order.state == OrderState.FAILED and charged:
            yield f"I5 {order_id}: failed ({order.reason}) and charged"
        if charged and order.state not in (*_FULFILLED, *_EXEMPT):
            yield f"I4 {order_id}: charged and {order.state}"


def _settled(orders: dict[str, PaymentOrder]) -> Iterator[str]:
    """I6: nothing is left unsettled."""
    for order_id, order in orders.items():
        if order.state not in _SETTLED:
            yield f"I6 {order_id}: still {order.state} ({order.reason})"
    stuck = Operation.objects.filter(outcome__in=enums.RESERVING)
    for row in stuck.exclude(order__state=OrderState.REVIEW).select_related("order"):
        if row.kind in enums.CHARGING | enums.POST_CHARGE:
            yield f"I6 {row.order.order_id}: {row.kind} still {row.outcome}"


def _call_limits(
    orders: dict[str, PaymentOrder], calls: dict[str, dict[str, int]]
) -> Iterator[str]:
    """I7: the number of requests, by the gateway's own count."""
    most = {"init": 1, "validation": 2, "payment": 1, "moto": 1, "mit": 1, "hpp": 1}
    for order_id, counts in calls.items():
        for what, limit in most.items():
            if counts.get(what, 0) > limit:
                yield f"I7 {order_id}: {counts[what]} calls of {what}"
        if sum(counts.get(what, 0) for what in ("payment", "moto", "mit")) > 1:
            yield f"I7 {order_id}: {counts}"


def _fulfilled(orders: dict[str, PaymentOrder]) -> Iterator[str]:
    """I8: each paid order is fulfilled once; every event reached the shop."""
    shop_orders = apps.get_model("demo_shop", "ShopOrder").objects
    sent = Counter(
        shop_orders.filter(fulfilment__isnull=False).values_list("number", flat=True)
    )
    numbers = set(shop_orders.values_list("number", flat=True))
    for order_id, order in orders.items():
        ours = order.reference in numbers and order.state in _FULFILLED
        if ours and sent[order.reference] != 1:
            yield f"I8 {order_id}: {order.state}, {sent[order.reference]} parcels"
    for event in Event.objects.filter(deliver_at__isnull=False):
        yield f"I8 event {event.pk} ({event.kind}) was not delivered"


def _event_chain(orders: dict[str, PaymentOrder]) -> Iterator[str]:
    """I9: the events are allowed transitions that end in the order's state."""
    walks: dict[int, list[Event]] = defaultdict(list)
    for event in Event.objects.order_by("pk"):
        walks[event.order_id].append(event)
    for order_id, order in orders.items():
        walk = [(one.from_state, one.to_state) for one in walks[order.pk]]
        moves = [(before, after) for before, after in walk if before != after]
        for before, after in moves:
            if after not in enums.TRANSITIONS[before]:
                yield f"I9 {order_id}: {before} → {after}"
        for (_, here), (there, _) in itertools.pairwise(moves):
            if here != there:
                yield f"I9 {order_id}: the walk has a gap: {walk}"
        if moves and moves[-1][1] != order.state:
            yield f"I9 {order_id}: {order.state}, its history ends in {moves[-1][1]}"


def _sums(orders: dict[str, PaymentOrder], charges: dict[str, Any]) -> Iterator[str]:
    """I10: captured and refunded amounts agree on both sides and in the operations."""
    for order_id, order in orders.items():
        charge = charges.get(order_id)
        if charge is None or not _charged(charge) or charge["voided"]:
            if order.state == OrderState.PAID:
                yield f"I10 {order_id}: paid and {charge}"
            continue
        ours = (order.captured_amount, order.refunded_amount)
        theirs = (charge["captured"], charge["refunded"])
        if ours != theirs:
            yield f"I10 {order_id} ({order.state}): ours {ours}, theirs {theirs}"
        if not order.refunded_amount <= order.captured_amount <= order.amount:
            yield f"I10 {order_id}: {ours} of {order.amount}"


def _sealed_cards(orders: dict[str, PaymentOrder]) -> Iterator[str]:
    """I11: no sealed card remains."""
    for row in SealedCard.objects.select_related("order"):
        yield f"I11 {row.order.order_id}: a card is held ({row.order.state})"


def sealed_cards_opened() -> list[str]:
    """I12: no sealed card decrypts with the server's keys and any text of its order in
    the database instead of the browser's token. Run before the end.
    """
    opened = []
    for row in SealedCard.objects.select_related("order"):
        texts = {str(value) for value in vars(row.order).values()}
        texts |= set(conf.current().order_prefix)
        sealed = sealed_cards.CardCiphertext(
            bytes(row.pan_blob), bytes(row.cvv_blob or b""), row.expires_at
        )
        for text in texts:
            if sealed_cards.unseal(row.order, sealed, text) is not None:
                opened.append(f"I12 {row.order.order_id}: opened with {text!r}")
    return opened


def _pages(
    orders: dict[str, PaymentOrder], books: dict[str, Any], log: RunLog
) -> Iterator[str]:
    """I16: no page said "nothing was charged" after the charge, or thanks before it,
    except for orders with altered responses.
    """
    by_public = {order.public_id: order for order in orders.values()}
    for page in log.seen:
        order = by_public.get(page.public_id)
        if order is None or order.order_id in books["lied"]:
            continue
        at = books["charged_at"].get(order.order_id)
        late = at is not None and at < page.asked and order.state != OrderState.VOIDED
        if page.says_not_charged and late:
            yield f"I16 {order.order_id}: told nothing was charged, and it was"
        charge = books["charges"].get(order.order_id)
        if page.says_charged and (charge is None or not _charged(charge)):
            yield f"I16 {order.order_id}: thanked without a charge"


def card_numbers_in(texts: dict[str, bytes]) -> list[str]:
    """I11: card numbers in files and database."""
    return [
        f"I11 {name}: the card …{card.number[-4:]}"
        for name, content in texts.items()
        for card in TEST_CARDS
        if card.number.encode() in content
    ]
