"""Staff's pages for cards on file: axe finds nothing in what is ours, light and dark,
at any width; charging and ending need no mouse."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.browser import viewports
from tests.browser.contracts import CONTRACTS_URL, join
from tests.browser.test_staff_pages import amount_of, judge


@pytest.fixture
def kept(page: Any) -> None:
    join(page)


def open_newest(page: Any) -> None:
    page.goto(CONTRACTS_URL)
    page.click("#result_list th a >> nth=0")
    page.wait_for_url("**/change/**")


@viewports.in_each_language
def test_every_page_of_a_card_on_file(
    staff_page: Any, picture: Any, kept: None, language: str
) -> None:
    page = staff_page(
        "manager", language, **viewports.of_walk(language), bypass_csp=True
    )

    def look(name: str) -> None:
        for scheme, width in viewports.each(page, language):
            picture(page, f"file-{name}-{width}-{scheme}-{language}")
            judge(page, f"{name} {width} {scheme}")

    page.goto(CONTRACTS_URL)
    for scheme, width in viewports.each(page, language):
        picture(page, f"file-list-{width}-{scheme}-{language}")
    open_newest(page)
    look("card")
    charge, end = "form[action$='/charge/']", "form[action$='/end/']"
    page.fill(f"{charge} [name=amount]", amount_of(language))
    page.fill(f"{charge} [name=reference]", f"B-{uuid4().hex[:6]}")
    page.click(f"{charge} button")
    page.wait_for_selector("[name=confirmed]", state="attached")
    look("ask-charge")
    page.click(f"{charge} button")
    page.wait_for_selector(".messagelist .success")
    look("charged")
    page.click(f"{end} button")
    page.wait_for_selector("[name=confirmed]", state="attached")
    look("ask-end")
    page.click(f"{end} button")
    page.wait_for_selector(".messagelist .success")
    assert page.query_selector(charge) is None
    assert page.query_selector(end) is None
    look("ended")


@pytest.mark.parametrize("scripts", [True, False])
def test_a_card_on_file_is_charged_by_keyboard(
    staff_page: Any, kept: None, scripts: bool
) -> None:
    page = staff_page("manager", java_script_enabled=scripts)
    open_newest(page)
    page.focus("form[action$='/charge/'] [name=amount]")
    page.keyboard.press("Control+A")
    page.keyboard.type("7.00")
    page.keyboard.press("Tab")
    reference = f"B-{uuid4().hex[:6]}"
    page.keyboard.type(reference)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Charge 7.00 EUR to this card?")
    page.focus("a.nexi-do.nexi-other")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector(".messagelist .success")
    assert page.inner_text(".messagelist .success") == f"{reference}: paid"
    assert page.locator(f"text={reference}").count() >= 1
