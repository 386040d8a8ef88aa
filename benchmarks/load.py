"""A server under load, beside the bare baseline under the same one.

    DATABASE_URL=postgres://… python benchmarks/load.py [--latency-ms 800]

A closed loop: each shopper posts a card, waits for the answer, posts the next one, on a
new connection. Meanwhile another visitor asks for a page with one query, five times a
second. The gateway is a process of its own (``payment/door.py``). Prints, for each way
to serve: payments a second, how much that is of what the latency allows
(min(shoppers, threads) / latency), the time of a payment, and of the other page.

SQLite's file and PostgreSQL's database are made here and removed at the end.
"""

from __future__ import annotations

import argparse
import http.client
import json
import math
import os
import statistics
import sys
import threading
import time
import uuid
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import urlencode

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import load_server

CARD = {
    "cardholder_name": "Giulia Rossi",
    "card_number": "4349940199004549",
    "expiry": "1230",
    "security_code": "396",
}


@dataclass(frozen=True)
class ServerSetup:
    """How a shop is served. ``slots``: so many payments can wait at once."""

    name: str
    slots: int
    server: tuple[str, ...]
    view: str = "ours"
    database: str = "postgres"
    env: dict[str, str] = field(default_factory=dict)


def gunicorn(workers: int, threads: int) -> tuple[str, ...]:
    kind = ("-k", "gthread", "--threads", str(threads)) if threads > 1 else ()
    return ("gunicorn", "-w", str(workers), *kind, "--worker-connections", "1000")


def granian(workers: int, threads: int) -> tuple[str, ...]:
    return ("granian", str(workers), str(threads))


def server_setups() -> list[ServerSetup]:
    """A connection for each of 256 threads is more than PostgreSQL has (100): all have
    a pool, the baseline one that it can hold over a call for each shopper."""
    wide = gunicorn(2, 128)
    pool, few = {"POOL": "8"}, {"POOL": "4"}
    plain = {"PLAIN_SQLITE": "1"}
    return [
        ServerSetup(
            "the baseline, gunicorn 2 × 128", 256, wide, "baseline", env={"POOL": "36"}
        ),
        ServerSetup("gunicorn 2 × 128", 256, wide, env=pool),
        ServerSetup("granian 2 × 128", 256, granian(2, 128), env=pool),
        ServerSetup("gunicorn 2 × 16", 32, gunicorn(2, 16), env=pool),
        ServerSetup("2 × 128, pool of 4 a worker", 256, wide, env=few),
        ServerSetup("the same, held over the call", 8, wide, env={**few, "HELD": "1"}),
        ServerSetup("2 × 128, a connection a request", 256, wide, env={"FRESH": "1"}),
        ServerSetup("2 × 128, SQLite, WAL, IMMEDIATE", 256, wide, database="sqlite"),
        ServerSetup(
            "2 × 128, SQLite, Django's defaults", 256, wide, "ours", "sqlite", plain
        ),
        ServerSetup("gunicorn 2, no threads", 2, gunicorn(2, 1)),
    ]


@dataclass
class LoadResult:
    """What one way showed. Times in ms; ``bound`` in payments a second."""

    name: str
    payments: int
    errors: int
    rate: float
    bound: float
    median: float
    p95: float
    other_page: float
    memory_mib: float

    @property
    def share(self) -> float:
        return self.rate / self.bound


class LoadGenerator:
    """Shoppers and another visitor; ``timed`` once all of them are there."""

    def __init__(self, port: int, view: str, shoppers: int) -> None:
        self.port, self.path = port, f"/{view}/"
        self.times: list[float] = []
        self.other_page_times: list[float] = []
        self.errors = 0
        self.running, self.timed = True, False
        self._threads = [
            threading.Thread(target=self._shop) for _number in range(shoppers)
        ]
        self._threads.append(threading.Thread(target=self._poll_other_page))

    def run(self, warm: float, seconds: float) -> None:
        for place, thread in enumerate(self._threads):
            thread.start()
            time.sleep(warm / 2 / len(self._threads) if place else 0)
        time.sleep(warm / 2)
        self.timed = True
        time.sleep(seconds)
        self.timed = self.running = False
        for thread in self._threads:
            thread.join()

    def _request(self, method: str, path: str, body: str = "") -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=90)
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        try:
            connection.request(method, path, body or None, headers if body else {})
            answer = connection.getresponse()
            text = answer.read()
        except OSError:
            return False
        finally:
            connection.close()
        return answer.status == 200 and (not body or text in _PAID_RESPONSES)

    def _shop(self) -> None:
        while self.running:
            reference = uuid.uuid4().hex[:30]
            body = urlencode({**CARD, "reference": reference})
            started = time.perf_counter()
            good = self._request("POST", self.path, body)
            if self.timed:
                self.times.append((time.perf_counter() - started) * 1000)
                self.errors += not good
            if not good:
                time.sleep(0.2)

    def _poll_other_page(self) -> None:
        while self.running:
            started = time.perf_counter()
            self._request("GET", "/other/")
            if self.timed:
                self.other_page_times.append((time.perf_counter() - started) * 1000)
            time.sleep(0.2)


_PAID_RESPONSES = (
    b'{"state": "paid"}',
    b'{"state": "AUTHORIZED"}',
    b'{"state": "EXECUTED"}',
)


def measure(
    way: ServerSetup, shoppers: int, latency: int, seconds: float, url: str
) -> LoadResult:
    port = load_server.free_port()
    with ExitStack() as stack:
        origin = stack.enter_context(load_server.running_gateway(latency))
        env = {
            "DJANGO_SETTINGS_MODULE": "benchmarks.load_settings",
            "DATABASE_URL": url,
            "GATEWAY": origin,
            **way.env,
        }
        server = stack.enter_context(
            load_server.running_process(
                load_server.server_command(way.server, port), env
            )
        )
        load_server.wait_for_port(port)
        loop = LoadGenerator(port, way.view, shoppers)
        loop.run(4, seconds)
        held = load_server.memory_mib(server.pid)
    times = sorted(loop.times)
    return LoadResult(
        name=way.name,
        payments=len(times),
        errors=loop.errors,
        rate=(len(times) - loop.errors) / seconds,
        bound=min(shoppers, way.slots) * 1000 / latency,
        median=statistics.median(times),
        p95=times[int(len(times) * 0.95)],
        # two workers may be busy with shoppers until the end
        other_page=statistics.median(loop.other_page_times or [math.inf]),
        memory_mib=held,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shoppers", type=int, default=64)
    parser.add_argument("--latency-ms", type=int, default=800)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--only", default="", help="ways whose name has this")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    load_server.exit_on_sigterm()
    server = os.environ.get(
        "DATABASE_URL", "postgres://postgres@127.0.0.1:5432/postgres"
    )
    seen = []
    print("payments/s | of bound | median | p95 | other page | MiB | errors")
    for way in server_setups():
        if options.only not in way.name:
            continue
        with load_server.temporary_database(way.database, server) as url:
            one = measure(
                way, options.shoppers, options.latency_ms, options.seconds, url
            )
        seen.append(asdict(one))
        print(
            f"{one.rate:6.1f} {one.share:7.1%} {one.median:8.0f} {one.p95:8.0f}"
            f" {one.other_page:8.1f} {one.memory_mib:6.0f} {one.errors:4d}  {one.name}",
            flush=True,
        )
    if options.json:
        options.json.write_text(json.dumps(seen, indent=1))


if __name__ == "__main__":
    main()
