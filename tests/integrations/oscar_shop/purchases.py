"""django-oscar: a guest buys a book; a clerk captures, and refunds."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from tests.integrations.clerk import sign_in, submit_action
from tests.integrations.host import (
    PYTHON,
    ROOT,
    Host,
    enter_card,
    screenshot,
)
from tests.support.pages import answer_challenge, pay_by_paypal

SETTINGS = "tests.integrations.oscar_shop.settings"
ORDERS = "SELECT status, total_incl_tax FROM order_order ORDER BY id"
SOURCES = (
    "SELECT amount_allocated, amount_debited, amount_refunded, label"
    " FROM payment_source ORDER BY id"
)
TRANSACTIONS = "SELECT txn_type, amount, status FROM payment_transaction ORDER BY id"
EVENTS = (
    "SELECT t.name, e.amount FROM order_paymentevent e"
    " JOIN order_paymenteventtype t ON t.id = e.event_type_id ORDER BY e.id"
)
STOCK = "SELECT num_in_stock, num_allocated FROM partner_stockrecord"


def prepare(host: Host) -> None:
    host.manage("migrate", "-v", "0", "--run-syncdb")
    host.manage("check")
    command = [
        str(PYTHON),
        "-W",
        "ignore",
        "-m",
        "tests.integrations.oscar_shop.initial_data",
    ]
    subprocess.run(command, cwd=ROOT, env=host.environment, check=True)


def email_count(host: Host) -> int:
    return len(list(Path(f"{host.database}-mails").glob("*.log")))


def to_the_card_page(page: Any) -> None:
    page.goto("/catalogue/il-nome-della-rosa_1/")
    page.click("form#add_to_basket_form button")
    page.goto("/checkout/")
    page.fill("[name=username]", "guest@shop.example")
    page.check("[name=options][value=anonymous]")
    page.click("form.card button[type=submit]")
    page.wait_for_url("**/checkout/shipping-address/")
    for name, value in {
        **{"first_name": "Giulia", "last_name": "Bianchi", "line1": "Via Verdi 3"},
        **{"line4": "Roma", "state": "RM", "postcode": "00184"},
    }.items():
        page.fill(f"[name={name}]", value)
    page.click("form#new_shipping_address button[type=submit]")
    page.wait_for_url("**/checkout/preview/")  # nothing to enter on the way
    assert "You pay on the next page, once the order is placed." in page.inner_text(
        "body"
    )
    page.click("button#place-order")


def paid(host: Host, page: Any) -> None:
    to_the_card_page(page)
    page.wait_for_url("**/payments/pay/**")
    # the order is there before any money
    assert host.rows(ORDERS) == [("Pending", 12.5)]
    assert host.rows(SOURCES) == []
    assert host.rows(STOCK) == [(10, 1)]
    enter_card(page)
    answer_challenge(page)
    page.wait_for_url("**/checkout/thank-you/**")
    assert "Il nome della rosa" in page.inner_text("body")
    assert host.rows(ORDERS) == [("Being processed", 12.5)]
    assert host.rows(SOURCES) == [(12.5, 12.5, 0, "VISA •••• 4549")]
    assert host.rows(TRANSACTIONS) == [
        ("Authorise", 12.5, "authorized"),
        ("Debit", 12.5, "captured"),
    ]
    assert host.rows(EVENTS) == [("Authorised", 12.5), ("Settled", 12.5)]
    assert email_count(host) == 1
    told = host.rows("SELECT customer_info FROM nexi_payments_customerdetails")
    assert '"country": "ITA"' in told[0][0]


def refunded_by_a_clerk(host: Host, page: Any) -> None:
    sign_in(page)
    for amount in ("2.50", "10.00"):
        submit_action(page, 1, "refund", amount)
    host.wait_for_rows(SOURCES, [(12.5, 12.5, 12.5, "VISA •••• 4549")])
    assert host.rows(TRANSACTIONS)[2:] == [
        ("Refund", 2.5, "refunded"),
        ("Refund", 10, "refunded"),
    ]
    assert host.rows(EVENTS)[2:] == [("Refunded", 2.5), ("Refunded", 10)]
    assert host.rows(ORDERS) == [("Cancelled", 12.5)]
    number = host.rows("SELECT number FROM order_order")[0][0]
    page.goto(f"/dashboard/orders/{number}/")
    page.click("a[href='#payment']")
    shown = page.inner_text("#payment")
    assert all(word in shown for word in ("authorized", "captured", "refunded"))
    page.context.clear_cookies()


def a_browser_that_never_returns(host: Host, page: Any) -> None:
    to_the_card_page(page)
    enter_card(page)
    page.wait_for_url("**/monetaweb/phoenixstos")
    page.route("**/result/**", lambda route: route.abort())
    page.click("button[value=approve]")
    host.wait_for_rows(f"{ORDERS} LIMIT 1 OFFSET 1", [("Being processed", 12.5)])
    host.wait_for_rows(
        f"{SOURCES} LIMIT 1 OFFSET 1", [(12.5, 12.5, 0, "VISA •••• 4549")]
    )
    page.unroute("**/result/**")
    assert host.rows("SELECT count(*) FROM order_order") == [(2,)]
    assert email_count(host) == 2


def declined_then_paid_with_another_card(host: Host, page: Any) -> None:
    page.context.clear_cookies()
    to_the_card_page(page)
    enter_card(page, "declined")
    page.wait_for_url("**/result/**")
    assert host.rows(f"{ORDERS} LIMIT 1 OFFSET 2") == [("Pending", 12.5)]
    page.click("main a >> nth=0")
    enter_card(page)
    answer_challenge(page)
    page.wait_for_url("**/checkout/thank-you/**")
    assert host.rows(f"{ORDERS} LIMIT 1 OFFSET 2") == [("Being processed", 12.5)]
    assert len(host.rows(SOURCES)) == 3
    assert email_count(host) == 3


def left_and_paid_from_the_order(host: Host, page: Any) -> None:
    page.context.clear_cookies()
    to_the_card_page(page)
    page.click("main a >> nth=-1")  # back to the shop
    page.fill("[name=email]", "guest@shop.example")
    page.click("button:has-text('Submit')")
    page.wait_for_url("**/order-status/**")
    assert host.rows(f"{ORDERS} LIMIT 1 OFFSET 3") == [("Pending", 12.5)]
    page.click("button:has-text('Pay now')")
    enter_card(page)
    answer_challenge(page)
    page.wait_for_url("**/checkout/thank-you/**")
    assert host.rows(f"{ORDERS} LIMIT 1 OFFSET 3") == [("Being processed", 12.5)]
    assert len(host.rows(SOURCES)) == 4
    assert email_count(host) == 4


def strangers_pay_nothing(host: Host, page: Any) -> None:
    number = host.rows("SELECT number FROM order_order ORDER BY id")[3][0]
    made = host.rows("SELECT count(*) FROM nexi_payments_paymentorder")
    for cookies in ("kept", "gone"):
        if cookies == "gone":
            page.context.clear_cookies()
        page.goto("/catalogue/")
        token = page.get_attribute("[name=csrfmiddlewaretoken] >> nth=0", "value")
        answer = page.request.post(
            f"/pay/{number}/", headers={"X-CSRFToken": token, "Referer": page.url}
        )
        assert answer.status == 404, cookies  # paid already; not theirs
    assert host.rows("SELECT count(*) FROM nexi_payments_paymentorder") == made


def captured_in_parts_and_rolled_back(host: Host, page: Any) -> None:
    """Two parcels; the second capture is taken back on its day, and the first."""
    with host.with_environment(BRIDGE_CAPTURE="manual").serving() as site:
        context = page.context.browser.new_context(base_url=site, locale="en-GB")
        page = context.new_page()
        to_the_card_page(page)
        enter_card(page)
        answer_challenge(page)
        page.wait_for_url("**/checkout/thank-you/**")
        sign_in(page)
        _in_parts(host, page, host.rows("SELECT max(id) FROM order_order")[0][0])
        number = host.rows("SELECT max(number) FROM order_order")[0][0]
        page.goto(f"/dashboard/orders/{number}/")
        page.click("a[href='#payment']")
        assert "capture cancelled" in page.inner_text("#payment")
        screenshot(page, "oscar_shop-cancelled")
        context.close()


def _in_parts(host: Host, page: Any, order: int) -> None:
    source = f"{SOURCES} LIMIT 1 OFFSET {order - 1}"
    status = f"SELECT status FROM order_order WHERE id = {order}"
    last = "SELECT t.txn_type, t.amount FROM payment_transaction t ORDER BY id DESC"
    payment = host.rows("SELECT max(id) FROM nexi_payments_paymentorder")[0][0]

    def stands(debited: float, *deeds: tuple[str, float], allocated: float = 12.5):
        host.wait_for_rows(source, [(allocated, debited, 0, "VISA •••• 4549")])
        assert host.rows(f"{last} LIMIT {len(deeds)}") == list(deeds)

    stands(0, ("Authorise", 12.5))
    named = host.rows(f"SELECT reference FROM payment_source WHERE order_id = {order}")
    ids = "SELECT order_id FROM nexi_payments_paymentorder WHERE id = "
    assert named == host.rows(f"{ids}{payment}")  # staff see it: it opens no page
    assert host.rows(status) == [("Being processed",)]
    submit_action(page, payment, "capture", "5.00")
    submit_action(page, payment, "capture", "7.50")
    stands(12.5, ("Debit", 7.5), ("Debit", 5))
    number = host.rows(f"SELECT number FROM order_order WHERE id = {order}")[0][0]
    page.goto(f"/dashboard/orders/{number}/")
    form = page.locator("form:has([value=change_order_status])")
    form.locator("select").select_option("Complete", force=True)  # select2 hides it
    form.locator("[type=submit]").click()
    submit_action(page, payment, "cancel", row=1)
    stands(5, ("Cancel", 7.5))
    submit_action(page, payment, "cancel")
    stands(0, ("Cancel", 5))
    # what was allocated is allocated still; the clerk's word for the order stands
    assert host.rows(status) == [("Complete",)]
    submit_action(page, payment, "capture", "2.00")
    stands(2, ("Debit", 2))
    submit_action(page, payment, "refund", "0.50")
    host.wait_for_rows(source, [(12.5, 2, 0.5, "VISA •••• 4549")])
    assert host.rows(status) == [("Complete",)]


def a_repeated_signal_changes_nothing(host: Host, page: Any) -> None:
    before = [host.rows(one) for one in (ORDERS, SOURCES, TRANSACTIONS, EVENTS)]
    host.resend_signals()
    after = [host.rows(one) for one in (ORDERS, SOURCES, TRANSACTIONS, EVENTS)]
    assert after == before
    assert email_count(host) == 5


def paid_by_another_method(host: Host, page: Any) -> None:
    page.context.clear_cookies()
    to_the_card_page(page)
    pay_by_paypal(page)
    page.wait_for_url("**/checkout/thank-you/**")
    newest = " DESC LIMIT 1"
    assert host.rows(ORDERS + newest) == [("Being processed", 12.5)]
    assert host.rows(SOURCES + newest) == [(12.5, 12.5, 0, "PAYPAL")]


PURCHASES = (
    paid,
    refunded_by_a_clerk,
    a_browser_that_never_returns,
    declined_then_paid_with_another_card,
    left_and_paid_from_the_order,
    strangers_pay_nothing,
    captured_in_parts_and_rolled_back,
    a_repeated_signal_changes_nothing,
    paid_by_another_method,
)
