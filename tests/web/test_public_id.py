"""``public_id`` opens a payment's pages and stands in their addresses alone;
``order_id`` may be shown, and opens nothing."""

from __future__ import annotations

import copy
import json
import pickle
import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings as django_settings
from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.core import mail, signing
from django.db import models
from django.http import HttpResponse
from django.shortcuts import redirect
from django.test import Client
from django.utils import timezone
from django.utils.crypto import salted_hmac

from nexi_payments import flows, signals
from nexi_payments.api import client_secret
from nexi_payments.api.client_secrets import _derive_secret
from nexi_payments.card import Card
from nexi_payments.enums import Channel
from nexi_payments.flows import moto, payment_link
from nexi_payments.flows.orders import attempts
from nexi_payments.models import (
    ClosingDifference,
    CustomerDetails,
    Discrepancy,
    Event,
    Operation,
    PaymentOrder,
    QueuedRefund,
)
from nexi_payments.models.audit import AuditEntry, StaffAccess
from nexi_payments.models.bookkeeping import (
    AttemptLock,
    Heartbeat,
    IdempotencyRecord,
    SweepCursor,
    TerminalOutage,
)
from nexi_payments.models.hosted_page import HostedPage, NexiLink, TerminalMethods
from nexi_payments.models.list_settings import ListSettings
from nexi_payments.simulator import Simulator
from nexi_payments.web import payment_links
from tests.support.api_clients import (
    PURCHASE,
    PayerClient,
    ShopServer,
    assert_problem,
    card_fields,
)
from tests.support.approvals import new_approval
from tests.support.clerk import (
    ORDERS_URL,
    PERMISSIONS,
    PHONE_ORDERS_URL,
    Clerk,
    order_url,
    result_url,
)
from tests.support.contracts import make_contract
from tests.support.shopper import CARDS, SITE, Shopper, new_order, parse_form, post_form

pytestmark = pytest.mark.django_db(transaction=True)

#: A word in a page, an answer or a line that could be somebody's idea of an id.
_WORD = re.compile(r"[A-Za-z0-9_.:-]{6,}")


def phone_order(reference: str) -> PaymentOrder:
    return moto.create_moto_order(
        amount=Decimal("20.00"),
        currency="EUR",
        reference=reference,
        terminal="moto",
        actor=flows.Actor(),
    )


def picture(gateway: Simulator) -> Any:
    return (
        list(PaymentOrder.objects.order_by("pk").values()),
        list(Operation.objects.order_by("pk").values()),
        list(Event.objects.order_by("pk").values()),
        len(gateway.calls),
    )


# -- redirect(payment), and nothing else -----------------------------------------------


def test_what_create_order_returned_leads_to_its_page(shopper: Shopper) -> None:
    made = new_order(reference="R-1")
    address = f"/payments/pay/{made.public_id}/"
    assert (made.page_url(), made.get_absolute_url()) == (address, address)
    assert redirect(made)["Location"] == address
    joined = new_order(reference="R-1")
    assert (joined.pk, joined is made) == (made.pk, False)
    assert redirect(joined)["Location"] == address
    made.refresh_from_db()
    assert redirect(made)["Location"] == address


def test_nothing_else_has_an_address_of_its_own(shopper: Shopper) -> None:
    assert not hasattr(PaymentOrder, "get_absolute_url")
    told: list[PaymentOrder] = []

    def hear(sender: Any, order: PaymentOrder, **kwargs: Any) -> None:
        told.append(order)

    made = new_order(reference="R-1")
    signals.payment_failed.connect(hear)
    try:
        paid = shopper.pay(made, "declined")
    finally:
        signals.payment_failed.disconnect(hear)
    assert [one.pk for one in told] == [made.pk]
    others = {
        "fetched": PaymentOrder.objects.get(pk=made.pk),
        "deferred": PaymentOrder.objects.only("order_id").get(pk=made.pk),
        "found": PaymentOrder.find_by_order_id(made.order_id),
        "paid": paid,
        "told": told[0],
        "related": Operation.objects.first().order,  # type: ignore[union-attr]
        "another attempt": attempts.create_attempt(paid)[0],
        "copied": copy.copy(made),
        "deeply copied": copy.deepcopy(made),
        "from a cache": pickle.loads(pickle.dumps(made)),
        "by phone": phone_order("R-2"),
    }
    assert {
        name for name, one in others.items() if hasattr(one, "get_absolute_url")
    } == set()
    assert all(one.page_url().startswith("/payments/pay/") for one in others.values())
    assert hasattr(made, "get_absolute_url")


def test_a_changed_copy_leads_to_its_own_page() -> None:
    made = new_order()
    other = copy.copy(made)
    other.public_id = "0" * 32
    assert other.page_url() == f"/payments/pay/{'0' * 32}/"


