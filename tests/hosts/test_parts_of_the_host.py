"""Parts of the host that raise: nothing that was done is lost, and nobody sees a 500
for what had succeeded. The table in docs/host_parts.md names these tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.core import mail
from django.core.cache.backends.base import BaseCache
from django.core.mail.backends.base import BaseEmailBackend
from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models.signals import post_save, pre_save
from django.test import Client

from nexi_payments import flows
from nexi_payments.emails import automatic
from nexi_payments.enums import OrderState
from nexi_payments.models import Event, Operation, PaymentOrder, raw_sql
from nexi_payments.simulator import Simulator
from tests.support.api_clients import ALL_PERMISSIONS, PayerClient, ShopServer
from tests.support.clerk import (
    PERMISSIONS,
    Clerk,
    confirm_action,
    order_from_redirect,
    order_url,
    result_url,
)
from tests.support.shopper import Shopper, new_order

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.seen_on("sqlite"),
]
ROOT = Path(__file__).resolve().parents[2]


class MailboxFull(Exception):
    """Of an email backend: no OSError, no SMTPException."""


class Backend(BaseEmailBackend):
    def send_messages(self, messages: Any) -> int:
        raise MailboxFull


class BrokenInTheMaking(BaseEmailBackend):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise MailboxFull


class BrokenCache(BaseCache):
    def __init__(self, *args: Any) -> None:
        super().__init__({})

    def get(self, *args: Any, **kwargs: Any) -> Any:
        raise ConnectionResetError("cache")

    set = add = delete = touch = get


@pytest.fixture(params=["Backend", "BrokenInTheMaking"])
def no_email(request: Any, settings: Any) -> None:
    path = f"{__name__}.{request.param}"
    if hasattr(settings, "MAILERS"):  # Django 6.1
        settings.MAILERS = {"default": {"BACKEND": path}}
    else:
        settings.EMAIL_BACKEND = path


@pytest.mark.usefixtures("no_email")
def test_an_email_backend_with_exceptions_of_its_own(gateway: Simulator) -> None:
    clerk = Clerk("take_moto", "view_paymentorder")
    order = order_from_redirect(clerk.create_order())
    clerk.post(f"{result_url(order)}link/")
    answer = clerk.post(
        f"{result_url(order)}email/", email="c@example.org", language="en"
    )
    assert "could not be sent" in clerk.get_text(answer["Location"])
    assert not order.events.filter(kind="link_emailed").exists()


@pytest.mark.usefixtures("no_email")
def test_an_automatic_email_that_fails(change_settings: Any, shopper: Shopper) -> None:
    change_settings(MAILS=["receipt"])
    order = shopper.pay(new_order(customer={"email": "c@example.org"}))
    assert order.state == OrderState.PAID
    assert order.events.get(kind="paid").deliver_at is None  # the shop was told


def test_an_email_template_that_raises(settings: Any, tmp_path: Path) -> None:
    folder = tmp_path / "nexi_payments" / "email"
    folder.mkdir(parents=True)
    (folder / "payment_link.txt").write_text("{% load no_such_library %}")
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [str(tmp_path)]}]
    order = new_order()
    sent = flows.customer_emails.send_payment_link(
        order, "c@example.org", "en", "https://a.b/", actor=flows.Actor()
    )
    assert sent is False
    assert mail.outbox == []


def test_a_cache_that_is_away(settings: Any, shopper: Shopper) -> None:
    settings.CACHES = {"default": {"BACKEND": f"{__name__}.BrokenCache"}}
    server = ShopServer(*ALL_PERMISSIONS)
    payer = PayerClient(server.create())
    body = payer.pay().json()
    assert body["state"] == "awaiting_3ds"
    assert payer.get_checkout()["state"] == "awaiting_3ds"
    assert shopper.pay(new_order(reference="R-2")).state == OrderState.PAID


class Receiver:
    """Of the host, on one of our models."""

    def __init__(self, error: type[Exception]) -> None:
        self.error = error
        self.calls = 0

    def __call__(self, **kwargs: Any) -> None:
        self.calls += 1
        raise self.error("of the host")


@pytest.fixture(params=[pre_save, post_save], ids=["pre_save", "post_save"])
def receiver(request: Any) -> Any:
    it = Receiver(ZeroDivisionError)
    for model in (PaymentOrder, Operation, Event):
        request.param.connect(it, sender=model)
    yield it
    for model in (PaymentOrder, Operation, Event):
        request.param.disconnect(it, sender=model)


def test_a_receiver_of_djangos_signals(receiver: Receiver, shopper: Shopper) -> None:
    """They run inside our commits: of a claim, of an outcome."""
    order = shopper.pay(new_order())
    flows.refund(order)
    order.refresh_from_db()
    assert order.state == OrderState.REFUNDED
    assert receiver.calls >= 6
    kinds = list(order.events.order_by("pk").values_list("kind", flat=True))
    assert kinds[-1] == "refunded"


def test_what_a_receiver_wrote_goes_with_its_error(
    order: PaymentOrder, django_user_model: Any
) -> None:
    def writes_and_fails(**kwargs: Any) -> None:
        django_user_model.objects.create_user("twin")
        django_user_model.objects.create_user("twin")

    post_save.connect(writes_and_fails, sender=Event)
    try:
        with transaction.atomic():
            raw_sql.insert(_an_event(order))
            assert not connection.needs_rollback
    finally:
        post_save.disconnect(writes_and_fails, sender=Event)
    assert not django_user_model.objects.exists()
    assert order.events.filter(kind="link_offered").exists()


def test_a_deadlock_in_a_receiver_ends_the_transaction(order: PaymentOrder) -> None:
    """MySQL has rolled back all of it: to go on would lose the row."""
    receiver = Receiver(OperationalError)
    post_save.connect(receiver, sender=Event)
    try:
        with pytest.raises(OperationalError), transaction.atomic():
            raw_sql.insert(_an_event(order))
    finally:
        post_save.disconnect(receiver, sender=Event)
    assert not order.events.filter(kind="link_offered").exists()


def _an_event(order: PaymentOrder) -> Event:
    return Event(
        order=order,
        kind="link_offered",
        from_state=order.state,
        to_state=order.state,
        created_at=order.created_at,
    )


def test_the_admins_log_that_cannot_be_written(shopper: Shopper) -> None:
    order = shopper.pay(new_order())
    clerk = Clerk(*PERMISSIONS)
    receiver = Receiver(IntegrityError)
    pre_save.connect(receiver, sender=LogEntry)
    try:
        answer = confirm_action(
            clerk, order, "refund", amount="12.50", expected_remaining="12.50"
        )
    finally:
        pre_save.disconnect(receiver, sender=LogEntry)
    assert answer.status_code == 302
    assert receiver.calls == 1
    order.refresh_from_db()
    assert order.state == OrderState.REFUNDED
    assert "12.50" in clerk.get_text(order_url(order))


def test_a_session_backend_that_is_away(
    settings: Any, shopper: Shopper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The result page does not know the visitor; the return's token proves it."""
    user = get_user_model().objects.create_user("giulia")
    shopper.browser.force_login(user)
    order = new_order(user=user)
    form = shopper.start(order)
    cookies = shopper.browser.cookies

    def away(*args: Any, **kwargs: Any) -> Any:
        raise ConnectionResetError("sessions")

    monkeypatch.setattr("django.contrib.sessions.backends.db.SessionStore.load", away)
    browser = Client(HTTP_HOST="127.0.0.1:8000")
    browser.cookies = cookies
    answer = browser.post(form.path, shopper.answer_challenge(form))
    order.refresh_from_db()
    assert order.state == OrderState.PAID
    assert browser.get(answer["Location"]).status_code == 200
    assert browser.get(f"/payments/result/{order.public_id}/").status_code == 404


