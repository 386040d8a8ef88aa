"""Through the demo shop as a shopper, in a real browser, over two sites."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.browser.shopper import (
    at_the_bank,
    enter_card,
    log_in,
    submit_unchecked,
    to_the_card_page,
)

BOTH = pytest.mark.parametrize("terminal", ["default", "two_steps"])


@BOTH
def test_challenge_approved_and_still_logged_in(
    page: Any, picture: Any, terminal: str
) -> None:
    log_in(page)
    picture(page, "account")
    to_the_card_page(page, terminal)
    picture(page, "card")
    enter_card(page, "challenge")
    page.wait_for_url("**/monetaweb/phoenixstos")
    picture(page, "bank")
    at_the_bank(page, "approve")
    page.wait_for_url("**/orders/**")
    assert "payment=" in page.url
    assert page.locator("[data-paid]").count() == 1
    assert page.locator("[data-user=shopper]").count() == 1
    picture(page, f"order-{terminal}")
    assert page.complaints == []
    page.goto("/account/")
    assert page.locator("main li").count() >= 1


@BOTH
def test_challenge_refused_then_paid_with_another_card(
    page: Any, picture: Any, terminal: str
) -> None:
    to_the_card_page(page, terminal)
    enter_card(page, "challenge")
    at_the_bank(page, "refuse")
    page.wait_for_url("**/payments/result/**")
    assert "Your bank did not confirm the payment" in page.inner_text("h1")
    assert "Nothing has been charged" in page.inner_text("main")
    picture(page, "not-confirmed")
    page.click("a.nexi-button")
    enter_card(page, "frictionless")
    page.wait_for_url("**/orders/**")
    assert page.locator("[data-paid]").count() == 1
    assert page.complaints == []


@BOTH
def test_walking_away_by_the_button(page: Any, terminal: str) -> None:
    to_the_card_page(page, terminal)
    enter_card(page, "challenge")
    at_the_bank(page, "walk_away")
    page.wait_for_url("**/payments/result/**")
    assert "Nothing has been charged" in page.inner_text("main")


def test_walking_away_by_closing_and_coming_back(page: Any, picture: Any) -> None:
    to_the_card_page(page)
    card_page = page.url
    enter_card(page, "challenge")
    page.wait_for_url("**/monetaweb/phoenixstos")
    page.goto(card_page.replace("/pay/", "/result/"))
    assert "nothing has been charged" in page.inner_text("main")
    picture(page, "unfinished")
    page.goto(card_page)
    enter_card(page, "frictionless")
    page.wait_for_url("**/orders/**")
    assert page.locator("[data-paid]").count() == 1


@BOTH
def test_declined_then_paid_with_a_second_card(
    page: Any, picture: Any, terminal: str
) -> None:
    to_the_card_page(page, terminal)
    enter_card(page, "declined")
    page.wait_for_url("**/payments/result/**")
    assert page.inner_text("h1") == "The card was declined"
    picture(page, "declined")
    page.click("a.nexi-button")
    picture(page, "card-after-decline")
    enter_card(page, "challenge")
    at_the_bank(page, "approve")
    page.wait_for_url("**/orders/**")
    assert page.locator("[data-paid]").count() == 1


def test_pending_page_moves_on_by_itself(page: Any, picture: Any, later: Any) -> None:
    to_the_card_page(page)
    enter_card(page, "pending_then_paid")
    page.wait_for_url("**/payments/result/**")
    assert page.inner_text("h1") == "We are checking your payment"
    picture(page, "pending")
    later()
    page.wait_for_url("**/orders/**", timeout=110_000)
    assert page.locator("[data-paid]").count() == 1


def test_back_shows_no_card(page: Any, picture: Any) -> None:
    to_the_card_page(page)
    card_page = page.url
    enter_card(page, "challenge")
    page.wait_for_url("**/monetaweb/phoenixstos")
    for _ in range(3):
        page.go_back(wait_until="commit")
        page.wait_for_load_state()  # a browser fills in what it remembers before that
        if page.url == card_page and page.locator("[name=card_number]").count():
            break
    assert page.url == card_page
    for name in ("card_number", "expiry", "security_code"):
        assert page.input_value(f"[name={name}]") == ""
    picture(page, "back")
    # and the payment can be made from here
    enter_card(page, "frictionless")
    page.wait_for_url("**/orders/**")


def test_without_javascript(chromium: Any, demo: str, picture: Any, later: Any) -> None:
    context = chromium.new_context(
        base_url=demo, java_script_enabled=False, locale="en-GB"
    )
    page = context.new_page()
    to_the_card_page(page)
    enter_card(page, "challenge")
    assert page.inner_text("h1") == "Your bank wants to be sure it is you"
    picture(page, "redirect-no-script")
    page.click("button[type=submit]")
    page.click("button[value=approve]")
    page.click("button.main")
    page.wait_for_url("**/orders/**")
    assert page.locator("[data-paid]").count() == 1
    # the pending page renews itself
    to_the_card_page(page)
    enter_card(page, "pending_then_paid")
    page.click("button[type=submit]")
    page.click("button.main")
    page.wait_for_url("**/payments/result/**")
    assert page.locator("noscript meta[http-equiv=refresh]").count() == 1
    later()
    page.wait_for_url("**/orders/**", timeout=110_000)
    context.close()


def test_in_italian(chromium: Any, demo: str, picture: Any) -> None:
    context = chromium.new_context(base_url=demo, locale="it-IT")
    page = context.new_page()
    page.goto("/")
    picture(page, "shop-it")
    to_the_card_page(page)
    assert page.inner_text("h1") == "Paga"
    assert re.search(r"12,50\s€", page.inner_text(".nexi-amount"))
    picture(page, "card-it")
    enter_card(page, "declined")
    page.wait_for_url("**/payments/result/**")
    assert page.inner_text("h1") == "La carta è stata rifiutata"
    picture(page, "declined-it")
    context.close()


@pytest.mark.parametrize("width", [320, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_card_page_fits_and_shows_errors(
    chromium: Any, demo: str, picture: Any, width: int, scheme: str
) -> None:
    context = chromium.new_context(
        base_url=demo,
        viewport={"width": width, "height": 800},
        color_scheme=scheme,
        locale="en-GB",
    )
    page = context.new_page()
    to_the_card_page(page)
    wide = "document.documentElement.scrollWidth <= window.innerWidth"
    assert page.evaluate(wide)
    page.fill("[name=card_number]", "4349940199004548")
    page.fill("[name=expiry]", "13/30")
    submit_unchecked(page)
    page.wait_for_selector("#errors")
    page.wait_for_load_state()  # the width is that of all its style sheets
    assert page.evaluate(wide)
    assert page.input_value("[name=card_number]") == ""
    page.wait_for_selector("#errors:focus")
    picture(page, f"errors-{width}-{scheme}")
    context.close()