# -- "view on site" --------------------------------------------------------------------


def rows_of_every_model(shopper: Shopper) -> dict[type[models.Model], Any]:
    """A row of each model of the app, proxies too."""
    now = timezone.now()
    paid = shopper.pay(new_order(reference="R-1"))
    shopper.start(new_order())  # leaves a sealed card
    make_contract(shopper)
    new_approval(paid)
    flows.verify_card(Card(CARDS["challenge"].number, "1230", "396"))
    closing = flows.close_day(now.date() - timedelta(days=2))
    facts: dict[type[models.Model], dict[str, Any]] = {
        Discrepancy: {"order": paid, "kind": "odd", "created_at": now},
        CustomerDetails: {"order": new_order(), "data": {}},
        IdempotencyRecord: {"caller": "user:1", "key": "k", "created_at": now},
        Heartbeat: {"ended_at": now},
        SweepCursor: {"terminal": "default", "swept_at": now},
        AttemptLock: {"number": 1},
        TerminalOutage: {"terminal": "default", "since": now},
        QueuedRefund: {
            "order": paid,
            "kind": "refund",
            "amount": 1,
            "next_attempt_at": now,
            "created_at": now,
        },
        ClosingDifference: {"closing": closing, "kind": "different", "terminal": "x"},
        HostedPage: {"order": new_order(), "shop_terminal": "default"},
        NexiLink: {
            "order": new_order(),
            "expires_on": now.date(),
            "latest_day": now.date(),
            "next_try_at": now,
        },
        StaffAccess: {"kind": "viewed", "created_at": now},
        AuditEntry: {
            "number": 1,
            "source": "access",
            "source_id": 1,
            "kind": "viewed",
            "at": now,
        },
        TerminalMethods: {"terminal": "default", "asked_at": now},
        ListSettings: {"user": get_user_model().objects.create_user("list")},
    }
    found = {}
    for model in apps.get_app_config("nexi_payments").get_models():
        row = model._default_manager.order_by("pk").first()
        if row is None:
            names = {one.name for one in model._meta.concrete_fields}
            told = {k: v for k, v in facts[model].items() if k in names}
            row = model._default_manager.create(**told)
        found[model] = row
    return found


def test_view_on_site_is_a_404_for_every_model(
    shopper: Shopper, gateway: Simulator
) -> None:
    rows = rows_of_every_model(shopper)
    assert {
        "PaymentOrder",
        "PhoneOrder",
        "DailyReport",
        "ReviewQueue",
        "Operation",
        "SealedCard",
    } <= {model.__name__ for model in rows}
    boss = Clerk(name="boss")
    get_user_model().objects.filter(pk=boss.user.pk).update(is_superuser=True)
    before = picture(gateway)
    for who in (Clerk(name="plain"), Clerk(*PERMISSIONS, name="all"), boss):
        for model, row in rows.items():
            kind = ContentType.objects.get_for_model(model, for_concrete_model=False)
            answer = who.get(f"/admin/r/{kind.pk}/{row.pk}/")
            assert answer.status_code == 404, (model, who.user)
            assert "Location" not in answer.headers
    assert picture(gateway) == before


# -- what is shown ---------------------------------------------------------------------


def api_texts(answers: list[HttpResponse]) -> str:
    """API answers without the page addresses, which are what they are for."""

    def strip(value: Any) -> Any:
        if isinstance(value, dict):
            allowed = {"pay_url", "ReturnUrl"}
            return {k: strip(v) for k, v in value.items() if k not in allowed}
        if isinstance(value, list):
            return [strip(one) for one in value]
        if isinstance(value, str) and value.startswith("/payments/result/"):
            return ""  # next_action
        return value

    return "\n".join(
        json.dumps(strip(answer.json())) + str(answer.headers) for answer in answers
    )


