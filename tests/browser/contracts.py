"""A card put on file in the demo's coffee club, in a browser."""

from __future__ import annotations

from typing import Any

from tests.browser.shopper import enter_card, log_in

CONTRACTS_URL = "/admin/nexi_payments/contract/"


def join(page: Any, ending: str = "frictionless") -> None:
    """The shopper joins and pays the first box; the card stays on file."""
    log_in(page)
    page.goto("/cards/")
    while page.query_selector("form[action$='/join/']") is None:  # a member already
        page.click("form[action$='/end/'] button")
        page.wait_for_load_state()
    page.click("form[action$='/join/'] button")
    page.wait_for_url("**/payments/pay/**")
    page.check("[name=agree]")
    enter_card(page, ending)
    page.wait_for_url("**/cards/?payment=*")
