"""An amount that may mean two, at the desk and for a refund: two buttons, and what the
pressed one says is charged. In a browser, by mouse, by keyboard and without scripts."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import pytest

from tests.browser import viewports
from tests.browser.phone_orders import (
    CONTINUE_BUTTON,
    LANGUAGES,
    ORDERS_URL,
    create_phone_order,
    enter_phone_card,
    submit_charge,
)
from tests.browser.test_staff_pages import judge
from tests.browser.test_staff_tasks import find

CHOICES = ".nexi-staff button[name=amount]"
SIZES = "all => all.map(e => parseFloat(getComputedStyle(e).fontSize))"
#: How each language writes 1.50 and 1500.
SAID = {
    "en": ["{whole}.{rest} EUR", "{whole},{rest}0.00 EUR"],
    "it": ["{whole},{rest} EUR", "{whole}.{rest}0,00 EUR"],
}


def thousands() -> tuple[str, str]:
    """Of an amount like 1.500: "1" and "50". Nobody else charges the same just now."""
    some = uuid4().int
    return str(1 + some % 4), f"{10 + some // 4 % 90}"


def minor_of(payment_rows: Any, page: Any) -> str:
    public_id = page.url.rstrip("/").split("/")[-1]
    return payment_rows.value("captured_amount", public_id)


@LANGUAGES
def test_the_second_button_charges_what_it_says(
    staff_page: Any, payment_rows: Any, picture: Any, language: str
) -> None:
    page = staff_page("clerk", language)
    whole, rest = thousands()
    create_phone_order(page, amount=f"{whole}.{rest}0")
    page.wait_for_selector(CHOICES)
    picture(page, f"desk-which-{language}")
    said = [one.format(whole=whole, rest=rest) for one in SAID[language]]
    assert page.locator(CHOICES).all_inner_texts() == said
    page.click(f"{CHOICES} >> nth=1")
    page.wait_for_url("**/card/")
    shown = page.locator(".nexi-amount")
    assert shown.inner_text() == said[1]
    # larger than any other text of the page

    size = page.eval_on_selector_all(".nexi-amount", SIZES)[0]
    assert size >= 32
    assert size == max(page.eval_on_selector_all("body, body *", SIZES))
    picture(page, f"desk-which-card-{language}")
    enter_phone_card(page)
    submit_charge(page)
    page.wait_for_selector(".nexi-panel.nexi-good")
    assert minor_of(payment_rows, page) == f"{whole}{rest}000"
    assert page.complaints == []


@pytest.mark.parametrize("scripts", [True, False])
def test_by_keyboard_enter_asks_again_and_a_button_is_one_tab_away(
    staff_page: Any, payment_rows: Any, scripts: bool
) -> None:
    page = staff_page("clerk", "it", java_script_enabled=scripts)
    whole, rest = thousands()
    reference = create_phone_order(page, amount=f"{whole}.{rest}0")
    for _ in range(2):
        page.wait_for_selector(CHOICES)
        page.wait_for_selector("[name=amount]:focus")
        described = page.get_attribute("input[name=amount]", "aria-describedby")
        assert f"{whole}.{rest}0" in page.inner_text(f"#{described}")
        with page.expect_navigation():
            page.keyboard.press("Enter")  # chooses nothing
    page.wait_for_selector("[name=amount]:focus")
    assert page.input_value("[name=reference]") == reference
    page.keyboard.press("Tab")
    focused = "document.activeElement.innerText"
    assert page.evaluate(focused) == SAID["it"][0].format(whole=whole, rest=rest)
    page.keyboard.press("Enter")
    page.wait_for_url("**/card/")
    enter_phone_card(page)
    submit_charge(page)
    page.wait_for_selector(".nexi-panel.nexi-good")
    assert minor_of(payment_rows, page) == f"{whole}{rest}"


def test_another_text_and_enter_is_that_amount(staff_page: Any) -> None:
    page = staff_page("clerk")
    whole, rest = thousands()
    create_phone_order(page, amount=f"{whole}.{rest}0")
    page.wait_for_selector(CHOICES)
    page.fill("[name=amount]", f"{whole},{rest}")
    page.keyboard.press("Enter")
    page.wait_for_url("**/card/")
    assert page.inner_text(".nexi-amount") == f"{whole}.{rest} EUR"


@pytest.mark.parametrize("scripts", [True, False])
def test_the_link_that_was_asked_for(staff_page: Any, scripts: bool) -> None:
    page = staff_page("clerk", java_script_enabled=scripts)
    whole, rest = thousands()
    create_phone_order(page, "button[name=link]", amount=f"{whole},{rest}0")
    page.click(f"{CHOICES} >> nth=1")
    page.wait_for_selector("#nexi-link")
    said = SAID["en"][1].format(whole=whole, rest=rest)
    assert page.inner_text(".nexi-sum") == said


@viewports.in_each_language
def test_a_refund_asks_too(
    staff_page: Any, payment_rows: Any, picture: Any, language: str
) -> None:
    page = staff_page("admin", language, **viewports.of_walk(language), bypass_csp=True)
    reference = create_phone_order(page, amount=f"{4000 + uuid4().int % 999}")
    enter_phone_card(page)
    submit_charge(page)
    result = page.url
    find(page, reference)
    page.fill("form[action$='/refund/'] input[name=amount]", "1.500")
    page.click("form[action$='/refund/'] button")
    page.wait_for_selector(CHOICES)
    for scheme, width in viewports.each(page, language):
        picture(page, f"refund-which-{width}-{scheme}-{language}")
        judge(page, f"refund-which {width} {scheme}")
    # a second Enter must not choose: the cursor is on the question
    assert page.evaluate("document.activeElement.id") == "nexi-which"
    said = [one.format(whole=1, rest=50) for one in SAID[language]]
    assert page.locator(CHOICES).all_inner_texts() == said
    page.click(f"{CHOICES} >> nth=0")
    page.wait_for_selector("[name=confirmed]", state="attached")
    assert said[0] in page.inner_text(".nexi-panel h2")
    page.click(".nexi-staff .nexi-do[type=submit]")
    page.wait_for_url(re.compile(r"/change/$"))
    public_id = result.rstrip("/").split("/")[-1]
    assert payment_rows.value("refunded_amount", public_id) == "150"


@viewports.in_each_language
def test_the_desk_with_the_buttons_at_any_width(
    staff_page: Any, picture: Any, language: str
) -> None:
    page = staff_page("clerk", language, **viewports.of_walk(language), bypass_csp=True)
    page.goto(ORDERS_URL + "moto/")
    page.fill("[name=amount]", "1.500")
    page.click(CONTINUE_BUTTON)
    page.wait_for_selector(CHOICES)
    for scheme, width in viewports.each(page, language):
        picture(page, f"desk-which-{width}-{scheme}-{language}")
        judge(page, f"desk-which {width} {scheme}")
