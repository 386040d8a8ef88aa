"""Closing a day, and the communication log: axe finds nothing in what is ours, light
and dark, at any width.
"""

from __future__ import annotations

from typing import Any

from tests.browser import viewports
from tests.browser.phone_orders import ORDERS_URL
from tests.browser.test_staff_pages import judge
from tests.browser.test_staff_tasks import find, paid_by_phone

CLOSED_DAYS = "/admin/nexi_payments/dayclosing/"


@viewports.in_each_language
def test_closing_a_day(staff_page: Any, picture: Any, language: str) -> None:
    reference = paid_by_phone(staff_page)
    page = staff_page("admin", language, **viewports.of_walk(language), bypass_csp=True)

    def look(name: str) -> None:
        for scheme, width in viewports.each(page, language):
            picture(page, f"staff-{name}-{width}-{scheme}-{language}")
            judge(page, f"{name} {width} {scheme}")

    page.goto(CLOSED_DAYS + "close/")
    look("close-day")
    page.check("[name=again]")  # another language has closed it before
    page.click("form[data-once] button.nexi-do")
    page.wait_for_url(f"**{CLOSED_DAYS}*/change/")
    assert page.is_visible("[data-print]")
    look("closed-day")
    page.emulate_media(media="print")  # the day alone, without the admin around it
    assert page.is_visible(".nexi-panel")
    for part in ("#header", "#nav-sidebar", ".nexi-crumbs", "[data-print]"):
        assert not page.is_visible(part), part
    page.emulate_media(media="screen")
    page.goto(CLOSED_DAYS)
    assert page.locator("#result_list tbody tr").count() >= 1
    page.goto(ORDERS_URL)
    find(page, reference)
    page.click("#communication summary >> nth=0")
    page.click("#communication details details summary >> nth=0")
    assert "orderId" in page.inner_text("#communication pre >> nth=0")
    look("communication")
