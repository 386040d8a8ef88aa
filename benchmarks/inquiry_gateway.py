"""Answers every look-up with "executed" after ``--latency-ms``, and counts them."""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

INQUIRIES: Counter[str] = Counter()
LATENCY = 0.0


class GatewayHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *args: Any) -> None:
        """Says nothing."""

    def do_GET(self) -> None:
        name = self.path.partition("?")[0].rpartition("/")[2]
        body: Any = {"orders": []}
        if name == "inquiries":
            body = INQUIRIES
        elif name != "orders":
            INQUIRIES[name] += 1
            time.sleep(LATENCY)
            body = {
                "orderStatus": {"order": {"orderId": name}},
                "operations": [executed_charge(name)],
            }
        text = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


def executed_charge(order_id: str) -> dict[str, str]:
    return {
        "orderId": order_id,
        "operationId": "op" + order_id[1:],
        "operationType": "AUTHORIZATION",
        "operationResult": "EXECUTED",
        "operationAmount": "1250",
        "operationCurrency": "EUR",
    }


def main() -> None:
    global LATENCY
    parser = argparse.ArgumentParser()
    parser.add_argument("--latency-ms", type=float, default=0)
    LATENCY = parser.parse_args().latency_ms / 1000
    server = ThreadingHTTPServer(("127.0.0.1", 0), GatewayHandler)
    server.daemon_threads = True
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
