"""Who works in the admin, and the payment that they look at."""

from __future__ import annotations

import pytest

from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import Simulator
from tests.support.clerk import PERMISSIONS, Clerk
from tests.support.shopper import Shopper, new_order


@pytest.fixture
def clerk(request: pytest.FixtureRequest, gateway: Simulator) -> Clerk:
    """May do everything, or what the module's ``CLERK_MAY`` says."""
    return Clerk(*getattr(request.module, "CLERK_MAY", PERMISSIONS))


@pytest.fixture
def reader(gateway: Simulator) -> Clerk:
    return Clerk("view_paymentorder", name="reader")


@pytest.fixture
def paid(shopper: Shopper) -> PaymentOrder:
    return shopper.pay(
        new_order(
            reference="ORD-7",
            customer={"name": "Giulia Bianchi", "email": "Giulia@example.com"},
        )
    )
