"""Each page of the shopper in each state, at three widths, light in English and dark in
Italian: nothing is cut off, and what was charged is said."""

from __future__ import annotations

import re
from typing import Any

from tests.browser import viewports
from tests.browser.shopper import enter_card, submit_unchecked, to_the_card_page

#: Buttons and fields lower than 24 px (WCAG 2.2, 2.5.8).
SMALL = """() => [...document.querySelectorAll(
    'a.nexi-button, main button, main input'
  )]
  .filter(e => e.offsetParent && e.getBoundingClientRect().height < 24)
  .map(e => e.outerHTML.slice(0, 80))"""
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
#: The demo puts its panel and its test cards on our pages; a shop has none.
WITHOUT_DEMO = """document
  .querySelectorAll('.simulator-panel, section.cards, .fault-banner')
  .forEach(e => e.remove())"""
POLICY = re.compile(r"Content.Security.Policy|Trusted|integrity|refused to", re.I)
#: What the page must say about money, and the way on from it.
SAID = {
    "en": {
        "declined": ("Nothing has been charged", "Try another card"),
        "pending": ("We do not know yet whether your card was charged", "Look again"),
        "unfinished": ("nothing has been charged", "Enter your card"),
        "expired": ("Nothing has been charged", "Try again or use another card"),
        "redirect": ("Nothing has been charged yet", "Continue to your bank"),
    },
    "it": {
        "declined": ("Nessun addebito", "Prova un'altra carta"),
        "pending": ("Non sappiamo ancora se la carta è stata", "Controllare di nuovo"),
        "unfinished": ("non è stato addebitato nulla", "Inserisci la carta"),
        "expired": ("Nessun addebito", "Riprova o usa un'altra carta"),
        "redirect": ("Non è stato ancora addebitato nulla", "Continua verso la banca"),
    },
}


LOOKS = {
    language: tuple((scheme, width) for width in viewports.WIDTHS)
    for language, scheme in (("it", "dark"), ("en", "light"))
}


@viewports.in_each_language
def test_each_page_in_each_state(
    chromium: Any, demo: str, picture: Any, language: str
) -> None:
    contexts = []
    complaints: list[str] = []  # of the browser, about the page's own policy

    def somebody(**options: Any) -> Any:
        context = chromium.new_context(
            base_url=demo,
            locale={"en": "en-GB", "it": "it-IT"}[language],
            **viewports.of_walk(language),
            **options,
        )
        context.set_default_timeout(15_000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: complaints.append(said.text))
        return page

    def look(page: Any, state: str) -> None:
        page.wait_for_load_state()
        page.evaluate(WITHOUT_DEMO)
        for words in SAID[language].get(state, ()):
            assert words in page.inner_text("main"), (state, words)
        for scheme, width in viewports.each(page, language, LOOKS[language]):
            assert page.evaluate(OVERFLOW) <= 0, (state, width)
            assert page.evaluate(SMALL) == [], (state, width)
            picture(page, f"{state}-{width}-{scheme}-{language}")

    page = somebody()
    to_the_card_page(page)
    card_page = page.url
    look(page, "card")
    submit_unchecked(page)
    page.wait_for_selector("#errors:focus")
    look(page, "card-wrong")
    enter_card(page, "declined")
    page.wait_for_url("**/result/**")
    look(page, "declined")
    page.goto(card_page)
    look(page, "card-after-decline")
    page.goto("/payments/result/" + "0" * 32 + "/")
    look(page, "neutral")

    page = somebody()
    to_the_card_page(page)
    enter_card(page, "pending_then_paid")
    page.wait_for_url("**/result/**")
    look(page, "pending")

    page = somebody()
    to_the_card_page(page)
    card_page = page.url
    enter_card(page, "challenge")
    page.wait_for_url("**/monetaweb/phoenixstos")
    for scheme, width in viewports.each(page, language, LOOKS[language]):
        picture(page, f"bank-{width}-{scheme}-{language}")
    page.goto(card_page)
    look(page, "card-unfinished")
    page.goto(card_page.replace("/pay/", "/result/"))
    page.click("[data-keep=time] summary")
    page.click("[value=expire]")
    page.wait_for_selector(".nexi-bad .nexi-mark")
    look(page, "expired")

    page = somebody()
    to_the_card_page(page)
    card_page = page.url
    enter_card(page, "challenge")
    page.wait_for_url("**/monetaweb/phoenixstos")
    page.goto(card_page.replace("/pay/", "/result/"))
    look(page, "unfinished")

    page = somebody(java_script_enabled=False)
    to_the_card_page(page)
    enter_card(page, "challenge")
    for words in SAID[language]["redirect"]:
        assert words in page.inner_text("main")
    picture(page, f"redirect-{language}")
    assert [one for one in complaints if POLICY.search(one)] == []
    for context in contexts:
        context.close()