def test_no_id_that_is_shown_opens_a_page(
    shopper: Shopper, gateway: Simulator, log_records: list[str], change_settings: Any
) -> None:
    """A shop, an API, a phone and a link payment; then everything that was said."""
    change_settings(MAILS=["receipt"])
    server = ShopServer(*{*PERMISSIONS, "add_paymentorder"})
    clerk = Clerk(*PERMISSIONS)
    texts: list[str] = []

    shop = new_order(
        reference="S-1", success_url="/thanks/", customer={"email": "g@example.com"}
    )
    shopper.pay(shop)
    answer = shopper.browser.get(f"/payments/result/{shop.public_id}/")
    assert answer["Location"] == f"/thanks/?payment={shop.order_id}"
    texts.append(answer["Location"])

    said: list[HttpResponse] = [server.post("orders/", PURCHASE)]
    payer = PayerClient(said[0].json())
    said.append(payer.pay())
    form = said[1].json()["next_action"]["fields"]
    path = form["ReturnUrl"].removeprefix(SITE)
    shopper.browser.post(
        path, gateway.answer_challenge(form["transactionId"], "approve")
    )
    said += [
        payer.get(f"checkout/{payer.id}/"),
        payer.pay(),
        server.get("orders/"),
        server.get(f"orders/{payer.id}/"),
        server.post(f"orders/{payer.id}/refund/", {"amount": "1.00"}),
        server.post(f"orders/{payer.id}/refund/", {"amount": "99.00"}),
        server.get(f"orders/{payer.id}/operations/"),
        server.post(f"orders/{payer.id}/reconcile/"),
        server.post("orders/", {**PURCHASE, "amount": "9.00"}),
        server.post(
            "moto/", {**PURCHASE, "reference": "M-1", "amount": "8.00", **card_fields()}
        ),
    ]
    assert [one.status_code for one in said] == [
        *(201, 200, 200, 200, 200, 200, 200, 409, 200, 200, 409, 201)
    ]
    assert said[0].json()["id"] == said[0].json()["order_id"] == payer.id
    assert said[-2].json()["order"] == payer.id
    texts.append(api_texts(said))

    phoned = clerk.take_phone_order(reference="T-1", amount="30.00")
    offered = payment_link.offer_link(phone_order("L-1"))
    clerk.post(result_url(offered) + "email/", email="g@example.com", language="en")
    clerk.post(result_url(phoned) + "email/", email="g@example.com", language="en")
    pages = [
        *(
            ORDERS_URL,
            ORDERS_URL + "export/",
            ORDERS_URL + "review-queue/",
            ORDERS_URL + "daily-report/",
            "/admin/",
        ),
        *(order_url(one) for one in PaymentOrder.objects.all()),
        *(f"{ORDERS_URL}{one.pk}/history/" for one in PaymentOrder.objects.all()),
        *(PHONE_ORDERS_URL, result_url(phoned), result_url(offered)),
        *(result_url(one) + "status/" for one in (phoned, offered)),
    ]
    for page in pages:
        answer = clerk.get(page)
        assert answer.status_code == 200, page
        body = b"".join(answer) if answer.streaming else answer.content
        texts += [page, body.decode()]
    assert len(mail.outbox) >= 3
    texts += [f"{one.subject} {one.body}" for one in mail.outbox]
    texts += log_records
    for model in (Event, Operation, IdempotencyRecord):
        rows = model.objects.values()
        if model is IdempotencyRecord:
            rows = [json.loads(row["body"] or "{}") for row in rows]
            rows = [
                {k: v for k, v in row.items() if k not in {"pay_url", "order"}}
                for row in rows
            ]
        texts += map(str, rows)

    everything = "\n".join(texts)
    made = list(PaymentOrder.objects.all())
    assert len(made) == 5
    for one in made:
        assert one.order_id in everything
        assert one.public_id not in everything, one.channel
    words = set(_WORD.findall(everything))
    assert {one.order_id for one in made} <= words
    assert not PaymentOrder.objects.filter(public_id__in=words).exists()
    tried = {one.order_id for one in made} | {str(one.pk) for one in made}
    tried |= {row.correlation_id for row in Operation.objects.all()}
    tried |= {row.gateway_operation_id or "x" for row in Operation.objects.all()}
    tried |= {row.idempotency_key or "x" for row in Operation.objects.all()}
    opens_nothing(tried, gateway)


def opens_nothing(ids: set[str], gateway: Simulator) -> None:
    anybody = Client(HTTP_HOST="127.0.0.1:8000")
    before = picture(gateway)
    neutral = anybody.get(f"/payments/pay/{'0' * 32}/").content
    for one in ids:
        for page in ("pay", "result", "status"):
            answer = anybody.get(f"/payments/{page}/{one}/")
            assert answer.status_code == 404, (page, one)
        assert anybody.get(f"/payments/pay/{one}/").content == neutral
        posted = post_form(anybody, f"/payments/pay/{one}/", card_fields())
        assert posted.status_code == 404
        back = anybody.post(f"/payments/return/{one}/x/", {"PaRes": "x"})
        assert back.status_code == 303
        assert anybody.get(back["Location"]).status_code == 404
    assert picture(gateway) == before


