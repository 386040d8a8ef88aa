"""Cards chosen at the demo's checkout, before there is a form to fill."""

from __future__ import annotations

from typing import Any

import pytest

from nexi_payments.simulator import TEST_CARDS
from tests.browser.shopper import enter_card, to_the_card_page


@pytest.mark.parametrize("card", TEST_CARDS[:2], ids=lambda card: card.brand)
def test_of_two_cards_that_end_alike_the_chosen_one_is_filled_in(
    page: Any, card: Any
) -> None:
    page.goto("/")
    page.click("li.card >> nth=0 >> button")
    page.goto("/checkout/")
    page.fill("[name=name]", "Giulia Bianchi")
    page.fill("[name=email]", "giulia@shop.example")
    page.click(f"button[data-number='{card.number}']")
    assert page.locator(".fill [aria-pressed=true]").count() == 1
    page.click("main form button.button")
    page.wait_for_url("**/payments/pay/**")
    page.wait_for_selector(".fill [aria-pressed=true]")
    typed = page.input_value("[name=card_number]").replace(" ", "")
    assert typed == card.number
    assert page.complaints == []


def test_no_answer_yet_and_what_to_do(page: Any) -> None:
    to_the_card_page(page)
    enter_card(page, "garbage")
    page.wait_for_url("**/payments/result/**")
    page.click("[data-keep=time] summary")
    page.click("[value=reconcile]")
    page.wait_for_selector("text=Nexi has no answer yet, and until then the payment")
