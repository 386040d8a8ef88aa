"""A receipt for every payment: each channel, each state, in two languages."""

from __future__ import annotations

import html
import re
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth import get_user_model
from django.core import mail
from django.utils import formats, timezone, translation

from nexi_payments import flows
from nexi_payments.card import Card
from nexi_payments.emails.receipts import Receipt
from nexi_payments.enums import OperationKind, OperationOutcome, OrderState
from nexi_payments.flows import moto, payment_link
from nexi_payments.models import Event, Operation, PaymentOrder
from nexi_payments.simulator import Simulator
from nexi_payments.web import payment_links
from tests.support.api_clients import PayerClient, ShopServer, card_fields
from tests.support.clerk import (
    ORDERS_URL,
    PERMISSIONS,
    Clerk,
    action_url,
    follow_redirect,
    order_url,
    result_url,
)
from tests.support.contracts import make_contract
from tests.support.shopper import CARDS, SITE, Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)

FACTS: dict[str, Any] = {
    "amount": Decimal("1234.50"),
    "currency": "EUR",
    "reference": "R-1",
    "description": "Three cups",
    "customer": {"name": "Giulia Bianchi", "email": "giulia@example.com"},
}
GOOD = Card(CARDS["challenge"].number, "1230", "396")


@pytest.fixture(autouse=True)
def ceilings(change_settings: Any) -> None:
    """None: the amount is one that is written with a separator."""
    terminals = django_settings.NEXI_PAYMENTS["TERMINALS"]
    change_settings(
        TERMINALS={k: {**v, "MAX_AMOUNT": None} for k, v in terminals.items()}
    )


def shop(shopper: Shopper, reference: str = "R-1") -> PaymentOrder:
    return shopper.pay(new_order(**FACTS | {"reference": reference}))


def shop_in_two_steps(shopper: Shopper) -> PaymentOrder:
    return shopper.pay(new_order(**FACTS, terminal="two"))


def link(shopper: Shopper) -> PaymentOrder:
    order = payment_link.offer_link(
        moto.create_moto_order(**FACTS, terminal="moto", actor=flows.Actor())
    )
    way = shopper.browser.get(payment_links.build_url(order, SITE).removeprefix(SITE))
    assert way["Location"] == order.page_url()
    return shopper.pay(order)


def phone(shopper: Shopper, reference: str = "R-1") -> PaymentOrder:
    facts = FACTS | {"reference": reference}
    order = moto.create_moto_order(**facts, terminal="moto", actor=flows.Actor())
    flows.pay_moto(order, GOOD, cardholder="Giulia Bianchi", allow_duplicate=True)
    return order


def saved_card(shopper: Shopper) -> PaymentOrder:
    contract = make_contract(shopper, customer=FACTS["customer"])
    facts = {name: FACTS[name] for name in ("reference", "description")}
    return flows.charge_contract(contract, FACTS["amount"], "EUR", **facts)


def api(shopper: Shopper) -> PaymentOrder:
    made = ShopServer("add_paymentorder").create(**{**FACTS, "amount": "1234.50"})
    form = PayerClient(made).pay().json()["next_action"]["fields"]
    posted = shopper.gateway.answer_challenge(form["transactionId"], "approve")
    shopper.browser.post(form["ReturnUrl"].removeprefix(SITE), posted)
    return PaymentOrder.objects.get(order_id=made["id"])


def phone_by_api(shopper: Shopper) -> PaymentOrder:
    body = {**FACTS, "amount": "1234.50", "terminal": "moto", **card_fields()}
    made = ShopServer("take_moto").post("moto/", body)
    assert made.status_code == 201, made.content
    return PaymentOrder.objects.get(order_id=made.json()["id"])


CHANNELS = (shop, shop_in_two_steps, link, phone, saved_card, api, phone_by_api)
STATES = ("authorized", "paid", "refunded in part", "refunded")


def bring(order: PaymentOrder, to: str) -> None:
    parts = {"refunded in part": ("200.25", "34.25"), "refunded": ("1000", "234.50")}
    for part in parts.get(to, ()):
        flows.refund(order, Decimal(part))
        flows.reconcile(order)
    order.refresh_from_db()
    assert order.state == ("paid" if to == "refunded in part" else to)


