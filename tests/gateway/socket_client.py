"""A client on a socket, and the error that one request ends with."""

from __future__ import annotations

import select
import socket
from typing import Any

import pytest

from nexi_payments.card import Card
from nexi_payments.exceptions import GatewayError
from nexi_payments.gateway.client import CallContext, Client
from nexi_payments.gateway.connections import GatewayAdapter
from nexi_payments.gateway.deadline import Deadline
from nexi_payments.gateway.payloads import Purchase
from tests.gateway.clock import CLOCK, PATIENCE
from tests.gateway.socket_servers import SocketServer, http_response

CORRELATION_ID = "4f1f5c1e-5b0d-4f0e-9a51-3f6f4b7f2f10"


PAN = "4349940199004549"


OK = b'{"paymentMethods":[{"circuit":"VISA"}]}'


PURCHASE = Purchase("ORDER0000000000001", 1250, "EUR")


def call_context(seconds: float = PATIENCE) -> CallContext:
    return CallContext(CORRELATION_ID, Deadline(seconds))


def make_client(it: SocketServer | str, adapter: Any = None, **options: Any) -> Client:
    base_url = it if isinstance(it, str) else it.base_url
    return Client(
        base_url=base_url,
        api_key="SECRETKEY",
        adapter=adapter or GatewayAdapter(),
        **{"connect_timeout": 1.0, **options},
    )


def error_of_init(
    it: SocketServer | str, seconds: float = PATIENCE, **options: Any
) -> GatewayError:
    """One init with a card; the error it ends with."""
    with pytest.raises(GatewayError) as caught:
        make_client(it, **options).init(
            "3steps", PURCHASE, Card(PAN, "1230"), call_context(seconds)
        )
    assert caught.value.correlation_id == CORRELATION_ID
    return caught.value


def until_gone(sock: socket.socket) -> bool:
    """Says nothing more; returns when the client has closed the connection."""
    while sock.recv(65536):
        pass
    return False


def too_late(sock: socket.socket) -> bool:
    """The deadline passes; nothing comes any more, however long one waits."""
    CLOCK.leap()
    return until_gone(sock)


def send_slowly(sock: socket.socket, byte: bytes) -> bool:
    """One byte after the other while the client is there. The deadline passes after the
    first; who waits on finds an end after ``PATIENCE``."""
    sock.sendall(byte)
    CLOCK.leap()
    for _ in range(int(PATIENCE / 0.01)):
        if select.select([sock], [], [], 0.01)[0]:
            break
        sock.sendall(byte)
    return False


def answer_and_keep_open(sock: socket.socket, request: bytes) -> bool:
    sock.sendall(http_response(OK))
    return True
