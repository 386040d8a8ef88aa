"""Buttons of payment methods on our pages, and what the pages say of such payments."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import translation

from nexi_payments import flows
from nexi_payments.enums import OrderState, Reason
from nexi_payments.models import Operation, PaymentOrder
from nexi_payments.simulator import Simulator
from nexi_payments.testing.card_data_scan import CardDataScan
from nexi_payments.testing.forms import CARDS, card_fields, post_form
from nexi_payments.web import shopper_texts
from tests.support.hosted import HostedShopper, with_hosted_terminals
from tests.support.in_doubt import time_travel
from tests.support.shopper import HOST, new_order

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.seen_on("sqlite", "postgresql"),
]

#: What the simulator lists, and €12.50 may be paid with.
AUTO = ["PAYPAL", "GOOGLEPAY", "APPLEPAY", "BANCOMATPAY", "MYBANK"]
_BUTTON = re.compile(r'<button type="submit" name="method" value="(\w+)"')
_HEADING = re.compile(r"<(h[1-6])[^>]*>(.*?)</\1>", re.S)


@pytest.fixture
def shopper(gateway: Simulator, settings: Any) -> HostedShopper:
    settings.NEXI_PAYMENTS = with_hosted_terminals()
    return HostedShopper(gateway)


def page_of(shopper: HostedShopper, order: PaymentOrder, name: str = "pay") -> Any:
    return shopper.client.get(f"/payments/{name}/{order.public_id}/")


def text_of(page: Any) -> str:
    return str(page.content.decode())


def buttons(page: Any) -> list[str]:
    return _BUTTON.findall(text_of(page))


def headings(page: Any) -> list[tuple[str, str]]:
    return [(tag, text.strip()) for tag, text in _HEADING.findall(text_of(page))]


def fresh(order: PaymentOrder) -> PaymentOrder:
    return PaymentOrder.objects.get(pk=order.pk)


def status_of(shopper: HostedShopper, order: PaymentOrder) -> dict[str, Any]:
    answer: dict[str, Any] = page_of(shopper, order, "status").json()
    return answer


# -- the page --------------------------------------------------------------------------


def test_buttons_beside_the_card_form(shopper: HostedShopper) -> None:
    page = page_of(shopper, new_order(terminal="methods"))
    assert buttons(page) == AUTO
    assert 'name="card_number"' in text_of(page)
    assert headings(page) == [
        ("h1", "Pay"),
        ("h2", "Card"),
        ("h2", "Other ways to pay"),
    ]
    # each form is named by its heading
    assert 'data-card novalidate aria-labelledby="card"' in text_of(page)
    assert 'data-methods aria-labelledby="methods"' in text_of(page)


def test_buttons_instead_of_the_card_form(shopper: HostedShopper) -> None:
    page = page_of(shopper, new_order(terminal="nexi_only"))
    assert buttons(page) == ["CARDS", "PAYPAL", "MYBANK"]
    assert "card_number" not in text_of(page)
    assert "card.js" not in text_of(page)
    assert headings(page) == [("h1", "Pay"), ("h2", "Choose how to pay")]


def test_no_button_where_the_terminal_has_no_method(shopper: HostedShopper) -> None:
    page = page_of(shopper, new_order())
    assert buttons(page) == []
    assert headings(page) == [("h1", "Pay by card")]
    assert "methods.js" not in text_of(page)
    assert "form-action 'self';" in page["Content-Security-Policy"]


def test_nothing_of_another_site_is_loaded(shopper: HostedShopper) -> None:
    page = page_of(shopper, new_order(terminal="methods"))
    assert "<img" not in text_of(page)
    loaded = re.findall(r'(?:src|href)="([^"]*)"', text_of(page))
    assert all(one.startswith("/") for one in loaded), loaded
    assert text_of(page).count('<svg class="nexi-icon"') == len(buttons(page))
    # and the drawing beside the security code
    hidden = text_of(page).count('aria-hidden="true" focusable="false"')
    assert hidden == len(buttons(page)) + 1
    assert "img-src 'self'; font-src 'self'" in page["Content-Security-Policy"]


def test_the_policy_allows_the_way_to_nexi(shopper: HostedShopper) -> None:
    policy = page_of(shopper, new_order(terminal="methods"))["Content-Security-Policy"]
    [form_action] = [one for one in policy.split("; ") if one.startswith("form-action")]
    assert form_action == "form-action 'self' http://localhost:8000"


def test_the_icon_is_a_block(
    shopper: HostedShopper, settings: Any, tmp_path: Path
) -> None:
    own = tmp_path / "nexi_payments"
    own.mkdir()
    (own / "method_buttons.html").write_text(
        '{% extends "nexi_payments/method_buttons.html" %}'
        "{% block icon %}<b>{{ one.code }}!</b>{% endblock %}"
    )
    [engine] = settings.TEMPLATES
    settings.TEMPLATES = [{**engine, "DIRS": [tmp_path]}]
    page = page_of(shopper, new_order(terminal="nexi_only"))
    assert re.findall(r"<b>(\w+)!</b><span>", text_of(page)) == buttons(page)
    assert "<svg" not in text_of(page)


def test_an_order_that_nothing_can_pay(shopper: HostedShopper) -> None:
    terms = flows.ContractTerms()
    order = new_order(terminal="nexi_only", contract=terms)
    page = page_of(shopper, order)
    assert buttons(page) == []
    assert page.context["notice"] == shopper_texts.NO_WAY_TO_PAY


def test_nexi_does_not_list_its_methods(shopper: HostedShopper) -> None:
    """The card form is there, and not each page asks again."""
    order = new_order(terminal="methods")
    shopper.gateway.fail_next("/payment_methods", status=500)
    for _ in range(3):
        page = page_of(shopper, order)
        assert buttons(page) == []
        assert 'name="card_number"' in text_of(page)
    assert [one.path for one in shopper.gateway.calls] == ["/payment_methods"]
    with time_travel(61):
        assert buttons(page_of(shopper, order)) == AUTO


# -- the choice ------------------------------------------------------------------------


def test_a_choice_leads_to_nexi(shopper: HostedShopper) -> None:
    order = new_order(terminal="methods")
    answer = shopper.choose(order)
    assert answer.status_code == 303
    assert answer.url.startswith("http://localhost:8000/")
    assert answer["Referrer-Policy"] == "no-referrer"
    assert fresh(order).method == "PAYPAL"


@pytest.mark.parametrize("method", ["KLARNA", "", "paypal", "CARDS", "x" * 300])
def test_a_method_that_is_not_offered(shopper: HostedShopper, method: str) -> None:
    order = new_order(terminal="methods")
    answer = shopper.choose(order, method)
    assert answer.status_code == 400
    assert answer.context["notice"] == shopper_texts.METHOD_NOT_OFFERED
    assert buttons(answer) == AUTO
    assert (fresh(order).state, fresh(order).method) == (OrderState.INIT, "")
    assert not Operation.objects.exists()
    assert not [one for one in shopper.gateway.calls if one.path.endswith("/hpp")]


def test_the_button_again_opens_another_page_and_supersedes_the_first(
    shopper: HostedShopper,
) -> None:
    first = shopper.go(new_order(terminal="methods", reference="A-1"))
    second = shopper.go(first, "GOOGLEPAY")
    assert (fresh(first).state, fresh(first).reason) == (
        OrderState.FAILED,
        Reason.SUPERSEDED,
    )
    assert (second.state, second.method) == (
        OrderState.AWAITING_HOSTED_PAGE,
        "GOOGLEPAY",
    )


def test_nexi_rejects_the_key(shopper: HostedShopper) -> None:
    order = new_order(terminal="nexi_only")
    shopper.client.get(order.page_url())
    shopper.gateway.fail_next("/orders/hpp", status=401)
    shopper.gateway.fail_next("/payment_methods", status=401)
    answer = shopper.choose(order)
    assert answer.status_code == 303
    order = fresh(order)
    assert (order.state, order.reason) == (OrderState.FAILED, Reason.CONFIG)
    page = page_of(shopper, order, "result")
    assert page.context["message"].title == "Payments are not available right now"
    again = shopper.choose(order)
    assert again.status_code == 503
    assert again.context["notice"] == shopper_texts.METHODS_UNAVAILABLE


def test_no_good_look_no_new_attempt(shopper: HostedShopper) -> None:
    order = shopper.go(new_order(terminal="methods", reference="A-1"))
    shopper.gateway.fail_next(f"/orders/{order.order_id}", status=500)
    answer = shopper.choose(order, "GOOGLEPAY")
    assert answer.status_code == 503
    assert answer.context["notice"] == shopper_texts.WAIT_A_MOMENT
    assert PaymentOrder.objects.count() == 1
    assert fresh(order).state == OrderState.AWAITING_HOSTED_PAGE


# -- cards -----------------------------------------------------------------------------


def test_a_posted_card_is_refused_and_kept_nowhere(shopper: HostedShopper) -> None:
    order = new_order(terminal="nexi_only")
    with CardDataScan(CARDS["challenge"].number) as scan:
        answer = post_form(shopper.client, order.page_url(), card_fields())
    assert answer.status_code == 400
    assert answer.context["notice"] == shopper_texts.CARDS_NOT_TAKEN
    assert answer.context["form"] is None
    assert buttons(answer) == ["CARDS", "PAYPAL", "MYBANK"]
    assert scan.findings() == []
    assert fresh(order).state == OrderState.INIT
    assert not Operation.objects.exists()


def test_a_card_beside_a_method_is_dropped(shopper: HostedShopper) -> None:
    order = new_order(terminal="methods")
    with CardDataScan(CARDS["challenge"].number) as scan:
        fields = {**card_fields(), "method": "PAYPAL"}
        answer = post_form(shopper.client, order.page_url(), fields)
    assert answer.status_code == 303
    assert scan.findings() == []
    assert fresh(order).method == "PAYPAL"
    assert fresh(order).card_last4 == ""


# -- the way back ----------------------------------------------------------------------


def test_paid_by_another_method(shopper: HostedShopper) -> None:
    order = shopper.act(shopper.go(new_order(terminal="methods")))
    page = page_of(shopper, order, "result")
    assert page.context["message"].text == "Thank you. You have paid with PayPal."
    assert "card has been charged" not in text_of(page)


def test_paid_by_card_on_nexis_page(shopper: HostedShopper) -> None:
    order = shopper.go(new_order(terminal="nexi_only"), "CARDS")
    order = shopper.act(order)
    page = page_of(shopper, order, "result")
    assert page.context["message"].text == "Thank you. Your card has been charged."


@pytest.mark.parametrize(
    ("ending", "title"),
    [
        ("decline", "The payment was declined"),
        ("cancel", "You have not paid"),
    ],
)
def test_back_unpaid_all_ways_are_offered_again(
    shopper: HostedShopper, ending: str, title: str
) -> None:
    order = shopper.act(shopper.go(new_order(terminal="methods")), ending)
    page = page_of(shopper, order, "result")
    assert page.context["message"].title == title
    # nothing closes Nexi's hosted page: it may still be paid
    assert "Nothing has been charged" not in text_of(page)
    assert buttons(page) == AUTO
    assert f'action="{order.page_url()}"' in text_of(page)
    assert f'href="{order.page_url()}">Pay by card</a>' in text_of(page)
    assert "http://localhost:8000" in page["Content-Security-Policy"]
    paid = shopper.act(shopper.go(order, "GOOGLEPAY"))
    assert (paid.state, paid.retry_of_id) == (OrderState.PAID, order.pk)


def test_back_unpaid_where_cards_are_on_nexis_page(shopper: HostedShopper) -> None:
    order = shopper.go(new_order(terminal="nexi_only"), "CARDS")
    order = shopper.act(order, card="declined")
    page = page_of(shopper, order, "result")
    assert page.context["message"] == shopper_texts.DECLINED_AT_NEXI
    assert buttons(page) == ["CARDS", "PAYPAL", "MYBANK"]
    assert f'href="{order.page_url()}"' not in text_of(page)


def test_a_page_that_is_not_watched_any_more(shopper: HostedShopper) -> None:
    order = shopper.act(shopper.go(new_order(terminal="methods")), "decline")
    PaymentOrder.objects.filter(pk=order.pk).update(next_poll_at=None)
    page = page_of(shopper, order, "result")
    assert page.context["message"].title == "The payment was declined"
    assert page.context["message"].text == (
        "Nothing has been charged. Please try again, or choose another way to pay."
    )


def test_back_and_not_yet_known(shopper: HostedShopper) -> None:
    order = shopper.act(shopper.go(new_order(terminal="methods")), "leave")
    page = page_of(shopper, order, "result")
    assert page.context["message"] == shopper_texts.ON_HOSTED_PAGE
    assert "Choose how to pay again" in text_of(page)
    assert f'href="{order.page_url()}"' in text_of(page)
    assert status_of(shopper, order) == {
        "state": "awaiting_hosted_page",
        "final": False,
        "message": "Your payment is not finished yet",
        "next": None,
    }
    again = page_of(shopper, order)
    assert again.context["notice"] == shopper_texts.ON_HOSTED_PAGE
    assert buttons(again) == AUTO


@pytest.mark.parametrize("name", ["result", "status", "pay"])
def test_who_waits_learns_it_without_the_reconciler(
    shopper: HostedShopper, name: str
) -> None:
    """The return came before Nexi knew."""
    order = shopper.act(shopper.go(new_order(terminal="methods")), "leave")
    shopper.act(order, "pay", comes_back=False)
    with time_travel(5):
        page_of(shopper, order, name)
    assert fresh(order).state == OrderState.PAID


def test_who_waits_does_not_ask_more_than_every_other_second(
    shopper: HostedShopper,
) -> None:
    order = shopper.go(new_order(terminal="methods"))
    before = len(shopper.gateway.calls)
    for name in ("result", "status") * 3:
        page_of(shopper, order, name)
    asked = [one.path for one in shopper.gateway.calls[before:]]
    assert asked.count(f"/orders/{order.order_id}") == 1


def test_being_confirmed(shopper: HostedShopper) -> None:
    order = shopper.go(new_order(terminal="methods", reference="A-1"))
    order = shopper.act(order, "pending")
    page = page_of(shopper, order, "result")
    assert page.context["message"] == shopper_texts.CONFIRMING
    assert "Please do not pay again" in text_of(page).replace("\n", " ")
    assert buttons(page) == []
    assert "Look again" in text_of(page)
    assert status_of(shopper, order)["message"] == "Your payment is being confirmed"
    result = f"/payments/result/{order.public_id}/"
    for answer in (page_of(shopper, order), shopper.choose(order, "GOOGLEPAY")):
        assert (answer.status_code, answer.url) == (303, result)
    assert PaymentOrder.objects.count() == 1


def test_nothing_is_offered_while_a_failed_one_may_be_confirmed(
    shopper: HostedShopper,
) -> None:
    order = shopper.act(shopper.go(new_order(terminal="methods")), "decline")
    PaymentOrder.objects.filter(pk=order.pk).update(gateway_pending=True)
    page = page_of(shopper, order, "result")
    assert page.context["message"] == shopper_texts.CONFIRMING
    assert buttons(page) == []
    assert order.page_url() not in text_of(page)


def test_a_card_while_another_way_is_being_confirmed(shopper: HostedShopper) -> None:
    order = shopper.go(new_order(terminal="methods", reference="A-1"))
    shopper.act(order, "pending", comes_back=False)
    answer = post_form(shopper.client, order.page_url(), card_fields())
    assert answer.status_code == 303
    assert answer.url == f"/payments/result/{order.public_id}/"
    page = shopper.client.get(answer.url)
    assert page.context["message"] == shopper_texts.CONFIRMING
    assert PaymentOrder.objects.count() == 1


def test_two_payments_on_one_page(shopper: HostedShopper) -> None:
    order = shopper.act(shopper.go(new_order(terminal="methods")), "pay_twice")
    page = page_of(shopper, order, "result")
    assert order.state == OrderState.REVIEW
    assert page.context["message"].title == "Please contact the shop"
    assert "card" not in page.context["message"].text
    assert buttons(page) == []


def test_an_order_of_somebody_else(
    shopper: HostedShopper, django_user_model: Any
) -> None:
    user = django_user_model.objects.create_user("giulia")
    order = new_order(terminal="methods", user=user)
    answer = shopper.choose(order)
    assert answer.status_code == 404
    assert fresh(order).state == OrderState.INIT


def test_a_forged_post_of_another_site(shopper: HostedShopper) -> None:
    order = new_order(terminal="methods")
    browser = Client(HTTP_HOST=HOST, enforce_csrf_checks=True)
    answer = post_form(browser, order.page_url(), {"method": "PAYPAL"})
    assert answer.status_code == 403
    assert fresh(order).state == OrderState.INIT


# -- words -----------------------------------------------------------------------------


def test_no_text_of_another_method_says_card() -> None:
    found = [
        one
        for one in vars(shopper_texts).values()
        if isinstance(one, shopper_texts.Message) and one.without_card is not None
    ]
    assert len(found) == 13
    with translation.override("en"):
        for one in found:
            assert one.without_card is not None
            assert "card" not in str(one.without_card.text).lower(), one
            assert "card" not in str(one.without_card.title).lower(), one
            assert one.tone == one.without_card.tone