def texts(page: str) -> list[str]:
    """The rows of a page's tables, as they are read."""
    rows = re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL)
    plain = [html.unescape(re.sub(r"<[^>]+>", " ", row)) for row in rows]
    return [" ".join(row.split()) for row in plain]


def moments(order: PaymentOrder, language: str) -> dict[str, list[str]]:
    """When it was charged, and when each refund was confirmed, as people write it."""

    def written(at: Any) -> str:
        with translation.override(language):
            local = timezone.localtime(at)
            text = formats.date_format(local, "DATETIME_FORMAT")
            return " ".join(text.split())

    back = order.operations.filter(kind=OperationKind.REFUND).order_by("pk")
    assert all(row.settled_at for row in back)
    assert order.charging_since or order.claimed_at
    return {
        "charged": [written(order.charging_since or order.claimed_at)],
        "refunded": [written(row.settled_at) for row in back],
    }


#: authorized, paid, refunded; the amount, the parts, and what is left of it. "_" is a
#: space
WORDS = {
    "en": "Authorized Paid Refunded €1,234.50 €200.25 €34.25 €1,000.00 €234.50 €0.00",
    "it": "Autorizzato Pagato Rimborsato 1.234,50_€ 200,25_€ 34,25_€ 1.000,00_€"
    " 234,50_€ 0,00_€",
}


def expected(order: PaymentOrder, state: str, language: str) -> list[str]:
    """The lines of the receipt, and what is left of the payment."""
    words = [word.replace("_", " ") for word in WORDS[language].split()]
    authorized, paid, refunded, whole, *parts = words
    some, more, most, other, nothing = parts
    at = moments(order, language)
    first = authorized if state == "authorized" else paid
    lines = [f"{first} {at['charged'][0]} {whole}"]
    sums = {"refunded in part": (some, more), "refunded": (most, other)}
    for amount, when in zip(sums.get(state, ()), at["refunded"], strict=True):
        lines.append(f"{refunded} {when} {amount}")
    left = {"refunded in part": most, "refunded": nothing}.get(state)
    return lines if left is None else [*lines, left]


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("channel", CHANNELS)
def test_on_paper_and_by_mail(
    shopper: Shopper, change_settings: Any, channel: Any, state: str
) -> None:
    if state == "authorized":
        terminals = django_settings.NEXI_PAYMENTS["TERMINALS"]
        change_settings(
            TERMINALS={k: {**v, "CAPTURE": "manual"} for k, v in terminals.items()}
        )
    order = channel(shopper)
    bring(order, state)
    clerk = Clerk("view_paymentorder", "take_moto")
    reader = Clerk("view_paymentorder", name="r")
    for language in ("en", "it"):
        for who in (clerk, reader):
            check_paper(who, order, state, language)
        check_mail(clerk, order, state, language)


def check_paper(who: Clerk, order: PaymentOrder, state: str, language: str) -> None:
    """The page that is printed, and the way to it."""
    who.browser.cookies["django_language"] = language
    paper = action_url(order, "receipt")
    lines = expected(order, state, language)
    assert f'href="{paper}"' in who.get_text(order_url(order))
    page = who.get_text(paper)
    assert f'<html lang="{language}"' in page
    read = texts(page)
    for row, line in zip(read, lines, strict=False):
        assert row.endswith(line)
    assert ("Refunded" in page, "Rimborsato" in page) == (
        language == "en" and bool(lines[1:]),
        language == "it" and bool(lines[1:]),
    )
    text = " ".join(read)
    for word in ("R-1", "Three cups", "•••• 4549", order.gateway_operation_id):
        assert word in text, word


