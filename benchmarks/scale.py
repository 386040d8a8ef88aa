"""Whether anything gets slower as the tables grow: 10,000 orders, a million, five.

    DATABASE_URL=… python benchmarks/scale.py [--rows 10000 1000000 5000000] [--json f]

For each size a database is made, filled (``scale_data``), looked at and removed. Prints
ms, the indexes of each plan, what they weigh, how long they took to make, the memory of
a long export. DATABASE_URL names the server; the database has "test_" before its name.
With SQLite it is the file SQLITE_TEST_FILE.
"""

from __future__ import annotations

import argparse
import fcntl
import itertools
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.settings")

import django

django.setup()

from django.contrib.auth import get_user_model  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.db.models import QuerySet  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import (  # noqa: E402
    CaptureQueriesContext,
    setup_test_environment,
)
from django.utils import timezone  # noqa: E402

from benchmarks.database_stats import (  # noqa: E402
    blocks_read,
    indexes_in,
    memory_mib,
    query_plan,
    relation_sizes,
)
from benchmarks.scale_data import SECONDS_BETWEEN_ORDERS, fill_tables  # noqa: E402
from nexi_payments import outbox  # noqa: E402
from nexi_payments.admin import csv_export  # noqa: E402
from nexi_payments.models import PaymentOrder  # noqa: E402
from nexi_payments.models.sealed_card import SealedCard  # noqa: E402
from nexi_payments.retention import archive  # noqa: E402

ADMIN_URL: Final = "/admin/nexi_payments/paymentorder/"
FIRST_MIGRATION: Final = "0003"


