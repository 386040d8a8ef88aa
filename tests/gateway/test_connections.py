"""Connections to Nexi: kept, renewed, shared, never after a fork."""

from __future__ import annotations

import os
import socket
import threading
from typing import Any

import pytest
import trustme

from nexi_payments.card import Card
from nexi_payments.exceptions import GatewayError, UnknownOutcome
from nexi_payments.gateway.client import Client
from nexi_payments.gateway.connections import GatewayAdapter
from tests.gateway.clock import PATIENCE, StillClock
from tests.gateway.socket_client import (
    OK,
    PAN,
    PURCHASE,
    answer_and_keep_open,
    call_context,
    make_client,
    until_gone,
)
from tests.gateway.socket_servers import (
    http_response,
    read_request,
    server_context,
    socket_server,
)

pytestmark = pytest.mark.usefixtures("still")


def test_a_connection_is_reused_while_it_is_fresh(still: StillClock) -> None:
    with socket_server(answer_and_keep_open) as it:
        c = make_client(it, keep_alive=0.3)
        for _ in range(3):
            assert c.ping(call_context()).methods == ("VISA",)
        assert it.connections == 1
        still.leap(0.4)
        c.payment_methods(call_context())
        assert it.connections == 2


def test_zero_means_always_a_new_connection() -> None:
    with socket_server(answer_and_keep_open) as it:
        c = make_client(it, keep_alive=0)
        for _ in range(3):
            c.payment_methods(call_context())
        assert it.connections == 3


def test_a_peer_that_closed_an_idle_connection() -> None:
    with socket_server(lambda s, r: (s.sendall(http_response(OK)), False)[1]) as it:
        c = make_client(it)
        for count in (1, 2, 3):
            assert c.ping(call_context()).methods == ("VISA",)
            it.all_ended(count)
        assert it.connections == 3


def test_a_request_swallowed_on_a_reused_connection_is_unknown_and_sent_once() -> None:
    def behave(sock: socket.socket, request: bytes) -> bool:
        if request.startswith(b"GET"):
            return answer_and_keep_open(sock, request)
        return False  # reads the payment and closes

    with socket_server(behave) as it:
        c = make_client(it)
        c.payment_methods(call_context())
        with pytest.raises(UnknownOutcome):
            c.init("3steps", PURCHASE, Card(PAN, "1230"), call_context())
        assert it.connections == 1
        assert [r.split()[0] for r in it.requests] == [b"GET", b"POST"]


def test_a_call_that_is_cut_harms_no_other(still: StillClock) -> None:
    arrived = threading.Event()

    def behave(sock: socket.socket, request: bytes) -> bool:
        if b"/operations/slow" in request:
            arrived.set()
            return until_gone(sock)
        return answer_and_keep_open(sock, request)

    with socket_server(behave) as it:
        c = make_client(it)
        failures: list[BaseException] = []

        def slow() -> None:
            try:
                c.operation("slow", call_context(1))
            except GatewayError as error:
                failures.append(error)

        thread = threading.Thread(target=slow)
        thread.start()
        assert arrived.wait(PATIENCE)
        for _ in range(20):
            assert c.ping(call_context()).methods == ("VISA",)
            still.leap(0.1)  # half way it is cut
        thread.join()
        assert [type(error) for error in failures] == [UnknownOutcome]


def test_thirty_two_threads_share_the_adapter() -> None:
    with socket_server(answer_and_keep_open) as it:
        c = make_client(it)
        answers: list[Any] = []

        def work() -> None:
            for _ in range(5):
                answers.append(c.ping(call_context()).methods)

        threads = [threading.Thread(target=work) for _ in range(32)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == [("VISA",)] * 160
        assert it.connections <= 32


def test_after_a_fork() -> None:
    with socket_server(answer_and_keep_open) as it:
        c = Client(base_url=it.base_url, api_key="k")  # the process's own adapter
        c.payment_methods(call_context())
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                code = 0 if c.ping(call_context()).methods == ("VISA",) else 2
            finally:
                os._exit(code)
        _, status = os.waitpid(pid, 0)
        assert status == 0
        c.payment_methods(call_context())
        assert it.connections == 2


def test_over_tls(tmp_path: Any) -> None:
    authority = trustme.CA()
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    context = server_context(authority)
    with socket_server(answer_and_keep_open, tls=context) as it:
        c = make_client(it, adapter=GatewayAdapter(ca_bundle=str(bundle)))
        for _ in range(3):
            assert c.ping(call_context()).methods == ("VISA",)
        assert it.connections == 1


def test_cookies_are_not_kept() -> None:
    head = "Set-Cookie: a=b\r\n"
    with socket_server(
        lambda s, r: (s.sendall(http_response(OK, headers=head)), True)[1]
    ) as it:
        c = make_client(it)
        c.payment_methods(call_context())
        c.payment_methods(call_context())
        assert b"ookie" not in it.requests[1]


def test_the_peers_read_whole_requests() -> None:
    one, two = socket.socketpair()
    with one, two:
        one.sendall(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nab")
        assert read_request(two).endswith(b"ab")