def check_mail(clerk: Clerk, order: PaymentOrder, state: str, language: str) -> None:
    mail.outbox.clear()
    answer = clerk.post(
        action_url(order, "receipt"), email="other@example.com", language=language
    )
    assert answer["Location"] == order_url(order)
    (one,) = mail.outbox
    assert one.to == ["other@example.com"]
    subjects = {"en": "Receipt for order R-1", "it": "Ricevuta dell'ordine R-1"}
    assert one.subject == subjects[language]
    body = [" ".join(line.split()) for line in one.body.splitlines()]
    rows = texts(one.alternatives[0][0])
    for line in expected(order, state, language):
        word, _, rest = line.partition(" ")
        when, _, amount = rest.removesuffix(" €").rpartition(" ")
        amount += " €" if rest.endswith(" €") else ""
        if when:
            assert f"{word}: {amount} ({when})" in body
            assert f"{word} {amount} {when}" in rows
        else:
            assert any(text.endswith(f": {line}") for text in body)
            assert any(row.endswith(f" {line}") for row in rows)
    thanks = "Thank you" in one.body or "Grazie" in one.body
    assert thanks is (state != "refunded")
    event = order.events.last()
    assert event is not None
    assert (event.kind, event.note) == ("receipt_emailed", "other@example.com")


@pytest.mark.parametrize(
    "ending", ["declined", "init", "voided", "review", "awaiting_3ds"]
)
def test_none_of_what_was_not_paid(shopper: Shopper, ending: str) -> None:
    if ending == "declined":
        order = shopper.pay(new_order(), "declined")
    elif ending == "voided":
        order = shopper.pay(new_order(terminal="manual"))
        flows.void(order)
        flows.reconcile(order)
    else:
        order = new_order()
        if ending == "awaiting_3ds":
            shopper.start(order)
        if ending == "review":
            order = shopper.pay(order)
            PaymentOrder.objects.filter(pk=order.pk).update(state=OrderState.REVIEW)
    order.refresh_from_db()
    clerk = Clerk(*PERMISSIONS)
    assert "receipt/" not in clerk.get_text(order_url(order))
    events = Event.objects.count()
    for answer in (
        clerk.get(action_url(order, "receipt")),
        clerk.post(action_url(order, "receipt"), email="g@example.com", language="en"),
    ):
        assert answer["Location"] == order_url(order)
    assert (mail.outbox, Event.objects.count()) == ([], events)


def test_captures_in_parts_each_with_its_day(shopper: Shopper) -> None:
    order = shopper.pay(new_order(**FACTS, terminal="manual"))
    for part in ("500", "300"):
        flows.capture(order, Decimal(part))
        flows.reconcile(order)
    order.refresh_from_db()
    second = order.operations.filter(kind=OperationKind.CAPTURE).last()
    flows.refund(order, Decimal("100"), capture=second)
    flows.reconcile(order)
    order.refresh_from_db()
    lines = Receipt(order).lines
    assert [(str(one.label), one.amount) for one in lines] == [
        ("Paid", "€500.00"),
        ("Paid", "€300.00"),
        ("Refunded", "€100.00"),
    ]
    done = order.operations.filter(
        kind__in=(OperationKind.CAPTURE, OperationKind.REFUND)
    )
    assert [one.at for one in lines] == [row.settled_at for row in done.order_by("pk")]
    assert Receipt(order).net_total == "€700.00"


def test_a_cancelled_capture_is_not_on_it(shopper: Shopper) -> None:
    order = shopper.pay(new_order(**FACTS, terminal="manual"))
    for part in ("500", "300"):
        flows.capture(order, Decimal(part))
        flows.reconcile(order)
    order.refresh_from_db()
    first = order.operations.filter(kind=OperationKind.CAPTURE).first()
    flows.cancel_capture(order, first)
    flows.reconcile(order)
    order.refresh_from_db()
    lines = [(str(one.label), one.amount) for one in Receipt(order).lines]
    assert lines == [("Paid", "€300.00")]
    assert Receipt(order).net_total == ""


def test_a_refund_on_its_way_is_not_on_it(shopper: Shopper) -> None:
    order = shopper.pay(new_order(**FACTS))
    flows.refund(order, Decimal("200"))
    Operation.objects.filter(kind=OperationKind.REFUND).update(
        outcome=OperationOutcome.ACCEPTED
    )
    PaymentOrder.objects.filter(pk=order.pk).update(
        refunded_amount=0, refunding_amount=20_000
    )
    order.refresh_from_db()
    lines = [(str(one.label), one.amount) for one in Receipt(order).lines]
    assert (lines, Receipt(order).net_total) == ([("Paid", "€1,234.50")], "")
    assert Receipt(order).status == "paid"


# -- who -------------------------------------------------------------------------------


