"""The same invariants for contracts, and for each single capture."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from nexi_payments import enums, flows
from nexi_payments.enums import Channel, ContractState, OrderState
from nexi_payments.models import Contract, PaymentOrder
from nexi_payments.simulator.balances import COMPLETED
from tests.histories import worlds
from tests.histories.http_clients import RunLog

_USABLE = (ContractState.ACTIVE, ContractState.SUSPENDED)
_CHARGED = ("EXECUTED", "AUTHORIZED")


def find_violations(
    books: dict[str, Any], log: RunLog, world: str = worlds.PLAIN
) -> list[str]:
    """The violated invariants; [] if all hold."""
    return [
        *_one_charge(books),
        *_contracts_match_charges(books),
        *_settled(books),
        *_not_charged_after_end(books, log),
        *_captures(books, by_others="backoffice" in worlds.parts(world)),
    ]


def _orders() -> dict[str, PaymentOrder]:
    rows = PaymentOrder.objects.filter(channel=Channel.MIT)
    return {order.order_id: order for order in rows.select_related("contract")}


def _one_charge(books: dict[str, Any]) -> Iterator[str]:
    """I2: at most one live charge per contract and reference; I4: no charge without an
    order of ours, none to another contract.
    """
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
        if charge["result"] in _CHARGED and order.state in enums.SUCCESSFUL:
            standing[contract, str(order.reference)].append(order_id)
    for key, found in standing.items():
        if len(found) > 1:
            yield f"I2 {key}: charged {len(found)} times: {found}"


def _contracts_match_charges(books: dict[str, Any]) -> Iterator[str]:
    """I3: a contract is active only after its first payment was charged; I5: it is
    active then, unless it was ended.
    """
    for contract in Contract.objects.all():
        first = contract.first_payment
        assert first is not None
        charge = books["charges"].get(first.order_id)
        charged = charge is not None and charge["result"] in _CHARGED
        there = books["contracts"].get(contract.contract_id, False)
        if contract.state in _USABLE and not (charged and there):
            yield f"I3 {contract}: {charge}, at the gateway {there}"
        paid = charged and first.state in (OrderState.PAID, OrderState.AUTHORIZED)
        if paid and contract.state in (ContractState.REQUESTED, ContractState.NOT_MADE):
            yield f"I5 {contract}: its first payment is {first.state}"
        periods = _orders_of(contract).filter(state__in=enums.SUCCESSFUL)
        for order in periods:
            number = str(order.reference).rpartition("/")[2]
            over = contract.state in (ContractState.ENDING, ContractState.ENDED)
            if number.isdigit() and not over and contract.period <= int(number):
                yield f"I6 {contract}: period {contract.period}, {order} is paid"


def _orders_of(contract: Contract) -> Any:
    return contract.payments.filter(channel=Channel.MIT)


def _settled(books: dict[str, Any]) -> Iterator[str]:
    """I6: no contract waits for a finished payment or for the gateway."""
    for contract in Contract.objects.filter(
        state__in=(ContractState.REQUESTED, ContractState.ENDING, ContractState.ENDED)
    ):
        first = contract.first_payment
        assert first is not None
        if contract.state == ContractState.ENDING:
            yield f"I6 {contract}: the gateway was not told"
        if (
            contract.state == ContractState.REQUESTED
            and first.state != OrderState.REVIEW
        ):
            yield f"I6 {contract}: its first payment is {first.state}"
        there = books["contracts"].get(contract.contract_id, False)
        free = first.state in (OrderState.FAILED, OrderState.REVIEW)
        if contract.state == ContractState.ENDED and there and not free:
            yield f"I6 {contract}: the gateway has it still"


def _not_charged_after_end(books: dict[str, Any], log: RunLog) -> Iterator[str]:
    """No charge is sent for a contract after its end was confirmed."""
    for order_id, order in _orders().items():
        assert order.contract is not None
        at = log.ended_contracts.get(order.contract.contract_id)
        asked = books["calls"].get(order_id, {}).get("mit", 0)
        if at is not None and asked and order.created_at.timestamp() > at:
            yield f"I2 {order_id}: charged after the end of {order.contract}"


def _captures(books: dict[str, Any], *, by_others: bool) -> Iterator[str]:
    """I10 for each capture: existence, amount, refunded amount.

    ``by_others``: refunds of the back office, too. Nexi's list does not say of which
    capture they are.
    """
    for order in PaymentOrder.objects.exclude(state=OrderState.REVIEW):
        later = books["post_charge"].get(order.order_id, [])
        charge = books["charges"].get(order.order_id)
        if charge is None or charge["result"] != "AUTHORIZED":
            continue
        back: dict[str, int] = defaultdict(int)
        later = [one for one in later if one["result"] in COMPLETED]
        for one in later:
            if one["type"] == "REFUND" and not by_others:
                back[one["target"]] += int(one["amount"])
        theirs = {
            one["id"]: (int(one["amount"]), back[one["id"]])
            for one in later
            if one["type"] == "CAPTURE"
        }
        ours = {
            one.operation.gateway_operation_id: (
                one.operation.amount or 0,
                0 if by_others else (one.operation.amount or 0) - one.remaining,
            )
            for one in flows.available(order).effective_captures
            if one.operation.gateway_operation_id
        }
        if ours != theirs:
            yield f"I10 {order.order_id}: captures {ours}, theirs {theirs}"
