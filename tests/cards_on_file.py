"""Cards on file, for tests: made on the card page, charged later."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from nexi_payments import flows
from nexi_payments.models import Contract, PaymentOrder
from tests.shopper import Shopper, new_order

MIT = "POST /orders/mit"
TEN = Decimal("10.00")
MONTHLY = flows.CardOnFile("Coffee, monthly", every=30, amount=Decimal("9.00"))


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
