"""A client on a socket, and the error that one request ends with."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest

from nexi_payments.card import Card
from nexi_payments.exceptions import GatewayError
from nexi_payments.gateway.client import Client, Trace
from nexi_payments.gateway.deadline import Deadline
from nexi_payments.gateway.payloads import Purchase
from nexi_payments.gateway.wire import GatewayAdapter
from tests.gateway.peers import Peer, answer

CID = "4f1f5c1e-5b0d-4f0e-9a51-3f6f4b7f2f10"


PAN = "4349940199004549"


OK = b'{"paymentMethods":[{"circuit":"VISA"}]}'


PURCHASE = Purchase("ORDER0000000000001", 1250, "EUR")


def trace(seconds: float = 3.0) -> Trace:
    return Trace(CID, Deadline(seconds))


def client(it: Peer | str, adapter: Any = None, **options: Any) -> Client:
    base_url = it if isinstance(it, str) else it.base_url
    return Client(
        base_url=base_url,
        api_key="SECRETKEY",
        adapter=adapter or GatewayAdapter(),
        **{"connect_timeout": 1.0, **options},
    )


def ask(it: Peer | str, seconds: float = 3.0, **options: Any) -> GatewayError:
    """One init with a card; the error it ends with, and that it ends in time."""
    started = time.monotonic()
    with pytest.raises(GatewayError) as caught:
        client(it, **options).init(
            "3steps", PURCHASE, Card(PAN, "1230"), trace(seconds)
        )
    assert time.monotonic() - started < seconds + 1
    assert caught.value.correlation_id == CID
    return caught.value


def drip(sock: socket.socket, data: bytes) -> bool:
    for byte in data:
        sock.sendall(bytes([byte]))
        time.sleep(0.05)
    return True


def keep(sock: socket.socket, request: bytes) -> bool:
    sock.sendall(answer(OK))
    return True
