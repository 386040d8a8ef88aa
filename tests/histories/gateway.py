"""The simulator behind a door that lies, stalls, cuts and forgets.

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
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from nexi_payments.simulator import Simulator
from nexi_payments.simulator.answers import Reply
from nexi_payments.simulator.server import BASE_PATH

JSON = {"Content-Type": "application/json"}
HTML = {"Content-Type": "text/html"}
ERROR = b'{"errors":[{"code":"PS0026","description":"invalid parameter"}]}'

#: Not done, and answered so: name → weight
BEFORE = {
    "reset": 4,
    "close": 4,
    "hang": 3,
    "500 json": 4,
    "502 html": 4,
    "503 empty": 3,
    "400 json": 4,
    "400 html": 2,
    "404": 1,
    "409": 1,
    "429": 2,
    "302": 2,
    "204": 1,
    "garbage": 3,
    "half": 2,
    "401": 1,
}
#: Done, and then this happens to the answer.
AFTER = {
    "reset": 6,
    "close": 6,
    "hang": 4,
    "500 json": 5,
    "502 html": 4,
    "400 json": 3,
    "302": 1,
    "204": 2,
    "garbage": 4,
    "half": 4,
    "drip": 3,
    "unknown word": 3,
    "no amount": 2,
    "wrong amount": 2,
    "said declined": 2,
}
#: Cut now, done some seconds later.
LATE = 8
#: A look-up goes wrong; "missing" is a 404 on an order that exists.
LOOKS = {
    "reset": 4,
    "close": 3,
    "hang": 2,
    "500 json": 4,
    "502 html": 2,
    "429": 2,
    "302": 1,
    "garbage": 3,
    "half": 3,
    "missing": 2,
    "401": 1,
}
_SIMPLE = {
    "500 json": Reply(500, ERROR, JSON),
    "502 html": Reply(502, b"<html>bad gateway</html>", HTML),
    "503 empty": Reply(503),
    "400 json": Reply(400, ERROR, JSON),
    "400 html": Reply(400, b"<html>no</html>", HTML),
    "404": Reply(404),
    "missing": Reply(404),
    "401": Reply(401),
    "409": Reply(409, ERROR, JSON),
    "429": Reply(429, b"", {"Retry-After": "1"}),
    "302": Reply(302, b"", {"Location": "http://127.0.0.1:9/thief"}),
    "204": Reply(204),
    "garbage": Reply(200, b"<html>welcome</html>", HTML),
}
_MONEY = re.compile(r".*/(payment|orders/moto)")


class Books:
    """What the gateway did and was asked, by order id; for the judge."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.history: dict[str, str] = {}  # order or operation id → history
        self.order_of: dict[str, str] = {}  # operation id → order id
        self.calls: dict[str, Counter[str]] = defaultdict(Counter)
        self.nth: Counter[tuple[str, str]] = Counter()
        self.charged_at: dict[str, float] = {}
        self.lied: set[str] = set()
        self.keys: dict[str, str] = {}
        self.broken: list[str] = []
        self.faults: Counter[str] = Counter()


