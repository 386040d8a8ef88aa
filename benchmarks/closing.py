"""How long the comparison of a large day takes, and how much memory at most.

    python benchmarks/closing.py [--operations 100000]

The day is written into both books, with ten differences, which must be found. The
gateway is the simulator in a process of its own. DATABASE_URL names the database
server; a database of its own is made there, and removed at the end.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Final

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.settings")

import django  # noqa: E402

django.setup()

from django.conf import settings  # noqa: E402
from django.test.utils import (  # noqa: E402
    override_settings,
    setup_databases,
    teardown_databases,
)

from nexi_payments import flows  # noqa: E402
from nexi_payments.flows.closing import days  # noqa: E402
from nexi_payments.simulator.store import Store  # noqa: E402
from tests.support import closing_day  # noqa: E402

DAY: Final = date(2026, 1, 15)


@contextmanager
def running_gateway(state: str) -> Iterator[str]:
    command = [sys.executable, "-m", "nexi_payments.simulator"]
    process = subprocess.Popen(
        [*command, "--port", "0", "--state", state],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # a line for each request
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().split()[1]
    finally:
        process.kill()
        process.wait()


def measure(operations: int) -> flows.DayComparison:
    """Compares once for the time, and once more for the memory, which takes longer."""
    began = time.perf_counter()
    flows.compare_day(DAY)
    seconds = time.perf_counter() - began
    tracemalloc.start()
    found = flows.compare_day(DAY)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    text = (
        f"{operations:7,} operations: {found.matched:,} matched,"
        f" {len(found.differences)} different, {seconds:.1f} s,"
        f" peak {peak / 1_000_000:.1f} MB"
    )
    print(text, flush=True)
    return found


def run(operations: int) -> None:
    databases = setup_databases(verbosity=0, interactive=False)
    try:
        with tempfile.TemporaryDirectory() as folder:
            state = str(Path(folder) / "simulator.sqlite3")
            with running_gateway(state) as base_url:
                terminal = {"API_KEY": "k", "BASE_URL": base_url, "MOTO": True}
                shop = {**settings.NEXI_PAYMENTS, "TERMINALS": {"moto": terminal}}
                with override_settings(NEXI_PAYMENTS=shop):
                    store = Store(state)
                    closing_day.fill(store, days.of(DAY), operations)
                    planted = closing_day.plant(store)
                    found = measure(operations)
                    ids = {one.order_id for one in found.differences}
                    assert ids == {one.order_id for one in planted}
                    assert len(found.differences) == len(planted)
                    store.close()
    finally:
        teardown_databases(databases, verbosity=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--operations", type=int)
    chosen = parser.parse_args().operations
    for operations in (chosen,) if chosen else (10_000, 100_000):
        run(operations)


if __name__ == "__main__":
    main()
