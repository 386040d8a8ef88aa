"""The page of a payment whose shop named no address to go on to, or that staff have
dealt with since: what happened, was I charged, what now, in English and Italian."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.browser import viewports
from tests.browser.phone_orders import create_phone_order
from tests.browser.shopper import enter_card, to_the_card_page
from tests.browser.test_page_states import OVERFLOW, SMALL, WITHOUT_DEMO
from tests.browser.test_staff_tasks import find

#: state → what the page says, in English and in Italian
SAID = {
    "paid": (
        ("Payment received", "Your card has been charged.", "You may close this page."),
        ("Pagamento ricevuto", "è stata addebitata", "Può chiudere questa pagina."),
    ),
    "authorized": (
        ("Payment authorized", "reserved on your card", "You may close this page."),
        ("Pagamento autorizzato", "riservato", "Può chiudere questa pagina."),
    ),
    "captured": (
        ("Payment received", "€12.50", "Charged: €10.00"),
        ("Pagamento ricevuto", "12,50\xa0€", "Addebitato: 10,00\xa0€"),
    ),
    "partly": (
        ("Partly refunded", "Your card was charged.", "Refunded: €5.00"),
        ("Rimborsato in parte", "è stata addebitata", "Rimborsato: 5,00\xa0€"),
    ),
    "refunded": (
        ("Payment refunded", "The amount has been refunded.", "some days"),
        ("Pagamento rimborsato", "stato rimborsato", "alcuni giorni"),
    ),
    "voided": (
        ("Payment cancelled", "Nothing was charged.", "released"),
        ("Pagamento annullato", "Nessun addebito.", "liberato"),
    ),
    "review": (
        ("Please contact the shop", "may have been charged", "do not pay again"),
        ("Contatti il negozio", "potrebbe essere stata addebitata", "non pagare"),
    ),
    "link-used": (
        ("Payment received", "Your card has been charged.", "You may close this page."),
        ("Pagamento ricevuto", "è stata addebitata", "Può chiudere questa pagina."),
    ),
    "link-over": (
        ("This link is no longer valid", "Nothing has been charged", "a new link"),
        ("link non è più valido", "non è stato addebitato nulla", "un nuovo link"),
    ),
}


def deal(staff: Any, payment: str, deed: str, amount: str = "") -> None:
    """Staff do it, and say yes when asked."""
    find(staff, payment)
    form = f"form[action$='/{deed}/']"
    if not staff.is_visible(f"{form} button"):
        staff.click(f"details:has({form}) > summary")
    if amount:
        staff.fill(f"{form} [name=amount]", amount)
    staff.click(f"{form} button")
    staff.wait_for_selector("[name=confirmed]", state="attached")
    staff.click(f"{form} button")
    staff.wait_for_selector(".messagelist .success")


@pytest.fixture
def endings(
    chromium: Any, demo: str, payment_rows: Any, staff_page: Any
) -> dict[str, str]:
    """State → the address of a payment in it."""
    context = chromium.new_context(base_url=demo, locale="en-GB")
    context.set_default_timeout(15_000)
    page = context.new_page()
    staff = staff_page("admin")

    def shop(terminal: str = "default") -> tuple[str, str]:
        """A paid payment of an order without ``success_url``: result, reference."""
        to_the_card_page(page, terminal)
        public_id = re.findall(r"[0-9a-f]{32}", page.url)[0]
        payment_rows("SET success_url = '' WHERE public_id = ?", public_id)
        enter_card(page, "frictionless")
        page.wait_for_url("**/payments/result/**")
        return page.url, payment_rows.value("reference", public_id)

    made = {}
    made["paid"], _ = shop()
    made["authorized"], _ = shop("manual")
    made["captured"], reference = shop("manual")
    deal(staff, reference, "capture", "10.00")
    made["partly"], reference = shop()
    deal(staff, reference, "refund", "5.00")
    made["refunded"], reference = shop()
    deal(staff, reference, "refund", "12.50")
    made["voided"], reference = shop("manual")
    deal(staff, reference, "void")
    # no card of the simulator leads there: two answers that contradict each other
    made["review"], reference = shop()
    payment_rows(
        "SET state = 'review', reason = 'mismatch', unsettled_since = created_at"
        " WHERE reference = ?",
        reference,
    )
    create_phone_order(staff, button="button[name=link]", amount="12.50")
    made["link-used"] = staff.input_value("#nexi-link")
    made["link-over"] = made["link-used"][:-4] + "AAAA/"
    page.goto(made["link-used"])
    enter_card(page, "frictionless")
    page.wait_for_url("**/payments/result/**")
    context.close()
    return made


#: The same widths in both languages, each colour in each.
LOOKS = {
    "en": (("light", 320), ("dark", 768), ("light", 1280)),
    "it": (("dark", 320), ("light", 768), ("dark", 1280)),
}


def test_each_ending(chromium: Any, endings: dict[str, str], picture: Any) -> None:
    assert list(endings) == list(SAID)
    for language in LOOKS:
        context = chromium.new_context(
            locale={"en": "en-GB", "it": "it-IT"}[language],
            **viewports.of_walk(language),
        )
        page = context.new_page()
        for state, address in endings.items():
            page.goto(address)
            page.evaluate(WITHOUT_DEMO)
            told = page.inner_text("main")
            for words in SAID[state][language == "it"]:
                assert words in told, (state, language, words)
            assert ("Try again" in told, "Riprova" in told) == (False, False), state
            for scheme, width in viewports.each(page, language, LOOKS[language]):
                assert page.evaluate(OVERFLOW) <= 0, (state, width)
                assert page.evaluate(SMALL) == [], (state, width)
                picture(page, f"ending-{state}-{width}-{scheme}-{language}")
        context.close()
