"""Small servers on real sockets that misbehave, one way each."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import trustme

from tests.gateway.clock import PATIENCE

Behaviour = Callable[[socket.socket], None]


@dataclass
class SocketServer:
    port: int
    connections: int = 0
    #: connections that have ended, closed by either side
    ended: int = 0
    requests: list[bytes] = field(default_factory=list)
    scheme: str = "http"
    host: str = "127.0.0.1"

    changed: threading.Condition = field(default_factory=threading.Condition)

    @property
    def base_url(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"

    def all_ended(self, connections: int) -> None:
        """Waits until so many have come, and all are over."""
        with self.changed:
            assert self.changed.wait_for(
                lambda: self.connections == self.ended == connections, PATIENCE
            )


def read_request(sock: socket.socket) -> bytes:
    """One whole request, body included; b"" when the client went away."""
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = sock.recv(65536)
        if not chunk:
            return b""
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    while len(body) < length:
        body += sock.recv(65536)
    return head + b"\r\n\r\n" + body


def http_response(body: bytes, status: str = "200 OK", headers: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    return head.encode() + body


@contextlib.contextmanager
def socket_server(
    behave: Callable[[socket.socket, bytes], object] | None = None,
    *,
    on_connect: Behaviour | None = None,
    tls: ssl.SSLContext | None = None,
) -> Iterator[SocketServer]:
    """``behave(socket, request)`` after each request; a falsy answer closes."""
    listener = socket.create_server(("127.0.0.1", 0))
    it = SocketServer(listener.getsockname()[1], scheme="https" if tls else "http")
    stop = threading.Event()
    live: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def serve(sock: socket.socket) -> None:
        try:
            with contextlib.suppress(OSError), sock:
                talk(sock)
        finally:
            with it.changed:
                it.ended += 1
                it.changed.notify_all()

    def talk(sock: socket.socket) -> None:
        live.append(sock)
        if on_connect is not None:
            on_connect(sock)
            return
        wrapped = tls.wrap_socket(sock, server_side=True) if tls else sock
        with wrapped:
            live.append(wrapped)
            while behave is not None:
                request = read_request(wrapped)
                if not request:
                    return
                it.requests.append(request)
                if not behave(wrapped, request):
                    return

    def accept() -> None:
        while True:
            sock, _ = listener.accept()
            if stop.is_set():
                sock.close()
                return
            sock.settimeout(PATIENCE)
            with it.changed:
                it.connections += 1
            threads.append(threading.Thread(target=serve, args=(sock,), daemon=True))
            threads[-1].start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield it
    finally:
        stop.set()
        socket.create_connection(("127.0.0.1", it.port)).close()  # wakes accept()
        accepting.join()
        listener.close()
        end(threads, live)


def end(threads: list[threading.Thread], live: list[socket.socket]) -> None:
    """Shuts every socket; its own thread closes it, and ends."""
    while any(thread.is_alive() for thread in threads):
        for sock in list(live):
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
        for thread in threads:
            thread.join(0.01)


def server_context(authority: trustme.CA, host: str = "127.0.0.1") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host).configure_cert(context)
    return context
