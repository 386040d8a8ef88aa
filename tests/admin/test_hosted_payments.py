"""What staff see of a payment on Nexi's page, and what its method lets them do."""

from __future__ import annotations

import csv
import io
import re
from typing import Any

import pytest

from nexi_payments import flows
from nexi_payments.admin import in_flight, method_texts
from nexi_payments.enums import OperationKind, OrderState
from nexi_payments.models import Operation, PaymentOrder
from nexi_payments.simulator import Simulator
from tests.support.clerk import (
    ORDERS_URL,
    Clerk,
    action_url,
    confirm_action,
    follow_redirect,
    order_url,
)
from tests.support.hosted import HostedShopper, with_hosted_terminals
from tests.support.shopper import new_order

pytestmark = pytest.mark.django_db(transaction=True)

REPORT_URL = ORDERS_URL + "daily-report/"
BY_BANK_TRANSFER = "Refund by bank transfer, outside Nexi."
IN_FULL = {"PAYPAL": {"REFUNDS": "full"}}


@pytest.fixture
def buyer(gateway: Simulator, settings: Any) -> HostedShopper:
    settings.NEXI_PAYMENTS = with_hosted_terminals()
    return HostedShopper(gateway)


def hosted(
    buyer: HostedShopper, method: str = "PAYPAL", ending: str = "pay", **more: Any
) -> PaymentOrder:
    order = new_order(terminal="methods", reference=f"{method}-1")
    return buyer.act(buyer.go(order, method), ending, **more)


def refunds_of(order: PaymentOrder) -> list[tuple[str, int | None]]:
    rows = order.operations.filter(kind=OperationKind.REFUND)
    return list(rows.values_list("outcome", "amount"))


# -- the payment -----------------------------------------------------------------------


def test_an_open_page_is_no_charge_in_doubt(clerk: Clerk, buyer: HostedShopper) -> None:
    order = buyer.go(new_order(terminal="methods"))

    page = clerk.get_text(order_url(order))

    assert "on Nexi&#x27;s page" in page
    assert "page open, nothing paid yet" in page
    assert "Nothing is charged yet. The customer may pay there" in page
    assert "may have been charged" not in page
    assert "Nexi executed it" not in page
    assert order.order_id not in clerk.get_text(ORDERS_URL + "?in_doubt=yes")
    dashboard = clerk.get(ORDERS_URL).context["dashboard"]
    assert (dashboard["asked"].count, dashboard["attention"].count) == (0, 0)
    assert "Nothing to check" in clerk.get_text(ORDERS_URL + "review-queue/")


def test_a_payment_that_waits_for_confirmation(
    clerk: Clerk, buyer: HostedShopper
) -> None:
    order = hosted(buyer, "MYBANK", "pending")
    assert (order.state, order.gateway_pending) == (
        OrderState.AWAITING_HOSTED_PAGE,
        True,
    )

    page = clerk.get_text(order_url(order))

    assert '<span class="nexi-badge nexi-is-waiting_for_confirmation">waiting' in page
    assert "Deliver nothing before it has. Do not ask for another payment." in page
    assert "may have been charged" not in page
    assert "waiting for confirmation" in clerk.get_text(ORDERS_URL)


def test_method_circuit_and_time_line(clerk: Clerk, buyer: HostedShopper) -> None:
    order = hosted(buyer)
    assert order.card_brand == "PAYPAL"

    page = clerk.get(order_url(order))

    facts = dict(page.context["facts"])
    assert str(facts["Payment method"]) == "PayPal"
    assert facts["Circuit at Nexi"] == "PAYPAL"
    assert "Card" not in facts
    assert "3-D Secure" not in facts
    assert [str(one.title) for one in page.context["timeline"]] == [
        "Payment on Nexi's page: paid there",
        "The customer was sent to Nexi's page · PayPal",
        "The customer is back from Nexi's page",
        "The payment is paid",
    ]
    facts = {str(name): value for name, value, _ in page.context["timeline"][0].facts}
    assert facts["result at Nexi"] == Operation.objects.get(order=order).result


def test_one_who_gave_up_has_not_paid_there(clerk: Clerk, buyer: HostedShopper) -> None:
    order = hosted(buyer, ending="cancel")
    assert order.state == OrderState.FAILED
    page = clerk.get_text(order_url(order))
    assert "not paid there" in page
    assert "The customer gave up on Nexi&#x27;s page" in page


def test_a_card_on_our_page_is_a_card(clerk: Clerk, paid: PaymentOrder) -> None:
    facts = dict(clerk.get(order_url(paid)).context["facts"])
    assert str(facts["Payment method"]) == "Card"
    assert "Circuit at Nexi" not in facts
    assert facts["3-D Secure"] == "3steps"
    assert method_texts.paid_with(paid) == f"VISA •••• {paid.card_last4}"


def test_a_code_that_we_do_not_know_is_shown_as_it_is() -> None:
    assert method_texts.method_label("NEWPAY") == "NEWPAY"


