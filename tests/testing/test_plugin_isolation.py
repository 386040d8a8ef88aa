"""With the plugin a test never calls Nexi, and finds card data that was left behind."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from nexi_payments import conf
from nexi_payments.exceptions import NotSent
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import TEST_CARDS, Simulator
from nexi_payments.testing import NexiSimulator, NexiWasCalled
from tests.support.shopper import new_order
from tests.testing.test_pytest_plugin import REAL

pytest_plugins = ["nexi_payments.testing.pytest_plugin"]

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.seen_on("sqlite", "postgresql"),
]


def test_terminals_are_the_shops_own_but_for_their_gateway(
    nexi_simulator: NexiSimulator, settings: Any
) -> None:
    settings.NEXI_PAYMENTS = {**REAL, "PUBLIC_URL": "http://shop.example"}
    found = conf.current()
    assert {one.name: one.simulated for one in found.terminals.values()} == {
        "default": True,
        "two": True,
        "manual": True,
        "moto": True,
    }
    assert found.terminal("two").flow == "2steps"
    assert found.terminal("moto").moto
    assert found.public_url == "https://shop.example"
    settings.NEXI_PAYMENTS = {**REAL, "PUBLIC_URL": "http://127.0.0.1:8000"}
    assert conf.current().public_url == "http://127.0.0.1:8000"
    for broken in (None, {"TERMINALS": {"default": 7}}, {**REAL, "HOLD_TLL": 1}):
        settings.NEXI_PAYMENTS = broken
        with pytest.raises(ImproperlyConfigured):
            conf.current()


def test_a_client_made_by_hand_gets_the_simulator(settings: Any) -> None:
    settings.NEXI_PAYMENTS = REAL
    terminal = conf.current().terminal("default")
    with NexiSimulator() as nexi:
        client = conf.client(terminal)
        assert client.payment_methods(conf.call_context()) != ()
        assert len(nexi.calls) == 1
    settings.NEXI_PAYMENTS = REAL
    assert not conf.current().terminal("default").simulated


def test_without_the_simulator_nexi_is_out_of_reach(settings: Any) -> None:
    settings.NEXI_PAYMENTS = REAL
    for name in ("default", "two"):
        client = conf.client(conf.current().terminal(name))
        with pytest.raises(NexiWasCalled, match="nexi_simulator"):
            client.payment_methods(conf.call_context())


def test_other_hosts_are_not_in_the_way(settings: Any) -> None:
    terminal = {"API_KEY": "k", "BASE_URL": "http://127.0.0.1:9"}
    settings.NEXI_PAYMENTS = {"TERMINALS": {"default": terminal}}
    client = conf.client(conf.current().terminal("default"))
    with pytest.raises(NotSent):
        client.payment_methods(conf.call_context())


def test_the_simulator_is_back_as_it_was() -> None:
    before = conf.simulator()
    with NexiSimulator() as nexi:
        assert conf.simulator() is nexi.gateway
    assert conf.simulator() is before
    assert isinstance(before, Simulator)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda nexi, order: nexi.pay(order, "challange"), "no test card 'challange'"),
        (lambda nexi, order: nexi.pay(order, answer="yes"), "no answer 'yes'"),
        (lambda nexi, order: nexi.lose_next_answer("payment"), "no call 'payment'"),
    ],
)
def test_a_wrong_name_says_which_there_are(
    nexi_simulator: NexiSimulator, wrong: Any, words: str
) -> None:
    with pytest.raises(ValueError, match=words + "; there are: [a-z_]+,"):
        wrong(nexi_simulator, new_order())


# -- no card data ----------------------------------------------------------------------


def test_no_card_data(nexi_simulator: NexiSimulator) -> None:
    with nexi_simulator.assert_no_card_data():
        order = nexi_simulator.pay(new_order())
        nexi_simulator.start(new_order())
    nexi_simulator.assert_no_card_data()
    PaymentOrder.objects.filter(pk=order.pk).update(description=TEST_CARDS[0].number)
    with pytest.raises(AssertionError, match=r"table nexi_payments_.*: …4549"):
        nexi_simulator.assert_no_card_data()


def test_card_data_in_a_log(nexi_simulator: NexiSimulator) -> None:
    watched = nexi_simulator.assert_no_card_data()
    watched.__enter__()
    nexi_simulator.pay(new_order())
    logging.getLogger("shop").debug("paid with %s", TEST_CARDS[0].number)
    with pytest.raises(AssertionError, match="logs: …4549"):
        watched.__exit__(None, None, None)


def test_an_error_inside_is_told_as_it_is(nexi_simulator: NexiSimulator) -> None:
    with pytest.raises(ZeroDivisionError), nexi_simulator.assert_no_card_data():
        raise ZeroDivisionError
