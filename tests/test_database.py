"""Transactions that the database ends for another's sake are done once more."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.db import OperationalError, transaction

from nexi_payments import flows, states
from nexi_payments.flows import ledger
from nexi_payments.models import Event, Operation, PaymentOrder, database, statements
from nexi_payments.simulator import Simulator
from tests.shopper import Shopper, new_order

pytestmark = pytest.mark.django_db(transaction=True)


class Postgres(Exception):
    sqlstate = "40P01"


def ended(native: Exception) -> OperationalError:
    error = OperationalError("deadlock")
    error.__cause__ = native
    return error


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database.time, "sleep", lambda seconds: None)


@pytest.mark.parametrize(
    "native", [Exception(1213, "Deadlock found"), Exception(1205, "wait"), Postgres()]
)
def test_once_more_from_the_beginning(native: Exception) -> None:
    order = new_order()
    tries = []

    def work() -> str:
        tries.append(order.state)
        PaymentOrder.objects.filter(pk=order.pk).update(looks=len(tries))
        order.state = "changed"
        if len(tries) < 3:
            raise ended(native)
        return "done"

    assert database.committed(work, order) == "done"
    assert tries == ["init"] * 3
    assert order.state == "changed"
    assert PaymentOrder.objects.get().looks == 3


def test_not_for_ever() -> None:
    tries = []

    def work() -> None:
        tries.append(1)
        raise ended(Postgres())

    with pytest.raises(OperationalError):
        database.committed(work)
    assert len(tries) == 5


@pytest.mark.parametrize("native", [Exception(2006, "server has gone away"), None])
def test_no_other_error(native: Any) -> None:
    tries = []

    def work() -> None:
        tries.append(1)
        raise ended(native)

    with pytest.raises(OperationalError):
        database.committed(work)
    assert len(tries) == 1


def test_inside_the_shops_transaction_it_is_the_shops(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tries = []

    def insert(row: PaymentOrder) -> None:
        tries.append(1)
        raise ended(Postgres())

    monkeypatch.setattr(statements, "insert", insert)
    with pytest.raises(OperationalError), transaction.atomic():
        flows.create_order(amount=Decimal(1), currency="EUR")
    assert len(tries) == 1


def test_a_payment_whose_every_commit_is_ended_once(
    shopper: Shopper, gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Claims and outcomes: nothing is sent twice, nothing is written twice."""
    for name in ("_claim", "_apply"):
        real = getattr(ledger, name)
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

        monkeypatch.setattr(ledger, name, first_ended)
    order = shopper.pay(new_order())
    assert order.state == states.PAID
    order.refresh_from_db()
    assert order.state == states.PAID
    assert gateway.count("payment") == 1
    kinds = Operation.objects.values_list("kind", "outcome", "sends")
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
    database.committed(lambda: None, order)
    assert order._state.fields_cache["details"] is None
