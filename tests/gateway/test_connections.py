"""Connections to Nexi: kept, renewed, shared, never after a fork."""

from __future__ import annotations

import os
import socket
import threading
import time
from typing import Any

import pytest
import trustme

from nexi_payments.card import Card
from nexi_payments.exceptions import GatewayError, UnknownOutcome
from nexi_payments.gateway.client import Client
from nexi_payments.gateway.wire import GatewayAdapter
from tests.gateway.asking import OK, PAN, PURCHASE, client, keep, trace
from tests.gateway.peers import answer, peer, read_request, server_context


def test_a_connection_is_reused_while_it_is_fresh() -> None:
    with peer(keep) as it:
        c = client(it, keep_alive=0.3)
        for _ in range(3):
            assert c.payment_methods(trace()) == ("VISA",)
        assert it.connections == 1
        time.sleep(0.4)
        c.payment_methods(trace())
        assert it.connections == 2


def test_zero_means_always_a_new_connection() -> None:
    with peer(keep) as it:
        c = client(it, keep_alive=0)
        for _ in range(3):
            c.payment_methods(trace())
        assert it.connections == 3


def test_a_peer_that_closed_an_idle_connection() -> None:
    with peer(lambda s, r: (s.sendall(answer(OK)), False)[1]) as it:
        c = client(it)
        for _ in range(3):
            assert c.payment_methods(trace()) == ("VISA",)
            time.sleep(0.05)
        assert it.connections == 3


def test_a_request_swallowed_on_a_reused_connection_is_unknown_and_sent_once() -> None:
    def behave(sock: socket.socket, request: bytes) -> bool:
        if request.startswith(b"GET"):
            return keep(sock, request)
        return False  # reads the payment and closes

    with peer(behave) as it:
        c = client(it)
        c.payment_methods(trace())
        with pytest.raises(UnknownOutcome):
            c.init("3steps", PURCHASE, Card(PAN, "1230"), trace())
        assert it.connections == 1
        assert [r.split()[0] for r in it.requests] == [b"GET", b"POST"]


def test_a_call_that_is_cut_harms_no_other() -> None:
    def behave(sock: socket.socket, request: bytes) -> bool:
        if b"/operations/slow" in request:
            time.sleep(1.5)
            return False
        return keep(sock, request)

    with peer(behave) as it:
        c = client(it)
        failures: list[BaseException] = []

        def slow() -> None:
            try:
                c.operation("slow", trace(0.3))
            except GatewayError as error:
                failures.append(error)

        thread = threading.Thread(target=slow)
        thread.start()
        until = time.monotonic() + 1
        while time.monotonic() < until:
            assert c.payment_methods(trace()) == ("VISA",)
        thread.join()
        assert [type(error) for error in failures] == [UnknownOutcome]


def test_thirty_two_threads_share_the_adapter() -> None:
    with peer(keep) as it:
        c = client(it)
        answers: list[Any] = []

        def work() -> None:
            for _ in range(5):
                answers.append(c.payment_methods(trace(10)))

        threads = [threading.Thread(target=work) for _ in range(32)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == [("VISA",)] * 160
        assert it.connections <= 32


def test_after_a_fork() -> None:
    with peer(keep) as it:
        c = Client(base_url=it.base_url, api_key="k")  # the process's own adapter
        c.payment_methods(trace())
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                code = 0 if c.payment_methods(trace()) == ("VISA",) else 2
            finally:
                os._exit(code)
        _, status = os.waitpid(pid, 0)
        assert status == 0
        c.payment_methods(trace())
        assert it.connections == 2


def test_over_tls(tmp_path: Any) -> None:
    authority = trustme.CA()
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    context = server_context(authority)
    with peer(keep, tls=context) as it:
        c = client(it, adapter=GatewayAdapter(ca_bundle=str(bundle)))
        for _ in range(3):
            assert c.payment_methods(trace()) == ("VISA",)
        assert it.connections == 1


def test_cookies_are_not_kept() -> None:
    head = "Set-Cookie: a=b\r\n"
    with peer(lambda s, r: (s.sendall(answer(OK, headers=head)), True)[1]) as it:
        c = client(it)
        c.payment_methods(trace())
        c.payment_methods(trace())
        assert b"ookie" not in it.requests[1]


def test_the_peers_read_whole_requests() -> None:
    one, two = socket.socketpair()
    with one, two:
        one.sendall(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nab")
        assert read_request(two).endswith(b"ab")
