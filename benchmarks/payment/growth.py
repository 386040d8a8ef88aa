"""Whether a payment costs the same with a million orders behind it.

    python -m benchmarks.payment.growth [--rows 1000000] [--keep]

DATABASE_URL names the database. The baseline's table stays small: it tells what the
machine does meanwhile. Also measures what memory a process keeps per payment.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import sys
from pathlib import Path
from typing import Any

from benchmarks.payment import report
from benchmarks.payment.__main__ import running_gateway

ROWS = (0, 10_000)


def setup_django(address: str) -> None:
    """Django, once the address of the gateway is known."""
    os.environ["GATEWAY"] = address
    os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.payment.settings"
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    import django

    django.setup()


def resident_kib() -> int:
    """KiB of this process that are in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() // 1024


def delete_all_rows() -> None:
    from django.db import connection

    from nexi_payments.models import Event, Operation, PaymentOrder
    from nexi_payments.models.sealed_card import SealedCard

    for model in (Event, SealedCard, Operation, PaymentOrder):
        model.objects.all()._raw_delete(connection.alias)


def measure_sizes(rows: tuple[int, ...]) -> list[dict[str, Any]]:
    from benchmarks.admin_pages import fill_tables
    from benchmarks.payment.measured_flows import WsgiClient, flows_to_measure
    from benchmarks.payment.report import quartiles
    from benchmarks.payment.run import run_batch

    browser = WsgiClient()
    flows = {flow.name: flow for flow in flows_to_measure()}
    chosen = ("baseline, MOTO", "ours, MOTO", "baseline, 3 steps", "ours, 3 steps")
    found = []
    for number in rows:
        delete_all_rows()
        if number:
            fill_tables(number)
        for name in chosen:
            run_batch(browser, flows[name], 3)
        cpu: dict[str, list[float]] = {name: [] for name in chosen}
        for _ in range(7):
            for name in chosen:
                cpu[name].append(run_batch(browser, flows[name], 20)[0])
        ratios = {
            name: quartiles(
                [
                    a / b
                    for a, b in zip(
                        cpu[f"ours, {name}"], cpu[f"baseline, {name}"], strict=True
                    )
                ]
            )
            for name in ("MOTO", "3 steps")
        }
        medians = {name: round(statistics.median(cpu[name]), 2) for name in chosen}
        found.append({"rows": number, "cpu_ms": medians, "ratios": ratios})
        print(found[-1], flush=True)
    return found


def measure_memory(payments: int) -> dict[str, float]:
    """Of one worker: before the first payment, after it, and growth a payment."""
    from benchmarks.payment.measured_flows import WsgiClient, flows_to_measure

    browser = WsgiClient()
    flow = next(one for one in flows_to_measure() if one.name == "ours, 3 steps")
    bare = resident_kib()
    for _ in range(200):
        flow.pay(browser)
    first = resident_kib()
    for _ in range(payments):
        flow.pay(browser)
    grown = (resident_kib() - first) / payments
    return {
        "start_mib": round(bare / 1024, 1),
        "paying_mib": round(first / 1024, 1),
        "kib_a_payment": round(grown, 2),
        "payments": payments,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--payments", type=int, default=2_000)
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    with running_gateway(0, None) as address:
        setup_django(address)
        from django.db import connection
        from django.test.utils import setup_test_environment

        setup_test_environment()
        creation: Any = connection.creation
        creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
        try:
            found = {
                "memory": measure_memory(options.payments),
                "sizes": measure_sizes((*ROWS, options.rows)),
            }
        finally:
            creation.destroy_test_db(connection.settings_dict["NAME"], verbosity=0)
    print(found["memory"])
    if options.keep:
        report.save(f"growth-{connection.vendor}", found)


if __name__ == "__main__":
    main()
