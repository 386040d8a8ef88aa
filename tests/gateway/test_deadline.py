"""The budget of a call, and what happens when it is over."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

import pytest
import trustme

from nexi_payments.card import Card
from nexi_payments.exceptions import GatewayError, UnknownOutcome, Unsent
from nexi_payments.gateway.deadline import Call, Deadline, TooLate, Watchdog
from nexi_payments.gateway.wire import GatewayAdapter
from tests.gateway.asking import OK, PAN, PURCHASE, client, drip, keep, trace
from tests.gateway.peers import answer, peer, server_context


def test_what_remains_is_never_negative() -> None:
    deadline = Deadline(0.05)
    assert 0 < deadline.remaining <= 0.05
    time.sleep(0.06)
    assert deadline.remaining == 0.0
    assert deadline.total == 0.05


def test_a_name_found_too_late_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing bounds the resolver: the request must not leave after the deadline."""
    resolve = socket.getaddrinfo

    def slow(*args: Any, **kwargs: Any) -> Any:
        time.sleep(0.6)
        return resolve(*args, **kwargs)

    with peer(keep) as it:
        it.host = "localhost"
        monkeypatch.setattr(socket, "getaddrinfo", slow)
        with pytest.raises(GatewayError) as caught:
            client(it).init("3steps", PURCHASE, Card(PAN, "1230"), trace(0.3))
        time.sleep(0.1)
        assert it.requests == []
    assert (type(caught.value), caught.value.cause) == (Unsent, "deadline")


def test_the_connect_timeout_shrinks_with_the_budget() -> None:
    with peer(on_connect=lambda sock: time.sleep(3)) as it:
        it.scheme = "https"  # the handshake stalls
        started = time.monotonic()
        with pytest.raises(UnknownOutcome):
            client(it, connect_timeout=30).payment_methods(trace(0.4))
        assert time.monotonic() - started < 1.4


@pytest.mark.parametrize("status", ["200 OK", "400 No", "404 No", "401 No"])
def test_dripped_headers_are_neither_an_answer_nor_a_refusal(status: str) -> None:
    head = f"HTTP/1.1 {status}\r\nX-Slow: ".encode()

    def behave(sock: socket.socket, request: bytes) -> bool:
        sock.sendall(head)
        return drip(sock, b"y" * 100)

    with peer(behave) as it:
        started = time.monotonic()
        with pytest.raises(UnknownOutcome) as caught:
            client(it).payment_methods(trace(0.4))
        assert time.monotonic() - started < 1.4
        assert caught.value.cause == "deadline"


@pytest.mark.parametrize("status", ["200 OK", "400 No"])
def test_a_dripped_body_is_neither_an_answer_nor_a_refusal(status: str) -> None:
    """Without a length a cut body is a clean end, and blanks after JSON are JSON."""

    def behave(sock: socket.socket, request: bytes) -> bool:
        sock.sendall(f"HTTP/1.1 {status}\r\n\r\n".encode() + OK)
        return drip(sock, b" " * 100)

    with peer(behave) as it:
        started = time.monotonic()
        with pytest.raises(UnknownOutcome) as caught:
            client(it).payment_methods(trace(0.4))
        assert time.monotonic() - started < 1.4
        assert caught.value.cause == "deadline"


@pytest.mark.parametrize("head", ["Connection: close\r\n", ""])
def test_a_dripped_body_over_tls_ends_at_the_deadline(head: str) -> None:
    def behave(sock: socket.socket, request: bytes) -> bool:
        sock.sendall(answer(OK + b" " * 100, headers=head)[:-100])
        return drip(sock, b" " * 100)

    authority = trustme.CA()
    with (
        authority.cert_pem.tempfile() as bundle,
        peer(behave, tls=server_context(authority)) as it,
    ):
        c = client(it, adapter=GatewayAdapter(ca_bundle=bundle))
        started = time.monotonic()
        with pytest.raises(UnknownOutcome) as caught:
            c.payment_methods(trace(0.4))
        assert time.monotonic() - started < 1.4
        assert caught.value.cause == "deadline"


def test_the_deadline_of_a_finished_call_does_not_cut_the_next_on_its_connection() -> (
    None
):
    def behave(sock: socket.socket, request: bytes) -> bool:
        if b"/operations/slow" in request:
            time.sleep(0.6)
            sock.sendall(answer(b'{"operationId":"slow"}'))
            return True
        return keep(sock, request)

    with peer(behave) as it:
        c = client(it)
        c.payment_methods(trace(0.3))  # over long before the next one is answered
        assert c.operation("slow", trace(5)).operation_id == "slow"
        assert it.connections == 1


def test_a_connection_that_was_cut_is_not_used_again() -> None:
    def behave(sock: socket.socket, request: bytes) -> bool:
        if b"/operations/slow" in request:
            time.sleep(0.6)
            sock.sendall(answer(b'{"operationId":"late"}'))
            return True
        return keep(sock, request)

    with peer(behave) as it:
        c = client(it)
        c.payment_methods(trace())
        with pytest.raises(UnknownOutcome):
            c.operation("slow", trace(0.2))
        for _ in range(3):  # never the late answer to another question
            assert c.payment_methods(trace()) == ("VISA",)
        assert it.connections == 2


def watchers() -> int:
    return sum(thread.name == "nexi-deadline" for thread in threading.enumerate())


def test_one_thread_watches_all_calls() -> None:
    watchdog = Watchdog()
    before = watchers()
    now = time.monotonic()
    calls = [Call(now + wait, 0) for wait in (0.3, 0.1, 0.2, 60)]
    for call in calls:
        watchdog.watch(call)
    assert watchers() == before + 1
    time.sleep(0.15)
    assert [call.fired for call in calls] == [False, True, False, False]
    time.sleep(0.25)
    assert [call.fired for call in calls] == [True, True, True, False]


def test_a_finished_call_is_not_cut() -> None:
    call = Call(0, 0)
    call.finish()
    call.cut()
    assert not call.fired


def test_a_first_byte_after_the_deadline_is_refused_but_not_a_second() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:

        class Connection:
            sock = ours

        connection: Any = Connection()
        late = Call(0, 0)
        late.cut()
        with pytest.raises(TooLate):
            late.sends(connection)
        assert not late.sent
        begun = Call(0, 0)
        begun.sends(connection)
        begun.cut()
        assert (begun.sent, begun.fired) == (True, True)
        assert theirs.recv(1) == b""  # shut, so that nobody waits on it
        begun.sends(connection)


def test_a_cut_of_a_connection_that_is_gone_is_silent() -> None:
    with socket.socket() as sock:

        class Connection:
            pass

        connection: Any = Connection()
        connection.sock = sock  # never connected: shutdown() fails
        call = Call(0, 0)
        call.uses(connection)
        call.cut()
        assert call.fired


def test_a_worker_that_leaves_the_pool_empty_handed_closes_its_sockets() -> None:
    with peer(keep) as it:
        adapter = GatewayAdapter()
        client(it, adapter=adapter).payment_methods(trace())
        adapter.close()
        client(it, adapter=adapter).payment_methods(trace())
        assert it.connections == 2
