"""The pictures of docs/staff.md and docs/staff.it.md."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tests.browser.contracts import CONTRACTS_URL, join
from tests.browser.phone_orders import (
    ORDERS_URL,
    create_phone_order,
    enter_phone_card,
    submit_charge,
)
from tests.browser.shopper import enter_card, to_the_card_page
from tests.browser.test_staff_card_verifications import PAGE, key
from tests.browser.test_staff_tasks import find

if TYPE_CHECKING:
    from tests.browser.pictures import Studio

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
    """Other amounts in Italian: the same card and amount again would be a duplicate."""
    if language == "it":
        return str(Decimal(amount) + Decimal("0.30")).replace(".", ",")
    return amount


def by_phone(
    page: Any, language: str, number: str, amount: str, name: str, ending: str
) -> None:
    create_phone_order(
        page,
        reference=number,
        amount=written(amount, language),
        customer_name=name,
        customer_email=f"{name.split()[0].lower()}@example.com",
    )
    enter_phone_card(page, ending)
    submit_charge(page)


def take(studio: Studio, page: Any, name: str, height: int, width: int = 960) -> None:
    page.set_viewport_size({"width": width, "height": height})
    page.evaluate(ALONE)
    page.evaluate("scrollTo(0, 0)")
    studio.keep(page, name)


def trade(studio: Studio) -> None:
    """A shop with a morning behind it: paid, held, refunded, by phone, on file."""
    page = studio.visitor(1280, 720)
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


def draw(studio: Studio, language: str) -> None:
    it = ".it" if language == "it" else ""
    century = "11" if it else "10"
    page = studio.staff_page("clerk", language, viewport={"width": 960, "height": 700})
    for number, amount, name, ending in CALLS:
        by_phone(page, language, century + number, amount, name, ending)
    change = "SET state = 'review', reason = 'mismatch', unsettled_since = created_at"
    studio.rows(f"{change} WHERE reference = ?", f"{century}37")
    page.goto(ORDERS_URL + "moto/")
    page.fill("[name=amount]", written("46.90", language))
    page.fill("[name=reference]", f"{century}42")
    page.fill("[name=customer_name]", "Giulia Bianchi")
    page.fill("[name=customer_email]", "giulia@example.com")
    take(studio, page, f"desk-order{it}", 620)
    page.click("button.nexi-do:not([name])")
    page.wait_for_url("**/card/")
    page.set_viewport_size({"width": 600, "height": 900})
    studio.keep(page, f"desk-card{it}")
    enter_phone_card(page, "declined")
    tick = page.query_selector("[name=allow_duplicate]")
    if tick and tick.is_visible():
        tick.check()
    submit_charge(page)
    page.wait_for_selector(".nexi-panel")
    take(studio, page, f"desk-declined{it}", 420)
    asked = {"amount": written("62.00", language), "reference": f"{century}43"}
    create_phone_order(page, button="button[name=link]", **asked)
    page.wait_for_selector("#nexi-link")
    take(studio, page, f"desk-link{it}", 640)

    page = studio.staff_page(
        "manager", language, viewport={"width": 960, "height": 700}
    )
    find(page, f"{century}39")
    page.fill("form[action$='/refund/'] [name=amount]", written("29.00", language))
    page.click("form[action$='/refund/'] button")
    page.click("form[action$='/refund/'] button")
    page.wait_for_selector(".messagelist .success")
    find(page, f"{century}39")
    take(studio, page, f"payment{it}", 800)
    page.goto(ORDERS_URL)
    take(studio, page, f"list{it}", 780, width=1120)
    page.goto(ORDERS_URL + "daily-report/")
    take(studio, page, f"till{it}", 760)
    page.goto(ORDERS_URL + "review-queue/")
    take(studio, page, f"to-check{it}", 300)
    page.goto(CONTRACTS_URL)
    page.click("#result_list th a >> nth=0")
    page.wait_for_url("**/change/**")
    take(studio, page, f"card-on-file{it}", 690)
    page.goto(PAGE)
    key(page, "declined", "Marco Rossi")
    page.wait_for_selector(".nexi-panel")
    take(studio, page, f"card-check{it}", 560)
