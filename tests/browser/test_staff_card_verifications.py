"""A zero-amount card verification, as staff see it: axe finds nothing in what is
ours, light and dark, at any width; it needs no mouse, and no script."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser import viewports
from tests.browser.phone_orders import CARDS, ORDERS_URL
from tests.browser.test_staff_contracts import CONTRACTS_URL
from tests.browser.test_staff_pages import judge

LIST = "/admin/nexi_payments/cardverification/"
PAGE = LIST + "verify/"
SUBMIT = "form[data-card] button[type=submit]"
TABLE = "nexi_payments_cardverification"
RESULT = re.compile(r"/verify/\w{18}/$")


@pytest.fixture
def checks(demo: str, folder: Any) -> Iterator[Any]:
    """``checks(sql, *values)`` in the demo's database, for what no click leads to. What
    counts against a limit goes again."""

    def change(sql: str, *values: Any) -> None:
        path = folder / "demo.sqlite3"
        with contextlib.closing(sqlite3.connect(path, timeout=20)) as database:
            database.execute(sql, values)
            database.commit()

    yield change
    change(f"DELETE FROM {TABLE} WHERE outcome = 'declined'")


def key(page: Any, ending: str = "challenge", name: str = "Giulia Bianchi") -> None:
    card = CARDS[ending]
    page.fill("[name=cardholder_name]", name)
    page.fill("[name=card_number]", card.number)
    page.fill("[name=expiry]", card.expiry)
    page.fill("[name=security_code]", card.cvv)
    page.click(SUBMIT)


@viewports.in_each_language
def test_every_page_of_a_check(
    staff_page: Any, picture: Any, checks: Any, language: str
) -> None:
    page = staff_page(
        "manager", language, **viewports.of_walk(language), bypass_csp=True
    )

    def shown(name: str) -> Iterator[str]:
        for scheme, width in viewports.each(page, language):
            picture(page, f"check-{name}-{width}-{scheme}-{language}")
            yield f"{name} {width} {scheme}"

    def look(name: str) -> None:
        for which in shown(name):
            judge(page, which)

    for place, name in (
        (ORDERS_URL, "payments"),
        (CONTRACTS_URL, "on-file"),
        (LIST, "list"),
    ):
        page.goto(place)
        assert list(shown(f"from-{name}"))
        page.click(f".nexi-tools a[href='{PAGE}']")
        page.wait_for_url(f"**{PAGE}")
    look("card")
    page.click(SUBMIT)
    page.wait_for_selector("#id_card_number_error")
    look("wrong")
    for ending in ("challenge", "declined", "lost_card", "gateway_down", "answer_lost"):
        page.goto(PAGE)
        key(page, ending)
        page.wait_for_url(RESULT)
        look(ending)
    page.goto(LIST)
    assert list(shown("list"))
    page.go_back()
    for name, status in (("key", 401), ("busy", 429)):
        checks(f"UPDATE {TABLE} SET outcome = 'not_sent', http_status = ?", status)
        page.reload()
        look(name)
    checks(f"UPDATE {TABLE} SET outcome = 'open', error = ''")
    page.reload()
    look("asking")
    checks(f"UPDATE {TABLE} SET outcome = 'declined'")
    copied = (
        "terminal, outcome, card_brand, card_last4, card_expiry, response_code,"
        " correlation_id, error, address, network, created_at, actor_id, actor_name"
    )
    for place in range(60):  # the limit of a clerk: the demo has none by address
        checks(
            f"INSERT INTO {TABLE} (order_id, {copied})"
            f" SELECT ?, {copied} FROM {TABLE} ORDER BY id DESC LIMIT 1",
            f"{language}{place}",
        )
    page.goto(PAGE)
    key(page)
    page.wait_for_selector(".nexi-bad[role=alert]")
    look("too-many")


@pytest.mark.parametrize("scripts", [True, False])
def test_a_card_is_verified_by_keyboard(
    staff_page: Any, checks: Any, scripts: bool
) -> None:
    page = staff_page("clerk", java_script_enabled=scripts)
    page.click(f"a[href='{LIST}']")
    page.focus(f".nexi-tools a[href='{PAGE}']")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{PAGE}")
    # nobody has clicked: the cursor is where typing begins
    page.wait_for_selector("[name=cardholder_name]:focus")
    page.keyboard.type("Giulia Bianchi")
    page.keyboard.press("Enter")  # the card is missing
    page.wait_for_selector("#id_card_number_error")
    page.wait_for_selector("[name=card_number]:focus")
    assert page.get_attribute("[name=card_number]", "aria-invalid") == "true"
    assert page.get_attribute("[name=card_number]", "aria-describedby") == (
        "id_card_number_error"
    )
    card = CARDS["challenge"]
    for value in (card.number, card.expiry, card.cvv):
        page.keyboard.type(value)
        page.keyboard.press("Tab")
    page.wait_for_selector("[name=currency]:focus")
    page.keyboard.type("EUR")
    page.keyboard.press("Tab")
    page.wait_for_selector("[name=terminal]:focus")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")  # past "show"
    page.keyboard.press("Enter")
    page.wait_for_url(RESULT)
    assert page.inner_text(".nexi-panel h2") == "The card is good"
    assert "Nothing was charged." in page.inner_text(".nexi-panel")
    assert page.complaints == []


def test_back_shows_no_card_and_asks_no_more(staff_page: Any, checks: Any) -> None:
    page = staff_page("clerk")
    page.goto(PAGE)
    masked = "e => getComputedStyle(e).webkitTextSecurity"
    assert page.eval_on_selector("[name=card_number]", masked) == "disc"
    key(page)
    page.wait_for_url(RESULT)
    first = page.url
    page.reload()
    assert page.url == first
    page.go_back()
    page.wait_for_url(f"**{PAGE}")
    for name in ("card_number", "expiry", "security_code"):
        assert page.input_value(f"[name={name}]") == ""
    assert not page.is_disabled(SUBMIT)
    assert page.complaints == []


def test_enter_twice_asks_once(staff_page: Any, checks: Any) -> None:
    page = staff_page("clerk")
    page.goto(PAGE)
    sent: list[str] = []
    page.on("request", lambda one: one.method == "POST" and sent.append(one.url))
    card = CARDS["challenge"]
    page.fill("[name=cardholder_name]", "Giulia Bianchi")
    page.fill("[name=card_number]", card.number)
    page.fill("[name=expiry]", card.expiry)
    page.fill("[name=security_code]", card.cvv)
    page.evaluate(
        "() => { const form = document.querySelector('form[data-card]');"
        " form.requestSubmit(); form.requestSubmit(); }"
    )
    page.wait_for_url(RESULT)
    assert len(sent) == 1


def test_card_details_do_not_stay_on_the_screen(staff_page: Any) -> None:
    page = staff_page("clerk")
    page.clock.install()
    page.goto(PAGE)
    page.fill("[name=card_number]", CARDS["challenge"].number)
    page.fill("[name=security_code]", "396")
    page.clock.fast_forward(181_000)
    assert page.input_value("[name=card_number]") == ""
    assert page.input_value("[name=security_code]") == ""
    assert page.is_visible("[data-idle]")
