"""Requested 3-D Secure exemptions, and consent texts."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import Simulator
from tests.support.contracts import MONTHLY
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


def asked(gateway: Simulator, order: PaymentOrder) -> str:
    record = gateway.record(order.order_id)
    assert record is not None
    return str(record["exemptions"])


def always_challenge(order: PaymentOrder) -> str:
    return "CHALLENGE_REQUESTED" if order.amount > 1000 else "NO_PREFERENCE"


def broken(order: PaymentOrder) -> str:
    raise RuntimeError


def test_an_order_may_ask_for_a_challenge(shopper: Shopper, gateway: Simulator) -> None:
    order = shopper.pay(new_order(exemption="CHALLENGE_REQUESTED"))
    assert asked(gateway, order) == "CHALLENGE_REQUESTED"
    order = shopper.pay(new_order())
    assert asked(gateway, order) == ""
    with pytest.raises(ValueError, match="exemption"):
        new_order(exemption="TRA")


@pytest.mark.parametrize(
    ("rule", "terminal", "wanted"),
    [
        ("", "CHALLENGE_REQUESTED", "CHALLENGE_REQUESTED"),
        (
            "tests.flows.orders.test_exemptions.always_challenge",
            "NO_PREFERENCE",
            "CHALLENGE_REQUESTED",
        ),
        (
            "tests.flows.orders.test_exemptions.broken",
            "CHALLENGE_REQUESTED",
            "CHALLENGE_REQUESTED",
        ),
        ("tests.nowhere.rule", "NO_PREFERENCE", ""),
        ("builtins.str", "NO_PREFERENCE", ""),
    ],
)
def test_a_rule_or_the_terminal_decides(
    shopper: Shopper,
    gateway: Simulator,
    settings: Any,
    rule: str,
    terminal: str,
    wanted: str,
) -> None:
    known = settings.NEXI_PAYMENTS
    terminals = known["TERMINALS"]
    line = {**terminals["default"], "EXEMPTION": terminal}
    settings.NEXI_PAYMENTS = {
        **known,
        "TERMINALS": {**terminals, "default": line},
        "EXEMPTION_RULE": rule,
    }
    order = shopper.pay(new_order())
    assert order.exemption == wanted
    assert asked(gateway, order) == wanted


def test_the_terms_are_read_in_the_language_of_the_page(shopper: Shopper) -> None:
    order = new_order(contract=MONTHLY)
    page = Client(HTTP_HOST="127.0.0.1:8000").get(order.page_url())
    assert "€9.00" in page.content.decode()
    assert "every 30 days" in page.content.decode()
