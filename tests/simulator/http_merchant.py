"""A merchant on a socket, and what it sees of an order that was captured in part."""

from __future__ import annotations

import uuid
from typing import Any

import requests

from nexi_payments.simulator import Reply, Simulator
from tests.simulator.merchant_client import MerchantClient, assert_documented

AMOUNT = {"amount": "500", "currency": "EUR"}
KEY = {"Idempotency-Key": "the same"}
HELD = ("AUTHORIZATION", "AUTHORIZED", "1250")
CAPTURED = ("CAPTURE", "EXECUTED", "500")


class HttpMerchantClient(MerchantClient):
    """The same merchant, through a socket. A cut connection is status 0."""

    def __init__(self, simulator: Simulator, base_url: str) -> None:
        super().__init__(simulator)
        self.base_url = base_url

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
        *,
        documented: bool = True,
    ) -> Reply:
        sent = {"X-Api-Key": "key", "Correlation-Id": str(uuid.uuid4())}
        with requests.Session() as session:
            session.trust_env = False
            try:
                answer = session.request(
                    method,
                    self.base_url + path,
                    json=body,
                    headers=sent | (headers or {}),
                    timeout=30,
                )
            except requests.ConnectionError:
                return Reply(0)
        reply = Reply(answer.status_code, answer.content, answer.headers)
        if documented:
            assert_documented(method, path, reply)
        return reply


def listed(terminal: MerchantClient, order_id: str = "ORDER1") -> list[tuple[str, ...]]:
    """Type, result and amount of each operation that the order lists."""
    return [
        (one["operationType"], one["operationResult"], one["operationAmount"])
        for one in terminal.get(f"/orders/{order_id}")["operations"]
    ]


def executed(simulator: Simulator) -> list[tuple[str, str, str]]:
    """Type, result and amount of what followed the charge, by the books."""
    record = simulator.record("ORDER1")
    assert record is not None
    return [
        (one["type"], one["result"], one["amount"]) for one in record["post_charge"]
    ]
