"""Payments on Nexi's hosted page, in a browser that holds it for another site: each
ending, with and without JavaScript."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from nexi_payments.testing.forms import card_fields
from tests.browser import axe, viewports
from tests.browser.shopper import enter_card, to_the_card_page

SIZES = """() => [...document.querySelectorAll('main button, main a.nexi-button')]
  .filter(one => one.offsetParent && one.getBoundingClientRect().height < 44)
  .map(one => one.outerHTML.slice(0, 80))"""
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
WITHOUT_DEMO = """document
  .querySelectorAll('.simulator-panel, section.cards, .fault-banner')
  .forEach(e => e.remove())"""
PAYPAL = "button[name=method][value=PAYPAL]"
#: ending → what the shopper reads back at the shop
BACK = {
    "pay": "Paid. We are packing your parcel.",
    "decline": "The payment was declined",
    "cancel": "You have not paid",
    "leave": "Your payment is not finished yet",
    "pay_twice": "Please contact the shop",
    "pending": "Your payment is being confirmed",
    "pending_fails": "Your payment is being confirmed",
}
#: Nexi's hosted page sends these back at once, without a page in between.
AT_ONCE = ("cancel", "leave")


@pytest.fixture(params=[True, False], ids=["script", "no script"])
def shopper(request: Any, chromium: Any, demo: str) -> Iterator[Any]:
    """A page that notes every complaint of the browser's console."""
    context = chromium.new_context(
        base_url=demo, locale="en-GB", java_script_enabled=request.param
    )
    context.set_default_timeout(30_000)
    page = context.new_page()
    page.complaints = []
    page.on("console", lambda said: page.complaints.append(said.text))
    yield page
    context.close()


def to_nexis_page(page: Any, method: str = "PAYPAL") -> str:
    """Returns the address of our page."""
    to_the_card_page(page)
    ours: str = page.url
    page.click(f"button[name=method][value={method}]")
    page.wait_for_url("http://localhost:*/**/html?paymentid=*")
    return ours


def end(page: Any, ending: str, notify: str = "never") -> None:
    """On Nexi's hosted page, and back from it."""
    page.select_option("[name=notify]", notify)
    page.click(f"button[value={ending}]")
    if ending not in AT_ONCE:
        page.click("a.button.main")
    page.wait_for_url("http://127.0.0.1:*/**")


@pytest.mark.parametrize("ending", sorted(BACK))
def test_each_ending(shopper: Any, picture: Any, ending: str) -> None:
    to_nexis_page(shopper)
    end(shopper, ending)
    shopper.wait_for_selector(f"text={BACK[ending]}")
    assert "card has been charged" not in shopper.inner_text("main")
    picture(shopper, f"hosted-{ending}")
    assert [one for one in shopper.complaints if "Policy" in one] == []


@pytest.mark.parametrize("ending", ["close", "pay_late"])
def test_a_page_that_was_closed(shopper: Any, ending: str) -> None:
    """The address of our page is all that the shopper still has."""
    ours = to_nexis_page(shopper)
    shopper.click(f"button[value={ending}]")
    shopper.goto(ours)
    shopper.wait_for_selector("text=Your payment is not finished yet")
    shopper.click("button[name=method][value=GOOGLEPAY]")
    shopper.wait_for_url("http://localhost:*/**")
    end(shopper, "pay")
    shopper.wait_for_selector("[data-paid]")


def test_a_decline_then_another_way(shopper: Any) -> None:
    to_nexis_page(shopper)
    end(shopper, "decline")
    shopper.click("main button[name=method][value=BANCOMATPAY]")
    shopper.wait_for_url("http://localhost:*/**")
    end(shopper, "pay")
    shopper.wait_for_selector("[data-paid]")


def test_a_decline_then_a_card(page: Any) -> None:
    to_nexis_page(page)
    end(page, "decline")
    page.click("main a.nexi-button")
    page.wait_for_url("**/payments/pay/**")
    enter_card(page, "frictionless")
    page.wait_for_selector("[data-paid]")


@pytest.mark.parametrize(
    ("ending", "text"),
    [
        ("pending", "Paid. We are packing your parcel."),
        ("pending_fails", "The payment was declined"),
    ],
)
def test_what_was_pending_is_decided(
    shopper: Any, later: Callable[[], None], ending: str, text: str
) -> None:
    to_nexis_page(shopper)
    end(shopper, ending)
    shopper.wait_for_selector("text=Your payment is being confirmed")
    later()
    shopper.wait_for_selector(f"text={text}")


def test_a_notification_alone(page: Any) -> None:
    """Paid, and the tab is closed: Nexi calls the shop."""
    ours = to_nexis_page(page)
    page.select_option("[name=notify]", "before")
    page.click("button[value=pay]")
    page.wait_for_selector("a.button.main")
    page.goto(ours)
    page.wait_for_selector("[data-paid]")


