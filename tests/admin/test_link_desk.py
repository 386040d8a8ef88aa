"""The desk of a shop that charges no phone orders, or takes no cards at all."""

from __future__ import annotations

import copy
import io
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core import mail

from nexi_payments import flows
from nexi_payments.enums import Channel, OrderState
from nexi_payments.exceptions import InvalidAmount, MotoNotAllowed
from nexi_payments.flows import moto
from nexi_payments.models import CardVerification, PaymentOrder
from nexi_payments.simulator import TEST_CARDS, Simulator
from nexi_payments.testing.forms import card_fields
from tests.support import canary
from tests.support.clerk import (
    PHONE_ORDERS_URL,
    Clerk,
    card_url,
    follow_redirect,
    order_from_redirect,
    result_url,
)
from tests.support.hosted import HostedShopper

pytestmark = pytest.mark.django_db(transaction=True)

SIMULATED = {"ENVIRONMENT": "simulator"}
VERIFY_URL = "/admin/nexi_payments/cardverification/verify/"
VERIFICATIONS_URL = "/admin/nexi_payments/cardverification/"
#: card, PayPal and so on: all on Nexi's hosted page, and no MOTO
ON_NEXIS_PAGE = {**SIMULATED, "CARDS": "hosted_page", "METHODS": ["PAYPAL"]}
NEW_ORDER = {"currency": "EUR", "reference": "R-9", "amount": Decimal("12.50")}


def use(settings: Any, **terminals: dict[str, Any]) -> None:
    changed = copy.deepcopy(settings.NEXI_PAYMENTS)
    settings.NEXI_PAYMENTS = {**changed, "TERMINALS": terminals}


@pytest.fixture
def no_moto(gateway: Simulator, settings: Any) -> None:
    use(settings, default={**SIMULATED, "METHODS": ["PAYPAL"]})


@pytest.fixture
def no_cards(gateway: Simulator, settings: Any) -> None:
    use(settings, default=ON_NEXIS_PAGE)


# -- the secure link -------------------------------------------------------------------


def test_a_desk_without_moto_sends_links_only(clerk: Clerk, no_moto: None) -> None:
    page = clerk.get_text(PHONE_ORDERS_URL)
    assert "The customer pays on our secure page, by a link." in page
    assert "Continue to the card" not in page
    assert "Send a secure link" in page

    answer = clerk.create_order()  # without the button: there is no other way

    order = order_from_redirect(answer)
    assert answer["Location"] == result_url(order)
    assert (order.channel, order.terminal, order.state) == (
        Channel.LINK,
        "default",
        OrderState.INIT,
    )
    assert order.clerk == clerk.user
    page = clerk.get_text(result_url(order))
    assert "It is valid until" in page
    clerk.post(result_url(order) + "email/", email="g@example.com", language="en")
    # the link to the address of the order, at once; then to another one
    to = [one.to for one in mail.outbox]
    assert to == [["giulia@example.com"], ["g@example.com"]]


def test_the_link_offers_the_methods(
    clerk: Clerk, no_moto: None, gateway: Simulator
) -> None:
    order = order_from_redirect(clerk.create_order())
    link = clerk.get(result_url(order)).context["link"]
    buyer = HostedShopper(gateway)

    page = buyer.client.get(urlsplit(link).path, follow=True).content.decode()

    assert 'value="PAYPAL"' in page
    assert 'name="card_number"' in page
    attempt = buyer.go(order)
    on_the_way = clerk.get(result_url(order))
    assert "The customer is on Nexi&#x27;s payment page" in on_the_way.content.decode()
    assert on_the_way.context["waiting"] is True
    assert on_the_way.context["may_inquire"] is True
    assert buyer.act(attempt).state == OrderState.PAID
    page = clerk.get_text(result_url(order))
    assert "Thank you, the payment has gone through." in page


def test_a_customer_who_gives_up_pays_by_the_same_link(
    clerk: Clerk, no_cards: None, gateway: Simulator
) -> None:
    order = order_from_redirect(clerk.create_order())
    link = clerk.get(result_url(order)).context["link"]
    buyer = HostedShopper(gateway)
    first = buyer.act(buyer.go(order), "cancel")
    assert first.state == OrderState.FAILED
    assert clerk.get(result_url(order)).context["link"]

    page = buyer.client.get(urlsplit(link).path, follow=True).content.decode()

    assert 'value="CARDS"' in page
    assert 'name="card_number"' not in page
    second = buyer.act(buyer.go(first, "CARDS"))
    assert (second.state, second.channel) == (OrderState.PAID, Channel.LINK)
    assert "Thank you" in clerk.get_text(result_url(order))


def test_who_may_not_take_phone_orders_sends_no_links(
    reader: Clerk, no_moto: None
) -> None:
    assert reader.create_order().status_code == 403
    assert not PaymentOrder.objects.exists()


