"""The back office in a browser: money as it is, one action, the list on a phone."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.browser import viewports
from tests.browser.axe import findings
from tests.browser.phone_orders import (
    ORDERS_URL,
    create_phone_order,
    enter_phone_card,
    submit_charge,
    unique_amount,
)
from tests.browser.test_staff_pages import OVERFLOW, judge
from tests.browser.test_staff_tasks import find, paid_by_phone

PHONE = {"viewport": {"width": 390, "height": 800}}
DESKTOP = {"viewport": {"width": 1280, "height": 800}}
#: Whether each cell of the first row is within the frame that scrolls.
CUT_OFF = """() => {
  const right = document.querySelector('.results, #changelist-form')
    .getBoundingClientRect().right;
  return [...document.querySelectorAll('#result_list tbody tr:first-child > *')]
    .filter(cell => cell.getBoundingClientRect().right > right + 1)
    .map(cell => cell.className);
}"""
COLOURS = "all => all.map(e => getComputedStyle(e, '::before').backgroundColor)"


def three_attempts(staff_page: Any) -> str:
    """Two declined cards and a third that is paid, for one reference."""
    page = staff_page("clerk")
    reference, amount = f"A-{uuid4().hex[:6]}", unique_amount()
    for ending in ("declined", "declined", "challenge"):
        create_phone_order(page, reference=reference, amount=amount)
        enter_phone_card(page, ending)
        submit_charge(page)
    page.wait_for_selector(".nexi-panel.nexi-good")
    page.context.close()
    return reference


# -- the payment -----------------------------------------------------------------------


def test_a_refund_by_keyboard_with_its_reason(staff_page: Any, picture: Any) -> None:
    reference = paid_by_phone(staff_page, amount="83.00")
    page = staff_page("admin", **DESKTOP)
    find(page, reference)
    assert page.inner_text(".nexi-panel h2") == "83.00 EUR paid"
    # one primary button; the others are folded, and reached without a mouse
    primary = page.query_selector_all(".nexi-actions .nexi-do:not(.nexi-other)")
    assert [one.inner_text() for one in primary if one.is_visible()] == ["Refund …"]
    inquire = "form[action$='/inquire/'] button"
    assert not page.is_visible(inquire)
    page.focus(".nexi-more summary")
    page.keyboard.press("Enter")
    assert page.is_visible(inquire)
    page.fill("form[action$='/refund/'] [name=amount]", "30.00")
    page.select_option("form[action$='/refund/'] [name=reason]", label="goods returned")
    page.focus("form[action$='/refund/'] button")
    page.keyboard.press("Enter")
    page.wait_for_selector("[name=confirmed]", state="attached")
    words = page.inner_text(".nexi-panel")
    assert "Reason: goods returned" in words
    assert "Afterwards 53.00 EUR of 83.00 EUR is left to refund." in words
    picture(page, "back-office-confirm")
    page.click("form[action$='/refund/'] button")
    page.wait_for_selector(".messagelist .success")
    head = page.inner_text(".nexi-panel h2")
    assert head == "53.00 EUR kept of 83.00 EUR partially refunded"
    assert "Refunded 30.00 EUR · goods returned" in page.inner_text(".nexi-times")


def test_raw_facts_are_copied_and_notes_stay(staff_page: Any, picture: Any) -> None:
    reference = paid_by_phone(staff_page)
    page = staff_page("admin", **PHONE)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    find(page, reference)
    details = page.query_selector(".nexi-time details")
    assert not page.is_visible("[data-copy-value]")
    details.query_selector("summary").click()
    button = page.query_selector('[aria-label="Copy: Nexi\'s operation id"]')
    button.click()
    page.wait_for_function("document.body.innerText.includes('Copied')")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == button.get_attribute("data-copy-value")
    assert len(copied) > 8
    page.fill("[name=note]", "Rang the customer")
    page.press("[name=note]", "Enter")
    page.wait_for_selector(".messagelist .success")
    assert "Rang the customer" in page.inner_text(".nexi-times")
    assert page.evaluate(OVERFLOW) <= 0
    picture(page, "back-office-payment-390")
    assert page.complaints == []


def test_everything_works_without_scripts(staff_page: Any) -> None:
    reference = paid_by_phone(staff_page)
    page = staff_page("admin", java_script_enabled=False, **PHONE)
    find(page, reference)
    page.click(".nexi-more summary")
    assert page.is_visible("form[action$='/inquire/'] button")
    page.click(".nexi-time summary >> nth=0")
    assert not page.is_visible("[data-copy-value]")  # the value is beside it
    page.fill("[name=note]", "No script")
    page.click("form[action$='/note/'] button")
    assert "No script" in page.inner_text(".nexi-times")


# -- the list --------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_list_fits(staff_page: Any, picture: Any, scheme: str) -> None:
    three_attempts(staff_page)
    for name, size in (("390", PHONE), ("1280", DESKTOP)):
        page = staff_page("admin", color_scheme=scheme, **size, bypass_csp=True)
        page.goto(ORDERS_URL)
        picture(page, f"back-office-list-{name}-{scheme}")
        assert page.evaluate(OVERFLOW) <= 0
        cut = page.evaluate(CUT_OFF)
        assert not any("amount" in one or "state_badge" in one for one in cut)
        if name == "1280":
            assert cut == []
        judge(page, f"list {name} {scheme}")
        assert findings(page, "#result_list") == []
        page.context.close()


def test_the_amount_stays_in_sight(staff_page: Any) -> None:
    three_attempts(staff_page)
    page = staff_page("admin", **PHONE)
    page.goto(ORDERS_URL)
    cell = "#result_list tbody tr:first-child th"
    page.evaluate("document.querySelector('.results').scrollLeft = 400")
    box = page.query_selector(cell).bounding_box()
    assert 0 <= box["x"] < 100
    assert page.is_visible("#result_list .field-when >> nth=0")


def test_attempts_unfold(staff_page: Any, picture: Any) -> None:
    reference = three_attempts(staff_page)
    page = staff_page("admin", **DESKTOP)
    page.goto(ORDERS_URL)
    rows = page.query_selector_all(f"#result_list tbody tr:has-text('{reference}')")
    assert len(rows) == 1
    summary = rows[0].query_selector("summary")
    assert summary.inner_text() == "3 attempts"
    summary.focus()
    page.keyboard.press("Enter")
    folded = rows[0].query_selector_all(".nexi-attempts li")
    assert [one.inner_text().rpartition(" ")[2] for one in folded] == ["declined"] * 2
    picture(page, "back-office-attempts")
    page.click("text=Every attempt")
    page.wait_for_url("**attempts=all**")
    rows = page.query_selector_all(f"#result_list tbody tr:has-text('{reference}')")
    assert len(rows) == 3
    assert "insufficient funds (116)" in rows[1].inner_text()


def test_columns_and_filters_are_kept(staff_page: Any) -> None:
    paid_by_phone(staff_page)
    page = staff_page("admin", **DESKTOP)
    page.goto(ORDERS_URL)
    page.click("summary:text-is('Columns')")
    page.check("[name=column][value=terminal]")
    page.click("text=Show these")
    page.wait_for_selector("#result_list .field-terminal")
    page.goto(ORDERS_URL + "?channel__exact=moto")
    page.fill(".nexi-list-settings [name=name]", "By phone")
    page.press(".nexi-list-settings [name=name]", "Enter")
    page.wait_for_selector(".messagelist .success")
    other = staff_page("admin", **DESKTOP)
    other.goto(ORDERS_URL)
    assert other.is_visible("#result_list .field-terminal >> nth=0")
    other.click(".nexi-saved a:text-is('By phone')")
    other.wait_for_url("**channel__exact=moto")
    other.click("[aria-label='Remove the filter By phone']")
    other.wait_for_selector(".nexi-saved", state="detached")
    other.click("summary:text-is('Columns')")
    other.click("text=The usual ones")
    other.wait_for_selector("#result_list .field-terminal", state="detached")


def test_ticked_rows_are_downloaded(staff_page: Any) -> None:
    paid_by_phone(staff_page)
    page = staff_page("admin", **DESKTOP)
    page.goto(ORDERS_URL)
    page.check("#result_list tbody tr:first-child [name=_selected_action]")
    page.select_option("[name=action]", "export_selected_semicolons")
    with page.expect_download() as download:
        page.click("button[name=index]")
    raw = download.value.path().read_bytes()
    assert raw.startswith(b'\xef\xbb\xbf"created_at";"order_id";')
    assert len(raw.splitlines()) == 2


# -- reports ---------------------------------------------------------------------------


def test_the_report_has_a_table_and_its_zone(staff_page: Any, picture: Any) -> None:
    paid_by_phone(staff_page)
    for scheme in ("light", "dark"):
        page = staff_page(
            "admin", color_scheme=scheme, **PHONE, timezone_id="Asia/Tokyo"
        )
        page.goto(ORDERS_URL + "daily-report/")
        assert "Days begin at midnight in Europe/Rome." in page.inner_text(
            ".nexi-staff"
        )
        page.click("figure summary")
        assert page.is_visible("figure table")
        colours = page.eval_on_selector_all(".nexi-key", COLOURS)
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert len(set(colours)) == 4
        assert ground not in colours
        picture(page, f"back-office-report-{scheme}")
        page.context.close()


@viewports.in_each_language
def test_accessible_in_each_language(staff_page: Any, language: str) -> None:
    reference = paid_by_phone(staff_page)
    page = staff_page("admin", language, **viewports.of_walk(language), bypass_csp=True)
    find(page, reference)
    page.click(".nexi-more summary")
    page.click(".nexi-time summary >> nth=0")
    for scheme, width in viewports.each(page, language):
        judge(page, f"payment {width} {scheme}")
