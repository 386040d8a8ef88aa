"""axe finds nothing on any page that a shopper or a tester sees, light and dark; the
card page can be used with the keyboard alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.test_shopping import CARDS, enter_card, to_the_card_page

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="no axe")
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def findings(page: Any) -> list[str]:
    """What axe says against the page as it is."""
    options = {"runOnly": {"type": "tag", "values": WCAG}}
    found = axe.Axe().run(page, options=options).response["violations"]
    return [
        f"{one['id']}: {node['html'][:120]}" for one in found for node in one["nodes"]
    ]


@pytest.fixture(params=["light", "dark"])
def coloured(request: pytest.FixtureRequest, chromium: Any, demo: str) -> Iterator[Any]:
    # axe is put into the page: for this the pages' own policy has to stand back
    context = chromium.new_context(
        base_url=demo, locale="en-GB", color_scheme=request.param, bypass_csp=True
    )
    context.set_default_timeout(30_000)
    yield context.new_page()
    context.close()


def test_the_shop_and_the_card_page(coloured: Any) -> None:
    page = coloured
    for path in ("/", "/login/", "/basket/"):
        page.goto(path)
        assert findings(page) == [], path
    page.click("[href='/']")
    page.click("li.card >> nth=0 >> button")
    for path in ("/basket/", "/checkout/", "/one-page/"):
        page.goto(path)
        assert findings(page) == [], path
    to_the_card_page(page)
    assert findings(page) == []
    page.click("button[type=submit]")
    page.wait_for_selector("#errors")
    assert findings(page) == []


ENDINGS = {
    "frictionless": "**/orders/D*/?payment=*",
    "declined": "**/payments/result/**",
    "pending_then_paid": "**/payments/result/**",
    "gateway_down": "**/payments/result/**",
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_how_it_ends(coloured: Any, ending: str) -> None:
    page = coloured
    to_the_card_page(page)
    enter_card(page, ending)
    page.wait_for_url(ENDINGS[ending])
    page.wait_for_load_state()
    assert findings(page) == []


def test_the_bank_and_coming_back_without_an_answer(coloured: Any) -> None:
    page = coloured
    to_the_card_page(page)
    card_page = page.url
    enter_card(page, "challenge")
    page.wait_for_url("**/monetaweb/phoenixstos")
    assert findings(page) == []
    page.goto(card_page.replace("/pay/", "/result/"))
    assert "Your bank is waiting" in page.content()
    assert findings(page) == []
    page.goto(card_page)
    assert findings(page) == []
    page.goto("/payments/result/" + "0" * 32 + "/")
    assert findings(page) == []


def test_a_payment_with_the_keyboard_alone(page: Any) -> None:
    to_the_card_page(page)
    order = ["cardholder_name", "card_number", "expiry", "security_code"]
    page.focus("[name=cardholder_name]")
    for name in order:
        assert page.evaluate("document.activeElement.name") == name
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.type") == "submit"
    page.keyboard.press("Enter")
    page.wait_for_selector("#errors:focus")  # the script runs after the page shows
    card = CARDS["challenge"]
    page.focus("[name=card_number]")
    for text in (card.number, card.expiry, card.cvv):
        page.keyboard.type(text)
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/monetaweb/phoenixstos")
