"""Any other shop: what docs/integrations.md has for it, typed into a new project."""

from __future__ import annotations

from typing import Any

from tests.integrations.clerk import sign_in, submit_action
from tests.integrations.host import Host, enter_card
from tests.support.pages import answer_challenge
from tests.support.typed_shop import type_shop

SETTINGS = "tests.integrations.other_shop.settings"
ORDERS = "SELECT total, captured - refunded FROM yourshop_shoporder ORDER BY id"


def prepare(host: Host) -> None:
    project = host.database.parent
    type_shop(project)
    host.environment["PYTHONPATH"] += f":{project}"
    host.manage("makemigrations", "-v", "0", "yourshop")
    host.manage("migrate", "-v", "0")
    host.manage("check")
    host.manage("shell", "-v", "0", "-c", _CLERK)


_CLERK = """
from django.contrib.auth.models import User
User.objects.create_superuser("clerk", password="clerk")
"""


def buy(page: Any) -> None:
    page.goto("/")
    page.click("button")
    page.wait_for_url("**/payments/pay/**")


def shows(page: Any, sums: str) -> None:
    page.wait_for_url("**/orders/**")
    assert page.inner_text("p") == sums


def paid(host: Host, page: Any) -> None:
    buy(page)
    assert host.rows(ORDERS) == [(12.5, 0)]
    enter_card(page)
    answer_challenge(page)
    shows(page, "12.50 of 12.50")
    page.click("button")  # again: nothing is charged, the page says that it is paid
    page.wait_for_url("**/orders/**")
    assert host.rows("SELECT count(*) FROM nexi_payments_paymentorder") == [(1,)]


def a_browser_that_never_returns(host: Host, page: Any) -> None:
    buy(page)
    enter_card(page)
    page.wait_for_url("**/monetaweb/phoenixstos")
    page.route("**/result/**", lambda route: route.abort())
    page.click("button[value=approve]")
    host.wait_for_rows(f"{ORDERS} LIMIT 1 OFFSET 1", [(12.5, 12.5)])
    page.unroute("**/result/**")


def declined_left_and_paid_later(host: Host, page: Any) -> None:
    buy(page)
    enter_card(page, "declined")
    page.wait_for_url("**/result/**")
    page.click("main a >> nth=-1")  # back to the shop
    shows(page, "0.00 of 12.50")
    page.click("button")
    enter_card(page)
    answer_challenge(page)
    shows(page, "12.50 of 12.50")
    assert len(host.rows(ORDERS)) == 3


def captured_in_parts_refunded_and_told_twice(host: Host, page: Any) -> None:
    with host.with_environment(BRIDGE_CAPTURE="manual").serving() as site:
        context = page.context.browser.new_context(base_url=site, locale="en-GB")
        page = context.new_page()
        buy(page)
        enter_card(page)
        answer_challenge(page)
        shows(page, "0.00 of 12.50")
        sign_in(page)
        last = f"{ORDERS} LIMIT 1 OFFSET 3"
        payment = host.rows("SELECT max(id) FROM nexi_payments_paymentorder")[0][0]
        for deed, amount, received in (
            ("capture", "5.00", 5),
            ("capture", "7.50", 12.5),
            ("cancel", "", 7.5),
            ("refund", "0.50", 7),
        ):
            submit_action(page, payment, deed, amount)
            host.wait_for_rows(last, [(12.5, received)])
        context.close()
    before = host.rows(ORDERS)
    host.resend_signals()
    assert host.rows(ORDERS) == before


PURCHASES = (
    paid,
    a_browser_that_never_returns,
    declined_left_and_paid_later,
    captured_in_parts_refunded_and_told_twice,
)
