"""What a clerk does at the desk, in a browser."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import pytest

from nexi_payments.simulator import TEST_CARDS

CARDS = {card.ending: card for card in TEST_CARDS[::-1]}
BASE = "/admin/nexi_payments/paymentorder/"
CONTINUE = "button.nexi-do:not([name])"
LANGUAGES = pytest.mark.parametrize("language", ["en", "it"])


def unlike_others() -> str:
    """An amount that nobody else has charged in the last ten minutes."""
    return f"{(1000 + int(uuid4().hex[:8], 16) % 400_000) / 100:.2f}"


def open_order(page: Any, button: str = CONTINUE, **fields: str) -> str:
    """Step one; the reference."""
    reference = fields.pop("reference", f"T-{uuid4().hex[:6]}")
    page.goto(BASE + "moto/")
    values = {
        "amount": unlike_others(),
        "reference": reference,
        "customer_name": "Giulia Bianchi",
        "customer_email": "giulia@shop.example",
        **fields,
    }
    for name, value in values.items():
        page.fill(f"[name={name}]", value)
    page.click(button)
    return reference


def key_card(page: Any, ending: str = "challenge") -> None:
    card = CARDS[ending]
    page.wait_for_url("**/card/")
    page.fill("[name=card_number]", card.number)
    page.fill("[name=expiry]", card.expiry)
    page.fill("[name=security_code]", card.cvv)


def charge(page: Any) -> None:
    page.click("form[data-card] button[type=submit]")
    page.wait_for_url(re.compile(r"/moto/[0-9a-f]{32}/$"))