class Gateway(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.posts, self.gets = options.posts, options.gets
        self.simulator = Simulator(pending_seconds=3)
        self.books = Books()
        super().__init__(("127.0.0.1", options.port), Door)

    def fault(self, method: str, what: str, history: str) -> tuple[str, str, float]:
        """(when, name, a number from 0 to 1) for this call; ("", "", 0) for none."""
        with self.books.lock:
            nth = self.books.nth[history, what]
            self.books.nth[history, what] += 1
        dice = random.Random(f"{self.options.seed}|{history}|{what}|{nth}")
        share = self.posts if method == "POST" else self.gets
        if dice.random() >= share:
            return "", "", 0.0
        if method == "GET":
            return "look", _pick(dice, LOOKS), dice.random()
        plans = {("before", name): weight for name, weight in BEFORE.items()} | {
            ("after", name): weight for name, weight in AFTER.items()
        }
        plans["late", "close"] = LATE
        when, name = _pick(dice, plans)
        return when, name, dice.random()


def _pick(dice: random.Random, weights: dict[Any, int]) -> Any:
    return dice.choices(list(weights), list(weights.values()))[0]


class Door(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Gateway

    def log_message(self, *args: Any) -> None:
        """Says nothing."""

    def do_GET(self) -> None:
        self.serve(b"")

    def do_POST(self) -> None:
        self.serve(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

    def serve(self, body: bytes) -> None:
        if self.path.startswith("/control/"):
            self.answer(self.control(urlsplit(self.path)))
            return
        path = self.path.partition("?")[0].removeprefix(BASE_PATH)
        order_id, history, what = self.note(path, body)
        when, name, dice = self.server.fault(self.command, what, history)
        books = self.server.books
        if name == "401" and self.command == "POST" and dice > 0.3:
            name = "500 json"  # an alarm stops all charges: not too often
        with books.lock:
            books.faults[f"{self.command} {when} {name}".strip()] += 1
        if when == "late":
            wait = 0.5 + dice * self.server.options.latest
            threading.Timer(wait, self.process, (body, order_id, path)).start()
            self.broken_off(name, None)
        elif when == "before" or (when == "look" and name != "half"):
            if name == "missing":
                books.lied.add(order_id)
            self.broken_off(name, None)
        elif when:
            reply = self.process(body, order_id, path)
            if when == "after" and (name[:3] in ("400", "sai", "wro")):
                books.lied.add(order_id)
            self.broken_off(name, reply)
        else:
            self.answer(self.process(body, order_id, path))

    # -- what is really done -----------------------------------------------------------

    def note(self, path: str, body: bytes) -> tuple[str, str, str]:
        """Counts the call; the order it is about, its history, and a short name."""
        data = json.loads(body) if body else {}
        order = data.get("order") or {}
        parts = path.strip("/").split("/")
        books = self.server.books
        with books.lock:
            order_id = order.get("orderId") or books.order_of.get(
                data.get("operationId") or (parts[1] if len(parts) > 1 else ""),
                parts[1] if len(parts) == 2 else "",
            )
            name = (order.get("customerInfo") or {}).get("cardHolderName", "")
            if number := re.search(r"\d+", name):
                books.history[order_id] = number[0]
            history = books.history.get(order_id, "")
            what = parts[-1] if self.command == "POST" else "look"
            books.calls[order_id][what] += 1
            key = self.headers.get("Idempotency-Key", "")
            if key:
                print_of = hashlib.sha256(path.encode() + body).hexdigest()
                if books.keys.setdefault(key, print_of) != print_of:
                    books.broken.append(f"{order_id}: key {key} with another body")
        return order_id, history, what

    def process(self, body: bytes, order_id: str, path: str) -> Reply:
        simulator, books = self.server.simulator, self.server.books
        url = f"http://127.0.0.1:{self.server.server_address[1]}{self.path}"
        reply = simulator.handle(self.command, url, dict(self.headers.items()), body)
        record = simulator.record(order_id) if order_id else None
        if record is not None and self.command == "POST":
            with books.lock:
                books.order_of[record["operation_id"]] = order_id
                for one in record["later"]:
                    books.order_of[one["id"]] = order_id
                if record["charged_at"] and record["code"] == "000":
                    books.charged_at.setdefault(order_id, time.time())
        return reply

    # -- what the caller gets ----------------------------------------------------------

    def broken_off(self, name: str, reply: Reply | None) -> None:
        if name in _SIMPLE:
            self.answer(_SIMPLE[name])
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
            self.answer(_twisted(name, reply))

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

    # -- for the play and the judge ----------------------------------------------------

    def control(self, url: Any) -> Reply:
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        if url.path == "/control/challenge":
            fields = self.server.simulator.challenge(query["id"], query["answer"])
            return Reply(200, json.dumps(fields).encode(), JSON)
        if url.path == "/control/calm":
            self.server.posts = self.server.gets = 0.0
            return Reply(200, b"{}", JSON)
        return Reply(200, json.dumps(self.dump()).encode(), JSON)

    def dump(self) -> dict[str, Any]:
        books, simulator = self.server.books, self.server.simulator
        rows = simulator.store.between("", "9")
        with books.lock:
            return {
                "charges": {
                    row["order_id"]: vars(simulator.charge_of(row["order_id"]))
                    for row in rows
                },
                "calls": {name: dict(calls) for name, calls in books.calls.items()},
                "history": dict(books.history),
                "charged_at": dict(books.charged_at),
                "lied": sorted(books.lied),
                "broken": list(books.broken),
                "faults": dict(books.faults),
            }


def _twisted(name: str, reply: Reply) -> Reply:
    """The real answer with one thing changed; unchanged where it has no such thing."""
    try:
        data = json.loads(reply.body)
        operation = data["operation"]
    except (ValueError, KeyError, TypeError):
        return _SIMPLE["500 json"]  # refused, or a capture's: lost is all it can be
    if name == "unknown word":
        operation["operationResult"] = "MAYBE"
    elif name == "no amount":
        operation["operationAmount"] = operation["operationCurrency"] = None
    elif name == "wrong amount":
        operation["operationAmount"] = str(int(operation["operationAmount"]) + 1)
    elif operation["operationResult"] in ("EXECUTED", "AUTHORIZED"):
        operation["operationResult"] = "DECLINED"
    return Reply(reply.status, json.dumps(data).encode(), JSON)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--posts", type=float, default=0.45)
    parser.add_argument("--gets", type=float, default=0.2)
    parser.add_argument("--timeout", type=float, default=3)
    parser.add_argument("--latest", type=float, default=12)
    server = Gateway(parser.parse_args())
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
