"""Secure payment links, and emails to the customer."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import django
import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone

from nexi_payments import flows
from nexi_payments.enums import Channel, OrderState
from nexi_payments.exceptions import InvalidState, MotoNotAllowed
from nexi_payments.flows import payment_link
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import Simulator
from nexi_payments.web import payment_links
from tests.support.clerk import (
    PHONE_ORDERS_URL,
    Clerk,
    action_url,
    card_url,
    order_from_redirect,
    order_url,
    result_url,
)
from tests.support.in_doubt import time_travel
from tests.support.shopper import SITE, Shopper

pytestmark = pytest.mark.django_db(transaction=True)
DAY = 86400


@pytest.fixture
def clerk(gateway: Simulator) -> Clerk:
    return Clerk("take_moto", "view_paymentorder")


@pytest.fixture
def linked(clerk: Clerk) -> PaymentOrder:
    return order_from_redirect(clerk.create_order(link="1", customer_email=""))


def link_on(clerk: Clerk, order: PaymentOrder) -> str:
    found = re.search(r'readonly value="([^"]+)"', clerk.get_text(result_url(order)))
    assert found
    return found[1]


def follow(link: str) -> Any:
    return Client(HTTP_HOST="127.0.0.1:8000").get(link.removeprefix(SITE))


def status(clerk: Clerk, order: PaymentOrder) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(
        clerk.get(result_url(order) + "status/").content
    )
    return answer


def test_the_end_of_a_link_at_night_has_one_full_stop(
    clerk: Clerk, linked: PaymentOrder
) -> None:
    end = timezone.make_aware(datetime(2030, 12, 3, 3, 0))
    PaymentOrder.objects.update(pay_until=end)
    page = clerk.get_text(result_url(linked))
    assert "It is valid until 3 Dec 2030, 03:00.</label>" in page
    clerk.post(result_url(linked) + "email/", email="g@example.com", language="en")
    (sent,) = mail.outbox
    assert "valid until Dec. 3, 2030, 03:00. Your bank" in str(sent.body)


def test_the_same_order_becomes_a_link(clerk: Clerk, linked: PaymentOrder) -> None:
    assert (linked.channel, linked.terminal, linked.flow) == (
        Channel.LINK,
        "default",
        "3steps",
    )
    assert linked.pay_until is not None
    assert linked.pay_until - linked.created_at > timedelta(hours=71, minutes=59)
    assert linked.expires_at == linked.pay_until
    event = linked.events.get()
    assert (event.kind, event.actor, event.address) == (
        "link_offered",
        clerk.user,
        "10.1.2.3",
    )
    assert link_on(clerk, linked).startswith(SITE + "/payments/link/")
    assert "Waiting for the customer" in clerk.get_text(result_url(linked))
    # no phone orders any more
    assert clerk.get(card_url(linked))["Location"] == result_url(linked)
    assert clerk.submit_card(linked)["Location"] == result_url(linked)
    linked.refresh_from_db()
    assert linked.state == OrderState.INIT


def test_from_the_card_page(clerk: Clerk) -> None:
    order = order_from_redirect(clerk.create_order())
    assert result_url(order) + "link/" in clerk.get_text(card_url(order))
    for _ in range(2):
        answer = clerk.post(result_url(order) + "link/")
        assert answer["Location"] == result_url(order)
    order.refresh_from_db()
    assert order.channel == Channel.LINK
    kinds = order.events.order_by("pk").values_list("kind", flat=True)
    assert list(kinds) == ["link_offered", "link_emailed"]


def test_the_customer_pays_and_the_desk_sees_it(
    clerk: Clerk, linked: PaymentOrder, shopper: Shopper
) -> None:
    assert status(clerk, linked)["final"] is False
    answer = follow(link_on(clerk, linked))
    assert (answer.status_code, answer["Location"]) == (
        303,
        linked.page_url(),
    )
    form = shopper.start(linked)
    assert (
        status(clerk, linked)["message"] == "The customer is confirming with 3-D Secure"
    )
    shopper.return_from_issuer(form, shopper.answer_challenge(form))
    linked.refresh_from_db()
    assert (linked.state, linked.channel) == (OrderState.PAID, Channel.LINK)
    assert status(clerk, linked) == {
        "state": f"{linked.pk} paid",
        "final": True,
        "message": "Paid",
        "next": result_url(linked),
    }
    page = clerk.get_text(result_url(linked))
    assert "Thank you, the payment has gone through." in page
    assert "readonly" not in page
    answer = follow(payment_links.build_url(linked, SITE))
    assert answer["Location"] == f"/payments/result/{linked.public_id}/"


def test_a_declined_customer_tries_again(
    clerk: Clerk, linked: PaymentOrder, shopper: Shopper
) -> None:
    shopper.pay(linked, "declined")
    linked.refresh_from_db()
    assert linked.state == OrderState.FAILED
    assert status(clerk, linked)["final"] is False
    answer = follow(link_on(clerk, linked))
    assert answer["Location"] == linked.page_url()
    second = shopper.pay(linked)
    assert (second.state, second.pay_until, second.clerk) == (
        OrderState.PAID,
        linked.pay_until,
        clerk.user,
    )
    assert status(clerk, linked)["final"] is True
    assert "Paid" in clerk.get_text(result_url(linked))
    answer = follow(payment_links.build_url(second, SITE))
    assert answer["Location"] == f"/payments/result/{second.public_id}/"


def test_the_link_expires(
    clerk: Clerk, linked: PaymentOrder, shopper: Shopper, gateway: Simulator
) -> None:
    link = link_on(clerk, linked)
    with time_travel(3 * DAY - 60):
        assert follow(link).status_code == 303
    with time_travel(3 * DAY + 60):
        answer = follow(link)
        assert answer.status_code == 404
        assert "This link is no longer valid" in answer.content.decode()
        # nor does the card page behind it take a card
        answer = shopper.submit_card(linked)
        assert answer["Location"] == f"/payments/result/{linked.public_id}/"
        page = shopper.browser.get(answer["Location"]).content.decode()
        assert "This link is no longer valid" in page
        flows.reconcile()
        linked.refresh_from_db()
        assert (linked.state, linked.reason) == (OrderState.FAILED, "expired")
        shopper.submit_card(linked)
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
    # a link to an unknown order
    order = order_from_redirect(clerk.create_order(reference="R-2"))
    assert follow(payment_links.build_url(order, SITE)).status_code == 404


def test_too_late_for_a_link(clerk: Clerk, gateway: Simulator) -> None:
    order = clerk.take_phone_order()
    with pytest.raises(InvalidState):
        payment_link.offer_link(order)
    answer = clerk.post(result_url(order) + "link/")
    assert "It is too late for a link" in clerk.get_text(answer["Location"])
    order.refresh_from_db()
    assert (order.channel, order.state) == (Channel.MOTO, OrderState.PAID)


def test_an_amount_that_the_other_terminal_does_not_take(
    clerk: Clerk, change_settings: Any, settings: Any
) -> None:
    terminals = settings.NEXI_PAYMENTS["TERMINALS"]
    small = {"ENVIRONMENT": "simulator", "MAX_AMOUNT": Decimal("10")}
    change_settings(TERMINALS={**terminals, "default": small})
    answer = clerk.create_order(link="1")
    assert answer["Location"].endswith("/card/")
    assert "No terminal takes this amount by link." in clerk.get_text(PHONE_ORDERS_URL)
    order = PaymentOrder.objects.get()
    assert (order.channel, order.terminal) == (Channel.MOTO, "moto")
    change_settings(TERMINALS={"moto": {"ENVIRONMENT": "simulator", "MOTO": True}})
    with pytest.raises(MotoNotAllowed):
        payment_link.offer_link(order)
    assert "/link/" not in clerk.get_text(card_url(order))


# -- mail ----------------------------------------------------------------------------


def send(clerk: Clerk, order: PaymentOrder, **changes: str) -> str:
    fields = {"email": "giulia@example.com", "language": "en", **changes}
    answer = clerk.post(result_url(order) + "email/", **fields)
    return clerk.get_text(answer["Location"])


def test_the_link_by_mail(clerk: Clerk, linked: PaymentOrder) -> None:
    assert "Sent to giulia@example.com." in send(clerk, linked)
    (message,) = mail.outbox
    assert message.to == ["giulia@example.com"]
    assert message.subject == "Pay your order R-1"
    # signed with the second it was made in: another than the one on the page, perhaps
    mailed = re.search(r"http\S+/payments/link/\S+", message.body)
    assert mailed
    assert follow(mailed[0])["Location"] == linked.page_url()
    assert "€12.50" in message.body
    site = mailed[0].partition("payments/")[0]
    genuine = f"this email is genuine: the address of the page begins with {site}."
    html = str(message.alternatives[0][0])
    for text in (message.body, html):
        assert genuine in text
        assert "We will never ask for your card details by email." in text
    assert 'href="http' in html
    event = linked.events.last()
    assert event is not None
    assert (event.kind, event.note) == ("link_emailed", "giulia@example.com")


def test_a_link_is_sent_in_one_step(clerk: Clerk) -> None:
    answer = clerk.create_order(link="1")
    page = clerk.get_text(answer["Location"])
    assert "Sent to giulia@example.com." in page
    assert "Sent to giulia@example.com: " in page  # with the time, also after a reload
    assert ">Send again</button>" in page
    assert 'id="nexi-link"' in page  # and to copy
    (message,) = mail.outbox
    assert message.to == ["giulia@example.com"]
    order = PaymentOrder.objects.get()
    kinds = list(order.events.order_by("pk").values_list("kind", flat=True))
    assert kinds[-2:] == ["link_offered", "link_emailed"]
    # pressed twice: offered once, sent once
    clerk.post(result_url(order) + "link/")
    assert len(mail.outbox) == 1


def test_a_link_from_the_card_page_is_sent_too(clerk: Clerk) -> None:
    order = order_from_redirect(clerk.create_order())
    assert mail.outbox == []
    clerk.post(result_url(order) + "link/")
    assert [one.to for one in mail.outbox] == [["giulia@example.com"]]


def test_without_an_address_the_link_is_there_to_copy(clerk: Clerk) -> None:
    answer = clerk.create_order(link="1", customer_email="")
    page = clerk.get_text(answer["Location"])
    assert 'id="nexi-link"' in page
    assert "Sent to" not in page
    assert ">Send</button>" in page
    assert mail.outbox == []


def test_a_link_that_the_mail_server_did_not_take(clerk: Clerk, settings: Any) -> None:
    settings.EMAIL_BACKEND = "no.such.Backend"
    answer = clerk.create_order(link="1")
    page = clerk.get_text(answer["Location"])
    assert "The mail could not be sent. Try again later." in page
    assert 'id="nexi-link"' in page
    assert "Sent to" not in page


def test_the_receipt_by_mail_in_italian(clerk: Clerk) -> None:
    order = clerk.take_phone_order()
    send(clerk, order, language="it", email="altra@example.com")
    (message,) = mail.outbox
    assert message.to == ["altra@example.com"]
    assert message.subject == "Ricevuta dell'ordine R-1"
    assert "12,50\xa0€" in message.body
    assert "•••• 4549" in message.body
    assert order.gateway_operation_id in message.body
    assert "Receipt mailed" in clerk.get_text(order_url(order))


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
    order = clerk.take_phone_order("declined")
    send(clerk, order)
    assert mail.outbox == []
    answer = clerk.get(action_url(order, "receipt"))
    assert answer["Location"] == order_url(order)
    only = Clerk("take_moto", name="only")
    assert only.get(action_url(order, "receipt"))["Location"] == result_url(order)


def test_the_receipt_on_paper(clerk: Clerk) -> None:
    order = clerk.take_phone_order()
    page = clerk.get_text(action_url(order, "receipt"))
    for word in ("Receipt", "€12.50", "R-1", "4549", "Giulia Bianchi", "Three cups"):
        assert word in page, word
