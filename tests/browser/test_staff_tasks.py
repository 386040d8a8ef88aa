"""Those who look after payments, in a real browser, in both languages."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.phone_orders import (
    CARDS,
    LANGUAGES,
    ORDERS_URL,
    create_phone_order,
    enter_phone_card,
    submit_charge,
)

#: The contrast of every text of ours with the page's ground (WCAG 2: 4.5 is enough).
CONTRAST = """() => {
  const light = colour => {
    const [r, g, b] = colour.match(/[0-9.]+/g).slice(0, 3).map(Number).map(
      v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = light(getComputedStyle(document.body).backgroundColor);
  const ours = '.nexi-staff th, .nexi-staff td, .nexi-do.nexi-other';
  return [...document.querySelectorAll(ours)].map(e => {
    const ink = light(getComputedStyle(e).color);
    return (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05);
  });
}"""


def paid_by_phone(staff_page: Any, language: str = "en", **fields: str) -> str:
    """A paid phone order; its reference."""
    page = staff_page("clerk", language)
    reference = create_phone_order(page, **fields)
    enter_phone_card(page)
    submit_charge(page)
    page.wait_for_selector(".nexi-panel.nexi-good")
    page.context.close()
    return reference


def find(page: Any, text: str) -> None:
    page.goto(ORDERS_URL)
    page.fill("#searchbar", text)
    page.press("#searchbar", "Enter")
    page.wait_for_url("**q=**")
    page.click("#result_list th a >> nth=0")
    page.wait_for_url("**/change/**")


@LANGUAGES
def test_one_who_only_refunds(staff_page: Any, picture: Any, language: str) -> None:
    amount = "80.00" if language == "en" else "81.00"
    reference = paid_by_phone(staff_page, amount=amount)
    page = staff_page("refunds", language)
    find(page, reference)
    picture(page, f"payment-{language}")
    for deed in ("capture", "void", "ask", "resolve"):
        assert page.query_selector(f"form[action$='/{deed}/']") is None
    page.fill(
        "form[action$='/refund/'] [name=amount]",
        "30.00" if language == "en" else "30,00",
    )
    page.click("form[action$='/refund/'] button")
    page.wait_for_selector("[name=confirmed]", state="attached")
    picture(page, f"confirm-{language}")
    page.click("form[action$='/refund/'] button")
    page.wait_for_selector(".messagelist .success")
    picture(page, f"payment-refunded-{language}")
    left = page.inner_text(".nexi-strong td")
    assert left == ("50.00 EUR" if language == "en" else "51,00 EUR")
    assert page.goto(ORDERS_URL + "moto/").status == 403
    assert page.complaints == []


def test_plain_staff_see_nothing(staff_page: Any, picture: Any) -> None:
    page = staff_page("staff")
    picture(page, "index-staff")
    assert "nexi_payments" not in page.content()
    for path in ("", "moto/", "review-queue/", "daily-report/", "export/", "1/change/"):
        assert page.goto(ORDERS_URL + path).status == 403, path


@LANGUAGES
def test_the_back_office(staff_page: Any, picture: Any, language: str) -> None:
    paid_by_phone(staff_page)
    page = staff_page("admin", language)
    picture(page, f"index-admin-{language}")
    page.goto(ORDERS_URL)
    picture(page, f"list-{language}")
    page.click("#changelist-filter a[href*='state__exact=paid']")
    page.wait_for_url("**state__exact=paid**")
    clerk = staff_page("clerk", language)
    create_phone_order(clerk)
    enter_phone_card(clerk, "garbage")
    submit_charge(clerk)
    # older than any request can be: on the list
    page.goto(ORDERS_URL + "?in_doubt=yes")
    page.click("#result_list th a >> nth=0")
    picture(page, f"payment-doubt-{language}")
    page.goto(ORDERS_URL + "review-queue/")
    picture(page, f"to-check-{language}")
    page.goto(ORDERS_URL + "daily-report/")
    assert page.query_selector("svg.nexi-chart rect") is not None
    picture(page, f"till-{language}")
    assert page.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark(staff_page: Any, picture: Any, scheme: str) -> None:
    reference = paid_by_phone(staff_page)
    page = staff_page("admin", "en", color_scheme=scheme)
    page.goto(ORDERS_URL + "moto/")
    picture(page, f"desk-order-{scheme}")
    find(page, reference)
    picture(page, f"payment-{scheme}")
    page.goto(ORDERS_URL + "daily-report/")
    picture(page, f"till-{scheme}")
    contrast = page.evaluate(CONTRAST)
    assert min(contrast) >= 4.5, contrast


def test_a_card_number_in_the_search_stays_in_the_browser(staff_page: Any) -> None:
    page = staff_page("admin")
    page.goto(ORDERS_URL)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url))
    page.fill("#searchbar", CARDS["challenge"].number)
    page.press("#searchbar", "Enter")
    # it is emptied in the moment in which it would be sent
    page.wait_for_function("!document.querySelector('#searchbar').value")
    assert sent == []
