"""Which failure means what, on real sockets. The default is: outcome unknown."""

from __future__ import annotations

import gzip
import os
import select
import socket
import struct
import tracemalloc
from typing import Any

import pytest
import trustme

from nexi_payments.exceptions import NotSent, Rejected, UnknownOutcome
from nexi_payments.gateway.connections import GatewayAdapter
from tests.gateway.clock import PATIENCE
from tests.gateway.socket_client import (
    OK,
    call_context,
    error_of_init,
    make_client,
    send_slowly,
    too_late,
    until_gone,
)
from tests.gateway.socket_servers import http_response, server_context, socket_server

pytestmark = pytest.mark.usefixtures("still")

# -- nothing left this machine -------------------------------------------------------


def test_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    error = error_of_init(f"http://127.0.0.1:{port}")
    assert (type(error), error.cause) == (NotSent, "NewConnectionError")


def test_no_such_host() -> None:
    error = error_of_init("https://no.such.host.invalid")
    assert (type(error), error.cause) == (NotSent, "NameResolutionError")


def test_connect_timeout() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        assert select.select([], fillers[:1], [], PATIENCE)[1]  # one fills it
        url = f"http://127.0.0.1:{full.getsockname()[1]}"
        error = error_of_init(url, connect_timeout=0.3)
        for filler in fillers:
            filler.close()
    assert (type(error), error.cause) == (NotSent, "ConnectTimeoutError")


def test_bad_certificate() -> None:
    authority = trustme.CA()
    context = server_context(authority)
    with socket_server(
        lambda sock, request: sock.sendall(http_response(OK)), tls=context
    ) as it:
        error = error_of_init(it)
        assert it.requests == []
    assert (type(error), error.cause) == (NotSent, "SSLCertVerificationError")


def test_certificate_of_another_host(tmp_path: Any) -> None:
    authority = trustme.CA()
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    context = server_context(authority, "other.example")
    with socket_server(
        lambda sock, request: sock.sendall(http_response(OK)), tls=context
    ) as it:
        error = error_of_init(it, adapter=GatewayAdapter(ca_bundle=str(bundle)))
        assert it.requests == []
    assert (type(error), error.cause) == (NotSent, "SSLCertVerificationError")


def test_no_time_left() -> None:
    with socket_server(lambda sock, request: True) as it:
        with pytest.raises(NotSent):
            make_client(it).payment_methods(call_context(0))
        assert it.connections == 0


# -- outcome unknown ----------------------------------------------------------------


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def endless_continue(sock: socket.socket) -> bool:
    return send_slowly(sock, b"HTTP/1.1 100 Continue\r\n\r\n")


HALF = b'{"operation":{"operationId":"1","operationResult":"EXECUTED"'
GOOD = b'{"operation":{"operationId":"1","operationResult":"PENDING"}}'
CUT = b"HTTP/1.1 200 OK\r\n"
TRAPS: dict[str, Any] = {
    "never answers": lambda s, r: too_late(s),
    "closed before the status line": lambda s, r: False,
    "reset before the status line": lambda s, r: reset(s),
    "reset in the body": lambda s, r: (s.sendall(http_response(OK)[:-9]), reset(s))[1],
    "body cut": lambda s, r: s.sendall(http_response(OK)[:-9]),
    "chunked body cut": lambda s, r: s.sendall(
        CUT + b"Transfer-Encoding: chunked\r\n\r\n10\r\n{"
    ),
    "good JSON short of its length": lambda s, r: s.sendall(
        CUT + b"Content-Length: 99\r\n\r\n" + GOOD
    ),
    "good JSON in chunks without an end": lambda s, r: s.sendall(
        CUT + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (len(GOOD), GOOD)
    ),
    "body cut without a length": lambda s, r: s.sendall(CUT + b"\r\n" + HALF),
    "garbage for a status line": lambda s, r: s.sendall(
        b"\x16\x03\x01nonsense\r\n\r\n"
    ),
    "dripped body": lambda s, r: (
        s.sendall(http_response(OK + b" " * 9999)[:-9999]),
        send_slowly(s, b" "),
    ),
    "dripped headers": lambda s, r: (s.sendall(CUT + b"X: "), send_slowly(s, b"y")),
    "endless continue": lambda s, r: endless_continue(s),
    "a header that never ends": lambda s, r: s.sendall(CUT + b"X: " + b"y" * 100_000),
    "html": lambda s, r: s.sendall(http_response(b"<html>ok</html>")),
    "empty": lambda s, r: s.sendall(http_response(b"")),
    "null": lambda s, r: s.sendall(http_response(b"null")),
    "list": lambda s, r: s.sendall(http_response(b"[]")),
    "text": lambda s, r: s.sendall(http_response(b'"x"')),
    "no operation": lambda s, r: s.sendall(http_response(b"{}")),
    "operation a list": lambda s, r: s.sendall(http_response(b'{"operation":[]}')),
    "byte order mark": lambda s, r: s.sendall(http_response(b"\xef\xbb\xbf" + OK)),
    "not UTF-8": lambda s, r: s.sendall(http_response(b'{"a":"\xff"}')),
    "NaN": lambda s, r: s.sendall(http_response(b'{"a":NaN}')),
    "a member twice": lambda s, r: s.sendall(http_response(b'{"a":1,"a":2}')),
    "nested": lambda s, r: s.sendall(http_response(b"[" * 100_000)),
    "gzip": lambda s, r: s.sendall(
        http_response(gzip.compress(OK), headers="Content-Encoding: gzip\r\n")
    ),
    **{
        status: (lambda line: lambda s, r: s.sendall(http_response(b"<html>", line)))(
            status
        )
        for status in (
            "103 Early Hints",
            "204 No Content",
            "206 Partial",
            "304 Not Modified",
            "402 x",
            "408 x",
            "409 Conflict",
            "418 x",
            "500 x",
            "502 x",
            "503 x",
            "504 x",
            "599 x",
        )
    },
}


