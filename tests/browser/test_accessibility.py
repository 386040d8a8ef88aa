"""axe finds nothing on any page that a shopper or a tester sees, light and dark; the
card page can be used with the keyboard alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser import viewports
from tests.browser.axe import findings
from tests.browser.shopper import (
    CARDS,
    enter_card,
    submit_unchecked,
    to_the_card_page,
)


@pytest.fixture
def page(chromium: Any, demo: str) -> Iterator[Any]:
    # axe is put into the page: for this the pages' own policy has to stand back
    context = chromium.new_context(base_url=demo, locale="en-GB", bypass_csp=True)
    context.set_default_timeout(30_000)
    yield context.new_page()
    context.close()


def in_both_colours(page: Any) -> list[str]:
    """What axe says against the page as it is, light and dark."""
    looks_of = viewports.each(page, "en", (("light", 1280), ("dark", 1280)))
    return [f"{scheme}: {one}" for scheme, _ in looks_of for one in findings(page)]


def test_the_shop_and_the_card_page(page: Any) -> None:
    for path in ("/", "/login/", "/basket/"):
        page.goto(path)
        assert in_both_colours(page) == [], path
    page.click("[href='/']")
    page.click("li.card >> nth=0 >> button")
    for path in ("/basket/", "/checkout/", "/one-page/"):
        page.goto(path)
        assert in_both_colours(page) == [], path
    to_the_card_page(page)
    assert in_both_colours(page) == []
    page.click("button[type=submit]")
    page.wait_for_selector("#id_card_number_error")
    assert in_both_colours(page) == []
    submit_unchecked(page)
    page.wait_for_selector("#errors")
    assert in_both_colours(page) == []


ENDINGS = {
    "frictionless": "**/orders/D*/?payment=*",
    "declined": "**/payments/result/**",
    "pending_then_paid": "**/payments/result/**",
    "gateway_down": "**/payments/result/**",
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_how_it_ends(page: Any, ending: str) -> None:
    to_the_card_page(page)
    enter_card(page, ending)
    page.wait_for_url(ENDINGS[ending])
    page.wait_for_load_state()
    assert in_both_colours(page) == []


def test_the_bank_and_coming_back_without_an_answer(page: Any) -> None:
    to_the_card_page(page)
    card_page = page.url
    enter_card(page, "challenge")
    page.wait_for_url("**/monetaweb/phoenixstos")
    assert in_both_colours(page) == []
    page.goto(card_page.replace("/pay/", "/result/"))
    assert "Your bank is waiting" in page.content()
    assert in_both_colours(page) == []
    page.goto(card_page)
    assert in_both_colours(page) == []
    page.goto("/payments/result/" + "0" * 32 + "/")
    assert in_both_colours(page) == []


def test_a_payment_with_the_keyboard_alone(page: Any) -> None:
    to_the_card_page(page)
    order = ["cardholder_name", "card_number", "expiry", "security_code"]
    page.focus("[name=cardholder_name]")
    for name in order:
        assert page.evaluate("document.activeElement.name") == name
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.type") == "submit"
    page.keyboard.press("Enter")
    page.wait_for_selector("[name=card_number]:focus[aria-invalid=true]")
    card = CARDS["challenge"]
    page.focus("[name=card_number]")
    for text in (card.number, card.expiry, card.cvv):
        page.keyboard.type(text)
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/monetaweb/phoenixstos")
