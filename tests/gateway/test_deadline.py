"""The budget of a call, and what happens when it is over."""

from __future__ import annotations

import math
import socket
import threading
import time
from typing import Any

import pytest
import trustme

from nexi_payments.card import Card
from nexi_payments.exceptions import GatewayError, NotSent, UnknownOutcome
from nexi_payments.gateway.connections import GatewayAdapter
from nexi_payments.gateway.deadline import Call, Deadline, DeadlineExceeded, Watchdog
from tests.gateway.clock import PATIENCE, StillClock
from tests.gateway.socket_client import (
    OK,
    PAN,
    PURCHASE,
    answer_and_keep_open,
    call_context,
    make_client,
    send_slowly,
    until_gone,
)
from tests.gateway.socket_servers import http_response, server_context, socket_server

pytestmark = pytest.mark.usefixtures("still")


def test_what_remains_is_never_negative(still: StillClock) -> None:
    deadline = Deadline(0.05)
    assert 0 < deadline.remaining <= 0.05 + 1e-9  # monotonic clocks are large floats
    still.leap(0.06)
    assert deadline.remaining == 0.0
    assert deadline.total == 0.05


def test_a_name_found_too_late_sends_nothing(
    monkeypatch: pytest.MonkeyPatch, still: StillClock
) -> None:
    """Nothing bounds the resolver: the request must not leave after the deadline."""
    resolve = socket.getaddrinfo

    def slow(*args: Any, **kwargs: Any) -> Any:
        still.leap()
        return resolve(*args, **kwargs)

    with socket_server(answer_and_keep_open) as it:
        it.host = "localhost"
        monkeypatch.setattr(socket, "getaddrinfo", slow)
        with pytest.raises(GatewayError) as caught:
            make_client(it).init("3steps", PURCHASE, Card(PAN, "1230"), call_context())
        it.all_ended(1)
        assert it.requests == []
    assert (type(caught.value), caught.value.cause) == (NotSent, "deadline")


def test_the_connect_timeout_shrinks_with_the_budget() -> None:
    given = []

    class Noting(GatewayAdapter):
        def send(self, request: Any, **how: Any) -> Any:
            given.append(how["timeout"])
            return super().send(request, **how)

    with socket_server(on_connect=until_gone) as it:
        it.scheme = "https"  # the handshake stalls
        c = make_client(it, adapter=Noting(), connect_timeout=30)
        with pytest.raises(UnknownOutcome):
            c.payment_methods(call_context(0.2))
    assert [one.connect_timeout for one in given] == [pytest.approx(0.2)]


@pytest.mark.parametrize("status", ["200 OK", "400 No", "404 No", "401 No"])
def test_dripped_headers_are_neither_an_answer_nor_a_refusal(status: str) -> None:
    head = f"HTTP/1.1 {status}\r\nX-Slow: ".encode()

    def behave(sock: socket.socket, request: bytes) -> bool:
        sock.sendall(head)
        return send_slowly(sock, b"y")

    with socket_server(behave) as it:
        with pytest.raises(UnknownOutcome) as caught:
            make_client(it).payment_methods(call_context())
        assert caught.value.cause == "deadline"


@pytest.mark.parametrize("status", ["200 OK", "400 No"])
def test_a_dripped_body_is_neither_an_answer_nor_a_refusal(status: str) -> None:
    """Without a length a cut body is a clean end, and blanks after JSON are JSON."""

    def behave(sock: socket.socket, request: bytes) -> bool:
        sock.sendall(f"HTTP/1.1 {status}\r\n\r\n".encode() + OK)
        return send_slowly(sock, b" ")

    with socket_server(behave) as it:
        with pytest.raises(UnknownOutcome) as caught:
            make_client(it).payment_methods(call_context())
        assert caught.value.cause == "deadline"


@pytest.mark.parametrize("head", ["Connection: close\r\n", ""])
def test_a_dripped_body_over_tls_ends_at_the_deadline(head: str) -> None:
    def behave(sock: socket.socket, request: bytes) -> bool:
        sock.sendall(http_response(OK + b" " * 9999, headers=head)[:-9999])
        return send_slowly(sock, b" ")

    authority = trustme.CA()
    with (
        authority.cert_pem.tempfile() as bundle,
        socket_server(behave, tls=server_context(authority)) as it,
    ):
        c = make_client(it, adapter=GatewayAdapter(ca_bundle=bundle))
        with pytest.raises(UnknownOutcome) as caught:
            c.payment_methods(call_context())
        assert caught.value.cause == "deadline"


