"""Contracts: created on the card page, charged later."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import time_machine
from django.utils import timezone

from nexi_payments import flows
from nexi_payments.enums import Channel
from nexi_payments.models import Contract, PaymentOrder
from nexi_payments.simulator import Simulator
from tests.support.shopper import Shopper, new_order

MIT_ENDPOINT = "POST /orders/mit"
TEN = Decimal("10.00")
MONTHLY = flows.ContractTerms(
    "Coffee, monthly", interval_days=30, amount=Decimal("9.00")
)


class Clock:
    """A clock that only moves forward, ours and the gateway's."""

    def __init__(self, gateway: Simulator) -> None:
        self.gateway = gateway
        self.traveller = time_machine.travel(timezone.now(), tick=True)
        self.time = self.traveller.start()

    def advance(self, seconds: float) -> None:
        self.time.shift(seconds)
        self.gateway.advance(0)


def make_contract(
    shopper: Shopper,
    ending: str = "challenge",
    terms: flows.ContractTerms | None = None,
    **facts: Any,
) -> Contract:
    """Pays on the card page with consent. Returns the contract afterwards."""
    order = new_order(contract=terms or flows.ContractTerms("Coffee"), **facts)
    form = shopper.start(order, ending, agree="on")
    response = shopper.return_from_issuer(form, shopper.answer_challenge(form))
    assert response.status_code == 303
    order.refresh_from_db()
    contract = order.contract
    assert contract is not None
    return contract


def charge_contract(
    contract: Contract, reference: str = "S-1", **more: Any
) -> PaymentOrder:
    return flows.charge_contract(contract, TEN, "EUR", reference=reference, **more)


def mit_orders(contract: Contract) -> list[PaymentOrder]:
    rows = PaymentOrder.objects.filter(contract=contract, channel=Channel.MIT)
    return list(rows.order_by("pk"))


def run_charge_due(clock: Clock, seconds: float = 0) -> flows.RecurringCounts:
    clock.advance(seconds)
    return flows.charge_due()
