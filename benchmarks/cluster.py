"""Four web processes and two Celery workers, as four and two machines would be.

    DATABASE_URL=postgres://… python benchmarks/cluster.py [--broker amqp://…|redis://…]

Shoppers pay in three steps: the card is posted to one web process, and the bank sends
them back to another. First one web process serves, then four; then one of the four is
killed (SIGKILL) with payments on their way, and the workers find out what became of
these. Stops by itself; the database is made here and removed.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
import uuid
from collections import Counter
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import load_server
from benchmarks.load import CARD, gunicorn

THREADS = 16
_PARES = re.compile(r'name="PaRes" value="([^"]+)"')


class Shoppers:
    """They go on until ``stop``; whoever meets a dead server begins anew."""

    def __init__(self, ports: list[int], number: int) -> None:
        self.ports, self.turn = ports, count()
        self.paid: list[float] = []
        self.failed = 0
        self.running = True
        self._threads = [threading.Thread(target=self._shop) for _ in range(number)]
        for thread in self._threads:
            thread.start()
            time.sleep(2 / number)

    def stop(self) -> None:
        self.running = False
        for thread in self._threads:
            thread.join()

    def paid_in(self, seconds: float) -> int:
        before = len(self.paid)
        time.sleep(seconds)
        return len(self.paid) - before

    def _post(self, url: str, fields: dict[str, str]) -> str:
        with urllib.request.urlopen(url, urlencode(fields).encode(), 60) as answer:
            return str(answer.read().decode())

    def _web(self, path: str, fields: dict[str, str]) -> dict[str, Any]:
        """The next web process: another one than that of the step before."""
        import json

        port = self.ports[next(self.turn) % len(self.ports)]
        found = json.loads(self._post(f"http://127.0.0.1:{port}/{path}/", fields))
        return dict(found)

    def _shop(self) -> None:
        while self.running:
            started = time.perf_counter()
            try:
                begun = self._web("begin", {**CARD, "reference": uuid.uuid4().hex[:30]})
                page = self._post(
                    begun["action"] + "/answer",
                    {
                        "transactionId": begun["operation"],
                        "ReturnUrl": "http://127.0.0.1/",
                        "answer": "approve",
                    },
                )
                pares = _PARES.search(page)
                assert pares is not None
                back = {name: begun[name] for name in ("back", "token", "operation")}
                ended = self._web("finish", {**back, "PaRes": pares[1]})
                if ended["state"] != "paid":
                    raise ValueError(ended["state"])
                self.paid.append((time.perf_counter() - started) * 1000)
            except (OSError, ValueError):
                self.failed += 1
                time.sleep(0.2)


def environment(url: str, origin: str, broker: str) -> dict[str, str]:
    return {
        "DJANGO_SETTINGS_MODULE": "benchmarks.cluster_settings",
        "DATABASE_URL": url,
        "GATEWAY": origin,
        "BROKER": broker,
        "PYTHONPATH": str(load_server.ROOT),
    }


def start_web(
    stack: ExitStack, env: dict[str, str]
) -> tuple[int, subprocess.Popen[str]]:
    port = load_server.free_port()
    command = load_server.server_command(gunicorn(1, THREADS), port)
    process = stack.enter_context(load_server.running_process(command, env))
    load_server.wait_for_port(port)
    return port, process


def kill_server(master: subprocess.Popen[str]) -> None:
    """The worker and who would start it again, as when a machine loses its power."""
    listed = subprocess.run(
        ["pgrep", "-P", str(master.pid)], capture_output=True, text=True, check=False
    )
    master.kill()
    for worker in listed.stdout.split():
        os.kill(int(worker), signal.SIGKILL)


def start_workers(stack: ExitStack, env: dict[str, str], number: int) -> None:
    command = [sys.executable, "-m", "celery", "-A", "benchmarks.worker", "worker"]
    command += ["-c", "1", "--loglevel", "ERROR", "--without-gossip", "-n"]
    for one in range(number):
        stack.enter_context(load_server.running_process([*command, f"c{one}@%h"], env))


def schedule_reconcile(stop: threading.Event) -> None:
    """What Celery's beat does, every two seconds."""
    from benchmarks.worker import app

    app.control.purge()
    while not stop.wait(2):
        app.send_task("nexi_payments.reconcile", expires=2)


def wait_until_settled(most: float) -> float:
    """Seconds until no charge is in doubt any more."""
    from nexi_payments.models import PaymentOrder

    started = time.perf_counter()
    doubt = PaymentOrder.objects.filter(unsettled_since__isnull=False)
    while doubt.exists() and time.perf_counter() - started < most:
        time.sleep(0.5)
    return time.perf_counter() - started


def compare_with_gateway() -> str:
    """Both sides' books: no basket charged twice, no charge that we do not know."""
    from datetime import timedelta

    from django.db.models import Count
    from django.utils import timezone

    from nexi_payments import conf
    from nexi_payments.flows.inquiry import listing
    from nexi_payments.models import Event, Operation, PaymentOrder

    rows = PaymentOrder.objects.values_list("state", "reason")
    states = Counter(" ".join(row).strip() for row in rows)
    charges = Operation.objects.filter(kind="payment", outcome="done")
    twice = charges.values("order__reference").annotate(n=Count("pk")).filter(n__gt=1)
    assert not twice.exists()
    terminal = conf.current().terminal("default")
    hour = timezone.now() - timedelta(hours=1)
    assert list(listing.find_differences(terminal, hour)) == []
    doubt = PaymentOrder.objects.filter(unsettled_since__isnull=False).count()
    told = Event.objects.filter(kind="paid", deliver_at=None).count()
    return f"{dict(states)}, in doubt {doubt}, told to the shop {told}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--broker", default="amqp://guest:guest@127.0.0.1//")
    parser.add_argument("--latency-ms", type=int, default=800)
    parser.add_argument("--seconds", type=float, default=15)
    options = parser.parse_args()
    load_server.exit_on_sigterm()
    server = os.environ.get(
        "DATABASE_URL", "postgres://postgres@127.0.0.1:5432/postgres"
    )
    with ExitStack() as stack:
        url = stack.enter_context(load_server.temporary_database("postgres", server))
        origin = stack.enter_context(load_server.running_simulator(options.latency_ms))
        env = environment(url, origin, options.broker)
        os.environ |= env
        import django

        django.setup()
        from django.db import connections

        stack.callback(connections.close_all)
        start_workers(stack, env, 2)
        stop = threading.Event()
        beat = threading.Thread(target=schedule_reconcile, args=[stop])
        beat.start()
        stack.callback(beat.join)
        stack.callback(stop.set)
        sites = [start_web(stack, env) for _number in range(4)]
        ports = [port for port, _process in sites]
        for number in (1, 4):
            shoppers = Shoppers(ports[:number], THREADS * number)
            time.sleep(4)
            paid = shoppers.paid_in(options.seconds)
            bound = THREADS * number / (3 * options.latency_ms / 1000)
            rate = paid / options.seconds
            print(f"{number} web: {rate:.1f}/s of {bound:.1f}/s, {rate / bound:.0%}")
            if number == 4:
                kill_server(sites[-1][1])
                print("one is killed")
                time.sleep(2)
                del ports[-1]  # the balancer has noticed
                time.sleep(8)
            shoppers.stop()
            print(f"   paid {len(shoppers.paid)}, broken off {shoppers.failed}")
        print("at once:", compare_with_gateway())
        print(
            f"all known after {wait_until_settled(120):.0f} s:", compare_with_gateway()
        )


if __name__ == "__main__":
    main()
