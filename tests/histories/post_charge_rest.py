"""After the steps: waits until nothing moves any more, then compares both books."""

from __future__ import annotations

import time
from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

import requests

from nexi_payments import enums, flows
from nexi_payments.models import Event, Operation, PaymentOrder
from tests.histories import post_charge_invariants, worlds
from tests.histories.post_charge_invariants import BothBooks
from tests.histories.post_charge_plays import Play
from tests.support.waiting import wait_until


def set_faults(gateways: dict[str, str], posts: float, gets: float) -> None:
    """Sets the shares of calls that go wrong from now on."""
    for site in gateways.values():
        requests.get(f"{site}/control/faults?posts={posts}&gets={gets}", timeout=30)


def judge(
    plays: list[Play], gateways: dict[str, str]
) -> tuple[dict[int, list[str]], dict[str, list[BothBooks]]]:
    """The broken promises of each history, by its number; the books of each world.

    First what we find by ourselves: requests of ours are watched for ``WATCH_FOR``.
    Then each order is reconciled, because nothing tells us what others made at Nexi.
    """
    set_faults(gateways, 0, 0)
    quiet_at = time.monotonic() + worlds.WATCH + 5
    wait_until(lambda: is_nexi_at_rest(gateways), 2 * worlds.WATCH, every=1)
    wait_until(
        lambda: time.monotonic() >= quiet_at and _are_we_at_rest(),
        2 * worlds.WATCH + worlds.latest(),
        every=1,
    )
    broken: dict[int, list[str]] = defaultdict(list)
    for play, books in _both_books(plays, gateways):
        broken[play.number] += post_charge_invariants.refused_requests(books)
    for _ in range(3):
        for play in plays:
            _reconcile(play, broken)
        time.sleep(2)  # the next list is another one: more than LAG later
    of_world: dict[str, list[BothBooks]] = {world: [] for world in gateways}
    for play, books in _both_books(plays, gateways):
        broken[play.number] += post_charge_invariants.find_violations(books)
        of_world[play.world].append(books)
    return broken, of_world


def _reconcile(play: Play, broken: dict[int, list[str]]) -> None:
    try:
        flows.reconcile(PaymentOrder.objects.get(reference=play.reference))
    except Exception as error:
        line = f"exception: reconcile: {type(error).__name__}"
        if line not in broken[play.number]:
            broken[play.number].append(line)


def is_nexi_at_rest(gateways: dict[str, str]) -> bool:
    """Whether no late request waits and no operation is PENDING."""
    now = datetime.now(UTC).isoformat()
    for site in gateways.values():
        books = _books(site)
        settle = [
            one["settles_at"]
            for operations in books["operations"].values()
            for one in operations
        ]
        if books["waiting"] or max(settle, default="") > now:
            return False
    return True


def _are_we_at_rest() -> bool:
    on_their_way = Operation.objects.filter(outcome__in=enums.RESERVING)
    undelivered = Event.objects.filter(deliver_at__isnull=False)
    return not on_their_way.exists() and not undelivered.exists()


def _books(site: str) -> dict[str, Any]:
    books: dict[str, Any] = requests.get(f"{site}/control/books", timeout=60).json()
    return books


def _both_books(
    plays: list[Play], gateways: dict[str, str]
) -> list[tuple[Play, BothBooks]]:
    books = {world: _books(site) for world, site in gateways.items()}
    return [
        (
            play,
            BothBooks.of(
                PaymentOrder.objects.get(reference=play.reference),
                books[play.world],
                play.world,
            ),
        )
        for play in plays
    ]
