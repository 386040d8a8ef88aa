"""What one payment costs, in what can be counted exactly: statements, transactions,
connections to the gateway, and calls of functions. Times are for ``make bench``.

The most that may be used of statements and transactions is what is used. Calls differ
by some per cent between Pythons and databases; the ceilings are 2.2 times those of a
bare view that inserts a row, posts, and updates it (the baseline of
``benchmarks/payment``). They were twice those before the log of calls, which scrubs two
bodies (decision 55), and the names of staff (decision 51). A clerk costs 400 more: the
name in five rows, and a limit to count.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth import get_user_model

from benchmarks.payment import counting
from benchmarks.payment.fake_gateway import GatewayHandler, GatewayServer
from nexi_payments import flows
from nexi_payments.card import Card
from nexi_payments.flows import moto as desk
from nexi_payments.models import PaymentOrder
from nexi_payments.simulator import TEST_CARDS, Simulator
from tests.support.in_doubt import inquiry_unanswered_after

pytestmark = pytest.mark.django_db(transaction=True)

ACTOR = flows.Actor(address="192.0.2.7")
CLERK = 77


@pytest.fixture(autouse=True)
def clerk() -> None:
    get_user_model().objects.create(pk=CLERK, username="clerk")


@pytest.fixture
def door(change_settings: Any) -> Iterator[GatewayServer]:
    """A gateway on a socket: what is reused is seen there alone."""
    server = GatewayServer(("127.0.0.1", 0), GatewayHandler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    terminal = {
        "API_KEY": "test",
        "ENVIRONMENT": "sandbox",
        "BASE_URL": f"http://127.0.0.1:{server.server_address[1]}",
        "THREE_DS_HOSTS": ["127.0.0.1"],
    }
    change_settings(
        TERMINALS={
            "default": terminal,
            "two": {**terminal, "FLOW": "2steps"},
            "moto": {**terminal, "MOTO": True},
        },
        RATE_LIMITS=None,  # as a shop has them
    )
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def card() -> Card:
    one = TEST_CARDS[0]
    return Card(one.number, one.expiry.replace("/", ""), one.cvv)


def by_telephone(actor: flows.Actor = ACTOR) -> PaymentOrder:
    order = desk.create_moto_order(
        amount=Decimal("12.50"),
        currency="EUR",
        reference=f"R{PaymentOrder.objects.count()}",
        terminal="moto",
        actor=actor,
    )
    return desk.pay_moto(
        order, card(), cardholder="Giulia Bianchi", allow_duplicate=True, actor=actor
    )


def by_a_clerk() -> PaymentOrder:
    return by_telephone(flows.Actor(get_user_model()(pk=CLERK), ACTOR.address))


def with_3d_secure(terminal: str) -> PaymentOrder:
    order = flows.create_order(
        amount=Decimal("12.50"),
        currency="EUR",
        reference=f"R{PaymentOrder.objects.count()}",
        terminal=terminal,
    )
    step = flows.start_payment(
        order, card(), cardholder="Giulia Bianchi", site="http://shop", actor=ACTOR
    )
    assert step.redirect is not None
    token = step.redirect.fields["ReturnUrl"].rstrip("/").rpartition("/")[2]
    return flows.resume_payment(step.order, token, pares="Y" * 600, actor=ACTOR)


def in_two_steps() -> PaymentOrder:
    return with_3d_secure("two")


def in_three_steps() -> PaymentOrder:
    return with_3d_secure("default")


#: a payment → statements (one counts the orders, for the reference), transactions,
#: calls of functions
COSTS: list[tuple[Callable[[], PaymentOrder], int, int, int]] = [
    (by_telephone, 9, 3, 8_000),
    (by_a_clerk, 10, 3, 8_400),
    (in_two_steps, 18, 5, 16_490),
    (in_three_steps, 23, 7, 20_070),
]


@pytest.mark.parametrize(("pay", "statements", "transactions", "most_calls"), COSTS)
def test_a_payment_costs_no_more_than_it_did(
    door: GatewayServer,
    pay: Callable[[], PaymentOrder],
    statements: int,
    transactions: int,
    most_calls: int,
) -> None:
    assert pay().state == "paid"  # the first opens the connection
    with counting.count_queries() as asked:
        assert pay().state == "paid"
    ours = [sql for sql in asked.statements if "COUNT(*) AS" not in sql]
    assert (len(ours), asked.transactions) == (statements, transactions)
    assert counting.count_function_calls(pay) <= most_calls


@pytest.mark.parametrize("pay", [cost[0] for cost in COSTS])
def test_one_connection_serves_all_payments(
    door: GatewayServer, pay: Callable[[], PaymentOrder]
) -> None:
    for _ in range(4):
        pay()
    assert door.connections_made <= 1  # none, where the test before has left one


def test_the_twentieth_refund_costs_what_the_first_one_did(door: GatewayServer) -> None:
    order = by_telephone()
    part = Decimal("0.10")

    def refund() -> None:
        assert flows.refund(order, part, actor=ACTOR).outcome == "done"

    with counting.count_queries() as first:
        refund()
    early = counting.count_function_calls(refund)
    for _ in range(16):
        refund()
    with counting.count_queries() as later:
        refund()
    late = counting.count_function_calls(refund)
    assert order.operations.count() == 21
    assert len(later.statements) == len(first.statements)
    # each operation before it is read in two inquiries and added up in five sums
    assert late - early <= 17 * 1_200


#: the operations of an order → statements and transactions of one inquiry that finds
#: nothing new, and of one that finds the next refund done
INQUIRIES = [(count, (4, 2), (8, 2)) for count in (1, 5, 20)]


@pytest.mark.parametrize(("operations", "unchanged", "refunded"), INQUIRIES)
def test_an_inquiry_costs_the_same_however_many_operations_there_are(
    gateway: Simulator,
    operations: int,
    unchanged: tuple[int, int],
    refunded: tuple[int, int],
) -> None:
    order = by_telephone()
    part = Decimal("0.10")
    for _ in range(operations - 1):
        assert flows.refund(order, part, actor=ACTOR).outcome == "done"
    assert order.operations.count() == operations
    flows.reconcile(order)
    with counting.count_queries() as asked:
        flows.reconcile(order)
    assert (len(asked.statements), asked.transactions) == unchanged
    inquiry_unanswered_after(gateway, "/refunds")
    assert flows.refund(order, part, actor=ACTOR).outcome == "accepted"
    with counting.count_queries() as asked:
        flows.reconcile(order)
    assert (len(asked.statements), asked.transactions) == refunded
    assert order.refunded_amount == 10 * operations


def test_the_fiftieth_payment_costs_what_the_first_one_did(door: GatewayServer) -> None:
    by_telephone()
    with counting.count_queries() as first:
        by_telephone()
    for _ in range(48):
        by_telephone()
    with counting.count_queries() as later:
        by_telephone()
    assert later.statements == first.statements
