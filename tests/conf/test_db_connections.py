"""A pooled database connection is returned during a call to Nexi."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, transaction

from nexi_payments import conf, flows
from nexi_payments.card import Card
from nexi_payments.enums import OrderState
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import Simulator
from nexi_payments.simulator.responses import Reply
from nexi_payments.simulator.server import run_in_thread
from tests.support.shopper import CARDS, new_order

pytestmark = pytest.mark.django_db(transaction=True)
PAID = CARDS["challenge"]


class Busy(Simulator):
    """During each call another thread wants a connection, and says if it got one."""

    def __init__(self) -> None:
        super().__init__()
        self.served: list[bool] = []

    def handle(self, *args: Any, **kwargs: Any) -> Reply:
        try:
            self.served.append(PaymentOrder.objects.count() >= 0)
        except Exception:
            self.served.append(False)
        finally:
            connection.close()
        return super().handle(*args, **kwargs)


@pytest.fixture
def busy(change_settings: Any) -> Iterator[Busy]:
    simulator = Busy()
    with run_in_thread(simulator) as server:
        terminal = {"API_KEY": "k", "BASE_URL": server.base_url, "MOTO": True}
        change_settings(TERMINALS={"default": terminal, "moto": terminal})
        yield simulator


@pytest.fixture
def pool_of_one() -> Iterator[None]:
    options = connection.settings_dict["OPTIONS"]
    before = dict(options)
    connection.close()
    options["pool"] = {"min_size": 1, "max_size": 1, "timeout": 2}
    try:
        yield
    finally:
        connection.close_pool()  # type: ignore[attr-defined]
        options.clear()
        options.update(before)


def take() -> PaymentOrder:
    order = new_order(terminal="moto")
    assert connection.connection is not None
    card = Card(PAID.number, PAID.expiry.replace("/", ""), PAID.cvv)
    return flows.pay_moto(order, card, cardholder="Giulia Rossi")


@pytest.mark.only_on("postgresql")
def test_one_connection_serves_who_pays_and_who_looks(
    pool_of_one: None, busy: Busy
) -> None:
    order = take()
    assert order.state == OrderState.PAID
    assert busy.served == [True]
    flows.reconcile(order)
    assert busy.served == [True, True]


@pytest.mark.only_on("postgresql")
def test_a_transaction_of_the_host_keeps_its_own(pool_of_one: None, busy: Busy) -> None:
    client = conf.client(conf.current().terminal("moto"))
    with transaction.atomic():
        order = new_order(terminal="moto")
        client.payment_methods(conf.call_context())
        assert PaymentOrder.objects.get() == order
        transaction.set_rollback(True)
    assert busy.served == [False]  # the one connection was not free
    assert PaymentOrder.objects.count() == 0


def test_without_a_pool_nothing_is_closed(busy: Busy) -> None:
    PaymentOrder.objects.count()
    mine = connection.connection
    order = take()
    assert order.state == OrderState.PAID
    assert mine is not None
    assert connection.connection is mine
