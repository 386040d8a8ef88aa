"""The card page of the desk: what it asks before the card leaves it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.axe import findings
from tests.browser.phone_orders import (
    create_phone_order,
    enter_phone_card,
    submit_charge,
    unique_amount,
)

BUTTON = "form[data-card] button[type=submit]"
SHOWN = "e => getComputedStyle(e).webkitTextSecurity"


def test_the_number_is_seen_while_it_is_typed(staff_page: Any) -> None:
    page = staff_page("clerk")
    create_phone_order(page)
    page.wait_for_url("**/card/")
    page.click("[name=card_number]")
    page.keyboard.type("4349940199004549")
    assert page.input_value("[name=card_number]") == "4349 9401 9900 4549"
    assert page.eval_on_selector("[name=card_number]", SHOWN) == "none"
    page.keyboard.press("Tab")
    assert page.eval_on_selector("[name=card_number]", SHOWN) == "disc"
    page.click("[name=security_code]")
    assert page.eval_on_selector("[name=security_code]", SHOWN) == "disc"


def test_a_duplicate_that_came_after_the_page(staff_page: Any) -> None:
    """Charged in another tab, after this page was opened."""
    page = staff_page("clerk")
    amount = unique_amount()
    create_phone_order(page, amount=amount)
    enter_phone_card(page)
    assert page.is_hidden("[data-duplicates]")
    other = page.context.new_page()
    create_phone_order(other, amount=amount, reference="OTHER-1")
    enter_phone_card(other)
    submit_charge(other)
    page.click(BUTTON)
    page.wait_for_selector("[data-duplicates] >> text=OTHER-1")
    said = page.inner_text("[data-notice]")
    assert said == "This card was charged the same just now."
    assert page.input_value("[name=card_number]") == "4349 9401 9900 4549"
    assert page.is_enabled(BUTTON)
    page.check("[name=allow_duplicate]")
    submit_charge(page)
    page.wait_for_selector(".nexi-panel.nexi-good")
    assert page.complaints == []


def test_a_card_that_may_not_be_tried_again(staff_page: Any, picture: Any) -> None:
    page = staff_page("clerk")
    create_phone_order(page)
    enter_phone_card(page, "lost_card")
    submit_charge(page)
    button = "form[action$='retry/'] button"
    assert page.inner_text(button) == "Enter another card"
    page.click(button)
    enter_phone_card(page, "lost_card")
    page.click(BUTTON)
    page.wait_for_selector("[data-notice]:not([hidden])")
    assert "may not be tried again" in page.inner_text("[data-notice]")
    picture(page, "desk-card-refused")
    page.wait_for_selector("[name=card_number]:focus")
    enter_phone_card(page)
    assert page.is_hidden("[data-notice]")
    submit_charge(page)
    page.wait_for_selector(".nexi-panel.nexi-good")


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (403, "You may have been logged out."),
        (500, "It could not be checked whether this card was charged just now."),
    ],
)
def test_without_an_answer_the_card_stays(
    staff_page: Any, status: int, says: str
) -> None:
    page = staff_page("clerk")
    create_phone_order(page)
    enter_phone_card(page)
    page.route("**/ask/", lambda route: route.fulfill(status=status, body="no"))
    page.click(BUTTON)
    page.wait_for_selector("[data-notice]:not([hidden])")
    assert page.inner_text("[data-notice]").startswith(says)
    assert page.input_value("[name=card_number]") == "4349 9401 9900 4549"
    submit_charge(page)  # pressed again: the server decides
    page.wait_for_selector(".nexi-panel.nexi-good")


@pytest.mark.parametrize("width", [390, 1280])
def test_pages_of_the_desk(staff_page: Any, picture: Any, width: int) -> None:
    page = staff_page("clerk", bypass_csp=True)  # for axe
    page.set_viewport_size({"width": width, "height": 900})

    def judge(name: str, part: str | None = ".nexi-staff") -> None:
        picture(page, f"desk-{name}-{width}")
        assert findings(page, part) == [], name
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name

    reference = create_phone_order(page)
    page.wait_for_url("**/card/")
    page.click(BUTTON)
    page.wait_for_selector("#id_card_number_error")
    judge("mistakes", None)
    enter_phone_card(page, "garbage")
    submit_charge(page)
    assert page.is_visible("form[action$='check/'] button")
    judge("checking")
    page.click("text=My phone orders")
    page.wait_for_url("**/own/")
    page.fill("[name=q]", reference[:4])
    page.keyboard.press("Enter")
    page.wait_for_url("**/own/?q=*")
    assert page.is_visible(f"td >> text={reference}")
    judge("own")
    create_phone_order(page, button="button[name=link]")
    page.wait_for_selector("#nexi-link")
    assert "Sent to giulia@shop.example" in page.inner_text("main")
    judge("sent")
