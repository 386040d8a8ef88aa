"""Clerks at the desk, in a real browser, in both languages."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import pytest

from tests.browser.phone import (
    BASE,
    CARDS,
    LANGUAGES,
    charge,
    key_card,
    open_order,
    unlike_others,
)


@LANGUAGES
def test_a_clerk_who_only_takes_orders(desk: Any, picture: Any, language: str) -> None:
    page = desk("clerk", language)
    picture(page, f"index-clerk-{language}")
    page.click("a[href*='nexi_payments/desk/']")
    page.wait_for_url("**/moto/")
    picture(page, f"desk-order-{language}")
    open_order(page, description="Two cups, one saucer")
    page.wait_for_url("**/card/")
    picture(page, f"desk-card-{language}")
    key_card(page)
    masked = "e => getComputedStyle(e).webkitTextSecurity"
    assert page.eval_on_selector("[name=card_number]", masked) == "disc"
    assert page.eval_on_selector("[name=security_code]", masked) == "disc"
    page.check("#nexi-show")
    assert page.eval_on_selector("[name=card_number]", masked) == "none"
    charge(page)
    said = "Thank you, the payment has gone through."
    assert (said if language == "en" else "Grazie, il pagamento") in page.content()
    picture(page, f"desk-paid-{language}")
    result = page.url
    page.reload()
    page.go_back()  # to the card page, which leads on
    page.wait_for_url(result)
    page.click("a[href$='receipt/']")
    picture(page, f"desk-receipt-{language}")
    for path in (BASE, BASE + "to-check/", BASE + "till/", BASE + "export/"):
        assert page.goto(path).status == 403, path
    assert page.complaints == []


@LANGUAGES
@pytest.mark.parametrize(
    "ending", ["declined", "lost_card", "gateway_down", "pending_then_paid"]
)
def test_how_it_ends(desk: Any, picture: Any, language: str, ending: str) -> None:
    page = desk("clerk", language)
    open_order(page)
    key_card(page, ending)
    charge(page)
    picture(page, f"desk-{ending}-{language}")
    text = page.inner_text("body").lower()
    assert "stolen" not in text
    assert "rubata" not in text
    if ending == "pending_then_paid":
        # the page watches by itself until Nexi has decided
        page.wait_for_selector(".nexi-panel.nexi-good", timeout=60_000)
    else:
        page.click("form[action$='again/'] button")
        key_card(page)
        charge(page)
        page.wait_for_selector(".nexi-panel.nexi-good")
    assert page.complaints == []


@LANGUAGES
def test_the_same_again(desk: Any, picture: Any, language: str) -> None:
    page = desk("clerk", language)
    amount = unlike_others()
    open_order(page, amount=amount)
    key_card(page)
    charge(page)
    open_order(page, amount=amount)
    key_card(page)
    page.click("form[data-card] button[type=submit]")
    page.wait_for_selector(".nexi-error")
    picture(page, f"desk-twice-{language}")
    assert page.input_value("[name=card_number]") == ""
    key_card(page)
    page.check("[name=knowingly]")
    charge(page)
    page.wait_for_selector(".nexi-panel.nexi-good")


@LANGUAGES
def test_a_secure_link(desk: Any, picture: Any, language: str, demo: str) -> None:
    page = desk("clerk", language)
    open_order(page, button="button[name=link]")
    page.wait_for_selector("#nexi-link")
    picture(page, f"desk-link-{language}")
    link = page.input_value("#nexi-link")
    assert link.startswith(demo + "/payments/link/")
    page.click("form[action$='mail/'] button")
    page.wait_for_selector(".messagelist .success")
    customer = page.context.browser.new_context(locale="it-IT").new_page()
    customer.goto(link)
    customer.wait_for_url("**/payments/pay/**")
    card = CARDS["frictionless"]
    customer.fill("[name=cardholder_name]", "Giulia Bianchi")
    customer.fill("[name=card_number]", card.number)
    customer.fill("[name=expiry]", card.expiry)
    customer.fill("[name=security_code]", card.cvv)
    customer.click("button[type=submit]")
    customer.wait_for_url("**/payments/result/**")
    customer.context.close()
    page.wait_for_selector(".nexi-panel.nexi-good", timeout=30_000)
    picture(page, f"desk-link-paid-{language}")
    assert page.complaints == []


def test_card_details_do_not_stay_on_the_screen(desk: Any) -> None:
    page = desk("clerk")
    page.clock.install()
    open_order(page)
    key_card(page)
    page.clock.fast_forward(181_000)
    assert page.input_value("[name=card_number]") == ""
    assert page.input_value("[name=security_code]") == ""
    assert page.is_visible("[data-idle]")


def test_without_javascript_and_by_keyboard(desk: Any) -> None:
    page = desk("clerk", java_script_enabled=False)
    page.goto(BASE + "moto/")
    page.focus("[name=amount]")
    told = ("17.00", "", f"K-{uuid4().hex[:6]}", "Cups", "Giulia", "g@shop.example")
    for value in told:
        if value:
            page.keyboard.type(value)
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # on "continue"
    page.wait_for_url("**/card/")
    card = CARDS["challenge"]
    page.focus("[name=cardholder_name]")
    page.keyboard.press("Tab")
    for value in (card.number, card.expiry, card.cvv):
        page.keyboard.type(value)
        page.keyboard.press("Tab")
    page.keyboard.press("Tab")  # past "show"
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/moto/[0-9a-f]{32}/$"))
    assert "the payment has gone through" in page.content()
    page.goto(BASE + "moto/")
    open_order(page)
    key_card(page, "pending_then_paid")
    charge(page)
    # meta refresh, in a noscript
    page.wait_for_selector(".nexi-panel.nexi-good", timeout=60_000)