def test_who_may_see_the_payment_may_see_its_receipt_and_nobody_else(
    shopper: Shopper, gateway: Simulator
) -> None:
    bought, phoned = shop(shopper, "S-1"), phone(shopper, "T-1")
    charged = saved_card(shopper)
    mine = {bought.pk: False, phoned.pk: True, charged.pk: False}
    readers = set(PERMISSIONS) - {
        *("take_moto", "verify_card", "view_cardverification"),
        *("view_contract", "charge_contract", "end_contract"),
    }
    before = list(Event.objects.values()), len(gateway.calls)
    for permission in (*PERMISSIONS, ""):
        clerk = Clerk(*filter(None, [permission]), name=f"c {permission}")
        for pk, of_the_desk in mine.items():
            may = permission in readers or (permission == "take_moto" and of_the_desk)
            answer = clerk.get(f"{ORDERS_URL}{pk}/receipt/")
            assert answer.status_code == (200 if may else 403), (permission, pk)
        for pk in mine if permission != "take_moto" else (bought.pk, charged.pk):
            posted = clerk.post(
                f"{ORDERS_URL}{pk}/receipt/", email="g@example.com", language="en"
            )
            assert posted.status_code == 403, (permission, pk)
        assert clerk.get(f"{ORDERS_URL}999999/receipt/").status_code == (
            404 if permission in readers else 403
        )
    assert (list(Event.objects.values()), len(gateway.calls)) == before
    assert mail.outbox == []
    nobody = Clerk(name="nobody")
    nobody.browser.logout()
    assert nobody.get(action_url(bought, "receipt")).status_code == 302
    plain = get_user_model().objects.create_user("customer")
    nobody.browser.force_login(plain)
    assert "/login/" in nobody.get(action_url(bought, "receipt"))["Location"]


def test_a_clerk_mails_and_prints_from_the_desk(shopper: Shopper) -> None:
    clerk = Clerk("take_moto")
    order = clerk.take_phone_order()
    flows.refund(order)
    flows.reconcile(order)
    page = clerk.get_text(result_url(order))
    assert f'href="{action_url(order, "receipt")}"' in page
    said = follow_redirect(
        clerk,
        clerk.post(result_url(order) + "email/", email="g@example.com", language="en"),
    )
    assert "Sent to g@example.com." in said
    assert "Sent to g@example.com: " in said  # with the time, also after a reload
    assert ">Send again</button>" in said
    assert "Refunded: €12.50 (" in mail.outbox[0].body


def test_the_form_is_for_those_who_may_mail(shopper: Shopper) -> None:
    order = shop(shopper)
    form = f'action="{action_url(order, "receipt")}"'
    assert form in Clerk("view_paymentorder", "take_moto").get_text(order_url(order))
    assert form not in Clerk("refund_payment", name="r").get_text(order_url(order))
    clerk = Clerk("refund_payment", "take_moto", name="b")
    wrong = clerk.post(action_url(order, "receipt"), email="nobody", language="en")
    assert "This is not an e-mail address" in follow_redirect(clerk, wrong)
    assert mail.outbox == []


def test_the_shop_is_named(shopper: Shopper, change_settings: Any) -> None:
    """On paper and by e-mail, of payments of the desk and of the shop, refunds too."""
    change_settings(MERCHANT_NAME="Caffè Bianchi & figli")
    clerk = Clerk("take_moto", "view_paymentorder")
    taken = clerk.take_phone_order()
    flows.refund(taken)
    flows.reconcile(taken)
    bought = shopper.pay(new_order(reference="B-1"))
    for order in (taken, bought):
        page = clerk.get_text(action_url(order, "receipt"))
        assert '<p class="nexi-shop">Caffè Bianchi &amp; figli</p>' in page
        assert "data-print" in page
        clerk.post(action_url(order, "receipt"), email="g@example.com", language="en")
        message = mail.outbox[-1]
        assert message.body.rstrip().endswith("Caffè Bianchi & figli")
        assert "Caffè Bianchi &amp; figli" in str(message.alternatives[0][0])
    assert "Refunded" in clerk.get_text(action_url(taken, "receipt"))
    change_settings(MERCHANT_NAME="")
    assert "nexi-shop" not in clerk.get_text(action_url(taken, "receipt"))
