"""Clerks at the desk, in a real browser, in both languages."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import pytest

from tests.browser.phone_orders import (
    CARDS,
    LANGUAGES,
    ORDERS_URL,
    create_phone_order,
    enter_phone_card,
    submit_charge,
    unique_amount,
)


@LANGUAGES
def test_a_clerk_who_only_takes_orders(
    staff_page: Any, picture: Any, language: str
) -> None:
    page = staff_page("clerk", language)
    picture(page, f"index-clerk-{language}")
    page.click("a[href*='nexi_payments/phoneorder/']")
    page.wait_for_url("**/moto/")
    picture(page, f"desk-order-{language}")
    create_phone_order(page, description="Two cups, one saucer")
    page.wait_for_url("**/card/")
    picture(page, f"desk-card-{language}")
    enter_phone_card(page)
    masked = "e => getComputedStyle(e).webkitTextSecurity"
    assert page.eval_on_selector("[name=card_number]", masked) == "disc"
    assert page.eval_on_selector("[name=security_code]", masked) == "disc"
    page.check("#nexi-show")
    assert page.eval_on_selector("[name=card_number]", masked) == "none"
    submit_charge(page)
    said = "Thank you, the payment has gone through."
    assert (said if language == "en" else "Grazie, il pagamento") in page.content()
    picture(page, f"desk-paid-{language}")
    result = page.url
    page.reload()
    page.go_back()  # to the card page, which leads on
    page.wait_for_url(result)
    page.click("a[href$='receipt/']")
    picture(page, f"desk-receipt-{language}")
    for path in (
        ORDERS_URL,
        ORDERS_URL + "review-queue/",
        ORDERS_URL + "daily-report/",
        ORDERS_URL + "export/",
    ):
        assert page.goto(path).status == 403, path
    assert page.complaints == []


@LANGUAGES
@pytest.mark.parametrize(
    "ending", ["declined", "lost_card", "gateway_down", "pending_then_paid"]
)
def test_how_it_ends(
    staff_page: Any, picture: Any, later: Any, language: str, ending: str
) -> None:
    page = staff_page("clerk", language)
    create_phone_order(page)
    enter_phone_card(page, ending)
    submit_charge(page)
    picture(page, f"desk-{ending}-{language}")
    text = page.inner_text("body").lower()
    assert "stolen" not in text
    assert "rubata" not in text
    if ending == "pending_then_paid":
        # the page polls until Nexi has decided
        later()
        page.wait_for_selector(".nexi-panel.nexi-good", timeout=60_000)
    else:
        page.click("form[action$='retry/'] button")
        enter_phone_card(page)
        submit_charge(page)
        page.wait_for_selector(".nexi-panel.nexi-good")
    assert page.complaints == []


@LANGUAGES
def test_the_same_again(staff_page: Any, picture: Any, language: str) -> None:
    page = staff_page("clerk", language)
    amount = unique_amount()
    create_phone_order(page, amount=amount)
    enter_phone_card(page)
    submit_charge(page)
    create_phone_order(page, amount=amount)
    enter_phone_card(page)
    posts: list[str] = []
    page.on("request", lambda one: posts.append(f"{one.method} {one.url[-5:]}"))
    page.click("form[data-card] button[type=submit]")
    page.wait_for_selector("[data-notice]:not([hidden])")
    picture(page, f"desk-twice-{language}")
    # nothing but the last four digits was sent: the caller need not read it out again
    assert posts == ["POST /ask/"]
    assert page.input_value("[name=card_number]") == "4349 9401 9900 4549"
    assert page.input_value("[name=security_code]") == "396"
    page.wait_for_selector("[name=allow_duplicate]:focus")
    page.check("[name=allow_duplicate]")
    submit_charge(page)
    page.wait_for_selector(".nexi-panel.nexi-good")


@LANGUAGES
def test_a_secure_link(staff_page: Any, picture: Any, language: str, demo: str) -> None:
    page = staff_page("clerk", language)
    create_phone_order(page, button="button[name=link]")
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


def test_card_details_do_not_stay_on_the_screen(staff_page: Any) -> None:
    page = staff_page("clerk")
    page.clock.install()
    create_phone_order(page)
    enter_phone_card(page)
    page.clock.fast_forward(181_000)
    assert page.input_value("[name=card_number]") == ""
    assert page.input_value("[name=security_code]") == ""
    assert page.is_visible("[data-idle]")


def test_without_javascript_and_by_keyboard(staff_page: Any, later: Any) -> None:
    page = staff_page("clerk", java_script_enabled=False)
    page.goto(ORDERS_URL + "moto/")
    page.focus("[name=amount]")
    told = ("17.00", f"K-{uuid4().hex[:6]}", "Cups", "Giulia", "g@shop.example")
    for value in told:
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
    page.wait_for_url(re.compile(r"/moto/[A-Za-z0-9]{18}/$"))
    assert "the payment has gone through" in page.content()
    page.goto(ORDERS_URL + "moto/")
    create_phone_order(page)
    enter_phone_card(page, "pending_then_paid")
    submit_charge(page)
    # meta refresh, in a noscript
    later()
    page.wait_for_selector(".nexi-panel.nexi-good", timeout=60_000)
