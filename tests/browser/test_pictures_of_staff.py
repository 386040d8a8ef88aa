"""The pictures of docs/staff.md and docs/staff.it.md, with the present look: `make
pictures`. Left out without PICTURES, as in test_pictures.py."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.browser.club import FILE, join
from tests.browser.phone import BASE, charge, key_card, open_order
from tests.browser.test_back_office import find
from tests.browser.test_pictures import keep
from tests.browser.test_shopping import enter_card, to_the_card_page
from tests.browser.test_staff_checks import PAGE, key

#: The page as staff see it, without the theme's own frame and menu.
ALONE = """document.querySelectorAll(
  '#header, #nav-sidebar, #toggle-nav-sidebar, .breadcrumbs, .nexi-crumbs, footer,'
  + ' #changelist-filter').forEach(e => e.remove())"""
#: what is sold by telephone, in a shop's own numbers
CALLS = (
    ("37", "27.40", "Elena Gallo", "challenge"),
    ("38", "46.90", "Giulia Bianchi", "challenge"),
    ("39", "129.00", "Marco Rossi", "frictionless"),
    ("40", "18.50", "Anna Verdi", "declined"),
    ("41", "62.00", "Paolo Neri", "challenge"),
)


def written(amount: str, language: str) -> str:
    return amount.replace(".", ",") if language == "it" else amount


def by_phone(
    page: Any, language: str, number: str, amount: str, name: str, ending: str
) -> None:
    open_order(
        page,
        reference=number,
        amount=written(amount, language),
        customer_name=name,
        customer_email=f"{name.split()[0].lower()}@example.com",
    )
    key_card(page, ending)
    if page.query_selector("[name=knowingly]"):
        page.check("[name=knowingly]")
    charge(page)


def take(page: Any, name: str, height: int, width: int = 960) -> None:
    page.set_viewport_size({"width": width, "height": height})
    page.evaluate(ALONE)
    page.evaluate("scrollTo(0, 0)")
    keep(page, name)


@pytest.fixture(scope="module")
def trading(chromium: Any, demo: str) -> None:
    """A shop with a morning behind it: paid, held, refunded, by phone, on file."""
    context = chromium.new_context(base_url=demo, locale="en-GB")
    context.set_default_timeout(15_000)
    page = context.new_page()
    for terminal, ending in (
        ("default", "frictionless"),
        ("two_steps", "frictionless"),
        ("manual", "frictionless"),
        ("default", "declined"),
    ):
        to_the_card_page(page, terminal)
        enter_card(page, ending)
        page.wait_for_url(re.compile(r"/(orders|result)/"))
    join(page)
    context.close()


@pytest.mark.parametrize("language", ["en", "it"])
def test_of_what_staff_see(desk: Any, rows: Any, trading: None, language: str) -> None:
    it = ".it" if language == "it" else ""
    century = "11" if it else "10"
    page = desk("clerk", language, viewport={"width": 960, "height": 700})
    for number, amount, name, ending in CALLS:
        by_phone(page, language, century + number, amount, name, ending)
    change = "SET state = 'review', reason = 'mismatch', unsettled_since = created_at"
    rows(f"{change} WHERE reference = ?", f"{century}37")
    page.goto(BASE + "moto/")
    page.fill("[name=amount]", written("46.90", language))
    page.fill("[name=reference]", f"{century}42")
    page.fill("[name=customer_name]", "Giulia Bianchi")
    page.fill("[name=customer_email]", "giulia@example.com")
    take(page, f"desk-order{it}", 620)
    page.click("button.nexi-do:not([name])")
    page.wait_for_url("**/card/")
    page.set_viewport_size({"width": 600, "height": 900})
    keep(page, f"desk-card{it}")
    if it:
        key_card(page, "declined")
        tick = page.query_selector("[name=knowingly]")
        if tick:
            tick.check()
        charge(page)
        page.wait_for_selector(".nexi-panel")
        take(page, f"desk-declined{it}", 420)
    asked = {"amount": written("62.00", language), "reference": f"{century}43"}
    open_order(page, button="button[name=link]", **asked)
    page.wait_for_selector("#nexi-link")
    take(page, f"desk-link{it}", 640)

    page = desk("manager", language, viewport={"width": 960, "height": 700})
    find(page, f"{century}39")
    page.fill("form[action$='/refund/'] [name=amount]", written("29.00", language))
    page.click("form[action$='/refund/'] button")
    page.click("form[action$='/refund/'] button")
    page.wait_for_selector(".messagelist .success")
    find(page, f"{century}39")
    take(page, f"payment{it}", 800)
    page.goto(BASE)
    take(page, f"list{it}", 780, width=1120)
    page.goto(BASE + "till/")
    take(page, f"till{it}", 760)
    page.goto(BASE + "to-check/")
    take(page, f"to-check{it}", 300)
    page.goto(FILE)
    page.click("#result_list th a >> nth=0")
    page.wait_for_url("**/change/**")
    take(page, f"card-on-file{it}", 690)
    page.goto(PAGE)
    key(page, "declined", "Marco Rossi")
    page.wait_for_selector(".nexi-panel")
    take(page, f"card-check{it}", 560)
