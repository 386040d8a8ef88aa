"""Nexi's payment links at the desk, beside our own."""

from __future__ import annotations

import copy
import html
import re
from typing import Any

import pytest
from django.core import mail

from nexi_payments.enums import OrderState
from nexi_payments.flows.hosted import nexi_links
from nexi_payments.models import PaymentOrder
from nexi_payments.models.hosted_page import NexiLink
from nexi_payments.simulator import Simulator
from tests.support.canary import everything_stored
from tests.support.clerk import (
    Clerk,
    follow_redirect,
    order_from_redirect,
    result_url,
)

pytestmark = pytest.mark.django_db(transaction=True)

SIMULATED = {"ENVIRONMENT": "simulator"}


@pytest.fixture
def order(clerk: Clerk, gateway: Simulator, settings: Any) -> PaymentOrder:
    changed = copy.deepcopy(settings.NEXI_PAYMENTS)
    terminals = {"default": {**SIMULATED, "LINKS": "nexi"}}
    settings.NEXI_PAYMENTS = {**changed, "TERMINALS": terminals}
    return order_from_redirect(clerk.create_order())


def act(clerk: Clerk, order: PaymentOrder, do: str, **fields: str) -> Any:
    return clerk.post(result_url(order) + "nexi-link/", do=do, **fields)


def done(clerk: Clerk, order: PaymentOrder, do: str, **fields: str) -> str:
    page = follow_redirect(clerk, act(clerk, order, do, **fields))
    return html.unescape(page)


def last_day() -> str:
    return nexi_links.last_days()[1].isoformat()


def create(clerk: Clerk, order: PaymentOrder) -> str:
    return done(clerk, order, "create", last_day=last_day())


def shown_link(clerk: Clerk, order: PaymentOrder) -> str:
    response = act(clerk, order, "show")
    assert response.status_code == 200
    assert "no-store" in response["Cache-Control"]
    found = re.search(r'id="nexi-link"[^>]* value="([^"]+)"', response.content.decode())
    assert found
    return html.unescape(found[1])


def test_it_is_offered_beside_our_own_link(clerk: Clerk, order: PaymentOrder) -> None:
    page = clerk.get_text(result_url(order))
    assert "Make a link at Nexi" in page
    assert "Copy it, or mail it below." in page

    page = create(clerk, order)

    assert "Nexi has made the link. Mail it, or show it." in page
    assert "Waiting for the customer" in page
    assert "Make a link at Nexi" not in page
    assert "Copy it, or mail it below." in page  # ours stays open
    url = shown_link(clerk, order)
    assert url.startswith("http")
    assert url not in page
    assert url not in everything_stored()


def test_a_desk_without_the_setting_offers_none(
    clerk: Clerk, gateway: Simulator
) -> None:
    order = order_from_redirect(clerk.create_order(link="1"))
    assert "Make a link at Nexi" not in clerk.get_text(result_url(order))
    page = create(clerk, order)
    assert "This is not possible. Nothing was sent." in page
    assert not NexiLink.objects.exists()
    assert gateway.count("/orders/paybylink") == 0


def test_it_is_mailed_and_shown_again(clerk: Clerk, order: PaymentOrder) -> None:
    create(clerk, order)
    url = shown_link(clerk, order)
    mail.outbox.clear()  # our own link went when the desk made it
    page = done(clerk, order, "mail", email="g@example.com", language="en")
    assert "The mail is on its way." in page
    [message] = mail.outbox
    assert url in message.body
    assert message.to == ["g@example.com"]
    assert "not an e-mail address" in done(clerk, order, "mail", email="x")
    assert len(mail.outbox) == 1


def test_renew_and_cancel(
    clerk: Clerk, order: PaymentOrder, gateway: Simulator
) -> None:
    first = nexi_links.last_days()[0].isoformat()
    done(clerk, order, "create", last_day=first)
    assert "The link has a new last day." in done(
        clerk, order, "renew", last_day=last_day()
    )
    assert NexiLink.objects.get().expires_on.isoformat() == last_day()
    page = done(clerk, order, "cancel")
    assert "Nexi has cancelled the link. Nothing was charged." in page
    order.refresh_from_db()
    assert order.state == OrderState.FAILED
    assert "Make a link at Nexi" in page  # a new attempt may have one
    assert gateway.count("/cancels") == 1


@pytest.mark.parametrize("day", ["", "2020-01-01", "yesterday", "9999-12-31"])
def test_days_that_cannot_be(
    clerk: Clerk, order: PaymentOrder, gateway: Simulator, day: str
) -> None:
    done(clerk, order, "create", last_day=day)
    assert not NexiLink.objects.exists()
    assert gateway.count("/orders/paybylink") == 0


def test_one_that_was_paid_is_not_cancelled(
    clerk: Clerk, order: PaymentOrder, gateway: Simulator
) -> None:
    create(clerk, order)
    gateway.hosted.pay(order.order_id, method="PAYPAL", notify="never")
    page = done(clerk, order, "cancel")
    assert "This link is not open any more" in page
    assert "Thank you, the payment has gone through." in page
    assert "Show Nexi's link" not in page


def test_nexi_does_not_answer(
    clerk: Clerk, order: PaymentOrder, gateway: Simulator
) -> None:
    gateway.fail_next("/orders/paybylink")
    page = create(clerk, order)
    assert "Nexi has made no link. Nothing was charged." in page
    create(clerk, order)
    gateway.fail_next("/orders/paybylink")
    page = done(clerk, order, "show")
    assert "Nexi does not answer." in page


def test_a_cancel_that_nexi_does_not_confirm(
    clerk: Clerk, order: PaymentOrder, gateway: Simulator
) -> None:
    create(clerk, order)
    gateway.fail_next("/cancels")
    page = done(clerk, order, "cancel")
    assert page.count("Nexi has not confirmed yet that this link is cancelled") == 2
    for gone in ("Show Nexi's link", "Mail Nexi's link", "Change the last day"):
        assert gone not in page
    assert "This link is not open any more" in done(clerk, order, "show")
    page = done(clerk, order, "cancel")
    assert "Nexi has cancelled the link. Nothing was charged." in page
    assert "has not confirmed" not in page
    order.refresh_from_db()
    assert order.state == OrderState.FAILED
    assert gateway.count("/cancels") == 2


def test_a_new_day_that_nexi_does_not_confirm(
    clerk: Clerk, order: PaymentOrder, gateway: Simulator
) -> None:
    first = nexi_links.last_days()[0].isoformat()
    done(clerk, order, "create", last_day=first)
    gateway.fail_next("/renewals")
    page = done(clerk, order, "renew", last_day=last_day())
    assert "Nexi has not confirmed the new last day. Change it once more." in page
    assert NexiLink.objects.get().expires_on.isoformat() == first
    page = done(clerk, order, "renew", last_day=last_day())
    assert "The link has a new last day." in page
    assert NexiLink.objects.get().expires_on.isoformat() == last_day()


def test_other_requests_do_nothing(
    clerk: Clerk, reader: Clerk, order: PaymentOrder, gateway: Simulator
) -> None:
    path = result_url(order) + "nexi-link/"
    assert clerk.get(path)["Location"] == result_url(order)
    assert act(clerk, order, "what")["Location"] == result_url(order)
    assert act(reader, order, "create", last_day=last_day()).status_code == 403
    assert not NexiLink.objects.exists()