@pytest.mark.parametrize("status", [404, 429, 503])
def test_an_error_page_puts_no_address_into_the_log(
    shopper: Shopper, log_records: list[str], change_settings: Any, status: int
) -> None:
    """Django writes the address of what it answers with a 4xx or 5xx."""
    user = get_user_model().objects.create_user("owner") if status == 404 else None
    order = new_order(user=user)
    if status == 429:
        change_settings(RATE_LIMITS={"address": (1, 600), "everyone": None})
        shopper.pay(order, "declined")
    if status == 503:
        TerminalOutage.objects.create(terminal="default", since=timezone.now())
    answer = shopper.submit_card(order)
    assert answer.status_code == status
    if status == 404:
        for page in ("result", "status"):
            there = shopper.browser.get(f"/payments/{page}/{order.public_id}/")
            assert there.status_code == 404
    lines = [line for line in log_records if str(status) in line]
    assert lines
    assert order.public_id not in "\n".join(log_records)


# -- the API's id and its secret -------------------------------------------------------


def test_the_api_knows_a_payment_by_its_order_id_alone(gateway: Simulator) -> None:
    order = new_order()
    server = ShopServer("view_paymentorder", "void_payment")
    assert server.get(f"orders/{order.order_id}/").json()["id"] == order.order_id
    for one in (order.public_id, order.order_id.swapcase(), str(order.pk), "x"):
        assert_problem(server.get(f"orders/{one}/"), 404, "not_found")
        payer = PayerClient(order)
        payer.id = one
        assert_problem(payer.get(f"checkout/{one}/"), 401, "not_authenticated")
        assert_problem(payer.pay(), 401, "not_authenticated")
    assert gateway.calls == ()
    assert not IdempotencyRecord.objects.exists()


def test_the_client_secret_cannot_be_made_of_the_order_id(
    django_assert_num_queries: Any,
) -> None:
    order, other = new_order(), new_order()
    key = django_settings.SECRET_KEY
    assert client_secret(order) == _derive_secret(key, order.public_id)
    guesses = [
        *(_derive_secret(key, one) for one in (order.order_id, str(order.pk), "")),
        *(_derive_secret("", one) for one in (order.order_id, order.public_id)),
        salted_hmac("", order.order_id, secret=key).hexdigest(),
        *(client_secret(other), client_secret(order)[:-1], client_secret(order) + "A"),
        *("cs_", "cs_" + "A" * 43, order.public_id, order.order_id, "x"),
    ]
    for guess in guesses:
        payer = PayerClient({"id": order.order_id, "client_secret": guess})
        assert_problem(
            payer.get(f"checkout/{order.order_id}/"), 401, "not_authenticated"
        )
    with django_assert_num_queries(0):  # it has not the shape of one
        PayerClient({"id": order.order_id, "client_secret": "cs_guess"}).get(
            f"checkout/{order.order_id}/"
        )
    assert PayerClient(order).get_checkout()["id"] == order.order_id


READING = (
    "view_paymentorder",
    *("capture_payment", "void_payment", "refund_payment"),
    *("reconcile_payment", "cancel_capture", "resolve_review"),
)


@pytest.mark.parametrize("permission", READING)
def test_who_only_reads_gets_no_address_of_a_page(permission: str) -> None:
    order = new_order()
    server = ShopServer(permission)
    one = server.get(f"orders/{order.order_id}/")
    listed = server.get("orders/")
    assert one.json()["pay_url"] is None
    assert [row["pay_url"] for row in listed.json()["results"]] == [None]
    assert order.public_id not in (one.content + listed.content).decode()


def test_a_deed_tells_no_address_of_a_page_either(shopper: Shopper) -> None:
    order = shopper.pay(new_order())
    for server, address in (
        (ShopServer("refund_payment"), None),
        (ShopServer("refund_payment", "add_paymentorder"), order.page_url()),
        (ShopServer("refund_payment", "take_moto"), order.page_url()),
    ):
        answer = server.post(f"orders/{order.order_id}/refund/", {"amount": "1.00"})
        assert answer.json()["order"]["pay_url"] == address


# -- payment links --------------------------------------------------------------------


def test_a_payment_link_holds_no_secret_but_its_signature(shopper: Shopper) -> None:
    order = payment_link.offer_link(phone_order("L-1"))
    token = payment_links.build_url(order, SITE).rstrip("/").rpartition("/")[2]
    payload = signing.b64_decode(token.partition(":")[0].encode()).decode()
    assert json.loads(payload) == order.order_id
    way = shopper.browser.get(f"/payments/link/{token}/")
    assert way["Location"] == order.page_url()
    assert parse_form(shopper.browser.get(order.page_url())).action == ""
    forged = signing.dumps(order.order_id, salt="another")
    assert shopper.browser.get(f"/payments/link/{forged}/").status_code == 404
    assert payment_links.find_order(token, max_age=timedelta(seconds=-1)) is None
    assert order.channel == Channel.LINK
