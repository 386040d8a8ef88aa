"""Our books beside those of the simulator, for the judge of the histories."""

from __future__ import annotations

from typing import Any

from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import Simulator, balances
from tests.histories.post_charge_invariants import BothBooks, find_violations


def nexis_books(gateway: Simulator) -> dict[str, Any]:
    """As the gateway of the histories shows them."""
    rows = list(gateway.store.created_between("", "9"))
    now = gateway.now()
    return {
        "charges": {
            row["order_id"]: vars(gateway.charge_of(row["order_id"])) for row in rows
        },
        "operations": {
            row["order_id"]: balances.as_of(row, now)["post_charge"] for row in rows
        },
    }


def broken_promises(gateway: Simulator) -> list[str]:
    """What the books of both sides do not agree about; [] if nothing is.

    Every charge at Nexi is an order here, and the other way round.
    """
    books = nexis_books(gateway)
    broken: list[str] = []
    charged = {name for name, one in books["charges"].items() if one["authorized"]}
    ours = {order.order_id: order for order in PaymentOrder.objects.all()}
    for name in sorted(charged - set(ours)):
        broken.append(f"{name}: charged at Nexi, unknown here")
    for name, order in ours.items():
        if name in charged:
            found = find_violations(BothBooks.of(order, books, ""))
            broken += [f"{name}: {line}" for line in found]
        elif order.authorized_amount or order.captured_amount:
            broken.append(f"{name}: charged here only")
    return broken


def charged_references(gateway: Simulator) -> list[str]:
    """The reference of each charge whose money the shop keeps, as Nexi has it."""
    return [
        row["custom_field"]
        for row in gateway.store.created_between("", "9")
        if (charge := gateway.charge_of(row["order_id"])) is not None
        and (charge.net or (charge.authorized and not charge.voided))
    ]
