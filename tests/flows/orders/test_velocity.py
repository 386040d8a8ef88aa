"""Velocity limits: failed attempts count in the database, successful ones do not.

What is sent at once, and what never ends: ``test_velocity_reservations.py``.
"""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.test import RequestFactory

from nexi_payments import conf, flows
from nexi_payments.card import Card
from nexi_payments.exceptions import CardBlocked, TooManyAttempts
from nexi_payments.flows.orders import velocity
from nexi_payments.gateway.result_codes import DeclineAdvice, decline_advice
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import Simulator
from nexi_payments.web import client_info
from tests.support.clerk import Clerk, order_from_redirect, result_url
from tests.support.contracts import make_contract
from tests.support.in_doubt import time_travel
from tests.support.shopper import CARDS, Shopper, new_order, parse_form

pytestmark = pytest.mark.django_db(transaction=True)

INIT = "POST /orders/3steps/init"


@pytest.fixture
def limits(change_settings: Any) -> Any:
    """``limits(address=(2, 60))``: only these limits."""

    def only(**given: Any) -> None:
        off = dict.fromkeys(("reference", "user", "address", "clerk", "everyone"))
        change_settings(RATE_LIMITS=off | given)

    return only


def refused(shopper: Shopper, order: PaymentOrder, ending: str = "challenge") -> Any:
    """Enters a card that is not even sent."""
    before = len(shopper.gateway.calls)
    answer = shopper.submit_card(order, ending)
    assert len(shopper.gateway.calls) == before
    return answer


def test_per_reference(limits: Any, shopper: Shopper) -> None:
    limits(reference=(2, 600))
    order = new_order(reference="R-1")
    for _ in range(2):
        shopper.pay(order, "declined")
    answer = refused(shopper, order)
    assert (answer.status_code, answer["Retry-After"]) == (429, "600")
    page = answer.content.decode()
    assert "Too many attempts" in page
    assert "Nothing has been charged." in page
    assert CARDS["challenge"].number not in page
    # another purchase is not limited, and the limit ends
    assert shopper.pay(new_order(reference="R-2")).state == "paid"
    with time_travel(601):
        assert shopper.pay(order).state == "paid"


def test_per_basket_without_a_reference(limits: Any, shopper: Shopper) -> None:
    limits(reference=(2, 600))
    order = new_order()
    for _ in range(2):
        shopper.pay(order, "declined")
    assert refused(shopper, order).status_code == 429
    assert shopper.pay(new_order()).state == "paid"


def test_per_user(limits: Any, shopper: Shopper) -> None:
    limits(user=(2, 600))
    user = get_user_model().objects.create_user("giulia")
    shopper.browser.force_login(user)
    for _ in range(2):
        shopper.pay(new_order(user=user), "declined")
    assert refused(shopper, new_order(user=user)).status_code == 429
    assert shopper.pay(new_order()).state == "paid"


def test_per_address(limits: Any, shopper: Shopper, gateway: Simulator) -> None:
    limits(address=(3, 600))
    for ending in ("declined", "lost_card", "validation_failed"):
        shopper.pay(new_order(), ending)
    assert refused(shopper, new_order()).status_code == 429
    elsewhere = Shopper(gateway, REMOTE_ADDR="198.51.100.7")
    assert elsewhere.pay(new_order()).state == "paid"


def test_without_an_address_none_is_counted(limits: Any, shopper: Shopper) -> None:
    limits(address=(1, 600))
    shopper.pay(new_order(), "declined")
    card = Card(CARDS["challenge"].number, "1230", "396")
    step = flows.start_payment(new_order(), card, actor=flows.Actor())
    assert step.order.state == "awaiting_3ds"


def test_what_went_through_or_failed_on_our_side_does_not_count(
    limits: Any, shopper: Shopper, gateway: Simulator
) -> None:
    limits(address=(2, 600), reference=(2, 600), user=(2, 600))
    order = new_order(reference="R-1")
    for _ in range(4):
        shopper.pay(new_order())
        gateway.fail_next("/init")
        shopper.submit_card(order)
    assert gateway.count(INIT) >= 8
    assert shopper.pay(order).state == "paid"


