"""One cell: one database, one gateway. Flows alternate; the result goes out as JSON.

Started by ``python -m benchmarks.payment`` with ``DATABASE_URL`` and ``GATEWAY``.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import time
import urllib.request
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.payment.settings")

import django

django.setup()

from django.db import connection  # noqa: E402
from django.test.utils import setup_test_environment  # noqa: E402

from benchmarks.payment import counting  # noqa: E402
from benchmarks.payment.measured_flows import (  # noqa: E402
    Flow,
    WsgiClient,
    flows_to_measure,
)
from benchmarks.payment.report import quartiles  # noqa: E402
from benchmarks.payment.settings import GATEWAY  # noqa: E402
from nexi_payments.gateway import connections  # noqa: E402


def connections_made() -> int:
    """Asked of the gateway itself, on a connection it does not count."""
    with urllib.request.urlopen(GATEWAY + "/count", context=_ssl_context()) as answer:
        found: int = json.load(answer)["connections"]
    return found


def _ssl_context() -> Any:
    import ssl

    bundle = os.environ.get("REQUESTS_CA_BUNDLE")
    return ssl.create_default_context(cafile=bundle) if bundle else None


def count_resources(browser: WsgiClient, flow: Flow) -> dict[str, Any]:
    """Once, after the warm-up, without a clock."""
    before = connections_made()
    with counting.count_queries() as asked:
        flow.pay(browser)
    made = connections_made() - before
    return {
        "statements": len(asked.statements),
        "transactions": asked.transactions,
        "connections": made,
        "calls": min(
            counting.count_function_calls(lambda: flow.pay(browser)) for _ in range(3)
        ),
        "peak_kib": round(counting.peak_memory(lambda: flow.pay(browser)) / 1024, 1),
    }


def spin_ms() -> float:
    """ms that a fixed piece of work takes: how quiet the machine is."""
    started = time.perf_counter()
    sum(i * i for i in range(200_000))
    return (time.perf_counter() - started) * 1000


def run_batch(browser: WsgiClient, flow: Flow, payments: int) -> tuple[float, float]:
    """CPU ms of this process, and ms on the wall, of one payment."""
    gc.collect()
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(payments):
        flow.pay(browser)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return cpu / payments * 1000, wall / payments * 1000


def measure(rounds: int, payments: int, latency: float) -> dict[str, Any]:
    browser = WsgiClient()
    flows = flows_to_measure()
    for flow in flows:
        for _ in range(2):
            flow.pay(browser)
    # what is counted does not depend on the latency
    found: dict[str, Any] = {
        flow.name: {} if latency else count_resources(browser, flow) for flow in flows
    }
    cpu: dict[str, list[float]] = {flow.name: [] for flow in flows}
    over: dict[str, list[float]] = {flow.name: [] for flow in flows}
    spins = []
    for number in range(rounds):
        spins.append(spin_ms())
        for flow in flows[:: 1 if number % 2 else -1]:
            one, wall = run_batch(browser, flow, payments)
            cpu[flow.name].append(one)
            over[flow.name].append(wall - flow.calls * latency)
    for flow in flows:
        mine = found[flow.name]
        mine["cpu_ms"] = quartiles(cpu[flow.name])
        mine["over_ms"] = quartiles(over[flow.name])
        if flow.baseline:
            baseline = cpu[flow.baseline]
            ratios = [a / b for a, b in zip(cpu[flow.name], baseline, strict=True)]
            mine["cpu_ratio"] = quartiles(ratios)
        if flow.baseline and not latency:
            mine["calls_ratio"] = round(
                mine["calls"] / found[flow.baseline]["calls"], 2
            )
    return {"flows": found, "spin_ms": quartiles(spins)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--payments", type=int, default=20)
    parser.add_argument("--latency-ms", type=float, default=0)
    options = parser.parse_args()
    setup_test_environment()
    creation: Any = connection.creation
    creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    if bundle := os.environ.get("REQUESTS_CA_BUNDLE"):
        # the gateway's certificate is of an authority that was made for this run
        connections._adapters[os.getpid()] = connections.GatewayAdapter(
            ca_bundle=bundle
        )
    try:
        found = measure(options.rounds, options.payments, options.latency_ms)
    finally:
        creation.destroy_test_db(connection.settings_dict["NAME"], verbosity=0)
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
