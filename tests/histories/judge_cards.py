"""The same promises for cards on file, and for each capture by itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from nexi_payments import states
from nexi_payments.flows import postauth
from nexi_payments.models import Contract, PaymentOrder
from tests.histories.people import Log

_STANDING = (states.ACTIVE, states.ON_HOLD)
_CHARGED = ("EXECUTED", "AUTHORIZED")


def judge(books: dict[str, Any], log: Log) -> list[str]:
    """Every breach found; [] when the promises were kept."""
    return [
        *_one_charge(books),
        *_evidence(books),
        *_quiet(books),
        *_over(books, log),
        *_captures(books),
    ]


def _orders() -> dict[str, PaymentOrder]:
    rows = PaymentOrder.objects.filter(channel=states.CHANNEL_MIT)
    return {order.order_id: order for order in rows.select_related("contract")}


def _one_charge(books: dict[str, Any]) -> Iterator[str]:
    """I2: by contract and reference, one charge that stands; I4: none that is nobody's,
    none to another contract than ours says."""
    orders = _orders()
    standing: dict[tuple[str, str], list[str]] = defaultdict(list)
    for order_id, contract in books["filed"].items():
        order = orders.get(order_id)
        if order is None or order.contract is None:
            yield f"I4 {order_id}: charged to {contract} and lost"
            continue
        if order.contract.contract_id != contract:
            yield f"I4 {order_id}: charged to {contract}, not {order.contract}"
        charge = books["charges"][order_id]
        if charge["result"] in _CHARGED and order.state in states.SUCCESSFUL:
            standing[contract, str(order.reference)].append(order_id)
    for key, found in standing.items():
        if len(found) > 1:
            yield f"I2 {key}: charged {len(found)} times: {found}"


def _evidence(books: dict[str, Any]) -> Iterator[str]:
    """I3: a card is on file only by a first payment that the gateway has charged; I5:
    and is when it was, unless somebody ended it."""
    for contract in Contract.objects.all():
        first = contract.founding
        assert first is not None
        charge = books["charges"].get(first.order_id)
        charged = charge is not None and charge["result"] in _CHARGED
        there = books["contracts"].get(contract.contract_id, False)
        if contract.state in _STANDING and not (charged and there):
            yield f"I3 {contract}: {charge}, at the gateway {there}"
        paid = charged and first.state in (states.PAID, states.AUTHORIZED)
        if paid and contract.state in (states.REQUESTED, states.NOT_MADE):
            yield f"I5 {contract}: its first payment is {first.state}"
        periods = _orders_of(contract).filter(state__in=states.SUCCESSFUL)
        for order in periods:
            number = str(order.reference).rpartition("/")[2]
            over = contract.state in (states.ENDING, states.ENDED)
            if number.isdigit() and not over and contract.period <= int(number):
                yield f"I6 {contract}: period {contract.period}, {order} is paid"


def _orders_of(contract: Contract) -> Any:
    return contract.payments.filter(channel=states.CHANNEL_MIT)


def _quiet(books: dict[str, Any]) -> Iterator[str]:
    """I6: no contract waits for a payment that is over, none for the gateway."""
    for contract in Contract.objects.filter(
        state__in=(states.REQUESTED, states.ENDING, states.ENDED)
    ):
        first = contract.founding
        assert first is not None
        if contract.state == states.ENDING:
            yield f"I6 {contract}: the gateway was not told"
        if contract.state == states.REQUESTED and first.state != states.REVIEW:
            yield f"I6 {contract}: its first payment is {first.state}"
        there = books["contracts"].get(contract.contract_id, False)
        free = first.state in (states.FAILED, states.REVIEW)
        if contract.state == states.ENDED and there and not free:
            yield f"I6 {contract}: the gateway has it still"


def _over(books: dict[str, Any], log: Log) -> Iterator[str]:
    """Nothing is asked for to a contract after its end was confirmed to somebody."""
    for order_id, order in _orders().items():
        assert order.contract is not None
        at = log.over.get(order.contract.contract_id)
        asked = books["calls"].get(order_id, {}).get("mit", 0)
        if at is not None and asked and order.created_at.timestamp() > at:
            yield f"I2 {order_id}: charged after the end of {order.contract}"


def _captures(books: dict[str, Any]) -> Iterator[str]:
    """I10 for each capture: that it stands, its amount, what of it was given back."""
    for order in PaymentOrder.objects.exclude(state=states.REVIEW):
        later = books["later"].get(order.order_id, [])
        charge = books["charges"].get(order.order_id)
        if charge is None or charge["result"] != "AUTHORIZED":
            continue
        back: dict[str, int] = defaultdict(int)
        for one in later:
            if one["type"] == "REFUND":
                back[one["of"]] += int(one["amount"])
        theirs = {
            one["id"]: (int(one["amount"]), back[one["id"]])
            for one in later
            if one["type"] == "CAPTURE"
        }
        ours = {
            one.gateway_operation_id: (
                one.amount or 0,
                (one.amount or 0) - postauth.left_of(one),
            )
            for one in postauth.captures(order)
            if one.gateway_operation_id
        }
        if ours != theirs:
            yield f"I10 {order.order_id}: captures {ours}, theirs {theirs}"
