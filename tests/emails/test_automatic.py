"""Automatic emails: off by default, sent once, never at a payment's cost."""

from __future__ import annotations

import smtplib
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.contrib.auth import get_user_model
from django.core import mail
from django.core.exceptions import ImproperlyConfigured
from django.core.mail.backends.locmem import EmailBackend
from django.core.management import call_command
from django.utils import timezone, translation

from nexi_payments import delivery_workers, flows, outbox
from nexi_payments.conf.settings import load
from nexi_payments.emails import automatic, sending
from nexi_payments.enums import ContractKind, ContractState, OrderState
from nexi_payments.models import Contract, Event, PaymentOrder
from nexi_payments.signals import contract_activated, payment_paid
from nexi_payments.simulator import Reply, Simulator
from tests.support.contracts import MONTHLY, charge_contract, make_contract
from tests.support.in_doubt import time_travel
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)
GIULIA = {"name": "Giulia Bianchi", "email": "giulia@shop.example"}
ALL = ["receipt", "charge_failed", "card_expires"]


@pytest.fixture
def wanted(change_settings: Any) -> None:
    change_settings(MAILS=ALL, MERCHANT_NAME="Caffè Verdi")


def buy(shopper: Shopper, ending: str = "challenge", **facts: Any) -> PaymentOrder:
    facts = {"reference": "R-1", "customer": GIULIA, **facts}
    return shopper.pay(new_order(**facts), ending)


def test_without_the_setting_nobody_is_mailed(shopper: Shopper) -> None:
    order = buy(shopper)
    assert (order.state, mail.outbox) == (OrderState.PAID, [])
    assert order.events.get(kind="paid").emailed_at is None