def pages(rows: int) -> dict[str, str]:
    """Every page of staff, filter and search, and what a waiting shopper asks."""
    middle = PaymentOrder.objects.get(pk=rows // 2 + 1)
    filters = {
        "state=failed": "state__exact=failed",
        "state=paying": "state__exact=paying",
        "state=voided (none)": "state__exact=voided",
        "channel=moto": "channel__exact=moto",
        "terminal=moto": "terminal=moto",
        "currency=CHF": "currency=CHF",
        "today": "created=today",
        "last month": "created=last_month",
        "this year": "created=year",
        "in doubt": "in_doubt=yes",
        "refunded in part": "refunded=part",
        "failed, by phone": "state__exact=failed&channel__exact=moto",
    }
    words = {
        "order id": middle.order_id,
        "reference": middle.reference,
        "beginning": "R",
        "operation id": middle.gateway_operation_id,
        "e-mail": middle.customer_email,
        "last four": middle.card_last4,
        "nothing like it": "nothing-like-it",
    }
    week = (timezone.localdate() - timedelta(6)).isoformat()
    return {
        "list and dashboard": ADMIN_URL,
        "last page": ADMIN_URL + "?p=20",
        **{f"filter {name}": f"{ADMIN_URL}?{query}" for name, query in filters.items()},
        **{f"search {name}": f"{ADMIN_URL}?q={word}" for name, word in words.items()},
        "a payment": f"{ADMIN_URL}{middle.pk}/change/",
        "to check": ADMIN_URL + "review-queue/",
        "till, today": ADMIN_URL + "daily-report/",
        "till, a week": f"{ADMIN_URL}till/?since={week}&until={timezone.localdate()}",
        "status poll": f"/payments/status/{middle.public_id}/",
    }


def background_queries(rows: int) -> dict[str, Callable[[], object]]:
    """What runs behind: the reconciler's and the outbox's pick, an export."""
    now = timezone.now()
    old = now - timedelta(seconds=int(SECONDS_BETWEEN_ORDERS * rows * 0.9))
    due = PaymentOrder.objects.filter(next_poll_at__lte=now).order_by("next_poll_at")
    if connection.features.has_select_for_update_skip_locked:
        due = due.select_for_update(skip_locked=True)
    newest: QuerySet[PaymentOrder] = PaymentOrder.objects.all()

    def page(of: QuerySet[PaymentOrder]) -> None:
        """Two thousand lines, and the beginning of the next page."""
        for _line in itertools.islice(
            csv_export.csv_response(csv_export.order_rows(of), "x"), 2002
        ):
            pass

    return {
        "reconciler's pick": lambda: list(due[:10]),
        "outbox's pick": lambda: outbox.due_events(now),
        "held cards' pick": lambda: list(
            SealedCard.objects.filter(expires_at__lte=now)[:9]
        ),
        "export, start": lambda: page(newest),
        "export, at 90 %": lambda: page(newest.filter(created_at__lt=old)),
    }


@dataclass
class Cost:
    """Of one page: the fastest time there was, and the least CPU of this process, in ms
    (on SQLite the database is in it); the blocks that PostgreSQL looked at."""

    wall: float
    cpu: float
    blocks: int
    indexes: list[str]


def measure(action: Callable[[], object], runs: int) -> Cost:
    """After one that warms up. What others do on the machine only ever adds to it."""
    with transaction.atomic(), CaptureQueriesContext(connection) as asked:
        action()
        # the next request forgets them
        ours = [one["sql"] for one in asked.captured_queries if "nexi_" in one["sql"]]
    walls, cpus = [], []
    for _ in range(runs):
        with transaction.atomic():
            started, cpu = time.perf_counter(), time.process_time()
            action()
            walls.append((time.perf_counter() - started) * 1000)
            cpus.append((time.process_time() - cpu) * 1000)
    # a union begins with a bracket on PostgreSQL
    statements = [sql for sql in ours if "SELECT" in sql[:9]]
    used = itertools.chain(*(indexes_in(query_plan(sql)) for sql in statements))
    read = sum(blocks_read(sql) for sql in statements)
    return Cost(min(walls), min(cpus), read, sorted(set(used)))


def export_memory(lines: int = 300_000) -> list[float]:
    """MiB at the start of an export, and after each third of it."""
    stream = iter(
        csv_export.csv_response(csv_export.order_rows(PaymentOrder.objects.all()), "x")
    )
    sizes = []
    for _ in range(4):
        for _line in itertools.islice(stream, lines // 3):
            pass
        sizes.append(memory_mib())
    return [round(size, 1) for size in sizes]


def migration_times() -> dict[str, float]:
    """Seconds of each migration after ``BEFORE``, on the tables as they are."""
    call_command("migrate", "nexi_payments", FIRST_MIGRATION, verbosity=0)
    folder = Path(__file__).resolve().parent.parent / "nexi_payments/migrations"
    found = {}
    for name in sorted(file.stem for file in folder.glob("0*.py")):
        if name > FIRST_MIGRATION + "z":
            started = time.perf_counter()
            call_command("migrate", "nexi_payments", name[:4], verbosity=0)
            found[name] = round(time.perf_counter() - started, 2)
    return found


def archive_cost(orders: int = 10_000) -> dict[str, float]:
    """Seconds and MB of a file of so many orders, removed from the tables."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        before = timezone.now() - archive.MINIMUM_AGE
        outcome = archive.archive(Path(folder), before, orders)
        assert outcome is not None
        assert (outcome.removed, outcome.kept) == (orders, 0)
        seconds = time.perf_counter() - started
        size = outcome.path.stat().st_size / 1e6
    return {"seconds": round(seconds, 1), "MB": round(size, 2)}


@contextmanager
def temporary_database() -> Iterator[None]:
    creation: Any = connection.creation
    before = connection.settings_dict["NAME"]
    creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        yield
    finally:
        creation.destroy_test_db(before, verbosity=0)


@contextmanager
def exclusive_lock(lock: str | None) -> Iterator[None]:
    """For machines that several measure on: ``flock`` on the same file waits."""
    if lock is None:
        yield
        return
    with Path(lock).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def measure_size(
    rows: int, runs: int, lock: str | None, *, include_slow: bool
) -> dict[str, Any]:
    """One size: times, plans, sizes; ``slow``: export, archive and migrations, too."""
    made = fill_tables(rows)
    browser = Client(HTTP_HOST="127.0.0.1")
    user: Any = get_user_model()
    browser.force_login(user.objects.create_superuser("boss"))
    found: dict[str, Any] = {"rows": rows, "fill": made, "pages": {}}
    asks: dict[str, Callable[[], object]] = {}
    for name, path in pages(rows).items():
        asks[name] = lambda path=path: _get_page(browser, path)  # type: ignore[misc]
    with exclusive_lock(lock):
        for name, ask in {**asks, **background_queries(rows)}.items():
            found["pages"][name] = asdict(measure(ask, runs))
    found["sizes"] = relation_sizes()
    if include_slow and rows > 500_000:
        found["memory"] = export_memory()
        found["archive"] = archive_cost()
        found["migrations"] = migration_times()
    return found


def _get_page(browser: Client, path: str) -> None:
    answer = browser.get(path, follow=False)
    assert answer.status_code == 200, (path, answer.status_code)


def print_results(found: list[dict[str, Any]]) -> None:
    sizes_of = " ".join(f"{one['rows']:>22,}" for one in found)
    print(f"{connection.vendor}: ms, ms of CPU, blocks\n{'':24} {sizes_of}")
    for name in found[0]["pages"]:
        costs = [one["pages"][name] for one in found]
        cells = " ".join(
            f"{one['wall']:8.1f} {one['cpu']:6.1f} {one['blocks']:6d}" for one in costs
        )
        print(f"{name:24} {cells}   {', '.join(costs[-1]['indexes'])}")
    for one in found:
        most = sorted(one["sizes"].items(), key=lambda row: -row[1])[:12]
        slow = sorted(one["fill"].items(), key=lambda row: -row[1])[:8]
        print(f"\n{one['rows']:,} rows, {sum(one['sizes'].values()):,.0f} MB in all")
        print("MB: ", ", ".join(f"{name} {size:,.0f}" for name, size in most))
        print("s to make: ", ", ".join(f"{k or 'rows'} {v:.1f}" for k, v in slow))
        for name in ("memory", "archive", "migrations"):
            print(f"{name}: {one.get(name)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    sizes = [10_000, 1_000_000, 5_000_000]
    parser.add_argument("--rows", type=int, nargs="+", default=sizes)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--json", help="a file to keep it in")
    parser.add_argument("--lock", help="a file to lock while times are taken")
    parser.add_argument(
        "--no-migrations", action="store_true", help="nor archive and export"
    )
    options = parser.parse_args()
    slow = not options.no_migrations
    setup_test_environment()
    found = []
    for rows in options.rows:
        with temporary_database():
            found.append(
                measure_size(rows, options.runs, options.lock, include_slow=slow)
            )
            if options.json:
                Path(options.json).write_text(json.dumps(found, indent=1))
    print_results(found)


if __name__ == "__main__":
    main()
