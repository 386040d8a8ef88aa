"""The demo's first screen, its test cards, refusals, and the coffee club."""

from __future__ import annotations

from typing import Any

import pytest

from nexi_payments.simulator import TEST_CARDS
from tests.browser.shopper import at_the_bank, enter_card, log_in, to_the_card_page

#: Relative luminance (0 to 1) of the background of each field that is seen.
GROUNDS = """() => [...document.querySelectorAll('main input, main select')]
  .filter(one => one.type !== 'hidden' && one.checkVisibility())
  .map(one => { const [r, g, b] = getComputedStyle(one).backgroundColor
    .match(/[\\d.]+/g).map(Number);
    return (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255 })"""


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
def test_the_first_screen_says_what_it_is_and_shows_a_product(
    chromium: Any, demo: str, picture: Any, width: int, height: int
) -> None:
    size = {"width": width, "height": height}
    context = chromium.new_context(base_url=demo, locale="en-GB", viewport=size)
    page = context.new_page()
    page.goto("/")
    assert page.inner_text("h1").endswith("No real money moves.")
    button = page.locator("li.card button").first.bounding_box()
    assert button["y"] + button["height"] <= height
    picture(page, f"demo-first-{width}")
    page.click(".tour button")
    assert page.locator(".tour").count() == 0
    assert page.inner_text("h1") == "Everything for coffee"
    context.close()


@pytest.mark.parametrize("path", ["/checkout/", "/one-page/", "/login/"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_fields_are_dark_on_a_dark_screen(
    chromium: Any, demo: str, path: str, scheme: str
) -> None:
    context = chromium.new_context(base_url=demo, color_scheme=scheme)
    page = context.new_page()
    page.goto("/")
    page.click("li.card >> nth=0 >> button")
    page.goto(path)
    grounds = page.evaluate(GROUNDS)
    assert len(grounds) >= 2
    assert all((ground < 0.2) is (scheme == "dark") for ground in grounds), grounds
    context.close()


@pytest.mark.parametrize("card", TEST_CARDS[:2], ids=lambda card: card.brand)
def test_of_two_cards_that_end_alike_the_chosen_one_is_filled_in(
    page: Any, card: Any
) -> None:
    to_the_card_page(page)
    page.click(f"button[data-number='{card.number}']")
    assert page.locator(".fill [aria-pressed=true]").count() == 1
    typed = page.input_value("[name=card_number]").replace(" ", "")
    assert typed == card.number
    assert page.complaints == []


def test_test_cards_are_shown_once(page: Any) -> None:
    page.goto("/")
    page.click("li.card >> nth=0 >> button")
    page.goto("/checkout/")
    assert page.locator("[data-ending]").count() == 0
    to_the_card_page(page)
    for card in TEST_CARDS:
        assert page.locator(f"text={card.number}").count() == 1, card.ending


def test_no_answer_yet_and_what_to_do(page: Any) -> None:
    to_the_card_page(page)
    enter_card(page, "garbage")
    page.wait_for_url("**/payments/result/**")
    page.click("[data-keep=time] summary")
    page.click("[value=reconcile]")
    page.wait_for_selector("text=Nexi has no answer yet, and until then the payment")


@pytest.mark.parametrize("width", [1280, 390])
def test_six_refusals_and_a_button_that_goes_on(
    chromium: Any, demo: str, picture: Any, width: int
) -> None:
    size = {"width": width, "height": 844}
    context = chromium.new_context(base_url=demo, locale="en-GB", viewport=size)
    page = context.new_page()
    to_the_card_page(page)
    for _ in range(5):
        enter_card(page, "declined")
        page.wait_for_url("**/payments/result/**")
        page.click("a.nexi-button")
        page.wait_for_url("**/payments/pay/**")
    enter_card(page, "frictionless")
    page.wait_for_selector(".nexi-notice:has-text('Too many attempts')")
    page.wait_for_selector("text=this order takes none until")
    picture(page, f"demo-limit-{width}")
    # on a phone the panel is far below: the button is also on top
    page.click("[value=limit] >> visible=true >> nth=0")
    page.wait_for_selector(".nexi-notice:has-text('Too many')", state="detached")
    page.wait_for_selector("[data-limit]", state="detached")
    enter_card(page, "frictionless")
    page.wait_for_url("**/orders/**")
    said = page.locator("main .message").all_inner_texts()
    assert said == ["Thank you for your order.", "Paid. We are packing your parcel."]
    context.close()


def test_the_club_charges_again_when_time_passes_and_is_left(
    page: Any, picture: Any
) -> None:
    log_in(page)
    page.goto("/cards/")
    page.click("text=Join the club")
    page.wait_for_url("**/payments/pay/**")
    page.check("[name=agree]")
    enter_card(page, "challenge")
    at_the_bank(page, "approve")
    page.wait_for_url("**/cards/**")
    page.wait_for_selector("[data-club=active]")
    assert page.locator("text=Join the club").count() == 0
    page.click("[data-keep=time] summary")
    page.click("[value=charge]")
    page.wait_for_selector(".panel-message:has-text('recurring payments charged: 1')")
    rows = page.locator("[data-key=club] tbody tr").all_inner_texts()
    assert ["14.90 EUR" in row and "paid" in row for row in rows] == [True, True]
    assert page.locator("main li").all_inner_texts()[0].endswith("14.90 EUR, paid")
    picture(page, "demo-club")
    page.click("text=Leave the club")
    page.wait_for_selector("text=You have left the club. Your card is not charged any")
    assert page.locator("[data-club=ended]").count() == 1
    assert page.locator("[value=charge]").count() == 0
    assert page.complaints == []
