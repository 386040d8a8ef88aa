"""The demo as a visitor sees it: the panel beside the shop, cards as buttons,
faults and time at a click; with a keyboard, on a phone, without JavaScript."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.clock import moved_by_hand
from tests.browser.shopper import CARDS, at_the_bank, to_the_card_page


def state(page: Any) -> str:
    return str(page.get_attribute("[data-state]", "data-state"))


def is_in_state(page: Any, wanted: str) -> None:
    page.wait_for_selector(f"[data-state={wanted}]", timeout=15_000)


def switch(page: Any, fault: str, how: str = "once") -> None:
    if not page.is_visible("[name=how]"):
        page.click("[data-keep=gateway] summary")
    page.check(f"[name=how][value={how}]")
    page.click(f"[name=fault][value='{fault}']")


@pytest.fixture
def well_again(demo: str, chromium: Any) -> Iterator[None]:
    """The gateway is one for all tests: its faults are always cleared."""
    yield
    # without a page: to close one that is about to load may take for ever
    context = chromium.new_context(base_url=demo)
    context.request.get("/")
    (token,) = (c["value"] for c in context.cookies() if c["name"] == "csrftoken")
    form = {"fault": "", "csrfmiddlewaretoken": token}
    assert context.request.post("/panel/gateway/", form=form).ok
    context.close()


def test_a_card_at_a_click_and_the_panel_follows(page: Any, picture: Any) -> None:
    to_the_card_page(page)
    is_in_state(page, "init")
    page.click("button[data-ending=challenge] >> nth=0")
    assert page.input_value("[name=card_number]") == "4349 9401 9900 4549"
    assert page.evaluate("document.activeElement.type") == "submit"
    page.keyboard.press("Enter")
    at_the_bank(page, "approve")
    page.wait_for_url("**/orders/**")
    is_in_state(page, "paid")
    assert page.locator(".calls > li").count() == 3
    assert page.locator(".states .used").count() == 4
    page.click(".calls li >> nth=2 >> summary")
    asked = page.inner_text(".calls pre >> visible=true >> nth=0")
    assert "•••• 4549" in asked
    assert CARDS["challenge"].number not in page.content()
    picture(page, "demo-paid")
    assert page.complaints == []


@pytest.mark.usefixtures("well_again")
def test_an_answer_that_is_lost_and_found(page: Any, picture: Any) -> None:
    to_the_card_page(page)
    page.click("button[data-ending=frictionless]")
    switch(page, "lost", "on")
    page.wait_for_selector("[data-fault=lost]:visible")
    # the page was not loaded anew: what was typed is still there
    assert page.input_value("[name=card_number]") != ""
    page.click(".nexi-button")
    page.wait_for_url("**/payments/result/**")
    is_in_state(page, "paying")
    assert "We are checking your payment" in page.inner_text("h1")
    picture(page, "demo-lost")
    with page.expect_navigation():  # or the next click is one on the old page
        switch(page, "")
    page.wait_for_selector("[data-fault=lost]", state="hidden")
    page.click("[data-keep=time] summary")
    page.click("[value=reconcile]")
    page.wait_for_url("**/orders/**")
    is_in_state(page, "paid")


def test_the_panel_sleeps_more_and_more(page: Any) -> None:
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.url))
    forward = moved_by_hand(page, "/panel/")
    page.goto("/")
    forward(9, 0.25)
    looks = [url for url in asked if url.endswith("/panel/")]
    assert 3 <= len(looks) <= 6
    page.click("[data-panel] > summary")  # closed: nobody looks
    page.wait_for_selector("[data-panel]:not([open])")
    forward(0.25, 0.25)  # what was under way
    before = len(asked)
    forward(60, 1)
    assert len(asked) == before
    page.reload()
    assert page.get_attribute("[data-panel]", "open") is None


@pytest.mark.usefixtures("well_again")
def test_what_is_open_and_where_the_focus_is_survives_news(page: Any) -> None:
    with page.expect_response("**/panel/"):  # the news that it opened with
        to_the_card_page(page)
        is_in_state(page, "init")
    page.click("[data-key=states] > summary")  # shut
    page.focus("[data-key=ledger] > summary")
    slow = "document.querySelector('[name=fault][value=slow]')"
    page.evaluate(f"{slow}.form.requestSubmit({slow})")  # the focus stays
    page.wait_for_selector("[data-fault=slow]:visible")
    assert page.get_attribute("[data-key=states]", "open") is None
    assert page.get_attribute("[data-key=ledger]", "open") is not None
    focused = "document.activeElement.parentNode.dataset.key"
    assert page.evaluate(focused) == "ledger"
    switch(page, "")
    page.wait_for_selector("[data-fault=slow]", state="hidden")


@pytest.mark.parametrize("language", ["en-GB", "it-IT"])
def test_no_page_is_wider_than_the_screen(
    chromium: Any, demo: str, picture: Any, language: str
) -> None:
    size = {"width": 320, "height": 900}
    context = chromium.new_context(base_url=demo, locale=language, viewport=size)
    page = context.new_page()
    to_the_card_page(page)
    for path in ("", "/", "/tour/", "/basket/", "/checkout/", "/one-page/"):
        if path:
            page.goto(path)
        name = path.strip("/") or ("shop" if path else "card")
        for width in (768, 1280, 320):
            page.set_viewport_size({"width": width, "height": 900})
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, path
            picture(page, f"demo-{name}-{width}.{language[:2]}")
    context.close()


def test_without_javascript(chromium: Any, demo: str) -> None:
    context = chromium.new_context(base_url=demo, java_script_enabled=False)
    page = context.new_page()
    to_the_card_page(page)
    assert state(page) == "init"
    page.click("[data-keep=time] summary")
    page.click("[value=reconcile]")
    page.wait_for_url("**/payments/pay/**")
    assert "Done: " in page.inner_text(".panel-message")
    page.goto("/tour/")
    page.click("main button.button")
    assert page.locator(".tour").count() == 0
    page.click("button[value=de]")
    assert page.get_attribute("html", "lang") == "en"  # the shop speaks two
    context.close()


@pytest.mark.usefixtures("well_again")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_behind_the_scenes(
    chromium: Any, demo: str, scheme: str
) -> None:
    from tests.browser.axe import findings  # skips where there is no axe

    context = chromium.new_context(base_url=demo, color_scheme=scheme, bypass_csp=True)
    page = context.new_page()
    to_the_card_page(page)
    page.click("button[data-ending=answer_lost]")
    page.click(".nexi-button")
    page.wait_for_url("**/orders/**")
    page.wait_for_selector(".calls summary")
    shut = page.locator("[data-panel] details:not([open]) > summary")
    for summary in shut.all()[::-1]:
        summary.click()
    switch(page, "lost", "on")
    page.wait_for_selector("[data-fault=lost]:visible")
    assert findings(page) == []
    page.goto("/tour/")
    assert findings(page) == []
    context.close()


def test_the_controls_with_the_keyboard_alone(page: Any) -> None:
    page.goto("/")
    page.press("[data-keep=time] > summary", "Enter")
    page.wait_for_selector("[data-keep=time][open]")
    page.press("[data-keep=time] > summary", "Tab")
    page.wait_for_selector("[value=reconcile]:focus")
    page.press("[value=reconcile]", "Enter")
    page.wait_for_selector(".panel-message")
    page.wait_for_selector("[data-keep=time][open]")  # as it was left
