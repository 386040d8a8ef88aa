"""What a test can ask of the simulator: losing answers, failing, counting."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from nexi_payments.simulator import Reply, Simulator, call_log
from nexi_payments.simulator import simulator as simulator_module
from tests.simulator.merchant_client import MerchantClient, purchase


def test_an_answer_gets_lost_after_the_deed(
    terminal: MerchantClient, simulator: Simulator
) -> None:
    simulator.lose_next_answer("/init")
    assert terminal.call("GET", "/payment_methods").fault == ""
    assert terminal.call("POST", "/orders/3steps/init", purchase()).fault == "cut"
    assert terminal.get("/orders/ORDER1")["orderStatus"]["authorizedAmount"] == "0"
    assert terminal.rejected_code("/orders/3steps/init", purchase()) == "PS0026"


def test_a_planned_failure_comes_instead_of_the_deed(
    terminal: MerchantClient, simulator: Simulator
) -> None:
    simulator.fail_next("/init", body=b"{}")
    simulator.fail_next("/init", status=502, body=b"<html>", content_type="text/html")
    simulator.next_reply("/init", Reply(200, b"odd"))
    for status, body in ((500, b"{}"), (502, b"<html>"), (200, b"odd")):
        reply = terminal.call(
            "POST", "/orders/3steps/init", purchase(), documented=False
        )
        assert (reply.status, reply.body) == (status, body)
    assert terminal.call("GET", "/orders/ORDER1").status == 404
    terminal.init(purchase())


def test_calls_are_counted(terminal: MerchantClient, simulator: Simulator) -> None:
    paid = terminal.pay(purchase())
    terminal.post_charge(paid, "refunds", "500")
    terminal.get("/orders/ORDER1")
    terminal.get(f"/operations/{paid}")
    terminal.call("POST", "/orders/moto", {})
    assert dict(simulator.counts) == {
        "POST /orders/3steps/init": 1,
        "POST /orders/3steps/validation": 1,
        "POST /orders/3steps/payment": 1,
        "POST /operations/{id}/refunds": 1,
        "GET /orders/{id}": 1,
        "GET /operations/{id}": 1,
        "POST /orders/moto": 1,
    }
    assert simulator.count("payment") == 1
    assert simulator.count("POST") == 5
    assert simulator.count("captures") == 0


def test_calls_are_listed_without_bodies(
    terminal: MerchantClient, simulator: Simulator
) -> None:
    simulator.lose_next_answer("/payment")
    ready = terminal.authenticated_payment(purchase())
    terminal.call("POST", "/orders/3steps/payment", ready)
    terminal.call("POST", "/orders/3steps/payment", ready)
    terminal.get("/orders/ORDER1")
    simulator.next_reply("/payment_methods", Reply(200, b"[]"))
    terminal.call("GET", "/payment_methods", documented=False)
    seen = [
        (call.method, call.path, call.status, call.order_id, call.fault)
        for call in simulator.calls
    ]
    assert seen == [
        ("POST", "/orders/3steps/init", 200, "ORDER1", ""),
        ("POST", "/orders/3steps/validation", 200, "ORDER1", ""),
        ("POST", "/orders/3steps/payment", 200, "ORDER1", "cut"),
        ("POST", "/orders/3steps/payment", 400, "", ""),
        ("GET", "/orders/ORDER1", 200, "ORDER1", ""),
        ("GET", "/payment_methods", 200, "", ""),
    ]
    assert simulator.calls[2].operation_id == ready["operationId"]
    assert all(call.duration_ms >= 0 for call in simulator.calls)


def test_the_list_of_calls_has_an_end(
    terminal: MerchantClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_log, "MAX_CALLS", 3)
    terminal = MerchantClient(Simulator())
    for _ in range(5):
        terminal.get("/payment_methods")
    assert len(terminal.simulator.calls) == 3
    assert terminal.simulator.count("payment_methods") == 5


def test_a_slow_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    slept = [0.0]
    clock = SimpleNamespace(monotonic=lambda: sum(slept), sleep=slept.append)
    monkeypatch.setattr(simulator_module, "time", clock)
    terminal = MerchantClient(Simulator(latency=0.05))
    terminal.get("/payment_methods")
    assert slept == [0.0, 0.05]
    assert terminal.simulator.calls[0].duration_ms >= 50


def test_the_books_of_a_hold(terminal: MerchantClient, simulator: Simulator) -> None:
    held = terminal.pay(purchase(), "EXPLICIT")
    terminal.post_charge(held, "captures", "1000")
    charge = simulator.charge_of("ORDER1")
    assert charge is not None
    assert (charge.operation_id, charge.result) == (held, "AUTHORIZED")
    assert (charge.authorized, charge.captured, charge.refunded) == (1250, 1000, 0)
    assert (charge.currency, charge.voided, charge.net) == ("EUR", False, 1000)