def test_only_an_open_page_is_no_charge_in_doubt(buyer: HostedShopper) -> None:
    order = hosted(buyer)
    [row] = Operation.objects.filter(order=order)
    assert not method_texts.is_open_page(row)
    assert in_flight.operations(order) == []


# -- only what the method allows -------------------------------------------------------


def test_a_method_without_refunds(clerk: Clerk, buyer: HostedShopper) -> None:
    order = hosted(buyer, "MYBANK")
    assert order.state == OrderState.PAID

    response = clerk.get(order_url(order))

    actions = response.context["actions"]
    assert (actions.primary, [one.name for one in actions.more]) == (None, ["inquire"])
    page = response.content.decode()
    assert BY_BANK_TRANSFER in page
    assert "Left to refund" not in page

    answer = clerk.post(
        action_url(order, "refund"), amount="12.50", expected_remaining="12.50"
    )
    assert BY_BANK_TRANSFER in follow_redirect(clerk, answer)
    answer = clerk.post(
        action_url(order, "refund"),
        amount="12.50",
        expected_remaining="12.50",
        confirmed="1",
    )
    assert BY_BANK_TRANSFER in follow_redirect(clerk, answer)
    assert refunds_of(order) == []


def test_a_method_that_is_refunded_in_full_only(
    clerk: Clerk, buyer: HostedShopper, settings: Any
) -> None:
    settings.NEXI_PAYMENTS = with_hosted_terminals(METHOD_OVERRIDES=IN_FULL)
    order = hosted(buyer)

    page = clerk.get_text(order_url(order))

    assert "Nexi refunds this payment method in full only." in page
    assert '<input type="hidden" name="amount" value="12.50">' in page
    assert 'name="amount" inputmode' not in page
    answer = clerk.post(
        action_url(order, "refund"), amount="2.00", expected_remaining="12.50"
    )
    assert "in full only. Nothing was sent." in follow_redirect(clerk, answer)
    assert refunds_of(order) == []

    answer = confirm_action(
        clerk, order, "refund", amount="12.50", expected_remaining="12.50"
    )

    assert answer.status_code == 302
    assert [amount for _, amount in refunds_of(order)] == [1250]


def test_nothing_is_offered_after_a_part_went_back_elsewhere(
    clerk: Clerk, buyer: HostedShopper, settings: Any
) -> None:
    order = hosted(buyer)
    flows.refund(order, order.total / 2)
    settings.NEXI_PAYMENTS = with_hosted_terminals(METHOD_OVERRIDES=IN_FULL)
    actions = clerk.get(order_url(order)).context["actions"]
    assert "refund" not in {actions.primary, *(one.name for one in actions.more)}


def test_a_method_with_refunds_in_part(clerk: Clerk, buyer: HostedShopper) -> None:
    order = hosted(buyer)
    page = clerk.get_text(order_url(order))
    assert 'name="amount" inputmode' in page
    confirm_action(clerk, order, "refund", amount="2.00", expected_remaining="12.50")
    assert [amount for _, amount in refunds_of(order)] == [200]


# -- list, report and CSV --------------------------------------------------------------


def test_the_list_filters_by_method(
    clerk: Clerk, buyer: HostedShopper, paid: PaymentOrder
) -> None:
    paypal, bank = hosted(buyer), hosted(buyer, "MYBANK")

    def found(query: str) -> set[str]:
        page = clerk.get(ORDERS_URL + query)
        return {one.order_id for one in page.context["cl"].result_list}

    assert found("?method=PAYPAL") == {paypal.order_id}
    assert found("?method=MYBANK") == {bank.order_id}
    assert found("?method=card") == {paid.order_id}
    page = clerk.get_text(ORDERS_URL)
    assert "?method=PAYPAL" in page
    assert re.search(r'<td class="field-paid_with[^"]*">PayPal</td>', page)


def test_no_filter_without_a_hosted_page(clerk: Clerk, paid: PaymentOrder) -> None:
    assert "?method=" not in clerk.get_text(ORDERS_URL)


def test_report_and_csv_by_method(
    clerk: Clerk, buyer: HostedShopper, paid: PaymentOrder
) -> None:
    hosted(buyer)
    rows = clerk.get(REPORT_URL).context["brands"]
    names = [(*map(str, row["names"]), row["charged"], row["count"]) for row in rows]
    assert names == [
        ("Card", "VISA", "shop", "12.50", 1),
        ("PayPal", "PAYPAL", "shop", "12.50", 1),
    ]
    text = clerk.get(REPORT_URL + "?format=csv").getvalue().decode("utf-8-sig")
    header, *lines = csv.reader(io.StringIO(text))
    names = "day clerk currency method brand channel kind count amount"
    assert " ".join(header) == names
    assert sorted(line[2:] for line in lines) == [
        ["EUR", "", "VISA", "shop", "charged", "1", "12.50"],
        ["EUR", "PAYPAL", "PAYPAL", "shop", "charged", "1", "12.50"],
    ]
    exported = clerk.get(ORDERS_URL + "export/?method=PAYPAL").getvalue()
    (row,) = csv.DictReader(io.StringIO(exported.decode("utf-8-sig")))
    assert row["method"] == "PAYPAL"
