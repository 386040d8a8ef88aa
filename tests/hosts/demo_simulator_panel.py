"""Behind the scenes of the demo, under its settings with DEBUG and without."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone

from demo_shop import time_controls
from demo_shop.forms import SAMPLE_ADDRESS
from demo_shop.models import Product
from demo_shop.seed import seed
from nexi_payments import flows
from nexi_payments.models import Contract, PaymentOrder
from nexi_payments.simulator import TEST_CARDS, WORLDS, BackOffice, Lagging, Twice
from nexi_payments.testing import NexiSimulator, PaymentNotStarted, demo_clock

pytest_plugins = ["nexi_payments.testing.pytest_plugin"]
pytestmark = pytest.mark.django_db
CUSTOMER = {"name": "Giulia", "email": "g@shop.example", "terminal": "default"}
CONTROLS = {
    "/panel/cards/": {"cards": "nexi"},
    "/panel/gateway/": {"fault": "down"},
    "/panel/worlds/": {"world": "lagging"},
    "/panel/time/": {"step": "day"},
    "/tour/leave/": {},
}


@pytest.fixture(autouse=True)
def demo_settings(settings: Any) -> Iterator[None]:
    """pytest takes DEBUG away; the demo is nothing without it."""
    settings.WHITENOISE_AUTOREFRESH = True
    # six users are seeded for each test: the slow hash was most of its time
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.DEBUG = True
    yield
    demo_clock.CLOCK.stop()


@pytest.fixture
def shopper(nexi_simulator: NexiSimulator) -> Client:
    seed()
    return Client(enforce_csrf_checks=False)


def check_out(client: Client, terminal: str = "default") -> PaymentOrder:
    client.post(f"/basket/{Product.objects.earliest('pk').pk}/")
    client.post("/checkout/", {**CUSTOMER, **SAMPLE_ADDRESS, "terminal": terminal})
    return PaymentOrder.objects.latest("pk")


def page_text(client: Client, path: str = "/panel/") -> str:
    return client.get(path).content.decode()


def test_the_panel_tells_the_story_of_a_payment(
    nexi_simulator: NexiSimulator, shopper: Client
) -> None:
    assert "No payment yet" in page_text(shopper)
    payment = check_out(shopper)
    assert 'data-state="init"' in page_text(shopper)
    nexi_simulator.pay(payment, "frictionless", client=shopper)
    told = page_text(shopper)
    assert 'data-state="paid"' in told
    assert re.findall(r'class="path">([A-Z]+ [\w/]+)<', told) == [
        "POST /orders/3steps/payment",
        "POST /orders/3steps/validation",
        "POST /orders/3steps/init",
    ]
    assert told.count('class="used"') == 4
    assert '<g class="now paid">' in told
    way = "init → awaiting_3ds → validated → paying → paid"
    assert f"The way it took: {way}" in told
    assert "•••• 7289" in told
    assert "&quot;customerInfo&quot;" in told
    assert "&quot;street&quot;: &quot;Via Verdi 3&quot;" in told
    assert not [card for card in TEST_CARDS if card.number in told]
    assert "the shop was told" in told
    assert 'data-state="paid"' in page_text(shopper, f"/orders/{payment.reference}/")
    nexi_simulator.assert_no_card_data()


def test_what_has_not_changed_is_not_sent_again(shopper: Client) -> None:
    first = shopper.get("/panel/")
    same = {"If-None-Match": first["ETag"]}
    assert shopper.get("/panel/", headers=same).status_code == 304
    check_out(shopper)
    assert shopper.get("/panel/", headers=same).status_code == 200


def test_a_stranger_sees_nothing_and_staff_sees_the_newest(shopper: Client) -> None:
    payment = check_out(shopper)
    assert "No payment yet" in page_text(Client())
    staff = Client()
    assert staff.login(username="clerk", password="clerk")
    assert payment.order_id in page_text(staff)


def test_the_gateway_is_down_for_one_call(
    nexi_simulator: NexiSimulator, shopper: Client
) -> None:
    payment = check_out(shopper)
    body = {"fault": "down", "how": "once", "next": "/basket/"}
    assert shopper.post("/panel/gateway/", body)["Location"] == "/basket/"
    assert 'data-fault="down" >' in page_text(shopper, "/")
    assert 'data-fault="slow" hidden>' in page_text(shopper, "/")
    payment = nexi_simulator.pay(payment, "frictionless", client=shopper)
    assert (payment.state, payment.reason) == ("failed", "not_sent")
    assert 'data-fault="down" hidden>' in page_text(shopper, "/")
    assert "not reached" in page_text(shopper)


def test_several_worlds_at_once(nexi_simulator: NexiSimulator, shopper: Client) -> None:
    payment = check_out(shopper)
    payment = nexi_simulator.pay(payment, "frictionless", client=shopper)
    body = {"world": ["lagging", "backoffice"], "next": "/basket/"}
    assert shopper.post("/panel/worlds/", body)["Location"] == "/basket/"
    assert nexi_simulator.worlds == (Lagging(), BackOffice())
    shown = page_text(shopper, "/")
    boxes = re.findall(r'name="world" value="(\w+)"( checked)?>', shown)
    assert [name for name, _ in boxes] == list(WORLDS)
    assert [name for name, on in boxes if on] == ["lagging", "backoffice"]
    nexi_simulator.worlds = (Lagging(30, 30),)
    assert flows.refund(payment, Decimal("2.50")).outcome == "accepted"
    shopper.post("/panel/time/", {"step": "reconcile"})
    assert PaymentOrder.objects.get().refunded_amount == 0
    shopper.post("/panel/time/", {"step": "minute"})
    assert PaymentOrder.objects.get().refunded_amount == 250


def test_no_world_and_one_that_does_not_exist(
    nexi_simulator: NexiSimulator, shopper: Client
) -> None:
    shopper.post("/panel/worlds/", {"world": ["twice", "twice"]})
    assert nexi_simulator.worlds == (Twice(),)
    answer = shopper.post("/panel/worlds/", {"world": ["late", "slow"]})
    assert answer.status_code == 404
    assert nexi_simulator.worlds == (Twice(),)
    assert shopper.post("/panel/worlds/", {})["Location"] == "/"
    assert nexi_simulator.worlds == ()


def test_an_answer_lost_for_good_is_found_once_it_is_switched_off(
    nexi_simulator: NexiSimulator, shopper: Client
) -> None:
    payment = check_out(shopper)
    shopper.post("/panel/gateway/", {"fault": "lost", "how": "on"})
    nexi_simulator.pay(payment, "frictionless", client=shopper)
    shopper.post("/panel/time/", {"step": "reconcile"})
    told = page_text(shopper)
    assert 'data-state="paying"' in told
    assert "Done: payments checked: 1, without a result yet: 1" in told
    shopper.post("/panel/gateway/", {"fault": ""})
    shopper.post("/panel/time/", {"step": "reconcile"})
    told = page_text(shopper)
    assert 'data-state="paid"' in told
    assert "Done: payments checked: 1, paid: 1" in told
    assert [charge.captured for charge in nexi_simulator.charges] == [1250]
    check_out(shopper)  # what was said is about the payment before
    assert "Done: payments checked" not in page_text(shopper)


def test_a_payment_expires_when_somebody_says_so(shopper: Client) -> None:
    check_out(shopper)
    before = timezone.now()
    shopper.post("/panel/time/", {"step": "expire"})
    assert PaymentOrder.objects.get().state == "failed"
    assert PaymentOrder.objects.get().reason == "expired"
    assert timedelta(minutes=29) < timezone.now() - before < timedelta(minutes=31)
    assert "data-clock" in page_text(shopper)
    assert "Done: failed or expired: 1" in page_text(shopper)
    shopper.post("/panel/time/", {"step": "expire"})  # it has ended: a while passes
    assert timezone.now() - before > timedelta(minutes=60)


def pay_again(
    simulator: NexiSimulator, client: Client, card: str = "declined"
) -> PaymentOrder:
    """Another card for the same order."""
    client.post("/checkout/", {**CUSTOMER, **SAMPLE_ADDRESS})
    return simulator.pay(PaymentOrder.objects.latest("pk"), card, client=client)


def test_five_declines_and_a_button_that_lets_the_limit_pass(
    nexi_simulator: NexiSimulator, shopper: Client
) -> None:
    first = nexi_simulator.pay(check_out(shopper), "declined", client=shopper)
    for _ in range(3):
        assert pay_again(nexi_simulator, shopper).reason == "declined"
    assert "data-limit" not in page_text(shopper)
    assert pay_again(nexi_simulator, shopper).reason == "declined"
    told = page_text(shopper)
    assert "data-limit" in told
    assert 'form="panel-time" name="step" value="limit"' in told
    with pytest.raises(PaymentNotStarted, match="Too many attempts"):
        pay_again(nexi_simulator, shopper, "frictionless")
    assert nexi_simulator.charges == ()
    before = timezone.now()
    shopper.post("/panel/time/", {"step": "limit"})
    assert timedelta(minutes=59) < timezone.now() - before < timedelta(minutes=61)
    assert "data-limit" not in page_text(shopper)
    paid = pay_again(nexi_simulator, shopper, "frictionless")
    assert (paid.state, paid.reference) == ("paid", first.reference)
    before = timezone.now()
    shopper.post("/panel/time/", {"step": "limit"})  # there is none
    assert timezone.now() - before < timedelta(minutes=1)


def test_declines_of_other_orders_lock_nobody_out(
    nexi_simulator: NexiSimulator, shopper: Client
) -> None:
    """All who try the demo have one address, and share its logins."""
    assert shopper.login(username="shopper", password="shopper")
    for _ in range(11):  # more than a user may, by default
        visit = shopper.session
        visit.pop("order", None)
        visit.save()
        nexi_simulator.pay(check_out(shopper), "declined", client=shopper)
    assert settings.NEXI_PAYMENTS["RATE_LIMITS"]["address"] is None


def join(simulator: NexiSimulator, client: Client) -> Contract:
    assert client.login(username="shopper", password="shopper")
    client.post("/cards/join/")
    simulator.pay(PaymentOrder.objects.latest("pk"), "frictionless", client=client)
    return Contract.objects.get()


def test_a_member_sees_the_club_and_time_charges_it_again(
    nexi_simulator: NexiSimulator, shopper: Client
) -> None:
    contract = join(nexi_simulator, shopper)
    told = page_text(shopper)
    assert "No payment yet" not in told
    assert 'data-club="active"' in told
    assert "14.90 EUR on" in told
    assert 'name="step" value="charge"' in page_text(shopper, "/")
    for _ in range(29):
        shopper.post("/panel/time/", {"step": "day"})
    assert len(nexi_simulator.charges) == 1
    shopper.post("/panel/time/", {"step": "day"})
    shopper.post("/panel/time/", {"step": "minute"})
    assert [one.captured for one in nexi_simulator.charges] == [1490, 1490]
    assert [one.state for one in contract.payments.all()] == ["paid", "paid"]
    told = page_text(shopper)
    assert "charged without the customer" in told  # the newest payment
    assert "POST /orders/mit" in told
    contract.refresh_from_db()
    assert contract.next_charge_at is not None
    left = contract.next_charge_at - timezone.now()
    assert timedelta(days=29) < left < timedelta(days=30)


def test_one_button_leads_to_the_next_charge(
    nexi_simulator: NexiSimulator, shopper: Client
) -> None:
    contract = join(nexi_simulator, shopper)
    for times in (2, 3):
        shopper.post("/panel/time/", {"step": "charge"})
        assert len(nexi_simulator.charges) == times
        assert "recurring payments charged: 1" in page_text(shopper)
    shopper.post(f"/cards/{contract.contract_id}/end/")
    assert 'name="step" value="charge"' not in page_text(shopper, "/")
    started = timezone.now()
    shopper.post("/panel/time/", {"step": "charge"})
    assert timezone.now() - started < timedelta(minutes=1)
    for _ in range(31):
        shopper.post("/panel/time/", {"step": "day"})
    assert len(nexi_simulator.charges) == 3


def test_the_club_of_others_is_not_shown(
    nexi_simulator: NexiSimulator, shopper: Client
) -> None:
    join(nexi_simulator, shopper)
    assert "data-club" not in page_text(Client())
    other = Client()
    assert other.login(username="admin", password="admin")
    assert "data-club" in page_text(other)  # staff see all
    get_user_model().objects.create_user("other", password="other")
    assert other.login(username="other", password="other")
    assert "data-club" not in page_text(other)
    assert "No payment yet" in page_text(other)


def test_what_cron_does_charges_the_club_too(
    nexi_simulator: NexiSimulator, shopper: Client
) -> None:
    join(nexi_simulator, shopper)
    time_controls.run_due()
    assert len(nexi_simulator.charges) == 1
    demo_clock.advance(timedelta(days=30, minutes=1))
    time_controls.run_due()
    assert len(nexi_simulator.charges) == 2


def test_each_count_has_a_name_on_the_panel() -> None:
    counted = [
        field.name
        for counts in (flows.Counts, flows.RecurringCounts)
        for field in fields(counts)
    ]
    assert sorted(time_controls.COUNT_TEXTS) == sorted(counted)


def test_tomorrow_outlives_a_restart(
    nexi_simulator: NexiSimulator, shopper: Client
) -> None:
    started = timezone.now()
    shopper.post("/panel/time/", {"step": "day"})
    assert timezone.now() - started > timedelta(days=1)
    assert nexi_simulator.gateway.now() - started > timedelta(days=1)
    demo_clock.CLOCK.stop()
    assert timezone.now() - started < timedelta(hours=1)
    demo_clock.catch_up_with_database()
    assert timezone.now() - started > timedelta(days=1)
    demo_clock.catch_up_with_database()
    assert timezone.now() - started < timedelta(days=1, hours=1)


def test_only_authorized_and_captured_by_the_manager(
    nexi_simulator: NexiSimulator, shopper: Client
) -> None:
    payment = check_out(shopper, terminal="manual")
    payment = nexi_simulator.pay(payment, "frictionless", client=shopper)
    assert (payment.state, payment.captured_amount) == ("authorized", 0)
    assert "holds the money" in page_text(shopper, f"/orders/{payment.reference}/")
    manager = Client()
    assert manager.login(username="manager", password="manager")
    page = manager.get(f"/admin/nexi_payments/paymentorder/{payment.pk}/change/")
    assert "Capture" in page.content.decode()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/panel/gateway/", {"fault": "rain"}),
        ("/panel/time/", {"step": "yesterday"}),
        ("/panel/time/", {}),
    ],
)
def test_what_there_is_not(shopper: Client, path: str, body: dict[str, str]) -> None:
    assert shopper.post(path, body).status_code == 404
    assert demo_clock.CLOCK.offset == timedelta()


@pytest.mark.parametrize(
    "url",
    [
        "https://elsewhere.example/",
        "//elsewhere.example/",
        "nosuchview",
        "/a\nb",
        "/a\x00b",
        "\\",
    ],
)
def test_nobody_is_sent_elsewhere(shopper: Client, url: str) -> None:
    body = {"fault": "", "next": url}
    assert shopper.post("/panel/gateway/", body)["Location"] == "/"


@pytest.mark.parametrize("path", CONTROLS)
def test_controls_are_posted_with_a_token(shopper: Client, path: str) -> None:
    assert shopper.get(path).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    assert strict.post(path, CONTROLS[path]).status_code == 403


def test_the_tour_is_shown_until_it_was_seen(shopper: Client) -> None:
    assert 'class="tour"' in page_text(shopper, "/")
    assert "<h1>A tour in seven steps</h1>" in page_text(shopper, "/tour/")
    first = page_text(shopper, "/")
    assert first.count("<h1") == 1
    assert "No real money moves" in first
    assert shopper.post("/tour/leave/")["Location"] == "/"
    assert 'class="tour"' not in page_text(shopper, "/")


def test_the_cards_are_on_the_card_page_and_the_panel_beside_it(
    shopper: Client,
) -> None:
    page = shopper.get(check_out(shopper).page_url())
    shown = page.content.decode()
    assert shown.count("data-ending=") == len(TEST_CARDS)
    for card in TEST_CARDS:  # to type, where no script runs
        typed = f"<code>{card.number} {card.expiry} {card.cvv}</code>"
        assert shown.count(typed) == 1, card.ending
    assert "data-ending=" not in page_text(shopper, "/checkout/")
    assert "data-panel" in shown
    assert not re.search(r"<script(?![^>]*\ssrc=)|\sstyle=|<style|\son\w+=", shown)
    italian = shopper.get(page.request["PATH_INFO"], headers={"Accept-Language": "it"})
    assert "Rifiutata dal controllo antifrode" in italian.content.decode()


@pytest.mark.parametrize("why", ["no debug", "a real gateway"])
def test_nothing_of_it_without_debug_or_with_a_real_gateway(
    shopper: Client, settings: Any, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    payment = check_out(shopper)
    if why == "no debug":
        settings.DEBUG = False
    else:
        monkeypatch.setattr(demo_clock, "simulator_for", lambda terminal: None)
    for path, body in CONTROLS.items():
        assert shopper.post(path, body).status_code == 404, path
    for path in ("/panel/", "/tour/"):
        assert shopper.get(path).status_code == 404, path
    for path in ("/", "/basket/", payment.page_url()):
        shown = page_text(shopper, path)
        assert "simulator-panel" not in shown, path
        assert "data-fault" not in shown, path
        assert 'class="tour"' not in shown, path
    assert demo_clock.CLOCK.offset == timedelta()


# -- Nexi's hosted page ----------------------------------------------------------------


def test_other_ways_to_pay_beside_the_card_form(
    nexi_simulator: NexiSimulator, shopper: Client
) -> None:
    payment = check_out(shopper)
    page = page_text(shopper, payment.page_url())
    assert re.findall(r'name="method" value="(\w+)"', page) == [
        "PAYPAL",
        "GOOGLEPAY",
        "BANCOMATPAY",
    ]
    assert 'name="card_number"' in page


def test_the_panel_shows_the_notifications(
    nexi_simulator: NexiSimulator, shopper: Client
) -> None:
    payment = check_out(shopper)
    assert "Notifications of Nexi" not in page_text(shopper)
    shopper.post(
        payment.page_url(),
        "method=PAYPAL",
        content_type="application/x-www-form-urlencoded",
    )
    told = page_text(shopper)
    assert 'data-state="awaiting_hosted_page"' in told
    assert "Notifications of Nexi, newest first (0)" in told
    nexi_simulator.visit_hosted_page(payment, notify="twice", client=shopper)
    told = page_text(shopper)
    assert 'data-state="paid"' in told
    assert "Notifications of Nexi, newest first (2)" in told
    assert told.count("<td>EXECUTED</td><td>200</td>") == 2
    assert ", PAYPAL" in told


def test_a_switch_sends_cards_to_nexis_page(
    nexi_simulator: NexiSimulator, shopper: Client
) -> None:
    answer = shopper.post("/panel/cards/", {"cards": "nexi", "next": "/basket/"})
    assert (answer.status_code, answer["Location"]) == (302, "/basket/")
    payment = check_out(shopper)
    assert payment.terminal == "nexi_page"
    page = page_text(shopper, payment.page_url())
    assert "card_number" not in page
    assert re.findall(r'name="method" value="(\w+)"', page)[0] == "CARDS"
    # the other flows, and another visitor, keep our page
    assert check_out(shopper, "two_steps").terminal == "two_steps"
    assert check_out(Client()).terminal == "default"
    shopper.post("/panel/cards/", {"cards": "ours"})
    assert check_out(shopper).terminal == "default"
    assert shopper.post("/panel/cards/", {"cards": "theirs"}).status_code == 404
