"""A shopper of the demo, in a browser."""

from __future__ import annotations

from typing import Any

from nexi_payments.testing.forms import CARDS
from tests.support.pages import answer_challenge, enter_card

__all__ = [
    "CARDS",
    "at_the_bank",
    "enter_card",
    "log_in",
    "submit_unchecked",
    "to_the_card_page",
]


def log_in(page: Any) -> None:
    page.goto("/login/")
    page.fill("[name=username]", "shopper")
    page.fill("[name=password]", "shopper")
    page.click("main button")


def to_the_card_page(page: Any, terminal: str = "default") -> None:
    page.goto("/")
    page.click("li.card >> nth=0 >> button")
    page.goto("/checkout/")
    page.fill("[name=name]", "Giulia Bianchi")
    page.fill("[name=email]", "giulia@shop.example")
    page.select_option("[name=terminal]", terminal)
    page.click("main form button.button")
    page.wait_for_url("**/payments/pay/**")


def submit_unchecked(page: Any) -> None:
    """Sends the card as it is, past the script: the server says what is wrong."""
    page.evaluate("document.querySelector('form[data-card]').submit()")


def at_the_bank(page: Any, answer: str) -> None:
    page.wait_for_url("**/monetaweb/phoenixstos")
    assert page.url.startswith("http://localhost:")
    answer_challenge(page, answer)
