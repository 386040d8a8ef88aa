"""What a clerk does at the desk, in a browser."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import pytest

from nexi_payments.testing.forms import CARDS, card_fields

__all__ = ["CARDS"]

ORDERS_URL = "/admin/nexi_payments/paymentorder/"
CONTINUE_BUTTON = "button.nexi-do:not([name])"
LANGUAGES = pytest.mark.parametrize("language", ["en", "it"])


def unique_amount() -> str:
    """An amount that nobody else has charged in the last ten minutes."""
    return f"{(1000 + int(uuid4().hex[:8], 16) % 400_000) / 100:.2f}"


def create_phone_order(page: Any, button: str = CONTINUE_BUTTON, **fields: str) -> str:
    """Step one; the reference."""
    reference = fields.pop("reference", f"T-{uuid4().hex[:6]}")
    page.goto(ORDERS_URL + "moto/")
    values = {
        "amount": unique_amount(),
        "reference": reference,
        "customer_name": "Giulia Bianchi",
        "customer_email": "giulia@shop.example",
        **fields,
    }
    for name, value in values.items():
        page.fill(f"[name={name}]", value)
    page.click(button)
    return reference


def enter_phone_card(page: Any, ending: str = "challenge") -> None:
    page.wait_for_url("**/card/")
    for name, value in card_fields(ending).items():
        if name != "cardholder_name":  # is that of the order
            page.fill(f"[name={name}]", value)


def submit_charge(page: Any) -> None:
    page.click("form[data-card] button[type=submit]")
    page.wait_for_url(re.compile(r"/moto/[A-Za-z0-9]{18}/$"))
