"""Transactions that the database rolls back as deadlocks are repeated."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.apps import apps
from django.db import OperationalError, connection, transaction

from nexi_payments import flows
from nexi_payments.enums import OrderState
from nexi_payments.flows.ledger import operations
from nexi_payments.models import (
    Event,
    Operation,
    PaymentOrder,
    db_transactions,
    deadlocks,
    raw_sql,
)
from nexi_payments.simulator import Simulator
from tests.support.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


class Postgres(Exception):
    sqlstate = "40P01"


def ended(native: Exception) -> OperationalError:
    error = OperationalError("deadlock")
    error.__cause__ = native
    return error


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlocks.time, "sleep", lambda seconds: None)


@pytest.mark.parametrize(
    "native", [Exception(1213, "Deadlock found"), Exception(1205, "wait"), Postgres()]
)
def test_once_more_from_the_beginning(native: Exception) -> None:
    order = new_order()
    tries = []

    @db_transactions.retried()
    def work(order: PaymentOrder) -> str:
        tries.append(order.state)
        PaymentOrder.objects.filter(pk=order.pk).update(poll_count=len(tries))
        order.state = "changed"
        if len(tries) < 3:
            raise ended(native)
        return "done"

    assert work(order) == "done"
    assert tries == ["init"] * 3
    assert order.state == "changed"
    assert PaymentOrder.objects.get().poll_count == 3


def test_not_after_the_commit() -> None:
    """A hook of the host that meets a deadlock does not make us write twice."""
    order = new_order()
    tries = []

    def of_the_host() -> None:
        raise ended(Postgres())

    @db_transactions.retried()
    def work(order: PaymentOrder) -> None:
        tries.append(1)
        PaymentOrder.objects.filter(pk=order.pk).update(poll_count=len(tries))
        order.poll_count = len(tries)
        transaction.on_commit(of_the_host)

    with pytest.raises(OperationalError):
        work(order)
    assert tries == [1]
    assert order.poll_count == PaymentOrder.objects.get().poll_count == 1


def test_not_for_ever() -> None:
    tries = []

    @db_transactions.retried()
    def work() -> None:
        tries.append(1)
        raise ended(Postgres())

    with pytest.raises(OperationalError):
        work()
    assert len(tries) == 5


@pytest.mark.parametrize("native", [Exception(2006, "server has gone away"), None])
def test_no_other_error(native: Any) -> None:
    tries = []

    @db_transactions.retried()
    def work() -> None:
        tries.append(1)
        raise ended(native)

    with pytest.raises(OperationalError):
        work()
    assert len(tries) == 1


def test_each_model_tries_a_lone_write_again() -> None:
    ours = apps.get_app_config("nexi_payments").get_models()
    assert all(issubclass(model, deadlocks.RetryingModel) for model in ours)
    assert not hasattr(PaymentOrder.objects, "delete")  # as Django has it


@pytest.mark.parametrize("autocommit", [True, False])
def test_a_lone_write_of_a_host_that_commits_itself(
    autocommit: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without autocommit its transaction has lost the writes before this one."""
    order = new_order()
    tries = []

    def first_ended(execute: Any, *args: Any) -> Any:
        tries.append(1)
        if len(tries) == 1:
            raise ended(Postgres())
        return execute(*args)

    rows = PaymentOrder.objects.filter(pk=order.pk)
    monkeypatch.setattr(connection, "get_autocommit", lambda: autocommit)
    with connection.execute_wrapper(first_ended):
        if autocommit:
            assert rows.update(poll_count=7) == 1
        else:
            with pytest.raises(OperationalError):
                rows.update(poll_count=7)
    assert len(tries) == 1 + autocommit


def test_inside_the_shops_transaction_it_is_the_shops(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tries = []

    def insert(row: PaymentOrder) -> None:
        tries.append(1)
        raise ended(Postgres())

    monkeypatch.setattr(raw_sql, "insert", insert)
    with pytest.raises(OperationalError), transaction.atomic():
        flows.create_order(amount=Decimal(1), currency="EUR")
    assert len(tries) == 1


def test_a_payment_whose_every_commit_is_ended_once(
    shopper: Shopper, gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Claims and outcomes: nothing is sent or written twice."""
    for name in ("_claim_order", "_update_order"):
        real = getattr(operations, name)
        seen: set[int] = set()

        def first_ended(
            order: PaymentOrder,
            what: Any,
            *args: Any,
            real: Any = real,
            seen: Any = seen,
        ) -> Any:
            done = real(order, what, *args)
            if id(what) not in seen:
                seen.add(id(what))
                raise ended(Postgres())
            return done

        monkeypatch.setattr(operations, name, first_ended)
    order = shopper.pay(new_order())
    assert order.state == OrderState.PAID
    order.refresh_from_db()
    assert order.state == OrderState.PAID
    assert gateway.count("payment") == 1
    kinds = Operation.objects.values_list("kind", "outcome", "send_count")
    assert list(kinds) == [
        ("authentication", "done", 1),
        ("validation", "done", 1),
        ("payment", "done", 1),
    ]
    walk = Event.objects.order_by("pk").values_list("to_state", flat=True)
    assert list(walk) == ["awaiting_3ds", "validated", "paying", "paid"]


def test_relations_that_were_looked_up_are_not_looked_up_again(
    order: PaymentOrder,
) -> None:
    order._state.fields_cache["details"] = None
    db_transactions.retried()(lambda row: None)(order)
    assert order._state.fields_cache["details"] is None
