"""The worlds of requests that come late, and of people in Nexi's back office."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from nexi_payments.simulator import BackOffice, Late, Reply, Simulator
from nexi_payments.simulator.server import run_in_thread
from nexi_payments.simulator.worlds import WorldSet
from tests.simulator.http_merchant import (
    AMOUNT,
    CAPTURED,
    HELD,
    KEY,
    HttpMerchantClient,
    executed,
    listed,
)
from tests.simulator.merchant_client import (
    MerchantClient,
    phone_order,
    purchase,
)


@pytest.fixture
def terminal(simulator: Simulator) -> Iterator[MerchantClient]:
    with run_in_thread(simulator) as server:
        yield HttpMerchantClient(simulator, server.base_url)


def test_late_after_a_lost_answer(
    terminal: MerchantClient, simulator: Simulator
) -> None:
    held = terminal.pay(purchase(), "EXPLICIT")
    simulator.worlds = (Late(2700),)
    by = WorldSet([Late(2700)]).late_by()
    assert 0 < by < 2700
    simulator.lose_next_answer("/captures")
    path = f"/operations/{held}/captures"
    assert terminal.call("POST", path, AMOUNT, KEY, documented=False).status == 0
    simulator.advance(by - 1)
    assert listed(terminal) == [HELD]
    simulator.advance(2)
    assert listed(terminal) == [HELD, CAPTURED]
    # the time of the operation is when it was due, not when somebody looked
    [one] = (simulator.record("ORDER1") or {})["post_charge"]
    assert one["made_at"] < simulator.now().isoformat()
    simulator.advance(3600)
    assert terminal.post(path, AMOUNT, KEY)["operationId"] == one["id"]
    assert executed(simulator) == [CAPTURED]


@pytest.mark.parametrize("status", [400, 401, 500, 503])
def test_late_after_an_error(
    terminal: MerchantClient, simulator: Simulator, status: int
) -> None:
    paid = terminal.pay(purchase())
    simulator.worlds = (Late(100),)
    simulator.fail_next("/refunds", status=status)
    path = f"/operations/{paid}/refunds"
    reply = terminal.call("POST", path, AMOUNT, KEY, documented=False)
    assert reply.status == status
    assert executed(simulator) == []
    simulator.advance(100)
    assert executed(simulator) == [("REFUND", "EXECUTED", "500")]


def test_late_charge_and_the_repetition_that_came_first(
    terminal: MerchantClient, simulator: Simulator
) -> None:
    ready = terminal.authenticated_payment(purchase()) | {"captureType": "EXPLICIT"}
    simulator.worlds = (Late(100),)
    simulator.faults.set_fault("lost", once=True)
    path = "/orders/3steps/payment"
    assert terminal.call("POST", path, ready, documented=False).status == 0
    assert simulator.charge_count("ORDER1") == 0
    simulator.advance(100)
    assert listed(terminal) == [HELD]
    held = ready["operationId"]
    simulator.lose_next_answer("/captures")
    capture = f"/operations/{held}/captures"
    terminal.call("POST", capture, AMOUNT, KEY, documented=False)
    terminal.post(capture, AMOUNT, KEY)
    simulator.advance(100)
    assert executed(simulator) == [CAPTURED]


def test_late_does_not_concern_a_refused_connection(simulator: Simulator) -> None:
    terminal = MerchantClient(simulator)  # a server cannot refuse what it accepted
    held = terminal.pay(purchase(), "EXPLICIT")
    simulator.worlds = (Late(100),)
    simulator.next_reply("/captures", Reply(0, fault="refused"))
    path = f"/operations/{held}/captures"
    assert terminal.call("POST", path, AMOUNT, KEY, documented=False).fault == "refused"
    simulator.advance(100)
    assert executed(simulator) == []


def test_backoffice_beside_each_request(
    terminal: MerchantClient, simulator: Simulator
) -> None:
    simulator.worlds = (BackOffice(share=1),)
    seen = []
    for number in range(8):
        name = f"O{number}"
        held = terminal.pay(purchase(order_id=name), "EXPLICIT")
        path = f"/operations/{held}/captures"
        terminal.call("POST", path, AMOUNT, {"Idempotency-Key": "ours " + name})
        record = simulator.record(name)
        assert record is not None
        made = record["post_charge"]
        assert len({one["id"] for one in made}) == len(made)
        seen.append([(one["key"][:4], one["type"], one["amount"]) for one in made])
    assert seen == [
        [("ours", "CAPTURE", "500")],
        [("", "CAPTURE", "500"), ("ours", "CAPTURE", "500")],
        [("ours", "CAPTURE", "500"), ("", "REFUND", "500")],
        [("", "REFUND", "1250")],
        [("", "CAPTURE", "500"), ("ours", "CAPTURE", "500")],
        [("ours", "CAPTURE", "500"), ("", "CAPTURE", "500")],
        [("ours", "CAPTURE", "500"), ("", "REFUND", "380")],
        [("", "REFUND", "1250")],
    ]


def test_backoffice_in_a_share_of_the_requests(
    terminal: MerchantClient, simulator: Simulator
) -> None:
    simulator.worlds = (BackOffice(share=0),)
    held = terminal.pay(purchase(), "EXPLICIT")
    terminal.post_charge(held, "captures", "500")
    assert executed(simulator) == [CAPTURED]


def test_made_at_nexi_by_a_test(terminal: MerchantClient, simulator: Simulator) -> None:
    terminal.pay(purchase(), "EXPLICIT")
    capture = simulator.make_at_nexi("ORDER1", "capture", 500)
    assert terminal.result(capture) == "EXECUTED"
    refund = simulator.make_at_nexi("ORDER1", "refund")
    rest = simulator.make_at_nexi("ORDER1", "capture")
    assert executed(simulator) == [
        CAPTURED,
        ("REFUND", "EXECUTED", "500"),
        ("CAPTURE", "EXECUTED", "750"),
    ]
    assert len({capture, refund, rest}) == 3
    terminal.pay(purchase(order_id="O2"), "EXPLICIT")
    void = simulator.make_at_nexi("O2", "void")
    assert terminal.result(void) == "VOIDED"
    for order_id, kind, amount, said in (
        ("ORDER1", "capture", None, "PS0023 already captured"),
        ("ORDER1", "refund", 751, "PS0026 invalid parameter operationId"),
        ("O2", "void", None, "PS0028 already voided"),
        ("O3", "void", None, "no void of 'O3'"),
        ("O2", "cancel", None, "no cancel of 'O2'"),
    ):
        with pytest.raises(ValueError, match=f"^{said}$"):
            simulator.make_at_nexi(order_id, kind, amount)


def test_a_reset_ends_the_world(terminal: MerchantClient, simulator: Simulator) -> None:
    simulator.worlds = (Late(100),)
    simulator.lose_next_answer("/moto")
    terminal.call("POST", "/orders/moto", phone_order(), documented=False)
    simulator.reset()
    assert len(simulator.worlds) == 0
    simulator.advance(100)
    assert terminal.get("/orders")["orders"] == []
