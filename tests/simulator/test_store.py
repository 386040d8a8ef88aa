"""What the simulator keeps, for how long, and what it never keeps."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from nexi_payments.simulator import TEST_CARDS, Simulator
from tests.simulator.merchant_client import (
    MerchantClient,
    card_fields,
    idempotency_header,
    phone_order,
    purchase,
)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state.sqlite3"


def test_orders_outlive_a_restart(state: Path) -> None:
    first = MerchantClient(Simulator(state))
    paid = first.pay(purchase())
    body = {"amount": "500", "currency": "EUR"}
    path = f"/operations/{paid}/refunds"
    answer = first.post(path, body, idempotency_header("k"))
    half_way = first.authenticated_payment(purchase(order_id="ORDER2"))
    before = first.get("/orders/ORDER1")
    first.simulator.close()

    second = MerchantClient(Simulator(state))
    assert second.get("/orders/ORDER1") == before
    assert second.result(answer["operationId"]) == "EXECUTED"
    assert second.post(path, body, idempotency_header("k")) == answer
    done = second.post("/orders/3steps/payment", half_way)["operation"]
    assert done["operationResult"] == "EXECUTED"
    assert second.rejected_code("/orders/3steps/init", purchase()) == "PS0026"
    second.simulator.close()


def test_a_file_of_before_there_were_refunds(state: Path) -> None:
    terminal = MerchantClient(Simulator(state))
    paid = terminal.pay(purchase())
    with terminal.simulator.store.edit_payment(paid) as record:
        assert record is not None
        del record["post_charge"]
    path = f"/operations/{paid}/refunds"
    body = {"amount": "500", "currency": "EUR"}
    assert terminal.rejected_code(path, body) == "PS0074"
    assert (
        terminal.call(
            "POST", path.replace(paid, "1"), body, idempotency_header("k")
        ).status
        == 404
    )
    assert terminal.totals() == ("1250", "1250")
    terminal.post(path, body, idempotency_header("k"))
    with terminal.simulator.store.edit_payment(paid) as record:
        assert record is not None
        del record["post_charge"]
    assert (
        terminal.rejected_code(path, body | {"amount": "1"}, idempotency_header("k"))
        == "PS0025"
    )
    terminal.simulator.close()


def test_memory_forgets(simulator: Simulator, terminal: MerchantClient) -> None:
    terminal.init(purchase())
    simulator.reset()
    assert simulator.record("ORDER1") is None
    assert simulator.charge_of("ORDER1") is None
    assert simulator.charge_count("ORDER1") == 0
    assert simulator.calls == ()


def test_no_card_is_written_or_remembered(state: Path) -> None:
    """Every card, every road; numbers and codes that occur nowhere else."""
    terminal = MerchantClient(Simulator(state))
    code = "7531"
    for place, it in enumerate(TEST_CARDS):
        for road in ("init", "paid", "moto"):
            body = phone_order() if road == "moto" else purchase()
            body["order"]["orderId"] = f"{road}{place}"
            body["card"] = card_fields(it) | {"cvv": code}
            if road == "moto":
                terminal.call("POST", "/orders/moto", body, documented=False)
            elif road == "init" or it.ending in ("risk", "gateway_down"):
                terminal.call("POST", "/orders/3steps/init", body, documented=False)
            elif it.ending not in ("validation_failed",):
                ready = terminal.authenticated_payment(body)
                terminal.call("POST", "/orders/3steps/payment", ready, documented=False)
    files = [file for file in state.parent.iterdir() if file.name.startswith("state")]
    kept = b"".join(file.read_bytes() for file in files)
    assert "state.sqlite3-wal" in {file.name for file in files}
    assert b"434994******4549" in kept
    kept += repr(terminal.simulator.calls).encode()
    kept += repr(terminal.simulator.counts).encode()
    for it in TEST_CARDS:
        assert it.number.encode() not in kept
    # as a value: four digits in a row stand in many a random id
    for mark in (b'"', b"'"):
        assert mark + code.encode() + mark not in kept
        # as a field's name: three letters stand in a random id, too
        for name in (b"cvv", b"CVV", b"cvv2"):
            assert mark + name + mark not in kept
    terminal.simulator.close()


def test_threads_pay_an_order_once(state: Path) -> None:
    terminal = MerchantClient(Simulator(state))
    ready = terminal.authenticated_payment(purchase())
    replies = []

    def pay() -> None:
        replies.append(terminal.call("POST", "/orders/3steps/payment", ready).status)

    threads = [threading.Thread(target=pay) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(replies) == [200] + [400] * 7
    terminal.simulator.close()


def test_processes_share_a_file(state: Path) -> None:
    """Four processes refund one cent at a time: never more than was paid."""
    terminal = MerchantClient(Simulator(state))
    body = purchase()
    body["order"]["amount"] = "40"
    paid = terminal.pay(body)
    program = textwrap.dedent(
        """
        import sys, uuid
        from nexi_payments.simulator import Simulator
        simulator, won = Simulator(sys.argv[1]), 0
        url = "http://gateway.test/api/phoenix-0.0/psp/api/v1/operations/"
        for _ in range(20):
            one = str(uuid.uuid4())
            reply = simulator.handle(
                "POST",
                url + sys.argv[2] + "/refunds",
                {"X-Api-Key": "k", "Correlation-Id": one, "Idempotency-Key": one},
                b'{"amount": "1", "currency": "EUR"}',
            )
            assert reply.status in (200, 400), reply
            won += reply.status == 200
        simulator.close()
        print(won)
        """
    )
    command = [sys.executable, "-c", program, str(state), paid]
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    won = [int(process.communicate(timeout=60)[0]) for process in running]
    assert sum(won) == 40
    charge = terminal.simulator.charge_of("ORDER1")
    assert charge is not None
    assert (charge.refunded, charge.net) == (40, 0)
    terminal.simulator.close()


def test_processes_open_a_new_file_together(state: Path) -> None:
    program = textwrap.dedent(
        """
        import sys
        from nexi_payments.simulator import Simulator
        simulator = Simulator(sys.argv[1])
        assert simulator.record("ORDER1") is None
        simulator.close()
        """
    )
    command = [sys.executable, "-c", program, str(state)]
    running = [subprocess.Popen(command) for _ in range(6)]
    assert [process.wait(timeout=60) for process in running] == [0] * 6


def test_a_process_and_its_fork_share_a_file(state: Path) -> None:
    """A server that loads the project first, then forks its workers."""
    program = textwrap.dedent(
        """
        import os, sqlite3, sys
        from nexi_payments.simulator import Simulator
        simulator = Simulator(sys.argv[1])
        with simulator.store.transaction() as before:
            before.execute("INSERT INTO operations VALUES ('1', 'x', '')")
        worker = os.fork()
        with simulator.store.transaction() as db:
            assert (db is before) == bool(worker)
            row = (str(os.getpid()), "x", "")
            db.execute("INSERT INTO operations VALUES (?, ?, ?)", row)
        if not worker:
            simulator.close()
            before.execute("SELECT 1")  # still open: closing it is not the child's
            os._exit(0)
        assert os.waitpid(worker, 0)[1] == 0
        with simulator.store.transaction() as db:
            print(db.execute("SELECT count(*) FROM operations").fetchone()[0])
        """
    )
    command = [sys.executable, "-c", program, str(state)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("3\n", 0), done.stderr
