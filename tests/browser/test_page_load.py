"""What the card page costs a phone, and that the browser's memory keeps no card."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.demo_server import CHROMIUM, CHROMIUM_ARGS
from tests.browser.shopper import CARDS, enter_card, to_the_card_page

WITH_ICONS = True

#: since the page was asked for, in milliseconds: when a field can be typed into
READY = "performance.getEntriesByType('navigation')[0].domInteractive"


def test_one_page_one_style_two_scripts_and_an_icon(page: Any) -> None:
    to_the_card_page(page)
    page.wait_for_load_state("networkidle")
    network = page.context.new_cdp_session(page)
    network.send("Network.setCacheDisabled", {"cacheDisabled": True})
    answers: list[Any] = []
    page.on("response", lambda answer: answers.append(answer))
    page.reload()
    page.wait_for_load_state("networkidle")
    # the demo puts its panel and its test cards beside the page: not the package's
    answers = [one for one in answers if not re.search("demo_shop/|panel/", one.url)]
    # the demo adds a panel of its own to the page, and its files
    ours = [one for one in answers if "/static/nexi_payments/" in one.url]
    names = [answer.url.rsplit("/", 1)[-1] for answer in ours]
    assert sorted(names) == ["card.js", "card.svg", "methods.js", "pages.css"]
    weight = sum(len(answer.body()) for answer in ours)
    assert weight < 40_000
    # pytest -s shows it; a number of milliseconds is no promise
    print(f"{weight} bytes, a field takes input after {page.evaluate(READY):.0f} ms")


@pytest.fixture
def remembering(demo: str, chromium: Any) -> Iterator[Any]:
    """A Chromium with its back-forward memory on: Playwright's own switches it off."""
    browser = chromium.browser_type.launch(
        executable_path=CHROMIUM,
        args=CHROMIUM_ARGS,
        ignore_default_args=["--disable-back-forward-cache"],
    )
    context = browser.new_context(base_url=demo, locale="en-GB")
    context.set_default_timeout(30_000)
    page = context.new_page()
    # what is remembered is not loaded again: it says so itself
    page.add_init_script(
        "addEventListener('pageshow', e => { window.remembered = e.persisted })"
    )
    yield page
    browser.close()


def _without_no_store(route: Any) -> None:
    answer = route.fetch()
    headers = {k: v for k, v in answer.headers.items() if k != "cache-control"}
    route.fulfill(response=answer, headers=headers)


def test_a_remembered_page_is_empty(remembering: Any, demo: str) -> None:
    """Not every browser keeps to ``no-store`` here; this one is not told of it."""
    page = remembering
    to_the_card_page(page)
    card_page = page.url
    page.route("**/payments/pay/**", _without_no_store)
    page.goto(card_page)
    card = CARDS["frictionless"]
    for name, value in (
        ("card_number", card.number),
        ("expiry", card.expiry),
        ("security_code", card.cvv),
    ):
        page.fill(f"[name={name}]", value)
    page.goto(f"{demo}/")
    # Playwright itself loses a page that comes from memory: ask the browser
    network = page.context.new_cdp_session(page)
    network.send("Runtime.evaluate", {"expression": "history.back()"})

    def ask(expression: str) -> Any:
        asked = {"expression": expression, "returnByValue": True}
        return network.send("Runtime.evaluate", asked)["result"].get("value")

    for _ in range(3000):
        if ask("location.href") == card_page and ask("'remembered' in window"):
            break
        page.wait_for_timeout(10)
    assert ask("location.href") == card_page
    assert ask("window.remembered") is True
    for name in ("card_number", "expiry", "security_code"):
        assert ask(f"document.querySelector('[name={name}]').value") == ""
    assert ask("document.querySelector('button[type=submit]').disabled") is False


def test_nothing_of_a_card_is_in_the_browser_s_storage(page: Any) -> None:
    to_the_card_page(page)
    card = CARDS["frictionless"]
    page.click("[name=card_number]")
    page.keyboard.type(card.number)
    page.keyboard.press("Tab")
    # a browser may tell at any moment that the demo's panel is open, as it always was
    page.evaluate(
        """document.querySelector("details[open]").dispatchEvent(new Event("toggle"))"""
    )
    kept = "JSON.stringify([{...localStorage}, {...sessionStorage}, history.state])"
    assert page.evaluate(kept) == "[{},{},null]"
    assert card.number not in page.evaluate("document.cookie")


def test_fields_say_what_the_browser_may_fill_in(page: Any) -> None:
    to_the_card_page(page)
    fills = {
        name: page.get_attribute(f"[name={name}]", "autocomplete")
        for name in ("cardholder_name", "card_number", "expiry", "security_code")
    }
    assert fills == {
        "cardholder_name": "cc-name",
        "card_number": "cc-number",
        "expiry": "cc-exp",
        "security_code": "cc-csc",
    }


def test_the_browser_fills_in_a_saved_card(page: Any) -> None:
    """Chromium's own autofill, asked as its menu asks it."""
    to_the_card_page(page)
    card = CARDS["frictionless"]
    network = page.context.new_cdp_session(page)
    network.send("DOM.enable")
    root = network.send("DOM.getDocument")["root"]["nodeId"]
    wanted = {"nodeId": root, "selector": "[name=card_number]"}
    field = network.send("DOM.querySelector", wanted)["nodeId"]
    node = network.send("DOM.describeNode", {"nodeId": field})["node"]
    month, year = card.expiry.split("/")
    saved = {
        "number": card.number,
        "name": "Giulia Bianchi",
        "expiryMonth": month,
        "expiryYear": f"20{year}",
        "cvc": card.cvv,
    }
    page.click("[name=card_number]")
    network.send("Autofill.trigger", {"fieldId": node["backendNodeId"], "card": saved})
    page.wait_for_function("document.querySelector('[name=security_code]').value")
    assert page.input_value("[name=cardholder_name]") == "Giulia Bianchi"
    assert page.input_value("[name=card_number]").replace(" ", "") == card.number
    assert page.input_value("[name=expiry]").replace(" ", "") == card.expiry
    assert page.input_value("[name=security_code]") == card.cvv
    page.click("button[type=submit]")
    page.wait_for_url("**/orders/D*/?payment=*")


def test_another_card_after_a_decline_with_the_keyboard_alone(page: Any) -> None:
    to_the_card_page(page)
    enter_card(page, "declined")
    page.wait_for_url("**/payments/result/**")
    for _ in range(3):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('a.nexi-button')"):
            break
    page.keyboard.press("Enter")
    page.wait_for_url("**/payments/pay/**")
    page.focus("[name=cardholder_name]")
    page.keyboard.press("Tab")
    card = CARDS["frictionless"]
    for text in (card.number, card.expiry, card.cvv):
        page.keyboard.type(text)
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/orders/D*/?payment=*")
