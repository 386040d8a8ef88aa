"""``python -m tests.histories``: play, settle, judge, send all POSTs again.

Prints the figures and every breach; exit 1 when there is one. ``--only`` plays single
histories of a seed again.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any, Final

import requests

from tests.histories import database, database_faults, processes, worlds
from tests.histories.database_faults import DatabaseFault
from tests.histories.http_clients import Browser, RunLog, Shopper
from tests.support.servers import free_port

#: ``--world`` that the seed draws
_DRAWN: Final = "drawn"


def main() -> None:
    options = _options()
    if reason := database_faults.why_not(options.database, options.db):
        print(f"skipped: {reason}")
        return
    folder = Path(tempfile.mkdtemp(prefix="histories-"))
    url = database.fresh_database(options.db, folder)
    if options.world == _DRAWN:
        [options.world] = worlds.draw(options.seed, 1)
    told = f"{options.n} histories of {options.world}"
    print(f"seed {options.seed}, {told}, {url}, {folder}", flush=True)
    dice = random.Random(options.seed)
    env = processes.environment(folder, url, options.atomic)
    env["HISTORIES_RECEIVERS"] = "" if options.tame else options.seed
    fault = DatabaseFault(options.database, url, options.seed)
    with (
        processes.gateway(
            options.seed,
            folder,
            world=options.world,
            settle=processes.SETTLE,
            watch=processes.WATCH,
        ) as gateway,
        fault.prepared(folder),
    ):
        port = free_port()
        env["NEXI_BASE_URL"] = f"{gateway}/api/phoenix-0.0/psp/api/v1"
        env["NEXI_PUBLIC_URL"] = f"http://127.0.0.1:{port}"
        os.environ.update(env)
        os.environ["PGOPTIONS"] = database_faults.RUNNER_OPTIONS
        os.environ["LOG_LEVEL"] = "ERROR"  # the judge's, not the shop's
        people = database.create_tables_and_clerks(), database.create_members(8)
        shop = processes.Shop(env | fault.env, folder, port, dice)
        shop.start()
        try:
            broken = _run(options, shop, gateway, people, folder, fault)
        finally:
            shop.stop()
    for line in sorted(broken)[:50]:
        print("BROKEN", line)
    print(f"{len(broken)} broken")
    if not broken:
        database.drop(options.db, url)
        shutil.rmtree(folder)
    sys.exit(bool(broken))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.histories")
    parser.add_argument("-n", type=int, default=300, help="how many histories")
    parser.add_argument("--seed", default=str(random.SystemRandom().randrange(10**6)))
    parser.add_argument("--db", default="sqlite", help="sqlite, or a database URL")
    parser.add_argument("--atomic", action="store_true", help="ATOMIC_REQUESTS")
    database_faults.add_option(parser)
    parser.add_argument("--hosted", action="store_true", help="Nexi's hosted page only")
    parser.add_argument("--at-once", type=int, default=24)
    parser.add_argument(
        "--kill-every", type=float, default=1.0, help="seconds; 0 never"
    )
    parser.add_argument(
        "--world",
        type=lambda text: text if text == _DRAWN else worlds.parse(text),
        default=worlds.PLAIN,
        help=f"what Nexi does: lagging,pending; {_DRAWN}: by the seed",
    )
    parser.add_argument("--tame", action="store_true", help="no odd receiver")
    parser.add_argument("--only", help="the numbers of histories to play, 17,42")
    return parser.parse_args()


def _run(
    options: argparse.Namespace,
    shop: processes.Shop,
    gateway: str,
    people: tuple[list[dict[str, str]], list[dict[str, str]]],
    folder: Path,
    fault: DatabaseFault,
) -> list[str]:
    from tests.histories import contract_invariants, invariants, quiescence

    log = RunLog(fault=fault.name)
    started = time.monotonic()
    idle = _IdleTransactionWatch(fault.url)
    with shop.killing_workers(options.kill_every or 1e9), idle, fault.coming():
        broken = _play(options, shop.site, gateway, people, log)
    played = time.monotonic() - started
    broken += idle.found
    broken += invariants.sealed_cards_opened()
    requests.get(f"{gateway}/control/faults?posts=0&gets=0", timeout=30)
    shop.stop_charging()
    quiescence.wait_until_settled()
    if options.world != worlds.PLAIN:
        quiescence.compare_with_nexi(gateway)
    rested = time.monotonic() - started - played
    books = requests.get(f"{gateway}/control/books", timeout=60).json()
    broken += invariants.find_violations(books, log)
    broken += contract_invariants.find_violations(books, log, options.world)
    broken += _replay_posts(shop.site, gateway, log, books)
    broken += invariants.card_numbers_in(_files_and_dump(fault.url, folder))
    _report(shop, log, books, played, rested)
    if fault.name:
        print(f"{fault.name}: {fault.count} times, {log.failed} pages failed")
    return broken


def _play(
    options: argparse.Namespace,
    site: str,
    gateway: str,
    people: tuple[list[dict[str, str]], list[dict[str, str]]],
    log: RunLog,
) -> list[str]:
    from tests.histories.scenarios import History

    numbers = range(1, options.n + 1)
    if options.only:
        numbers = [int(one) for one in options.only.split(",")]  # type: ignore[assignment]
    clerks, members = people
    broken: list[str] = []
    with ThreadPoolExecutor(options.at_once) as pool:
        plays = {
            pool.submit(
                History(
                    number,
                    options.seed,
                    site,
                    gateway,
                    log,
                    clerks,
                    processes.SETTLE,
                    members,
                    hosted=options.hosted,
                ).play
            ): number
            for number in numbers
        }
        for done, play in enumerate(as_completed(plays), 1):
            if error := play.exception():
                broken.append(f"history {plays[play]} broke off: {error!r}")
            if done % 500 == 0:
                print(f"{done} played", flush=True)
    return broken


def _replay_posts(
    site: str, gateway: str, log: RunLog, books: dict[str, Any]
) -> list[str]:
    """I13: sends all POSTs of returns, phone cards and confirmed actions once more."""
    from nexi_payments.models import Operation, PaymentOrder

    def picture() -> tuple[Any, Any]:
        columns = ("order_id", "state", "captured_amount", "refunded_amount")
        orders = PaymentOrder.objects.order_by("pk").values_list(*columns)
        return list(orders), Operation.objects.count()

    # an action that was refused ("another request is working on it") may succeed when
    # it is sent again, once
    done = set(Operation.objects.values_list("nonce", flat=True))
    posts = [
        post
        for post in log.posts
        if "confirmed" not in post.fields or post.fields["nonce"] in done
    ]
    before = picture()
    quiet = RunLog()
    with ThreadPoolExecutor(8) as pool:
        jobs = [
            pool.submit(
                Shopper(Browser(site, quiet, post.cookies)).post,
                post.path,
                **post.fields,
            )
            for post in posts
        ]
        for job in jobs:
            job.result()
    after = requests.get(f"{gateway}/control/books", timeout=60).json()
    broken = [f"I13 {line}" for line in quiet.errors]
    now = picture()
    broken += [f"I13 sent again: {row}" for row in set(now[0]) - set(before[0])]
    if now[1] != before[1]:
        broken.append(f"I13 sent again: {now[1] - before[1]} operations more")
    for order_id, charge in after["charges"].items():
        if charge != books["charges"].get(order_id):
            broken.append(f"I13 sent again: {order_id} is {charge}")
    return broken


class _IdleTransactionWatch:
    """I14 on PostgreSQL: no transaction is open during a gateway call."""

    def __init__(self, url: str) -> None:
        self.url = url if url.startswith("postgres") else ""
        self.found: list[str] = []
        self._stop = threading.Event()

    def __enter__(self) -> None:
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def __exit__(self, *args: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        if not self.url:
            return
        import psycopg

        with psycopg.connect(self.url, autocommit=True) as admin:
            while not self._stop.wait(0.5):
                rows = admin.execute(
                    "SELECT pid, now() - state_change, query FROM pg_stat_activity"
                    " WHERE state LIKE 'idle in transaction%%'"
                    " AND now() - state_change > interval '2 s'"
                    " AND datname = current_database() AND application_name <> %s",
                    (database_faults.RUNNER,),
                )
                self.found += [f"I14 {row}" for row in rows]


def _files_and_dump(url: str, folder: Path) -> dict[str, bytes]:
    """Every file of the run, and a dump of the database server."""
    found = {
        path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()
    }
    if url.startswith("postgres"):
        dump = subprocess.run(["pg_dump", url], capture_output=True, check=True)
        found["pg_dump"] = dump.stdout
    return found


def _report(
    shop: processes.Shop,
    log: RunLog,
    books: dict[str, Any],
    played: float,
    rested: float,
) -> None:
    from collections import Counter

    from nexi_payments.models import Contract, Discrepancy, PaymentOrder

    filed = Counter(Contract.objects.values_list("state", flat=True))
    mit = PaymentOrder.objects.filter(channel="mit")
    states = Counter(PaymentOrder.objects.values_list("state", flat=True))
    discrepancies = Counter(Discrepancy.objects.values_list("kind", flat=True))
    calls = Counter[str]()
    for counts in books["calls"].values():
        calls.update(counts)
    faults = books["faults"]
    for method in ("GET", "POST"):
        rows = {name: n for name, n in faults.items() if name.startswith(method)}
        bad = sum(n for name, n in rows.items() if name != method)
        print(f"{method}: {bad} of {sum(rows.values())} calls went wrong")
    times = sorted(log.times) or [0.0]
    slow = [times[int(len(times) * part)] for part in (0.5, 0.95)] + [times[-1]]
    print("calls", dict(calls))
    print("orders", dict(states), "discrepancies", dict(discrepancies))
    print(
        "cards on file",
        dict(filed),
        "charged",
        dict(Counter(mit.values_list("state", flat=True))),
    )
    print(
        f"{len(times)} answers, {log.dropped} cut; median, 95 %, slowest"
        f" {slow[0]:.2f} {slow[1]:.2f} {slow[2]:.2f} s"
    )
    print(
        f"{shop.killed} processes killed; played {played:.0f} s,"
        f" at rest after {rested:.0f} s more"
    )


if __name__ == "__main__":
    main()