def test_two_hundred_attempts_are_a_handful_of_calls(
    change_settings: Any, gateway: Simulator
) -> None:
    """The defaults, and a visitor with forged addresses."""
    change_settings(RATE_LIMITS=None)
    order = new_order(reference="R-1")
    for place in range(200):
        visitor = Shopper(
            gateway, HTTP_X_FORWARDED_FOR=f"203.0.113.{place}, 198.51.100.{place}"
        )
        answer = visitor.submit_card(order, "declined")
        if b"ReturnUrl" in answer.content:
            form = parse_form(answer)
            visitor.return_from_issuer(form, visitor.answer_challenge(form))
    assert gateway.count(INIT) == 5


def test_one_wording_for_every_card(limits: Any, shopper: Shopper) -> None:
    """A stolen card and a wrong code show the same message."""
    limits()
    pages_ = []
    for ending in ("declined", "lost_card", "excess_reattempts"):
        order = shopper.pay(new_order(), ending)
        page = shopper.browser.get(f"/payments/result/{order.public_id}/")
        text = page.content.decode().replace(order.public_id, "")
        pages_.append(text.replace(order.order_id, "").split())
    strip = [[w for w in words if "reference" not in w][:80] for words in pages_]
    assert strip[0] == strip[1] == strip[2]


# -- excess re-attempts ---------------------------------------------------------------


def test_a_card_answered_413_is_not_tried_again(
    limits: Any, shopper: Shopper, gateway: Simulator
) -> None:
    limits()
    order = new_order(reference="R-1")
    first = shopper.pay(order, "excess_reattempts")
    assert first.response_code == "413"
    answer = refused(shopper, order, "excess_reattempts")
    assert answer.status_code == 200
    assert "The card was declined" in answer.content.decode()
    card = Card(CARDS["excess_reattempts"].number, "1230", "123")
    with pytest.raises(CardBlocked):
        flows.start_payment(first, card)
    assert shopper.pay(order).state == "paid"


def test_nor_at_the_desk(gateway: Simulator) -> None:
    clerk = Clerk("take_moto")
    order = clerk.take_phone_order("excess_reattempts")
    again = order_from_redirect(clerk.post(result_url(order) + "retry/"))
    answer = clerk.submit_card(again, "excess_reattempts")
    assert answer.status_code == 400
    assert "This card may not be tried again for this order." in answer.content.decode()
    again.refresh_from_db()
    assert (again.state, again.operations.count()) == ("init", 0)
    assert gateway.count("POST /orders/moto") == 1
    clerk.submit_card(again)
    again.refresh_from_db()
    assert again.state == "paid"


def test_the_desk_refuses_each_code_that_forbids_a_retry(gateway: Simulator) -> None:
    order = Clerk("take_moto").take_phone_order("declined")
    rows = PaymentOrder.objects.filter(pk=order.pk)
    codes = [
        f"{number:03}" for number in (*range(100, 132), *range(198, 303), 412, 413)
    ]
    advised, refused_ = set(), set()
    for code in codes:
        rows.update(response_code=code)
        if decline_advice(code) == DeclineAdvice.DO_NOT_RETRY:
            advised.add(code)
        if velocity.is_refused_at_desk(order, order.card_last4):
            refused_.add(code)
    assert refused_ == advised
    assert {"102", "201", "299", "413"} < advised
    assert not velocity.is_refused_at_desk(order, "0000")


def test_the_limits_of_shoppers_are_not_those_of_the_desk(
    change_settings: Any, gateway: Simulator
) -> None:
    one = (1, 600)
    change_settings(RATE_LIMITS=dict.fromkeys(("reference", "address", "user"), one))
    clerk = Clerk("take_moto")
    for place in range(3):
        assert (
            clerk.take_phone_order("declined", reference=f"R-{place}").state == "failed"
        )
    assert clerk.take_phone_order().state == "paid"


def test_the_error_says_which(limits: Any, shopper: Shopper) -> None:
    limits(reference=(1, 60))
    order = new_order(reference="R-1")
    failed = shopper.pay(order, "declined")
    with pytest.raises(TooManyAttempts) as error:
        flows.start_payment(failed, Card(CARDS["challenge"].number, "1230", "396"))
    assert (error.value.limit, error.value.seconds) == ("reference", 60)


# -- settings -------------------------------------------------------------------------


