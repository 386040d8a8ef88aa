"""Each page of staff: axe finds nothing in what is ours, light and dark, at any width;
a phone order needs no mouse; a strict policy stops nothing."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import pytest

from tests.browser import viewports
from tests.browser.axe import findings
from tests.browser.phone_orders import (
    CARDS,
    ORDERS_URL,
    create_phone_order,
    enter_phone_card,
    submit_charge,
)
from tests.browser.test_staff_tasks import find, paid_by_phone

#: The policy of a shop that allows its own files and nothing inline.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
#: Ours that are lower than 24 px (WCAG 2.2, 2.5.8), words inside a sentence aside.
SMALL = """() => [...document.querySelectorAll(
  '.nexi-staff a, .nexi-staff button:not([aria-hidden]), .nexi-staff select,'
  + ' .nexi-staff summary, .nexi-staff input:not([type=hidden])')]
  .filter(e => e.offsetParent && e.getBoundingClientRect().height < 24)
  .map(e => e.outerHTML.slice(0, 100))"""
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def judge(page: Any, name: str) -> None:
    """The theme's own frame is not ours to judge."""
    ours = ".nexi-staff" if page.query_selector(".nexi-staff") else None
    assert findings(page, ours) == [], name
    assert page.evaluate(SMALL) == [], name
    assert page.evaluate(OVERFLOW) <= 0, name


@viewports.in_each_language
def test_every_page(staff_page: Any, picture: Any, language: str) -> None:
    reference = paid_by_phone(staff_page)
    page = staff_page("admin", language, **viewports.of_walk(language), bypass_csp=True)

    def look(name: str) -> None:
        for scheme, width in viewports.each(page, language):
            picture(page, f"staff-{name}-{width}-{scheme}-{language}")
            judge(page, f"{name} {width} {scheme}")

    page.goto(ORDERS_URL)
    assert page.is_visible(".nexi-board svg.nexi-chart")
    look("list")
    page.click(".nexi-board summary")
    look("list-table")
    find(page, reference)
    look("payment")
    page.click(".nexi-time summary >> nth=0")
    look("payment-ids")
    page.click("form[action$='/refund/'] button")
    page.wait_for_selector("[name=confirmed]", state="attached")
    look("confirm")
    page.goto(ORDERS_URL + "moto/")
    look("desk")
    page.click("button.nexi-do:not([name])")
    page.wait_for_selector(".nexi-wrong")
    look("desk-wrong")
    create_phone_order(page, button="button[name=link]", amount=amount_of(language))
    page.wait_for_selector("#nexi-link")
    look("link")
    for ending in ("declined", "garbage"):
        create_phone_order(page, amount=amount_of(language))
        page.wait_for_url("**/card/")
        look("card")
        enter_phone_card(page, ending)
        submit_charge(page)
        look(ending)
    for path in (
        "review-queue/",
        "daily-report/",
        "daily-report/?since=2026-02-01&until=2026-01-01",
    ):
        page.goto(ORDERS_URL + path)
        look(path.strip("/").replace("/", "-")[:8])


def amount_of(language: str) -> str:
    cents = int(uuid4().hex[:6], 16) % 90_000 + 1000
    return f"{cents // 100}{',' if language == 'it' else '.'}{cents % 100:02d}"