def test_the_deadline_of_a_finished_call_does_not_cut_the_next_on_its_connection(
    still: StillClock,
) -> None:
    def behave(sock: socket.socket, request: bytes) -> bool:
        if b"/operations/slow" in request:
            still.leap(2 * PATIENCE)
            sock.sendall(http_response(b'{"operationId":"slow"}'))
            return True
        return answer_and_keep_open(sock, request)

    with socket_server(behave) as it:
        c = make_client(it, keep_alive=math.inf)
        c.payment_methods(call_context())  # over before the next one is answered
        assert c.operation("slow", call_context(3 * PATIENCE)).operation_id == "slow"
        assert it.connections == 1


def test_a_connection_that_was_cut_is_not_used_again(still: StillClock) -> None:
    def behave(sock: socket.socket, request: bytes) -> bool:
        if b"/operations/slow" in request:
            still.leap()
            sock.sendall(http_response(b'{"operationId":"late"}'))
            return True
        return answer_and_keep_open(sock, request)

    with socket_server(behave) as it:
        c = make_client(it)
        c.payment_methods(call_context())
        with pytest.raises(UnknownOutcome):
            c.operation("slow", call_context())
        for _ in range(3):  # never the late answer to another question
            assert c.ping(call_context()).methods == ("VISA",)
        assert it.connections == 2


def watchers() -> int:
    return sum(thread.name == "nexi-deadline" for thread in threading.enumerate())


def test_one_thread_watches_all_calls(still: StillClock) -> None:
    watchdog = Watchdog()
    before = watchers()
    now = still.monotonic()
    calls = [Call(now + wait, 0) for wait in (0.3, 0.1, 0.2, 60)]
    for call in calls:
        watchdog.watch(call)
    assert watchers() == before + 1
    still.leap(0.15, of=watchdog)
    assert [call.timed_out for call in calls] == [False, True, False, False]
    still.leap(0.25, of=watchdog)
    assert [call.timed_out for call in calls] == [True, True, True, False]


def test_time_goes_on_without_a_leap(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the real clock: nobody wakes the watchdog."""
    monkeypatch.setattr("nexi_payments.gateway.deadline.time", time)
    ours, theirs = socket.socketpair()
    with ours, theirs:

        class Connection:
            sock = ours

        connection: Any = Connection()
        call = Call(Deadline(0.05).at, 0)
        call.use_connection(connection)
        Watchdog().watch(call)
        theirs.settimeout(PATIENCE)
        assert theirs.recv(1) == b""
        assert call.timed_out


def test_a_finished_call_is_not_cut() -> None:
    call = Call(0, 0)
    call.finish()
    call.abort()
    assert not call.timed_out


def test_a_first_byte_after_the_deadline_is_refused_but_not_a_second() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:

        class Connection:
            sock = ours

        connection: Any = Connection()
        late = Call(math.inf, 0)
        late.abort()
        with pytest.raises(DeadlineExceeded):
            late.mark_sent(connection)
        assert not late.sent
        begun = Call(math.inf, 0)
        begun.mark_sent(connection)
        begun.abort()
        assert (begun.sent, begun.timed_out) == (True, True)
        assert theirs.recv(1) == b""  # shut, so that nobody waits on it
        begun.mark_sent(connection)


def test_the_deadline_counts_also_while_the_watchdog_sleeps(still: StillClock) -> None:
    """A process that was suspended wakes: its thread runs before the watchdog's."""
    ours, theirs = socket.socketpair()
    with ours, theirs:

        class Connection:
            sock = ours

        connection: Any = Connection()
        call = Call(still.monotonic(), 0)
        with pytest.raises(DeadlineExceeded):
            call.mark_sent(connection)
        assert (call.sent, call.timed_out) == (False, False)


def test_a_cut_of_a_connection_that_is_gone_is_silent() -> None:
    with socket.socket() as sock:

        class Connection:
            pass

        connection: Any = Connection()
        connection.sock = sock  # never connected: shutdown() fails
        call = Call(0, 0)
        call.use_connection(connection)
        call.abort()
        assert call.timed_out


def test_a_worker_that_leaves_the_pool_empty_handed_closes_its_sockets() -> None:
    with socket_server(answer_and_keep_open) as it:
        adapter = GatewayAdapter()
        make_client(it, adapter=adapter).payment_methods(call_context())
        adapter.close()
        make_client(it, adapter=adapter).payment_methods(call_context())
        assert it.connections == 2
