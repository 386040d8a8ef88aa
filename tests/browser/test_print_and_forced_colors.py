"""The card page and the results on paper, and in the colours that a reader has forced
upon all pages (Windows' contrast themes)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.shopper import enter_card, submit_unchecked, to_the_card_page

#: A computed style of the first element that a selector finds.
STYLE = """([selector, name]) =>
  getComputedStyle(document.querySelector(selector)).getPropertyValue(name)"""
INK = "rgb(29, 36, 51)"


def style(page: Any, selector: str, name: str) -> str:
    found: str = page.evaluate(STYLE, [selector, name])
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_paper(page: Any, picture: Any, scheme: str) -> None:
    to_the_card_page(page)
    page.emulate_media(media="print", color_scheme=scheme)
    assert page.is_visible(".nexi-amount")
    assert not page.is_visible("form[data-card]")  # nobody types on paper
    assert style(page, "html", "color-scheme") == "light"
    assert style(page, "body", "color") == INK
    assert style(page, "body", "background-color") == "rgba(0, 0, 0, 0)"
    picture(page, f"print-card-{scheme}")
    page.emulate_media(media="screen")
    enter_card(page, "declined")
    page.wait_for_url("**/result/**")
    page.emulate_media(media="print", color_scheme=scheme)
    assert not page.is_visible("a.nexi-button")
    # browsers leave backgrounds away: white on nothing would be nothing
    assert style(page, ".nexi-mark", "background-color") == "rgba(0, 0, 0, 0)"
    assert style(page, ".nexi-mark", "color") == INK
    assert style(page, ".nexi-card", "color") == INK
    for selector in ("h1", ".nexi-amount", ".nexi-small >> nth=-1"):
        assert page.is_visible(selector)
    picture(page, f"print-declined-{scheme}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_in_forced_colours(chromium: Any, demo: str, picture: Any, scheme: str) -> None:
    context = chromium.new_context(
        base_url=demo, locale="en-GB", forced_colors="active", color_scheme=scheme
    )
    context.set_default_timeout(30_000)
    page = context.new_page()
    to_the_card_page(page)
    # shadows and backgrounds are gone: what is pressed or filled in has a line around
    assert style(page, "button[type=submit]", "border-top-width") == "2px"
    assert style(page, "[name=card_number]", "border-top-style") == "solid"
    assert style(page, ".nexi-card", "border-top-style") == "solid"
    submit_unchecked(page)
    page.wait_for_selector("#errors:focus")
    # a mistake is told in words, not by red alone, and the focus has a line of its own
    assert page.inner_text("#id_card_number_error") != ""
    assert style(page, "#errors", "outline-style") == "solid"
    picture(page, f"forced-card-{scheme}")
    enter_card(page, "declined")
    page.wait_for_url("**/result/**")
    assert style(page, ".nexi-mark", "border-top-width") == "2px"
    assert style(page, "a.nexi-button", "border-top-width") == "2px"
    ink, paper = style(page, "h1", "color"), style(page, "body", "background-color")
    assert {ink, paper} == {"rgb(255, 255, 255)", "rgb(0, 0, 0)"}
    picture(page, f"forced-declined-{scheme}")
    context.close()
