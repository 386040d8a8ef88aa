"""A clerk of the shop, on our pages in its admin."""

from __future__ import annotations

from typing import Any


def sign_in(page: Any) -> None:
    page.goto("/admin/login/")
    page.fill("[name=username]", "clerk")
    page.fill("[name=password]", "clerk")
    page.click("[type=submit]")


def submit_action(
    page: Any, order: int, action: str, amount: str = "", row: int = 0
) -> None:
    """On the payment's page, with the next page's *really?*"""
    page.goto(f"/admin/nexi_payments/paymentorder/{order}/change/")
    form = page.locator(f"form[action$='/{action}/']").nth(row)
    if not form.is_visible():
        page.click("details:has(form) > summary:text-is('More actions')")
    if amount:
        form.locator("[name=amount]").fill(amount)
    form.locator("button").click()
    page.click("button.nexi-do")
    page.wait_for_load_state()
