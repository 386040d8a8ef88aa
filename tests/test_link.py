"""The secure link instead of a card by telephone, and mails to the customer."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import django
import pytest
from django.core import mail
from django.test import Client

from nexi_payments import flows, paylinks, states
from nexi_payments.exceptions import MotoNotAllowed, WrongState
from nexi_payments.flows import moto
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import Simulator
from tests.clerk import DESK, Clerk, card_page, opened, order_page, result_page
from tests.doubt import later
from tests.shopper import SITE, Shopper

pytestmark = pytest.mark.django_db(transaction=True)
DAY = 86400


@pytest.fixture
def clerk(gateway: Simulator) -> Clerk:
    return Clerk("take_moto", "view_paymentorder")


@pytest.fixture
def linked(clerk: Clerk) -> PaymentOrder:
    return opened(clerk.open(link="1"))


def link_on(clerk: Clerk, order: PaymentOrder) -> str:
    found = re.search(r'readonly value="([^"]+)"', clerk.read(result_page(order)))
    assert found
    return found[1]


def follow(link: str) -> Any:
    return Client(HTTP_HOST="127.0.0.1:8000").get(link.removeprefix(SITE))


def status(clerk: Clerk, order: PaymentOrder) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(
        clerk.get(result_page(order) + "status/").content
    )
    return answer


def test_the_same_order_becomes_a_link(clerk: Clerk, linked: PaymentOrder) -> None:
    assert (linked.channel, linked.terminal, linked.flow) == (
        states.CHANNEL_LINK,
        "default",
        "3steps",
    )
    assert linked.pay_until is not None
    assert linked.pay_until - linked.created_at > timedelta(hours=71, minutes=59)
    assert linked.expires_at == linked.pay_until
    event = linked.events.get()
    assert (event.kind, event.actor, event.address) == ("link", clerk.user, "10.1.2.3")
    assert link_on(clerk, linked).startswith(SITE + "/payments/link/")
    assert "Waiting for the customer" in clerk.read(result_page(linked))
    # no card by telephone any more
    assert clerk.get(card_page(linked))["Location"] == result_page(linked)
    assert clerk.card(linked)["Location"] == result_page(linked)
    linked.refresh_from_db()
    assert linked.state == states.INIT


def test_from_the_card_page(clerk: Clerk) -> None:
    order = opened(clerk.open())
    assert result_page(order) + "link/" in clerk.read(card_page(order))
    for _ in range(2):
        answer = clerk.post(result_page(order) + "link/")
        assert answer["Location"] == result_page(order)
    order.refresh_from_db()
    assert order.channel == states.CHANNEL_LINK
    assert order.events.count() == 1


def test_the_customer_pays_and_the_desk_sees_it(
    clerk: Clerk, linked: PaymentOrder, shopper: Shopper
) -> None:
    assert status(clerk, linked)["final"] is False
    answer = follow(link_on(clerk, linked))
    assert (answer.status_code, answer["Location"]) == (
        303,
        linked.get_absolute_url(),
    )
    form = shopper.start(linked)
    assert status(clerk, linked)["message"] == "The customer is confirming at the bank"
    shopper.come_back(form, shopper.answer(form))
    linked.refresh_from_db()
    assert (linked.state, linked.channel) == (states.PAID, states.CHANNEL_LINK)
    assert status(clerk, linked) == {
        "state": f"{linked.pk} paid",
        "final": True,
        "message": "Paid",
        "next": result_page(linked),
    }
    page = clerk.read(result_page(linked))
    assert "Thank you, the payment has gone through." in page
    assert "readonly" not in page
    answer = follow(paylinks.make(linked, SITE))
    assert answer["Location"] == f"/payments/result/{linked.public_id}/"


def test_a_declined_customer_tries_again(
    clerk: Clerk, linked: PaymentOrder, shopper: Shopper
) -> None:
    shopper.pay(linked, "declined")
    linked.refresh_from_db()
    assert linked.state == states.FAILED
    assert status(clerk, linked)["final"] is False
    answer = follow(link_on(clerk, linked))
    assert answer["Location"] == linked.get_absolute_url()
    second = shopper.pay(linked)
    assert (second.state, second.pay_until, second.clerk) == (
        states.PAID,
        linked.pay_until,
        clerk.user,
    )
    assert status(clerk, linked)["final"] is True
    assert "Paid" in clerk.read(result_page(linked))
    answer = follow(paylinks.make(second, SITE))
    assert answer["Location"] == f"/payments/result/{second.public_id}/"


def test_the_link_expires(
    clerk: Clerk, linked: PaymentOrder, shopper: Shopper, gateway: Simulator
) -> None:
    link = link_on(clerk, linked)
    with later(3 * DAY - 60):
        assert follow(link).status_code == 303
    with later(3 * DAY + 60):
        answer = follow(link)
        assert answer.status_code == 404
        assert "This link is no longer valid" in answer.content.decode()
        # nor does the card page behind it take a card
        answer = shopper.enter(linked)
        assert answer["Location"] == f"/payments/result/{linked.public_id}/"
        page = shopper.browser.get(answer["Location"]).content.decode()
        assert "This link is no longer valid" in page
        flows.reconcile()
        linked.refresh_from_db()
        assert (linked.state, linked.reason) == (states.FAILED, "expired")
        shopper.enter(linked)
    assert PaymentOrder.objects.count() == 1
    assert gateway.calls == ()


def test_changed_and_cut_links(clerk: Clerk, linked: PaymentOrder) -> None:
    link = link_on(clerk, linked)
    for bad in (
        link[:-3] + "/",
        link.replace("/link/", "/link/x"),
        SITE + "/payments/link/x/",
    ):
        assert follow(bad).status_code == 404, bad
    # a link to an order that is none
    order = opened(clerk.open(reference="R-2"))
    assert follow(paylinks.make(order, SITE)).status_code == 404


def test_too_late_for_a_link(clerk: Clerk, gateway: Simulator) -> None:
    order = clerk.take()
    with pytest.raises(WrongState):
        moto.offer_link(order)
    answer = clerk.post(result_page(order) + "link/")
    assert "It is too late for a link" in clerk.read(answer["Location"])
    order.refresh_from_db()
    assert (order.channel, order.state) == (states.CHANNEL_MOTO, states.PAID)


def test_an_amount_that_the_other_terminal_does_not_take(
    clerk: Clerk, nexi: Any, settings: Any
) -> None:
    terminals = settings.NEXI_PAYMENTS["TERMINALS"]
    small = {"ENVIRONMENT": "simulator", "MAX_AMOUNT": Decimal("10")}
    nexi(TERMINALS={**terminals, "default": small})
    answer = clerk.open(link="1")
    assert answer["Location"].endswith("/card/")
    assert "No terminal takes this amount by link." in clerk.read(DESK)
    order = PaymentOrder.objects.get()
    assert (order.channel, order.terminal) == (states.CHANNEL_MOTO, "moto")
    nexi(TERMINALS={"moto": {"ENVIRONMENT": "simulator", "MOTO": True}})
    with pytest.raises(MotoNotAllowed):
        moto.offer_link(order)
    assert "/link/" not in clerk.read(card_page(order))


# -- mail ----------------------------------------------------------------------------


def send(clerk: Clerk, order: PaymentOrder, **changes: str) -> str:
    fields = {"email": "giulia@example.com", "language": "en", **changes}
    answer = clerk.post(result_page(order) + "mail/", **fields)
    return clerk.read(answer["Location"])


def test_the_link_by_mail(clerk: Clerk, linked: PaymentOrder) -> None:
    assert "The mail is on its way." in send(clerk, linked)
    (message,) = mail.outbox
    assert message.to == ["giulia@example.com"]
    assert message.subject == "Pay your order R-1"
    # signed with the second it was made in: another than the one on the page, perhaps
    mailed = re.search(r"http\S+/payments/link/\S+", message.body)
    assert mailed
    assert follow(mailed[0])["Location"] == linked.get_absolute_url()
    assert "12.50 EUR" in message.body
    event = linked.events.last()
    assert event is not None
    assert (event.kind, event.note) == ("mail_link", "giulia@example.com")


def test_the_receipt_by_mail_in_italian(clerk: Clerk) -> None:
    order = clerk.take()
    send(clerk, order, language="it", email="altra@example.com")
    (message,) = mail.outbox
    assert message.to == ["altra@example.com"]
    assert message.subject == "Ricevuta dell'ordine R-1"
    assert "12,50 EUR" in message.body
    assert "•••• 4549" in message.body
    assert order.gateway_operation_id in message.body
    assert "receipt mailed" in clerk.read(order_page(order))


@pytest.mark.parametrize("address", ["", "nobody", "a@b\nBcc: c@d.example"])
def test_addresses_that_are_none(
    clerk: Clerk, linked: PaymentOrder, address: str
) -> None:
    assert "This is not an e-mail address" in send(clerk, linked, email=address)
    assert mail.outbox == []


def test_a_mail_server_that_is_down(
    clerk: Clerk, linked: PaymentOrder, settings: Any
) -> None:
    backend = "django.core.mail.backends.smtp.EmailBackend"
    where = {"host": "127.0.0.1", "port": 9}
    if django.VERSION >= (6, 1):
        settings.MAILERS = {"default": {"BACKEND": backend, "OPTIONS": where}}
    else:
        settings.EMAIL_BACKEND = backend
        settings.EMAIL_HOST, settings.EMAIL_PORT = where.values()
    assert "The mail could not be sent." in send(clerk, linked)
    assert linked.events.count() == 1


def test_no_receipt_of_what_was_not_paid(clerk: Clerk) -> None:
    order = clerk.take("declined")
    send(clerk, order)
    assert mail.outbox == []
    answer = clerk.get(result_page(order) + "receipt/")
    assert answer["Location"] == result_page(order)


def test_the_receipt_on_paper(clerk: Clerk) -> None:
    order = clerk.take()
    page = clerk.read(result_page(order) + "receipt/")
    for word in ("Receipt", "12.50 EUR", "R-1", "4549", "Giulia Bianchi", "Three cups"):
        assert word in page, word