def test_a_user_model_that_raises(
    change_settings: Any, shopper: Shopper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its address is a property that asks another service."""
    change_settings(MAILS=["receipt"])
    user = get_user_model().objects.create_user("giulia")
    order = new_order(user=user, contract=flows.ContractTerms())
    contract = order.contract
    assert contract is not None
    contract.user = user

    def fails(self: Any) -> str:
        raise ConnectionResetError("directory")

    monkeypatch.setattr(type(user), "email", property(fails))
    assert automatic._owner_email(contract) == ""


@pytest.mark.parametrize(
    "names",
    [
        "NexiSimulator, CardDataScan, NexiTestMixin, NexiWasCalled, PaymentNotStarted",
        "pytest_plugin",
    ],
)
def test_the_testing_package_without_sessions_and_admin(names: str) -> None:
    script = f"""
import django
from django.conf import settings
settings.configure(
    SECRET_KEY="x", DEBUG=True, USE_TZ=True, ROOT_URLCONF="tests.hosts.minimal_urls",
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes",
                    "nexi_payments"],
    DATABASES={{"default": {{"ENGINE": "django.db.backends.sqlite3",
                            "NAME": ":memory:"}}}},
    NEXI_PAYMENTS={{"TERMINALS": {{"default": {{}}}}}},
)
django.setup()
from nexi_payments.testing import {names}
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
