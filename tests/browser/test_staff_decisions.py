"""Discrepancies, what is on its way, and a decision about it, in a browser."""

from __future__ import annotations

from typing import Any

from tests.browser import viewports
from tests.browser.demo_server import PaymentRows
from tests.browser.phone_orders import (
    ORDERS_URL,
    create_phone_order,
    enter_phone_card,
    submit_charge,
)
from tests.browser.test_staff_pages import judge
from tests.browser.test_staff_tasks import find

#: Kind, ours, theirs: as a reading stores them.
DISCREPANCIES = (
    ("late_execution", "refund 300 declined", "REFUND REFUNDED 300 474375090138531778"),
    ("made_at_nexi", "less money", "REFUND EXECUTED 99900 474375090138531779"),
    ("totals", "1250", "1500"),
)


def tab_to(page: Any, selector: str) -> None:
    """Reaches an element by the Tab key alone."""
    for _ in range(200):
        page.keyboard.press("Tab")
        if page.evaluate(f"document.activeElement.matches({selector!r})"):
            return
    raise AssertionError(f"Tab does not reach {selector}")


@viewports.in_each_language
def test_a_refund_without_an_end_is_decided_by_keyboard(
    staff_page: Any, payment_rows: PaymentRows, picture: Any, language: str
) -> None:
    desk = staff_page("clerk")
    reference = create_phone_order(desk)
    enter_phone_card(desk, "refund_pending")
    submit_charge(desk)
    desk.wait_for_selector(".nexi-panel.nexi-good")
    page = staff_page("admin", language, **viewports.of_walk(language), bypass_csp=True)

    def look(name: str) -> None:
        for scheme, width in viewports.each(page, language):
            picture(page, f"decide-{name}-{width}-{scheme}-{language}")
            judge(page, f"{name} {width} {scheme}")

    find(page, reference)
    page.click("form[action$='/refund/'] button")
    page.click("form:has([name=confirmed]) button")
    page.wait_for_selector("#in-flight")
    assert page.query_selector("#in-flight form") is None  # it is too early
    payment_rows.age_operations(reference)
    for one in DISCREPANCIES:
        payment_rows.add_discrepancy(reference, *one)
    page.reload()
    look("payment")
    page.click(".nexi-note summary >> nth=0")
    look("payment-details")
    page.goto(ORDERS_URL + "review-queue/")
    look("queue")
    page.goto(ORDERS_URL)
    find(page, reference)
    tab_to(page, "#in-flight [name=reason]")
    page.keyboard.type("Seen in the back office")
    tab_to(page, "#in-flight [value=declined]")
    page.keyboard.press("Enter")
    page.wait_for_selector("[name=confirmed]", state="attached")
    look("confirm")
    tab_to(page, "form.nexi-deeds button")
    page.keyboard.press("Enter")
    page.wait_for_selector(".messagelist .success, .messagelist .error")
    look("decided")
    assert page.query_selector("#in-flight") is None
    assert page.complaints == []
