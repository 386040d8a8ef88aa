"""How payments on Nexi's hosted page end: at once, late, pending, twice."""

from __future__ import annotations

import pytest

from nexi_payments.simulator import Ahead, Lagging, Simulator
from tests.simulator.merchant_client import (
    CANCEL_URL,
    RESULT_URL,
    MerchantClient,
    hosted_order,
)
from tests.simulator.test_hosted_orders import create, operations, results


@pytest.mark.parametrize(
    ("ending", "shown", "totals", "return_url"),
    [
        ("pay", ["EXECUTED"], ("1250", "1250"), RESULT_URL),
        ("decline", ["DECLINED"], ("0", "0"), RESULT_URL),
        ("cancel", ["CANCELED"], ("0", "0"), CANCEL_URL),
        ("leave", [], ("0", "0"), CANCEL_URL),
        ("close", [], ("0", "0"), ""),
        ("pay_twice", ["EXECUTED", "EXECUTED"], ("2500", "2500"), RESULT_URL),
        ("pay_late", [], ("0", "0"), ""),
        ("pending", ["PENDING"], ("0", "0"), RESULT_URL),
        ("pending_fails", ["PENDING"], ("0", "0"), RESULT_URL),
    ],
)
def test_endings(
    terminal: MerchantClient,
    simulator: Simulator,
    ending: str,
    shown: list[str],
    totals: tuple[str, str],
    return_url: str,
) -> None:
    create(terminal)
    visit = simulator.hosted.pay("ORDER1", method="PAYPAL", ending=ending)
    assert visit.return_url == return_url
    assert results(terminal) == shown
    assert terminal.totals() == totals
    assert len(set(visit.operation_ids)) == len(shown)


def test_a_late_payment_is_made_at_its_time(
    terminal: MerchantClient, simulator: Simulator
) -> None:
    create(terminal)
    simulator.hosted.pay("ORDER1", method="PAYPAL", ending="pay_late")
    simulator.advance(2 * 3600 - 1)
    assert results(terminal) == []
    simulator.advance(600)
    (operation,) = operations(terminal)
    assert operation["operationResult"] == "EXECUTED"
    assert operation["operationTime"] == "2027-01-15 14:00:00.005"
    assert simulator.charge_count("ORDER1") == 1


def test_a_late_payment_is_found_by_a_test_too(
    terminal: MerchantClient, simulator: Simulator
) -> None:
    create(terminal)
    simulator.hosted.pay("ORDER1", method="PAYPAL", ending="pay_late")
    assert simulator.charge_count("ORDER1") == 0
    simulator.advance(2 * 3600)
    assert simulator.charge_count("ORDER1") == 1


@pytest.mark.parametrize(
    ("ending", "result"), [("pending", "EXECUTED"), ("pending_fails", "FAILED")]
)
def test_pending_ends_by_itself(
    terminal: MerchantClient, simulator: Simulator, ending: str, result: str
) -> None:
    create(terminal)
    simulator.hosted.pay("ORDER1", method="MYBANK", ending=ending)
    simulator.advance(19)
    assert results(terminal) == ["PENDING"]
    simulator.advance(1)
    assert results(terminal) == [result]


@pytest.mark.parametrize(("paid", "result"), [(True, "EXECUTED"), (False, "FAILED")])
def test_pending_ends_when_asked(
    terminal: MerchantClient, simulator: Simulator, paid: bool, result: str
) -> None:
    create(terminal)
    simulator.hosted.pay("ORDER1", method="MYBANK", ending="pending")
    simulator.hosted.settle("ORDER1", paid=paid)
    assert results(terminal) == [result]
    assert simulator.charge_count("ORDER1") == int(paid)
    with pytest.raises(ValueError, match="no payment of 'ORDER1' is pending"):
        simulator.hosted.settle("ORDER1", paid=not paid)
    assert results(terminal) == [result]


def test_a_customer_may_try_again(
    terminal: MerchantClient, simulator: Simulator
) -> None:
    create(terminal)
    simulator.hosted.pay("ORDER1", method="CARDS", card="declined")
    simulator.hosted.pay("ORDER1", method="PAYPAL", ending="cancel")
    third = simulator.hosted.pay("ORDER1", method="PAYPAL")
    assert results(terminal) == ["DECLINED", "CANCELED", "EXECUTED"]
    record = simulator.record("ORDER1")
    assert record is not None
    assert record["operation_id"] == third.operation_ids[0]
    assert terminal.totals() == ("1250", "1250")
    assert len(simulator.payments("ORDER1")) == 3


def test_two_payments_are_two_charges(
    terminal: MerchantClient, simulator: Simulator
) -> None:
    create(terminal)
    first, second = simulator.hosted.pay(
        "ORDER1", method="GOOGLEPAY", ending="pay_twice"
    ).operation_ids
    terminal.post_charge(second, "refunds", "1250")
    assert simulator.charge_count("ORDER1") == 2
    assert [
        (one.operation_id, one.net, one.voided)
        for one in simulator.charges_of("ORDER1")
    ] == [(first, 1250, False), (second, 0, True)]
    assert terminal.totals() == ("1250", "1250")
    assert [one["operationId"] for one in operations(terminal)][:2] == [first, second]
    (listed,) = terminal.get("/orders")["orders"]
    assert (listed["authorizedAmount"], listed["capturedAmount"]) == ("1250", "1250")


def test_a_payment_that_shows_late(
    terminal: MerchantClient, simulator: Simulator
) -> None:
    simulator.worlds = [Lagging(30, 30)]
    create(terminal)
    simulator.hosted.pay("ORDER1", method="PAYPAL")
    assert results(terminal) == []
    assert terminal.totals() == ("0", "0")
    assert terminal.get("/orders")["orders"] == []
    assert simulator.charge_count("ORDER1") == 1
    simulator.advance(30)
    assert results(terminal) == ["EXECUTED"]
    assert terminal.totals() == ("1250", "1250")


def test_totals_ahead_of_the_list(
    terminal: MerchantClient, simulator: Simulator
) -> None:
    simulator.worlds = [Ahead(30, 30)]
    create(terminal)
    simulator.hosted.pay("ORDER1", method="PAYPAL", ending="pay_twice")
    assert results(terminal) == []
    assert terminal.totals() == ("2500", "2500")


def test_a_lost_answer_leaves_a_page_that_nobody_opens(
    terminal: MerchantClient, simulator: Simulator
) -> None:
    simulator.lose_next_answer("/orders/hpp")
    reply = terminal.call("POST", "/orders/hpp", hosted_order(), documented=False)
    assert reply.fault == "cut"
    assert terminal.call("GET", "/orders/ORDER1").status == 404
    assert terminal.rejected_code("/orders/hpp", hosted_order()) == "PS0026"
