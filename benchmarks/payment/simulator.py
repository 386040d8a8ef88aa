"""How many payments a second the simulator takes: inside the process, and as a server.

    python -m benchmarks.payment.simulator [--seconds 5] [--keep]

A payment in three steps is three calls, and the bank in between. The load on the server
is as light as it can be: bytes on kept connections, from processes of their own.
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.payment import report
from nexi_payments.simulator import TEST_CARDS, Simulator

ROOT = Path(__file__).resolve().parents[2]
BASE_PATH = "/api/phoenix-0.0/psp/api/v1"
CARD = {
    "pan": TEST_CARDS[0].number,
    "expiryDate": TEST_CARDS[0].expiry.replace("/", ""),
    "cvv": TEST_CARDS[0].cvv,
}
Send = Callable[[str, dict[str, Any]], dict[str, Any]]


def new_order() -> dict[str, Any]:
    return {
        "orderId": uuid.uuid4().hex[:18],
        "amount": "1250",
        "currency": "EUR",
        "customerInfo": {"cardHolderName": "Giulia Bianchi"},
    }


def pay_moto(send: Send) -> None:
    asked = {"order": new_order(), "card": CARD, "captureType": "IMPLICIT"}
    answer = send("/orders/moto", asked)
    assert answer["operation"]["operationResult"] == "EXECUTED", answer


def payments_per_second(pay: Callable[[], object], seconds: float) -> float:
    pay()
    done, end, started = 0, time.perf_counter() + seconds, time.perf_counter()
    while time.perf_counter() < end:
        pay()
        done += 1
    return done / (time.perf_counter() - started)


def measure_in_process(state: str | None, seconds: float) -> dict[str, float]:
    simulator = Simulator(state)

    def send(path: str, body: dict[str, Any]) -> dict[str, Any]:
        headers = {"X-Api-Key": "k", "Correlation-Id": str(uuid.uuid4())}
        data = json.dumps(body).encode()
        reply = simulator.handle("POST", f"http://x{BASE_PATH}{path}", headers, data)
        found: dict[str, Any] = json.loads(reply.body)
        return found

    def in_three_steps() -> None:
        asked = {"order": new_order(), "card": CARD}
        begun = send("/orders/3steps/init", asked)["operation"]["operationId"]
        bank = simulator.answer_challenge(begun, "approve")
        proof = {"operationId": begun, "threeDSAuthResponse": bank["PaRes"]}
        result = send("/orders/3steps/validation", proof)["threeDSAuthResult"]
        proof = {name: result[name] for name in ("authenticationValue", "eci", "xid")}
        asked |= {"operationId": begun, "threeDSAuthData": proof}
        answer = send("/orders/3steps/payment", asked | {"captureType": "IMPLICIT"})
        assert answer["operation"]["operationResult"] == "EXECUTED", answer

    found = {
        "moto": payments_per_second(lambda: pay_moto(send), seconds),
        "three_steps": payments_per_second(in_three_steps, seconds),
    }
    simulator.close()
    return found


def run_load(port: int, seconds: float) -> float:
    """One kept connection; a payment after the other."""
    sock = socket.create_connection(("127.0.0.1", port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    stream = sock.makefile("rb")

    def send(path: str, body: dict[str, Any]) -> dict[str, Any]:
        data = json.dumps(body).encode()
        head = (
            f"POST {BASE_PATH}{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Api-Key: k\r\n"
            f"Correlation-Id: {uuid.uuid4()}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(data)}\r\n\r\n"
        )
        sock.sendall(head.encode() + data)
        length = 0
        while (line := stream.readline()) not in (b"\r\n", b""):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        found: dict[str, Any] = json.loads(stream.read(length))
        return found

    return payments_per_second(lambda: pay_moto(send), seconds)


def measure_server(shoppers: int, seconds: float, *options: str) -> float:
    """Payments a second of all shoppers together."""
    command = [sys.executable, "-m", "nexi_payments.simulator", "--port", "0", *options]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    try:
        port = int(process.stdout.readline().split(":")[2].split("/")[0])
        with ProcessPoolExecutor(shoppers) as pool:
            jobs = [pool.submit(run_load, port, seconds) for _ in range(shoppers)]
            return sum(job.result() for job in jobs)
    finally:
        process.kill()
        process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        memory = measure_in_process(None, options.seconds)
        on_disk = measure_in_process(f"{folder}/one.sqlite3", options.seconds)
        found = {
            "inside, in memory: MOTO": memory["moto"],
            "inside, in memory: 3 steps": memory["three_steps"],
            "inside, in a file: MOTO": on_disk["moto"],
            "inside, in a file: 3 steps": on_disk["three_steps"],
            "server, 2 connections: MOTO": measure_server(2, options.seconds),
            "server, 8 connections: MOTO": measure_server(8, options.seconds),
            "server, in a file, 8 connections: MOTO": measure_server(
                8, options.seconds, "--state", f"{folder}/two.sqlite3"
            ),
        }
    found = {name: round(value) for name, value in found.items()}
    for name, value in found.items():
        print(f"{name:42} {value:6}/s")
    if options.keep:
        report.save("simulator", found)


if __name__ == "__main__":
    main()