@pytest.mark.usefixtures("wanted")
def test_a_slow_mail_server_does_not_make_a_shop_hear_twice(
    shopper: Shopper, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[int] = []

    def hear(event: Event, **more: Any) -> None:
        heard.append(event.pk)

    def slow(event: Event, order: PaymentOrder) -> bool:
        if event.kind == "paid":
            clock.shift(60)  # a worker's lease is 25 s
            outbox.deliver_due()
        return False

    payment_paid.connect(hear)
    contract_activated.connect(hear)
    monkeypatch.setattr(automatic, "notify", slow)
    with time_machine.travel(timezone.now(), tick=True) as clock:
        make_contract(shopper)
    told = Event.objects.filter(kind__in=("paid", "contract_activated")).order_by("pk")
    assert heard == [event.pk for event in told]
    assert [event.attempts for event in told] == [1, 1]
    payment_paid.disconnect(hear)
    contract_activated.disconnect(hear)


@pytest.mark.usefixtures("wanted")
def test_a_receipt(shopper: Shopper) -> None:
    buy(shopper, description="Two <b>books</b>")
    (one,) = mail.outbox
    assert (one.to, one.subject) == (["giulia@shop.example"], "Receipt for order R-1")
    assert "Paid: €12.50 (" in one.body
    assert "VISA •••• 4549" in one.body
    assert "Description: Two <b>books</b>" in one.body
    ((html, kind),) = one.alternatives
    assert kind == "text/html"
    assert "<strong>€12.50</strong>" in html
    assert "Two &lt;b&gt;books&lt;/b&gt;" in html
    assert "Caffè Verdi" in html


@pytest.mark.usefixtures("wanted")
def test_in_the_language_of_the_shopper(shopper: Shopper) -> None:
    form = shopper.start(new_order(reference="R-1", customer=GIULIA))
    back = shopper.answer_challenge(form)
    headers = {"accept-language": "el"}
    shopper.browser.post(form.path, back, headers=headers)
    (one,) = mail.outbox
    assert one.subject == "Απόδειξη για την παραγγελία R-1"
    assert '<html lang="el"' in one.alternatives[0][0]


def test_the_shop_may_say_the_language(change_settings: Any, shopper: Shopper) -> None:
    change_settings(
        MAILS=ALL, MAIL_LANGUAGE="tests.emails.test_automatic.always_italian"
    )
    buy(shopper)
    assert mail.outbox[0].subject == "Ricevuta dell'ordine R-1"


def test_a_rule_that_raises_costs_no_mail(
    change_settings: Any, shopper: Shopper
) -> None:
    change_settings(MAILS=ALL, MAIL_LANGUAGE="tests.emails.test_automatic.nowhere")
    buy(shopper)
    assert mail.outbox[0].subject == "Receipt for order R-1"


def always_italian(order: PaymentOrder) -> str:
    return "it"


@pytest.mark.usefixtures("wanted")
def test_one_receipt_for_reserved_and_booked(shopper: Shopper) -> None:
    order = buy(shopper, terminal="manual")
    assert "The amount is reserved on your card" in mail.outbox[0].body
    flows.capture(order)
    flows.reconcile(order)
    order.refresh_from_db()
    assert (order.state, len(mail.outbox)) == (OrderState.PAID, 1)


@pytest.mark.usefixtures("wanted")
def test_neither_a_decline_nor_a_nobody_is_mailed(shopper: Shopper) -> None:
    assert buy(shopper, "declined").state == OrderState.FAILED
    buy(shopper, reference="R-2", customer=None)
    assert mail.outbox == []


@pytest.mark.usefixtures("wanted")
def test_a_signal_that_is_sent_again_mails_nothing(shopper: Shopper) -> None:
    order = buy(shopper)
    event = order.events.get(kind="paid")
    assert event.emailed_at is not None
    assert delivery_workers.redeliver(event)
    # nor by somebody who has read the row before the first delivery
    event.attempts = 0
    assert not automatic.notify(event, order)
    assert len(mail.outbox) == 1


@pytest.mark.usefixtures("wanted")
def test_a_receiver_that_raises_gets_no_second_receipt_sent(shopper: Shopper) -> None:
    def broken(**kwargs: Any) -> None:
        raise RuntimeError("no shelf")

    payment_paid.connect(broken)
    try:
        order = buy(shopper)
        Event.objects.filter(kind="paid").update(deliver_at=order.created_at)
        outbox.deliver_due()
    finally:
        payment_paid.disconnect(broken)
    event = order.events.get(kind="paid")
    assert (event.attempts, event.delivered_at, len(mail.outbox)) == (2, None, 1)


class Broken(EmailBackend):
    def send_messages(self, messages: Any) -> int:
        raise smtplib.SMTPServerDisconnected("gone")


class Worse(EmailBackend):
    def send_messages(self, messages: Any) -> int:
        raise MemoryError


@pytest.mark.usefixtures("wanted")
@pytest.mark.parametrize("backend", ["Broken", "Worse"])
def test_a_mail_server_that_fails_harms_no_payment(
    settings: Any, shopper: Shopper, backend: str
) -> None:
    path = f"tests.emails.test_automatic.{backend}"
    if hasattr(settings, "MAILERS"):  # Django 6.1
        settings.MAILERS = {"default": {"BACKEND": path}}
    else:
        settings.EMAIL_BACKEND = path
    order = buy(shopper)
    event = order.events.get(kind="paid")
    assert (order.state, event.attempts) == (OrderState.PAID, 1)
    assert event.delivered_at is not None
    assert event.emailed_at is not None  # and it is not tried again


@pytest.mark.usefixtures("wanted")
def test_a_charge_the_shop_asked_for_and_the_bank_refused(
    shopper: Shopper, gateway: Simulator
) -> None:
    contract = make_contract(shopper, "mit_lost_card", reference="R-1", customer=GIULIA)
    mail.outbox.clear()
    order = flows.charge_contract(
        contract, amount=Decimal("9.00"), currency="EUR", reference="R-2"
    )
    assert order.state == OrderState.FAILED
    (one,) = mail.outbox
    assert one.to == ["giulia@shop.example"]
    assert one.subject == "We could not charge your card for R-2"
    assert "Nothing has been charged" in one.body
    assert "€9.00" in one.alternatives[0][0]


@pytest.mark.usefixtures("wanted")
@pytest.mark.parametrize(
    ("reply", "reason"),
    [(Reply(503, fault="refused"), "not_sent"), (Reply(500), "unconfirmed")],
)
def test_no_mail_blames_the_bank_for_what_it_was_not_asked(
    shopper: Shopper, gateway: Simulator, reply: Reply, reason: str
) -> None:
    contract = make_contract(shopper, reference="R-1", customer=GIULIA)
    mail.outbox.clear()
    gateway.next_reply("orders/mit", reply)
    order = flows.charge_contract(
        contract, Decimal("9.00"), "EUR", reference="R-2", wait=False
    )
    for minutes in (60, 62, 64):
        with time_travel(minutes * 60):
            flows.reconcile(order)
    order.refresh_from_db()
    assert (order.state, order.reason) == (OrderState.FAILED, reason)
    assert mail.outbox == []


def holder(**facts: Any) -> Contract:
    user = get_user_model().objects.create_user(
        facts.pop("name", "giulia"), facts.pop("email", "giulia@shop.example")
    )
    return Contract.objects.create(
        **{
            "contract_id": f"C{Contract.objects.count()}",
            "user": user,
            "terminal": "default",
            "state": ContractState.ACTIVE,
            "kind": ContractKind.UNSCHEDULED,
            "currency": "EUR",
            "card_brand": "VISA",
            "card_last4": "4549",
            "card_expiry": "0426",
            "created_at": "2026-01-01T00:00:00Z",
            **facts,
        }
    )


@pytest.mark.usefixtures("wanted")
def test_one_address_that_a_backend_chokes_on_costs_nobody_else_his_notice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Choked(Exception):
        """As backends of other packages raise: no kin of SMTPException."""

    def choke(self: EmailBackend, messages: Any) -> int:
        if messages[0].to == ["odd@shop.example"]:
            raise Choked
        return deliver(self, messages)

    deliver = EmailBackend.send_messages
    monkeypatch.setattr(EmailBackend, "send_messages", choke)
    holder(name="odd", email="odd@shop.example")
    holder()
    assert automatic.send_expiry_notices(date(2026, 4, 1)) == 1
    assert [one.to for one in mail.outbox] == [["giulia@shop.example"]]


@pytest.mark.usefixtures("wanted")
def test_a_card_that_expires_is_told_once() -> None:
    contract = holder()
    assert automatic.send_expiry_notices(date(2026, 3, 30)) == 0  # 31 days left
    assert automatic.send_expiry_notices(date(2026, 3, 31)) == 1
    (one,) = mail.outbox
    assert (one.to, one.subject) == (
        ["giulia@shop.example"],
        "Your card on file expires soon",
    )
    assert "until the end of April 2026" in one.body
    assert "VISA •••• 4549" in one.body
    assert automatic.send_expiry_notices(date(2026, 4, 1)) == 0
    # another card is another matter
    Contract.objects.filter(pk=contract.pk).update(card_expiry="0526")
    assert automatic.send_expiry_notices(date(2026, 5, 31)) == 1


@pytest.mark.usefixtures("wanted")
def test_who_is_not_told_of_an_expiry() -> None:
    day = date(2026, 4, 10)
    holder(name="past", card_expiry="0326")
    holder(name="later", card_expiry="0626")
    holder(name="ended", state=ContractState.ENDED)
    holder(name="nowhere", email="")
    plan = {"kind": ContractKind.SCHEDULED, "frequency": 30}
    holder(name="over", until=date(2026, 4, 30), **plan)
    assert automatic.send_expiry_notices(day) == 0
    holder(name="on", until=date(2026, 5, 1), **plan)
    assert automatic.send_expiry_notices(day) == 1


@pytest.mark.usefixtures("wanted")
def test_the_task() -> None:
    tasks = pytest.importorskip("nexi_payments.tasks", reason="celery is missing")
    holder(card_expiry=f"{timezone.localdate():%m%y}")
    assert [tasks.card_expiry_notices(), tasks.card_expiry_notices()] == [
        "emailed=1",
        "emailed=0",
    ]
    entry = tasks.BEAT_SCHEDULE["nexi_payments.card_expiry_notices"]
    assert (entry["task"], entry["schedule"]) == (
        tasks.card_expiry_notices.name,
        86_400,
    )


def test_the_command(change_settings: Any, capsys: Any) -> None:
    call_command("nexi_card_expiry_notices")
    assert capsys.readouterr().out == "emailed=0\n"


def test_the_setting_names_what_it_knows() -> None:
    with pytest.raises(ImproperlyConfigured, match="Did you mean 'receipt'"):
        load({"TERMINALS": {"default": {}}, "MAILS": ["reciept"]})
    with pytest.raises(ImproperlyConfigured, match="must be a list"):
        load({"TERMINALS": {"default": {}}, "MAILS": "receipt"})


@pytest.mark.parametrize("language", ["en", "it", "de", "el", "es", "fr"])
def test_each_language_has_its_own_words(language: str, change_settings: Any) -> None:
    sending.send_card_expiry_notice(
        "a@b.example", language, brand="VISA", last4="4549", expiry="0430"
    )
    (one,) = mail.outbox
    with translation.override(language):
        assert one.subject == translation.gettext("Your card on file expires soon")
    assert (one.subject == "Your card on file expires soon") == (language == "en")
    assert "2030" in one.body
    assert "4549" in one.alternatives[0][0]


def test_a_plan_that_is_put_on_hold_is_told(
    change_settings: Any, shopper: Shopper, gateway: Simulator
) -> None:
    change_settings(MAILS=["charge_failed"])
    contract = make_contract(
        shopper, "mit_lost_card", MONTHLY, reference="R-1", customer=GIULIA
    )
    Contract.objects.filter(pk=contract.pk).update(next_charge_at=contract.created_at)
    flows.charge_due()
    contract.refresh_from_db()
    assert contract.state == ContractState.SUSPENDED
    (one,) = mail.outbox  # one, though both the charge and the plan have ended badly
    subject = "We could not charge your card for your subscription Coffee, monthly"
    assert one.subject == subject
    assert "Reference: R-1/1\n" in one.body
    assert subject in one.alternatives[0][0]


def test_the_receipt_of_a_recurring_charge_names_the_subscription(
    change_settings: Any, shopper: Shopper, gateway: Simulator
) -> None:
    change_settings(MAILS=["receipt"])
    unnamed = flows.ContractTerms("", interval_days=30, amount=Decimal("9.00"))
    facts = {"customer": GIULIA}
    plans = {
        "Coffee, monthly": make_contract(
            shopper, terms=MONTHLY, reference="R-1", **facts
        ),
        "R-2": make_contract(shopper, terms=unnamed, reference="R-2", **facts),
    }
    assert [one.subject for one in mail.outbox] == [
        "Receipt for order R-1",
        "Receipt for order R-2",
    ]
    for name, contract in plans.items():
        mail.outbox.clear()
        due = Contract.objects.filter(pk=contract.pk)
        due.update(next_charge_at=contract.created_at)
        flows.charge_due()
        (one,) = mail.outbox
        assert one.subject == f"Receipt for your subscription {name}"
        assert f"Reference: {contract.reference}/1\n" in one.body
    mail.outbox.clear()
    charge_contract(plans["R-2"], "R-3")  # the shop's own charge of the same card
    (one,) = mail.outbox
    assert one.subject == "Receipt for your subscription R-2"
