"""django-payments: buys, refuses, refunds, captures and releases."""

from __future__ import annotations

from typing import Any

from tests.integrations.host import Host, enter_card
from tests.support.pages import answer_challenge, pay_by_paypal

SETTINGS = "tests.integrations.payments_shop.settings"
PAYMENTS = "SELECT status, captured_amount FROM payments_shop_payment WHERE id = "
TOLD = "SELECT status FROM payments_shop_statuschange WHERE payment_id = {} ORDER BY id"


def prepare(host: Host) -> None:
    host.manage("migrate", "-v", "0", "--run-syncdb")
    host.manage("check")


def received_statuses(host: Host, payment: int) -> list[str]:
    return [status for (status,) in host.rows(TOLD.format(payment))]


def run_action(page: Any, payment: int, deed: str, amount: str = "") -> str:
    page.goto(f"/ask/{payment}/{deed}/" + (f"?amount={amount}" if amount else ""))
    return str(page.inner_text("body"))


def paid_and_refunded(host: Host, page: Any) -> None:
    page.goto("/buy/nexi/")
    enter_card(page)
    answer_challenge(page)
    page.wait_for_url("**/thanks/1/**")
    assert page.inner_text("body") == "confirmed"
    assert received_statuses(host, 1) == ["input", "confirmed"]
    assert host.rows(PAYMENTS + "1") == [("confirmed", 12.5)]
    # staff and logs see it: the id that opens no page
    shown = host.rows("SELECT transaction_id FROM payments_shop_payment WHERE id = 1")
    assert shown == host.rows("SELECT order_id FROM nexi_payments_paymentorder")
    page.goto("/pay/1/")  # again: nothing is charged
    page.wait_for_url("**/thanks/1/**")
    assert run_action(page, 1, "refund", "2.50") == "confirmed 10.00"
    assert run_action(page, 1, "refund", "10.01") == (
        "ValueError: Refund amount can not be greater then captured amount"
    )
    assert run_action(page, 1, "refund") == "refunded 0.00"
    assert received_statuses(host, 1) == ["input", "confirmed", "refunded"]


def refused_then_paid_with_another_card(host: Host, page: Any) -> None:
    page.goto("/buy/nexi/")
    enter_card(page, "declined")  # the bank asks nothing for this one
    page.wait_for_url("**/result/**")
    assert host.rows(PAYMENTS + "2") == [("rejected", 0)]
    page.goto("/payments/process/" + _token(host, 2) + "/")
    page.wait_for_url("**/sorry/2/")
    page.goto("/pay/2/")
    enter_card(page)
    answer_challenge(page)
    page.wait_for_url("**/thanks/2/**")
    assert received_statuses(host, 2) == ["input", "rejected", "confirmed"]


def a_browser_that_only_says_so_changes_nothing(host: Host, page: Any) -> None:
    page.goto("/buy/nexi/")
    page.wait_for_url("**/nexi/pay/**")
    page.goto("/payments/process/" + _token(host, 3) + "/")
    page.wait_for_url("**/nexi/pay/**")  # back to the card, nothing else
    assert host.rows(PAYMENTS + "3") == [("input", 0)]
    assert run_action(page, 3, "refund").startswith("ValueError")
    assert run_action(page, 3, "cancel") == "cancelled 0.00"
    # by our receiver, and by django-payments itself
    assert received_statuses(host, 3) == ["input", "cancelled", "cancelled"]
    page.goto("/payments/process/" + _token(host, 3) + "/")
    page.wait_for_url("**/sorry/3/")
    assert host.rows("SELECT reason FROM nexi_payments_paymentorder WHERE id = 4") == [
        ("cancelled",)
    ]


def a_browser_that_never_returns(host: Host, page: Any) -> None:
    page.goto("/buy/nexi/")
    enter_card(page)
    page.wait_for_url("**/monetaweb/phoenixstos")
    page.route("**/result/**", lambda route: route.abort())
    page.click("button[value=approve]")
    host.wait_for_rows(PAYMENTS + "4", [("confirmed", 12.5)])


def authorized_captured_released(host: Host, page: Any) -> None:
    for number in (5, 6):
        page.unroute("**/result/**")
        page.goto("/buy/held/")
        enter_card(page)
        answer_challenge(page)
        page.wait_for_url(f"**/thanks/{number}/**")
        assert host.rows(PAYMENTS + str(number)) == [("preauth", 0)]
    assert run_action(page, 5, "capture", "7.50") == "confirmed 7.50"
    assert run_action(page, 5, "refund", "1.00") == "confirmed 6.50"
    assert run_action(page, 6, "release") == "refunded 0.00"
    assert received_statuses(host, 5) == ["input", "preauth", "confirmed"]


def _token(host: Host, payment: int) -> str:
    return str(
        host.rows(f"SELECT token FROM payments_shop_payment WHERE id = {payment}")[0][0]
    )


def a_repeated_signal_changes_nothing(host: Host, page: Any) -> None:
    before = host.rows("SELECT id, status, captured_amount FROM payments_shop_payment")
    noted = host.rows("SELECT count(*) FROM payments_shop_statuschange")
    host.resend_signals()
    after = host.rows("SELECT id, status, captured_amount FROM payments_shop_payment")
    assert after == before
    assert host.rows("SELECT count(*) FROM payments_shop_statuschange") == noted


def paid_by_another_method(host: Host, page: Any) -> None:
    page.goto("/buy/nexi/")
    page.wait_for_url("**/nexi/pay/**")
    pay_by_paypal(page)
    page.wait_for_url("**/thanks/7/**")
    assert host.rows(PAYMENTS + "7") == [("confirmed", 12.5)]
    assert run_action(page, 7, "refund") == "refunded 0.00"
    assert received_statuses(host, 7) == ["input", "confirmed", "refunded"]


PURCHASES = (
    paid_and_refunded,
    refused_then_paid_with_another_card,
    a_browser_that_only_says_so_changes_nothing,
    a_browser_that_never_returns,
    authorized_captured_released,
    paid_by_another_method,
    a_repeated_signal_changes_nothing,
)
