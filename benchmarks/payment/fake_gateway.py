"""A gateway for all: answers of Nexi, Authorize.Net and Stripe, after a latency.

    python benchmarks/payment/fake_gateway.py [--latency-ms 200] [--cert f --key f]

Prints its port. ``GET /count`` tells how many connections were made, that one left out.
"""

from __future__ import annotations

import argparse
import itertools
import json
import ssl
import time
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

LATENCY = 0.0
#: An order's id → its operations at Nexi.
_operations: dict[str, list[dict[str, Any]]] = defaultdict(list)
_ids = itertools.count(1)


class GatewayHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: GatewayServer

    def log_message(self, *args: Any) -> None:
        """Says nothing."""

    def do_GET(self) -> None:
        if self.path.startswith("/v1/account"):  # dj-stripe asks once
            account = {"id": "acct_1", "object": "account", "settings": {}}
            self._answer(json.dumps(account))
            return
        if self.path.startswith("/orders/"):
            self._answer(json.dumps(nexi_order(self.path.rpartition("/")[2])))
            return
        self._answer(json.dumps({"connections": self.server.connections_made - 1}))
        self.server.connections_made -= 1
        self.close_connection = True

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        time.sleep(LATENCY)
        kind = "application/json"
        if self.path.startswith("/v1/payment_intents"):
            text = json.dumps(stripe_intent(dict(parse_qsl(body.decode()))))
        elif self.path.startswith("/gateway/transact.dll"):
            kind, text = "text/plain", authorize_net_response()
        else:
            text = json.dumps(nexi_response(self.path, json.loads(body or b"{}")))
        self._answer(text, kind)

    def _answer(self, text: str, kind: str = "application/json") -> None:
        data = text.encode()
        head = (
            f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n"
            f"Content-Length: {len(data)}\r\n\r\n"
        )
        self.wfile.write(head.encode() + data)


def nexi_response(path: str, asked: dict[str, Any]) -> dict[str, Any]:
    if path.endswith(("/captures", "/refunds")):
        return nexi_acceptance(path, asked)
    order = asked.get("order", {})
    operation = {
        "orderId": order.get("orderId"),
        "operationId": asked.get("operationId") or f"{next(_ids):018d}",
        "channel": "ECOMMERCE",
        "operationType": "AUTHORIZATION",
        "operationResult": "EXECUTED",
        "operationTime": "2026-11-26 09:00:00.000",
        "paymentMethod": "CARD",
        "paymentCircuit": "VISA",
        "paymentInstrumentInfo": "***4242",
        "paymentEndToEndId": "7f3a43490c",
        "operationAmount": order.get("amount"),
        "operationCurrency": order.get("currency"),
        "customerInfo": order.get("customerInfo"),
        "warnings": [],
        "additionalData": {"authorizationCode": "647189", "rrn": "123456789012"},
    }
    if path.endswith("/init"):
        return {
            "operation": {**operation, "operationResult": "PENDING"},
            "threeDSEnrollmentStatus": "ENROLLED",
            "threeDSAuthRequest": "notneeded" * 60,
            "threeDSAuthUrl": "https://127.0.0.1/acs",
        }
    if path.endswith("/validation"):
        return {
            "operation": {**operation, "operationResult": "THREEDS_VALIDATED"},
            "threeDSAuthResult": {
                "authenticationValue": "AJkBB4OBmVFmgYFYFIGZAAAAAAA=",
                "eci": "05",
                "xid": "TSF2STFpQUVaU0NaQ0NvUVVRUFM=",
                "status": "AUTHENTICATED",
            },
        }
    if path.endswith(("/payment", "/moto", "/mit")):
        _operations[operation["orderId"]] = [operation]
    return {"operation": operation}


def nexi_acceptance(path: str, asked: dict[str, Any]) -> dict[str, Any]:
    """Accepts a capture or refund of a charge, and executes it."""
    target, kind = path.split("/")[-2:]
    name = f"{next(_ids):018d}"
    for operations in _operations.values():
        charge = operations[0]
        if charge["operationId"] == target:
            made = {
                "operationId": name,
                "operationType": kind.removesuffix("s").upper(),
                "operationAmount": asked["amount"],
            }
            operations.append({**charge, **made})
    return {"operationId": name}


def nexi_order(order_id: str) -> dict[str, Any]:
    return {
        "orderStatus": {"order": {"orderId": order_id}},
        "operations": _operations[order_id],
    }


def authorize_net_response() -> str:
    said = ["1", "1", "1", "This transaction has been approved.", "A", "Y"]
    return "|".join([*said, str(next(_ids)), *[""] * 62])


def stripe_intent(asked: dict[str, str]) -> dict[str, Any]:
    name = f"pi_{next(_ids):024d}"
    return {
        "id": name,
        "object": "payment_intent",
        "amount": int(asked.get("amount", 0)),
        "amount_capturable": 0,
        "amount_received": int(asked.get("amount", 0)),
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": None,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic",
        "client_secret": f"{name}_secret_0",
        "confirmation_method": "automatic",
        "created": 1764150000,
        "currency": asked.get("currency", "eur"),
        "customer": None,
        "description": asked.get("description"),
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": {},
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_options": {},
        "payment_method_types": ["card"],
        "receipt_email": None,
        "setup_future_usage": None,
        "shipping": None,
        "statement_descriptor": None,
        "status": "succeeded",
        "transfer_data": None,
        "transfer_group": None,
    }


class GatewayServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    connections_made = 0
    tls: ssl.SSLContext | None = None

    def process_request(self, request: Any, address: Any) -> None:
        self.connections_made += 1
        super().process_request(request, address)

    def finish_request(self, request: Any, address: Any) -> None:
        if self.tls is not None:  # in the thread of the connection
            request = self.tls.wrap_socket(request, server_side=True)
        super().finish_request(request, address)

    def handle_error(self, request: Any, address: Any) -> None:
        """A client that goes away is no news."""


def main() -> None:
    global LATENCY
    parser = argparse.ArgumentParser()
    parser.add_argument("--latency-ms", type=float, default=0)
    parser.add_argument("--cert")
    parser.add_argument("--key")
    options = parser.parse_args()
    LATENCY = options.latency_ms / 1000
    server = GatewayServer(("127.0.0.1", 0), GatewayHandler)
    if options.cert:
        server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.tls.load_cert_chain(options.cert, options.key)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