def test_the_terminal_that_opens_pages_is_none_of_the_desk(
    clerk: Clerk, settings: Any, gateway: Simulator
) -> None:
    shop = {**ON_NEXIS_PAGE, "HOSTED_TERMINAL": "opener"}
    use(settings, default=shop, second=SIMULATED, opener=SIMULATED)
    form = clerk.get(PHONE_ORDERS_URL).context["form"]
    assert [one.name for one in form.terminals] == ["default", "second"]


def test_a_desk_with_moto_is_as_before(clerk: Clerk, gateway: Simulator) -> None:
    form = clerk.get(PHONE_ORDERS_URL).context["form"]
    assert [one.name for one in form.terminals] == ["moto"]
    page = clerk.get_text(PHONE_ORDERS_URL)
    assert "Continue to the card" in page
    order = order_from_redirect(clerk.create_order(link="1"))
    assert (order.channel, order.terminal) == (Channel.LINK, "default")


def test_a_link_needs_a_terminal_that_takes_the_amount(
    clerk: Clerk, settings: Any, gateway: Simulator
) -> None:
    few = {**SIMULATED, "MAX_AMOUNT": 10}
    use(settings, default={**SIMULATED, "LINK_TERMINAL": "few"}, few=few)
    answer = clerk.create_order(terminal="default")
    assert answer.status_code == 400
    with pytest.raises(InvalidAmount):
        moto.get_or_create_moto_order(
            **NEW_ORDER, terminal="default", actor=flows.Actor(), by_link=True
        )
    use(settings, default={**SIMULATED, "LINK_TERMINAL": "gone"})
    with pytest.raises(MotoNotAllowed):
        moto.get_or_create_moto_order(
            **NEW_ORDER, terminal="default", actor=flows.Actor(), by_link=True
        )
    assert not PaymentOrder.objects.exists()


def test_only_a_link_needs_no_moto(no_moto: None) -> None:
    with pytest.raises(MotoNotAllowed):
        moto.create_moto_order(**NEW_ORDER, terminal="default", actor=flows.Actor())
    assert not PaymentOrder.objects.exists()


# -- no cards --------------------------------------------------------------------------


def opened_before(clerk: Clerk, settings: Any) -> PaymentOrder:
    """A phone order of the time when this terminal took phone orders."""
    use(settings, default={**SIMULATED, "MOTO": True})
    order = order_from_redirect(clerk.create_order())
    use(settings, default=ON_NEXIS_PAGE)
    return order


def test_no_card_form_and_a_posted_card_is_refused(
    clerk: Clerk, settings: Any, gateway: Simulator, ears: io.StringIO, capsys: Any
) -> None:
    card = TEST_CARDS[0]
    order = opened_before(clerk, settings)
    pages = [clerk.get(card_url(order))]
    assert pages[0].status_code == 302
    assert pages[0]["Location"] == result_url(order)

    pages.append(clerk.submit_card(order))

    page = follow_redirect(clerk, pages[1])
    assert "No card may be entered here." in page
    assert "card_number" not in page
    order.refresh_from_db()
    assert (order.state, order.card_last4) == (OrderState.INIT, "")
    assert not order.operations.exists()
    assert gateway.count("/orders/moto") == 0
    canary.assert_card_nowhere(card, pages, ears, capsys)

    answer = clerk.post(result_url(order) + "link/")
    assert answer["Location"] == result_url(order)
    order.refresh_from_db()
    assert order.channel == Channel.LINK


def test_an_order_that_waits_for_its_link(
    clerk: Clerk, settings: Any, gateway: Simulator
) -> None:
    order = opened_before(clerk, settings)
    page = clerk.get(result_url(order))
    assert (page.context["may_link"], page.context["waiting"]) == (True, False)
    text = page.content.decode()
    assert "No card may be entered at this desk: send a secure link." in text
    assert "May I have your card details?" not in text


def test_cards_are_not_verified(
    clerk: Clerk, no_cards: None, gateway: Simulator, ears: io.StringIO, capsys: Any
) -> None:
    card = TEST_CARDS[0]
    pages = [
        clerk.get(VERIFY_URL),
        clerk.post(VERIFY_URL, **card_fields(currency="EUR", terminal="default")),
        clerk.get(VERIFICATIONS_URL),
    ]
    for page in pages[:2]:
        assert (page.status_code, page["Location"]) == (302, VERIFICATIONS_URL)
    text = pages[2].content.decode()
    assert "entered on Nexi&#x27;s payment page only. Nobody was asked." in text
    assert VERIFY_URL not in text
    assert not CardVerification.objects.exists()
    assert gateway.count("/orders/card_verification") == 0
    canary.assert_card_nowhere(card, pages, ears, capsys)


def test_only_terminals_that_take_cards_verify_them(
    clerk: Clerk, settings: Any, gateway: Simulator
) -> None:
    use(settings, default=ON_NEXIS_PAGE, cards=SIMULATED)
    form = clerk.get(VERIFY_URL).context["form"]
    assert [one.name for one in form.terminals] == ["cards"]
    answer = clerk.post(VERIFY_URL, **card_fields(currency="EUR", terminal="default"))
    assert answer.status_code == 400
    assert not CardVerification.objects.exists()
