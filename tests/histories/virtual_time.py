"""``python -m tests.histories.virtual_time``: days at Nexi in seconds of ours.

The same clerks, worlds and promises as in ``post_charge``, and saved cards that are due
each day. One process, a clock that only moves when nothing is to do, and the worlds
with their real times: keys live for twelve hours, operations are pending for two days,
and payments are watched for three. A step is killed at a statement of the database:
from there on it writes nothing. A seed repeats everything.

``-n`` is the number of histories of each world.
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import time_machine

from tests.histories import database, processes, worlds

if TYPE_CHECKING:
    from tests.histories.virtual_shop import VirtualShop

#: Before the test cards expire.
START: Final = datetime(2027, 1, 15, 11, tzinfo=UTC)


def main() -> None:
    options = _options()
    names = options.world or [
        *worlds.NAMES,
        *worlds.draw(options.seed, options.mixtures),
    ]
    folder = Path(tempfile.mkdtemp(prefix="virtual-time-"))
    url = database.fresh_database(options.db, folder, "nexi_virtual_time")
    print(f"seed {options.seed}, {options.n} of each world, {url}", flush=True)
    environment = processes.environment(folder, url, False) | {
        "DEBUG": "on",  # the simulator in this process needs it
        "LOG_LEVEL": "CRITICAL",
        "NEXI_TOTAL_TIMEOUT": "25",
        "NEXI_SETTLE_AFTER": "900",
        "NEXI_WATCH_FOR": str(72 * 3600),
        "NEXI_EXPIRE_AFTER": "1800",
        "NEXI_SEALED_CARD_TTL": "900",
        "NEXI_PUBLIC_URL": "http://127.0.0.1:8000",
        "HISTORIES_RECEIVERS": "" if options.tame else options.seed,
    }
    for name in ("NEXI_BASE_URL", "HISTORIES_WORLDS"):
        environment.pop(name, None)
    os.environ.update(environment)
    database.create_tables_and_clerks()
    logging.disable(logging.CRITICAL)
    broken = sum(_play(options, place, name) for place, name in enumerate(names))
    print(f"{broken} histories broken")
    if not broken:
        database.drop(options.db, url)
        shutil.rmtree(folder)
    sys.exit(bool(broken))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.histories.virtual_time")
    parser.add_argument("-n", type=int, default=25, help="histories of each world")
    parser.add_argument("--seed", default=str(random.SystemRandom().randrange(10**6)))
    parser.add_argument("--db", default="sqlite", help="sqlite, or a database URL")
    parser.add_argument(
        "--world", action="append", type=worlds.parse, help="one, or lagging,pending"
    )
    parser.add_argument("--mixtures", type=int, default=4, help="drawn by the seed")
    parser.add_argument("--tame", action="store_true", help="no receiver of the shop")
    parser.add_argument("--only", help="the numbers of histories to play, 17,42")
    parser.add_argument("--posts", type=float, default=0.35, help="share with faults")
    parser.add_argument("--gets", type=float, default=0.15, help="share with faults")
    return parser.parse_args()


def _play(options: argparse.Namespace, place: int, world: str) -> int:
    """Plays the histories of one world; prints its figures and what broke."""
    from tests.histories.virtual_judge import find_violations
    from tests.histories.virtual_shop import PER_WORLD, VirtualShop

    numbers = [place * PER_WORLD + number for number in range(1, options.n + 1)]
    if options.only:
        wanted = {int(one) for one in options.only.split(",")}
        numbers = [number for number in numbers if number in wanted]
    started = time.perf_counter()
    # each world has its own week, so that no payment of another is due in it
    begin = START + timedelta(days=10 * place)
    with ExitStack() as stack:
        clock = stack.enter_context(time_machine.travel(begin, tick=False))
        os.environ["HISTORIES_SESSION"] = database.new_session("one")["sessionid"]
        shop = VirtualShop(clock, world, options.seed, options.posts, options.gets)
        stack.enter_context(shop.running())
        shop.play(numbers)
        broken = find_violations(shop)
        _report(shop, broken, time.perf_counter() - started)
        shop.close()
    return len(broken)


def _report(shop: VirtualShop, broken: dict[int, list[str]], seconds: float) -> None:
    states = Counter(order.state for order in shop.orders())
    kinds = Counter(one.kind for one in shop.discrepancies())
    made: Counter[str] = Counter()
    for record in shop.records():
        for one in record["post_charge"]:
            made["ours" if one["key"] else "back office"] += 1
    print(
        f"{shop.world}: {len(broken)} of {len(shop.plays)} histories broken;"
        f" {shop.deeds.total()} steps, {shop.killed} killed, {shop.calls} calls,"
        f" {shop.faults} went wrong, {shop.due} due charges;"
        f" at Nexi {dict(made)}; {dict(states)}, {dict(kinds)}; {seconds:.0f} s",
        flush=True,
    )
    print("    steps", dict(sorted(shop.deeds.items())), flush=True)
    for number, lines in list(broken.items())[:5]:
        for line in lines:
            print(f"    BROKEN {number} {line}", flush=True)


if __name__ == "__main__":
    main()
