"""The simulator behind a proxy that alters, delays and loses requests and responses.

What it does to a call depends on the seed, the history (its number travels in the
cardholder's name), the endpoint and how often that was called: the same seed does the
same again, whatever the order in which histories run.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import re
import socket
import struct
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from nexi_payments.simulator import Simulator, balances
from nexi_payments.simulator.responses import Reply
from nexi_payments.simulator.server import BASE_PATH
from tests.histories import worlds
from tests.histories.faults import (
    DELAYED_WEIGHT,
    FIXED_REPLIES,
    INQUIRY_FAULTS,
    JSON,
    NOT_PROCESSED,
    PROCESSED,
    altered_reply,
)


class GatewayBooks:
    """What the gateway executed and received, by order id, for the judge."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.history: dict[str, str] = {}  # order id → history
        self.contract_orders: dict[
            str, str
        ] = {}  # contract → order id of its first payment
        self.first_payments: set[str] = set()  # order ids of first payments
        self.calls: dict[str, Counter[str]] = defaultdict(Counter)
        self.nth: Counter[tuple[str, str]] = Counter()
        self.charged_at: dict[str, float] = {}
        self.misled_orders: set[str] = set()
        self.keys: dict[str, str] = {}
        self.broken: list[str] = []
        self.faults: Counter[str] = Counter()
        self.waiting = 0  # requests that are executed later


class FaultyGatewayServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.posts, self.gets = options.posts, options.gets
        self.simulator = Simulator(
            pending_seconds=3,
            worlds=worlds.scaled(options.world, options.settle, options.watch),
            seed=options.seed,
        )
        self.always_late = worlds.LATE in worlds.parts(options.world)
        self.books = GatewayBooks()
        super().__init__(("127.0.0.1", options.port), GatewayHandler)

    def fault(
        self, method: str, what: str, history: str, *, spared: bool = False
    ) -> tuple[str, str, float]:
        """(when, name, a number from 0 to 1) for this call; ("", "", 0) for none.

        First payments that make a contract are ``spared``, mostly: what comes after
        them is to be seen, too.
        """
        with self.books.lock:
            nth = self.books.nth[history, what]
            self.books.nth[history, what] += 1
        dice = random.Random(f"{self.options.seed}|{history}|{what}|{nth}")
        share = (self.posts if method == "POST" else self.gets) / (4 if spared else 1)
        if dice.random() >= share:
            return "", "", 0.0
        if method == "GET":
            return "inquiry", _weighted_choice(dice, INQUIRY_FAULTS), dice.random()
        plans = {("before", name): weight for name, weight in NOT_PROCESSED.items()} | {
            ("after", name): weight for name, weight in PROCESSED.items()
        }
        plans["late", "close"] = DELAYED_WEIGHT
        when, name = _weighted_choice(dice, plans)
        return when, name, dice.random()


def _weighted_choice(dice: random.Random, weights: dict[Any, int]) -> Any:
    return dice.choices(list(weights), list(weights.values()))[0]


class GatewayHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: FaultyGatewayServer

    def log_message(self, *args: Any) -> None:
        """Logs nothing."""

    def do_GET(self) -> None:
        self.serve(b"")

    def do_POST(self) -> None:
        self.serve(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

    def serve(self, body: bytes) -> None:
        if self.path.startswith("/control/"):
            self.answer(self.handle_control(urlsplit(self.path)))
            return
        path = self.path.partition("?")[0].removeprefix(BASE_PATH)
        order_id, history, what = self.count_call(path, body)
        when, name, dice = self.server.fault(
            self.command,
            what,
            history,
            spared=order_id in self.server.books.first_payments,
        )
        books = self.server.books
        with books.lock:
            books.faults[f"{self.command} {when} {name}".strip()] += 1
        # of this request: the connection may have read the next one by then
        headers = dict(self.headers.items())
        request = partial(
            self.process, self.command, self.path, headers, body, order_id
        )
        if when and self.command == "POST" and self.server.always_late:
            # a page may say "nothing was charged" in the moment of the late charge
            books.misled_orders.add(order_id)
            self.process_later(
                dice * worlds.latest(self.server.options.settle), request
            )
            known = name in FIXED_REPLIES or name in ("reset", "close", "hang")
            self.send_fault(name if known else "500 json", None)
        elif when == "late":
            self.process_later(0.5 + dice * self.server.options.latest, request)
            self.send_fault(name, None)
        elif when == "before" or (when == "inquiry" and name != "half"):
            if name == "missing":
                books.misled_orders.add(order_id)
            self.send_fault(name, None)
        elif when:
            reply = request()
            if when == "after" and (name[:3] in ("400", "sai", "wro")):
                books.misled_orders.add(order_id)
            self.send_fault(name, reply)
        else:
            self.answer(request())

    # -- what is executed --------------------------------------------------------------

    def count_call(self, path: str, body: bytes) -> tuple[str, str, str]:
        """Counts the call; the order it is about, its history, and a short name."""
        data = json.loads(body) if body else {}
        order = data.get("order") or {}
        parts = path.strip("/").split("/")
        books = self.server.books
        with books.lock:
            order_id = order.get("orderId") or self.order_of(
                data.get("operationId") or (parts[1] if len(parts) > 1 else ""),
                parts[1] if len(parts) == 2 else "",
            )
            name = (order.get("customerInfo") or {}).get("cardHolderName", "")
            if number := re.search(r"\d+", name):
                books.history[order_id] = number[0]
            if contract := (data.get("recurrence") or {}).get("contractId"):
                books.contract_orders.setdefault(contract, order_id)
                books.first_payments.add(order_id)
            if parts[0] == "contracts":
                # its end is a call of the payment that made it
                order_id = books.contract_orders.get(parts[1], "")
            history = books.history.get(order_id, "")
            what = parts[-1] if self.command == "POST" else "inquiry"
            books.calls[order_id][what] += 1
            key = self.headers.get("Idempotency-Key", "")
            if key:
                print_of = hashlib.sha256(path.encode() + body).hexdigest()
                if books.keys.setdefault(key, print_of) != print_of:
                    books.broken.append(f"{order_id}: key {key} with another body")
        return order_id, history, what

    def order_of(self, operation_id: str, default: str) -> str:
        found = self.server.simulator.store.find_by_operation(operation_id)
        return str(found["order_id"]) if found else default

    def process_later(self, seconds: float, request: Callable[[], Reply]) -> None:
        books = self.server.books
        with books.lock:
            books.waiting += 1
        threading.Timer(seconds, self.process_late, (request,)).start()

    def process_late(self, request: Callable[[], Reply]) -> None:
        request()
        with self.server.books.lock:
            self.server.books.waiting -= 1

    def process(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        order_id: str,
    ) -> Reply:
        simulator, books = self.server.simulator, self.server.books
        url = f"http://127.0.0.1:{self.server.server_address[1]}{path}"
        reply = simulator.handle(method, url, headers, body)
        record = simulator.record(order_id) if order_id else None
        charged = record and record["charged_at"] and record["code"] == "000"
        if charged and method == "POST":
            with books.lock:
                books.charged_at.setdefault(order_id, time.time())
        return reply

    # -- the response that the caller gets ---------------------------------------------

    def send_fault(self, name: str, reply: Reply | None) -> None:
        if name in FIXED_REPLIES:
            self.answer(FIXED_REPLIES[name])
        elif name == "reset":
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.cut()
        elif name == "close":
            self.cut()
        elif name == "hang":
            time.sleep(self.server.options.timeout + 0.5)
            self.cut()
        elif name == "half":
            whole = reply.body if reply is not None else b'{"operation":{"orderId"'
            self.answer(Reply(200, whole[: len(whole) // 2], JSON))
        elif name == "drip":
            self.drip(reply.body if reply is not None else b"{}")
        elif reply is not None:
            self.answer(altered_reply(name, reply))

    def cut(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
        self.connection.close()

    def drip(self, body: bytes) -> None:
        self.close_connection = True
        with suppress(OSError):
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n"
            self.connection.sendall(head.encode())
            for byte in body[:40]:
                self.connection.sendall(bytes([byte]))
                time.sleep(0.3)

    def answer(self, reply: Reply) -> None:
        if reply.fault == "cut":
            self.cut()
            return
        with suppress(OSError):
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            if reply.status != 204:
                self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

    # -- for plays and judge -----------------------------------------------------------

    def handle_control(self, url: Any) -> Reply:
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        if url.path == "/control/challenge":
            fields = self.server.simulator.answer_challenge(
                query["id"], query["answer"]
            )
            return Reply(200, json.dumps(fields).encode(), JSON)
        if url.path == "/control/hosted":
            return self.handle_hosted(query)
        if url.path == "/control/faults":
            self.server.posts = float(query["posts"])
            self.server.gets = float(query["gets"])
            return Reply(200, b"{}", JSON)
        return Reply(200, json.dumps(self.dump()).encode(), JSON)

    def handle_hosted(self, query: dict[str, str]) -> Reply:
        """Somebody does ``ending`` on a hosted page."""
        simulator, books = self.server.simulator, self.server.books
        page = simulator.store.find_page_by_id(query["page"])
        assert page is not None
        visit = simulator.hosted.pay(
            page["order_id"], ending=query["ending"], notify=query["notify"]
        )
        if query["ending"] == "pay":
            with books.lock:
                books.charged_at.setdefault(page["order_id"], time.time())
        # "after" is for the moment after the return, or for later
        threading.Timer(0.3, simulator.hosted.deliver_due).start()
        body = {"return_url": visit.return_url}
        return Reply(200, json.dumps(body).encode(), JSON)

    def dump(self) -> dict[str, Any]:
        books, simulator = self.server.books, self.server.simulator
        rows = list(simulator.store.created_between("", "9"))
        with books.lock:
            return {
                "charges": {
                    row["order_id"]: vars(simulator.charge_of(row["order_id"]))
                    for row in rows
                },
                "post_charge": {
                    row["order_id"]: [
                        dict(one)
                        for one in balances.uncancelled(
                            balances.as_of(row, simulator.now())
                        )
                    ]
                    for row in rows
                },
                "operations": {
                    row["order_id"]: balances.as_of(row, simulator.now())["post_charge"]
                    for row in rows
                },
                "waiting": books.waiting,
                "filed": {
                    row["order_id"]: row["contract"]
                    for row in rows
                    if row["flow"] == "mit"
                },
                "contracts": {
                    name: bool(
                        (simulator.store.find_contract(name) or {}).get("active")
                    )
                    for name in books.contract_orders
                },
                "calls": {name: dict(calls) for name, calls in books.calls.items()},
                "history": dict(books.history),
                "charged_at": dict(books.charged_at),
                "lied": sorted(books.misled_orders),
                "broken": list(books.broken),
                "faults": dict(books.faults),
            }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--posts", type=float, default=0.45)
    parser.add_argument("--gets", type=float, default=0.2)
    parser.add_argument("--timeout", type=float, default=3)
    parser.add_argument("--latest", type=float, default=12)
    parser.add_argument("--world", type=worlds.parse, default=worlds.PLAIN)
    parser.add_argument("--settle", type=float, default=worlds.SETTLE)
    parser.add_argument("--watch", type=float, default=worlds.WATCH)
    # the share of 401s that are sent; the others become a 500
    server = FaultyGatewayServer(parser.parse_args())
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
