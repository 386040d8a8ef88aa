"""Our pages and the issuer's, in a browser that Playwright drives."""

from __future__ import annotations

from typing import Any

from nexi_payments.testing.forms import card_fields


def fill_card(page: Any, ending: str = "challenge", **changes: str) -> None:
    for name, value in card_fields(ending, **changes).items():
        page.fill(f"[name={name}]", value)


def enter_card(page: Any, ending: str = "challenge") -> None:
    """On our card page."""
    fill_card(page, ending)
    page.click("button[type=submit]")


def answer_challenge(page: Any, answer: str = "approve") -> None:
    """On the issuer's page: "approve", "refuse" or "walk_away"."""
    page.wait_for_url("**/monetaweb/phoenixstos")
    page.click(f"button[value={answer}]")


def pay_by_paypal(page: Any) -> None:
    """On our page, on Nexi's hosted page, and back."""
    page.click("button[name=method][value=PAYPAL]")
    page.wait_for_url("**/html?paymentid=*")
    page.click("button[value=pay]")
    page.click("a.button.main")