def test_by_keyboard(page: Any) -> None:
    to_the_card_page(page)
    page.evaluate(WITHOUT_DEMO)
    page.focus("button[type=submit]")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.value") == "PAYPAL"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineWidth") == (
        "3px"
    )
    page.keyboard.press("Enter")
    page.wait_for_url("http://localhost:*/**")


def test_a_second_click(page: Any) -> None:
    to_the_card_page(page)
    sent: list[str] = []
    page.on(
        "request",
        lambda one: sent.append(one.url) if one.method == "POST" else None,
    )
    page.dblclick(PAYPAL)
    page.wait_for_url("http://localhost:*/**")
    assert len(sent) == 1


def test_two_clicks_without_the_script(
    chromium: Any, demo: str, payment_rows: Any
) -> None:
    context = chromium.new_context(
        base_url=demo, locale="en-GB", java_script_enabled=False
    )
    page = context.new_page()
    to_the_card_page(page)
    page.dblclick(PAYPAL, no_wait_after=True)
    page.wait_for_url(
        lambda url: url.startswith("http://localhost:") or "/result/" in url
    )
    if "/result/" in page.url:  # the second came while the first was under way
        page.click("text=Choose how to pay again")
        page.click(PAYPAL)
        page.wait_for_url("http://localhost:*/**")
    end(page, "pay")
    page.wait_for_selector("[data-paid]")
    context.close()


def test_back_from_nexis_page(page: Any) -> None:
    """The browser's Back restores our page: its buttons work again."""
    to_nexis_page(page)
    page.go_back()
    page.wait_for_url("**/payments/pay/**")
    page.click("button[name=method][value=GOOGLEPAY]")
    page.wait_for_url("http://localhost:*/**")
    end(page, "pay")
    page.wait_for_selector("[data-paid]")


def test_cards_on_nexis_page(shopper: Any, picture: Any) -> None:
    shopper.goto("/")
    if not shopper.is_visible("[name=cards]"):
        shopper.click("[data-keep=cards] summary")
    shopper.click("[name=cards][value=nexi]")
    to_the_card_page(shopper)
    assert shopper.query_selector("[name=card_number]") is None
    picture(shopper, "hosted-cards")
    shopper.click("button[name=method][value=CARDS]")
    shopper.wait_for_url("http://localhost:*/**")
    for name, value in card_fields("frictionless").items():
        if name != "cardholder_name":
            shopper.fill(f"[name={name}]", value)
    end(shopper, "pay")
    shopper.wait_for_selector("[data-paid]")


@pytest.mark.parametrize("cards", ["ours", "nexi"])
def test_the_checkout_on_one_page(page: Any, cards: str) -> None:
    page.goto("/")
    page.click("[data-keep=cards] summary")
    page.click(f"[name=cards][value={cards}]")
    page.click("li.card >> nth=0 >> button")
    page.goto("/one-page/")
    assert (page.query_selector("[name=card_number]") is None) is (cards == "nexi")
    page.click("#others" if cards == "ours" else "#card button")
    page.click("#methods >> text=PayPal")
    page.wait_for_url("http://localhost:*/**")
    end(page, "decline")
    page.wait_for_selector("text=The payment was declined")
    page.goto("/one-page/")
    page.wait_for_selector("#message >> text=The payment was declined")
    page.click("#methods >> text=PayPal")
    page.wait_for_url("http://localhost:*/**")
    end(page, "pay")
    page.wait_for_selector("#message >> text=You have paid with PayPal")
    page.click("#onward")
    page.wait_for_selector("[data-paid]")


@viewports.in_each_language
def test_at_every_width_in_both_colours(
    chromium: Any, demo: str, picture: Any, language: str
) -> None:
    context = chromium.new_context(
        base_url=demo,
        locale={"en": "en-GB", "it": "it-IT"}[language],
        **viewports.of_walk(language),
    )
    page = context.new_page()

    def look(name: str) -> None:
        page.evaluate(WITHOUT_DEMO)
        looks = tuple((c, w) for c in ("light", "dark") for w in viewports.WIDTHS)
        for scheme, width in viewports.each(page, language, looks):
            assert page.evaluate(OVERFLOW) <= 0, (name, width)
            assert page.evaluate(SIZES) == [], (name, width)
            assert axe.findings(page) == [], (name, width, scheme)
            picture(page, f"hosted-{name}-{width}-{scheme}-{language}")

    to_the_card_page(page)
    look("buttons")
    page.evaluate("document.documentElement.dir = 'rtl'")
    look("buttons-rtl")
    page.reload()
    page.click(PAYPAL)
    page.wait_for_url("http://localhost:*/**")
    end(page, "decline")
    page.wait_for_selector(".nexi-bad")
    look("declined")
    context.close()