@pytest.mark.parametrize("scripts", [True, False])
def test_from_the_order_to_the_charge_by_keyboard(
    staff_page: Any, scripts: bool
) -> None:
    page = staff_page("clerk", java_script_enabled=scripts)
    page.goto(ORDERS_URL + "moto/")
    # nobody has clicked: the cursor is where typing begins
    page.wait_for_selector("[name=amount]:focus")
    page.keyboard.type("not an amount")
    page.keyboard.press("Enter")
    page.wait_for_selector(".nexi-wrong")
    page.wait_for_selector("[name=amount]:focus")
    assert page.input_value("[name=amount]") == "not an amount"
    described = page.get_attribute("[name=reference]", "aria-describedby").split()
    words = [page.inner_text(f"#{one}") for one in described]
    assert "Enter the number of the order." in words
    assert "The number of the order in your shop. It is charged once." in words
    page.keyboard.press("Control+A")
    amount = amount_of("en")
    told = (amount, f"K-{uuid4().hex[:6]}", "Cups", "Giulia", "g@shop.example")
    for value in told:
        page.keyboard.type(value)
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # on "continue"
    page.wait_for_url("**/card/")
    page.wait_for_selector("[name=card_number]:focus")
    card = CARDS["challenge"]
    for value in (card.number, card.expiry):
        page.keyboard.type(value)
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # the code is missing
    page.wait_for_selector("#id_security_code_error")
    assert page.get_attribute("[name=security_code]", "aria-invalid") == "true"
    if scripts:  # the card is still there
        page.wait_for_selector("[name=security_code]:focus")
        assert page.input_value("[name=card_number]") == "4349 9401 9900 4549"
        page.keyboard.type(card.cvv)
        page.keyboard.press("Tab")
    else:
        page.wait_for_selector("[name=card_number]:focus")
        for value in (card.number, card.expiry, card.cvv):
            page.keyboard.type(value)
            page.keyboard.press("Tab")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/moto/[A-Za-z0-9]{18}/$"))
    assert "the payment has gone through" in page.content()


def test_where_the_cursor_is(staff_page: Any) -> None:
    page = staff_page("clerk")
    page.goto(ORDERS_URL + "moto/")
    page.wait_for_selector("[name=amount]:focus")
    page.fill("[name=amount]", "12.50")
    page.keyboard.press("Enter")
    page.wait_for_selector("[name=reference][aria-invalid=true]:focus")
    create_phone_order(page)
    page.wait_for_selector("[name=card_number]:focus")
    page.keyboard.press("Enter")
    page.wait_for_selector("[name=card_number][aria-invalid=true]:focus")
    create_phone_order(page, customer_name="")
    page.wait_for_selector("[name=cardholder_name]:focus")


def test_enter_twice_sends_once(staff_page: Any) -> None:
    page = staff_page("clerk")
    order = {"amount": amount_of("en"), "reference": f"K-{uuid4().hex[:6]}"}
    page.goto(ORDERS_URL + "moto/")
    for name, value in order.items():
        page.fill(f"[name={name}]", value)
    sent: list[str] = []
    page.on("request", lambda one: one.method == "POST" and sent.append(one.url))
    page.evaluate(
        "() => { const form = document.querySelector('form.nexi-sheet');"
        " form.requestSubmit(); form.requestSubmit(); }"
    )
    page.wait_for_url("**/card/")
    card = page.url
    assert len(sent) == 1
    page.go_back()
    for name, value in order.items():
        page.fill(f"[name={name}]", value)
    page.press("[name=reference]", "Enter")  # it may be sent again: the same order
    page.wait_for_url(card)


def test_a_strict_policy_stops_nothing_of_ours(staff_page: Any, later: Any) -> None:
    reference = paid_by_phone(staff_page)
    page = staff_page("admin")
    complaints: list[str] = []
    page.on("console", lambda one: one.type == "error" and complaints.append(one.text))

    def strict(route: Any) -> None:
        answer = route.fetch(max_redirects=0)
        # the card page brings its own, which is stricter
        headers = {"content-security-policy": POLICY, **answer.headers}
        route.fulfill(response=answer, headers=headers)

    page.route(f"**{ORDERS_URL}**", strict)
    page.goto(ORDERS_URL)
    assert page.is_visible(".nexi-board svg.nexi-chart rect")
    find(page, reference)
    page.click("form[action$='/refund/'] button")
    page.wait_for_selector("[name=confirmed]", state="attached")
    for path in ("review-queue/", "daily-report/"):
        page.goto(ORDERS_URL + path)
    create_phone_order(page)
    enter_phone_card(page, "pending_then_paid")
    submit_charge(page)
    later()
    page.wait_for_selector(".nexi-panel.nexi-good", timeout=60_000)
    assert complaints == []
