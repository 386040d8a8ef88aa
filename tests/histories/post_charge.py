"""``python -m tests.histories.post_charge``: what follows a charge, in each world.

Clerks capture, refund, void, cancel and reconcile, alone or two at once. Each step is a
process of its own; some are killed with -9, and so is the reconciler. Every world
(``tests.histories.worlds``), and every mixture of worlds that the seed draws, is a
gateway of its own, which loses answers, too. Receivers of the shop raise, hang, exit
and refund. At the end both books are compared. Exits with 1 when a promise broke.

``-n`` is the number of histories of each world.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tests.histories import database, database_faults, processes, worlds
from tests.histories.database_faults import DatabaseFault
from tests.histories.post_charge_plays import Play, play_all
from tests.support.servers import free_port

if TYPE_CHECKING:
    from tests.histories.post_charge_invariants import BothBooks

#: What a history may break, in the order of the report.
PROMISES = (
    "twice",
    "unknown",
    "refused",
    "sums",
    "not executed",
    "in flight",
    "state",
    "exception",
)
_RECONCILER_ERROR = re.compile(r"nexi_payments\.reconcile order (\S+)\n")


def main() -> None:
    options = _options()
    if reason := database_faults.why_not(options.database, options.db):
        print(f"skipped: {reason}")
        return
    names = options.world or [
        *worlds.NAMES,
        *worlds.draw(options.seed, options.mixtures),
    ]
    folder = Path(tempfile.mkdtemp(prefix="post-charge-"))
    url = database.fresh_database(options.db, folder, "nexi_post_charge")
    print(f"seed {options.seed}, {options.n} of each world, {url}, {folder}")
    fault = DatabaseFault(options.database, url, options.seed)
    with ExitStack() as stack:
        stack.enter_context(fault.prepared(folder))
        gateways = {
            name: stack.enter_context(
                processes.gateway(options.seed, folder, posts=0, gets=0, world=name)
            )
            for name in names
        }
        env = processes.environment(folder, url, False) | {"LOG_LEVEL": "ERROR"}
        env["NEXI_SETTLE_AFTER"] = str(worlds.SETTLE)
        env["NEXI_TOTAL_TIMEOUT"] = str(options.total_timeout)
        env["NEXI_WATCH_FOR"] = str(worlds.WATCH)
        env["HISTORIES_RECEIVERS"] = "" if options.tame else options.seed
        env["HISTORIES_WORLDS"] = " ".join(
            f"{name} {site}/api/phoenix-0.0/psp/api/v1"
            for name, site in gateways.items()
        )
        env["NEXI_BASE_URL"] = f"{gateways[names[0]]}/api/phoenix-0.0/psp/api/v1"
        env["NEXI_PUBLIC_URL"] = f"http://127.0.0.1:{free_port()}"
        env |= fault.env
        os.environ.update(env)  # the steps are forks of this process
        clerk = database.create_tables_and_clerks()[0]
        os.environ["HISTORIES_SESSION"] = clerk["sessionid"]
        broken = _run(options, gateways, env, folder, fault)
    if not broken:
        database.drop(options.db, url)
        shutil.rmtree(folder)
    sys.exit(bool(broken))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.histories.post_charge")
    parser.add_argument("-n", type=int, default=40, help="histories of each world")
    parser.add_argument("--seed", default=str(random.SystemRandom().randrange(10**6)))
    parser.add_argument("--db", default="sqlite", help="sqlite, or a database URL")
    database_faults.add_option(parser)
    parser.add_argument(
        "--world", action="append", type=worlds.parse, help="one, or lagging,pending"
    )
    parser.add_argument("--mixtures", type=int, default=4, help="drawn by the seed")
    parser.add_argument("--tame", action="store_true", help="no receiver of the shop")
    parser.add_argument("--only", help="the numbers of histories to play, 17,42")
    parser.add_argument("--at-once", type=int, default=16)
    parser.add_argument("--kill-every", type=float, default=20.0, metavar="SECONDS")
    parser.add_argument("--posts", type=float, default=0.45, help="share with faults")
    parser.add_argument("--gets", type=float, default=0.2, help="share with faults")
    parser.add_argument(
        "--total-timeout",
        type=float,
        default=processes.TOTAL,
        metavar="SECONDS",
        help="longer on a busy machine: a request that begins late is not sent",
    )
    return parser.parse_args()


def _run(
    options: argparse.Namespace,
    gateways: dict[str, str],
    env: dict[str, str],
    folder: Path,
    fault: DatabaseFault,
) -> dict[int, list[str]]:
    from tests.histories import post_charge_rest

    numbers = range(1, options.n + 1)
    plays = [
        Play.of(options.seed, number, world, place * options.n + number)
        for place, world in enumerate(gateways)
        for number in numbers
    ]
    if options.only:
        wanted = {int(one) for one in options.only.split(",")}
        plays = [play for play in plays if play.number in wanted]
    shop = processes.Shop(env, folder, 0, random.Random(options.seed))
    results = folder / "results"
    results.touch()
    started = time.monotonic()
    with ExitStack() as coming:
        play_all(
            plays,
            results,
            Path(env["HISTORIES_LOG"]),
            options.at_once,
            before=partial(_begin, shop, gateways, options, coming, fault),
            kill=shop.kill_one,
            kill_every=options.kill_every or 1e9,
        )
    database_faults.leave_shop()
    played = time.monotonic() - started
    try:
        broken, books = post_charge_rest.judge(plays, gateways)
    finally:
        shop.stop()
    rested = time.monotonic() - started - played
    _add_exceptions(broken, plays, results, Path(env["HISTORIES_LOG"]), fault)
    _report(plays, broken, results, books)
    if fault.name:
        print(f"{fault.name}: {fault.count} times")
    print(
        f"{shop.killed} reconcilers and {sum(play.killed for play in plays)} steps"
        f" killed; played {played:.0f} s, at rest after {rested:.0f} s more"
    )
    return {number: lines for number, lines in broken.items() if lines}


def _begin(
    shop: processes.Shop,
    gateways: dict[str, str],
    options: argparse.Namespace,
    coming: ExitStack,
    fault: DatabaseFault,
) -> None:
    """After the charges: the reconciler runs, gateways lose answers, the database
    fails.
    """
    from tests.histories.post_charge_rest import set_faults

    set_faults(gateways, options.posts, options.gets)
    shop.start("reconciler")
    coming.enter_context(fault.coming())


def _add_exceptions(
    broken: dict[int, list[str]],
    plays: list[Play],
    results: Path,
    log: Path,
    fault: DatabaseFault,
) -> None:
    """What reached a clerk and is not documented, and what the reconciler logged. It
    logs each failure of the database.
    """
    from nexi_payments.models import PaymentOrder

    for line in results.read_text().splitlines():
        number, deed, found = line.split(" ", 2)
        if found.startswith("BROKEN"):
            broken[int(number)].append(f"exception: {deed}: {found[7:]}")
    if fault.fails:
        return
    of_reference = {play.reference: play.number for play in plays}
    for order_id in set(_RECONCILER_ERROR.findall(log.read_text(errors="replace"))):
        order = PaymentOrder.objects.get(order_id=order_id)
        number = of_reference[order.reference]
        broken[number].append("exception: in the reconciler, see shop.log")


def _report(
    plays: list[Play],
    broken: dict[int, list[str]],
    results: Path,
    books: dict[str, list[BothBooks]],
) -> None:
    deeds = Counter(
        " ".join(line.split(" ")[1:2] + line.split(" ")[-1:])
        for line in results.read_text().splitlines()
    )
    print("steps", dict(sorted(deeds.items())))
    for world, orders in books.items():
        numbers = [play.number for play in plays if play.world == world]
        found = [number for number in numbers if broken.get(number)]
        counts = Counter(
            promise
            for number in found
            for promise in {line.partition(":")[0] for line in broken[number]}
        )
        shown = ", ".join(f"{name} {counts[name]}" for name in PROMISES if counts[name])
        made = Counter(
            "ours" if one["key"] else "back office"
            for order in orders
            for one in order.executed
        )
        kinds = Counter(one.kind for order in orders for one in order.discrepancies)
        states = Counter(order.order.state for order in orders)
        print(
            f"{world}: {len(found)} of {len(numbers)} histories broken"
            f" ({shown}); executed {dict(made)}, states {dict(states)},"
            f" discrepancies {dict(kinds)}"
        )
        for number in found[:5]:
            for line in broken[number]:
                print(f"    BROKEN {number} {line}")


if __name__ == "__main__":
    main()