def test_the_defaults(change_settings: Any) -> None:
    change_settings(RATE_LIMITS=None)
    assert conf.current().rate_limits == {
        "reference": (5, 3600),
        "user": (10, 3600),
        "address": (30, 600),
        "clerk": (60, 3600),
        "everyone": (200, 600),
    }
    off = dict.fromkeys(("user", "clerk", "everyone"))
    change_settings(RATE_LIMITS=off | {"address": [3, 60]})
    assert conf.current().rate_limits == {"reference": (5, 3600), "address": (3, 60)}


@pytest.mark.parametrize(
    "value",
    [
        "on",
        {"adress": (1, 1)},
        {"address": 5},
        {"address": (0, 60)},
        {"address": (True, 60)},
        {"address": (1, 0)},
        {"address": (1, 2, 3)},
    ],
)
def test_limits_that_make_no_sense(change_settings: Any, value: Any) -> None:
    change_settings(RATE_LIMITS=value)
    with pytest.raises(ImproperlyConfigured, match="RATE_LIMITS"):
        conf.current()


@pytest.mark.parametrize(
    ("remote", "forwarded", "address"),
    [
        ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "6.6.6.6, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "203.0.113.9, 10.0.0.2", "203.0.113.9"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("198.51.100.7", "203.0.113.9", "198.51.100.7"),
        ("::1", "2001:db8::1", "2001:db8::1"),
        # ports, as Azure writes them
        ("10.0.0.1", "6.6.6.6, 203.0.113.9:52311", "203.0.113.9"),
        ("10.0.0.1", "6.6.6.6, 203.0.113.9:52311, 10.0.0.2:443", "203.0.113.9"),
        ("10.0.0.1", "[2001:db8::1]:52311", "2001:db8::1"),
        ("10.0.0.1", "[2001:db8::1]", "2001:db8::1"),
        ("10.0.0.1:4711", "203.0.113.9", "203.0.113.9"),
        # IPv4 in IPv6
        ("::ffff:10.0.0.5", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "6.6.6.6, ::ffff:203.0.113.9", "203.0.113.9"),
        ("::ffff:192.168.7.1", "203.0.113.9", "203.0.113.9"),
        ("::ffff:198.51.100.7", "203.0.113.9", "198.51.100.7"),
        ("10.0.0.1", "fe80::1%eth0", "fe80::1"),
        # what cannot be read: nothing before it is believed
        ("10.0.0.1", "rubbish", "10.0.0.1"),
        ("10.0.0.1", "6.6.6.6, unknown", "10.0.0.1"),
        ("10.0.0.1", "6.6.6.6, _hidden, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "6.6.6.6, 203.0.113.9:port", "10.0.0.1"),
        ("10.0.0.1", "6.6.6.6, 203.0.113.9:523119", "10.0.0.1"),
        ("10.0.0.1", "6.6.6.6, 203.0.113.300", "10.0.0.1"),
        ("10.0.0.1", "6.6.6.6, [2001:db8::1", "10.0.0.1"),
        ("10.0.0.1", "6.6.6.6,", "10.0.0.1"),
        # nobody speaks for a peer without an address
        ("", "203.0.113.9", None),
        ("unix:", "203.0.113.9", None),
        ("rubbish", "203.0.113.9", None),
    ],
)
def test_the_address_behind_a_proxy(
    change_settings: Any, remote: str, forwarded: str, address: str | None
) -> None:
    mapped = "::ffff:192.168.0.0/112"
    change_settings(TRUSTED_PROXIES=["10.0.0.0/8", "::1", mapped])
    request = RequestFactory().get(
        "/", REMOTE_ADDR=remote, HTTP_X_FORWARDED_FOR=forwarded
    )
    assert client_info.get_client_ip(request) == address


@pytest.mark.parametrize(
    ("remote", "forwarded", "address"),
    [
        ("", "203.0.113.9", "203.0.113.9"),
        ("", "6.6.6.6, 203.0.113.9", "203.0.113.9"),
        ("localhost", "203.0.113.9", "203.0.113.9"),  # waitress
        ("", "", None),
        ("", "6.6.6.6, rubbish", None),
        ("127.0.0.1", "203.0.113.9", "127.0.0.1"),  # not on the socket
    ],
)
def test_the_address_behind_a_proxy_on_a_unix_socket(
    change_settings: Any, remote: str, forwarded: str, address: str | None
) -> None:
    change_settings(TRUSTED_PROXIES=["unix"])
    request = RequestFactory().get(
        "/", REMOTE_ADDR=remote, HTTP_X_FORWARDED_FOR=forwarded
    )
    assert client_info.get_client_ip(request) == address


def test_a_server_without_addresses_at_all(change_settings: Any) -> None:
    """ASGI servers name no peer on a unix socket."""
    change_settings(TRUSTED_PROXIES=["unix"])
    request = RequestFactory().get("/", HTTP_X_FORWARDED_FOR="203.0.113.9")
    del request.META["REMOTE_ADDR"]
    assert client_info.get_client_ip(request) == "203.0.113.9"


@pytest.mark.parametrize(
    ("address", "network"),
    [
        (None, ""),
        ("", ""),
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::", "2001:db8:1:3::/64"),
    ],
)
def test_the_network_of_an_address(address: str | None, network: str) -> None:
    assert flows.Actor(address=address).network == network


def test_an_unknown_proxy_is_said_once(
    change_settings: Any, caplog: pytest.LogCaptureFixture, gateway: Simulator
) -> None:
    client_info._warn_once.cache_clear()
    for _ in range(2):
        request = RequestFactory().get("/", HTTP_X_FORWARDED_FOR="203.0.113.9")
        assert client_info.get_client_ip(request) == "127.0.0.1"
    assert caplog.text.count("TRUSTED_PROXIES is empty") == 1
    change_settings(TRUSTED_PROXIES=["not a network"])
    with pytest.raises(ImproperlyConfigured, match="TRUSTED_PROXIES"):
        conf.current()


def test_an_unknown_unix_socket_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    client_info._warn_without_address.cache_clear()
    for _ in range(2):
        request = RequestFactory().get("/", REMOTE_ADDR="")
        assert client_info.get_client_ip(request) is None
    assert caplog.text.count("add 'unix' to TRUSTED_PROXIES") == 1


# -- all shoppers together -------------------------------------------------------------


def test_of_everyone_refuses_guests_and_nobody_sleeps(
    limits: Any,
    shopper: Shopper,
    caplog: pytest.LogCaptureFixture,
) -> None:
    limits(everyone=(2, 600))
    shopper.pay(new_order(), "declined")
    assert shopper.pay(new_order()).state == "paid"
    shopper.pay(new_order(), "declined")
    assert "possible card testing" not in caplog.text
    order = new_order()
    started = time.monotonic()
    answer = refused(shopper, order)
    assert time.monotonic() - started < 2
    assert (answer.status_code, answer["Retry-After"]) == (429, "600")
    assert "Nothing has been charged." in answer.content.decode()
    assert "2 cards were declined" in caplog.text
    # a user with an account goes on
    user = get_user_model().objects.create_user("giulia")
    shopper.browser.force_login(user)
    assert shopper.pay(new_order(user=user)).state == "paid"
    with time_travel(601):
        assert shopper.pay(order).state == "paid"


def test_of_everyone_counts_shoppers_who_do_not_come_back(
    limits: Any, shopper: Shopper
) -> None:
    limits(everyone=(2, 600))
    for _ in range(2):
        shopper.start(new_order())
    with time_travel(299):
        shopper.start(new_order())
    with time_travel(301):
        assert refused(shopper, new_order()).status_code == 429


def test_of_everyone_is_not_of_the_desk(limits: Any, shopper: Shopper) -> None:
    limits(everyone=(1, 600))
    shopper.pay(new_order(), "declined")
    assert refused(shopper, new_order()).status_code == 429
    assert Clerk("take_moto").take_phone_order().state == "paid"


def test_declined_charges_of_cards_on_file_count_against_nobody(
    limits: Any, shopper: Shopper
) -> None:
    user = get_user_model().objects.create_user("giulia")
    shopper.browser.force_login(user)
    contract = make_contract(shopper, "mit_lost_card", user=user)
    for number in range(3):
        charge = flows.charge_contract(
            contract, Decimal("9.00"), "EUR", reference=f"S-{number}"
        )
        assert charge.reason == "declined"
    limits(user=(1, 600), everyone=(1, 600))
    order = shopper.pay(new_order(user=user))
    shopper.browser.logout()
    assert (order.state, shopper.pay(new_order()).state) == ("paid", "paid")