#: Nothing else ends these.
ENDLESS = {"never answers", "dripped body", "dripped headers", "endless continue"}


@pytest.mark.parametrize("name", TRAPS)
def test_unknown(name: str) -> None:
    with socket_server(TRAPS[name]) as it:
        error = error_of_init(it)
        assert type(error) is UnknownOutcome
        assert (error.cause == "deadline") == (name in ENDLESS)
        assert len(it.requests) == 1


def test_a_socket_may_be_the_first_to_give_up() -> None:
    """Its own time-out is the same time again: what is over first ends the call."""
    with socket_server(lambda s, r: until_gone(s)) as it:
        error = error_of_init(it, seconds=0.2)
        assert type(error) is UnknownOutcome
        assert len(it.requests) == 1


def test_a_cut_in_the_headers_is_not_believed() -> None:
    """Shut at the deadline, half a header looks like a complete 200."""

    def behave(sock: socket.socket, request: bytes) -> bool:
        sock.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: y")
        return too_late(sock)

    with socket_server(behave) as it:
        assert error_of_init(it).cause == "deadline"


def test_stalled_handshake() -> None:
    with socket_server(on_connect=until_gone) as it:
        it.scheme = "https"
        assert type(error_of_init(it, connect_timeout=0.2)) is UnknownOutcome


def test_tls_garbage_after_the_request_was_read(tmp_path: Any) -> None:
    authority = trustme.CA()
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    context = server_context(authority)

    def behave(sock: Any, request: bytes) -> bool:
        os.write(sock.fileno(), b"this is not a TLS record" * 4)
        return False

    with socket_server(behave, tls=context) as it:
        error = error_of_init(it, adapter=GatewayAdapter(ca_bundle=str(bundle)))
        assert len(it.requests) == 1
    assert type(error) is UnknownOutcome


def test_a_huge_body_is_cut() -> None:
    def behave(sock: socket.socket, request: bytes) -> bool:
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2000000000\r\n\r\n")
        for _ in range(100):
            sock.sendall(b" " * 1_000_000)
        return False

    tracemalloc.start()
    with socket_server(behave) as it:
        error = error_of_init(it)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (type(error), error.cause) == (UnknownOutcome, "body too large")
    assert peak < 20_000_000


def test_a_gzip_bomb_is_not_unpacked() -> None:
    bomb = gzip.compress(b"[" + b" " * 100_000_000 + b"]")
    head = "Content-Encoding: gzip\r\n"
    tracemalloc.start()
    with socket_server(lambda s, r: s.sendall(http_response(bomb, headers=head))) as it:
        error = error_of_init(it)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (type(error), error.cause) == (UnknownOutcome, "body is not JSON")
    assert peak < 20_000_000


def test_a_peer_that_does_not_speak_tls() -> None:
    with socket_server(
        on_connect=lambda sock: sock.sendall(http_response(OK, "400 No"))
    ) as it:
        it.scheme = "https"
        assert type(error_of_init(it)) is UnknownOutcome


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(status: int) -> None:
    with socket_server(lambda sock, request: sock.sendall(http_response(OK))) as thief:
        head = f"Location: {thief.base_url}/stolen\r\n"
        line = f"{status} Moved"
        with socket_server(
            lambda s, r: s.sendall(http_response(b"", line, head))
        ) as it:
            error = error_of_init(it)
        assert (type(error), error.status) == (UnknownOutcome, status)
        assert thief.connections == 0


# -- the gateway said no -------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 415, 422, 429])
@pytest.mark.parametrize("body", [b"", b"<html>", b'{"errors":null}', b"[]"])
def test_refused_by_the_gateway(status: int, body: bytes) -> None:
    with socket_server(
        lambda s, r: s.sendall(http_response(body, f"{status} No"))
    ) as it:
        error = error_of_init(it)
    assert (type(error), error.status, error.codes) == (Rejected, status, ())


def test_error_codes_and_waiting_time() -> None:
    body = b'{"errors":[{"code":"PS0009","description":"no"},{"code":null},7]}'
    head = "Retry-After: 3\r\ncid: abc\r\n"
    with socket_server(
        lambda s, r: s.sendall(http_response(body, "429 Busy", head))
    ) as it:
        error = error_of_init(it)
    assert (error.codes, error.retry_after, error.cid) == (("PS0009",), 3.0, "abc")
    assert "no" not in str(error).split()


def test_a_refusal_cut_in_its_body_is_unknown() -> None:
    whole = http_response(b'{"errors":[]}', "400 No")
    with socket_server(lambda s, r: s.sendall(whole[:-5])) as it:
        assert type(error_of_init(it)) is UnknownOutcome
