"""Cards on file, for tests: made on the card page, charged later."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import time_machine
from django.utils import timezone

from nexi_payments import flows, states
from nexi_payments.models import Contract, PaymentOrder
from nexi_payments.simulator import Simulator
from tests.shopper import Shopper, new_order

MIT = "POST /orders/mit"
TEN = Decimal("10.00")
MONTHLY = flows.CardOnFile("Coffee, monthly", every=30, amount=Decimal("9.00"))


class Clock:
    """Time that only goes on, ours and the gateway's."""

    def __init__(self, gateway: Simulator) -> None:
        self.gateway = gateway
        self.traveller = time_machine.travel(timezone.now(), tick=True)
        self.time = self.traveller.start()

    def forward(self, seconds: float) -> None:
        self.time.shift(seconds)
        self.gateway.advance(0)


def on_file(
    shopper: Shopper,
    ending: str = "challenge",
    terms: flows.CardOnFile | None = None,
    **facts: Any,
) -> Contract:
    """Pays on the card page with the tick; the contract as it is afterwards."""
    order = new_order(contract=terms or flows.CardOnFile("Coffee"), **facts)
    form = shopper.start(order, ending, agree="on")
    response = shopper.come_back(form, shopper.answer(form))
    assert response.status_code == 303
    order.refresh_from_db()
    contract = order.contract
    assert contract is not None
    return contract


def charge(contract: Contract, reference: str = "S-1", **more: Any) -> PaymentOrder:
    return flows.charge_contract(contract, TEN, "EUR", reference=reference, **more)


def charges(contract: Contract) -> list[PaymentOrder]:
    rows = PaymentOrder.objects.filter(contract=contract, channel=states.CHANNEL_MIT)
    return list(rows.order_by("pk"))


def run(clock: Clock, seconds: float = 0) -> flows.Charged:
    clock.forward(seconds)
    return flows.charge_due()
